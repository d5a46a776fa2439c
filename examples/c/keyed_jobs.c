/*
 * Jobs of one key run in order, one at a time; different keys run in parallel.
 *
 * Four accounts, each a key. Deposits add up in order; one body fails twice and is run again; one
 * gives up and is undone; one is pending until a timer finishes its token. Build and run:
 *
 *   cc -std=c99 keyed_jobs.c -o keyed_jobs -llaneway && ./keyed_jobs
 */
#include <laneway.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

/* Statuses of one's own begin at LANEWAY_EUSER and come back unchanged. */
enum { LINE_BUSY = LANEWAY_EUSER - 1, NO_FUNDS = LANEWAY_EUSER - 2 };

struct account {
  const char *name;
  struct laneway_pool *pool;
  int balance; /* no lock: jobs of one key never overlap, and each sees what the last one did */
};

static void check(laneway_status status, const char *what) {
  if (status != LANEWAY_OK) {
    fprintf(stderr, "%s: %s\n", what, laneway_status_name(status));
    exit(EXIT_FAILURE);
  }
}

static laneway_status deposit(void *user_data, struct laneway_job_context *context) {
  struct account *account = user_data;
  (void)context;
  account->balance += 10;
  return LANEWAY_OK;
}

static laneway_status call_the_bank(void *user_data, struct laneway_job_context *context) {
  static const char busy[] = "the line is busy";
  struct account *account = user_data;
  if (laneway_job_context_attempt(context) < 3) {
    return laneway_job_context_fail(context, LINE_BUSY, busy, sizeof busy - 1);
  }
  account->balance = 3;
  return LANEWAY_OK;
}

static laneway_status overdraw(void *user_data, struct laneway_job_context *context) {
  static const char text[] = "not enough money";
  struct account *account = user_data;
  account->balance -= 100;
  return laneway_job_context_fail(context, NO_FUNDS, text, sizeof text - 1);
}

static laneway_status give_back(void *user_data, struct laneway_undo_context *context) {
  struct account *account = user_data;
  (void)context;
  account->balance += 100;
  return LANEWAY_OK;
}

static void transfer_arrives(void *user_data) { laneway_token_succeed(user_data); }

static laneway_status await_transfer(void *user_data, struct laneway_job_context *context) {
  struct account *account = user_data;
  struct laneway_token *token = laneway_job_context_defer(context);
  account->balance = 50;
  /* No worker waits meanwhile: the body returns, and the timer finishes the job. */
  check(laneway_pool_schedule_after(account->pool, 1000000, transfer_arrives, token, NULL, NULL),
        "schedule");
  return LANEWAY_PENDING;
}

/* Submits one job for an account; `out` may be NULL. */
static void submit(struct laneway_coordinator *coordinator, struct account *account,
                   laneway_job_fn body, const struct laneway_job_options *options,
                   struct laneway_job **out) {
  struct laneway_error *error = NULL;
  if (laneway_coordinator_submit(coordinator, account->name, strlen(account->name), options, body,
                                 account, NULL, out, &error) != LANEWAY_OK) {
    fprintf(stderr, "submit: %s\n", laneway_error_message(error, NULL));
    exit(EXIT_FAILURE);
  }
}

/* Waits for a job, prints how it ended, and says whether it ended as expected. */
static int ended_as(struct laneway_job *job, const struct account *account, uint32_t kind,
                    laneway_status cause, int balance) {
  struct laneway_outcome outcome;
  struct laneway_error *error = NULL;
  laneway_outcome_init(&outcome, sizeof outcome);
  check(laneway_job_wait(job, 60 * SECOND_NS, &outcome), "wait");
  check(laneway_job_cause(job, &error), "cause");
  printf("%-6s %-12s balance %4d  %s\n", account->name, laneway_outcome_name(outcome.kind),
         account->balance, laneway_error_message(error, NULL));
  laneway_error_free(error);
  laneway_job_release(job);
  return outcome.kind == kind && outcome.cause == cause && account->balance == balance;
}

int main(void) {
  struct laneway_pool *pool = NULL;
  struct laneway_coordinator *coordinator = NULL;
  struct laneway_job_options retried, undone;
  struct laneway_job *last = NULL, *call = NULL, *failed = NULL, *transfer = NULL;
  struct account anna = {"anna", NULL, 0}, ben = {"ben", NULL, 0}, cara = {"cara", NULL, 5},
                 dan = {"dan", NULL, 0};
  int fine = 1, count;

  if (laneway_abi_version() != LANEWAY_ABI_VERSION) {
    fprintf(stderr, "this program needs another liblaneway\n");
    return EXIT_FAILURE;
  }
  check(laneway_pool_new(NULL, &pool, NULL), "pool");
  check(laneway_coordinator_new(pool, NULL, &coordinator, NULL), "coordinator");
  anna.pool = ben.pool = cara.pool = dan.pool = pool;

  for (count = 0; count < 100; count++) {
    submit(coordinator, &anna, deposit, NULL, count == 99 ? &last : NULL);
  }
  laneway_job_options_init(&retried, sizeof retried);
  retried.retries = 5;
  retried.delay_base_ns = 100000;
  submit(coordinator, &ben, call_the_bank, &retried, &call);
  laneway_job_options_init(&undone, sizeof undone);
  undone.undo = give_back;
  submit(coordinator, &cara, overdraw, &undone, &failed);
  submit(coordinator, &dan, await_transfer, NULL, &transfer);

  fine &= ended_as(last, &anna, LANEWAY_OUTCOME_COMPLETED, LANEWAY_OK, 1000);
  fine &= ended_as(call, &ben, LANEWAY_OUTCOME_COMPLETED, LANEWAY_OK, 3);
  fine &= ended_as(failed, &cara, LANEWAY_OUTCOME_ROLLED_BACK, NO_FUNDS, 5);
  fine &= ended_as(transfer, &dan, LANEWAY_OUTCOME_COMPLETED, LANEWAY_OK, 50);

  check(laneway_coordinator_shutdown(coordinator, LANEWAY_SHUTDOWN_DRAIN, 60 * SECOND_NS, NULL),
        "coordinator shutdown");
  check(laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, 60 * SECOND_NS, NULL), "pool shutdown");
  laneway_coordinator_release(coordinator);
  laneway_pool_release(pool);
  return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

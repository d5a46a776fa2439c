/* Keyed jobs: order, tokens, re-tries, undo, outcomes one by one, and drop exactly once. */
#include "check.h"

#include <string.h>

/* What one job did; written by its callbacks, read after its outcome or a drain. */
typedef struct {
  int runs, undos, drops;
  laneway_status answer;
  struct laneway_token *token;
  uint32_t undo_attempts;
  laneway_status undo_cause;
} deed;

/* Dropped deeds are counted apart: a drop may come after the outcome. */
static void dropped(void *user_data) { ((deed *)user_data)->drops += 1; }

static laneway_status body(void *user_data, struct laneway_job_context *context) {
  deed *job = user_data;
  job->runs += 1;
  CHECK(laneway_job_context_attempt(context) == (uint32_t)job->runs);
  return job->answer;
}

static laneway_status undo(void *user_data, struct laneway_undo_context *context) {
  deed *job = user_data;
  job->undos += 1;
  job->undo_attempts = laneway_undo_context_attempts(context);
  job->undo_cause = laneway_undo_context_cause(context);
  CHECK(laneway_undo_context_undo_attempt(context) == (uint32_t)job->undos);
  return LANEWAY_OK;
}

static laneway_status bad_undo(void *user_data, struct laneway_undo_context *context) {
  ((deed *)user_data)->undos += 1;
  return laneway_undo_context_fail(context, LANEWAY_EUSER - 9, "no way back", 11);
}

static struct laneway_job_options defaults(void) {
  struct laneway_job_options options;
  laneway_job_options_init(&options, sizeof options);
  return options;
}

static struct laneway_job *submit(struct laneway_coordinator *on, const char *key,
                                  const struct laneway_job_options *options, laneway_job_fn run,
                                  deed *job) {
  struct laneway_job *out = NULL;
  CHECK_OK(laneway_coordinator_submit(on, key, strlen(key), options, run, job, dropped, &out,
                                      NULL));
  return out;
}

static struct laneway_outcome end_of(struct laneway_job *job) {
  struct laneway_outcome outcome;
  laneway_outcome_init(&outcome, sizeof outcome);
  CHECK_OK(laneway_job_wait(job, A_WHILE_NS, &outcome));
  CHECK(laneway_job_status(job, NULL) == LANEWAY_JOB_ENDED);
  laneway_job_release(job);
  return outcome;
}

/* A key's jobs run in the order of their submission. */
static int order[1000], place;

static laneway_status append(void *user_data, struct laneway_job_context *context) {
  (void)context;
  order[place] = (int)((const char *)user_data - (const char *)order);
  place += 1; /* no lock: one at a time */
  return LANEWAY_OK;
}

static void jobs_of_one_key_run_in_order(struct laneway_coordinator *on) {
  int number;
  for (number = 0; number < 1000; number++) {
    CHECK_OK(laneway_coordinator_submit(on, "one", 3, NULL, append, (char *)order + number, NULL,
                                        NULL, NULL));
  }
  CHECK_OK(laneway_coordinator_drain_key(on, "one", 3, A_WHILE_NS));
  CHECK(place == 1000);
  for (number = 0; number < 1000; number++) {
    CHECK(order[number] == number);
  }
}

static void outcomes_are_told_apart(struct laneway_coordinator *on) {
  deed completed = {0}, failed = {0}, undone = {0}, fault = {0}, retried = {0}, lost_lock = {0};
  struct laneway_job_options options = defaults();
  struct laneway_outcome outcome;

  completed.answer = 5; /* anything from 0 up, but for LANEWAY_PENDING */
  CHECK(end_of(submit(on, "a", NULL, body, &completed)).kind == LANEWAY_OUTCOME_COMPLETED);

  failed.answer = LANEWAY_EUSER - 3;
  outcome = end_of(submit(on, "a", NULL, body, &failed));
  CHECK(outcome.kind == LANEWAY_OUTCOME_FAILED);
  CHECK(outcome.cause == LANEWAY_EUSER - 3);
  CHECK(failed.runs == 1);

  options.undo = undo;
  options.retries = 2;
  options.delay_base_ns = 1;
  undone.answer = LANEWAY_EUSER - 4;
  outcome = end_of(submit(on, "a", &options, body, &undone));
  CHECK(outcome.kind == LANEWAY_OUTCOME_ROLLED_BACK);
  CHECK(outcome.cause == LANEWAY_EUSER - 4);
  CHECK(outcome.rollback == LANEWAY_OK);
  CHECK(undone.runs == 3 && undone.undos == 1);
  CHECK(undone.undo_attempts == 3 && undone.undo_cause == LANEWAY_EUSER - 4);

  options.flags = LANEWAY_JOB_ONCE;
  options.undo = bad_undo;
  fault.answer = LANEWAY_ECONFLICT;
  {
    struct laneway_job *job = submit(on, "a", &options, body, &fault);
    struct laneway_error *why = NULL;
    CHECK_OK(laneway_job_wait(job, A_WHILE_NS, NULL));
    CHECK_OK(laneway_job_rollback_cause(job, &why));
    CHECK(strcmp(laneway_error_message(why, NULL), "no way back") == 0);
    laneway_error_free(why);
    outcome = end_of(job);
  }
  CHECK(outcome.kind == LANEWAY_OUTCOME_DOUBLE_FAULT);
  CHECK(outcome.cause == LANEWAY_ECONFLICT && outcome.rollback == LANEWAY_EUSER - 9);
  CHECK(fault.runs == 1 && fault.undos == 1);

  options = defaults();
  options.conflicts = 3;
  lost_lock.answer = LANEWAY_ECONFLICT;
  outcome = end_of(submit(on, "a", &options, body, &lost_lock));
  CHECK(outcome.kind == LANEWAY_OUTCOME_FAILED && outcome.cause == LANEWAY_ECONFLICT);
  CHECK(lost_lock.runs == 4);

  retried.answer = LANEWAY_PENDING; /* without a token */
  outcome = end_of(submit(on, "a", NULL, body, &retried));
  CHECK(outcome.kind == LANEWAY_OUTCOME_FAILED && outcome.cause == LANEWAY_EINVAL);

  CHECK_OK(laneway_coordinator_drain(on, A_WHILE_NS));
}

/* Tokens that this thread ends. */
static laneway_status take_token(void *user_data, struct laneway_job_context *context) {
  deed *job = user_data;
  job->token = laneway_job_context_defer(context);
  return LANEWAY_PENDING;
}

static void wait_for_token(struct laneway_job *job, uint32_t state) {
  while (laneway_job_status(job, NULL) != state) {
  }
}

static void a_job_is_pending_until_its_token_ends(struct laneway_coordinator *on) {
  deed good = {0}, bad = {0}, lost = {0}, timed = {0};
  struct laneway_job_options options = defaults();
  struct laneway_outcome outcome;
  struct laneway_job *job = submit(on, "t", NULL, take_token, &good);
  laneway_outcome_init(&outcome, sizeof outcome);
  wait_for_token(job, LANEWAY_JOB_WAITING);
  CHECK_STATUS(laneway_job_wait(job, 1, NULL), LANEWAY_ETIMEDOUT);
  CHECK_OK(laneway_job_outcome(job, &outcome));
  CHECK(outcome.kind == LANEWAY_OUTCOME_NONE);
  CHECK(laneway_job_key(job).len == 1 && laneway_job_key(job).ptr[0] == 't');
  CHECK(laneway_token_is_wanted(good.token));
  CHECK_OK(laneway_token_succeed(good.token));
  CHECK(end_of(job).kind == LANEWAY_OUTCOME_COMPLETED);

  job = submit(on, "t", NULL, take_token, &bad);
  wait_for_token(job, LANEWAY_JOB_WAITING);
  CHECK_OK(laneway_token_fail(bad.token, LANEWAY_EUSER - 6, "lost", 4));
  outcome = end_of(job);
  CHECK(outcome.kind == LANEWAY_OUTCOME_FAILED && outcome.cause == LANEWAY_EUSER - 6);

  job = submit(on, "t", NULL, take_token, &lost);
  wait_for_token(job, LANEWAY_JOB_WAITING);
  laneway_token_free(lost.token);
  CHECK(end_of(job).cause == LANEWAY_EABANDONED);

  options.attempt_timeout_ns = 1000000;
  job = submit(on, "t", &options, take_token, &timed);
  CHECK(end_of(job).kind == LANEWAY_OUTCOME_EXPIRED);
  CHECK(!laneway_token_is_wanted(timed.token));
  CHECK_STATUS(laneway_token_succeed(timed.token), LANEWAY_EALREADY);
}

static void a_cancel_ends_what_waits(struct laneway_coordinator *on) {
  deed first = {0}, second = {0}, third = {0};
  struct laneway_outcome outcome;
  struct laneway_job *head = submit(on, "c", NULL, take_token, &first);
  struct laneway_job *next = submit(on, "c", NULL, body, &second);
  struct laneway_job *last = submit(on, "c", NULL, body, &third);
  CHECK_OK(laneway_job_cancel(next)); /* has not started */
  outcome = end_of(next);
  CHECK(outcome.kind == LANEWAY_OUTCOME_CANCELLED && outcome.started == 0);
  wait_for_token(head, LANEWAY_JOB_WAITING);
  CHECK_OK(laneway_job_cancel(head));
  outcome = end_of(head);
  CHECK(outcome.kind == LANEWAY_OUTCOME_CANCELLED && outcome.started == 1);
  laneway_token_free(first.token);
  CHECK(end_of(last).kind == LANEWAY_OUTCOME_COMPLETED);
  CHECK(second.runs == 0 && third.runs == 1);
}

static void a_failure_does_to_its_lane_what_it_says(struct laneway_coordinator *on) {
  deed fails = {0}, follows = {0}, holds = {0}, held = {0};
  struct laneway_job_options rest = defaults(), hold = defaults();
  struct laneway_job *failing, *following, *holding, *waiting;
  struct laneway_outcome outcome;
  rest.on_failure = LANEWAY_ON_FAILURE_FAIL_REST;
  failing = submit(on, "f", &rest, take_token, &fails);
  following = submit(on, "f", NULL, body, &follows);
  wait_for_token(failing, LANEWAY_JOB_WAITING);
  CHECK_OK(laneway_token_fail(fails.token, LANEWAY_EUSER, NULL, 0));
  outcome = end_of(following);
  CHECK(outcome.kind == LANEWAY_OUTCOME_FAILED && outcome.cause == LANEWAY_EPREDECESSOR);
  CHECK(follows.runs == 0);
  laneway_job_release(failing);

  hold.on_failure = LANEWAY_ON_FAILURE_HOLD;
  holds.answer = LANEWAY_EUSER;
  holding = submit(on, "h", &hold, body, &holds);
  waiting = submit(on, "h", NULL, body, &held);
  CHECK(end_of(holding).kind == LANEWAY_OUTCOME_FAILED);
  CHECK_STATUS(laneway_coordinator_drain_key(on, "h", 1, 1000000), LANEWAY_ETIMEDOUT);
  CHECK(held.runs == 0);
  CHECK_OK(laneway_coordinator_release_key(on, "h", 1));
  CHECK(end_of(waiting).kind == LANEWAY_OUTCOME_COMPLETED);
}

/* Called when a job has ended; it may ask for the outcome. */
typedef struct {
  uint32_t kind;
  int calls, drops;
} called;

static void when_done(void *user_data, struct laneway_job *job) {
  called *seen = user_data;
  struct laneway_outcome outcome;
  laneway_outcome_init(&outcome, sizeof outcome);
  CHECK_OK(laneway_job_outcome(job, &outcome));
  seen->kind = outcome.kind;
  seen->calls += 1;
}

static void drop_called(void *user_data) { ((called *)user_data)->drops += 1; }

static void a_callback_is_told_of_the_end(struct laneway_pool *pool,
                                          struct laneway_coordinator *on) {
  deed early = {0}, late = {0};
  called before = {0, 0, 0}, after = {0, 0, 0}, refused = {0, 0, 0};
  struct laneway_job *job = submit(on, "d", NULL, take_token, &early);
  CHECK_OK(laneway_job_on_done(job, when_done, &before, drop_called));
  CHECK_STATUS(laneway_job_on_done(job, NULL, &refused, drop_called), LANEWAY_EINVAL);
  CHECK(refused.drops == 1);
  wait_for_token(job, LANEWAY_JOB_WAITING);
  CHECK_OK(laneway_token_succeed(early.token));
  CHECK(end_of(job).kind == LANEWAY_OUTCOME_COMPLETED);

  late.answer = LANEWAY_EUSER;
  job = submit(on, "d", NULL, body, &late);
  CHECK_OK(laneway_job_wait(job, A_WHILE_NS, NULL));
  CHECK_OK(laneway_job_on_done(job, when_done, &after, drop_called));
  laneway_job_release(job);
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  CHECK(before.kind == LANEWAY_OUTCOME_COMPLETED && before.calls == 1 && before.drops == 1);
  CHECK(after.kind == LANEWAY_OUTCOME_FAILED && after.calls == 1 && after.drops == 1);
}

/* Waiting inside a body for a job of the same key could only wait for itself. */
typedef struct {
  struct laneway_coordinator *on;
  laneway_status waited, drained;
} inside;

static laneway_status wait_for_itself(void *user_data, struct laneway_job_context *context) {
  inside *seen = user_data;
  struct laneway_job *job = NULL;
  (void)context;
  CHECK_OK(laneway_coordinator_submit(seen->on, "i", 1, NULL, append, order, NULL, &job, NULL));
  seen->waited = laneway_job_wait(job, A_WHILE_NS, NULL);
  seen->drained = laneway_coordinator_drain(seen->on, A_WHILE_NS);
  laneway_job_release(job);
  return LANEWAY_OK;
}

static void a_wait_for_oneself_is_refused(struct laneway_coordinator *on) {
  inside seen = {NULL, LANEWAY_OK, LANEWAY_OK};
  seen.on = on;
  place = 0;
  CHECK_OK(laneway_coordinator_submit(on, "i", 1, NULL, wait_for_itself, &seen, NULL, NULL, NULL));
  CHECK_OK(laneway_coordinator_drain_key(on, "i", 1, A_WHILE_NS));
  CHECK(seen.waited == LANEWAY_EDEADLK);
  CHECK(seen.drained == LANEWAY_EDEADLK);
}

static void a_refused_job_is_dropped(struct laneway_coordinator *on) {
  static char key[70000];
  deed job = {0};
  struct laneway_job_options options = defaults();
  struct laneway_error *error = NULL;
  struct laneway_job *out = (struct laneway_job *)&job; /* to see that it is cleared */
  CHECK_STATUS(laneway_coordinator_submit(on, key, sizeof key, NULL, body, &job, dropped, &out,
                                          &error),
               LANEWAY_ETOOLONG);
  CHECK(out == NULL && error != NULL);
  laneway_error_free(error);
  options.jitter = 77;
  CHECK_STATUS(laneway_coordinator_submit(on, "k", 1, &options, body, &job, dropped, NULL, NULL),
               LANEWAY_EINVAL);
  CHECK_STATUS(laneway_coordinator_submit(on, NULL, 1, NULL, body, &job, dropped, NULL, NULL),
               LANEWAY_EINVAL);
  CHECK_STATUS(laneway_coordinator_submit(NULL, "k", 1, NULL, body, &job, dropped, NULL, NULL),
               LANEWAY_EINVAL);
  CHECK_STATUS(laneway_coordinator_submit(on, "k", 1, NULL, NULL, &job, dropped, NULL, NULL),
               LANEWAY_EINVAL);
  CHECK(job.runs == 0 && job.drops == 5);
}

/* Handles are released before what they belong to; nothing runs into what is gone. */
static void the_end_loses_what_has_not_started(struct laneway_pool *pool) {
  deed head = {0}, behind = {0}, late = {0};
  struct laneway_coordinator_report report;
  struct laneway_coordinator_counters counters;
  struct laneway_coordinator *on = NULL;
  struct laneway_job *first, *second;
  CHECK_OK(laneway_coordinator_new(pool, NULL, &on, NULL));
  first = submit(on, "x", NULL, take_token, &head);
  second = submit(on, "x", NULL, body, &behind);
  wait_for_token(first, LANEWAY_JOB_WAITING);
  laneway_coordinator_report_init(&report, sizeof report);
  CHECK_OK(laneway_coordinator_shutdown(on, LANEWAY_SHUTDOWN_CANCEL, A_WHILE_NS, &report));
  CHECK(report.left == 0);
  CHECK_STATUS(laneway_coordinator_submit(on, "x", 1, NULL, body, &late, dropped, NULL, NULL),
               LANEWAY_ESHUTDOWN);
  CHECK(late.drops == 1);
  laneway_coordinator_counters_init(&counters, sizeof counters);
  CHECK_OK(laneway_coordinator_counters_read(on, &counters));
  CHECK(counters.created == 2 && counters.lost == 2 && counters.lanes_open == 0);
  laneway_coordinator_release(on);
  laneway_token_free(head.token);
  CHECK(end_of(second).kind == LANEWAY_OUTCOME_LOST);
  CHECK(end_of(first).kind == LANEWAY_OUTCOME_LOST);
  CHECK(behind.runs == 0);
}

int main(void) {
  struct laneway_pool *pool = new_pool(2);
  struct laneway_coordinator *on = NULL;
  CHECK_OK(laneway_coordinator_new(pool, NULL, &on, NULL));
  jobs_of_one_key_run_in_order(on);
  outcomes_are_told_apart(on);
  a_job_is_pending_until_its_token_ends(on);
  a_cancel_ends_what_waits(on);
  a_failure_does_to_its_lane_what_it_says(on);
  a_callback_is_told_of_the_end(pool, on);
  a_wait_for_oneself_is_refused(on);
  a_refused_job_is_dropped(on);
  the_end_loses_what_has_not_started(pool);
  laneway_coordinator_release(on);
  end_pool(pool);
  return 0;
}

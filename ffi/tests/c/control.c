/* Control of keys: each reason reached by real work, and jobs that replace or join keys. */
#include <string.h>

#include "check.h"

typedef struct {
  int runs;
  struct laneway_token *token;
} deed;

static laneway_status body(void *user_data, struct laneway_job_context *context) {
  (void)context;
  ((deed *)user_data)->runs += 1;
  return LANEWAY_OK;
}

static laneway_status fails(void *user_data, struct laneway_job_context *context) {
  (void)context;
  ((deed *)user_data)->runs += 1;
  return LANEWAY_EUSER;
}

static laneway_status sleeps(void *user_data, struct laneway_job_context *context) {
  ((deed *)user_data)->runs += 1;
  return laneway_job_context_sleep(context, A_WHILE_NS);
}

static laneway_status take_token(void *user_data, struct laneway_job_context *context) {
  ((deed *)user_data)->token = laneway_job_context_defer(context);
  return LANEWAY_PENDING;
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
  CHECK_OK(
      laneway_coordinator_submit(on, key, strlen(key), options, run, job, NULL, &out, NULL));
  return out;
}

static struct laneway_job *submit_both(struct laneway_coordinator *on, const char *one,
                                       const char *two, deed *job) {
  struct laneway_bytes keys[2];
  struct laneway_job *out = NULL;
  keys[0].ptr = (const uint8_t *)one, keys[0].len = strlen(one);
  keys[1].ptr = (const uint8_t *)two, keys[1].len = strlen(two);
  CHECK_OK(laneway_coordinator_submit_multi(on, keys, 2, NULL, body, job, NULL, &out, NULL));
  return out;
}

static uint32_t end_of(struct laneway_job *job) {
  struct laneway_outcome outcome;
  laneway_outcome_init(&outcome, sizeof outcome);
  CHECK_OK(laneway_job_wait(job, A_WHILE_NS, &outcome));
  laneway_job_release(job);
  return outcome.kind;
}

/* The reasons of a key, by kind. */
typedef struct {
  struct laneway_reason seen[16];
  char key[16][16];
} reasons;

static void note(void *user_data, const struct laneway_reason *reason) {
  reasons *all = user_data;
  CHECK(reason->struct_size >= sizeof *reason && reason->kind < 16 && reason->key.len < 16);
  all->seen[reason->kind] = *reason;
  if (reason->key.len > 0)
    memcpy(all->key[reason->kind], reason->key.ptr, reason->key.len);
}

static reasons explain(struct laneway_coordinator *on, const char *key) {
  reasons all;
  memset(&all, 0, sizeof all);
  CHECK_OK(laneway_coordinator_explain(on, key, strlen(key), note, &all));
  return all;
}

/* Asks until the reason is there, which other threads bring about. */
static reasons explained(struct laneway_coordinator *on, const char *key, uint32_t kind) {
  reasons all = explain(on, key);
  while (all.seen[kind].kind != kind)
    all = explain(on, key);
  return all;
}

static void pauses_add_up_and_a_step_lets_one_through(struct laneway_coordinator *on) {
  deed first = {0}, second = {0};
  struct laneway_job *one, *two;
  CHECK_STATUS(laneway_coordinator_step(on, "p/1", 3), LANEWAY_EALREADY);
  CHECK_OK(laneway_coordinator_pause(on, LANEWAY_KEYS_PREFIX, "p/", 2));
  CHECK_STATUS(laneway_coordinator_pause(on, LANEWAY_KEYS_PREFIX, "p/", 2), LANEWAY_EALREADY);
  CHECK_OK(laneway_coordinator_pause(on, LANEWAY_KEYS_ALL, NULL, 0));
  CHECK_STATUS(laneway_coordinator_pause(on, LANEWAY_KEYS_ALL, "p", 1), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_coordinator_pause(on, 9, NULL, 0), LANEWAY_EINVAL);
  CHECK_OK(laneway_coordinator_resume(on, LANEWAY_KEYS_ALL, NULL, 0));
  one = submit(on, "p/1", NULL, body, &first);
  two = submit(on, "p/1", NULL, body, &second);
  {
    const reasons all = explained(on, "p/1", LANEWAY_REASON_BEHIND);
    CHECK(all.seen[LANEWAY_REASON_BEHIND].count == 2);
    CHECK(all.seen[LANEWAY_REASON_PAUSED].keys == LANEWAY_KEYS_PREFIX);
    CHECK(strcmp(all.key[LANEWAY_REASON_PAUSED], "p/") == 0);
  }
  CHECK_OK(laneway_coordinator_step(on, "p/1", 3));
  CHECK(end_of(one) == LANEWAY_OUTCOME_COMPLETED && second.runs == 0);
  CHECK_OK(laneway_coordinator_resume(on, LANEWAY_KEYS_PREFIX, "p/", 2));
  CHECK_STATUS(laneway_coordinator_resume(on, LANEWAY_KEYS_ONE, "p/1", 3), LANEWAY_EALREADY);
  CHECK(end_of(two) == LANEWAY_OUTCOME_COMPLETED);
}

static void waits_are_explained_and_a_cancel_ends_them(struct laneway_coordinator *on) {
  deed waits = {0}, behind = {0}, retries = {0}, runs = {0};
  struct laneway_job_options slow = defaults();
  struct laneway_job *waiting, *queued, *failing, *running;
  reasons all;
  waiting = submit(on, "c/t", NULL, take_token, &waits);
  queued = submit(on, "c/t", NULL, body, &behind);
  all = explained(on, "c/t", LANEWAY_REASON_WAITING_FOR_TOKENS);
  CHECK(all.seen[LANEWAY_REASON_WAITING_FOR_TOKENS].count == 1);
  CHECK(all.seen[LANEWAY_REASON_WAITING_FOR_TOKENS].attempt == 1);
  slow.retries = 1;
  slow.delay_base_ns = slow.delay_max_ns = A_WHILE_NS;
  slow.jitter = LANEWAY_JITTER_NONE;
  failing = submit(on, "c/b", &slow, fails, &retries);
  all = explained(on, "c/b", LANEWAY_REASON_BACKING_OFF);
  CHECK(all.seen[LANEWAY_REASON_BACKING_OFF].time_ns <= A_WHILE_NS);
  running = submit(on, "c/r", NULL, sleeps, &runs);
  explained(on, "c/r", LANEWAY_REASON_RUNNING);
  CHECK_OK(laneway_coordinator_cancel(on, LANEWAY_KEYS_PREFIX, "c/", 2));
  CHECK(end_of(waiting) == LANEWAY_OUTCOME_CANCELLED);
  CHECK(end_of(queued) == LANEWAY_OUTCOME_CANCELLED && behind.runs == 0);
  CHECK(end_of(failing) == LANEWAY_OUTCOME_CANCELLED && retries.runs == 1);
  CHECK(end_of(running) == LANEWAY_OUTCOME_CANCELLED);
  laneway_token_free(waits.token);
}

static void holds_are_explained(struct laneway_coordinator *on) {
  deed holds = {0};
  struct laneway_job_options hold = defaults();
  hold.on_failure = LANEWAY_ON_FAILURE_HOLD;
  CHECK(end_of(submit(on, "h", &hold, fails, &holds)) == LANEWAY_OUTCOME_FAILED);
  explained(on, "h", LANEWAY_REASON_HELD);
  CHECK_OK(laneway_coordinator_release_key(on, "h", 1));
  CHECK(explain(on, "h").seen[LANEWAY_REASON_HELD].kind == 0);
}

static void a_time_limit_ends_what_waits(struct laneway_coordinator *on) {
  deed late = {0}, over = {0};
  struct laneway_job_options queue = defaults(), whole = defaults();
  CHECK_OK(laneway_coordinator_pause(on, LANEWAY_KEYS_ONE, "q", 1));
  queue.queue_timeout_ns = 1000000;
  CHECK(end_of(submit(on, "q", &queue, body, &late)) == LANEWAY_OUTCOME_EXPIRED);
  CHECK(late.runs == 0);
  CHECK_OK(laneway_coordinator_resume(on, LANEWAY_KEYS_ONE, "q", 1));
  whole.deadline_ns = 1000000;
  whole.overrun = LANEWAY_OVERRUN_ABANDON;
  whole.backoff = LANEWAY_BACKOFF_ODL;
  CHECK(end_of(submit(on, "d", &whole, sleeps, &over)) == LANEWAY_OUTCOME_EXPIRED);
  whole.overrun = 7;
  CHECK_STATUS(laneway_coordinator_submit(on, "d", 1, &whole, body, &late, NULL, NULL, NULL),
               LANEWAY_EINVAL);
}

static void a_later_job_replaces_the_one_that_waits(struct laneway_coordinator *on) {
  deed old = {0}, new = {0};
  struct laneway_job *first = NULL, *second = NULL;
  CHECK_OK(laneway_coordinator_pause(on, LANEWAY_KEYS_ONE, "l", 1));
  CHECK_OK(laneway_coordinator_submit_latest(on, "l", 1, "tag", 3, NULL, body, &old, NULL, &first,
                                             NULL));
  CHECK_OK(laneway_coordinator_submit_latest(on, "l", 1, "tag", 3, NULL, body, &new, NULL, &second,
                                             NULL));
  CHECK_OK(laneway_coordinator_resume(on, LANEWAY_KEYS_ONE, "l", 1));
  CHECK(end_of(first) == LANEWAY_OUTCOME_SUPERSEDED);
  CHECK(end_of(second) == LANEWAY_OUTCOME_COMPLETED);
  CHECK(old.runs == 0 && new.runs == 1);
}

static void a_job_over_two_keys_holds_both(struct laneway_coordinator *on) {
  deed head = {0}, both = {0};
  struct laneway_job *first = submit(on, "m1", NULL, take_token, &head), *joint;
  reasons all;
  explained(on, "m1", LANEWAY_REASON_WAITING_FOR_TOKENS);
  joint = submit_both(on, "m1", "m2", &both);
  all = explained(on, "m2", LANEWAY_REASON_WAITING_FOR_KEY);
  CHECK(strcmp(all.key[LANEWAY_REASON_WAITING_FOR_KEY], "m1") == 0);
  CHECK(both.runs == 0);
  CHECK_OK(laneway_token_succeed(head.token));
  CHECK(end_of(first) == LANEWAY_OUTCOME_COMPLETED);
  CHECK(end_of(joint) == LANEWAY_OUTCOME_COMPLETED && both.runs == 1);
  CHECK_STATUS(
      laneway_coordinator_submit_multi(on, NULL, 0, NULL, body, &both, NULL, NULL, NULL),
      LANEWAY_EINVAL);
}

int main(void) {
  struct laneway_pool *pool = new_pool(2);
  struct laneway_coordinator *on = NULL;
  CHECK_OK(laneway_coordinator_new(pool, NULL, &on, NULL));
  pauses_add_up_and_a_step_lets_one_through(on);
  waits_are_explained_and_a_cancel_ends_them(on);
  holds_are_explained(on);
  a_time_limit_ends_what_waits(on);
  a_later_job_replaces_the_one_that_waits(on);
  a_job_over_two_keys_holds_both(on);
  laneway_coordinator_release(on);
  end_pool(pool);
  return 0;
}

/* Persistent tasks: run to a durable end, refused when stale, found again after a new start. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */
#include "check.h"

#include <string.h>

/* What the tests see of their executors and answers. */
typedef struct {
  int drops;
  struct laneway_completion *completion;
  laneway_status answer;
} seen;

static void count_drop(void *user_data) { ((seen *)user_data)->drops += 1; }

static int is(struct laneway_bytes bytes, const char *text) {
  return bytes.len == strlen(text) && memcmp(bytes.ptr, text, bytes.len) == 0;
}

static struct laneway_task_view view_of(const struct laneway_task *task) {
  struct laneway_task_view view;
  laneway_task_view_init(&view, sizeof view);
  CHECK_OK(laneway_task_read(task, &view));
  return view;
}

/* Waits for an answer that must be good and gives what it says. */
static struct laneway_task *answer(struct laneway_pending *pending) {
  struct laneway_task *task = NULL;
  struct laneway_error *error = NULL;
  const laneway_status status = laneway_pending_wait(pending, A_WHILE_NS, &task, &error);
  if (status != LANEWAY_OK) {
    fprintf(stderr, "%s\n", laneway_error_message(error, NULL));
  }
  CHECK_OK(status);
  CHECK(error == NULL);
  CHECK(laneway_pending_is_done(pending));
  laneway_pending_free(pending);
  return task;
}

/* Waits for an answer that must be a refusal. */
static void refusal(struct laneway_pending *pending, laneway_status expected) {
  struct laneway_task *task = NULL;
  struct laneway_error *error = NULL;
  CHECK_STATUS(laneway_pending_wait(pending, A_WHILE_NS, &task, &error), expected);
  CHECK(task == NULL);
  CHECK(laneway_error_status(error) == expected);
  laneway_error_free(error);
  laneway_pending_free(pending);
}

static laneway_status upper(void *user_data, struct laneway_task_context *context) {
  struct laneway_task_view view;
  char text[64];
  size_t at;
  (void)user_data;
  laneway_task_view_init(&view, sizeof view);
  CHECK_OK(laneway_task_context_read(context, &view));
  CHECK(view.allocation != 0 && view.phase == LANEWAY_TASK_ASSIGNED);
  CHECK(!laneway_task_context_is_cancelled(context));
  CHECK(view.params.len <= sizeof text);
  for (at = 0; at < view.params.len; at++) {
    const char given = (char)view.params.ptr[at];
    text[at] = (char)(given >= 'a' && given <= 'z' ? given - 'a' + 'A' : given);
  }
  return laneway_task_context_done(context, text, view.params.len);
}

static laneway_status no_digits(void *user_data, const void *params, size_t len) {
  (void)user_data;
  return len > 0 && ((const char *)params)[0] == '7' ? LANEWAY_EINVAL : LANEWAY_OK;
}

static laneway_status defer(void *user_data, struct laneway_task_context *context) {
  seen *of = user_data;
  struct laneway_completion *completion = laneway_task_context_defer(context);
  CHECK(completion != NULL);
  CHECK(laneway_task_context_defer(context) == NULL); /* there is one */
  __atomic_store_n(&of->completion, completion, __ATOMIC_RELEASE);
  return LANEWAY_PENDING;
}

static struct laneway_completion *taken(seen *of) {
  struct laneway_completion *completion;
  do {
    completion = __atomic_exchange_n(&of->completion, NULL, __ATOMIC_ACQUIRE);
  } while (completion == NULL);
  return completion;
}

/* A task cannot wait for the end of all tasks. */
static laneway_status ends_all(void *user_data, struct laneway_task_context *context) {
  struct laneway_task_service **service = user_data;
  (void)context;
  CHECK_STATUS(laneway_task_service_shutdown(*service, A_WHILE_NS, NULL), LANEWAY_EDEADLK);
  return LANEWAY_OK;
}

static laneway_status fail(void *user_data, struct laneway_task_context *context) {
  (void)user_data;
  return laneway_task_context_fail(context, LANEWAY_FAILURE_START, "no paper", 8);
}

static struct laneway_task_service *open_at(struct laneway_pool *pool, const char *path) {
  struct laneway_task_service_options options;
  struct laneway_task_service *service = NULL;
  struct laneway_error *error = NULL;
  laneway_status status;
  laneway_task_service_options_init(&options, sizeof options);
  options.backend = path == NULL ? LANEWAY_STORE_MEMORY : LANEWAY_STORE_FILE;
  options.path = path;
  status = laneway_task_service_open(pool, &options, &service, &error);
  if (status != LANEWAY_OK) {
    fprintf(stderr, "%s\n", laneway_error_message(error, NULL));
  }
  CHECK_OK(status);
  return service;
}

static void offer(struct laneway_task_service *service, const char *name,
                  laneway_executor_start_fn start, seen *user_data) {
  struct laneway_executor_vtable vtable;
  laneway_executor_vtable_init(&vtable, sizeof vtable);
  vtable.start = start;
  vtable.validate = no_digits;
  CHECK_OK(laneway_task_service_register(service, name, strlen(name), &vtable, user_data,
                                         count_drop, NULL));
}

static struct laneway_new_task task_of(const char *id, const char *name, const char *params) {
  struct laneway_new_task task;
  laneway_new_task_init(&task, sizeof task);
  task.id = id;
  task.id_len = strlen(id);
  task.name = name;
  task.name_len = strlen(name);
  task.params = params;
  task.params_len = strlen(params);
  return task;
}

static struct laneway_pending *start(struct laneway_task_service *service,
                                     const struct laneway_new_task *task) {
  struct laneway_pending *pending = NULL;
  CHECK_OK(laneway_task_service_start(service, task, &pending));
  return pending;
}

static struct laneway_task *end_of(struct laneway_task_service *service, const char *id) {
  struct laneway_pending *pending = NULL;
  CHECK_OK(laneway_task_service_end_of(service, id, strlen(id), &pending));
  return answer(pending);
}

static void a_task_runs_to_its_end(struct laneway_task_service *service) {
  struct laneway_new_task greeting = task_of("greeting", "upper", "hello");
  struct laneway_new_task other = task_of("greeting", "upper", "good bye");
  struct laneway_new_task refused = task_of("seven", "upper", "7");
  struct laneway_new_task unknown = task_of("x", "lower", "");
  struct laneway_task *task;
  greeting.flags = LANEWAY_NEW_TASK_KEEP;

  task = answer(start(service, &greeting));
  CHECK(view_of(task).created == 1);
  CHECK(is(view_of(task).params, "hello") && is(view_of(task).id, "greeting"));
  CHECK(view_of(task).lane.ptr == NULL);
  laneway_task_free(task);

  task = end_of(service, "greeting");
  CHECK(view_of(task).outcome == LANEWAY_TASK_OUTCOME_COMPLETED);
  CHECK(is(view_of(task).result, "HELLO"));
  laneway_task_free(task);

  task = answer(start(service, &greeting)); /* again: the record that is there */
  CHECK(view_of(task).created == 0 && view_of(task).phase == LANEWAY_TASK_ENDED);
  laneway_task_free(task);
  refusal(start(service, &other), LANEWAY_EEXISTS);
  refusal(start(service, &refused), LANEWAY_EINVAL);
  refusal(start(service, &unknown), LANEWAY_ENOTFOUND);
  CHECK_STATUS(laneway_task_service_get(service, "nobody", 6, &task), LANEWAY_ENOTFOUND);
  CHECK(task == NULL);
}

static void a_completion_reports_the_end(struct laneway_task_service *service, seen *of) {
  struct laneway_new_task job = task_of("deferred", "defer", "");
  struct laneway_task_view view;
  struct laneway_completion *completion;
  struct laneway_pending *done = NULL, *stale = NULL, *kept = NULL;
  struct laneway_task *task;
  uint64_t allocation;
  job.flags = LANEWAY_NEW_TASK_KEEP;
  laneway_task_free(answer(start(service, &job)));
  completion = taken(of);
  laneway_task_view_init(&view, sizeof view);
  CHECK_OK(laneway_completion_read(completion, &view));
  allocation = view.allocation;
  CHECK(!laneway_completion_is_cancelled(completion));
  CHECK_OK(laneway_completion_checkpoint(completion, "half", 4, &kept));
  laneway_task_free(answer(kept));
  CHECK_OK(laneway_task_service_get(service, "deferred", 8, &task));
  CHECK(is(view_of(task).state, "half") && view_of(task).state_written_by == allocation);
  laneway_task_free(task);
  /* Somebody with another allocation is fenced off. */
  CHECK_OK(laneway_task_service_complete(service, "deferred", 8, allocation + 1, "no", 2, &stale));
  refusal(stale, LANEWAY_EFENCED);
  CHECK_OK(laneway_task_service_fail(service, "deferred", 8, allocation + 1, LANEWAY_FAILURE_RUN,
                                     "no", 2, &stale));
  refusal(stale, LANEWAY_EFENCED);
  CHECK_OK(laneway_task_service_update_state(service, "deferred", 8, allocation + 1, "no", 2,
                                             &stale));
  refusal(stale, LANEWAY_EFENCED);
  CHECK_OK(laneway_completion_complete(completion, "all", 3, &done));
  laneway_task_free(answer(done));
  task = end_of(service, "deferred");
  CHECK(is(view_of(task).result, "all"));
  laneway_task_free(task);
}

/* Told when its work should stop. */
static void note(void *user_data) { __atomic_store_n((int *)user_data, 1, __ATOMIC_RELEASE); }

static void a_cancelled_task_is_told(struct laneway_task_service *service, seen *of) {
  struct laneway_new_task job = task_of("stopped", "defer", "");
  struct laneway_completion *completion;
  struct laneway_pending *pending = NULL;
  struct laneway_task *task;
  int told = 0;
  laneway_task_free(answer(start(service, &job)));
  completion = taken(of);
  CHECK_OK(laneway_completion_on_cancel(completion, note, &told, NULL));
  CHECK_OK(laneway_task_service_cancel(service, "stopped", 7, A_WHILE_NS, &pending));
  laneway_task_free(answer(pending));
  while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) == 0) {
  }
  CHECK(laneway_completion_is_cancelled(completion));
  laneway_completion_free(completion); /* ended without a report */
  task = end_of(service, "stopped");
  CHECK(view_of(task).outcome == LANEWAY_TASK_OUTCOME_CANCELLED);
  laneway_task_free(task);
}

static void a_failure_follows_its_policy(struct laneway_task_service *service) {
  struct laneway_new_task job = task_of("failing", "fail", "");
  struct laneway_pending *pending = NULL;
  struct laneway_task *task;
  job.on_failure = LANEWAY_TASK_ON_FAILURE_REMOVE;
  laneway_task_free(answer(start(service, &job)));
  task = end_of(service, "failing");
  CHECK(view_of(task).outcome == LANEWAY_TASK_OUTCOME_FAILED);
  laneway_task_free(task);

  job = task_of("parked", "fail", "");
  job.on_failure = LANEWAY_TASK_ON_FAILURE_PARK;
  laneway_task_free(answer(start(service, &job)));
  for (;;) {
    uint32_t phase;
    CHECK_OK(laneway_task_service_get(service, "parked", 6, &task));
    phase = view_of(task).phase;
    if (phase == LANEWAY_TASK_PARKED) {
      break;
    }
    laneway_task_free(task);
  }
  CHECK(is(view_of(task).last_error, "no paper") && view_of(task).start_failures == 1);
  laneway_task_free(task);
  CHECK_OK(laneway_task_service_remove(service, "parked", 6, &pending));
  laneway_task_free(answer(pending));
  CHECK_OK(laneway_task_service_remove(service, "nobody", 6, &pending));
  refusal(pending, LANEWAY_ENOTFOUND);
}

/* A callback gets the answer on a worker. */
static void on_answer(void *user_data, laneway_status status, const struct laneway_task *task,
                      const struct laneway_error *error) {
  seen *of = user_data;
  CHECK((task == NULL) == (status != LANEWAY_OK));
  CHECK((error == NULL) == (status == LANEWAY_OK));
  of->answer = status;
}

static void an_answer_can_come_to_a_callback(struct laneway_pool *pool,
                                             struct laneway_task_service *service) {
  seen good = {0, NULL, LANEWAY_PENDING}, bad = {0, NULL, LANEWAY_PENDING};
  struct laneway_pending *pending = NULL;
  CHECK_OK(laneway_task_service_end_of(service, "greeting", 8, &pending));
  CHECK_OK(laneway_pending_wait(pending, A_WHILE_NS, NULL, NULL));
  CHECK_OK(laneway_pending_on_done(pending, on_answer, &good, count_drop));
  CHECK_OK(laneway_task_service_end_of(service, "nobody", 6, &pending));
  CHECK_STATUS(laneway_pending_wait(pending, A_WHILE_NS, NULL, NULL), LANEWAY_ENOTFOUND);
  CHECK_OK(laneway_pending_on_done(pending, on_answer, &bad, count_drop));
  CHECK_STATUS(laneway_pending_on_done(NULL, on_answer, &bad, count_drop), LANEWAY_EINVAL);
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  CHECK(good.answer == LANEWAY_OK && good.drops == 1);
  CHECK(bad.answer == LANEWAY_ENOTFOUND && bad.drops == 2);
}

/* Records are looked at as of one commit, and each says why it is where it is. */
typedef struct {
  int all, lane;
} count;

static laneway_status count_records(void *user_data, const struct laneway_task_view *view) {
  count *records = user_data;
  records->all += 1;
  records->lane += is(view->lane, "street");
  return LANEWAY_OK;
}

static laneway_status stop_at_once(void *user_data, const struct laneway_task_view *view) {
  (void)user_data;
  (void)view;
  return LANEWAY_EUSER - 8;
}

static void records_explain_themselves(struct laneway_task_service *service, seen *of) {
  struct laneway_new_task first = task_of("first", "defer", "");
  struct laneway_new_task second = task_of("second", "upper", "x");
  struct laneway_explanation why;
  struct laneway_completion *completion;
  struct laneway_pending *pending = NULL;
  struct laneway_task *head = NULL;
  count records = {0, 0};
  uint64_t revision = 0;
  first.lane = second.lane = "street";
  first.lane_len = second.lane_len = 6;
  laneway_task_free(answer(start(service, &first)));
  laneway_task_free(answer(start(service, &second)));
  completion = taken(of);
  laneway_explanation_init(&why, sizeof why);
  CHECK_OK(laneway_task_service_explain(service, "first", 5, &why, &head));
  CHECK(why.kind == LANEWAY_EXPLANATION_ASSIGNED && why.allocation != 0 && head == NULL);
  CHECK_OK(laneway_task_service_explain(service, "second", 6, &why, &head));
  CHECK(why.kind == LANEWAY_EXPLANATION_BEHIND_IN_LANE && why.allocation == 0);
  CHECK(is(view_of(head).id, "first"));
  laneway_task_free(head);
  CHECK_STATUS(laneway_task_service_explain(service, "nobody", 6, &why, NULL), LANEWAY_ENOTFOUND);
  CHECK_OK(laneway_task_service_visit(service, count_records, &records, &revision));
  CHECK(records.all >= 2 && records.lane == 2 && revision > 0);
  CHECK_STATUS(laneway_task_service_visit(service, stop_at_once, NULL, NULL), LANEWAY_EUSER - 8);

  /* Handed back, it is assigned again, with another allocation and no failure. */
  CHECK_OK(laneway_completion_hand_back(completion, &pending));
  laneway_task_free(answer(pending));
  completion = taken(of);
  {
    struct laneway_task_view view;
    laneway_task_view_init(&view, sizeof view);
    CHECK_OK(laneway_completion_read(completion, &view));
    CHECK(view.run_failures == 0 && view.start_failures == 0);
  }
  CHECK_OK(laneway_completion_complete(completion, NULL, 0, NULL));
  laneway_task_free(end_of(service, "second"));
}

static void a_task_cannot_end_the_service(struct laneway_task_service *service) {
  static struct laneway_task_service *kept;
  struct laneway_executor_vtable vtable;
  struct laneway_new_task job = task_of("ending", "ends", "");
  struct laneway_task *task;
  kept = service;
  laneway_executor_vtable_init(&vtable, sizeof vtable);
  vtable.start = ends_all;
  CHECK_OK(laneway_task_service_register(service, "ends", 4, &vtable, &kept, NULL, NULL));
  laneway_task_free(answer(start(service, &job)));
  task = end_of(service, "ending");
  CHECK(view_of(task).outcome == LANEWAY_TASK_OUTCOME_COMPLETED);
  laneway_task_free(task);
}

static void close_service(struct laneway_task_service *service) {
  size_t left = 7;
  CHECK_OK(laneway_task_service_shutdown(service, A_WHILE_NS, &left));
  CHECK(left == 0);
  laneway_task_service_release(service);
}

/* What was acknowledged is there when the directory is opened again, and only one may open it. */
static void a_directory_keeps_its_tasks(struct laneway_pool *pool) {
  char directory[] = "/tmp/laneway-tasks-XXXXXX", command[64];
  struct laneway_new_task job = task_of("kept", "upper", "kept");
  struct laneway_task_service_options options;
  struct laneway_task_service *service, *second = NULL;
  struct laneway_task *task;
  seen of = {0, NULL, LANEWAY_OK};
  job.flags = LANEWAY_NEW_TASK_KEEP;
  CHECK(mkdtemp(directory) != NULL);
  service = open_at(pool, directory);
  offer(service, "upper", upper, &of);
  laneway_task_free(answer(start(service, &job)));
  laneway_task_free(end_of(service, "kept"));
  laneway_task_service_options_init(&options, sizeof options);
  options.path = directory;
  CHECK_STATUS(laneway_task_service_open(pool, &options, &second, NULL), LANEWAY_EBUSY);
  options.path = NULL;
  CHECK_STATUS(laneway_task_service_open(pool, &options, &second, NULL), LANEWAY_EINVAL);
  CHECK(second == NULL);
  close_service(service);
  CHECK(of.drops == 1);

  service = open_at(pool, directory);
  CHECK_OK(laneway_task_service_get(service, "kept", 4, &task));
  CHECK(view_of(task).outcome == LANEWAY_TASK_OUTCOME_COMPLETED);
  CHECK(is(view_of(task).result, "KEPT"));
  laneway_task_free(task);
  close_service(service);
  snprintf(command, sizeof command, "rm -r %s", directory);
  CHECK(system(command) == 0);
}

int main(void) {
  struct laneway_pool *pool = new_pool(2);
  struct laneway_task_service *service = open_at(pool, NULL);
  struct laneway_executor_vtable empty;
  seen of_upper = {0}, of_defer = {0}, of_fail = {0}, refused = {0};
  offer(service, "upper", upper, &of_upper);
  offer(service, "defer", defer, &of_defer);
  offer(service, "fail", fail, &of_fail);
  laneway_executor_vtable_init(&empty, sizeof empty);
  CHECK_STATUS(laneway_task_service_register(service, "x", 1, &empty, &refused, count_drop, NULL),
               LANEWAY_EINVAL);
  empty.start = fail;
  CHECK_STATUS(laneway_task_service_register(service, "fail", 4, &empty, &refused, count_drop, NULL),
               LANEWAY_EEXISTS);
  CHECK(refused.drops == 2);
  a_task_runs_to_its_end(service);
  a_completion_reports_the_end(service, &of_defer);
  a_cancelled_task_is_told(service, &of_defer);
  a_failure_follows_its_policy(service);
  an_answer_can_come_to_a_callback(pool, service);
  a_task_cannot_end_the_service(service);
  records_explain_themselves(service, &of_defer);
  close_service(service);
  a_directory_keeps_its_tasks(pool);
  end_pool(pool);
  CHECK(of_upper.drops == 1 && of_defer.drops == 1 && of_fail.drops == 1);
  return 0;
}

/* Broadcasts, hooks of threads, and the trace file. */
#include "check.h"

#include <string.h>

/* A cell for each worker: nobody else writes it. */
#define WORKERS 3
typedef struct {
  int started, called, exited, dropped;
} seat;
static seat seats[WORKERS];

static void on_start(void *user_data, size_t worker) { ((seat *)user_data)[worker].started += 1; }
static void on_exit_hook(void *user_data, size_t worker) { ((seat *)user_data)[worker].exited += 1; }

static laneway_status call(void *user_data, size_t place, size_t count, size_t worker) {
  CHECK(place < WORKERS && count == WORKERS && worker < WORKERS);
  ((seat *)user_data)[worker].called += 1;
  return place == 1 ? LANEWAY_EUSER - 1 : LANEWAY_OK;
}

static void drop_seats(void *user_data) { ((seat *)user_data)[0].dropped += 1; }

static laneway_status from_inside(void *user_data) {
  return laneway_pool_broadcast(user_data, call, seats);
}

static void every_worker_is_called(struct laneway_pool *pool) {
  struct laneway_work *work = NULL;
  laneway_status result = LANEWAY_OK;
  int worker;
  CHECK_STATUS(laneway_pool_broadcast(pool, call, seats), LANEWAY_EUSER - 1);
  CHECK_OK(laneway_pool_spawn_broadcast(pool, call, seats, drop_seats));
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  for (worker = 0; worker < WORKERS; worker++) {
    CHECK(seats[worker].called == 2 && seats[worker].started == 1 && seats[worker].exited == 0);
  }
  CHECK(seats[0].dropped == 1);
  CHECK_STATUS(laneway_pool_broadcast(pool, NULL, seats), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_spawn_broadcast(NULL, call, seats, drop_seats), LANEWAY_EINVAL);
  CHECK(seats[0].dropped == 2);
  CHECK_OK(laneway_pool_submit(pool, from_inside, pool, NULL, &work));
  CHECK_OK(laneway_work_wait(work, A_WHILE_NS, &result));
  CHECK(result == LANEWAY_EDEADLK);
  laneway_work_free(work);
}

static void the_trace_is_written(struct laneway_pool *pool) {
  const char *path = "/tmp/laneway-trace-test.json";
  struct laneway_error *error = NULL;
  char head[32] = {0};
  FILE *file = NULL;
  CHECK_OK(laneway_pool_write_trace(pool, path, strlen(path), NULL));
  file = fopen(path, "rb");
  CHECK(file != NULL && fread(head, 1, 16, file) == 16);
  CHECK(memcmp(head, "{\"displayTimeUni", 16) == 0);
  fclose(file);
  remove(path);
  path = "/nowhere/at/all.json";
  CHECK_STATUS(laneway_pool_write_trace(pool, path, strlen(path), &error), LANEWAY_EIO);
  CHECK(laneway_error_status(error) == LANEWAY_EIO);
  laneway_error_free(error);
  CHECK_STATUS(laneway_pool_write_trace(NULL, path, strlen(path), NULL), LANEWAY_EINVAL);
}

int main(void) {
  struct laneway_pool_options options;
  struct laneway_pool *pool = NULL;
  int worker;
  laneway_pool_options_init(&options, sizeof options);
  options.workers = WORKERS;
  options.thread_start = on_start;
  options.thread_exit = on_exit_hook;
  options.hooks_user_data = seats;
  options.trace_events = 1000;
  CHECK_OK(laneway_pool_new(&options, &pool, NULL));
  every_worker_is_called(pool);
  the_trace_is_written(pool);
  end_pool(pool);
  for (worker = 0; worker < WORKERS; worker++) {
    CHECK(seats[worker].exited == 1);
  }
  return 0;
}

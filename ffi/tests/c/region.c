/* Regions with an explicit worker: join, loops, all of many calls, the first that succeeds. */
#include "check.h"

#include <string.h>

typedef struct {
  uint64_t n, value;
} number;

static laneway_status fib(void *user_data, const struct laneway_worker *worker) {
  number *all = user_data;
  number a, b;
  if (all->n < 2) {
    all->value = all->n;
    return LANEWAY_OK;
  }
  a.n = all->n - 1;
  b.n = all->n - 2;
  CHECK_OK(laneway_join(worker, fib, &a, fib, &b));
  all->value = a.value + b.value;
  return LANEWAY_OK;
}

static laneway_status fails(void *user_data, const struct laneway_worker *worker) {
  (void)worker;
  return *(const laneway_status *)user_data;
}

static laneway_status failures_of_a_join(void *user_data, const struct laneway_worker *worker) {
  laneway_status first = LANEWAY_EUSER - 1, second = LANEWAY_EUSER - 2, fine = 7;
  (void)user_data;
  CHECK_STATUS(laneway_join(worker, fails, &first, fails, &second), first);
  CHECK_STATUS(laneway_join(worker, fails, &fine, fails, &second), second);
  CHECK_STATUS(laneway_join(worker, fails, &fine, fails, &fine), 7);
  CHECK_STATUS(laneway_join(worker, NULL, NULL, fails, &fine), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_join(NULL, fails, &fine, fails, &fine), LANEWAY_EINVAL);
  return LANEWAY_EUSER - 3;
}

static void join_passes_the_worker_along(struct laneway_pool *pool) {
  number all = {18, 0};
  CHECK_OK(laneway_pool_enter(pool, fib, &all));
  CHECK(all.value == 2584);
  CHECK_STATUS(laneway_pool_enter(pool, failures_of_a_join, NULL), LANEWAY_EUSER - 3);
  CHECK_STATUS(laneway_pool_enter(pool, NULL, NULL), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_enter(NULL, fib, &all), LANEWAY_EINVAL);
}

static laneway_status on_worker(void *user_data) {
  struct laneway_pool *pool = user_data;
  number all = {15, 0};
  CHECK_OK(laneway_pool_enter(pool, fib, &all));
  CHECK(all.value == 610);
  return LANEWAY_OK;
}

static laneway_status index_is_below_two(void *user_data, const struct laneway_worker *worker) {
  const size_t index = laneway_worker_index(worker);
  (void)user_data;
  CHECK(index < 2 || index == SIZE_MAX);
  laneway_worker_tick(worker);
  return LANEWAY_OK;
}

static void a_worker_may_enter_too(struct laneway_pool *pool) {
  struct laneway_work *work = NULL;
  laneway_status result = LANEWAY_EINVAL;
  CHECK_OK(laneway_pool_submit(pool, on_worker, pool, NULL, &work));
  CHECK_OK(laneway_work_wait(work, A_WHILE_NS, &result));
  CHECK(result == LANEWAY_OK);
  laneway_work_free(work);
  CHECK_OK(laneway_pool_enter(pool, index_is_below_two, NULL));
  CHECK(laneway_worker_index(NULL) == SIZE_MAX);
  laneway_worker_tick(NULL);
}

#define CELLS 1000
static unsigned char visited[CELLS];

static laneway_status visit(void *user_data, const struct laneway_worker *worker, size_t begin,
                            size_t end) {
  CHECK(worker != NULL && begin < end && end - begin <= 30);
  for (; begin < end; begin++) {
    visited[begin] = (unsigned char)(visited[begin] + 1);
  }
  return *(const laneway_status *)user_data;
}

static laneway_status loops(void *user_data, const struct laneway_worker *worker) {
  laneway_status fine = LANEWAY_OK, failure = LANEWAY_EUSER - 9;
  size_t at;
  (void)user_data;
  memset(visited, 0, sizeof visited);
  CHECK_OK(laneway_parallel_for(worker, 10, CELLS, 30, visit, &fine));
  for (at = 0; at < CELLS; at++) {
    CHECK(visited[at] == (at >= 10));
  }
  CHECK_OK(laneway_parallel_for(worker, 5, 5, 0, visit, &fine));
  CHECK_OK(laneway_parallel_for(worker, 7, 3, 0, visit, &fine));
  CHECK_STATUS(laneway_parallel_for(worker, 0, CELLS, 30, visit, &failure), failure);
  CHECK_STATUS(laneway_parallel_for(worker, 0, 1, 1, NULL, NULL), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_parallel_for(NULL, 0, 1, 1, visit, &fine), LANEWAY_EINVAL);
  return LANEWAY_OK;
}

static laneway_status all_of_many(void *user_data, const struct laneway_worker *worker) {
  struct laneway_call calls[50];
  number numbers[50];
  laneway_status failure = LANEWAY_EUSER - 4;
  size_t at;
  (void)user_data;
  memset(calls, 0, sizeof calls);
  for (at = 0; at < 50; at++) {
    numbers[at].n = at % 12;
    calls[at].function = fib;
    calls[at].user_data = &numbers[at];
    calls[at].status = LANEWAY_EINVAL;
  }
  CHECK_OK(laneway_invoke_all(worker, calls, 50));
  for (at = 0; at < 50; at++) {
    CHECK(calls[at].status == LANEWAY_OK);
  }
  CHECK(numbers[11].value == 89);
  calls[20].function = fails;
  calls[20].user_data = &failure;
  CHECK_STATUS(laneway_invoke_all(worker, calls, 50), failure);
  CHECK(calls[20].status == failure && calls[49].status == LANEWAY_OK);
  CHECK_OK(laneway_invoke_all(worker, NULL, 0));
  CHECK_STATUS(laneway_invoke_all(worker, NULL, 1), LANEWAY_EINVAL);
  calls[3].function = NULL;
  CHECK_STATUS(laneway_invoke_all(worker, calls, 50), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_invoke_all(NULL, calls, 2), LANEWAY_EINVAL);
  return LANEWAY_OK;
}

static laneway_status one_of_many(void *user_data, const struct laneway_worker *worker) {
  struct laneway_call calls[4];
  laneway_status failure = LANEWAY_EUSER - 5, success = 3;
  size_t at, winner = 0;
  (void)user_data;
  memset(calls, 0, sizeof calls);
  for (at = 0; at < 4; at++) {
    calls[at].function = fails;
    calls[at].user_data = at == 2 ? &success : &failure;
  }
  CHECK_STATUS(laneway_invoke_any(worker, calls, 4, &winner), 3);
  CHECK(winner == 2 && calls[2].status == 3);
  CHECK(calls[3].status == failure || calls[3].status == LANEWAY_ECANCELED);
  calls[2].user_data = &failure;
  CHECK_STATUS(laneway_invoke_any(worker, calls, 4, &winner), failure);
  CHECK(winner == SIZE_MAX);
  CHECK_STATUS(laneway_invoke_any(worker, NULL, 0, NULL), LANEWAY_ENOTFOUND);
  CHECK_STATUS(laneway_invoke_any(worker, NULL, 2, NULL), LANEWAY_EINVAL);
  return LANEWAY_OK;
}

int main(void) {
  struct laneway_pool *pool = new_pool(2);
  join_passes_the_worker_along(pool);
  a_worker_may_enter_too(pool);
  CHECK_OK(laneway_pool_enter(pool, loops, NULL));
  CHECK_OK(laneway_pool_enter(pool, all_of_many, NULL));
  CHECK_OK(laneway_pool_enter(pool, one_of_many, NULL));
  end_pool(pool);
  return 0;
}

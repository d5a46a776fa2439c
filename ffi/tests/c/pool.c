/* Fork-join, scopes, detached and awaited work, timers, the end of a pool. */
#include "check.h"

#include <string.h>

/* Sums a range by splitting it. */
typedef struct {
  struct laneway_pool *pool;
  uint64_t from, to, sum;
} range;

static laneway_status sum(void *user_data) {
  range *all = user_data;
  if (all->to - all->from <= 64) {
    uint64_t at;
    all->sum = 0;
    for (at = all->from; at < all->to; at++) {
      all->sum += at;
    }
  } else {
    const uint64_t middle = all->from + (all->to - all->from) / 2;
    range low, high;
    low = high = *all;
    low.to = high.from = middle;
    CHECK_OK(laneway_pool_join(all->pool, sum, &low, sum, &high));
    all->sum = low.sum + high.sum;
  }
  return LANEWAY_OK;
}

static laneway_status fails(void *user_data) { return *(const laneway_status *)user_data; }

static void join_returns_what_both_did(struct laneway_pool *pool) {
  range all = {NULL, 0, 10000, 0};
  laneway_status first = LANEWAY_EUSER - 1, second = LANEWAY_EUSER - 2, fine = LANEWAY_OK;
  all.pool = pool;
  CHECK_OK(sum(&all));
  CHECK(all.sum == UINT64_C(49995000));
  CHECK_STATUS(laneway_pool_join(pool, fails, &first, fails, &second), first);
  CHECK_STATUS(laneway_pool_join(pool, fails, &fine, fails, &second), second);
  CHECK_STATUS(laneway_pool_join(pool, NULL, NULL, fails, &fine), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_join(NULL, fails, &fine, fails, &fine), LANEWAY_EINVAL);
}

/* Each function writes to a cell of its own; the scope orders the writes before its end. */
#define CELLS 200
static int ran[CELLS], dropped[CELLS];

static void drop_cell(void *user_data) { dropped[(int *)user_data - ran] += 1; }

static laneway_status mark(void *user_data, struct laneway_scope *scope) {
  int *cell = user_data;
  *cell += 1;
  if (cell - ran == 7) {
    return LANEWAY_EUSER - 7;
  }
  /* The first half spawns the second half, from wherever it runs. */
  if (cell - ran < CELLS / 2) {
    return laneway_scope_spawn(scope, mark, cell + CELLS / 2, drop_cell);
  }
  return LANEWAY_OK;
}

static laneway_status spawn_half(void *user_data, struct laneway_scope *scope) {
  int cell;
  (void)user_data;
  for (cell = 0; cell < CELLS / 2; cell++) {
    CHECK_OK(laneway_scope_spawn(scope, mark, &ran[cell], drop_cell));
  }
  return LANEWAY_OK;
}

static void a_scope_waits_for_everything_in_it(struct laneway_pool *pool) {
  int cell;
  memset(ran, 0, sizeof ran);
  memset(dropped, 0, sizeof dropped);
  CHECK_STATUS(laneway_pool_scope(pool, spawn_half, NULL), LANEWAY_EUSER - 7);
  for (cell = 0; cell < CELLS; cell++) {
    CHECK(ran[cell] == (cell != 7 + CELLS / 2));
    CHECK(dropped[cell] == ran[cell]);
  }
}

/* Written by one callback, read after a wait that orders it. */
typedef struct {
  int calls, drops;
} seen;

static void call(void *user_data) { ((seen *)user_data)->calls += 1; }
static void count_drop(void *user_data) { ((seen *)user_data)->drops += 1; }
static laneway_status answer(void *user_data) {
  call(user_data);
  return LANEWAY_EUSER - 42;
}

static void detached_work_runs_and_is_dropped(struct laneway_pool *pool) {
  seen work = {0, 0}, timed = {0, 0}, cancelled = {0, 0}, refused = {0, 0};
  struct laneway_timer *timer = NULL;
  CHECK_OK(laneway_pool_spawn(pool, call, &work, count_drop));
  CHECK_OK(laneway_pool_schedule_after(pool, UINT64_C(3600000000000), call, &cancelled, count_drop,
                                       &timer));
  CHECK_OK(laneway_timer_cancel(timer));
  CHECK(cancelled.calls == 0 && cancelled.drops == 1);
  CHECK_STATUS(laneway_timer_cancel(timer), LANEWAY_EALREADY);
  CHECK(laneway_timer_is_over(timer));
  laneway_timer_free(timer);
  CHECK_OK(laneway_pool_schedule_after(pool, 1, call, &timed, count_drop, NULL));
  CHECK_STATUS(laneway_pool_spawn(pool, NULL, &refused, count_drop), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_spawn(NULL, call, &refused, count_drop), LANEWAY_EINVAL);
  CHECK(refused.calls == 0 && refused.drops == 2);
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  CHECK(work.calls == 1 && work.drops == 1);
}

static void a_waiter_gets_the_status(struct laneway_pool *pool) {
  seen work = {0, 0}, refused = {0, 0};
  struct laneway_work *awaited = NULL;
  laneway_status status = LANEWAY_OK;
  CHECK_OK(laneway_pool_submit(pool, answer, &work, count_drop, &awaited));
  CHECK_OK(laneway_work_wait(awaited, LANEWAY_NO_TIMEOUT, &status));
  CHECK(status == LANEWAY_EUSER - 42);
  CHECK_OK(laneway_work_wait(awaited, 0, &status)); /* may be asked again */
  CHECK(status == LANEWAY_EUSER - 42);
  CHECK(laneway_work_is_done(awaited));
  CHECK_STATUS(laneway_work_cancel(awaited), LANEWAY_EALREADY);
  laneway_work_free(awaited);
  CHECK_STATUS(laneway_pool_submit(pool, answer, &refused, count_drop, NULL), LANEWAY_EINVAL);
  CHECK(refused.drops == 1);
}

static laneway_status end_from_inside(void *user_data) {
  struct laneway_pool *pool = user_data;
  CHECK(laneway_pool_on_worker(pool));
  return laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, A_WHILE_NS, NULL);
}

static void a_worker_cannot_wait_for_its_own_end(void) {
  struct laneway_pool *pool = new_pool(1);
  struct laneway_work *work = NULL;
  struct laneway_pool_counters counters;
  laneway_pool_counters_init(&counters, sizeof counters);
  CHECK(!laneway_pool_on_worker(pool));
  CHECK(laneway_pool_workers(pool) == 1);
  /* Not waited for: a waiter would run it. The shutdown below runs it on the worker. */
  CHECK_OK(laneway_pool_counters_read(pool, &counters));
  CHECK_OK(laneway_pool_submit(pool, end_from_inside, pool, NULL, &work));
  while (laneway_pool_counters_read(pool, &counters) == LANEWAY_OK && counters.run == 0) {
  }
  {
    laneway_status status = LANEWAY_OK;
    CHECK_OK(laneway_work_wait(work, A_WHILE_NS, &status));
    CHECK(status == LANEWAY_EDEADLK);
  }
  laneway_work_free(work);
  end_pool(pool);
}

static void handles_may_outlive_their_pool(void) {
  seen work = {0, 0};
  struct laneway_work *awaited = NULL;
  struct laneway_pool *pool = new_pool(1);
  CHECK(laneway_pool_retain(pool) == pool);
  laneway_pool_release(pool);
  CHECK(!laneway_pool_is_shutting_down(pool));
  CHECK_OK(laneway_pool_submit(pool, answer, &work, count_drop, &awaited));
  laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, A_WHILE_NS, NULL);
  laneway_pool_release(pool);
  CHECK_OK(laneway_work_wait(awaited, A_WHILE_NS, NULL));
  CHECK(work.calls == 1 && work.drops == 1);
  laneway_work_free(awaited);
}

int main(void) {
  struct laneway_pool *pool = new_pool(3);
  join_returns_what_both_did(pool);
  a_scope_waits_for_everything_in_it(pool);
  detached_work_runs_and_is_dropped(pool);
  a_waiter_gets_the_status(pool);
  end_pool(pool);
  a_worker_cannot_wait_for_its_own_end();
  handles_may_outlive_their_pool();
  return 0;
}

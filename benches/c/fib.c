/* fib without cutoff through the shared library: the cost of a join from C.
 *
 *   fib WORKERS ROUNDS     prints the nanoseconds a join took in each round
 */
#define _POSIX_C_SOURCE 199309L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "laneway.h"

#define N 30
#define JOINS 1346268.0 /* in fib(30): one for each call with n >= 2 */

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
  laneway_join(worker, fib, &a, fib, &b);
  all->value = a.value + b.value;
  return LANEWAY_OK;
}

static struct laneway_pool *pool;

static laneway_status on_worker(void *user_data) { return laneway_pool_enter(pool, fib, user_data); }

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int count, char **arguments) {
  struct laneway_pool_options options;
  int rounds;
  if (count != 3) {
    return 64;
  }
  laneway_pool_options_init(&options, sizeof options);
  options.workers = (uint32_t)atoi(arguments[1]);
  if (laneway_pool_new(&options, &pool, NULL) != LANEWAY_OK) {
    return 1;
  }
  for (rounds = atoi(arguments[2]); rounds > 0; rounds--) {
    number all;
    struct laneway_work *work = NULL;
    const double begin = now_ns();
    all.n = N;
    if (laneway_pool_submit(pool, on_worker, &all, NULL, &work) != LANEWAY_OK ||
        laneway_work_wait(work, LANEWAY_NO_TIMEOUT, NULL) != LANEWAY_OK || all.value != 832040) {
      return 1;
    }
    printf("%.3f\n", (now_ns() - begin) / JOINS);
    laneway_work_free(work);
  }
  laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, LANEWAY_NO_TIMEOUT, NULL);
  laneway_pool_release(pool);
  return 0;
}

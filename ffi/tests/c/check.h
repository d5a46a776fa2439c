/* What the test programs share: a check that says where it failed and ends the program. */
#ifndef LANEWAY_TESTS_CHECK_H
#define LANEWAY_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "laneway.h"

#define CHECK(fact)                                                                                \
  do {                                                                                             \
    if (!(fact)) {                                                                                 \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                           \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

#define CHECK_STATUS(call, expected)                                                               \
  do {                                                                                             \
    const laneway_status said = (call);                                                            \
    if (said != (expected)) {                                                                      \
      fprintf(stderr, "%s:%d: %s is %s, not %s\n", __FILE__, __LINE__, #call,                      \
              laneway_status_name(said), #expected);                                               \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, LANEWAY_OK)

/* Longer than any step of a test takes, also under valgrind. */
#define A_WHILE_NS UINT64_C(60000000000)

/* Two programs use this, and those that do not are not warned. */
static inline struct laneway_pool *new_pool(uint32_t workers) {
  struct laneway_pool_options options;
  struct laneway_pool *pool = NULL;
  laneway_pool_options_init(&options, sizeof options);
  options.workers = workers;
  CHECK_OK(laneway_pool_new(&options, &pool, NULL));
  return pool;
}

/* Ends the pool for good: every thread has ended, nothing was left. */
static inline void end_pool(struct laneway_pool *pool) {
  struct laneway_pool_report report;
  laneway_pool_report_init(&report, sizeof report);
  CHECK_OK(laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, A_WHILE_NS, &report));
  CHECK(report.running == 0);
  CHECK(report.left == 0);
  laneway_pool_release(pool);
}

#endif

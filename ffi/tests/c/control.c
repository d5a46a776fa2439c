/* Threads that block, parallelism, classes of work, repetitions, and a forked child. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static laneway_status read_byte(void *user_data) {
  unsigned char byte = 0;
  CHECK(read(*(const int *)user_data, &byte, 1) == 1);
  return (laneway_status)byte;
}

typedef struct {
  struct laneway_pool *pool;
  int ends[2];
} blocked;

static laneway_status block(void *user_data) {
  blocked *on = user_data;
  return laneway_pool_blocking(on->pool, read_byte, &on->ends[0]);
}

static laneway_status write_byte(void *user_data) {
  const unsigned char byte = 7;
  CHECK(write(*(const int *)user_data, &byte, 1) == 1);
  return LANEWAY_OK;
}

static void a_spare_works_while_the_worker_blocks(void) {
  blocked on;
  laneway_status status = LANEWAY_OK;
  struct laneway_work *waits = NULL, *writes = NULL;
  on.pool = new_pool(1);
  CHECK(pipe(on.ends) == 0);
  CHECK_OK(laneway_pool_submit(on.pool, block, &on, NULL, &waits));
  CHECK_OK(laneway_pool_submit(on.pool, write_byte, &on.ends[1], NULL, &writes));
  CHECK_OK(laneway_work_wait(waits, A_WHILE_NS, &status));
  CHECK(status == 7);
  CHECK_OK(laneway_work_wait(writes, A_WHILE_NS, NULL));
  laneway_work_free(waits);
  laneway_work_free(writes);
  CHECK(close(on.ends[0]) == 0 && close(on.ends[1]) == 0);
  CHECK_STATUS(laneway_pool_blocking(on.pool, NULL, NULL), LANEWAY_EINVAL);
  end_pool(on.pool);
}

static void the_parallelism_can_be_changed(void) {
  struct laneway_pool *pool = new_pool(1);
  CHECK(laneway_pool_parallelism(pool) == 1);
  CHECK_OK(laneway_pool_set_parallelism(pool, 3));
  CHECK(laneway_pool_parallelism(pool) == 3);
  CHECK_STATUS(laneway_pool_set_parallelism(pool, 0), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_set_parallelism(NULL, 1), LANEWAY_EINVAL);
  CHECK(laneway_pool_parallelism(NULL) == 0);
  end_pool(pool);
}

static void tell(void *user_data) { (void)write_byte(user_data); }

static void work_has_a_class(void) {
  int ends[2];
  struct laneway_pool *pool = new_pool(1);
  CHECK(pipe(ends) == 0);
  CHECK_OK(laneway_pool_spawn_at(pool, LANEWAY_PRIORITY_BACKGROUND, tell, &ends[1], NULL));
  CHECK_OK(laneway_pool_spawn_at(pool, LANEWAY_PRIORITY_URGENT, tell, &ends[1], NULL));
  CHECK_OK(laneway_pool_spawn_at(pool, LANEWAY_PRIORITY_NORMAL, tell, &ends[1], NULL));
  CHECK_STATUS(laneway_pool_spawn_at(pool, 77, tell, &ends[1], NULL), LANEWAY_EINVAL);
  CHECK(read_byte(&ends[0]) == 7 && read_byte(&ends[0]) == 7 && read_byte(&ends[0]) == 7);
  end_pool(pool);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void close_end(void *user_data) { CHECK(close(*(const int *)user_data) == 0); }

static void a_repetition_goes_on_until_it_is_cancelled(void) {
  int ends[2], kind;
  struct laneway_pool *pool = new_pool(1);
  for (kind = 0; kind < 2; kind++) {
    unsigned char byte;
    struct laneway_repetition *ticking = NULL;
    CHECK(pipe(ends) == 0);
    if (kind == 0) {
      CHECK_OK(laneway_pool_schedule_at_fixed_rate(pool, 1000, 1000000, tell, &ends[1], close_end,
                                                   &ticking));
    } else {
      CHECK_OK(laneway_pool_schedule_with_fixed_delay(pool, 1000, 1000000, tell, &ends[1],
                                                      close_end, &ticking));
    }
    CHECK(read_byte(&ends[0]) == 7 && read_byte(&ends[0]) == 7 && read_byte(&ends[0]) == 7);
    CHECK_OK(laneway_repetition_cancel(ticking));
    CHECK_STATUS(laneway_repetition_cancel(ticking), LANEWAY_EALREADY);
    laneway_repetition_free(ticking);
    /* Its writing end is closed when the repetition is over. */
    while (read(ends[0], &byte, 1) == 1) {
    }
    CHECK(close(ends[0]) == 0);
  }
  laneway_repetition_free(NULL);
  end_pool(pool);
}

/* In the child: every call that can fail does, and fast. */
static int child(struct laneway_pool *pool) {
  int none = -1;
  struct laneway_work *work = NULL;
  struct laneway_timer *timer = NULL;
  struct laneway_repetition *ticking = NULL;
  return laneway_pool_is_forked(pool) &&
         laneway_pool_spawn_at(pool, LANEWAY_PRIORITY_URGENT, tell, &none, NULL) ==
             LANEWAY_EFORKED &&
         laneway_pool_spawn(pool, tell, &none, NULL) == LANEWAY_EFORKED &&
         laneway_pool_submit(pool, write_byte, &none, NULL, &work) == LANEWAY_EFORKED &&
         laneway_pool_schedule_after(pool, 1, tell, &none, NULL, &timer) == LANEWAY_EFORKED &&
         laneway_pool_schedule_at_fixed_rate(pool, 1, 1, tell, &none, NULL, &ticking) ==
             LANEWAY_EFORKED &&
         laneway_pool_set_parallelism(pool, 2) == LANEWAY_EFORKED &&
         laneway_pool_shutdown(pool, LANEWAY_SHUTDOWN_DRAIN, A_WHILE_NS, NULL) == LANEWAY_EFORKED;
}

/* The child answers through a pipe: its exit status is a leak checker's, where there is one. */
static void a_forked_child_is_told(void) {
  int ends[2];
  struct laneway_pool *pool = new_pool(2);
  pid_t pid;
  CHECK(!laneway_pool_is_forked(pool) && !laneway_pool_is_forked(NULL));
  CHECK(pipe(ends) == 0);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    (void)alarm(60); /* ends a child that hangs */
    if (child(pool)) {
      tell(&ends[1]);
    }
    _exit(0);
  }
  CHECK(close(ends[1]) == 0);
  CHECK(read_byte(&ends[0]) == 7);
  CHECK(close(ends[0]) == 0);
  CHECK(waitpid(pid, NULL, 0) == pid);
  end_pool(pool);
}

int main(void) {
  a_spare_works_while_the_worker_blocks();
  the_parallelism_can_be_changed();
  work_has_a_class();
  a_repetition_goes_on_until_it_is_cancelled();
  a_forked_child_is_told();
  return 0;
}

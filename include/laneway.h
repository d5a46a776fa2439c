#ifndef LANEWAY_H
#define LANEWAY_H

/* Generated from ffi/src by ffi/generate.sh; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANEWAY_VERSION_MAJOR 0
#define LANEWAY_VERSION_MINOR 1
#define LANEWAY_VERSION_PATCH 0

/* Put in front of every function; define it before including to add an attribute. */
#ifndef LANEWAY_API
#define LANEWAY_API
#endif

/* Marks functions that a newer one replaces; define it empty to silence the warnings. */
#ifndef LANEWAY_DEPRECATED
#if defined(__GNUC__) || defined(__clang__)
#define LANEWAY_DEPRECATED(note) __attribute__((deprecated(note)))
#else
#define LANEWAY_DEPRECATED(note)
#endif
#endif

/**
 * Wait without a limit.
 */
#define LANEWAY_NO_TIMEOUT 18446744073709551615ull

/**
 * Goes up by one whenever the soname changes; compare it with `laneway_abi_version()`.
 */
#define LANEWAY_ABI_VERSION 1

/**
 * The statuses the library gives; -1000 and below are the caller's own.
 */
typedef enum laneway_code {
  /**
   * Done.
   */
  LANEWAY_OK = 0,
  /**
   * From a body: its tokens decide; it deferred at least one.
   */
  LANEWAY_PENDING = 1,
  /**
   * Nothing more to come.
   */
  LANEWAY_END = 2,
  /**
   * An argument breaks the function's contract.
   */
  LANEWAY_EINVAL = -1,
  /**
   * A panic was contained. The message has its text.
   */
  LANEWAY_EPANIC = -2,
  /**
   * The time ran out.
   */
  LANEWAY_ETIMEDOUT = -3,
  /**
   * Cancelled by request.
   */
  LANEWAY_ECANCELED = -4,
  /**
   * A token was given up without an answer.
   */
  LANEWAY_EABANDONED = -5,
  /**
   * The pool, coordinator or service is shutting down.
   */
  LANEWAY_ESHUTDOWN = -6,
  /**
   * In use, or not ready; try again later.
   */
  LANEWAY_EBUSY = -7,
  /**
   * The call could only have waited for itself.
   */
  LANEWAY_EDEADLK = -8,
  /**
   * Called in the child of a fork.
   */
  LANEWAY_EFORKED = -9,
  /**
   * There is no such thing.
   */
  LANEWAY_ENOTFOUND = -10,
  /**
   * Somebody else changed it first; read again and retry.
   */
  LANEWAY_ECONFLICT = -11,
  /**
   * The system refused or failed an operation.
   */
  LANEWAY_EIO = -12,
  /**
   * Stored data is damaged.
   */
  LANEWAY_ECORRUPT = -13,
  /**
   * This build or version cannot do it.
   */
  LANEWAY_EUNSUPPORTED = -14,
  /**
   * No memory, threads or other resource.
   */
  LANEWAY_ENOMEM = -15,
  /**
   * It has been done or has ended already.
   */
  LANEWAY_EALREADY = -16,
  /**
   * The bound on waiting work is reached.
   */
  LANEWAY_EFULL = -17,
  /**
   * A key, name or payload is longer than allowed.
   */
  LANEWAY_ETOOLONG = -18,
  /**
   * The allocation is no longer the valid one; nothing was changed.
   */
  LANEWAY_EFENCED = -19,
  /**
   * The id is taken by something different.
   */
  LANEWAY_EEXISTS = -20,
  /**
   * The job before it in its lane failed, and the lane ends its followers.
   */
  LANEWAY_EPREDECESSOR = -21,
  /**
   * The first value of the caller's own range, which grows downwards.
   */
  LANEWAY_EUSER = -1000,
} laneway_code;

/**
 * How a pool ends.
 */
typedef enum laneway_shutdown {
  /**
   * Run what was posted, and what that posts; then end.
   */
  LANEWAY_SHUTDOWN_DRAIN = 0,
  /**
   * Finish what is running; abandon the rest.
   */
  LANEWAY_SHUTDOWN_CANCEL = 1,
} laneway_shutdown;

/**
 * Why a call failed: a status and a text. Unique: freed once, by `laneway_error_free`.
 */
typedef struct laneway_error laneway_error;

/**
 * A pool of worker threads. Counted: `laneway_pool_retain`, `laneway_pool_release`.
 */
typedef struct laneway_pool laneway_pool;

/**
 * Where work can be spawned that ends before the scope does. Borrowed: valid in the scope's body
 * and in the functions spawned in it.
 */
typedef struct laneway_scope laneway_scope;

/**
 * Work that waits for its time. Unique: freed once, by `laneway_timer_free`; the timer still
 * fires.
 */
typedef struct laneway_timer laneway_timer;

/**
 * Submitted work. Unique: freed once, by `laneway_work_free`; that detaches the work.
 */
typedef struct laneway_work laneway_work;

/**
 * A status: 0 is success, above 0 another successful answer, below 0 a failure.
 *
 * Callers keep a `default:`: later versions add values of either sign.
 */
typedef int32_t laneway_status;

/**
 * How a pool is built. Zero and NULL mean the default in every field.
 */
typedef struct laneway_pool_options {
  /**
   * Set by `laneway_pool_options_init`.
   */
  size_t struct_size;
  /**
   * None are defined: 0.
   */
  uint64_t flags;
  /**
   * Worker threads. Default: what the CPU affinity and the cgroup quota grant.
   */
  uint32_t workers;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Bytes of stack of each worker. Default: 2 MiB.
   */
  size_t stack_size;
  /**
   * How long a helper thread without work stays. Default: 10 seconds.
   */
  uint64_t keep_alive_ns;
  /**
   * Threads are called `name-0`, `name-1`, ...; UTF-8. Default: `laneway`.
   */
  const void *name;
  /**
   * Bytes of `name`.
   */
  size_t name_len;
} laneway_pool_options;

/**
 * What a pool has done so far. The figures fit together only while the pool is quiescent.
 */
typedef struct laneway_pool_counters {
  /**
   * Set by `laneway_pool_counters_init`.
   */
  size_t struct_size;
  /**
   * Worker threads that live.
   */
  uint64_t workers;
  /**
   * Workers that are not asleep.
   */
  uint64_t active;
  /**
   * Workers that wait inside work.
   */
  uint64_t blocked;
  /**
   * Detached work, visits of lanes included, that waits for a worker.
   */
  uint64_t queued;
  /**
   * Work run by workers.
   */
  uint64_t run;
  /**
   * Work taken from another worker.
   */
  uint64_t steals;
  /**
   * Join frames shown to thieves.
   */
  uint64_t promotions;
  /**
   * Times a worker went to sleep.
   */
  uint64_t parks;
  /**
   * Times a worker was woken by another thread.
   */
  uint64_t wakes;
  /**
   * Panics that nobody joined.
   */
  uint64_t panics;
} laneway_pool_counters;

/**
 * What a shutdown left behind.
 */
typedef struct laneway_pool_report {
  /**
   * Set by `laneway_pool_report_init`.
   */
  size_t struct_size;
  /**
   * Threads that have ended and were joined, by any call so far.
   */
  uint64_t joined;
  /**
   * Threads that had not ended when the time was over.
   */
  uint64_t running;
  /**
   * Work that never ran.
   */
  uint64_t left;
  /**
   * Timers that never fired.
   */
  uint64_t timers;
} laneway_pool_report;

/**
 * Work whose status somebody waits for.
 */
typedef laneway_status (*laneway_call_fn)(void *user_data);

/**
 * The body of a scope, and what is spawned in it.
 */
typedef laneway_status (*laneway_scope_fn)(void *user_data, struct laneway_scope *scope);

/**
 * Ends the life of a `user_data`; called exactly once, on any thread; may be NULL.
 */
typedef void (*laneway_drop_fn)(void *user_data);

/**
 * Work that nobody waits for.
 */
typedef void (*laneway_work_fn)(void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The status of `error`; `LANEWAY_OK` for NULL.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `error`.
 *
 * @pre `error` is NULL or not yet freed.
 */
LANEWAY_API laneway_status laneway_error_status(const struct laneway_error *error);

/**
 * The text of `error` in UTF-8, ended by NUL; `""` for NULL.
 *
 * @param[out] len  bytes before the NUL; may be NULL.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `error`; the text lives as long as it.
 *
 * @pre `error` is NULL or not yet freed; `len` is NULL or writable.
 */
LANEWAY_API const char *laneway_error_message(const struct laneway_error *error, size_t *len);

/**
 * Frees `error`; NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `error`.
 *
 * @pre `error` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_error_free(struct laneway_error *error);

/**
 * Fills `options` with the defaults.
 *
 * @param struct_size  `sizeof *options`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `options`.
 *
 * @pre `options` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API
void laneway_pool_options_init(struct laneway_pool_options *options,
                               size_t struct_size);

/**
 * Clears `counters` and sets its size.
 *
 * @param struct_size  `sizeof *counters`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `counters`.
 *
 * @pre `counters` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API
void laneway_pool_counters_init(struct laneway_pool_counters *counters,
                                size_t struct_size);

/**
 * Clears `report` and sets its size.
 *
 * @param struct_size  `sizeof *report`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `report`.
 *
 * @pre `report` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API void laneway_pool_report_init(struct laneway_pool_report *report, size_t struct_size);

/**
 * Builds a pool and starts its workers.
 *
 * @param options   NULL for the defaults.
 * @param[out] out  the pool, with one reference for the caller.
 * @param[out] err  why it failed; may be NULL.
 * @return `LANEWAY_EINVAL` for options out of range; `LANEWAY_ENOMEM` if a thread could not be
 *         started: none is left behind.
 *
 * Threads: any.
 * Blocks: while threads are started.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out` and `*err`.
 *
 * @pre `options` is NULL or was filled by `laneway_pool_options_init`; `out` and `err` are writable or
 * NULL.
 */
LANEWAY_API
laneway_status laneway_pool_new(const struct laneway_pool_options *options,
                                struct laneway_pool **out,
                                struct laneway_error **err);

/**
 * Adds a reference and returns `pool`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns one reference more.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API struct laneway_pool *laneway_pool_retain(struct laneway_pool *pool);

/**
 * Gives a reference back. With the last one the pool runs what was posted and ends by itself.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes one reference.
 *
 * @pre `pool` is NULL or a reference that the caller owns and does not use again.
 */
LANEWAY_API void laneway_pool_release(struct laneway_pool *pool);

/**
 * How many workers the pool was built with; 0 for NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API size_t laneway_pool_workers(const struct laneway_pool *pool);

/**
 * Whether the calling thread is a worker of `pool`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API bool laneway_pool_on_worker(const struct laneway_pool *pool);

/**
 * Reads the counters, without stopping anything.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows both.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` was filled by
 * `laneway_pool_counters_init`.
 */
LANEWAY_API
laneway_status laneway_pool_counters_read(const struct laneway_pool *pool,
                                          struct laneway_pool_counters *out);

/**
 * Waits until nothing that was posted before the call is queued or running.
 *
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`.
 * In callbacks: allowed, but answers `LANEWAY_EDEADLK` on a worker of this pool.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is a pool that the caller has a reference to.
 */
LANEWAY_API
laneway_status laneway_pool_wait_quiescent(struct laneway_pool *pool,
                                           uint64_t timeout_ns);

/**
 * Ends the pool and waits for its threads. May be called again, also after a time-out.
 *
 * @param how          one of `enum laneway_shutdown`.
 * @param[out] report  what was left behind; may be NULL.
 * @return `LANEWAY_ETIMEDOUT` if threads were still running; `LANEWAY_EDEADLK` on a worker of
 *         this pool, where the end is started but not waited for.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`.
 * In callbacks: starts the end and answers `LANEWAY_EDEADLK`.
 * Ownership: borrows `pool`; the reference still has to be released.
 *
 * @pre `pool` is a pool that the caller has a reference to; `report` is NULL or was filled by
 * `laneway_pool_report_init`.
 */
LANEWAY_API
laneway_status laneway_pool_shutdown(struct laneway_pool *pool,
                                     uint32_t how,
                                     uint64_t timeout_ns,
                                     struct laneway_pool_report *report);

/**
 * Runs `a` and `b`, perhaps in parallel, and returns when both have ended.
 *
 * @return the status of `a` if it is a failure, else that of `b`.
 *
 * Threads: any; a caller off the pool helps as a temporary worker.
 * Blocks: until both have ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: both `user_data` are borrowed until the call returns.
 *
 * @pre `pool` is a pool that the caller has a reference to; each function may be called once with its
 * `user_data`, on any thread, both at the same time.
 */
LANEWAY_API
laneway_status laneway_pool_join(struct laneway_pool *pool,
                                 laneway_call_fn a,
                                 void *user_data_a,
                                 laneway_call_fn b,
                                 void *user_data_b);

/**
 * Calls `body` on this thread with a scope, and returns when everything spawned in it has ended.
 *
 * @return the status of `body` if it is a failure, else the first failure of what was spawned,
 *         else the status of `body`.
 *
 * Threads: any; a caller off the pool helps as a temporary worker.
 * Blocks: until everything spawned in the scope has ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: `user_data` is borrowed until the call returns.
 *
 * @pre `pool` is a pool that the caller has a reference to; `body` may be called with `user_data`.
 */
LANEWAY_API
laneway_status laneway_pool_scope(struct laneway_pool *pool,
                                  laneway_scope_fn body,
                                  void *user_data);

/**
 * Runs `function`, perhaps on another thread, before `scope` ends.
 *
 * Threads: those inside the scope.
 * Blocks: no.
 * In callbacks: allowed, inside the scope.
 * Ownership: consumes `user_data` on every path: `drop` runs once, before the scope ends.
 *
 * @pre `scope` is open; `function` may be called once with `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_scope_spawn(struct laneway_scope *scope,
                                   laneway_scope_fn function,
                                   void *user_data,
                                   laneway_drop_fn drop);

/**
 * Runs `function` on a worker, some time. After a shutdown it never runs.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `user_data` on every path: `drop` runs once, after `function` or instead.
 *
 * @pre `pool` is a pool that the caller has a reference to; `function` may be called once with
 * `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pool_spawn(struct laneway_pool *pool,
                                  laneway_work_fn function,
                                  void *user_data,
                                  laneway_drop_fn drop);

/**
 * Runs `function` on a worker; `*out` waits for its status.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
 * `function` or instead of it.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
 * once with `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pool_submit(struct laneway_pool *pool,
                                   laneway_call_fn function,
                                   void *user_data,
                                   laneway_drop_fn drop,
                                   struct laneway_work **out);

/**
 * Waits for the status of submitted work. May be called again.
 *
 * @param[out] result  what the function returned; `LANEWAY_ECANCELED` if it never will; may be
 *                     NULL.
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself.
 *
 * Threads: any, one at a time.
 * Blocks: up to `timeout_ns`.
 * In callbacks: allowed; work that has not started is run by its waiter.
 * Ownership: borrows `work`.
 *
 * @pre `work` is not freed and not used by another thread meanwhile; `result` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_work_wait(struct laneway_work *work,
                                 uint64_t timeout_ns,
                                 laneway_status *result);

/**
 * Cancels submitted work that has not started.
 *
 * @return `LANEWAY_EALREADY` if it has.
 *
 * Threads: any, one at a time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `work`.
 *
 * @pre `work` is not freed and not used by another thread meanwhile.
 */
LANEWAY_API laneway_status laneway_work_cancel(struct laneway_work *work);

/**
 * Frees `work` and detaches what it stands for; NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `work`.
 *
 * @pre `work` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_work_free(struct laneway_work *work);

/**
 * Runs `function` on a worker after `delay_ns`.
 *
 * @param[out] out  cancels it; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
 * `function` or instead of it.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` is NULL or writable; `function` may be
 * called once with `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pool_schedule_after(struct laneway_pool *pool,
                                           uint64_t delay_ns,
                                           laneway_work_fn function,
                                           void *user_data,
                                           laneway_drop_fn drop,
                                           struct laneway_timer **out);

/**
 * Cancels a timer that has not fired.
 *
 * @return `LANEWAY_EALREADY` if it has, or was cancelled before.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `timer`; the `drop` of its work runs before this returns.
 *
 * @pre `timer` is not freed.
 */
LANEWAY_API laneway_status laneway_timer_cancel(const struct laneway_timer *timer);

/**
 * Frees `timer`; it still fires. NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `timer`.
 *
 * @pre `timer` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_timer_free(struct laneway_timer *timer);

/**
 * The name of a status, for messages: `"LANEWAY_EINVAL"`; never NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the text is static.
 */
LANEWAY_API const char *laneway_status_name(laneway_status status);

/**
 * The ABI of the library that was loaded; bindings refuse one that is not theirs.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: none.
 */
LANEWAY_API uint32_t laneway_abi_version(void);

/**
 * The version of the library as `major * 1000000 + minor * 1000 + patch`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: none.
 */
LANEWAY_API uint32_t laneway_version_number(void);

/**
 * The version of the library as text: `"0.1.0"`; never NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: the text is static.
 */
LANEWAY_API const char *laneway_version_string(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LANEWAY_H */

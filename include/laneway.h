#ifndef LANEWAY_H
#define LANEWAY_H

/*
 * laneway: work that is fast, in order, and survives. The conventions are in ffi/README.md.
 * Generated from ffi/src by ffi/generate.sh; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0
 */

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
 * Which work is taken first.
 */
typedef enum laneway_priority {
  /**
   * What is not said to be another.
   */
  LANEWAY_PRIORITY_NORMAL = 0,
  /**
   * Before all other work.
   */
  LANEWAY_PRIORITY_URGENT = 1,
  /**
   * When there is nothing else, but at least one in 64.
   */
  LANEWAY_PRIORITY_BACKGROUND = 2,
} laneway_priority;

/**
 * How the parts of a node have ended, the worst of them.
 */
typedef enum laneway_ended {
  /**
   * All of them as they should.
   */
  LANEWAY_ENDED_COMPLETED = 0,
  /**
   * Some never ran: the tree was cancelled, or the pool ended.
   */
  LANEWAY_ENDED_CANCELLED = 1,
  /**
   * Some panicked, in Rust.
   */
  LANEWAY_ENDED_PANICKED = 2,
} laneway_ended;

/**
 * How a job ended.
 */
typedef enum laneway_outcome_kind {
  /**
   * It has not ended.
   */
  LANEWAY_OUTCOME_NONE = 0,
  /**
   * The body and every token succeeded.
   */
  LANEWAY_OUTCOME_COMPLETED = 1,
  /**
   * It failed, and its undo has succeeded.
   */
  LANEWAY_OUTCOME_ROLLED_BACK = 2,
  /**
   * It failed, and no undo was given, or a predecessor took it along before it started.
   */
  LANEWAY_OUTCOME_FAILED = 3,
  /**
   * It failed, and so did its undo.
   */
  LANEWAY_OUTCOME_DOUBLE_FAULT = 4,
  /**
   * It was cancelled, and there was nothing to undo.
   */
  LANEWAY_OUTCOME_CANCELLED = 5,
  /**
   * Its time was up, and there was nothing to undo.
   */
  LANEWAY_OUTCOME_EXPIRED = 6,
  /**
   * Another node owns the entity.
   */
  LANEWAY_OUTCOME_SKIPPED = 7,
  /**
   * A later job took its place before it started.
   */
  LANEWAY_OUTCOME_SUPERSEDED = 8,
  /**
   * The coordinator or its pool was shut down first.
   */
  LANEWAY_OUTCOME_LOST = 9,
} laneway_outcome_kind;

/**
 * Flags of a job.
 */
typedef enum laneway_job_flags {
  /**
   * The body is never run again, whatever the other options say.
   */
  LANEWAY_JOB_ONCE = 1,
} laneway_job_flags;

/**
 * How delays between attempts are spread.
 */
typedef enum laneway_jitter {
  /**
   * Uniform between zero and the computed delay.
   */
  LANEWAY_JITTER_FULL = 0,
  /**
   * Exactly the computed delay.
   */
  LANEWAY_JITTER_NONE = 1,
} laneway_jitter;

/**
 * How the delay grows from re-try to re-try.
 */
typedef enum laneway_backoff {
  /**
   * By `factor`, from `delay_base_ns` on.
   */
  LANEWAY_BACKOFF_EXPONENTIAL = 0,
  /**
   * One second divided by the tries that are left, without jitter; a conflict is a failure like
   * any other. The schedule of OpenDaylight's job coordinator, whose number of tries is
   * `retries` + 1. The other delays and `conflicts` have no effect.
   */
  LANEWAY_BACKOFF_ODL = 1,
} laneway_backoff;

/**
 * What happens to a body that is still on a worker when its time is up.
 */
typedef enum laneway_overrun {
  /**
   * It keeps its lane until it returns, and then its result counts.
   */
  LANEWAY_OVERRUN_WAIT = 0,
  /**
   * The lane goes on while the body still runs: exclusion is given up for this job.
   */
  LANEWAY_OVERRUN_ABANDON = 1,
} laneway_overrun;

/**
 * Which keys a call concerns.
 */
typedef enum laneway_keys {
  /**
   * The key that is given.
   */
  LANEWAY_KEYS_ONE = 0,
  /**
   * Every key that begins with the bytes that are given.
   */
  LANEWAY_KEYS_PREFIX = 1,
  /**
   * Every key; none is given.
   */
  LANEWAY_KEYS_ALL = 2,
} laneway_keys;

/**
 * Why the jobs of a key are where they are.
 */
typedef enum laneway_reason_kind {
  /**
   * A body or an undo is on a worker: `attempt`, and `time_ns` since it began. For a job without
   * options and handle: since it was first seen.
   */
  LANEWAY_REASON_RUNNING = 1,
  /**
   * The undo is at work, in the way that another reason tells.
   */
  LANEWAY_REASON_ROLLING_BACK = 2,
  /**
   * The body has returned, and `count` tokens of `attempt` are open.
   */
  LANEWAY_REASON_WAITING_FOR_TOKENS = 3,
  /**
   * An async body is not ready.
   */
  LANEWAY_REASON_AWAITING = 4,
  /**
   * The next attempt is due in `time_ns`.
   */
  LANEWAY_REASON_BACKING_OFF = 5,
  /**
   * Paused with `keys` and `key`.
   */
  LANEWAY_REASON_PAUSED = 6,
  /**
   * A failed job has stopped the lane.
   */
  LANEWAY_REASON_HELD = 7,
  /**
   * A double fault has stopped the lane.
   */
  LANEWAY_REASON_QUARANTINED = 8,
  /**
   * A job over several keys is at the head, and waits for `key`.
   */
  LANEWAY_REASON_WAITING_FOR_KEY = 9,
  /**
   * A job over several keys holds this key; more is told of `key`.
   */
  LANEWAY_REASON_RUNS_UNDER = 10,
  /**
   * A job can run and waits for a worker.
   */
  LANEWAY_REASON_READY = 11,
  /**
   * A job submitted now would wait for `count` jobs.
   */
  LANEWAY_REASON_BEHIND = 12,
  /**
   * Every worker is inside user code, and nobody could look at the lane.
   */
  LANEWAY_REASON_UNSEEN = 13,
  /**
   * The job has yet to learn which node owns its entity, which is `key`.
   */
  LANEWAY_REASON_WAITING_FOR_OWNER = 14,
} laneway_reason_kind;

/**
 * What becomes of the lane after a job of it ended badly.
 */
typedef enum laneway_on_failure {
  /**
   * The next job of the key runs.
   */
  LANEWAY_ON_FAILURE_CONTINUE = 0,
  /**
   * The lane stops, its order kept, until `laneway_coordinator_release_key`.
   */
  LANEWAY_ON_FAILURE_HOLD = 1,
  /**
   * The jobs that wait at that moment end as failed, with `LANEWAY_EPREDECESSOR`.
   */
  LANEWAY_ON_FAILURE_FAIL_REST = 2,
} laneway_on_failure;

/**
 * What becomes of the lane after a double fault.
 */
typedef enum laneway_on_double_fault {
  /**
   * As after any failure.
   */
  LANEWAY_ON_DOUBLE_FAULT_CONTINUE = 0,
  /**
   * The lane stops, its order kept, until `laneway_coordinator_release_key`.
   */
  LANEWAY_ON_DOUBLE_FAULT_QUARANTINE = 1,
} laneway_on_double_fault;

/**
 * What becomes of the other tokens of an attempt when one of them has failed.
 */
typedef enum laneway_open_tokens {
  /**
   * They are awaited before the next attempt or the undo starts.
   */
  LANEWAY_OPEN_TOKENS_AWAIT = 0,
  /**
   * They are ignored from then on.
   */
  LANEWAY_OPEN_TOKENS_IGNORE = 1,
} laneway_open_tokens;

/**
 * What a failure means for the job.
 */
typedef enum laneway_verdict {
  /**
   * It may pass: draw on the re-tries.
   */
  LANEWAY_VERDICT_RETRY = 0,
  /**
   * A lost optimistic lock: draw on the conflicts.
   */
  LANEWAY_VERDICT_CONFLICT = 1,
  /**
   * It will not pass: no further attempt.
   */
  LANEWAY_VERDICT_GIVE_UP = 2,
} laneway_verdict;

/**
 * How a job stands.
 */
typedef enum laneway_job_state {
  /**
   * No attempt has been started.
   */
  LANEWAY_JOB_QUEUED = 0,
  /**
   * An attempt is on a worker.
   */
  LANEWAY_JOB_RUNNING = 1,
  /**
   * The body has returned; tokens are awaited.
   */
  LANEWAY_JOB_WAITING = 2,
  /**
   * The attempt has failed; the next one is due later.
   */
  LANEWAY_JOB_BACKING_OFF = 3,
  /**
   * The undo is at work.
   */
  LANEWAY_JOB_ROLLING_BACK = 4,
  /**
   * The outcome is there.
   */
  LANEWAY_JOB_ENDED = 5,
  /**
   * Something that this version of the header has no name for.
   */
  LANEWAY_JOB_OTHER = 6,
} laneway_job_state;

/**
 * Where tasks are kept.
 */
typedef enum laneway_store_backend {
  /**
   * In a directory, durable.
   */
  LANEWAY_STORE_FILE = 0,
  /**
   * In memory: for tests, and for state that need not survive.
   */
  LANEWAY_STORE_MEMORY = 1,
} laneway_store_backend;

/**
 * Which tasks may be assigned.
 */
typedef enum laneway_assignment {
  /**
   * All whose turn it is.
   */
  LANEWAY_ASSIGNMENT_ALL = 0,
  /**
   * None: what runs goes on, and nothing new begins.
   */
  LANEWAY_ASSIGNMENT_NONE = 1,
} laneway_assignment;

/**
 * Flags of a new task.
 */
typedef enum laneway_new_task_flags {
  /**
   * A record that has ended stays, with its result, until it is removed or its time is over.
   */
  LANEWAY_NEW_TASK_KEEP = 1,
} laneway_new_task_flags;

/**
 * What a failed attempt of a task leads to.
 */
typedef enum laneway_task_on_failure {
  /**
   * Assigned again after a pause; parked once the attempts are spent.
   */
  LANEWAY_TASK_ON_FAILURE_REASSIGN = 0,
  /**
   * The record stays, unassigned, until it is resumed or removed.
   */
  LANEWAY_TASK_ON_FAILURE_PARK = 1,
  /**
   * The record goes, as after a success.
   */
  LANEWAY_TASK_ON_FAILURE_REMOVE = 2,
} laneway_task_on_failure;

/**
 * Where in its life a task is.
 */
typedef enum laneway_task_phase {
  /**
   * There is no record any more.
   */
  LANEWAY_TASK_GONE = 0,
  /**
   * Waits for an assignment.
   */
  LANEWAY_TASK_UNASSIGNED = 1,
  /**
   * Belongs to a node.
   */
  LANEWAY_TASK_ASSIGNED = 2,
  /**
   * Failed too often: waits to be resumed or removed.
   */
  LANEWAY_TASK_PARKED = 3,
  /**
   * Over, and kept.
   */
  LANEWAY_TASK_ENDED = 4,
  /**
   * Something that this version of the header has no name for.
   */
  LANEWAY_TASK_OTHER = 5,
} laneway_task_phase;

/**
 * How a task ended.
 */
typedef enum laneway_task_outcome {
  /**
   * It has not ended.
   */
  LANEWAY_TASK_OUTCOME_NONE = 0,
  /**
   * Its executor completed it.
   */
  LANEWAY_TASK_OUTCOME_COMPLETED = 1,
  /**
   * It failed, and its policy was to remove it then.
   */
  LANEWAY_TASK_OUTCOME_FAILED = 2,
  /**
   * It was cancelled.
   */
  LANEWAY_TASK_OUTCOME_CANCELLED = 3,
  /**
   * Its record was removed before it had ended.
   */
  LANEWAY_TASK_OUTCOME_REMOVED = 4,
  /**
   * Something that this version of the header has no name for.
   */
  LANEWAY_TASK_OUTCOME_OTHER = 5,
} laneway_task_outcome;

/**
 * Whether an attempt failed before or after it had started.
 */
typedef enum laneway_failure_kind {
  /**
   * It started and failed later.
   */
  LANEWAY_FAILURE_RUN = 0,
  /**
   * It could not start.
   */
  LANEWAY_FAILURE_START = 1,
} laneway_failure_kind;

/**
 * Why a task is where it is.
 */
typedef enum laneway_explanation_kind {
  /**
   * Something that this version of the header has no name for.
   */
  LANEWAY_EXPLANATION_OTHER = 0,
  /**
   * A node has it: `allocation`, `cancelling`.
   */
  LANEWAY_EXPLANATION_ASSIGNED = 1,
  /**
   * No node offers its executor, or those that do have no room.
   */
  LANEWAY_EXPLANATION_NO_SUITABLE_NODE = 2,
  /**
   * An earlier task of its lane has not ended: `*head`.
   */
  LANEWAY_EXPLANATION_BEHIND_IN_LANE = 3,
  /**
   * Pauses after a failure: `until_ms`.
   */
  LANEWAY_EXPLANATION_BACKING_OFF = 4,
  /**
   * Failed too often; waits to be resumed or removed.
   */
  LANEWAY_EXPLANATION_PARKED = 5,
  /**
   * Over: `outcome`.
   */
  LANEWAY_EXPLANATION_ENDED = 6,
  /**
   * Written by a newer version.
   */
  LANEWAY_EXPLANATION_OPAQUE = 7,
} laneway_explanation_kind;

/**
 * The right and the duty to report the end of one run. Unique: ended once, by
 * `laneway_completion_complete`, `laneway_completion_fail`, `laneway_completion_hand_back` or
 * `laneway_completion_free`.
 */
typedef struct laneway_completion laneway_completion;

/**
 * Runs keyed jobs on a pool. Counted: `laneway_coordinator_retain`,
 * `laneway_coordinator_release`.
 */
typedef struct laneway_coordinator laneway_coordinator;

/**
 * Why a call failed: a status and a text. Unique: freed once, by `laneway_error_free`.
 */
typedef struct laneway_error laneway_error;

/**
 * A submitted job. Counted: `laneway_job_retain`, `laneway_job_release`. Releasing it detaches the
 * job and does not cancel it.
 */
typedef struct laneway_job laneway_job;

/**
 * The body's view of its job. Borrowed: valid until the body returns, on its thread.
 */
typedef struct laneway_job_context laneway_job_context;

/**
 * One open part of a node in a tree of work. Unique: ended once, by `laneway_part_end`; when
 * the last part of a node ends, its action runs, and then its part of the node above ends.
 */
typedef struct laneway_part laneway_part;

/**
 * An answer that comes when the change is durable. Unique: ended once, by `laneway_pending_free`
 * or `laneway_pending_on_done`; the request stands either way.
 */
typedef struct laneway_pending laneway_pending;

/**
 * A pool of worker threads. Counted: `laneway_pool_retain`, `laneway_pool_release`.
 */
typedef struct laneway_pool laneway_pool;

/**
 * Work that is run again and again. Unique: freed once, by `laneway_repetition_free`; the
 * repetition goes on.
 */
typedef struct laneway_repetition laneway_repetition;

/**
 * Where work can be spawned that ends before the scope does. Borrowed: valid in the scope's body
 * and in the functions spawned in it.
 */
typedef struct laneway_scope laneway_scope;

/**
 * What is known of one task at one moment. Unique: freed once, by `laneway_task_free`.
 */
typedef struct laneway_task laneway_task;

/**
 * A task as its executor sees it. Borrowed: valid until the function returns, on its thread.
 */
typedef struct laneway_task_context laneway_task_context;

/**
 * Persistent tasks on one node. Counted: `laneway_task_service_retain`,
 * `laneway_task_service_release`.
 */
typedef struct laneway_task_service laneway_task_service;

/**
 * Work that waits for its time. Unique: freed once, by `laneway_timer_free`; the timer still
 * fires.
 */
typedef struct laneway_timer laneway_timer;

/**
 * Something that a job waits for after its body has returned. Unique: ended once, by
 * `laneway_token_succeed`, `laneway_token_fail` or `laneway_token_free`.
 */
typedef struct laneway_token laneway_token;

/**
 * The undo's view of its job. Borrowed: valid until the undo returns, on its thread.
 */
typedef struct laneway_undo_context laneway_undo_context;

/**
 * Submitted work. Unique: freed once, by `laneway_work_free`; that detaches the work.
 */
typedef struct laneway_work laneway_work;

/**
 * The calling thread's place in fork-join. Borrowed: it belongs to the callback that it is passed
 * to, on that callback's thread, and to the calls made there.
 */
typedef struct laneway_worker laneway_worker;

/**
 * How a coordinator is built. Zero means the default in every field.
 */
typedef struct laneway_coordinator_options {
  /**
   * Set by `laneway_coordinator_options_init`.
   */
  size_t struct_size;
  /**
   * None are defined: 0.
   */
  uint64_t flags;
} laneway_coordinator_options;

/**
 * What a shutdown of a coordinator came to.
 */
typedef struct laneway_coordinator_report {
  /**
   * Set by `laneway_coordinator_report_init`.
   */
  size_t struct_size;
  /**
   * Jobs without an outcome yet: bodies on a worker, and what waits behind them.
   */
  uint64_t left;
  /**
   * Jobs that have ended as `LANEWAY_OUTCOME_LOST` since the coordinator was made.
   */
  uint64_t lost;
} laneway_coordinator_report;

/**
 * A status: 0 is success, above 0 another successful answer, below 0 a failure.
 *
 * Callers keep a `default:`: later versions add values of either sign.
 */
typedef int32_t laneway_status;

/**
 * The undo of a job: answers as a body does.
 */
typedef laneway_status (*laneway_undo_fn)(void *user_data, struct laneway_undo_context *context);

/**
 * Decides what a failure means: one of `enum laneway_verdict`. Must not block.
 */
typedef uint32_t (*laneway_classify_fn)(void *user_data, laneway_status cause);

/**
 * Everything about a job but its body. Zero and NULL mean the default in every field.
 */
typedef struct laneway_job_options {
  /**
   * Set by `laneway_job_options_init`.
   */
  size_t struct_size;
  /**
   * Of `enum laneway_job_flags`.
   */
  uint64_t flags;
  /**
   * How many times the body is run again after a failure. Default: 0.
   */
  uint32_t retries;
  /**
   * What each further delay is multiplied by. Default: 2.
   */
  uint32_t factor;
  /**
   * The delay before the first re-try. Default: 10 ms.
   */
  uint64_t delay_base_ns;
  /**
   * The longest delay. Default: 10 s.
   */
  uint64_t delay_max_ns;
  /**
   * One of `enum laneway_jitter`.
   */
  uint32_t jitter;
  /**
   * How many times the body is run again after a conflict. Default: 16.
   */
  uint32_t conflicts;
  /**
   * One of `enum laneway_on_failure`.
   */
  uint32_t on_failure;
  /**
   * One of `enum laneway_on_double_fault`.
   */
  uint32_t on_double_fault;
  /**
   * One of `enum laneway_open_tokens`.
   */
  uint32_t open_tokens;
  /**
   * How many times the undo is run again after a failure, with the same delays. Default: 0.
   */
  uint32_t undo_retries;
  /**
   * How long one attempt may wait for its tokens. Default: without limit.
   */
  uint64_t attempt_timeout_ns;
  /**
   * Runs once, whenever an attempt was started and the job will not complete; with the body's
   * `user_data`. Default: none.
   */
  laneway_undo_fn undo;
  /**
   * Judges failures, with the body's `user_data`. Default: conflicts are conflicts; failures,
   * abandoned tokens and time-outs are retried, everything else is given up.
   */
  laneway_classify_fn classify;
  /**
   * How long it may wait for its start, from its submission; then it ends as expired. Default:
   * without limit.
   */
  uint64_t queue_timeout_ns;
  /**
   * How long it may take in all, from its submission, its undo not included. Default: without
   * limit.
   */
  uint64_t deadline_ns;
  /**
   * One of `enum laneway_overrun`.
   */
  uint32_t overrun;
  /**
   * One of `enum laneway_backoff`.
   */
  uint32_t backoff;
} laneway_job_options;

/**
 * The body of a job: answers 0 or above for success, `LANEWAY_PENDING` to wait for its tokens,
 * below 0 for failure; `LANEWAY_ECONFLICT` says that an optimistic lock was lost.
 *
 * Runs on a worker. No exception, `longjmp` or `pthread_exit` may leave it.
 */
typedef laneway_status (*laneway_job_fn)(void *user_data, struct laneway_job_context *context);

/**
 * Ends the life of a `user_data`; called exactly once, on any thread; may be NULL.
 */
typedef void (*laneway_drop_fn)(void *user_data);

/**
 * Bytes that somebody else owns; each function that gives some names the owner.
 */
typedef struct laneway_bytes {
  /**
   * The first byte; not NULL when `len` is above 0.
   */
  const uint8_t *ptr;
  /**
   * How many.
   */
  size_t len;
} laneway_bytes;

/**
 * One reason. Later versions may have more fields at the end, and more kinds.
 */
typedef struct laneway_reason {
  /**
   * The size of the struct, set by the library.
   */
  size_t struct_size;
  /**
   * One of `enum laneway_reason_kind`, or of a later version.
   */
  uint32_t kind;
  /**
   * The number of the attempt, from 1; 0 where there is none.
   */
  uint32_t attempt;
  /**
   * A number of tokens or jobs.
   */
  uint64_t count;
  /**
   * A time; see the kind.
   */
  uint64_t time_ns;
  /**
   * One of `enum laneway_keys`.
   */
  uint32_t keys;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * A key or a prefix; valid during the call.
   */
  struct laneway_bytes key;
} laneway_reason;

/**
 * Is shown one reason after another; both pointers are valid during the call.
 */
typedef void (*laneway_reason_fn)(void *user_data, const struct laneway_reason *reason);

/**
 * What a coordinator has done so far. At quiescence `created` is the sum of the nine outcomes.
 */
typedef struct laneway_coordinator_counters {
  /**
   * Set by `laneway_coordinator_counters_init`.
   */
  size_t struct_size;
  /**
   * Jobs accepted.
   */
  uint64_t created;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_COMPLETED`.
   */
  uint64_t completed;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_ROLLED_BACK`.
   */
  uint64_t rolled_back;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_FAILED`.
   */
  uint64_t failed;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_DOUBLE_FAULT`.
   */
  uint64_t double_fault;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_CANCELLED`.
   */
  uint64_t cancelled;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_EXPIRED`.
   */
  uint64_t expired;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_SKIPPED`.
   */
  uint64_t skipped;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_SUPERSEDED`.
   */
  uint64_t superseded;
  /**
   * Jobs ended as `LANEWAY_OUTCOME_LOST`.
   */
  uint64_t lost;
  /**
   * Attempts started again after a failure.
   */
  uint64_t retries;
  /**
   * Attempts started again after a conflict.
   */
  uint64_t conflicts;
  /**
   * Jobs that have not had their first turn.
   */
  uint64_t queued;
  /**
   * Jobs that were started and have not ended.
   */
  uint64_t running;
  /**
   * Lanes that exist.
   */
  uint64_t lanes_open;
  /**
   * Times that a watchdog reported an attempt.
   */
  uint64_t overdue;
} laneway_coordinator_counters;

/**
 * How a job ended, and why.
 */
typedef struct laneway_outcome {
  /**
   * Set by `laneway_outcome_init`.
   */
  size_t struct_size;
  /**
   * One of `enum laneway_outcome_kind`.
   */
  uint32_t kind;
  /**
   * 1 if an attempt had been started when it was cancelled, else 0.
   */
  uint32_t started;
  /**
   * Why it failed, where a cause is recorded; else `LANEWAY_OK`. A status that a body or a token
   * gave comes back unchanged.
   */
  laneway_status cause;
  /**
   * Why the undo failed; else `LANEWAY_OK`.
   */
  laneway_status rollback;
} laneway_outcome;

/**
 * Called once when a job has ended, on a worker, as work of its own. `job` is borrowed.
 */
typedef void (*laneway_done_fn)(void *user_data, struct laneway_job *job);

/**
 * Called on a worker thread, when it starts or ends; several at the same time.
 */
typedef void (*laneway_thread_fn)(void *user_data, size_t worker);

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
  /**
   * Threads over `workers` that may be there while workers block. Default: 256.
   */
  uint64_t max_blocking;
  /**
   * How many events each worker keeps for `laneway_pool_write_trace`, 8 bytes each. Default:
   * none.
   */
  uint64_t trace_events;
  /**
   * Called on each worker thread before its first piece of work.
   */
  laneway_thread_fn thread_start;
  /**
   * Called on each worker thread after its last piece of work.
   */
  laneway_thread_fn thread_exit;
  /**
   * Passed to both. Borrowed until the threads of the pool have ended.
   */
  void *hooks_user_data;
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
  /**
   * An estimate of what is there to be taken beyond one piece for each idle worker.
   */
  uint64_t surplus;
  /**
   * Threads that worked while others were blocked and now wait.
   */
  uint64_t benched;
  /**
   * Times that a worker blocked and no thread could take its place.
   */
  uint64_t uncompensated;
  /**
   * Times the system refused a thread.
   */
  uint64_t threads_refused;
  /**
   * Detached work that was abandoned because the pool ended.
   */
  uint64_t abandoned;
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
 * One call of a broadcast: number `place` of `count`, on the worker with that index.
 */
typedef laneway_status (*laneway_broadcast_fn)(void *user_data,
                                               size_t place,
                                               size_t count,
                                               size_t worker);

/**
 * What runs when all parts of a node have ended; `ended` is one of `enum laneway_ended`.
 */
typedef void (*laneway_ended_fn)(void *user_data, uint32_t ended);

/**
 * Work that is a part of a tree. `part` is borrowed and must not be ended; clone it to keep it.
 */
typedef void (*laneway_part_fn)(void *user_data, struct laneway_part *part);

/**
 * Work whose status somebody waits for.
 */
typedef laneway_status (*laneway_call_fn)(void *user_data);

/**
 * Work that nobody waits for.
 */
typedef void (*laneway_work_fn)(void *user_data);

/**
 * The body of a scope, and what is spawned in it.
 */
typedef laneway_status (*laneway_scope_fn)(void *user_data, struct laneway_scope *scope);

/**
 * A function of a region.
 */
typedef laneway_status (*laneway_fork_fn)(void *user_data, const struct laneway_worker *worker);

/**
 * A piece of a loop: the numbers from `begin` to before `end`.
 */
typedef laneway_status (*laneway_range_fn)(void *user_data,
                                           const struct laneway_worker *worker,
                                           size_t begin,
                                           size_t end);

/**
 * One of several functions to be called.
 */
typedef struct laneway_call {
  /**
   * What is called.
   */
  laneway_fork_fn function;
  /**
   * With what.
   */
  void *user_data;
  /**
   * Written by the library: what it returned; `LANEWAY_ECANCELED` if it was not called.
   */
  laneway_status status;
  /**
   * 0.
   */
  uint32_t reserved;
} laneway_call;

/**
 * How a service is opened. Zero and NULL mean the default in every field but `path`.
 */
typedef struct laneway_task_service_options {
  /**
   * Set by `laneway_task_service_options_init`.
   */
  size_t struct_size;
  /**
   * None are defined: 0.
   */
  uint64_t flags;
  /**
   * One of `enum laneway_store_backend`.
   */
  uint32_t backend;
  /**
   * One of `enum laneway_assignment`.
   */
  uint32_t assignment;
  /**
   * The state directory, ended by NUL; made if it is not there. Required for
   * `LANEWAY_STORE_FILE`.
   */
  const char *path;
  /**
   * The name of this node, UTF-8. Default: `local`.
   */
  const void *node;
  /**
   * Bytes of `node`.
   */
  size_t node_len;
  /**
   * The most commands in one commit. Default: 4096.
   */
  size_t batch_max;
  /**
   * The most bytes in one commit. Default: 4 MiB.
   */
  size_t batch_bytes_max;
  /**
   * The most starts that may wait for their commit. Default: 1 Mi.
   */
  size_t starts_waiting_max;
} laneway_task_service_options;

/**
 * Begins a task, on a worker: returns what `laneway_task_context_done`,
 * `laneway_task_context_fail` or `laneway_task_context_hand_back` gave, 0 for an empty result,
 * below 0 for a failure, or `LANEWAY_PENDING` after `laneway_task_context_defer`. Called once for
 * each allocation, for several tasks at a time.
 *
 * No exception, `longjmp` or `pthread_exit` may leave it.
 */
typedef laneway_status (*laneway_executor_start_fn)(void *user_data,
                                                    struct laneway_task_context *task);

/**
 * Looks at the params of a new task, on the thread that starts it: a failure refuses it.
 */
typedef laneway_status (*laneway_executor_validate_fn)(void *user_data,
                                                       const void *params,
                                                       size_t params_len);

/**
 * What runs the tasks of one name.
 */
typedef struct laneway_executor_vtable {
  /**
   * Set by `laneway_executor_vtable_init`.
   */
  size_t struct_size;
  /**
   * None are defined: 0.
   */
  uint64_t flags;
  /**
   * How many of its tasks may run at once on this node. Default: without limit.
   */
  size_t room;
  /**
   * Begins a task; required.
   */
  laneway_executor_start_fn start;
  /**
   * Looks at the params of a new task. Default: all are accepted.
   */
  laneway_executor_validate_fn validate;
} laneway_executor_vtable;

/**
 * Called once with the answer, on a worker. `task` is borrowed, and NULL for a failure; `error` is
 * borrowed, and NULL without one.
 */
typedef void (*laneway_answer_fn)(void *user_data,
                                  laneway_status status,
                                  const struct laneway_task *task,
                                  const struct laneway_error *error);

/**
 * What is known of a task. The views belong to the handle or context that was read.
 */
typedef struct laneway_task_view {
  /**
   * Set by `laneway_task_view_init`.
   */
  size_t struct_size;
  /**
   * The id.
   */
  struct laneway_bytes id;
  /**
   * The executor.
   */
  struct laneway_bytes name;
  /**
   * What the task was started with.
   */
  struct laneway_bytes params;
  /**
   * The lane; NULL if it is in none.
   */
  struct laneway_bytes lane;
  /**
   * The last checkpoint; NULL if there is none.
   */
  struct laneway_bytes state;
  /**
   * What the executor handed over at the end.
   */
  struct laneway_bytes result;
  /**
   * The text of the last failure.
   */
  struct laneway_bytes last_error;
  /**
   * The last allocation, in force or not: the fencing token. 0 if there never was one.
   */
  uint64_t allocation;
  /**
   * The allocation that wrote `state`.
   */
  uint64_t state_written_by;
  /**
   * The place among all starts, from 1.
   */
  uint64_t sequence;
  /**
   * The commit that created the record.
   */
  uint64_t created_revision;
  /**
   * The commit that changed it last.
   */
  uint64_t updated_revision;
  /**
   * One of `enum laneway_task_phase`.
   */
  uint32_t phase;
  /**
   * One of `enum laneway_task_outcome`.
   */
  uint32_t outcome;
  /**
   * Times the executor could not start.
   */
  uint32_t start_failures;
  /**
   * Times it started and failed later.
   */
  uint32_t run_failures;
  /**
   * In the answer to a start: 0 if the same request was accepted before, else 1.
   */
  uint32_t created;
  /**
   * 0.
   */
  uint32_t reserved;
} laneway_task_view;

/**
 * A task to be started. `id` and `name` are required; elsewhere zero and NULL mean the default.
 */
typedef struct laneway_new_task {
  /**
   * Set by `laneway_new_task_init`.
   */
  size_t struct_size;
  /**
   * Of `enum laneway_new_task_flags`.
   */
  uint64_t flags;
  /**
   * Unique among the tasks that live; UTF-8, up to 512 bytes.
   */
  const void *id;
  /**
   * Bytes of `id`.
   */
  size_t id_len;
  /**
   * The executor; UTF-8, up to 256 bytes.
   */
  const void *name;
  /**
   * Bytes of `name`.
   */
  size_t name_len;
  /**
   * Handed to the executor as they are; up to 1 MiB.
   */
  const void *params;
  /**
   * Bytes of `params`.
   */
  size_t params_len;
  /**
   * Tasks of one lane run one at a time, in the order of their starts. NULL: in no lane.
   */
  const void *lane;
  /**
   * Bytes of `lane`.
   */
  size_t lane_len;
  /**
   * One of `enum laneway_task_on_failure`.
   */
  uint32_t on_failure;
  /**
   * How many failures are answered with another assignment. Default: 4.
   */
  uint32_t attempts;
  /**
   * The pause after the first failure; it doubles with each. Default: 100 ms.
   */
  uint64_t backoff_base_ns;
  /**
   * No pause is longer. Default: 30 s.
   */
  uint64_t backoff_max_ns;
  /**
   * How long a kept record stays. Default: until somebody removes it.
   */
  uint64_t ended_ttl_ns;
} laneway_new_task;

/**
 * Why a task is where it is. A field that does not belong to its kind is 0.
 */
typedef struct laneway_explanation {
  /**
   * Set by `laneway_explanation_init`.
   */
  size_t struct_size;
  /**
   * One of `enum laneway_explanation_kind`.
   */
  uint32_t kind;
  /**
   * 1 once a cancel was accepted.
   */
  uint32_t cancelling;
  /**
   * The fencing token of the run.
   */
  uint64_t allocation;
  /**
   * When the pause is over, in milliseconds since 1970.
   */
  uint64_t until_ms;
  /**
   * One of `enum laneway_task_outcome`.
   */
  uint32_t outcome;
  /**
   * 0.
   */
  uint32_t reserved;
} laneway_explanation;

/**
 * Looks at one record: 0 or above to go on, below 0 to stop. The view and what it points at are
 * borrowed: valid during the call.
 */
typedef laneway_status (*laneway_visit_fn)(void *user_data, const struct laneway_task_view *view);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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
void laneway_coordinator_options_init(struct laneway_coordinator_options *options,
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
LANEWAY_API
void laneway_coordinator_report_init(struct laneway_coordinator_report *report,
                                     size_t struct_size);

/**
 * Makes a coordinator on `pool`. One pool can serve many.
 *
 * @param options   NULL for the defaults.
 * @param[out] out  the coordinator, with one reference for the caller.
 * @param[out] err  why it failed; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out` and `*err`; the coordinator keeps `pool` alive.
 *
 * @pre `pool` is a pool that the caller has a reference to; `options` is NULL or was filled by
 * `laneway_coordinator_options_init`; `out` and `err` are writable or NULL.
 */
LANEWAY_API
laneway_status laneway_coordinator_new(struct laneway_pool *pool,
                                       const struct laneway_coordinator_options *options,
                                       struct laneway_coordinator **out,
                                       struct laneway_error **err);

/**
 * Adds a reference and returns `coordinator`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns one reference more.
 *
 * @pre `coordinator` is NULL or a coordinator that the caller has a reference to.
 */
LANEWAY_API
struct laneway_coordinator *laneway_coordinator_retain(struct laneway_coordinator *coordinator);

/**
 * Gives a reference back. Jobs that were accepted still run; lanes that are held, and that nobody
 * could release any more, end their jobs as lost.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes one reference.
 *
 * @pre `coordinator` is NULL or a reference that the caller owns and does not use again.
 */
LANEWAY_API void laneway_coordinator_release(struct laneway_coordinator *coordinator);

/**
 * Appends a job to the lane of `key` and returns at once.
 *
 * Jobs of one key run one at a time. If one submit returned before another was called, on whatever
 * threads, its job runs first, and what it did is visible to the next. A job may submit to its own
 * key.
 *
 * @param key      any bytes, up to 64 KiB, compared by value.
 * @param options  NULL for the defaults.
 * @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
 * @param[out] err  why it was refused; may be NULL.
 * @return `LANEWAY_ESHUTDOWN`, `LANEWAY_EFULL`, `LANEWAY_ETOOLONG`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`; the caller owns `*out` and `*err`. Consumes `user_data` on every path:
 * `drop` runs once, after the last call of body, undo and classifier or instead of them. It may run
 * before or after a waiter is told.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
 * `key_len` bytes; `options` is NULL or was filled by `laneway_job_options_init`; the functions may
 * be called with `user_data`, one at a time, on any thread; `out` and `err` are writable or NULL.
 */
LANEWAY_API
laneway_status laneway_coordinator_submit(struct laneway_coordinator *coordinator,
                                          const void *key,
                                          size_t key_len,
                                          const struct laneway_job_options *options,
                                          laneway_job_fn body,
                                          void *user_data,
                                          laneway_drop_fn drop,
                                          struct laneway_job **out,
                                          struct laneway_error **err);

/**
 * As `laneway_coordinator_submit`, for work of which only the latest state counts: while a job with
 * the same key and tag waits for its start, the new one takes its place, and the replaced job ends as
 * superseded. The last one submitted always runs, after its submission.
 *
 * @param tag  any bytes, up to 64 KiB, compared by value.
 * @param options  NULL for the defaults.
 * @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
 * @param[out] err  why it was refused; may be NULL.
 * @return as `laneway_coordinator_submit`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: as for `laneway_coordinator_submit`; copies `tag`.
 *
 * @pre As for `laneway_coordinator_submit`; `tag` is readable for `tag_len` bytes.
 */
LANEWAY_API
laneway_status laneway_coordinator_submit_latest(struct laneway_coordinator *coordinator,
                                                 const void *key,
                                                 size_t key_len,
                                                 const void *tag,
                                                 size_t tag_len,
                                                 const struct laneway_job_options *options,
                                                 laneway_job_fn body,
                                                 void *user_data,
                                                 laneway_drop_fn drop,
                                                 struct laneway_job **out,
                                                 struct laneway_error **err);

/**
 * As `laneway_coordinator_submit`, for a job that holds several keys at once: no other job of any of
 * them runs meanwhile. Such jobs never deadlock. Keys that are given twice count once.
 *
 * @param keys   the keys; the first one is that of `laneway_job_key`.
 * @param count  how many: 1 to 16 different ones.
 * @param options  NULL for the defaults.
 * @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
 * @param[out] err  why it was refused; may be NULL.
 * @return as `laneway_coordinator_submit`; `LANEWAY_EINVAL` for no key, or too many.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: as for `laneway_coordinator_submit`; copies the keys.
 *
 * @pre As for `laneway_coordinator_submit`; `keys` is readable for `count` elements, and each of them for
 * its length.
 */
LANEWAY_API
laneway_status laneway_coordinator_submit_multi(struct laneway_coordinator *coordinator,
                                                const struct laneway_bytes *keys,
                                                size_t count,
                                                const struct laneway_job_options *options,
                                                laneway_job_fn body,
                                                void *user_data,
                                                laneway_drop_fn drop,
                                                struct laneway_job **out,
                                                struct laneway_error **err);

/**
 * Lets a lane go on that a failed job has stopped; no effect on a lane that is not held.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
 * `key_len` bytes.
 */
LANEWAY_API
laneway_status laneway_coordinator_release_key(struct laneway_coordinator *coordinator,
                                               const void *key,
                                               size_t key_len);

/**
 * Waits until every job submitted before the call has its outcome.
 *
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` on a worker of the pool.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`.
 * In callbacks: answers `LANEWAY_EDEADLK`.
 * Ownership: borrows `coordinator`.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to.
 */
LANEWAY_API
laneway_status laneway_coordinator_drain(struct laneway_coordinator *coordinator,
                                         uint64_t timeout_ns);

/**
 * As `laneway_coordinator_drain`, for the jobs of one key.
 *
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` on a worker of the pool.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`.
 * In callbacks: answers `LANEWAY_EDEADLK`.
 * Ownership: borrows `coordinator`, copies `key`.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
 * `key_len` bytes.
 */
LANEWAY_API
laneway_status laneway_coordinator_drain_key(struct laneway_coordinator *coordinator,
                                             const void *key,
                                             size_t key_len,
                                             uint64_t timeout_ns);

/**
 * Ends the coordinator, not its pool. Nothing is accepted any more; every job gets its outcome.
 *
 * @param how          one of `enum laneway_shutdown`: drain runs what was accepted, cancel stops
 *                     and undoes it.
 * @param[out] report  what was left; may be NULL.
 * @return `LANEWAY_ETIMEDOUT` if jobs are left that have no outcome yet; they get it when their
 *         bodies return. `LANEWAY_EDEADLK` on a worker of the pool.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`, and a little for the last jobs to be told.
 * In callbacks: starts the end and answers `LANEWAY_EDEADLK`.
 * Ownership: borrows `coordinator`; the reference still has to be released.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `report` is NULL or was filled
 * by `laneway_coordinator_report_init`.
 */
LANEWAY_API
laneway_status laneway_coordinator_shutdown(struct laneway_coordinator *coordinator,
                                            uint32_t how,
                                            uint64_t timeout_ns,
                                            struct laneway_coordinator_report *report);

/**
 * The number of this attempt, from 1.
 *
 * Threads: that of the body.
 * Blocks: no.
 * In callbacks: in the body.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the body was called with, and it has not returned.
 */
LANEWAY_API uint32_t laneway_job_context_attempt(const struct laneway_job_context *context);

/**
 * Whether the job was cancelled or the coordinator is shutting down: return soon. What the body
 * returns still counts.
 *
 * Threads: that of the body.
 * Blocks: no.
 * In callbacks: in the body.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the body was called with, and it has not returned.
 */
LANEWAY_API bool laneway_job_context_is_cancelled(const struct laneway_job_context *context);

/**
 * Sleeps on this worker; ends early if the job is cancelled, its time is up or the coordinator is
 * shut down.
 *
 * @return `LANEWAY_ECANCELED`, `LANEWAY_ETIMEDOUT` or `LANEWAY_ESHUTDOWN`, for the body to return.
 *
 * Threads: that of the body.
 * Blocks: up to `time_ns`.
 * In callbacks: in the body.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the body was called with, and it has not returned.
 */
LANEWAY_API
laneway_status laneway_job_context_sleep(const struct laneway_job_context *context,
                                         uint64_t time_ns);

/**
 * Takes a token: when the body returns `LANEWAY_PENDING`, the job stays pending, without a worker,
 * until every token has succeeded. The first failure fails the attempt.
 *
 * @return the token; NULL only for a `context` that is NULL.
 *
 * Threads: that of the body.
 * Blocks: no.
 * In callbacks: in the body.
 * Ownership: the caller owns the token and must end it.
 *
 * @pre `context` is the one that the body was called with, and it has not returned.
 */
LANEWAY_API struct laneway_token *laneway_job_context_defer(struct laneway_job_context *context);

/**
 * Keeps a text for the failure that the body is about to return, and returns `status`:
 * `return laneway_job_context_fail(context, MY_STATUS, text, len);`
 *
 * Threads: that of the body.
 * Blocks: no.
 * In callbacks: in the body.
 * Ownership: copies `message`.
 *
 * @pre `context` is the one that the body was called with, and it has not returned; `message` is UTF-8
 * of `len` bytes.
 */
LANEWAY_API
laneway_status laneway_job_context_fail(struct laneway_job_context *context,
                                        laneway_status status,
                                        const void *message,
                                        size_t len);

/**
 * Why the job will not complete: the status of the failed attempt.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned.
 */
LANEWAY_API laneway_status laneway_undo_context_cause(const struct laneway_undo_context *context);

/**
 * How many attempts were started, 1 or more.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned.
 */
LANEWAY_API uint32_t laneway_undo_context_attempts(const struct laneway_undo_context *context);

/**
 * The number of this run of the undo, from 1.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned.
 */
LANEWAY_API uint32_t laneway_undo_context_undo_attempt(const struct laneway_undo_context *context);

/**
 * How many tokens the last attempt took.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned.
 */
LANEWAY_API size_t laneway_undo_context_token_count(const struct laneway_undo_context *context);

/**
 * How a token of the last attempt stood.
 *
 * @param index     in the order in which they were taken, from 0.
 * @param[out] end  `LANEWAY_OK`, `LANEWAY_PENDING` if nobody had ended it, or its failure.
 * @return `LANEWAY_ENOTFOUND` if there are not that many.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: borrows `context`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned; `end` is writable.
 */
LANEWAY_API
laneway_status laneway_undo_context_token(const struct laneway_undo_context *context,
                                          size_t index,
                                          laneway_status *end);

/**
 * Takes a token for the undo, as `laneway_job_context_defer` does for the body.
 *
 * @return the token; NULL only for a `context` that is NULL.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: the caller owns the token and must end it.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned.
 */
LANEWAY_API struct laneway_token *laneway_undo_context_defer(struct laneway_undo_context *context);

/**
 * Keeps a text for the failure that the undo is about to return, and returns `status`.
 *
 * Threads: that of the undo.
 * Blocks: no.
 * In callbacks: in the undo.
 * Ownership: copies `message`.
 *
 * @pre `context` is the one that the undo was called with, and it has not returned; `message` is UTF-8
 * of `len` bytes.
 */
LANEWAY_API
laneway_status laneway_undo_context_fail(struct laneway_undo_context *context,
                                         laneway_status status,
                                         const void *message,
                                         size_t len);

/**
 * Lets no further job of these keys start; the order is kept. A job that has started goes on. Pauses
 * of one key, of a prefix and of everything add up.
 *
 * @param keys  one of `enum laneway_keys`.
 * @return `LANEWAY_EALREADY` if exactly this pause was set, or the coordinator is shut down.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
 * `key_len` bytes.
 */
LANEWAY_API
laneway_status laneway_coordinator_pause(const struct laneway_coordinator *coordinator,
                                         uint32_t keys,
                                         const void *key,
                                         size_t key_len);

/**
 * Ends the pause that was set with the same keys, and no other.
 *
 * @param keys  one of `enum laneway_keys`.
 * @return `LANEWAY_EALREADY` if it was not set.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`.
 *
 * @pre As for `laneway_coordinator_pause`.
 */
LANEWAY_API
laneway_status laneway_coordinator_resume(const struct laneway_coordinator *coordinator,
                                          uint32_t keys,
                                          const void *key,
                                          size_t key_len);

/**
 * Lets one more job of a paused key start, the next one. Steps add up, and end with the pause.
 *
 * @return `LANEWAY_EALREADY`, without effect, if the key is not paused.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`.
 *
 * @pre As for `laneway_coordinator_pause`.
 */
LANEWAY_API
laneway_status laneway_coordinator_step(const struct laneway_coordinator *coordinator,
                                        const void *key,
                                        size_t key_len);

/**
 * Asks every job of these keys to stop that was submitted before the call. Jobs that have not
 * started end as cancelled, also behind a pause or a hold, as soon as the one that has started
 * makes way.
 *
 * @param keys  one of `enum laneway_keys`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `key`.
 *
 * @pre As for `laneway_coordinator_pause`.
 */
LANEWAY_API
laneway_status laneway_coordinator_cancel(const struct laneway_coordinator *coordinator,
                                          uint32_t keys,
                                          const void *key,
                                          size_t key_len);

/**
 * Shows `each` why the jobs of a key are where they are, one reason after another; none if the key
 * has no jobs and no mark. A glance: the threads, the marks and the lane are asked one after
 * another.
 *
 * @param each  called on this thread before the function returns.
 *
 * Threads: any.
 * Blocks: for a moment, where the answer has to come from a worker; never on a worker.
 * In callbacks: allowed.
 * Ownership: copies `key`; borrows `user_data`.
 *
 * @pre As for `laneway_coordinator_pause`; `each` may be called with `user_data`.
 */
LANEWAY_API
laneway_status laneway_coordinator_explain(const struct laneway_coordinator *coordinator,
                                           const void *key,
                                           size_t key_len,
                                           laneway_reason_fn each,
                                           void *user_data);

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
void laneway_coordinator_counters_init(struct laneway_coordinator_counters *counters,
                                       size_t struct_size);

/**
 * Reads the counters, without stopping anything.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows both.
 *
 * @pre `coordinator` is a coordinator that the caller has a reference to; `out` was filled by
 * `laneway_coordinator_counters_init`.
 */
LANEWAY_API
laneway_status laneway_coordinator_counters_read(const struct laneway_coordinator *coordinator,
                                                 struct laneway_coordinator_counters *out);

/**
 * Adds a reference and returns `job`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns one reference more.
 *
 * @pre `job` is NULL or a job that the caller has a reference to.
 */
LANEWAY_API struct laneway_job *laneway_job_retain(struct laneway_job *job);

/**
 * Gives a reference back. The job runs on.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes one reference.
 *
 * @pre `job` is NULL or a reference that the caller owns and does not use again.
 */
LANEWAY_API void laneway_job_release(struct laneway_job *job);

/**
 * Waits until the job has ended. May be called again and by several threads.
 *
 * @param[out] outcome  how it ended; may be NULL.
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` inside a job of the same key, and on a worker when
 *         every other worker waits too. `LANEWAY_OK` says that it has ended, in whatever way.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`.
 * In callbacks: allowed; the worker runs nothing else meanwhile. Better take a token.
 * Ownership: borrows `job`.
 *
 * @pre `job` is a job that the caller has a reference to; `outcome` is NULL or was filled by
 * `laneway_outcome_init`.
 */
LANEWAY_API
laneway_status laneway_job_wait(const struct laneway_job *job,
                                uint64_t timeout_ns,
                                struct laneway_outcome *outcome);

/**
 * How the job has ended, without waiting: kind `LANEWAY_OUTCOME_NONE` if it has not.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `job`.
 *
 * @pre `job` is a job that the caller has a reference to; `outcome` was filled by
 * `laneway_outcome_init`.
 */
LANEWAY_API
laneway_status laneway_job_outcome(const struct laneway_job *job,
                                   struct laneway_outcome *outcome);

/**
 * Why the job failed, with its text.
 *
 * @param[out] out  NULL if no cause is recorded: it completed, or has not ended.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`.
 *
 * @pre `job` is a job that the caller has a reference to; `out` is writable.
 */
LANEWAY_API
laneway_status laneway_job_cause(const struct laneway_job *job,
                                 struct laneway_error **out);

/**
 * Why the undo of the job failed, with its text.
 *
 * @param[out] out  NULL if it did not.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`.
 *
 * @pre `job` is a job that the caller has a reference to; `out` is writable.
 */
LANEWAY_API
laneway_status laneway_job_rollback_cause(const struct laneway_job *job,
                                          struct laneway_error **out);

/**
 * The key that the job was submitted under; no bytes for NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `job`; the view lives as long as the reference.
 *
 * @pre `job` is NULL or a job that the caller has a reference to.
 */
LANEWAY_API struct laneway_bytes laneway_job_key(const struct laneway_job *job);

/**
 * Asks the job to stop. One that has not started ends now; one that waits for tokens or its backoff
 * stops at its next turn; a body on a worker goes on until it returns.
 *
 * @return `LANEWAY_EALREADY` if it has ended.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `job`.
 *
 * @pre `job` is a job that the caller has a reference to.
 */
LANEWAY_API laneway_status laneway_job_cancel(const struct laneway_job *job);

/**
 * How the job stands, at a glance that may be outdated at once: one of `enum laneway_job_state`.
 *
 * @param[out] attempt  the number of the attempt, from 1; 0 where there is none; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `job`.
 *
 * @pre `job` is a job that the caller has a reference to; `attempt` is NULL or writable.
 */
LANEWAY_API uint32_t laneway_job_status(const struct laneway_job *job, uint32_t *attempt);

/**
 * Calls `function` once when the job has ended, or soon if it has: on a worker, as work of its own
 * that never delays the job's lane; if the pool has ended first, on the thread that ended the job.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `user_data` on every path: `drop` runs once, after `function` or instead.
 *
 * @pre `job` is a job that the caller has a reference to; `function` may be called once with
 * `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_job_on_done(const struct laneway_job *job,
                                   laneway_done_fn function,
                                   void *user_data,
                                   laneway_drop_fn drop);

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
LANEWAY_API void laneway_job_options_init(struct laneway_job_options *options, size_t struct_size);

/**
 * Clears `outcome` and sets its size.
 *
 * @param struct_size  `sizeof *outcome`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `outcome`.
 *
 * @pre `outcome` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API void laneway_outcome_init(struct laneway_outcome *outcome, size_t struct_size);

/**
 * The name of a kind of outcome, as events and reports have it: `"rolled_back"`; never NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the text is static.
 */
LANEWAY_API const char *laneway_outcome_name(uint32_t kind);

/**
 * What `token` stands for has ended well.
 *
 * @return `LANEWAY_EALREADY` if nobody waits for it any more; `token` is gone all the same.
 *
 * Threads: any; before or after the body has returned.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `token`.
 *
 * @pre `token` is NULL or was not ended yet, and is not used again.
 */
LANEWAY_API laneway_status laneway_token_succeed(struct laneway_token *token);

/**
 * What `token` stands for has failed, and with it the attempt.
 *
 * @param status  below 0; `LANEWAY_ECONFLICT` draws on the conflicts. Anything else is taken as
 *                `LANEWAY_EINVAL`.
 * @return `LANEWAY_EALREADY` if nobody waits for it any more; `LANEWAY_EINVAL` for a status that
 *         is no failure or a text that is not UTF-8. `token` is gone all the same.
 *
 * Threads: any; before or after the body has returned.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `token`, copies `message`.
 *
 * @pre `token` is NULL or was not ended yet, and is not used again; `message` is UTF-8 of `len` bytes.
 */
LANEWAY_API
laneway_status laneway_token_fail(struct laneway_token *token,
                                  laneway_status status,
                                  const void *message,
                                  size_t len);

/**
 * Whether somebody still waits for `token`; whoever works for it may stop if not.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `token`.
 *
 * @pre `token` is NULL or was not ended yet.
 */
LANEWAY_API bool laneway_token_is_wanted(const struct laneway_token *token);

/**
 * Gives `token` up without an answer: the attempt fails with `LANEWAY_EABANDONED`. NULL is
 * allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `token`.
 *
 * @pre `token` is NULL or was not ended yet, and is not used again.
 */
LANEWAY_API void laneway_token_free(struct laneway_token *token);

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
 * The default pool of the process, built with the defaults unless `laneway_pool_build_global` was
 * called before.
 *
 * @param[out] out  the pool, with one reference for the caller.
 * @param[out] err  why it failed; may be NULL.
 * @return `LANEWAY_ENOMEM` if a thread could not be started; a later call tries again.
 *
 * Threads: any, also at the same time.
 * Blocks: while threads are started.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out` and `*err`.
 *
 * @pre `out` and `err` are writable or NULL.
 */
LANEWAY_API
laneway_status laneway_pool_global(struct laneway_pool **out,
                                   struct laneway_error **err);

/**
 * Builds the default pool of the process, which is possible once.
 *
 * @param options   NULL for the defaults.
 * @param[out] out  the pool, with one reference for the caller.
 * @param[out] err  why it failed; may be NULL.
 * @return `LANEWAY_EEXISTS` if it was built before; otherwise as `laneway_pool_new`.
 *
 * Threads: any, also at the same time.
 * Blocks: while threads are started.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out` and `*err`.
 *
 * @pre As for `laneway_pool_new`.
 */
LANEWAY_API
laneway_status laneway_pool_build_global(const struct laneway_pool_options *options,
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
 * Whether the pool has begun to end.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API bool laneway_pool_is_shutting_down(const struct laneway_pool *pool);

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
 * Calls `call` once on every worker, between two pieces of other work.
 *
 * @return the first failure in the order of their places; `LANEWAY_EDEADLK` on a worker of this
 *         pool; `LANEWAY_ECANCELED` if the pool ends before all workers have called it.
 *
 * Threads: any but the pool's workers.
 * Blocks: until the last worker has called it.
 * In callbacks: answers `LANEWAY_EDEADLK` on a worker of this pool.
 * Ownership: `user_data` is borrowed until the call returns.
 *
 * @pre `pool` is a pool that the caller has a reference to; `call` may be called with `user_data` on all
 * workers at the same time.
 */
LANEWAY_API
laneway_status laneway_pool_broadcast(struct laneway_pool *pool,
                                      laneway_broadcast_fn call,
                                      void *user_data);

/**
 * As `laneway_pool_broadcast`, and returns at once; what the calls return is ignored.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `user_data` on every path: `drop` runs once, after the last call or when the
 * pool has ended.
 *
 * @pre As for `laneway_pool_broadcast`, and `drop` may be called once with `user_data`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pool_spawn_broadcast(struct laneway_pool *pool,
                                            laneway_broadcast_fn call,
                                            void *user_data,
                                            laneway_drop_fn drop);

/**
 * Writes the newest events of all workers as a file for Perfetto or `chrome://tracing`, over what
 * may be there. Without `trace_events` in the options of the pool it has no events.
 *
 * @param path      UTF-8.
 * @param[out] err  what the system said; may be NULL.
 * @return `LANEWAY_EIO` if the file cannot be written.
 *
 * Threads: any.
 * Blocks: while the file is written.
 * In callbacks: allowed.
 * Ownership: borrows `pool` and `path`; the caller owns `*err`.
 *
 * @pre `pool` is a pool that the caller has a reference to; `path` is readable for `path_len` bytes;
 * `err` is writable or NULL.
 */
LANEWAY_API
laneway_status laneway_pool_write_trace(struct laneway_pool *pool,
                                        const void *path,
                                        size_t path_len,
                                        struct laneway_error **err);

/**
 * The root of a tree of work: `action` runs once all its parts have ended, on the thread that ends
 * the last one.
 *
 * @param[out] out  its first part.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
 * `action` or instead of it.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` is writable; `action` may be called
 * once with `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pool_completion(struct laneway_pool *pool,
                                       laneway_ended_fn action,
                                       void *user_data,
                                       laneway_drop_fn drop,
                                       struct laneway_part **out);

/**
 * A node below that of `above`, whose action waits for the one of this node.
 *
 * @param[out] out  its first part.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `above`; the caller owns `*out`. Consumes `user_data` on every path: `drop`
 * runs once, after `action` or instead of it.
 *
 * @pre `above` is not ended; `out` is writable; `action` may be called once with `user_data`, then
 * `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_part_child(const struct laneway_part *above,
                                  laneway_ended_fn action,
                                  void *user_data,
                                  laneway_drop_fn drop,
                                  struct laneway_part **out);

/**
 * Runs `function` on a worker as one more part of the node.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `part`. Consumes `user_data` on every path: `drop` runs once, after `function`
 * or instead of it, before the part ends.
 *
 * @pre `part` is not ended; `function` may be called once with `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_part_spawn(const struct laneway_part *part,
                                  laneway_part_fn function,
                                  void *user_data,
                                  laneway_drop_fn drop);

/**
 * Opens one more part of the same node, to be ended where something ends that is not run here.
 *
 * @return NULL for NULL.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns the new part.
 *
 * @pre `part` is NULL or not ended.
 */
LANEWAY_API struct laneway_part *laneway_part_clone(const struct laneway_part *part);

/**
 * Cancels the tree: functions that have not started never will. Actions still run.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `part`.
 *
 * @pre `part` is NULL or not ended.
 */
LANEWAY_API void laneway_part_cancel(const struct laneway_part *part);

/**
 * Whether the tree was cancelled.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `part`.
 *
 * @pre `part` is NULL or not ended.
 */
LANEWAY_API bool laneway_part_is_cancelled(const struct laneway_part *part);

/**
 * How many parts of the node are open, this one included; a figure of the moment.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `part`.
 *
 * @pre `part` is NULL or not ended.
 */
LANEWAY_API size_t laneway_part_pending(const struct laneway_part *part);

/**
 * Ends a part; if it is the last one of its node, the action runs before this returns. NULL is
 * allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed, but not for a part that was lent to the callback.
 * Ownership: consumes `part`.
 *
 * @pre `part` is NULL or not yet ended, owned by the caller, and nothing uses it any more.
 */
LANEWAY_API void laneway_part_end(struct laneway_part *part);

/**
 * Calls `function`, which may block, while another thread works instead of this one.
 *
 * @return what `function` returned.
 *
 * Threads: any; on a thread that is no worker of `pool` it only calls `function`.
 * Blocks: as long as `function` does.
 * In callbacks: allowed; meant for them.
 * Ownership: `user_data` is borrowed until the call returns.
 *
 * @pre `pool` is a pool that the caller has a reference to; `function` may be called once with
 * `user_data`.
 */
LANEWAY_API
laneway_status laneway_pool_blocking(struct laneway_pool *pool,
                                     laneway_call_fn function,
                                     void *user_data);

/**
 * How many workers the pool keeps at work; 0 for NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API uint32_t laneway_pool_parallelism(const struct laneway_pool *pool);

/**
 * Changes how many workers the pool keeps at work. Workers over the new number end what they are
 * running first.
 *
 * @return `LANEWAY_EINVAL` for 0 or more than the pool has room for; `LANEWAY_ENOMEM` if the system
 *         refuses a thread: the number is set, and the thread is started when it can be.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is a pool that the caller has a reference to.
 */
LANEWAY_API
laneway_status laneway_pool_set_parallelism(struct laneway_pool *pool,
                                            uint32_t workers);

/**
 * As `laneway_pool_spawn`, in a class.
 *
 * @param priority  a `laneway_priority`.
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
laneway_status laneway_pool_spawn_at(struct laneway_pool *pool,
                                     int32_t priority,
                                     laneway_work_fn function,
                                     void *user_data,
                                     laneway_drop_fn drop);

/**
 * Runs `function` on a worker after `delay_ns`, and from then on once in every `period_ns`. Runs
 * never overlap; beats that pass while it runs are left out.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, when the
 * repetition is over.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
 * with `user_data` on any thread, then `drop` once.
 */
LANEWAY_API
laneway_status laneway_pool_schedule_at_fixed_rate(struct laneway_pool *pool,
                                                   uint64_t delay_ns,
                                                   uint64_t period_ns,
                                                   laneway_work_fn function,
                                                   void *user_data,
                                                   laneway_drop_fn drop,
                                                   struct laneway_repetition **out);

/**
 * As `laneway_pool_schedule_at_fixed_rate`, with `pause_ns` between the end of a run and the next.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, when the
 * repetition is over.
 *
 * @pre `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
 * with `user_data` on any thread, then `drop` once.
 */
LANEWAY_API
laneway_status laneway_pool_schedule_with_fixed_delay(struct laneway_pool *pool,
                                                      uint64_t delay_ns,
                                                      uint64_t pause_ns,
                                                      laneway_work_fn function,
                                                      void *user_data,
                                                      laneway_drop_fn drop,
                                                      struct laneway_repetition **out);

/**
 * Ends a repetition: no other run begins. A run that is under way ends as it would have.
 *
 * @return `LANEWAY_EALREADY` if it was over.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed, also from its own function.
 * Ownership: borrows `repetition`.
 *
 * @pre `repetition` is not freed meanwhile.
 */
LANEWAY_API laneway_status laneway_repetition_cancel(const struct laneway_repetition *repetition);

/**
 * Frees `repetition`, which goes on; NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `repetition`.
 *
 * @pre `repetition` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_repetition_free(struct laneway_repetition *repetition);

/**
 * Whether this process was forked from the one that built the pool: calls that can fail answer
 * `LANEWAY_EFORKED` then, and `laneway_pool_join` and scopes run on the calling thread alone.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pool`.
 *
 * @pre `pool` is NULL or a pool that the caller has a reference to.
 */
LANEWAY_API bool laneway_pool_is_forked(const struct laneway_pool *pool);

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
 * Calls `region` on this thread, with the thread's place in the pool: the start for the functions
 * below. Off the pool the caller helps as a temporary worker for the time of the call.
 *
 * @return the status of `region`.
 *
 * Threads: any.
 * Blocks: as long as `region` does.
 * In callbacks: allowed.
 * Ownership: `user_data` is borrowed until the call returns.
 *
 * @pre `pool` is a pool that the caller has a reference to; `region` may be called with `user_data`.
 */
LANEWAY_API
laneway_status laneway_pool_enter(struct laneway_pool *pool,
                                  laneway_fork_fn region,
                                  void *user_data);

/**
 * The index of a worker, from 0; `SIZE_MAX` for a thread that helps, and for NULL.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `worker`.
 *
 * @pre `worker` is NULL or was passed to the callback that this is called in.
 */
LANEWAY_API size_t laneway_worker_index(const struct laneway_worker *worker);

/**
 * For a long loop of one's own, every few microseconds: lets a worker that has nothing to do take
 * a part of what this thread has put off. Runs nothing.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `worker`.
 *
 * @pre `worker` is NULL or was passed to the callback that this is called in.
 */
LANEWAY_API void laneway_worker_tick(const struct laneway_worker *worker);

/**
 * Runs `a` and `b`, perhaps in parallel, and returns when both have ended.
 *
 * @return the status of `a` if it is a failure, else that of `b`.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: until both have ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: both `user_data` are borrowed until the call returns.
 *
 * @pre `worker` was passed to the callback that this is called in; each function may be called once with
 * its `user_data`, on any thread, both at the same time.
 */
LANEWAY_API
laneway_status laneway_join(const struct laneway_worker *worker,
                            laneway_fork_fn a,
                            void *user_data_a,
                            laneway_fork_fn b,
                            void *user_data_b);

/**
 * Calls `body` with pieces that make up the numbers from `begin` to before `end`, in parallel and in
 * no particular order, and returns when all calls have.
 *
 * @param grain  how many neighbouring numbers a piece has at most; 0 counts as 1. A piece should
 *               take several microseconds.
 * @return the first failure; pieces that have not started then do not start.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: until all calls have ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: `user_data` is borrowed until the call returns.
 *
 * @pre `worker` was passed to the callback that this is called in; `body` may be called with
 * `user_data` any number of times, on any threads, at the same time.
 */
LANEWAY_API
laneway_status laneway_parallel_for(const struct laneway_worker *worker,
                                    size_t begin,
                                    size_t end,
                                    size_t grain,
                                    laneway_range_fn body,
                                    void *user_data);

/**
 * Makes all calls, perhaps in parallel, and returns when all have returned.
 *
 * @param calls  each gets its own status, whatever the others return.
 * @return the first failure in their order.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: until all calls have ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: `calls` and each `user_data` are borrowed until the call returns.
 *
 * @pre `worker` was passed to the callback that this is called in; `calls` are `count` calls that nobody
 * else uses meanwhile; each function may be called once with its `user_data`, on any thread, all
 * at the same time.
 */
LANEWAY_API
laneway_status laneway_invoke_all(const struct laneway_worker *worker,
                                  struct laneway_call *calls,
                                  size_t count);

/**
 * Makes calls, perhaps in parallel, until one succeeds: then those that have not started are not
 * made. Returns when those that had started have returned; let them look at something that the
 * winner sets.
 *
 * @param calls        each gets its own status.
 * @param[out] winner  the number of the call that succeeded first; may be NULL.
 * @return the status of the winner; without one the last call's, or `LANEWAY_ENOTFOUND` if there
 *         are no calls.
 *
 * Threads: the one that `worker` belongs to.
 * Blocks: until all calls that started have ended.
 * In callbacks: allowed; a worker runs its own subtree while it waits.
 * Ownership: `calls` and each `user_data` are borrowed until the call returns.
 *
 * @pre As for `laneway_invoke_all`; `winner` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_invoke_any(const struct laneway_worker *worker,
                                  struct laneway_call *calls,
                                  size_t count,
                                  size_t *winner);

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
 * Whether submitted work has ended, in whatever way.
 *
 * Threads: any, one at a time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `work`.
 *
 * @pre `work` is NULL or is not freed, and not used by another thread meanwhile.
 */
LANEWAY_API bool laneway_work_is_done(const struct laneway_work *work);

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
 * Whether a timer has fired or was cancelled.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `timer`.
 *
 * @pre `timer` is NULL or is not freed.
 */
LANEWAY_API bool laneway_timer_is_over(const struct laneway_timer *timer);

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
void laneway_task_service_options_init(struct laneway_task_service_options *options,
                                       size_t struct_size);

/**
 * Loads what the store holds and starts the service. Allocations that an earlier process held
 * become void; their tasks run again once their executor is registered.
 *
 * @param options   where the tasks are kept.
 * @param[out] out  the service, with one reference for the caller.
 * @param[out] err  why it failed; may be NULL.
 * @return `LANEWAY_EBUSY` if somebody else has the directory open; `LANEWAY_ECORRUPT`,
 *         `LANEWAY_EUNSUPPORTED` (written by a newer version), `LANEWAY_EIO`.
 *
 * Threads: any.
 * Blocks: for the load and one commit.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out` and `*err`; the service keeps `pool` alive.
 *
 * @pre `pool` is a pool that the caller has a reference to; `options` was filled by
 * `laneway_task_service_options_init`; `out` and `err` are writable or NULL.
 */
LANEWAY_API
laneway_status laneway_task_service_open(struct laneway_pool *pool,
                                         const struct laneway_task_service_options *options,
                                         struct laneway_task_service **out,
                                         struct laneway_error **err);

/**
 * Adds a reference and returns `service`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns one reference more.
 *
 * @pre `service` is NULL or a service that the caller has a reference to.
 */
LANEWAY_API
struct laneway_task_service *laneway_task_service_retain(struct laneway_task_service *service);

/**
 * Gives a reference back. With the last one, what was accepted is still committed, then the store
 * is closed; ends that are reported after that are lost, and their tasks run again. See
 * `laneway_task_service_shutdown`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes one reference.
 *
 * @pre `service` is NULL or a reference that the caller owns and does not use again.
 */
LANEWAY_API void laneway_task_service_release(struct laneway_task_service *service);

/**
 * Offers functions that run the tasks of one name; those that wait for it are assigned.
 *
 * @param vtable    copied.
 * @param[out] err  why it failed; may be NULL.
 * @return `LANEWAY_EEXISTS` if the name is registered already.
 *
 * Threads: any.
 * Blocks: until the service knows it.
 * In callbacks: allowed.
 * Ownership: consumes `user_data` on every path: `drop` runs once, when no function of the vtable
 * will be called any more: before a shutdown returns that left no task running. The caller owns
 * `*err`.
 *
 * @pre `service` is a service that the caller has a reference to; `name` is UTF-8 of `name_len` bytes;
 * the functions may be called with `user_data`, at the same time, on any thread.
 */
LANEWAY_API
laneway_status laneway_task_service_register(struct laneway_task_service *service,
                                             const void *name,
                                             size_t name_len,
                                             const struct laneway_executor_vtable *vtable,
                                             void *user_data,
                                             laneway_drop_fn drop,
                                             struct laneway_error **err);

/**
 * Switches assignment. Not durable.
 *
 * @param assignment  one of `enum laneway_assignment`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `service`.
 *
 * @pre `service` is a service that the caller has a reference to.
 */
LANEWAY_API
laneway_status laneway_task_service_set_assignment(struct laneway_task_service *service,
                                                   uint32_t assignment);

/**
 * Ends the service in order: nothing new is assigned, what runs is told to stop, ends that are
 * reported in time are committed, then the store is closed and can be opened again.
 *
 * @param[out] left  how many tasks still ran; they run again when the store is next opened; may be
 *                   NULL.
 * @return `LANEWAY_ETIMEDOUT` if some did; `LANEWAY_EDEADLK` on a worker of the pool, where nothing
 *         is done.
 *
 * Threads: any.
 * Blocks: up to `timeout_ns`, and for the last commit.
 * In callbacks: answers `LANEWAY_EDEADLK`.
 * Ownership: borrows `service`; the reference still has to be released.
 *
 * @pre `service` is a service that the caller has a reference to; `left` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_shutdown(struct laneway_task_service *service,
                                             uint64_t timeout_ns,
                                             size_t *left);

/**
 * Waits for the answer. May be called again.
 *
 * @param[out] out  what is then known of the task; may be NULL.
 * @param[out] err  why the request failed; may be NULL.
 * @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself;
 *         `LANEWAY_ENOTFOUND`, `LANEWAY_EEXISTS`, `LANEWAY_EFENCED`, `LANEWAY_EFULL`,
 *         `LANEWAY_EBUSY`, `LANEWAY_EIO`, `LANEWAY_ESHUTDOWN` as the request was answered.
 *
 * Threads: any, also at the same time.
 * Blocks: up to `timeout_ns`.
 * In callbacks: allowed; a worker counts as blocked.
 * Ownership: borrows `pending`; the caller owns `*out` and `*err`.
 *
 * @pre `pending` was not ended; `out` and `err` are writable or NULL.
 */
LANEWAY_API
laneway_status laneway_pending_wait(const struct laneway_pending *pending,
                                    uint64_t timeout_ns,
                                    struct laneway_task **out,
                                    struct laneway_error **err);

/**
 * Whether the answer is there.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `pending`.
 *
 * @pre `pending` is NULL or was not ended.
 */
LANEWAY_API bool laneway_pending_is_done(const struct laneway_pending *pending);

/**
 * Calls `function` with the answer, on a worker, as work of its own.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `pending`, and `user_data` on every path: `drop` runs once, after `function`
 * or instead.
 *
 * @pre `pending` is NULL or was not ended, and is not used again; `function` may be called once with
 * `user_data`, then `drop`, on any thread.
 */
LANEWAY_API
laneway_status laneway_pending_on_done(struct laneway_pending *pending,
                                       laneway_answer_fn function,
                                       void *user_data,
                                       laneway_drop_fn drop);

/**
 * Frees `pending`; the request stands. NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `pending`.
 *
 * @pre `pending` is NULL or was not ended, and is not used again.
 */
LANEWAY_API void laneway_pending_free(struct laneway_pending *pending);

/**
 * Reads the record of the task as of its assignment.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows both; the views in `*view` live as long as `completion`.
 *
 * @pre `completion` was not ended; `view` was filled by `laneway_task_view_init`.
 */
LANEWAY_API
laneway_status laneway_completion_read(const struct laneway_completion *completion,
                                       struct laneway_task_view *view);

/**
 * Whether the work should stop: the task was cancelled or removed, or the service ends.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `completion`.
 *
 * @pre `completion` is NULL or was not ended.
 */
LANEWAY_API bool laneway_completion_is_cancelled(const struct laneway_completion *completion);

/**
 * Calls `function` on a worker when the work should stop; soon if it should already. If the run
 * ends first, it may never be called.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `completion`; consumes `user_data` on every path: `drop` runs once, after
 * `function` or instead.
 *
 * @pre `completion` was not ended; `function` may be called once with `user_data`, then `drop`, on any
 * thread.
 */
LANEWAY_API
laneway_status laneway_completion_on_cancel(const struct laneway_completion *completion,
                                            laneway_work_fn function,
                                            void *user_data,
                                            laneway_drop_fn drop);

/**
 * Stores a state that a later run begins from, as `laneway_task_context_checkpoint` does.
 *
 * @param[out] out  answers `LANEWAY_EFENCED` if the task is no longer this run's: stop; may be
 *                  NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `completion`, copies `state`; the caller owns `*out`.
 *
 * @pre `completion` was not ended; `state` is readable for `len` bytes; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_completion_checkpoint(const struct laneway_completion *completion,
                                             const void *state,
                                             size_t len,
                                             struct laneway_pending **out);

/**
 * The task is complete.
 *
 * @param[out] out  answers when that is durable: until then a crash runs the task again;
 *                  `LANEWAY_EFENCED` if the task was no longer this run's; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `completion` on every path, copies `result`; the caller owns `*out`.
 *
 * @pre `completion` is NULL or was not ended, and is not used again; `result` is readable for `len`
 * bytes; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_completion_complete(struct laneway_completion *completion,
                                           const void *result,
                                           size_t len,
                                           struct laneway_pending **out);

/**
 * The run has failed; the task's policy decides what follows.
 *
 * @param kind  one of `enum laneway_failure_kind`.
 * @param[out] out  as for `laneway_completion_complete`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `completion` on every path, copies `message`; the caller owns `*out`.
 *
 * @pre `completion` is NULL or was not ended, and is not used again; `message` is UTF-8 of `len` bytes;
 * `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_completion_fail(struct laneway_completion *completion,
                                       uint32_t kind,
                                       const void *message,
                                       size_t len,
                                       struct laneway_pending **out);

/**
 * The run stops without an end: the task waits to be assigned again, and no failure is counted. If
 * it was asked to cancel, it has ended as cancelled.
 *
 * @param[out] out  as for `laneway_completion_complete`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `completion`; the caller owns `*out`.
 *
 * @pre `completion` is NULL or was not ended, and is not used again; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_completion_hand_back(struct laneway_completion *completion,
                                            struct laneway_pending **out);

/**
 * Gives `completion` up without a report: the run has failed. NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `completion`.
 *
 * @pre `completion` is NULL or was not ended, and is not used again.
 */
LANEWAY_API void laneway_completion_free(struct laneway_completion *completion);

/**
 * Clears `vtable` and sets its size.
 *
 * @param struct_size  `sizeof *vtable`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `vtable`.
 *
 * @pre `vtable` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API
void laneway_executor_vtable_init(struct laneway_executor_vtable *vtable,
                                  size_t struct_size);

/**
 * Reads the record of the task as of its assignment.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: borrows both; the views in `*view` live as long as the call.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned; `view` was filled
 * by `laneway_task_view_init`.
 */
LANEWAY_API
laneway_status laneway_task_context_read(const struct laneway_task_context *task,
                                         struct laneway_task_view *view);

/**
 * Whether the body should stop: the task was cancelled or removed, or the service ends.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: borrows `task`.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned.
 */
LANEWAY_API bool laneway_task_context_is_cancelled(const struct laneway_task_context *task);

/**
 * Stores a state that a later run begins from. Of several that wait for the same commit only the
 * last is written.
 *
 * @param[out] out  answers `LANEWAY_EFENCED` if the task is no longer this run's: stop; may be
 *                  NULL.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: copies `state`; the caller owns `*out`.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned; `state` is readable
 * for `len` bytes; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_context_checkpoint(const struct laneway_task_context *task,
                                               const void *state,
                                               size_t len,
                                               struct laneway_pending **out);

/**
 * Keeps the result of the task, and returns `LANEWAY_OK`:
 * `return laneway_task_context_done(task, result, len);`
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: copies `result`.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned; `result` is
 * readable for `len` bytes.
 */
LANEWAY_API
laneway_status laneway_task_context_done(struct laneway_task_context *task,
                                         const void *result,
                                         size_t len);

/**
 * Keeps the kind and the text of a failure, and returns `LANEWAY_EUSER`:
 * `return laneway_task_context_fail(task, LANEWAY_FAILURE_RUN, text, len);`
 *
 * @param kind  one of `enum laneway_failure_kind`.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: copies `message`.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned; `message` is UTF-8
 * of `len` bytes.
 */
LANEWAY_API
laneway_status laneway_task_context_fail(struct laneway_task_context *task,
                                         uint32_t kind,
                                         const void *message,
                                         size_t len);

/**
 * Says that the run stops without an end, perhaps because it was told to, and returns
 * `LANEWAY_OK`: the task waits to be assigned again, and no failure is counted. If it was asked to
 * cancel, it has ended as cancelled.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: borrows `task`.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned.
 */
LANEWAY_API laneway_status laneway_task_context_hand_back(struct laneway_task_context *task);

/**
 * Takes over the report of the end: return `LANEWAY_PENDING`, and the task runs until the
 * completion says so.
 *
 * @return the completion; NULL if it was taken before: there is one.
 *
 * Threads: that of the call.
 * Blocks: no.
 * In callbacks: in the executor's start.
 * Ownership: the caller owns the completion and must end it.
 *
 * @pre `task` is the one that the executor was called with, and it has not returned.
 */
LANEWAY_API
struct laneway_completion *laneway_task_context_defer(struct laneway_task_context *task);

/**
 * Fills `task` with the defaults.
 *
 * @param struct_size  `sizeof *task`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `task`.
 *
 * @pre `task` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API void laneway_new_task_init(struct laneway_new_task *task, size_t struct_size);

/**
 * Clears `view` and sets its size.
 *
 * @param struct_size  `sizeof *view`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `view`.
 *
 * @pre `view` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API void laneway_task_view_init(struct laneway_task_view *view, size_t struct_size);

/**
 * Reads what is known of a task.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows both; the views in `*view` live as long as `task`.
 *
 * @pre `task` is not freed; `view` was filled by `laneway_task_view_init`.
 */
LANEWAY_API
laneway_status laneway_task_read(const struct laneway_task *task,
                                 struct laneway_task_view *view);

/**
 * Frees `task`; NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `task`, and with it the views that were read from it.
 *
 * @pre `task` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_task_free(struct laneway_task *task);

/**
 * Starts a task. The answer means that its record is durable. Starting the same task again finds
 * the record that is there: `created` is 0 in its view.
 *
 * Starts of one thread are committed in the order of the calls, which is the order of their lane.
 *
 * @param[out] out  answers `LANEWAY_ENOTFOUND` for a name that is not registered here,
 *                  `LANEWAY_EINVAL` for params that its executor refuses, `LANEWAY_EEXISTS` for an
 *                  id that is taken by another request, `LANEWAY_EFULL`; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `task`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `task` was filled by
 * `laneway_new_task_init`, and its pointers are readable for their lengths; `out` is NULL or
 * writable.
 */
LANEWAY_API
laneway_status laneway_task_service_start(struct laneway_task_service *service,
                                          const struct laneway_new_task *task,
                                          struct laneway_pending **out);

/**
 * The end of a task: answered when it is durable, at once if it already is.
 *
 * @param[out] out  answers `LANEWAY_ENOTFOUND` if neither the task nor a trace of it is there.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
 * is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_end_of(struct laneway_task_service *service,
                                           const void *id,
                                           size_t id_len,
                                           struct laneway_pending **out);

/**
 * Removes a task's record, in whatever phase it is. If it runs, its executor is told to stop.
 *
 * @param[out] out  answers the last record, or `LANEWAY_ENOTFOUND`; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
 * is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_remove(struct laneway_task_service *service,
                                           const void *id,
                                           size_t id_len,
                                           struct laneway_pending **out);

/**
 * Ends a task as cancelled: at once if it is not running, else when its executor stops, at the
 * latest after `grace_ns`.
 *
 * @param[out] out  answers when the request is durable, not when the task has ended; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
 * is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_cancel(struct laneway_task_service *service,
                                           const void *id,
                                           size_t id_len,
                                           uint64_t grace_ns,
                                           struct laneway_pending **out);

/**
 * Lets a parked task, or one that pauses after a failure, be assigned again now.
 *
 * @param[out] out  answers `LANEWAY_EBUSY` if it is neither; may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
 * is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_resume(struct laneway_task_service *service,
                                           const void *id,
                                           size_t id_len,
                                           struct laneway_pending **out);

/**
 * Completes a task on behalf of its executor.
 *
 * @param allocation  the one under which it runs; any other answers `LANEWAY_EFENCED`, and nothing
 *                    changes.
 * @param[out] out  may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id` and `result`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
 * `result` is readable for `result_len` bytes; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_complete(struct laneway_task_service *service,
                                             const void *id,
                                             size_t id_len,
                                             uint64_t allocation,
                                             const void *result,
                                             size_t result_len,
                                             struct laneway_pending **out);

/**
 * Reports a failed attempt of a task on behalf of its executor.
 *
 * @param allocation  as for `laneway_task_service_complete`.
 * @param kind  one of `enum laneway_failure_kind`.
 * @param[out] out  may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id` and `message`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` and `message` are UTF-8 of their
 * lengths; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_fail(struct laneway_task_service *service,
                                         const void *id,
                                         size_t id_len,
                                         uint64_t allocation,
                                         uint32_t kind,
                                         const void *message,
                                         size_t message_len,
                                         struct laneway_pending **out);

/**
 * Stores a state of a task on behalf of its executor.
 *
 * @param allocation  as for `laneway_task_service_complete`.
 * @param[out] out  may be NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: copies `id` and `state`; the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
 * `state` is readable for `state_len` bytes; `out` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_update_state(struct laneway_task_service *service,
                                                 const void *id,
                                                 size_t id_len,
                                                 uint64_t allocation,
                                                 const void *state,
                                                 size_t state_len,
                                                 struct laneway_pending **out);

/**
 * The record of a task as of the last commit.
 *
 * @return `LANEWAY_ENOTFOUND` if there is none.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*out`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
 * is writable.
 */
LANEWAY_API
laneway_status laneway_task_service_get(struct laneway_task_service *service,
                                        const void *id,
                                        size_t id_len,
                                        struct laneway_task **out);

/**
 * Clears `explanation` and sets its size.
 *
 * @param struct_size  `sizeof *explanation`, as the caller's header has it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `explanation`.
 *
 * @pre `explanation` is NULL or writable for `struct_size` bytes.
 */
LANEWAY_API
void laneway_explanation_init(struct laneway_explanation *explanation,
                              size_t struct_size);

/**
 * Why a task is where it is, as of the last commit.
 *
 * @param[out] head  the task that it waits for, if it waits for one: read its `id`; may be NULL.
 * @return `LANEWAY_ENOTFOUND` if there is no record of it.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the caller owns `*head`.
 *
 * @pre `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
 * `explanation` was filled by `laneway_explanation_init`; `head` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_explain(struct laneway_task_service *service,
                                            const void *id,
                                            size_t id_len,
                                            struct laneway_explanation *explanation,
                                            struct laneway_task **head);

/**
 * Calls `function` with every record as of the last commit, in the order of their ids.
 *
 * @param[out] revision  that of the commit; may be NULL.
 * @return what `function` returned when it stopped, else `LANEWAY_OK`.
 *
 * Threads: any.
 * Blocks: no; changes meanwhile are not seen.
 * In callbacks: allowed.
 * Ownership: borrows `user_data`.
 *
 * @pre `service` is a service that the caller has a reference to; `function` may be called with
 * `user_data`; `revision` is NULL or writable.
 */
LANEWAY_API
laneway_status laneway_task_service_visit(struct laneway_task_service *service,
                                          laneway_visit_fn function,
                                          void *user_data,
                                          uint64_t *revision);

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

/*
 * The layouts and numbers that a released program relies on. Lines are only added to this file; a
 * line that no longer compiles is an ABI break and needs a new soname.
 */
#include "laneway.h"

#define AT(type, field, offset)                                                                    \
  _Static_assert(offsetof(struct type, field) == (offset), #type "." #field " has moved")
#define SIZE_MIN(type, size) _Static_assert(sizeof(struct type) >= (size), #type " has shrunk")
#define IS(name, value) _Static_assert(name == (value), #name " has another number")

_Static_assert(sizeof(void *) == 8, "the offsets below are those of 64 bit machines");
_Static_assert(sizeof(laneway_status) == 4, "a status is 32 bits wide");

SIZE_MIN(laneway_coordinator_options, 16);
AT(laneway_coordinator_options, struct_size, 0);
AT(laneway_coordinator_options, flags, 8);

SIZE_MIN(laneway_coordinator_report, 24);
AT(laneway_coordinator_report, struct_size, 0);
AT(laneway_coordinator_report, left, 8);
AT(laneway_coordinator_report, lost, 16);

SIZE_MIN(laneway_job_options, 112);
AT(laneway_job_options, struct_size, 0);
AT(laneway_job_options, flags, 8);
AT(laneway_job_options, retries, 16);
AT(laneway_job_options, factor, 20);
AT(laneway_job_options, delay_base_ns, 24);
AT(laneway_job_options, delay_max_ns, 32);
AT(laneway_job_options, jitter, 40);
AT(laneway_job_options, conflicts, 44);
AT(laneway_job_options, on_failure, 48);
AT(laneway_job_options, on_double_fault, 52);
AT(laneway_job_options, open_tokens, 56);
AT(laneway_job_options, undo_retries, 60);
AT(laneway_job_options, attempt_timeout_ns, 64);
AT(laneway_job_options, undo, 72);
AT(laneway_job_options, classify, 80);
AT(laneway_job_options, queue_timeout_ns, 88);
AT(laneway_job_options, deadline_ns, 96);
AT(laneway_job_options, overrun, 104);
AT(laneway_job_options, backoff, 108);

SIZE_MIN(laneway_coordinator_counters, 136);
AT(laneway_coordinator_counters, struct_size, 0);
AT(laneway_coordinator_counters, created, 8);
AT(laneway_coordinator_counters, completed, 16);
AT(laneway_coordinator_counters, rolled_back, 24);
AT(laneway_coordinator_counters, failed, 32);
AT(laneway_coordinator_counters, double_fault, 40);
AT(laneway_coordinator_counters, cancelled, 48);
AT(laneway_coordinator_counters, expired, 56);
AT(laneway_coordinator_counters, skipped, 64);
AT(laneway_coordinator_counters, superseded, 72);
AT(laneway_coordinator_counters, lost, 80);
AT(laneway_coordinator_counters, retries, 88);
AT(laneway_coordinator_counters, conflicts, 96);
AT(laneway_coordinator_counters, queued, 104);
AT(laneway_coordinator_counters, running, 112);
AT(laneway_coordinator_counters, lanes_open, 120);
AT(laneway_coordinator_counters, overdue, 128);

SIZE_MIN(laneway_reason, 56);
AT(laneway_reason, struct_size, 0);
AT(laneway_reason, kind, 8);
AT(laneway_reason, attempt, 12);
AT(laneway_reason, count, 16);
AT(laneway_reason, time_ns, 24);
AT(laneway_reason, keys, 32);
AT(laneway_reason, reserved, 36);
AT(laneway_reason, key, 40);

SIZE_MIN(laneway_outcome, 24);
AT(laneway_outcome, struct_size, 0);
AT(laneway_outcome, kind, 8);
AT(laneway_outcome, started, 12);
AT(laneway_outcome, cause, 16);
AT(laneway_outcome, rollback, 20);

SIZE_MIN(laneway_bytes, 16);
AT(laneway_bytes, ptr, 0);
AT(laneway_bytes, len, 8);

SIZE_MIN(laneway_pool_options, 56);
AT(laneway_pool_options, struct_size, 0);
AT(laneway_pool_options, flags, 8);
AT(laneway_pool_options, workers, 16);
AT(laneway_pool_options, reserved, 20);
AT(laneway_pool_options, stack_size, 24);
AT(laneway_pool_options, keep_alive_ns, 32);
AT(laneway_pool_options, name, 40);
AT(laneway_pool_options, name_len, 48);
AT(laneway_pool_options, max_blocking, 56);
AT(laneway_pool_options, trace_events, 64);
AT(laneway_pool_options, thread_start, 72);
AT(laneway_pool_options, thread_exit, 80);
AT(laneway_pool_options, hooks_user_data, 88);

SIZE_MIN(laneway_pool_counters, 88);
AT(laneway_pool_counters, struct_size, 0);
AT(laneway_pool_counters, workers, 8);
AT(laneway_pool_counters, active, 16);
AT(laneway_pool_counters, blocked, 24);
AT(laneway_pool_counters, queued, 32);
AT(laneway_pool_counters, run, 40);
AT(laneway_pool_counters, steals, 48);
AT(laneway_pool_counters, promotions, 56);
AT(laneway_pool_counters, parks, 64);
AT(laneway_pool_counters, wakes, 72);
AT(laneway_pool_counters, panics, 80);
AT(laneway_pool_counters, surplus, 88);
AT(laneway_pool_counters, benched, 96);
AT(laneway_pool_counters, uncompensated, 104);
AT(laneway_pool_counters, threads_refused, 112);
AT(laneway_pool_counters, abandoned, 120);

SIZE_MIN(laneway_pool_report, 40);
AT(laneway_pool_report, struct_size, 0);
AT(laneway_pool_report, joined, 8);
AT(laneway_pool_report, running, 16);
AT(laneway_pool_report, left, 24);
AT(laneway_pool_report, timers, 32);

SIZE_MIN(laneway_task_service_options, 72);
AT(laneway_task_service_options, struct_size, 0);
AT(laneway_task_service_options, flags, 8);
AT(laneway_task_service_options, backend, 16);
AT(laneway_task_service_options, assignment, 20);
AT(laneway_task_service_options, path, 24);
AT(laneway_task_service_options, node, 32);
AT(laneway_task_service_options, node_len, 40);
AT(laneway_task_service_options, batch_max, 48);
AT(laneway_task_service_options, batch_bytes_max, 56);
AT(laneway_task_service_options, starts_waiting_max, 64);

SIZE_MIN(laneway_executor_vtable, 40);
AT(laneway_executor_vtable, struct_size, 0);
AT(laneway_executor_vtable, flags, 8);
AT(laneway_executor_vtable, room, 16);
AT(laneway_executor_vtable, start, 24);
AT(laneway_executor_vtable, validate, 32);

SIZE_MIN(laneway_task_view, 184);
AT(laneway_task_view, struct_size, 0);
AT(laneway_task_view, id, 8);
AT(laneway_task_view, name, 24);
AT(laneway_task_view, params, 40);
AT(laneway_task_view, lane, 56);
AT(laneway_task_view, state, 72);
AT(laneway_task_view, result, 88);
AT(laneway_task_view, last_error, 104);
AT(laneway_task_view, allocation, 120);
AT(laneway_task_view, state_written_by, 128);
AT(laneway_task_view, sequence, 136);
AT(laneway_task_view, created_revision, 144);
AT(laneway_task_view, updated_revision, 152);
AT(laneway_task_view, phase, 160);
AT(laneway_task_view, outcome, 164);
AT(laneway_task_view, start_failures, 168);
AT(laneway_task_view, run_failures, 172);
AT(laneway_task_view, created, 176);
AT(laneway_task_view, reserved, 180);

SIZE_MIN(laneway_new_task, 112);
AT(laneway_new_task, struct_size, 0);
AT(laneway_new_task, flags, 8);
AT(laneway_new_task, id, 16);
AT(laneway_new_task, id_len, 24);
AT(laneway_new_task, name, 32);
AT(laneway_new_task, name_len, 40);
AT(laneway_new_task, params, 48);
AT(laneway_new_task, params_len, 56);
AT(laneway_new_task, lane, 64);
AT(laneway_new_task, lane_len, 72);
AT(laneway_new_task, on_failure, 80);
AT(laneway_new_task, attempts, 84);
AT(laneway_new_task, backoff_base_ns, 88);
AT(laneway_new_task, backoff_max_ns, 96);
AT(laneway_new_task, ended_ttl_ns, 104);

SIZE_MIN(laneway_explanation, 40);
AT(laneway_explanation, struct_size, 0);
AT(laneway_explanation, kind, 8);
AT(laneway_explanation, cancelling, 12);
AT(laneway_explanation, allocation, 16);
AT(laneway_explanation, until_ms, 24);
AT(laneway_explanation, outcome, 32);
AT(laneway_explanation, reserved, 36);

IS(LANEWAY_OK, 0);
IS(LANEWAY_PENDING, 1);
IS(LANEWAY_END, 2);
IS(LANEWAY_EINVAL, -1);
IS(LANEWAY_EPANIC, -2);
IS(LANEWAY_ETIMEDOUT, -3);
IS(LANEWAY_ECANCELED, -4);
IS(LANEWAY_EABANDONED, -5);
IS(LANEWAY_ESHUTDOWN, -6);
IS(LANEWAY_EBUSY, -7);
IS(LANEWAY_EDEADLK, -8);
IS(LANEWAY_EFORKED, -9);
IS(LANEWAY_ENOTFOUND, -10);
IS(LANEWAY_ECONFLICT, -11);
IS(LANEWAY_EIO, -12);
IS(LANEWAY_ECORRUPT, -13);
IS(LANEWAY_EUNSUPPORTED, -14);
IS(LANEWAY_ENOMEM, -15);
IS(LANEWAY_EALREADY, -16);
IS(LANEWAY_EFULL, -17);
IS(LANEWAY_ETOOLONG, -18);
IS(LANEWAY_EFENCED, -19);
IS(LANEWAY_EEXISTS, -20);
IS(LANEWAY_EPREDECESSOR, -21);
IS(LANEWAY_EUSER, -1000);

IS(LANEWAY_SHUTDOWN_DRAIN, 0);
IS(LANEWAY_SHUTDOWN_CANCEL, 1);

IS(LANEWAY_OUTCOME_NONE, 0);
IS(LANEWAY_OUTCOME_COMPLETED, 1);
IS(LANEWAY_OUTCOME_ROLLED_BACK, 2);
IS(LANEWAY_OUTCOME_FAILED, 3);
IS(LANEWAY_OUTCOME_DOUBLE_FAULT, 4);
IS(LANEWAY_OUTCOME_CANCELLED, 5);
IS(LANEWAY_OUTCOME_EXPIRED, 6);
IS(LANEWAY_OUTCOME_SKIPPED, 7);
IS(LANEWAY_OUTCOME_SUPERSEDED, 8);
IS(LANEWAY_OUTCOME_LOST, 9);

IS(LANEWAY_JOB_ONCE, 1);

IS(LANEWAY_JITTER_FULL, 0);
IS(LANEWAY_JITTER_NONE, 1);

IS(LANEWAY_OVERRUN_WAIT, 0);
IS(LANEWAY_OVERRUN_ABANDON, 1);

IS(LANEWAY_BACKOFF_EXPONENTIAL, 0);
IS(LANEWAY_BACKOFF_ODL, 1);

IS(LANEWAY_KEYS_ONE, 0);
IS(LANEWAY_KEYS_PREFIX, 1);
IS(LANEWAY_KEYS_ALL, 2);

IS(LANEWAY_REASON_RUNNING, 1);
IS(LANEWAY_REASON_ROLLING_BACK, 2);
IS(LANEWAY_REASON_WAITING_FOR_TOKENS, 3);
IS(LANEWAY_REASON_AWAITING, 4);
IS(LANEWAY_REASON_BACKING_OFF, 5);
IS(LANEWAY_REASON_PAUSED, 6);
IS(LANEWAY_REASON_HELD, 7);
IS(LANEWAY_REASON_QUARANTINED, 8);
IS(LANEWAY_REASON_WAITING_FOR_KEY, 9);
IS(LANEWAY_REASON_RUNS_UNDER, 10);
IS(LANEWAY_REASON_READY, 11);
IS(LANEWAY_REASON_BEHIND, 12);
IS(LANEWAY_REASON_UNSEEN, 13);
IS(LANEWAY_REASON_WAITING_FOR_OWNER, 14);

IS(LANEWAY_ON_FAILURE_CONTINUE, 0);
IS(LANEWAY_ON_FAILURE_HOLD, 1);
IS(LANEWAY_ON_FAILURE_FAIL_REST, 2);

IS(LANEWAY_ON_DOUBLE_FAULT_CONTINUE, 0);
IS(LANEWAY_ON_DOUBLE_FAULT_QUARANTINE, 1);

IS(LANEWAY_OPEN_TOKENS_AWAIT, 0);
IS(LANEWAY_OPEN_TOKENS_IGNORE, 1);

IS(LANEWAY_VERDICT_RETRY, 0);
IS(LANEWAY_VERDICT_CONFLICT, 1);
IS(LANEWAY_VERDICT_GIVE_UP, 2);

IS(LANEWAY_JOB_QUEUED, 0);
IS(LANEWAY_JOB_RUNNING, 1);
IS(LANEWAY_JOB_WAITING, 2);
IS(LANEWAY_JOB_BACKING_OFF, 3);
IS(LANEWAY_JOB_ROLLING_BACK, 4);
IS(LANEWAY_JOB_ENDED, 5);
IS(LANEWAY_JOB_OTHER, 6);

IS(LANEWAY_STORE_FILE, 0);
IS(LANEWAY_STORE_MEMORY, 1);

IS(LANEWAY_ASSIGNMENT_ALL, 0);
IS(LANEWAY_ASSIGNMENT_NONE, 1);

IS(LANEWAY_NEW_TASK_KEEP, 1);

IS(LANEWAY_TASK_ON_FAILURE_REASSIGN, 0);
IS(LANEWAY_TASK_ON_FAILURE_PARK, 1);
IS(LANEWAY_TASK_ON_FAILURE_REMOVE, 2);

IS(LANEWAY_TASK_GONE, 0);
IS(LANEWAY_TASK_UNASSIGNED, 1);
IS(LANEWAY_TASK_ASSIGNED, 2);
IS(LANEWAY_TASK_PARKED, 3);
IS(LANEWAY_TASK_ENDED, 4);
IS(LANEWAY_TASK_OTHER, 5);

IS(LANEWAY_TASK_OUTCOME_NONE, 0);
IS(LANEWAY_TASK_OUTCOME_COMPLETED, 1);
IS(LANEWAY_TASK_OUTCOME_FAILED, 2);
IS(LANEWAY_TASK_OUTCOME_CANCELLED, 3);
IS(LANEWAY_TASK_OUTCOME_REMOVED, 4);
IS(LANEWAY_TASK_OUTCOME_OTHER, 5);

IS(LANEWAY_FAILURE_RUN, 0);
IS(LANEWAY_FAILURE_START, 1);

IS(LANEWAY_EXPLANATION_OTHER, 0);
IS(LANEWAY_EXPLANATION_ASSIGNED, 1);
IS(LANEWAY_EXPLANATION_NO_SUITABLE_NODE, 2);
IS(LANEWAY_EXPLANATION_BEHIND_IN_LANE, 3);
IS(LANEWAY_EXPLANATION_BACKING_OFF, 4);
IS(LANEWAY_EXPLANATION_PARKED, 5);
IS(LANEWAY_EXPLANATION_ENDED, 6);
IS(LANEWAY_EXPLANATION_OPAQUE, 7);

IS(LANEWAY_ENDED_COMPLETED, 0);
IS(LANEWAY_ENDED_CANCELLED, 1);
IS(LANEWAY_ENDED_PANICKED, 2);

_Static_assert(sizeof(struct laneway_call) == 24, "laneway_call is an element of arrays");
AT(laneway_call, function, 0);
AT(laneway_call, user_data, 8);
AT(laneway_call, status, 16);

IS(LANEWAY_PRIORITY_NORMAL, 0);
IS(LANEWAY_PRIORITY_URGENT, 1);
IS(LANEWAY_PRIORITY_BACKGROUND, 2);

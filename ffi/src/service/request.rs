//! What can be asked of the task service. Nothing here blocks; each request has a pending answer.

use std::ffi::c_void;

use laneway::service::TaskService;
use laneway::task::{AllocationId, Command, TaskId};

use super::answer::{hand_out, laneway_pending};
use super::executor::fault;
use super::laneway_task_service;
use super::new_task::{laneway_new_task, new_task};
use crate::boundary::boundary;
use crate::convert::{Out, bytes, given, text};
use crate::error::{Failure, Report};
use crate::handle::borrow;
use crate::options;
use crate::status::laneway_status;

/// What every request about one task begins with: where the answer goes, the service, the id.
///
/// # Safety
/// `service` is NULL or a service that the caller has a reference to; `id` is readable for `id_len`
/// bytes; `out` is NULL or writable.
unsafe fn about<'a>(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    out: *mut *mut laneway_pending,
) -> Result<(Out<*mut laneway_pending>, &'a TaskService, TaskId), Failure> {
    // SAFETY: the caller's contract.
    let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
    // SAFETY: the caller's contract.
    let (service, id) = unsafe { (borrow(service)?, text(id, id_len)?) };
    Ok((out, &service.tasks, TaskId::from(id)))
}

/// Starts a task. The answer means that its record is durable. Starting the same task again finds
/// the record that is there: `created` is 0 in its view.
///
/// Starts of one thread are committed in the order of the calls, which is the order of their lane.
///
/// @param[out] out  answers `LANEWAY_ENOTFOUND` for a name that is not registered here,
///                  `LANEWAY_EINVAL` for params that its executor refuses, `LANEWAY_EEXISTS` for an
///                  id that is taken by another request, `LANEWAY_EFULL`; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `task`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `task` was filled by
/// `laneway_new_task_init`, and its pointers are readable for their lengths; `out` is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_start(
    service: *mut laneway_task_service,
    task: *const laneway_new_task,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let (service, task) = unsafe { (borrow(service)?, options::read(task)?) };
        // SAFETY: the caller's contract.
        Ok(hand_out(out, service.tasks.start(unsafe { new_task(&task) }?)))
    })
}

/// The end of a task: answered when it is durable, at once if it already is.
///
/// @param[out] out  answers `LANEWAY_ENOTFOUND` if neither the task nor a trace of it is there.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_end_of(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        Ok(hand_out(out, service.end_of(id)))
    })
}

/// Removes a task's record, in whatever phase it is. If it runs, its executor is told to stop.
///
/// @param[out] out  answers the last record, or `LANEWAY_ENOTFOUND`; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_remove(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        Ok(hand_out(out, service.remove(id)))
    })
}

/// Ends a task as cancelled: at once if it is not running, else when its executor stops, at the
/// latest after `grace_ns`.
///
/// @param[out] out  answers when the request is durable, not when the task has ended; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_cancel(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    grace_ns: u64,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        Ok(hand_out(out, service.cancel(id, given(grace_ns).unwrap_or_default())))
    })
}

/// Lets a parked task, or one that pauses after a failure, be assigned again now.
///
/// @param[out] out  answers `LANEWAY_EBUSY` if it is neither; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_resume(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        Ok(hand_out(out, service.resume(id)))
    })
}

/// Completes a task on behalf of its executor.
///
/// @param allocation  the one under which it runs; any other answers `LANEWAY_EFENCED`, and nothing
///                    changes.
/// @param[out] out  may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id` and `result`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
/// `result` is readable for `result_len` bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_complete(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    allocation: u64,
    result: *const c_void,
    result_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        // SAFETY: the caller's contract.
        let result = unsafe { bytes(result, result_len) }?.into();
        let allocation = AllocationId(allocation);
        Ok(hand_out(out, service.command(Command::Complete { id, allocation, result })))
    })
}

/// Reports a failed attempt of a task on behalf of its executor.
///
/// @param allocation  as for `laneway_task_service_complete`.
/// @param kind  one of `enum laneway_failure_kind`.
/// @param[out] out  may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id` and `message`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` and `message` are UTF-8 of their
/// lengths; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_fail(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    allocation: u64,
    kind: u32,
    message: *const c_void,
    message_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        // SAFETY: the caller's contract.
        let failure = unsafe { fault(kind, message, message_len) }?;
        let allocation = AllocationId(allocation);
        Ok(hand_out(out, service.command(Command::Fail { id, allocation, failure })))
    })
}

/// Stores a state of a task on behalf of its executor.
///
/// @param allocation  as for `laneway_task_service_complete`.
/// @param[out] out  may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `id` and `state`; the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
/// `state` is readable for `state_len` bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_update_state(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    allocation: u64,
    state: *const c_void,
    state_len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (out, service, id) = unsafe { about(service, id, id_len, out) }?;
        // SAFETY: the caller's contract.
        let value = unsafe { bytes(state, state_len) }?.into();
        let allocation = AllocationId(allocation);
        Ok(hand_out(out, service.command(Command::UpdateState { id, allocation, value })))
    })
}

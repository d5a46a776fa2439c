//! Completions: the end of a task that comes after its executor has returned, from any thread.

use std::ffi::c_void;

use laneway::service::Completion;

use super::answer::{hand_out, laneway_pending};
use super::executor::fault;
use super::record::{laneway_task_view, view_of_record};
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, bytes, required};
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, Unique, borrow, free, take};
use crate::options;
use crate::pool::laneway_work_fn;
use crate::status::laneway_code::LANEWAY_OK;
use crate::status::laneway_status;

/// The right and the duty to report the end of one run. Unique: ended once, by
/// `laneway_completion_complete`, `laneway_completion_fail`, `laneway_completion_hand_back` or
/// `laneway_completion_free`.
pub struct laneway_completion {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_completion {
    type Inner = Completion;
}

impl Unique for laneway_completion {}

/// Reads the record of the task as of its assignment.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows both; the views in `*view` live as long as `completion`.
///
/// # Safety
///
/// `completion` was not ended; `view` was filled by `laneway_task_view_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_read(
    completion: *const laneway_completion,
    view: *mut laneway_task_view,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let completion = unsafe { borrow(completion) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(view, &view_of_record(completion.record())) }?;
        Ok(LANEWAY_OK.status())
    })
}

/// Whether the work should stop: the task was cancelled or removed, or the service ends.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `completion`.
///
/// # Safety
///
/// `completion` is NULL or was not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_is_cancelled(
    completion: *const laneway_completion,
) -> bool {
    boundary_or(false, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(completion) }.is_ok_and(|completion| completion.is_cancelled())
    })
}

/// Calls `function` on a worker when the work should stop; soon if it should already. If the run
/// ends first, it may never be called.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `completion`; consumes `user_data` on every path: `drop` runs once, after
/// `function` or instead.
///
/// # Safety
///
/// `completion` was not ended; `function` may be called once with `user_data`, then `drop`, on any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_on_cancel(
    completion: *const laneway_completion,
    function: laneway_work_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let completion = unsafe { borrow(completion) }?;
        let function = required(function)?;
        // SAFETY: called once, by the caller's contract.
        completion.on_cancel(move || unsafe { function(user_data.pointer()) });
        Ok(LANEWAY_OK.status())
    })
}

/// Stores a state that a later run begins from, as `laneway_task_context_checkpoint` does.
///
/// @param[out] out  answers `LANEWAY_EFENCED` if the task is no longer this run's: stop; may be
///                  NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `completion`, copies `state`; the caller owns `*out`.
///
/// # Safety
///
/// `completion` was not ended; `state` is readable for `len` bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_checkpoint(
    completion: *const laneway_completion,
    state: *const c_void,
    len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let (completion, state) = unsafe { (borrow(completion)?, bytes(state, len)?) };
        Ok(hand_out(out, completion.checkpoint(state)))
    })
}

/// The task is complete.
///
/// @param[out] out  answers when that is durable: until then a crash runs the task again;
///                  `LANEWAY_EFENCED` if the task was no longer this run's; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `completion` on every path, copies `result`; the caller owns `*out`.
///
/// # Safety
///
/// `completion` is NULL or was not ended, and is not used again; `result` is readable for `len`
/// bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_complete(
    completion: *mut laneway_completion,
    result: *const c_void,
    len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (completion, out) = unsafe { taken(completion, out) }?;
        // SAFETY: the caller's contract.
        let result = unsafe { bytes(result, len) }?;
        Ok(hand_out(out, completion.complete(result)))
    })
}

/// The run has failed; the task's policy decides what follows.
///
/// @param kind  one of `enum laneway_failure_kind`.
/// @param[out] out  as for `laneway_completion_complete`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `completion` on every path, copies `message`; the caller owns `*out`.
///
/// # Safety
///
/// `completion` is NULL or was not ended, and is not used again; `message` is UTF-8 of `len` bytes;
/// `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_fail(
    completion: *mut laneway_completion,
    kind: u32,
    message: *const c_void,
    len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (completion, out) = unsafe { taken(completion, out) }?;
        // SAFETY: the caller's contract.
        let fault = unsafe { fault(kind, message, len) }?;
        Ok(hand_out(out, completion.fail(fault)))
    })
}

/// The run stops without an end: the task waits to be assigned again, and no failure is counted. If
/// it was asked to cancel, it has ended as cancelled.
///
/// @param[out] out  as for `laneway_completion_complete`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `completion`; the caller owns `*out`.
///
/// # Safety
///
/// `completion` is NULL or was not ended, and is not used again; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_hand_back(
    completion: *mut laneway_completion,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (completion, out) = unsafe { taken(completion, out) }?;
        Ok(hand_out(out, completion.hand_back()))
    })
}

/// The completion that a call consumes, and where its answer goes.
///
/// # Safety
/// As for [`laneway_completion_complete`].
unsafe fn taken(
    completion: *mut laneway_completion,
    out: *mut *mut laneway_pending,
) -> Result<(Completion, Out<*mut laneway_pending>), Failure> {
    // SAFETY: the caller's contract.
    let (completion, out) = unsafe { (take(completion), Out::optional(out, std::ptr::null_mut())) };
    let completion = completion.ok_or_else(|| Failure::invalid("completion is NULL"))?;
    Ok((completion, out))
}

/// Gives `completion` up without a report: the run has failed. NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `completion`.
///
/// # Safety
///
/// `completion` is NULL or was not ended, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_completion_free(completion: *mut laneway_completion) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(completion) });
}

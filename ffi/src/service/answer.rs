//! Answers that come with a commit.
//!
//! All requests are answered alike: by what is then known of the task they are about (`record.rs`).
//! A pending answer is unique; waiting leaves it where it is, so that it can be asked again.

use std::ffi::c_void;
use std::time::Duration;

use laneway::service::{Pending, TaskError};

use super::record::{Known, laneway_task};
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, limit_or_ages, required};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::{Handle, Opaque, Unique, borrow, free, give, take};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// An answer that comes when the change is durable. Unique: ended once, by `laneway_pending_free`
/// or `laneway_pending_on_done`; the request stands either way.
pub struct laneway_pending {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_pending {
    type Inner = Box<dyn Awaited>;
}

impl Unique for laneway_pending {}

/// Called once with the answer, on a worker. `task` is borrowed, and NULL for a failure; `error` is
/// borrowed, and NULL without one.
pub type laneway_answer_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        status: laneway_status,
        task: *const laneway_task,
        error: *const laneway_error,
    ),
>;

/// A pending answer, whatever it was asked by.
pub(crate) trait Awaited: Send {
    /// The answer, if it comes in time.
    fn wait(&self, timeout: Duration) -> Option<Result<Known, TaskError>>;
    /// Whether it is there.
    fn is_done(&self) -> bool;
    /// Hands it to `call`, on a worker.
    fn on_done(self: Box<Self>, call: Box<dyn FnOnce(Result<Known, TaskError>) + Send>);
}

impl<T: Into<Known> + 'static> Awaited for Pending<T> {
    fn wait(&self, timeout: Duration) -> Option<Result<Known, TaskError>> {
        Some(self.wait_timeout(timeout)?.map(Into::into))
    }

    fn is_done(&self) -> bool {
        Pending::is_done(self)
    }

    fn on_done(self: Box<Self>, call: Box<dyn FnOnce(Result<Known, TaskError>) + Send>) {
        Pending::on_done(*self, move |answer| call(answer.map(Into::into)));
    }
}

/// Hands `pending` out, or lets the request go its way if nobody asked for the answer.
pub(super) fn hand_out<T: Into<Known> + 'static>(
    out: Out<*mut laneway_pending>,
    pending: Pending<T>,
) -> laneway_status {
    if out.is_wanted() {
        out.set(give(Box::new(pending) as Box<dyn Awaited>));
    }
    LANEWAY_OK.status()
}

/// Waits for the answer. May be called again.
///
/// @param[out] out  what is then known of the task; may be NULL.
/// @param[out] err  why the request failed; may be NULL.
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself;
///         `LANEWAY_ENOTFOUND`, `LANEWAY_EEXISTS`, `LANEWAY_EFENCED`, `LANEWAY_EFULL`,
///         `LANEWAY_EBUSY`, `LANEWAY_EIO`, `LANEWAY_ESHUTDOWN` as the request was answered.
///
/// Threads: any, also at the same time.
/// Blocks: up to `timeout_ns`.
/// In callbacks: allowed; a worker counts as blocked.
/// Ownership: borrows `pending`; the caller owns `*out` and `*err`.
///
/// # Safety
///
/// `pending` was not ended; `out` and `err` are writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pending_wait(
    pending: *const laneway_pending,
    timeout_ns: u64,
    out: *mut *mut laneway_task,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let pending = unsafe { borrow(pending) }?;
        let answer = pending.wait(limit_or_ages(timeout_ns));
        let late = || Failure::new(LANEWAY_ETIMEDOUT, "the answer is not there yet");
        let known = answer.ok_or_else(late)??;
        if out.is_wanted() {
            out.set(give(known));
        }
        Ok(LANEWAY_OK.status())
    })
}

/// Whether the answer is there.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `pending`.
///
/// # Safety
///
/// `pending` is NULL or was not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pending_is_done(pending: *const laneway_pending) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(pending) }.is_ok_and(|pending| pending.is_done()))
}

/// Calls `function` with the answer, on a worker, as work of its own.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `pending`, and `user_data` on every path: `drop` runs once, after `function`
/// or instead.
///
/// # Safety
///
/// `pending` is NULL or was not ended, and is not used again; `function` may be called once with
/// `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pending_on_done(
    pending: *mut laneway_pending,
    function: laneway_answer_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let (user_data, pending) = unsafe { (UserData::owned(user_data, drop), take(pending)) };
    boundary(Report::NONE, || {
        let pending = pending.ok_or_else(|| Failure::invalid("pending is NULL"))?;
        let function = required(function)?;
        pending.on_done(Box::new(move |answer| {
            let (status, task, error) = match answer {
                Ok(known) => (LANEWAY_OK.status(), give(known), std::ptr::null_mut()),
                Err(error) => {
                    let failure = Failure::from(error);
                    (failure.status(), std::ptr::null_mut(), give(failure))
                }
            };
            // SAFETY: called once, by the caller's contract; both handles were made above and are
            // freed after the call.
            unsafe {
                function(user_data.pointer(), status, task, error);
                free::<laneway_task>(task);
                free::<laneway_error>(error);
            }
        }));
        Ok(LANEWAY_OK.status())
    })
}

/// Frees `pending`; the request stands. NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `pending`.
///
/// # Safety
///
/// `pending` is NULL or was not ended, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pending_free(pending: *mut laneway_pending) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(pending) });
}

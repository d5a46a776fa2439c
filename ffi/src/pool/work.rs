//! Detached work, awaited work and timers.

use std::ffi::c_void;

use laneway::pool::{Handle as Awaited, Timer};

use super::control::check_fork;
use super::{laneway_call_fn, laneway_pool};
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, given, limit_or_ages, required};
use crate::error::Report;
use crate::handle::{Handle, Opaque, Unique, borrow, borrow_mut, free, give};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// Work that nobody waits for.
pub type laneway_work_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// Submitted work. Unique: freed once, by `laneway_work_free`; that detaches the work.
pub struct laneway_work {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_work {
    type Inner = Submitted;
}

impl Unique for laneway_work {}

/// The handle of submitted work, and its status once that was taken.
pub(crate) struct Submitted {
    awaited: Awaited<laneway_status>,
    ended: Option<laneway_status>,
}

/// Work that waits for its time. Unique: freed once, by `laneway_timer_free`; the timer still
/// fires.
pub struct laneway_timer {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_timer {
    type Inner = Timer;
}

impl Unique for laneway_timer {}

/// Runs `function` on a worker, some time. After a shutdown it never runs.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `user_data` on every path: `drop` runs once, after `function` or instead.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `function` may be called once with
/// `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_spawn(
    pool: *mut laneway_pool,
    function: laneway_work_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let function = required(function)?;
        check_fork(pool)?;
        // SAFETY: called once, by the caller's contract.
        pool.spawn(move || unsafe { function(user_data.pointer()) });
        Ok(LANEWAY_OK.status())
    })
}

/// Runs `function` on a worker; `*out` waits for its status.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
/// `function` or instead of it.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
/// once with `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_submit(
    pool: *mut laneway_pool,
    function: laneway_call_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_work,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let function = required(function)?;
        check_fork(pool)?;
        // SAFETY: called once, by the caller's contract.
        let awaited = pool.submit(move || unsafe { function(user_data.pointer()) });
        out.set(give(Submitted { awaited, ended: None }));
        Ok(LANEWAY_OK.status())
    })
}

/// Waits for the status of submitted work. May be called again.
///
/// @param[out] result  what the function returned; `LANEWAY_ECANCELED` if it never will; may be
///                     NULL.
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself.
///
/// Threads: any, one at a time.
/// Blocks: up to `timeout_ns`.
/// In callbacks: allowed; work that has not started is run by its waiter.
/// Ownership: borrows `work`.
///
/// # Safety
///
/// `work` is not freed and not used by another thread meanwhile; `result` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_work_wait(
    work: *mut laneway_work,
    timeout_ns: u64,
    result: *mut laneway_status,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let result = unsafe { Out::optional(result, LANEWAY_OK.status()) };
        // SAFETY: the caller's contract.
        let work = unsafe { borrow_mut(work) }?;
        if work.ended.is_none() {
            if !work.awaited.wait_timeout(limit_or_ages(timeout_ns))? {
                return Ok(LANEWAY_ETIMEDOUT.status());
            }
            let taken = work.awaited.try_take().expect("it has ended and was not taken");
            work.ended = Some(taken.unwrap_or(LANEWAY_ECANCELED.status()));
        }
        result.set(work.ended.expect("set above or by an earlier call"));
        Ok(LANEWAY_OK.status())
    })
}

/// Whether submitted work has ended, in whatever way.
///
/// Threads: any, one at a time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `work`.
///
/// # Safety
///
/// `work` is NULL or is not freed, and not used by another thread meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_work_is_done(work: *const laneway_work) -> bool {
    boundary_or(false, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(work) }.is_ok_and(|work| work.ended.is_some() || work.awaited.is_done())
    })
}

/// Cancels submitted work that has not started.
///
/// @return `LANEWAY_EALREADY` if it has.
///
/// Threads: any, one at a time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `work`.
///
/// # Safety
///
/// `work` is not freed and not used by another thread meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_work_cancel(work: *mut laneway_work) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let work = unsafe { borrow_mut(work) }?;
        Ok(if work.awaited.cancel() { LANEWAY_OK } else { LANEWAY_EALREADY }.status())
    })
}

/// Frees `work` and detaches what it stands for; NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `work`.
///
/// # Safety
///
/// `work` is NULL or not yet freed, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_work_free(work: *mut laneway_work) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(work) });
}

/// Runs `function` on a worker after `delay_ns`.
///
/// @param[out] out  cancels it; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
/// `function` or instead of it.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` is NULL or writable; `function` may be
/// called once with `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_schedule_after(
    pool: *mut laneway_pool,
    delay_ns: u64,
    function: laneway_work_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_timer,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let function = required(function)?;
        check_fork(pool)?;
        let delay = given(delay_ns).unwrap_or_default();
        // SAFETY: called once, by the caller's contract.
        let timer = pool.schedule_after(delay, move || unsafe { function(user_data.pointer()) });
        if out.is_wanted() {
            out.set(give(timer));
        }
        Ok(LANEWAY_OK.status())
    })
}

/// Cancels a timer that has not fired.
///
/// @return `LANEWAY_EALREADY` if it has, or was cancelled before.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `timer`; the `drop` of its work runs before this returns.
///
/// # Safety
///
/// `timer` is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_timer_cancel(timer: *const laneway_timer) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let timer = unsafe { borrow(timer) }?;
        Ok(if timer.cancel() { LANEWAY_OK } else { LANEWAY_EALREADY }.status())
    })
}

/// Whether a timer has fired or was cancelled.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `timer`.
///
/// # Safety
///
/// `timer` is NULL or is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_timer_is_over(timer: *const laneway_timer) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(timer) }.is_ok_and(Timer::is_over))
}

/// Frees `timer`; it still fires. NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `timer`.
///
/// # Safety
///
/// `timer` is NULL or not yet freed, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_timer_free(timer: *mut laneway_timer) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(timer) });
}

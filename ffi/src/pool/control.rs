//! Control of a pool: threads that block, its parallelism, classes of work, repetitions, forks.

use std::ffi::c_void;

use laneway::pool::{Pool, PoolError, Priority, Repetition};

use super::{laneway_call_fn, laneway_pool, laneway_work_fn};
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, limit_or_ages, required};
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, Unique, borrow, free, give};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// Which work is taken first.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_priority {
    /// What is not said to be another.
    LANEWAY_PRIORITY_NORMAL = 0,
    /// Before all other work.
    LANEWAY_PRIORITY_URGENT = 1,
    /// When there is nothing else, but at least one in 64.
    LANEWAY_PRIORITY_BACKGROUND = 2,
}

use laneway_priority::*;

/// Work that is run again and again. Unique: freed once, by `laneway_repetition_free`; the
/// repetition goes on.
pub struct laneway_repetition {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_repetition {
    type Inner = Repetition;
}

impl Unique for laneway_repetition {}

/// Refuses a pool of the process that this one was forked from.
pub(super) fn check_fork(pool: &Pool) -> Result<(), Failure> {
    if pool.is_forked() { Err(PoolError::Forked.into()) } else { Ok(()) }
}

/// Calls `function`, which may block, while another thread works instead of this one.
///
/// @return what `function` returned.
///
/// Threads: any; on a thread that is no worker of `pool` it only calls `function`.
/// Blocks: as long as `function` does.
/// In callbacks: allowed; meant for them.
/// Ownership: `user_data` is borrowed until the call returns.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `function` may be called once with
/// `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_blocking(
    pool: *mut laneway_pool,
    function: laneway_call_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let function = required(function)?;
        // SAFETY: called once, by the caller's contract.
        Ok(pool.blocking(|| unsafe { function(user_data) }))
    })
}

/// How many workers the pool keeps at work; 0 for NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `pool`.
///
/// # Safety
///
/// `pool` is NULL or a pool that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_parallelism(pool: *const laneway_pool) -> u32 {
    boundary_or(0, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(pool) }.map_or(0, |pool| u32::try_from(pool.workers()).unwrap_or(u32::MAX))
    })
}

/// Changes how many workers the pool keeps at work. Workers over the new number end what they are
/// running first.
///
/// @return `LANEWAY_EINVAL` for 0 or more than the pool has room for; `LANEWAY_ENOMEM` if the system
///         refuses a thread: the number is set, and the thread is started when it can be.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `pool`.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_set_parallelism(
    pool: *mut laneway_pool,
    workers: u32,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        pool.set_parallelism(workers as usize)?;
        Ok(LANEWAY_OK.status())
    })
}

/// As `laneway_pool_spawn`, in a class.
///
/// @param priority  a `laneway_priority`.
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
pub unsafe extern "C" fn laneway_pool_spawn_at(
    pool: *mut laneway_pool,
    priority: i32,
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
        pool.spawn_at(class(priority)?, move || unsafe { function(user_data.pointer()) });
        Ok(LANEWAY_OK.status())
    })
}

fn class(priority: i32) -> Result<Priority, Failure> {
    const NORMAL: i32 = LANEWAY_PRIORITY_NORMAL as i32;
    const URGENT: i32 = LANEWAY_PRIORITY_URGENT as i32;
    const BACKGROUND: i32 = LANEWAY_PRIORITY_BACKGROUND as i32;
    match priority {
        NORMAL => Ok(Priority::Normal),
        URGENT => Ok(Priority::Urgent),
        BACKGROUND => Ok(Priority::Background),
        _ => Err(Failure::invalid("priority: none of laneway_priority")),
    }
}

/// Runs `function` on a worker after `delay_ns`, and from then on once in every `period_ns`. Runs
/// never overlap; beats that pass while it runs are left out.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, when the
/// repetition is over.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
/// with `user_data` on any thread, then `drop` once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_schedule_at_fixed_rate(
    pool: *mut laneway_pool,
    delay_ns: u64,
    period_ns: u64,
    function: laneway_work_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_repetition,
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
        let (delay, period) = (limit_or_ages(delay_ns), limit_or_ages(period_ns));
        // SAFETY: called one at a time, by the caller's contract.
        let f = move || unsafe { function(user_data.pointer()) };
        out.set(give(pool.schedule_at_fixed_rate(delay, period, f)));
        Ok(LANEWAY_OK.status())
    })
}

/// As `laneway_pool_schedule_at_fixed_rate`, with `pause_ns` between the end of a run and the next.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, when the
/// repetition is over.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` is writable; `function` may be called
/// with `user_data` on any thread, then `drop` once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_schedule_with_fixed_delay(
    pool: *mut laneway_pool,
    delay_ns: u64,
    pause_ns: u64,
    function: laneway_work_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_repetition,
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
        let (delay, pause) = (limit_or_ages(delay_ns), limit_or_ages(pause_ns));
        // SAFETY: called one at a time, by the caller's contract.
        let f = move || unsafe { function(user_data.pointer()) };
        out.set(give(pool.schedule_with_fixed_delay(delay, pause, f)));
        Ok(LANEWAY_OK.status())
    })
}

/// Ends a repetition: no other run begins. A run that is under way ends as it would have.
///
/// @return `LANEWAY_EALREADY` if it was over.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed, also from its own function.
/// Ownership: borrows `repetition`.
///
/// # Safety
///
/// `repetition` is not freed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_repetition_cancel(
    repetition: *const laneway_repetition,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let repetition = unsafe { borrow(repetition) }?;
        Ok(if repetition.cancel() { LANEWAY_OK } else { LANEWAY_EALREADY }.status())
    })
}

/// Frees `repetition`, which goes on; NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `repetition`.
///
/// # Safety
///
/// `repetition` is NULL or not yet freed, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_repetition_free(repetition: *mut laneway_repetition) {
    boundary_or((), || {
        // SAFETY: the caller's contract.
        unsafe { free(repetition) };
    });
}

/// Whether this process was forked from the one that built the pool: calls that can fail answer
/// `LANEWAY_EFORKED` then, and `laneway_pool_join` and scopes run on the calling thread alone.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `pool`.
///
/// # Safety
///
/// `pool` is NULL or a pool that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_is_forked(pool: *const laneway_pool) -> bool {
    boundary_or(false, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(pool) }.is_ok_and(Pool::is_forked)
    })
}

//! The coordinator: jobs that run in order per key and in parallel across keys.
//!
//! `job_options.rs` has a job on its way in, `job.rs` its handle, `context.rs` what its body sees,
//! `token.rs` what it waits for, `control.rs` what is done to keys, `outcome.rs` how it ended, `counters.rs` the figures.
//!
//! A coordinator is counted. Releasing it stops nothing: what was accepted still runs.

mod context;
mod control;
mod counters;
mod job;
mod job_options;
mod outcome;
mod token;

use std::ffi::c_void;

use laneway::coordinator::{Coordinator, DrainError, Key, ShutdownReport, SubmitError};

use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, bytes, laneway_bytes, limit_or_ages};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::{Counted, Handle, Opaque, borrow, release, retain, share};
use crate::options::{self, Versioned};
use crate::pool::{laneway_pool, shutdown};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

pub use context::*;
pub use control::*;
pub use counters::*;
pub use job::*;
pub use job_options::*;
pub use outcome::*;
pub use token::*;

/// Runs keyed jobs on a pool. Counted: `laneway_coordinator_retain`,
/// `laneway_coordinator_release`.
pub struct laneway_coordinator {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_coordinator {
    type Inner = Coordinator;
}

impl Counted for laneway_coordinator {}

/// How a coordinator is built. Zero means the default in every field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_coordinator_options {
    /// Set by `laneway_coordinator_options_init`.
    pub struct_size: usize,
    /// None are defined: 0.
    pub flags: u64,
}

// SAFETY: two words; integers accept any bytes.
unsafe impl Versioned for laneway_coordinator_options {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// What a shutdown of a coordinator came to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_coordinator_report {
    /// Set by `laneway_coordinator_report_init`.
    pub struct_size: usize,
    /// Jobs without an outcome yet: bodies on a worker, and what waits behind them.
    pub left: u64,
    /// Jobs that have ended as `LANEWAY_OUTCOME_LOST` since the coordinator was made.
    pub lost: u64,
}

// SAFETY: words without padding; integers accept any bytes.
unsafe impl Versioned for laneway_coordinator_report {
    const SIZE_FIRST: usize = size_of::<Self>();
}

impl<J> From<SubmitError<J>> for Failure {
    fn from(error: SubmitError<J>) -> Self {
        let code = match error {
            SubmitError::ShuttingDown(_) => LANEWAY_ESHUTDOWN,
            SubmitError::Full(_) => LANEWAY_EFULL,
            SubmitError::KeyTooLong(_) => LANEWAY_ETOOLONG,
            SubmitError::KeyCount(_) => LANEWAY_EINVAL,
            _ => LANEWAY_EUNSUPPORTED,
        };
        Self::from_error(code, &error)
    }
}

impl From<DrainError> for Failure {
    fn from(error: DrainError) -> Self {
        let code = match error {
            DrainError::WouldDeadlock => LANEWAY_EDEADLK,
            DrainError::TimedOut { .. } => LANEWAY_ETIMEDOUT,
            _ => LANEWAY_EUNSUPPORTED,
        };
        Self::from_error(code, &error)
    }
}

fn report(ended: &ShutdownReport) -> laneway_coordinator_report {
    laneway_coordinator_report {
        struct_size: size_of::<laneway_coordinator_report>(),
        left: ended.left,
        lost: ended.lost,
    }
}

/// The key at `key`, copied.
///
/// # Safety
/// As for [`bytes`].
unsafe fn key_at(key: *const c_void, key_len: usize) -> Result<Key, Failure> {
    // SAFETY: the caller's contract.
    Ok(Key::from(unsafe { bytes(key, key_len) }?))
}

/// Fills `options` with the defaults.
///
/// @param struct_size  `sizeof *options`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `options`.
///
/// # Safety
///
/// `options` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_options_init(
    options: *mut laneway_coordinator_options,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(options, struct_size) });
}

/// Clears `report` and sets its size.
///
/// @param struct_size  `sizeof *report`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `report`.
///
/// # Safety
///
/// `report` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_report_init(
    report: *mut laneway_coordinator_report,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(report, struct_size) });
}

/// Makes a coordinator on `pool`. One pool can serve many.
///
/// @param options   NULL for the defaults.
/// @param[out] out  the coordinator, with one reference for the caller.
/// @param[out] err  why it failed; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out` and `*err`; the coordinator keeps `pool` alive.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `options` is NULL or was filled by
/// `laneway_coordinator_options_init`; `out` and `err` are writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_new(
    pool: *mut laneway_pool,
    options: *const laneway_coordinator_options,
    out: *mut *mut laneway_coordinator,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        // SAFETY: the caller's contract.
        if unsafe { options::read(options) }?.flags != 0 {
            return Err(Failure::invalid("coordinator options: unknown flags"));
        }
        out.set(share(Coordinator::new(pool)));
        Ok(LANEWAY_OK.status())
    })
}

/// Adds a reference and returns `coordinator`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns one reference more.
///
/// # Safety
///
/// `coordinator` is NULL or a coordinator that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_retain(
    coordinator: *mut laneway_coordinator,
) -> *mut laneway_coordinator {
    // SAFETY: the caller's contract.
    boundary_or(coordinator, || unsafe { retain(coordinator) })
}

/// Gives a reference back. Jobs that were accepted still run; lanes that are held, and that nobody
/// could release any more, end their jobs as lost.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes one reference.
///
/// # Safety
///
/// `coordinator` is NULL or a reference that the caller owns and does not use again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_release(coordinator: *mut laneway_coordinator) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { release(coordinator) });
}

/// Appends a job to the lane of `key` and returns at once.
///
/// Jobs of one key run one at a time. If one submit returned before another was called, on whatever
/// threads, its job runs first, and what it did is visible to the next. A job may submit to its own
/// key.
///
/// @param key      any bytes, up to 64 KiB, compared by value.
/// @param options  NULL for the defaults.
/// @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
/// @param[out] err  why it was refused; may be NULL.
/// @return `LANEWAY_ESHUTDOWN`, `LANEWAY_EFULL`, `LANEWAY_ETOOLONG`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`; the caller owns `*out` and `*err`. Consumes `user_data` on every path:
/// `drop` runs once, after the last call of body, undo and classifier or instead of them. It may run
/// before or after a waiter is told.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
/// `key_len` bytes; `options` is NULL or was filled by `laneway_job_options_init`; the functions may
/// be called with `user_data`, one at a time, on any thread; `out` and `err` are writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_submit(
    coordinator: *mut laneway_coordinator,
    key: *const c_void,
    key_len: usize,
    options: *const laneway_job_options,
    body: laneway_job_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_job,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let (user_data, report) = unsafe { (UserData::owned(user_data, drop), Report::to(err)) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        // SAFETY: the caller's contract.
        let (key, options) = unsafe { (key_at(key, key_len)?, options::read(options)?) };
        let job = job_options::job(body, user_data, &options)?;
        if out.is_wanted() {
            out.set(share(coordinator.submit(key, job)?));
        } else {
            coordinator.submit_detached(key, job)?;
        }
        Ok(LANEWAY_OK.status())
    })
}

/// As `laneway_coordinator_submit`, for work of which only the latest state counts: while a job with
/// the same key and tag waits for its start, the new one takes its place, and the replaced job ends as
/// superseded. The last one submitted always runs, after its submission.
///
/// @param tag  any bytes, up to 64 KiB, compared by value.
/// @param options  NULL for the defaults.
/// @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
/// @param[out] err  why it was refused; may be NULL.
/// @return as `laneway_coordinator_submit`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: as for `laneway_coordinator_submit`; copies `tag`.
///
/// # Safety
///
/// As for `laneway_coordinator_submit`; `tag` is readable for `tag_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_submit_latest(
    coordinator: *mut laneway_coordinator,
    key: *const c_void,
    key_len: usize,
    tag: *const c_void,
    tag_len: usize,
    options: *const laneway_job_options,
    body: laneway_job_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_job,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let (user_data, report) = unsafe { (UserData::owned(user_data, drop), Report::to(err)) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        // SAFETY: the caller's contract.
        let (key, tag) = unsafe { (key_at(key, key_len)?, key_at(tag, tag_len)?) };
        // SAFETY: the caller's contract.
        let job = job_options::job(body, user_data, &unsafe { options::read(options) }?)?;
        let handle = coordinator.submit_latest(key, tag, job)?;
        if out.is_wanted() {
            out.set(share(handle));
        }
        Ok(LANEWAY_OK.status())
    })
}

/// As `laneway_coordinator_submit`, for a job that holds several keys at once: no other job of any of
/// them runs meanwhile. Such jobs never deadlock. Keys that are given twice count once.
///
/// @param keys   the keys; the first one is that of `laneway_job_key`.
/// @param count  how many: 1 to 16 different ones.
/// @param options  NULL for the defaults.
/// @param[out] out  the job, with one reference for the caller; NULL if nobody will look at it.
/// @param[out] err  why it was refused; may be NULL.
/// @return as `laneway_coordinator_submit`; `LANEWAY_EINVAL` for no key, or too many.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: as for `laneway_coordinator_submit`; copies the keys.
///
/// # Safety
///
/// As for `laneway_coordinator_submit`; `keys` is readable for `count` elements, and each of them for
/// its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_submit_multi(
    coordinator: *mut laneway_coordinator,
    keys: *const laneway_bytes,
    count: usize,
    options: *const laneway_job_options,
    body: laneway_job_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_job,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let (user_data, report) = unsafe { (UserData::owned(user_data, drop), Report::to(err)) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        if keys.is_null() || count == 0 {
            return Err(Failure::invalid("no key"));
        }
        // SAFETY: readable by the caller's contract, and not null.
        let keys = unsafe { std::slice::from_raw_parts(keys, count) };
        let key = |key: &laneway_bytes| {
            // SAFETY: the caller's contract.
            unsafe { key_at(key.ptr.cast(), key.len) }
        };
        let keys = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller's contract.
        let job = job_options::job(body, user_data, &unsafe { options::read(options) }?)?;
        let handle = coordinator.submit_multi(keys, job)?;
        if out.is_wanted() {
            out.set(share(handle));
        }
        Ok(LANEWAY_OK.status())
    })
}

/// Lets a lane go on that a failed job has stopped; no effect on a lane that is not held.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
/// `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_release_key(
    coordinator: *mut laneway_coordinator,
    key: *const c_void,
    key_len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        // SAFETY: the caller's contract.
        coordinator.release(unsafe { key_at(key, key_len) }?);
        Ok(LANEWAY_OK.status())
    })
}

/// Waits until every job submitted before the call has its outcome.
///
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` on a worker of the pool.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`.
/// In callbacks: answers `LANEWAY_EDEADLK`.
/// Ownership: borrows `coordinator`.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_drain(
    coordinator: *mut laneway_coordinator,
    timeout_ns: u64,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        coordinator.drain(limit_or_ages(timeout_ns))?;
        Ok(LANEWAY_OK.status())
    })
}

/// As `laneway_coordinator_drain`, for the jobs of one key.
///
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` on a worker of the pool.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`.
/// In callbacks: answers `LANEWAY_EDEADLK`.
/// Ownership: borrows `coordinator`, copies `key`.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
/// `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_drain_key(
    coordinator: *mut laneway_coordinator,
    key: *const c_void,
    key_len: usize,
    timeout_ns: u64,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        // SAFETY: the caller's contract.
        coordinator.drain_key(unsafe { key_at(key, key_len) }?, limit_or_ages(timeout_ns))?;
        Ok(LANEWAY_OK.status())
    })
}

/// Ends the coordinator, not its pool. Nothing is accepted any more; every job gets its outcome.
///
/// @param how          one of `enum laneway_shutdown`: drain runs what was accepted, cancel stops
///                     and undoes it.
/// @param[out] report  what was left; may be NULL.
/// @return `LANEWAY_ETIMEDOUT` if jobs are left that have no outcome yet; they get it when their
///         bodies return. `LANEWAY_EDEADLK` on a worker of the pool.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`, and a little for the last jobs to be told.
/// In callbacks: starts the end and answers `LANEWAY_EDEADLK`.
/// Ownership: borrows `coordinator`; the reference still has to be released.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `report` is NULL or was filled
/// by `laneway_coordinator_report_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_shutdown(
    coordinator: *mut laneway_coordinator,
    how: u32,
    timeout_ns: u64,
    report: *mut laneway_coordinator_report,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        let ended = coordinator.shutdown(shutdown(how)?, limit_or_ages(timeout_ns))?;
        if !report.is_null() {
            // SAFETY: the caller's contract.
            unsafe { options::write(report, &self::report(&ended)) }?;
        }
        Ok(if ended.complete { LANEWAY_OK } else { LANEWAY_ETIMEDOUT }.status())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_refusal_has_its_own_status() {
        let status = |error: SubmitError<()>| Failure::from(error).status();
        assert_eq!(status(SubmitError::ShuttingDown(())), LANEWAY_ESHUTDOWN.status());
        assert_eq!(status(SubmitError::Full(())), LANEWAY_EFULL.status());
        assert_eq!(status(SubmitError::KeyTooLong(())), LANEWAY_ETOOLONG.status());
    }

    #[test]
    fn a_drain_that_ends_early_says_why() {
        let timed_out = DrainError::TimedOut { timeout: Duration::ZERO };
        assert_eq!(Failure::from(timed_out).status(), LANEWAY_ETIMEDOUT.status());
        assert_eq!(Failure::from(DrainError::WouldDeadlock).status(), LANEWAY_EDEADLK.status());
    }
}

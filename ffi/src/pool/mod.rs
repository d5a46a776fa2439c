//! The pool: its handle, options and end. `fork.rs` has join and scope, `work.rs` the rest.
//!
//! A pool is counted. Giving the last reference back only signals: what was posted still runs,
//! then the threads end by themselves. Hosts that must not leave threads behind at exit call
//! `laneway_pool_shutdown` first.

mod broadcast;
mod completion;
mod control;
mod fork;
mod region;
mod work;

use std::ffi::c_void;
use std::sync::Arc;

use laneway::pool::{
    Pool, PoolConfig, PoolCounters, PoolError, Report as Ended, Shutdown, ThreadHook,
};

use crate::boundary::{boundary, boundary_or};
use crate::callback::UserData;
use crate::convert::{Out, given, limit_or_ages, text};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::{Counted, Handle, Opaque, borrow, release, retain, share};
use crate::options::{self, Versioned};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

pub use broadcast::*;
pub use completion::*;
pub use control::*;
pub use fork::*;
pub use region::*;
pub use work::*;

/// A pool of worker threads. Counted: `laneway_pool_retain`, `laneway_pool_release`.
pub struct laneway_pool {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_pool {
    type Inner = Pool;
}

impl Counted for laneway_pool {}

/// Called on a worker thread, when it starts or ends; several at the same time.
pub type laneway_thread_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, worker: usize)>;

/// How a pool is built. Zero and NULL mean the default in every field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_pool_options {
    /// Set by `laneway_pool_options_init`.
    pub struct_size: usize,
    /// None are defined: 0.
    pub flags: u64,
    /// Worker threads. Default: what the CPU affinity and the cgroup quota grant.
    pub workers: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of stack of each worker. Default: 2 MiB.
    pub stack_size: usize,
    /// How long a helper thread without work stays. Default: 10 seconds.
    pub keep_alive_ns: u64,
    /// Threads are called `name-0`, `name-1`, ...; UTF-8. Default: `laneway`.
    pub name: *const c_void,
    /// Bytes of `name`.
    pub name_len: usize,
    /// Threads over `workers` that may be there while workers block. Default: 256.
    pub max_blocking: u64,
    /// How many events each worker keeps for `laneway_pool_write_trace`, 8 bytes each. Default:
    /// none.
    pub trace_events: u64,
    /// Called on each worker thread before its first piece of work.
    pub thread_start: laneway_thread_fn,
    /// Called on each worker thread after its last piece of work.
    pub thread_exit: laneway_thread_fn,
    /// Passed to both. Borrowed until the threads of the pool have ended.
    pub hooks_user_data: *mut c_void,
}

// SAFETY: words and pairs of half words, without padding; integers and pointers accept any bytes.
unsafe impl Versioned for laneway_pool_options {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// What a pool has done so far. The figures fit together only while the pool is quiescent.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_pool_counters {
    /// Set by `laneway_pool_counters_init`.
    pub struct_size: usize,
    /// Worker threads that live.
    pub workers: u64,
    /// Workers that are not asleep.
    pub active: u64,
    /// Workers that wait inside work.
    pub blocked: u64,
    /// Detached work, visits of lanes included, that waits for a worker.
    pub queued: u64,
    /// Work run by workers.
    pub run: u64,
    /// Work taken from another worker.
    pub steals: u64,
    /// Join frames shown to thieves.
    pub promotions: u64,
    /// Times a worker went to sleep.
    pub parks: u64,
    /// Times a worker was woken by another thread.
    pub wakes: u64,
    /// Panics that nobody joined.
    pub panics: u64,
    /// An estimate of what is there to be taken beyond one piece for each idle worker.
    pub surplus: u64,
    /// Threads that worked while others were blocked and now wait.
    pub benched: u64,
    /// Times that a worker blocked and no thread could take its place.
    pub uncompensated: u64,
    /// Times the system refused a thread.
    pub threads_refused: u64,
    /// Detached work that was abandoned because the pool ended.
    pub abandoned: u64,
}

// SAFETY: words without padding; integers accept any bytes.
unsafe impl Versioned for laneway_pool_counters {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// What a shutdown left behind.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_pool_report {
    /// Set by `laneway_pool_report_init`.
    pub struct_size: usize,
    /// Threads that have ended and were joined, by any call so far.
    pub joined: u64,
    /// Threads that had not ended when the time was over.
    pub running: u64,
    /// Work that never ran.
    pub left: u64,
    /// Timers that never fired.
    pub timers: u64,
}

// SAFETY: words without padding; integers accept any bytes.
unsafe impl Versioned for laneway_pool_report {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// How a pool ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_shutdown {
    /// Run what was posted, and what that posts; then end.
    LANEWAY_SHUTDOWN_DRAIN = 0,
    /// Finish what is running; abandon the rest.
    LANEWAY_SHUTDOWN_CANCEL = 1,
}

use laneway_shutdown::{LANEWAY_SHUTDOWN_CANCEL, LANEWAY_SHUTDOWN_DRAIN};

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        let code = match error {
            PoolError::Config { .. } => LANEWAY_EINVAL,
            PoolError::Spawn { .. } => LANEWAY_ENOMEM,
            PoolError::Cancelled => LANEWAY_ECANCELED,
            PoolError::Taken => LANEWAY_EALREADY,
            PoolError::WouldDeadlock => LANEWAY_EDEADLK,
            PoolError::Forked => LANEWAY_EFORKED,
            PoolError::GlobalExists => LANEWAY_EEXISTS,
            _ => LANEWAY_EUNSUPPORTED,
        };
        Self::from_error(code, &error)
    }
}

/// The configuration that `options` ask for.
fn config(options: &laneway_pool_options) -> Result<PoolConfig, Failure> {
    if options.flags != 0 || options.reserved != 0 {
        return Err(Failure::invalid("pool options: unknown flags"));
    }
    let mut config = PoolConfig::default();
    if options.workers != 0 {
        config.workers = options.workers as usize;
    }
    if options.stack_size != 0 {
        config.stack_size = Some(options.stack_size);
    }
    config.keep_alive = given(options.keep_alive_ns).unwrap_or(config.keep_alive);
    // SAFETY: readable by the contract of `laneway_pool_new`.
    let name = unsafe { text(options.name, options.name_len) }?;
    if !name.is_empty() {
        config.name = name.to_owned();
    }
    if options.max_blocking != 0 {
        config.max_blocking = usize::try_from(options.max_blocking).unwrap_or(usize::MAX);
    }
    config.trace_events = usize::try_from(options.trace_events).unwrap_or(usize::MAX);
    config.thread_start = hook(options.thread_start, options.hooks_user_data);
    config.thread_exit = hook(options.thread_exit, options.hooks_user_data);
    Ok(config)
}

/// A hook of the options.
fn hook(function: laneway_thread_fn, user_data: *mut c_void) -> Option<ThreadHook> {
    let (function, user_data) = (function?, UserData::borrowed(user_data));
    Some(Arc::new(move |worker| {
        // SAFETY: by the contract of the options: on any thread, until the last one has ended.
        unsafe { function(user_data.pointer(), worker) }
    }))
}

fn counters(of: &PoolCounters) -> laneway_pool_counters {
    laneway_pool_counters {
        struct_size: size_of::<laneway_pool_counters>(),
        workers: of.workers as u64,
        active: of.active as u64,
        blocked: of.blocked as u64,
        queued: of.queued as u64,
        run: of.run,
        steals: of.steals,
        promotions: of.promotions,
        parks: of.parks,
        wakes: of.wakes,
        panics: of.panics,
        surplus: of.surplus as u64,
        benched: of.benched as u64,
        uncompensated: of.uncompensated,
        threads_refused: of.threads_refused,
        abandoned: of.abandoned,
    }
}

fn report(ended: &Ended) -> laneway_pool_report {
    laneway_pool_report {
        struct_size: size_of::<laneway_pool_report>(),
        joined: ended.joined as u64,
        running: ended.running.len() as u64,
        left: ended.left as u64,
        timers: ended.timers as u64,
    }
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
pub unsafe extern "C" fn laneway_pool_options_init(
    options: *mut laneway_pool_options,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(options, struct_size) });
}

/// Clears `counters` and sets its size.
///
/// @param struct_size  `sizeof *counters`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `counters`.
///
/// # Safety
///
/// `counters` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_counters_init(
    counters: *mut laneway_pool_counters,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(counters, struct_size) });
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
pub unsafe extern "C" fn laneway_pool_report_init(
    report: *mut laneway_pool_report,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(report, struct_size) });
}

/// Builds a pool and starts its workers.
///
/// @param options   NULL for the defaults.
/// @param[out] out  the pool, with one reference for the caller.
/// @param[out] err  why it failed; may be NULL.
/// @return `LANEWAY_EINVAL` for options out of range; `LANEWAY_ENOMEM` if a thread could not be
///         started: none is left behind.
///
/// Threads: any.
/// Blocks: while threads are started.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out` and `*err`.
///
/// # Safety
///
/// `options` is NULL or was filled by `laneway_pool_options_init`; `out` and `err` are writable or
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_new(
    options: *const laneway_pool_options,
    out: *mut *mut laneway_pool,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let options = unsafe { options::read(options) }?;
        let pool = Pool::with_config(config(&options)?)?;
        out.set(share(pool));
        Ok(LANEWAY_OK.status())
    })
}

/// The default pool of the process, built with the defaults unless `laneway_pool_build_global` was
/// called before.
///
/// @param[out] out  the pool, with one reference for the caller.
/// @param[out] err  why it failed; may be NULL.
/// @return `LANEWAY_ENOMEM` if a thread could not be started; a later call tries again.
///
/// Threads: any, also at the same time.
/// Blocks: while threads are started.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out` and `*err`.
///
/// # Safety
///
/// `out` and `err` are writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_global(
    out: *mut *mut laneway_pool,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        out.set(share(Pool::global()?.clone()));
        Ok(LANEWAY_OK.status())
    })
}

/// Builds the default pool of the process, which is possible once.
///
/// @param options   NULL for the defaults.
/// @param[out] out  the pool, with one reference for the caller.
/// @param[out] err  why it failed; may be NULL.
/// @return `LANEWAY_EEXISTS` if it was built before; otherwise as `laneway_pool_new`.
///
/// Threads: any, also at the same time.
/// Blocks: while threads are started.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out` and `*err`.
///
/// # Safety
///
/// As for `laneway_pool_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_build_global(
    options: *const laneway_pool_options,
    out: *mut *mut laneway_pool,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let options = unsafe { options::read(options) }?;
        out.set(share(Pool::build_global(config(&options)?)?.clone()));
        Ok(LANEWAY_OK.status())
    })
}

/// Adds a reference and returns `pool`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns one reference more.
///
/// # Safety
///
/// `pool` is NULL or a pool that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_retain(pool: *mut laneway_pool) -> *mut laneway_pool {
    // SAFETY: the caller's contract.
    boundary_or(pool, || unsafe { retain(pool) })
}

/// Gives a reference back. With the last one the pool runs what was posted and ends by itself.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes one reference.
///
/// # Safety
///
/// `pool` is NULL or a reference that the caller owns and does not use again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_release(pool: *mut laneway_pool) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { release(pool) });
}

/// How many workers the pool was built with; 0 for NULL.
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
pub unsafe extern "C" fn laneway_pool_workers(pool: *const laneway_pool) -> usize {
    // SAFETY: the caller's contract.
    boundary_or(0, || unsafe { borrow(pool) }.map_or(0, Pool::workers))
}

/// Whether the calling thread is a worker of `pool`.
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
pub unsafe extern "C" fn laneway_pool_on_worker(pool: *const laneway_pool) -> bool {
    boundary_or(false, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(pool) }.is_ok_and(|pool| pool.current_worker().is_some())
    })
}

/// Whether the pool has begun to end.
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
pub unsafe extern "C" fn laneway_pool_is_shutting_down(pool: *const laneway_pool) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(pool) }.is_ok_and(Pool::is_shutting_down))
}

/// Reads the counters, without stopping anything.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows both.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` was filled by
/// `laneway_pool_counters_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_counters_read(
    pool: *const laneway_pool,
    out: *mut laneway_pool_counters,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(out, &counters(&pool.counters())) }?;
        Ok(LANEWAY_OK.status())
    })
}

/// Waits until nothing that was posted before the call is queued or running.
///
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` where the wait could only wait for itself.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`.
/// In callbacks: allowed, but answers `LANEWAY_EDEADLK` on a worker of this pool.
/// Ownership: borrows `pool`.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_wait_quiescent(
    pool: *mut laneway_pool,
    timeout_ns: u64,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let reached = pool.wait_quiescent(limit_or_ages(timeout_ns))?;
        Ok(if reached { LANEWAY_OK } else { LANEWAY_ETIMEDOUT }.status())
    })
}

/// Ends the pool and waits for its threads. May be called again, also after a time-out.
///
/// @param how          one of `enum laneway_shutdown`.
/// @param[out] report  what was left behind; may be NULL.
/// @return `LANEWAY_ETIMEDOUT` if threads were still running; `LANEWAY_EDEADLK` on a worker of
///         this pool, where the end is started but not waited for.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`.
/// In callbacks: starts the end and answers `LANEWAY_EDEADLK`.
/// Ownership: borrows `pool`; the reference still has to be released.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `report` is NULL or was filled by
/// `laneway_pool_report_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_shutdown(
    pool: *mut laneway_pool,
    how: u32,
    timeout_ns: u64,
    report: *mut laneway_pool_report,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let ended = pool.shutdown(shutdown(how)?, limit_or_ages(timeout_ns))?;
        if !report.is_null() {
            // SAFETY: the caller's contract.
            unsafe { options::write(report, &self::report(&ended)) }?;
        }
        Ok(if ended.running.is_empty() { LANEWAY_OK } else { LANEWAY_ETIMEDOUT }.status())
    })
}

pub(crate) fn shutdown(how: u32) -> Result<Shutdown, Failure> {
    if how == LANEWAY_SHUTDOWN_DRAIN as u32 {
        return Ok(Shutdown::Drain);
    }
    if how == LANEWAY_SHUTDOWN_CANCEL as u32 {
        return Ok(Shutdown::Cancel);
    }
    Err(Failure::invalid("no such way to shut down"))
}

#[cfg(test)]
mod tests;

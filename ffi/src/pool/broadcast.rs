//! Broadcasts: what every worker does once. And the trace file of what they did.

use std::ffi::c_void;
use std::fs::File;
use std::io::BufWriter;

use laneway::pool::BroadcastContext;

use super::laneway_pool;
use crate::boundary::boundary;
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{required, text};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::borrow;
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// One call of a broadcast: number `place` of `count`, on the worker with that index.
pub type laneway_broadcast_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        place: usize,
        count: usize,
        worker: usize,
    ) -> laneway_status,
>;

type Call = unsafe extern "C-unwind" fn(*mut c_void, usize, usize, usize) -> laneway_status;

/// # Safety
/// `call` may be called with `user_data` on any thread, several at the same time.
unsafe fn made(call: Call, user_data: &UserData, context: BroadcastContext) -> laneway_status {
    // SAFETY: the caller's contract.
    unsafe { call(user_data.pointer(), context.place(), context.count(), context.worker()) }
}

/// Calls `call` once on every worker, between two pieces of other work.
///
/// @return the first failure in the order of their places; `LANEWAY_EDEADLK` on a worker of this
///         pool; `LANEWAY_ECANCELED` if the pool ends before all workers have called it.
///
/// Threads: any but the pool's workers.
/// Blocks: until the last worker has called it.
/// In callbacks: answers `LANEWAY_EDEADLK` on a worker of this pool.
/// Ownership: `user_data` is borrowed until the call returns.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `call` may be called with `user_data` on all
/// workers at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_broadcast(
    pool: *mut laneway_pool,
    call: laneway_broadcast_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let call = required(call)?;
        let user_data = UserData::borrowed(user_data);
        // SAFETY: by the caller's contract.
        let said = pool.broadcast(|context| unsafe { made(call, &user_data, context) })?;
        let failure = said.into_iter().find(|status| *status < LANEWAY_OK.status());
        Ok(failure.unwrap_or(LANEWAY_OK.status()))
    })
}

/// As `laneway_pool_broadcast`, and returns at once; what the calls return is ignored.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `user_data` on every path: `drop` runs once, after the last call or when the
/// pool has ended.
///
/// # Safety
///
/// As for `laneway_pool_broadcast`, and `drop` may be called once with `user_data`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_spawn_broadcast(
    pool: *mut laneway_pool,
    call: laneway_broadcast_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let call = required(call)?;
        pool.spawn_broadcast(move |context| {
            // SAFETY: by the caller's contract.
            unsafe { made(call, &user_data, context) };
        });
        Ok(LANEWAY_OK.status())
    })
}

/// Writes the newest events of all workers as a file for Perfetto or `chrome://tracing`, over what
/// may be there. Without `trace_events` in the options of the pool it has no events.
///
/// @param path      UTF-8.
/// @param[out] err  what the system said; may be NULL.
/// @return `LANEWAY_EIO` if the file cannot be written.
///
/// Threads: any.
/// Blocks: while the file is written.
/// In callbacks: allowed.
/// Ownership: borrows `pool` and `path`; the caller owns `*err`.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `path` is readable for `path_len` bytes;
/// `err` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_write_trace(
    pool: *mut laneway_pool,
    path: *const c_void,
    path_len: usize,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        // SAFETY: the caller's contract.
        let path = unsafe { text(path, path_len) }?;
        let refused = |error| Failure::from_error(LANEWAY_EIO, &error);
        let file = File::create(path).map_err(refused)?;
        pool.write_trace(BufWriter::new(file)).map_err(refused)?;
        Ok(LANEWAY_OK.status())
    })
}

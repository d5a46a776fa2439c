//! Regions with an explicit worker: join, loops and groups whose callbacks are told where they run.
//!
//! A `laneway_worker` is the calling thread's place in fork-join. It is passed from each call to its
//! callbacks and on to the next call, so that nothing has to be looked up on the way: in a shared
//! library a look-up of the thread is a function call.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use laneway::pool::Worker;

use super::laneway_pool;
use crate::boundary::{boundary, boundary_or};
use crate::convert::{Out, required};
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, borrow};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// The calling thread's place in fork-join. Borrowed: it belongs to the callback that it is passed
/// to, on that callback's thread, and to the calls made there.
pub struct laneway_worker {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_worker {
    type Inner = Worker<'static>;
}

/// A function of a region.
pub type laneway_fork_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        worker: *const laneway_worker,
    ) -> laneway_status,
>;

/// A piece of a loop: the numbers from `begin` to before `end`.
pub type laneway_range_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        worker: *const laneway_worker,
        begin: usize,
        end: usize,
    ) -> laneway_status,
>;

/// One of several functions to be called.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_call {
    /// What is called.
    pub function: laneway_fork_fn,
    /// With what.
    pub user_data: *mut c_void,
    /// Written by the library: what it returned; `LANEWAY_ECANCELED` if it was not called.
    pub status: laneway_status,
    /// 0.
    pub reserved: u32,
}

/// A worker as a callback gets it; good for as long as `worker` is.
fn lent(worker: &Worker<'_>) -> *const laneway_worker {
    std::ptr::from_ref(worker).cast()
}

/// The worker behind a pointer that a callback got.
///
/// # Safety
/// `worker` is NULL or was passed to the callback that the caller runs in, on this thread.
#[inline(always)]
unsafe fn place<'w>(worker: *const laneway_worker) -> Result<Worker<'w>, Failure> {
    // SAFETY: the caller's contract; the copy is used for this call only.
    unsafe { borrow(worker) }.copied()
}

/// A `user_data` that is lent to callbacks of one region.
#[derive(Clone, Copy)]
struct Borrowed(*mut c_void);

// SAFETY: only handed back to the caller's functions, which accept it on any thread by the contract
// of the header.
unsafe impl Send for Borrowed {}
// SAFETY: as above.
unsafe impl Sync for Borrowed {}

impl Borrowed {
    fn pointer(self) -> *mut c_void {
        self.0
    }
}

/// The first failure of several calls that run at the same time.
struct First(AtomicI32);

impl First {
    const fn none() -> Self {
        Self(AtomicI32::new(LANEWAY_OK.status()))
    }

    fn note(&self, status: laneway_status) {
        if status < LANEWAY_OK.status() {
            let none = LANEWAY_OK.status();
            // Relaxed: a hint while the region runs; read after it has ended, which orders it.
            let order = Ordering::Relaxed;
            let _first = self.0.compare_exchange(none, status, order, order);
        }
    }

    fn status(&self) -> laneway_status {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// The caller's calls, of which each is touched by one thread at a time.
struct Calls(*mut laneway_call);

// SAFETY: the functions accept their `user_data` on any thread, by the contract of the header.
unsafe impl Sync for Calls {}

impl Calls {
    /// The `count` calls at `calls`, all with a function.
    ///
    /// # Safety
    /// They are readable and writable for the caller alone as long as the answer is used.
    unsafe fn checked(calls: *mut laneway_call, count: usize) -> Result<Self, Failure> {
        if calls.is_null() && count > 0 {
            return Err(Failure::invalid("calls is NULL, but its count is not 0"));
        }
        for at in 0..count {
            // SAFETY: readable and writable by the caller's contract.
            unsafe {
                (*calls.add(at)).status = LANEWAY_ECANCELED.status();
                required((*calls.add(at)).function)?;
            }
        }
        Ok(Self(calls))
    }

    /// Makes call number `at` and writes its status.
    ///
    /// # Safety
    /// `at` is one of those that were checked, and nobody else makes it.
    unsafe fn make(&self, at: usize, worker: &Worker<'_>) -> laneway_status {
        // SAFETY: by the caller's contract.
        let call = unsafe { &mut *self.0.add(at) };
        let Some(function) = call.function else { return LANEWAY_EINVAL.status() };
        // SAFETY: called once, by the contract of the header.
        call.status = unsafe { function(call.user_data, lent(worker)) };
        call.status
    }
}

/// Calls `region` on this thread, with the thread's place in the pool: the start for the functions
/// below. Off the pool the caller helps as a temporary worker for the time of the call.
///
/// @return the status of `region`.
///
/// Threads: any.
/// Blocks: as long as `region` does.
/// In callbacks: allowed.
/// Ownership: `user_data` is borrowed until the call returns.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `region` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_enter(
    pool: *mut laneway_pool,
    region: laneway_fork_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let region = required(region)?;
        // SAFETY: called once, by the caller's contract.
        Ok(pool.enter(|worker| unsafe { region(user_data, lent(&worker)) }))
    })
}

/// The index of a worker, from 0; `SIZE_MAX` for a thread that helps, and for NULL.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `worker`.
///
/// # Safety
///
/// `worker` is NULL or was passed to the callback that this is called in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_worker_index(worker: *const laneway_worker) -> usize {
    boundary_or(usize::MAX, || {
        // SAFETY: the caller's contract.
        let worker = unsafe { place(worker) };
        worker.ok().and_then(Worker::index).unwrap_or(usize::MAX)
    })
}

/// For a long loop of one's own, every few microseconds: lets a worker that has nothing to do take
/// a part of what this thread has put off. Runs nothing.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `worker`.
///
/// # Safety
///
/// `worker` is NULL or was passed to the callback that this is called in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_worker_tick(worker: *const laneway_worker) {
    boundary_or((), || {
        // SAFETY: the caller's contract.
        if let Ok(worker) = unsafe { place(worker) } {
            worker.tick();
        }
    });
}

/// Runs `a` and `b`, perhaps in parallel, and returns when both have ended.
///
/// @return the status of `a` if it is a failure, else that of `b`.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: until both have ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: both `user_data` are borrowed until the call returns.
///
/// # Safety
///
/// `worker` was passed to the callback that this is called in; each function may be called once with
/// its `user_data`, on any thread, both at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_join(
    worker: *const laneway_worker,
    a: laneway_fork_fn,
    user_data_a: *mut c_void,
    b: laneway_fork_fn,
    user_data_b: *mut c_void,
) -> laneway_status {
    // Outside the boundary, which would double what a join costs: nothing below panics, and if it
    // did, the process would end here, as for an exception of a callback.
    // SAFETY: the caller's contract.
    let (Ok(worker), Some(a), Some(b)) = (unsafe { place(worker) }, a, b) else {
        return LANEWAY_EINVAL.status();
    };
    let (for_a, for_b) = (Borrowed(user_data_a), Borrowed(user_data_b));
    let (said_a, said_b) = worker.join(
        // SAFETY: called once, by the caller's contract.
        |worker| unsafe { a(for_a.pointer(), lent(&worker)) },
        // SAFETY: called once, by the caller's contract.
        |worker| unsafe { b(for_b.pointer(), lent(&worker)) },
    );
    if said_a < LANEWAY_OK.status() { said_a } else { said_b }
}

/// Calls `body` with pieces that make up the numbers from `begin` to before `end`, in parallel and in
/// no particular order, and returns when all calls have.
///
/// @param grain  how many neighbouring numbers a piece has at most; 0 counts as 1. A piece should
///               take several microseconds.
/// @return the first failure; pieces that have not started then do not start.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: until all calls have ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: `user_data` is borrowed until the call returns.
///
/// # Safety
///
/// `worker` was passed to the callback that this is called in; `body` may be called with
/// `user_data` any number of times, on any threads, at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_parallel_for(
    worker: *const laneway_worker,
    begin: usize,
    end: usize,
    grain: usize,
    body: laneway_range_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let worker = unsafe { place(worker) }?;
        let body = required(body)?;
        let user_data = Borrowed(user_data);
        let failed = First::none();
        worker.par_pieces(begin..end, grain, |worker, piece| {
            if failed.status() == LANEWAY_OK.status() {
                // SAFETY: by the caller's contract.
                failed.note(unsafe {
                    body(user_data.pointer(), lent(&worker), piece.start, piece.end)
                });
            }
        });
        Ok(failed.status())
    })
}

/// Makes all calls, perhaps in parallel, and returns when all have returned.
///
/// @param calls  each gets its own status, whatever the others return.
/// @return the first failure in their order.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: until all calls have ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: `calls` and each `user_data` are borrowed until the call returns.
///
/// # Safety
///
/// `worker` was passed to the callback that this is called in; `calls` are `count` calls that nobody
/// else uses meanwhile; each function may be called once with its `user_data`, on any thread, all
/// at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_invoke_all(
    worker: *const laneway_worker,
    calls: *mut laneway_call,
    count: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let worker = unsafe { place(worker) }?;
        // SAFETY: the caller's contract.
        let made = unsafe { Calls::checked(calls, count) }?;
        worker.par_pieces(0..count, 1, |worker, piece| {
            for at in piece {
                // SAFETY: checked, and each number is in one piece.
                unsafe { made.make(at, &worker) };
            }
        });
        // SAFETY: the region has ended.
        let mut statuses = (0..count).map(|at| unsafe { (*calls.add(at)).status });
        let first = statuses.find(|status| *status < LANEWAY_OK.status());
        Ok(first.unwrap_or(LANEWAY_OK.status()))
    })
}

/// Makes calls, perhaps in parallel, until one succeeds: then those that have not started are not
/// made. Returns when those that had started have returned; let them look at something that the
/// winner sets.
///
/// @param calls        each gets its own status.
/// @param[out] winner  the number of the call that succeeded first; may be NULL.
/// @return the status of the winner; without one the last call's, or `LANEWAY_ENOTFOUND` if there
///         are no calls.
///
/// Threads: the one that `worker` belongs to.
/// Blocks: until all calls that started have ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: `calls` and each `user_data` are borrowed until the call returns.
///
/// # Safety
///
/// As for `laneway_invoke_all`; `winner` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_invoke_any(
    worker: *const laneway_worker,
    calls: *mut laneway_call,
    count: usize,
    winner: *mut usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let winner = unsafe { Out::optional(winner, usize::MAX) };
        // SAFETY: the caller's contract.
        let worker = unsafe { place(worker) }?;
        // SAFETY: the caller's contract.
        let made = unsafe { Calls::checked(calls, count) }?;
        let (decided, first) = (AtomicBool::new(false), AtomicUsize::new(usize::MAX));
        worker.par_pieces(0..count, 1, |worker, piece| {
            for at in piece {
                // Relaxed, here and below: a hint, and a number that is read after the region.
                if decided.load(Ordering::Relaxed) {
                    return;
                }
                // SAFETY: checked, and each number is in one piece.
                let said = unsafe { made.make(at, &worker) };
                if said >= LANEWAY_OK.status() && !decided.swap(true, Ordering::Relaxed) {
                    first.store(at, Ordering::Relaxed);
                }
            }
        });
        let first = first.into_inner();
        winner.set(first);
        let Some(told) = count.checked_sub(1).map(|last| first.min(last)) else {
            return Ok(LANEWAY_ENOTFOUND.status());
        };
        // SAFETY: the region has ended; one of the calls.
        Ok(unsafe { (*calls.add(told)).status })
    })
}

//! Part trees: an action that runs when all parts have ended, without anybody waiting.

use std::ffi::c_void;

use laneway::pool::{Ended, Part};

use super::laneway_pool;
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, required};
use crate::error::Report;
use crate::handle::{Handle, Opaque, Unique, borrow, free, give};
use crate::status::laneway_code::LANEWAY_OK;
use crate::status::laneway_status;

/// One open part of a node in a tree of work. Unique: ended once, by `laneway_part_end`; when
/// the last part of a node ends, its action runs, and then its part of the node above ends.
pub struct laneway_part {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_part {
    type Inner = Part;
}

impl Unique for laneway_part {}

/// How the parts of a node have ended, the worst of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_ended {
    /// All of them as they should.
    LANEWAY_ENDED_COMPLETED = 0,
    /// Some never ran: the tree was cancelled, or the pool ended.
    LANEWAY_ENDED_CANCELLED = 1,
    /// Some panicked, in Rust.
    LANEWAY_ENDED_PANICKED = 2,
}

/// What runs when all parts of a node have ended; `ended` is one of `enum laneway_ended`.
pub type laneway_ended_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, ended: u32)>;

/// Work that is a part of a tree. `part` is borrowed and must not be ended; clone it to keep it.
pub type laneway_part_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, part: *mut laneway_part)>;

fn number(ended: Ended) -> u32 {
    let named = match ended {
        Ended::Completed => laneway_ended::LANEWAY_ENDED_COMPLETED,
        Ended::Cancelled => laneway_ended::LANEWAY_ENDED_CANCELLED,
        _ => laneway_ended::LANEWAY_ENDED_PANICKED,
    };
    named as u32
}

/// The root of a tree of work: `action` runs once all its parts have ended, on the thread that ends
/// the last one.
///
/// @param[out] out  its first part.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`. Consumes `user_data` on every path: `drop` runs once, after
/// `action` or instead of it.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `out` is writable; `action` may be called
/// once with `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_completion(
    pool: *mut laneway_pool,
    action: laneway_ended_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_part,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let action = required(action)?;
        // SAFETY: called once, by the caller's contract.
        let root = pool.completion(move |ended| unsafe {
            action(user_data.pointer(), number(ended));
        });
        out.set(give(root));
        Ok(LANEWAY_OK.status())
    })
}

/// A node below that of `above`, whose action waits for the one of this node.
///
/// @param[out] out  its first part.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `above`; the caller owns `*out`. Consumes `user_data` on every path: `drop`
/// runs once, after `action` or instead of it.
///
/// # Safety
///
/// `above` is not ended; `out` is writable; `action` may be called once with `user_data`, then
/// `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_child(
    above: *const laneway_part,
    action: laneway_ended_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    out: *mut *mut laneway_part,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let above = unsafe { borrow(above) }?;
        let action = required(action)?;
        // SAFETY: called once, by the caller's contract.
        let child = above.child(move |ended| unsafe {
            action(user_data.pointer(), number(ended));
        });
        out.set(give(child));
        Ok(LANEWAY_OK.status())
    })
}

/// Runs `function` on a worker as one more part of the node.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `part`. Consumes `user_data` on every path: `drop` runs once, after `function`
/// or instead of it, before the part ends.
///
/// # Safety
///
/// `part` is not ended; `function` may be called once with `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_spawn(
    part: *const laneway_part,
    function: laneway_part_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let part = unsafe { borrow(part) }?;
        let function = required(function)?;
        part.spawn(move |part| {
            let borrowed = std::ptr::from_ref(part).cast_mut().cast();
            // SAFETY: called once, by the caller's contract.
            unsafe { function(user_data.pointer(), borrowed) }
        });
        Ok(LANEWAY_OK.status())
    })
}

/// Opens one more part of the same node, to be ended where something ends that is not run here.
///
/// @return NULL for NULL.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns the new part.
///
/// # Safety
///
/// `part` is NULL or not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_clone(part: *const laneway_part) -> *mut laneway_part {
    boundary_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let part = unsafe { borrow(part) };
        part.map_or(std::ptr::null_mut(), |part| give(part.clone()))
    })
}

/// Cancels the tree: functions that have not started never will. Actions still run.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `part`.
///
/// # Safety
///
/// `part` is NULL or not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_cancel(part: *const laneway_part) {
    boundary_or((), || {
        // SAFETY: the caller's contract.
        if let Ok(part) = unsafe { borrow(part) } {
            part.cancel();
        }
    });
}

/// Whether the tree was cancelled.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `part`.
///
/// # Safety
///
/// `part` is NULL or not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_is_cancelled(part: *const laneway_part) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(part) }.is_ok_and(Part::is_cancelled))
}

/// How many parts of the node are open, this one included; a figure of the moment.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `part`.
///
/// # Safety
///
/// `part` is NULL or not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_pending(part: *const laneway_part) -> usize {
    // SAFETY: the caller's contract.
    boundary_or(0, || unsafe { borrow(part) }.map_or(0, Part::pending))
}

/// Ends a part; if it is the last one of its node, the action runs before this returns. NULL is
/// allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed, but not for a part that was lent to the callback.
/// Ownership: consumes `part`.
///
/// # Safety
///
/// `part` is NULL or not yet ended, owned by the caller, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_part_end(part: *mut laneway_part) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(part) });
}

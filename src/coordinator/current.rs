//! Which job's turn is on this thread's stack: so that a wait for its own key is refused.
//!
//! A pointer, put there for the time of a call and taken back after: no key is copied for it, and a
//! thread that is past its thread-locals still has it.

use std::cell::Cell;
use std::ptr;

use super::entry::Entry;
use super::inner::Inner;
use crate::lane::{Key, LaneRef};
use crate::sync::Arc;

thread_local! {
    /// Null, or borrowed by a call of `within` below on this stack.
    static CURRENT: Cell<*const LaneRef<Entry>> = const { Cell::new(ptr::null()) };
}

/// Restores what was there before.
struct Restore(*const LaneRef<Entry>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs a turn of a job of `lane`, and with it the job's user code.
pub(crate) fn within<R>(lane: &LaneRef<Entry>, turn: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(lane));
    turn()
}

/// True inside a job of `key`.
pub(crate) fn runs(inner: &Arc<Inner>, key: &Key) -> bool {
    // SAFETY: not null only during `within` on this thread, which borrows the lane for that time.
    let lane = unsafe { CURRENT.get().as_ref() };
    lane.is_some_and(|lane| Arc::ptr_eq(lane.owner(), inner) && lane.key() == key)
}

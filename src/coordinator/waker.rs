//! The waker of an async body: it gives the job its next turn.
//!
//! ```text
//!   QUIET ──wake──► WOKEN (the first wake asks the lane for a turn) ──poll──► QUIET
//! ```
//!
//! Wakes between two polls count once. A wake during a poll asks for a turn, which the lane
//! remembers until the step is over, so none is lost; a turn that came for another reason finds
//! QUIET and does not poll.

use std::sync::Arc; // what `Wake` is for, in the models too
use std::task::Wake;

use super::entry::Entry;
use crate::lane::LaneRef;
use crate::sync::{AtomicBool, Ordering};

/// See the page.
pub(crate) struct TurnWaker {
    woken: AtomicBool,
    lane: LaneRef<Entry>,
}

impl TurnWaker {
    /// A waker that is WOKEN: a future's first poll needs no wake.
    pub(crate) fn new(lane: LaneRef<Entry>) -> Self {
        Self { woken: AtomicBool::new(true), lane }
    }

    /// True if the future is to be polled now; it is QUIET after.
    pub(crate) fn take(&self) -> bool {
        // Acquire [job-woken]: sees what every thread did before its `wake` that this takes: their
        // swaps are read-modify-writes and carry each other on.
        self.woken.swap(false, Ordering::Acquire)
    }
}

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release [job-woken]: pairs with the Acquire in `take`. Nothing is read because of it: who
        // finds WOKEN leaves the turn to whoever made it so.
        if !self.woken.swap(true, Ordering::Release) {
            self.lane.wake();
        }
    }
}

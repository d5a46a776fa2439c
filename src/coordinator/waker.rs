//! The waker of an async body: it gives the job its next turn.
//!
//! ```text
//!   QUIET ──wake──► WOKEN (the first wake asks the lane for a turn) ──poll──► QUIET
//! ```
//!
//! Wakes between two polls count once. A wake during a poll asks for a turn, which the lane
//! remembers until the step is over, so none is lost; a turn that came for another reason finds
//! QUIET and does not poll.

use std::task::Wake;

use super::entry::Entry;
use crate::lane::LaneRef;
use crate::sync::{Arc, AtomicBool, Ordering};

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
        // AcqRel [job-woken]: Acquire sees what the waker did before `wake`; Release is for the
        // next waker, which must find QUIET only if this poll is still to come.
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel [job-woken]: Release publishes what the waking thread did to `take`.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.lane.wake();
        }
    }
}

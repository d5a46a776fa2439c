//! A watch: tells the observer of an attempt that takes too long, while it goes on.
//!
//! One timer per watched attempt. When it fires, a body on a stack is reported right there, from
//! another worker or as soon as one is free; an attempt that waits is given a turn, in which the run
//! reports what it waits for. The run sets a new watch when a body that was reported begins to wait.
//!
//! Not here: ending anything. That is what time-outs and deadlines are for.

use std::time::{Duration, Instant};

use super::control::{Controlled, JobStatus};
use super::entry::Entry;
use super::inner::Inner;
use super::observe::{Doing, JobEvent};
use crate::lane::LaneRef;
use crate::pool::{Timer, Work};
use crate::sync::{Arc, AtomicU32, Ordering};

const QUIET: u32 = 0;
const RUNG: u32 = 1;
const REPORTED: u32 = 2;

/// See the page. Dropping it ends it.
pub(crate) struct Watch {
    state: Arc<AtomicU32>,
    timer: Timer,
}

impl Watch {
    /// Watches an attempt that began at `since`.
    pub(crate) fn arm(
        job: Arc<dyn Controlled>,
        lane: &LaneRef<Entry>,
        since: Instant,
        after: Duration,
    ) -> Self {
        let state = Arc::new(AtomicU32::new(QUIET));
        let clock = lane.owner().pool().clock();
        let due = clock.after(after);
        let (rings, lane_of_job) = (state.clone(), lane.clone());
        let ring = move || {
            let on_stack = match job.control().status() {
                JobStatus::Running { attempt } => Some(attempt),
                _ => None,
            };
            let next = if on_stack.is_some() { REPORTED } else { RUNG };
            // Relaxed: decides between this and the drop; the turn that reads it comes by a wake-up.
            if rings.swap(next, Ordering::Relaxed) != QUIET {
                return;
            }
            match on_stack {
                Some(attempt) => {
                    report(lane_of_job.owner(), &lane_of_job, attempt, since, Doing::Running);
                }
                None => lane_of_job.wake(),
            }
        };
        Self { timer: lane.owner().pool().schedule_work_at(due, Work::once(ring)), state }
    }

    /// True once for a watch that has rung and was not reported.
    pub(crate) fn take(&self) -> bool {
        // Relaxed, Relaxed: as above.
        self.state.compare_exchange(RUNG, REPORTED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// True if it was reported while the body was on its stack.
    pub(crate) fn is_reported(&self) -> bool {
        // Relaxed: as above.
        self.state.load(Ordering::Relaxed) == REPORTED
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Relaxed: as above.
        if self.state.swap(REPORTED, Ordering::Relaxed) == QUIET {
            self.timer.cancel();
        }
    }
}

/// Tells the observer, and counts.
pub(crate) fn report(
    inner: &Inner,
    lane: &LaneRef<Entry>,
    attempt: u32,
    since: Instant,
    doing: Doing<'_>,
) {
    inner.stats().overdue();
    let time = inner.pool().clock().now().saturating_duration_since(since);
    inner.observe(&JobEvent::Overdue { key: lane.key(), attempt, time, doing });
}

//! Timers: work that is posted when its time has come.

use std::time::{Duration, Instant};

use super::{Pool, Work};

/// Work that waits for its time. Dropping it lets the timer run.
#[must_use = "a timer that nobody holds cannot be cancelled"]
#[derive(Debug)]
pub struct Timer {}

impl Timer {
    /// Takes the work back before its time: true if it never will run, false if it was fired or
    /// cancelled before. The work is dropped here.
    pub fn cancel(&self) -> bool {
        unimplemented!()
    }
}

impl Pool {
    /// Runs `f` on a worker after `delay`.
    pub fn schedule_after<F: FnOnce() + Send + 'static>(&self, delay: Duration, f: F) -> Timer {
        self.schedule_work_at(self.clock().after(delay), Work::once(f))
    }

    /// Posts `work` at `at`. If the timer is cancelled or the pool ends first, it is abandoned.
    pub(crate) fn schedule_work_at(&self, at: Instant, work: Work) -> Timer {
        let _ = (at, work);
        unimplemented!()
    }
}

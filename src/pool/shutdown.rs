//! The end of a pool: quiescence, drain, cancel, and what is left.

use std::time::Duration;

use super::{Pool, PoolError};

/// How a pool ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Run what was posted, and what that posts; then end. Timers that have not fired are
    /// abandoned.
    Drain,
    /// Finish what is running; abandon the rest.
    Cancel,
}

/// What a shutdown left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Threads of the pool that have ended and were joined, by any call so far.
    pub joined: usize,
    /// The names of those that had not ended at the deadline.
    pub running: Vec<String>,
    /// Work that never ran: it was abandoned, or, while threads still run, it waits.
    pub left: usize,
    /// Timers that never fired.
    pub timers: usize,
}

impl Pool {
    /// Waits until nothing that was posted before the call is queued or running; true if that was
    /// reached within `timeout`.
    pub fn wait_quiescent(&self, timeout: Duration) -> Result<bool, PoolError> {
        let _ = timeout;
        unimplemented!()
    }

    /// Ends the pool and waits for its threads, at most `timeout`.
    pub fn shutdown(&self, how: Shutdown, timeout: Duration) -> Result<Report, PoolError> {
        let _ = (how, timeout);
        unimplemented!()
    }

    /// True once the pool has begun to end.
    pub fn is_shutting_down(&self) -> bool {
        unimplemented!()
    }
}

//! Sleeping bodies, and how a cancel or a shutdown wakes them.
//!
//! Cold by nature: whoever comes here wants to lose time. Sleepers of one coordinator share a
//! condition; a cancel wakes all of them, and each looks whether it was meant.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::error::JobError;

/// The sleepers of one coordinator.
#[derive(Default)]
pub(crate) struct Doze {
    gate: Mutex<()>,
    woken: Condvar,
}

impl Doze {
    /// Sleeps until `deadline`, or until `stopped` gives a cause.
    pub(crate) fn until(
        &self,
        deadline: Instant,
        stopped: impl Fn() -> Option<JobError>,
    ) -> Result<(), JobError> {
        let mut gate = self.gate.lock();
        loop {
            if let Some(cause) = stopped() {
                return Err(cause);
            }
            if self.woken.wait_until(&mut gate, deadline).timed_out() {
                return stopped().map_or(Ok(()), Err);
            }
        }
    }

    /// Lets every sleeper look again. Called after what `stopped` looks at has changed.
    pub(crate) fn wake(&self) {
        // Under the gate, so that no sleeper is between its look and its wait.
        let _gate = self.gate.lock();
        self.woken.notify_all();
    }
}

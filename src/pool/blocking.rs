//! Waits on a worker: counted, and refused where nobody would be left to end them (P4).
//!
//! A worker that waits for a stolen frame or for its scope is counted; it cannot be refused, and
//! what it waits for is already running or its own. A worker that wants to wait for something that
//! a *free* worker has to bring (a job, submitted work that runs elsewhere) is counted too, but
//! refused when it would be the last one that does not wait. While the pool ends workers leave:
//! whoever waits when none is left that does not is served by abandoning the rest (`shutdown.rs`).

use super::registry::Registry;
use super::station::Station;
use super::{Pool, PoolError};
use crate::sync::{Arc, Ordering, Parker};

/// While this lives its worker counts as blocked.
#[must_use = "the worker counts as blocked while this lives"]
pub(crate) struct Blocking<'p>(Option<&'p Registry>);

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        if let Some(registry) = self.0 {
            // Relaxed: a count; what ended the wait has its own ordering.
            registry.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pool {
    /// Announces that this thread is about to wait for something that only the pool can bring.
    /// On a thread that is no worker of this pool it costs and counts nothing.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker when every other worker waits too.
    pub(crate) fn enter_blocking(&self) -> Result<Blocking<'_>, PoolError> {
        self.registry.enter_blocking()
    }
}

impl Registry {
    pub(super) fn enter_blocking(&self) -> Result<Blocking<'_>, PoolError> {
        if Station::worker_below(self).is_none() {
            return Ok(Blocking(None));
        }
        // Relaxed: a count. The compare-and-swap lets one of two last workers through.
        let mut blocked = self.blocked.load(Ordering::Relaxed);
        // Relaxed: a count; if a worker leaves meanwhile, [ended] in `see_to_rest` decides.
        while blocked + 1 < self.live.load(Ordering::Relaxed) {
            // Relaxed: as above.
            let order = Ordering::Relaxed;
            match self.blocked.compare_exchange(blocked, blocked + 1, order, order) {
                Ok(_) => {
                    let blocking = Blocking(Some(self));
                    self.see_to_rest();
                    return Ok(blocking);
                }
                Err(now) => blocked = now,
            }
        }
        Err(PoolError::WouldDeadlock)
    }

    /// Counts the calling worker as blocked, unasked: it waits for its own subtree.
    fn count_blocked(&self) -> Blocking<'_> {
        // Relaxed: a count.
        self.blocked.fetch_add(1, Ordering::Relaxed);
        let blocking = Blocking(Some(self));
        self.see_to_rest();
        blocking
    }
}

impl Station {
    /// Calls `wait`, which parks; a worker counts as blocked meanwhile.
    pub(super) fn block(&self, wait: impl FnOnce(&Arc<Parker>)) {
        let _blocking = self.visits().is_some().then(|| self.registry().count_blocked());
        wait(&self.parker());
    }
}

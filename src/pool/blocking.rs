//! Waits on a worker: counted, and refused where nobody would be left to end them (P4).
//!
//! A worker that waits for a stolen frame or for its scope is counted; it cannot be refused, and
//! what it waits for is already running or its own. A worker that wants to wait for something that
//! a *free* worker has to bring (a job, submitted work that runs elsewhere) is counted too, but
//! refused when it would be the last one that does not wait. If the last one then waits for a
//! frame or a scope, which cannot be refused, nobody is left to bring anything: whoever waits for a
//! free worker is told, and one of them gives its wait up. While the pool ends workers leave:
//! whoever waits when none is left that does not is served by abandoning the rest (`shutdown.rs`).

use std::cell::Cell;
use std::time::Instant;

use super::registry::Registry;
use super::station::Station;
use super::{Pool, PoolError};
use crate::base::promise::Promise;
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

impl Blocking<'_> {
    /// Blocks until the promise is fulfilled, at most until `deadline`; true if it is.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] as soon as every worker waits, so that none is left to bring it.
    pub(crate) fn wait_for<T>(
        mut self,
        promise: &Promise<T>,
        deadline: Option<Instant>,
    ) -> Result<bool, PoolError> {
        let park = |parker: &Parker| match deadline {
            Some(deadline) => parker.park_until(deadline),
            None => {
                parker.park();
                true
            }
        };
        let parker = Arc::new(Parker::new());
        let Some(registry) = self.0 else {
            promise.park_on(&parker, park);
            return Ok(promise.is_done());
        };
        let gave_up = Cell::new(false);
        registry.waits.lock().push(Arc::clone(&parker));
        promise.park_on(&parker, |parker| {
            gave_up.set(registry.gives_up());
            !gave_up.get() && park(parker)
        });
        registry.waits.lock().retain(|other| !Arc::ptr_eq(other, &parker));
        if gave_up.get() {
            self.0 = None; // `gives_up` has counted it off
            return Err(PoolError::WouldDeadlock);
        }
        Ok(promise.is_done())
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
        // Relaxed: a count; the lock of `waits` orders it for those who are told.
        let blocked = self.blocked.fetch_add(1, Ordering::Relaxed) + 1;
        let blocking = Blocking(Some(self));
        // Relaxed: only shrinks, when the pool ends, and then `see_to_rest` decides.
        if blocked >= self.live.load(Ordering::Relaxed) {
            self.waits.lock().iter().for_each(|parker| parker.unpark());
        }
        self.see_to_rest();
        blocking
    }

    /// Whether the calling worker, which waits for a free one, is to give up because there is none;
    /// it then counts as free itself. One at a time: the next one finds a free worker.
    ///
    /// Whoever is in `waits` and looks under its lock either sees that all wait, or is told by the
    /// last one, who takes that lock after it was counted.
    fn gives_up(&self) -> bool {
        let _one_at_a_time = self.waits.lock();
        // Relaxed: ordered by the lock.
        let all_wait = self.blocked.load(Ordering::Relaxed) >= self.live.load(Ordering::Relaxed);
        // A pool that ends brings everything to its end by itself.
        let gives_up = all_wait && !self.phase.is_ending();
        if gives_up {
            // Relaxed: a count.
            self.blocked.fetch_sub(1, Ordering::Relaxed);
        }
        gives_up
    }
}

impl Station {
    /// Calls `wait`, which parks; a worker counts as blocked meanwhile.
    pub(super) fn block(&self, wait: impl FnOnce(&Arc<Parker>)) {
        let _blocking = self.visits().is_some().then(|| self.registry().count_blocked());
        wait(&self.parker());
    }
}

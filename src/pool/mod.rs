//! Layer pool: worker threads, fork-join, detached work, timers.
//!
//! A [`Pool`] runs *work*: forked closures ([`Pool::join`], [`Pool::scope`]), detached closures
//! ([`Pool::spawn`], [`Pool::submit`]), timers ([`Pool::schedule_after`]) and, through the crate's
//! own seam ([`Pool::post`]), the visits of lanes.

mod blocking;
mod config;
mod counters;
mod error;
mod join;
mod scope;
mod shutdown;
mod sleep;
mod spawn;
mod timer;
pub(crate) mod unwind;
mod work;

pub(crate) use blocking::Blocking;
pub use config::{PanicHandler, PoolConfig};
pub use counters::PoolCounters;
pub use error::PoolError;
pub use scope::Scope;
pub use shutdown::{Report, Shutdown};
pub use spawn::Handle;
pub use timer::Timer;
pub(crate) use work::{Carrier, Runnable, Work};

use crate::base::clock::Clock;
use crate::sync::Arc;

struct Registry {
    config: PoolConfig,
    clock: Clock,
}

/// A handle of a pool. Clones are handles of the same pool.
///
/// Dropping the last handle only signals: what was posted still runs, then the threads end by
/// themselves. Use [`shutdown`](Self::shutdown) to wait for them.
#[derive(Clone)]
pub struct Pool {
    registry: Arc<Registry>,
}

impl Pool {
    /// A pool with the default configuration.
    ///
    /// # Errors
    /// [`PoolError::Spawn`] if a thread cannot be started.
    pub fn new() -> Result<Self, PoolError> {
        Self::with_config(PoolConfig::default())
    }

    /// A pool as `config` says.
    ///
    /// # Errors
    /// [`PoolError::Config`] for settings out of range, [`PoolError::Spawn`] if a thread cannot be
    /// started; no thread is left behind.
    pub fn with_config(config: PoolConfig) -> Result<Self, PoolError> {
        config.check()?;
        Ok(Self { registry: Arc::new(Registry { config, clock: Clock::system() }) })
    }

    /// How many workers the pool was built with.
    pub fn workers(&self) -> usize {
        self.registry.config.workers
    }

    /// The index of the calling worker, if the caller is a worker of this pool.
    pub fn current_worker(&self) -> Option<usize> {
        unimplemented!()
    }

    /// A reading of the counters.
    pub fn counters(&self) -> PoolCounters {
        unimplemented!()
    }

    /// Hands `work` to the pool, from any thread: on a worker of this pool to its own queue of
    /// visits, first in first out, otherwise to the shared queue. Lock-free. After the pool has
    /// ended the work is abandoned at once.
    pub(crate) fn post(&self, work: Work) {
        let _ = work;
        unimplemented!()
    }

    /// The pool's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.registry.clock
    }

    /// Gives a panic that nobody joins to the pool's panic handler.
    pub(crate) fn report_panic(&self, payload: unwind::Payload) {
        let _ = payload;
        unimplemented!()
    }
}

//! Layer pool: worker threads, fork-join, detached work, timers.
//!
//! A [`Pool`] runs *work*: forked closures ([`Pool::join`], [`Pool::scope`]), detached closures
//! ([`Pool::spawn`], [`Pool::submit`]), timers ([`Pool::schedule_after`]) and, through the crate's
//! own seam (`Pool::post`), the visits of lanes.
//!
//! Work-first: a forked closure stays private to the thread that forked it, in plain memory, until
//! another worker is hungry (`station.rs`). Each worker has two deques: *frames*, the forked
//! closures that were shown to thieves, newest first for their owner; and *visits*, detached work
//! in the order of posting. A waiter runs only the subtree that it waits for; detached work runs on
//! an empty stack only, in the worker's loop (`worker.rs`), or in tests by hand (`manual.rs`). How
//! workers sleep and are woken is in `sleep/README.md`; how a pool ends, in `shutdown.rs`; who works
//! while a worker blocks, in `blocking.rs` and `crew.rs`.
//!
//! Invariants: posted work is run once or abandoned once; no worker parks while posted work waits
//! and nobody searches; nothing in the pool polls.
//!
//! Not here: the order of jobs (lanes), what a job is (coordinator).

mod affinity;
mod bench;
mod blocking;
mod broadcast;
mod claim;
mod completion;
mod config;
mod counters;
mod crew;
mod error;
mod farewell;
mod forked;
pub mod forkjoin;
mod frame;
mod gate;
mod global;
mod guest;
mod injector;
mod invoke;
mod join;
mod latch;
mod manual;
mod offer;
mod par_for;
mod priority;
mod registry;
mod repeat;
mod resize;
mod ring;
mod rows;
mod scope;
mod seats;
mod shutdown;
mod sleep;
mod spawn;
mod station;
mod thread;
mod timeout;
mod timer;
mod trace;
pub(crate) mod unwind;
mod watch;
mod work;
mod worker;

#[cfg(test)]
mod tests;

pub use blocking::blocking;
pub use broadcast::BroadcastContext;
pub use completion::{Ended, Part};
pub use config::{PanicHandler, PoolConfig, ThreadHook};
pub use counters::{PoolCounters, WorkerCounters};
pub use error::PoolError;
pub(crate) use farewell::Farewell;
pub use invoke::{JoinContext, Race};
pub use join::Worker;
pub use manual::TestPool;
pub use priority::Priority;
pub use repeat::Repetition;
pub use scope::Scope;
pub use shutdown::{Report, Shutdown};
pub use spawn::Handle;
pub use timeout::{Elapsed, Timeout};
pub use timer::Timer;
pub(crate) use watch::Stand;
pub(crate) use work::{Carrier, Runnable, Work};

use std::fmt;

use self::registry::Registry;
use self::station::Station;
use crate::base::clock::Clock;
use crate::base::dice::Dice;
use crate::sync::{Arc, Ordering};

/// A handle of a pool of worker threads. Clones are handles of the same pool.
///
/// Dropping the last handle only signals: what was posted still runs, then the threads end by
/// themselves; timers that have not fired by then are dropped. [`shutdown`](Self::shutdown) waits
/// for the threads.
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

    /// A pool as `config` says. Starts its threads.
    ///
    /// # Errors
    /// [`PoolError::Config`] for settings out of range, [`PoolError::Spawn`] if a thread cannot be
    /// started; no thread is left behind.
    pub fn with_config(config: PoolConfig) -> Result<Self, PoolError> {
        Ok(Self { registry: Registry::start(config)? })
    }

    /// The index of the calling worker, from 0; `None` if the caller is no worker of this pool.
    ///
    /// No two workers have the same at one time. While workers block others take their place, so it
    /// may be [`workers`](Self::workers) or more.
    pub fn current_worker(&self) -> Option<usize> {
        Station::worker_below(&self.registry).map(Station::row)
    }

    /// Hands `work` to the pool, from any thread: on a worker of this pool to its own queue of
    /// visits, first in first out, otherwise to the shared queue. Never blocks. After the pool has
    /// ended the work is abandoned at once.
    pub(crate) fn post(&self, work: Work) {
        self.registry.post(work);
    }

    /// As [`post`](Self::post), behind all that has come from outside so far.
    pub(crate) fn post_last(&self, work: Work) {
        self.registry.post_last(work);
    }

    /// The pool's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.registry.clock
    }

    /// Where what runs on it draws its random numbers.
    pub(crate) fn dice(&self) -> &Dice {
        &self.registry.dice
    }

    /// Gives a panic that nobody joins to the pool's panic handler.
    pub(crate) fn report_panic(&self, panic: unwind::Payload) {
        self.registry.report_panic(panic);
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        // Relaxed: a new handle comes from one that is there, as with `Arc`.
        self.registry.handles.fetch_add(1, Ordering::Relaxed);
        Self { registry: Arc::clone(&self.registry) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // AcqRel: what was posted through other handles comes before the drain that the last one
        // begins.
        if self.registry.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.begin_drain();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.registry.config.name)
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

//! What the jobs of one coordinator have in common: the pool, the phase, the counters.
//!
//! Each shard of the lanes keeps a reference and lends it to its jobs, so it is not counted per job.
//! The lanes are not here: the jobs do not need them, and would keep them alive.

use std::sync::OnceLock;
use std::time::Instant;

use super::doze::Doze;
use super::latest::Latest;
use super::marks::Marks;
use super::multi::Multi;
use super::observe::{CoordinatorConfig, JobEvent};
use super::owner::Owners;
use super::span;
use super::stats::Stats;
use super::timings::Timings;
use crate::pool::{Farewell, Pool, unwind};
use crate::sync::{AtomicU32, Ordering};

/// How far a coordinator is with its end. Phases only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum Phase {
    /// Jobs are accepted.
    Open = 0,
    /// No more jobs; those accepted run.
    Draining = 1,
    /// Jobs that have not started are lost; those that have are stopped and undone.
    Stopping = 2,
    /// Whatever still waits is lost.
    Lost = 3,
}

/// See the page.
pub(crate) struct Inner {
    pool: Pool,
    phase: AtomicU32,
    stats: Stats,
    doze: Doze,
    marks: Marks,
    latest: Latest,
    multi: Multi,
    owners: Owners,
    timings: Timings,
    config: CoordinatorConfig,
    /// The moment that times are counted from.
    origin: Instant,
    /// Ends the jobs that wait for something outside when the pool ends.
    farewell: OnceLock<Farewell>,
}

impl Inner {
    pub(crate) fn new(pool: &Pool, config: CoordinatorConfig) -> Self {
        Self {
            config,
            pool: pool.clone(),
            phase: AtomicU32::new(Phase::Open as u32),
            stats: Stats::new(),
            doze: Doze::default(),
            marks: Marks::new(),
            latest: Latest::new(),
            multi: Multi::new(),
            owners: Owners::new(),
            timings: Timings::new(),
            origin: pool.clock().now(),
            farewell: OnceLock::new(),
        }
    }

    /// Keeps `farewell` as long as there may be jobs. Called once.
    pub(crate) fn keep(&self, farewell: Farewell) {
        assert!(self.farewell.set(farewell).is_ok(), "a coordinator says farewell once");
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn doze(&self) -> &Doze {
        &self.doze
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(crate) fn latest(&self) -> &Latest {
        &self.latest
    }

    pub(crate) fn multi(&self) -> &Multi {
        &self.multi
    }

    pub(crate) fn timings(&self) -> &Timings {
        &self.timings
    }

    pub(crate) fn owners(&self) -> &Owners {
        &self.owners
    }

    pub(crate) fn config(&self) -> &CoordinatorConfig {
        &self.config
    }

    /// True if plain jobs are to be looked at as closely as others.
    pub(crate) fn is_watched(&self) -> bool {
        self.config.observer.is_some() || self.config.watchdog.is_some()
    }

    /// Tells the observer, if there is one.
    pub(crate) fn observe(&self, event: &JobEvent<'_>) {
        span::tell(event);
        if let Some(observer) = &self.config.observer
            && let Err(payload) = unwind::halt(|| observer.event(event))
        {
            self.pool.report_panic(payload);
        }
    }

    /// The moment that times in words are counted from, in nanoseconds.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    /// Drops user data; a panic in it goes to the pool's panic handler.
    pub(crate) fn discard<V>(&self, value: V) {
        if let Err(payload) = unwind::halt(|| drop(value)) {
            self.pool.report_panic(payload);
        }
    }

    /// True once `phase` or a later one is reached.
    pub(crate) fn reached(&self, phase: Phase) -> bool {
        // Relaxed: a request. Lanes that must act on it are woken after it was set, and the wake-up
        // carries it; everybody else may see it a little later.
        self.phase.load(Ordering::Relaxed) >= phase as u32
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.reached(Phase::Stopping)
    }

    /// Enters `phase`, unless a later one is reached.
    pub(crate) fn advance(&self, phase: Phase) {
        // Relaxed: only the first guess of the exchange.
        let mut now = self.phase.load(Ordering::Relaxed);
        while now < phase as u32 {
            // Release, Relaxed: what the caller did before is ordered before the phase; a failed
            // guess is only tried again.
            match self.phase.compare_exchange(
                now,
                phase as u32,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(newer) => now = newer,
            }
        }
    }
}

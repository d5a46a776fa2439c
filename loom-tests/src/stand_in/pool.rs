//! A pool without threads: the threads of a model run what is posted.

use std::time::Instant;

use super::registry::Registry;
use super::work::Work;
use crate::base::clock::Clock;
use crate::base::dice::Dice;
use crate::base::promise::Promise;
use crate::sync::Arc;

/// As `pool/mod.rs`.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(super) registry: Arc<Registry>,
}

impl Pool {
    /// Without work.
    pub(crate) fn new() -> Self {
        Self { registry: Arc::new(Registry::new(1)) }
    }

    /// One that stands still.
    pub(crate) fn clock(&self) -> &Clock {
        &Clock
    }

    /// The system's.
    pub(crate) fn dice(&self) -> &Dice {
        const { &Dice::system() }
    }

    /// As on a pool with threads.
    pub(crate) fn wait_until<T>(&self, promise: &Promise<T>, deadline: Instant) -> bool {
        promise.wait_until(deadline)
    }

    /// Puts work at the back of the queue.
    pub(crate) fn post(&self, work: Work) {
        self.registry.post(work);
    }

    /// Runs the oldest work on this thread; false if there is none.
    pub(crate) fn run_one(&self) -> bool {
        self.registry.take().map(Work::run).is_some()
    }

    /// Runs until nothing is queued.
    pub(crate) fn run_all(&self) {
        while self.run_one() {}
    }

    /// Abandons what is queued, as a pool that ends; false if there was nothing.
    pub(crate) fn abandon_all(&self) -> bool {
        std::iter::from_fn(|| self.registry.take()).map(drop).count() > 0
    }
}

//! A pool without threads: the threads of a model run what is posted.

use std::time::Instant;

use super::offer::Offer;
use super::registry::Registry;
use super::unwind;
use super::work::Work;
use crate::base::clock::Clock;
use crate::base::dice::Dice;
use crate::base::promise::Promise;
use crate::sync::Arc;

/// As `pool/mod.rs`.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(super) registry: Arc<Registry>,
    watched: bool,
}

/// As `pool/watch.rs`. Every thread of a model is a worker while it runs work.
pub(crate) struct Stand<'p> {
    offer: &'p Offer,
    watched: bool,
}

impl Stand<'_> {
    pub(crate) fn offer(&self) -> &Offer {
        self.offer
    }
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }
    pub(crate) fn is_hungry(&self) -> bool {
        false
    }
    pub(crate) fn turn_watch_on(&self) -> bool {
        true
    }
}

impl Pool {
    /// Without work.
    pub(crate) fn new() -> Self {
        Self { registry: Arc::new(Registry::new(1)), watched: false }
    }

    /// As [`new`](Self::new), with somebody who looks at the offers.
    pub(crate) fn watched() -> Self {
        Self { watched: true, ..Self::new() }
    }

    /// The calling thread's.
    pub(crate) fn stand(&self) -> Option<Stand<'_>> {
        Some(Stand { offer: self.registry.own_offer(), watched: self.watched })
    }

    /// As `pool/watch.rs`.
    pub(crate) fn take_rest(&self, raw: *const ()) -> Option<Work> {
        self.registry.take_offer_carrying(raw)
    }

    /// Runs the rest of a visit that is open; false if there is none.
    pub(crate) fn take_over(&self) -> bool {
        self.registry.take_offer().map(Work::run).is_some()
    }

    /// What a model finds wrong inside a job is a panic.
    pub(crate) fn report_panic(&self, payload: unwind::Payload) {
        unwind::resume(payload);
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

    /// As `post`: there is one queue.
    pub(crate) fn post_last(&self, work: Work) {
        self.post(work);
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
        let all = || self.registry.take().or_else(|| self.registry.take_offer());
        std::iter::from_fn(all).map(drop).count() > 0
    }
}

//! What fork-join and lanes need of the registry: who sleeps, a row, and a queue of
//! posted work.
//!
//! The queue is no stronger than the real ones: what a poster did happens before the run of the work
//! that it posted, and that is all. The list itself is plain memory which the checker does not see;
//! the Relaxed counter beside it tells the checker that posting and taking are not independent.

use std::collections::VecDeque;

use super::frame::FramePtr;
use super::gate::Gate;
use super::offer::Offer;
use super::sleep::Sleep;
use super::station::Station;
use super::work::Work;
use crate::sync::deque::{self, Steal, Stealer};
use crate::sync::{self, Arc, AtomicBool, AtomicUsize, Ordering, Parker};

/// As `pool/registry.rs`.
pub(crate) struct Registry {
    pub(super) sleep: Sleep,
    pub(super) rows: [Row; 1],
    /// One for each thread of a model.
    offers: [Offer; 3],
    stands: AtomicUsize,
    /// Never contended: the threads of a model take turns on one thread of the machine.
    posted: std::sync::Mutex<Posted>,
    touched: AtomicUsize,
    /// Carry the order from a poster to the taker; used in turn.
    edges: [AtomicBool; EDGES],
}

#[derive(Default)]
struct Posted {
    works: VecDeque<(Work, usize)>,
    count: usize,
}

loom::thread_local! {
    /// Which of the offers is this thread's.
    static STAND: std::cell::Cell<Option<usize>> = std::cell::Cell::new(None);
}

/// More than are queued at a time in any model.
const EDGES: usize = 8;

/// As there.
pub(super) struct Row {
    pub(super) frames: Stealer<FramePtr>,
    pub(super) gate: Gate,
}

impl Registry {
    /// Of a pool with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            sleep: Sleep::new(workers),
            rows: [Row { frames: deque::Worker::new_lifo().stealer(), gate: Gate::new() }],
            offers: std::array::from_fn(|_| Offer::new()),
            stands: AtomicUsize::new(0),
            posted: std::sync::Mutex::default(),
            touched: AtomicUsize::new(0),
            edges: std::array::from_fn(|_| AtomicBool::new(false)),
        }
    }

    /// Work is seen to by the models.
    pub(super) fn work_waits(&self) -> bool {
        false
    }

    /// No thread blocks in a model.
    pub(super) fn see_to_strength(&self) {}

    /// As there.
    pub(super) fn workers(&self) -> usize {
        1
    }

    /// As there; nothing is counted.
    pub(super) fn promoted(&self, _: usize) {}

    /// As there; nothing is counted.
    pub(super) fn stole(&self, _: usize) {}

    /// Puts work at the back of the queue.
    pub(crate) fn post(&self, work: Work) {
        let edge = {
            let mut posted = self.posted();
            posted.count += 1;
            posted.count % EDGES
        };
        // Release: see `edges`.
        self.edges[edge].store(true, Ordering::Release);
        self.posted().works.push_back((work, edge));
    }

    pub(super) fn is_forked(&self) -> bool {
        false
    }

    /// Takes the oldest work.
    pub(super) fn take(&self) -> Option<Work> {
        let (work, edge) = self.posted().works.pop_front()?;
        // Acquire: see `edges`. A read-modify-write reads the newest value.
        assert!(self.edges[edge].swap(false, Ordering::Acquire), "posted before it is taken");
        Some(work)
    }

    /// The calling thread's offer.
    pub(super) fn own_offer(&self) -> &Offer {
        let stand = STAND.with(|stand| {
            if stand.get().is_none() {
                // Relaxed: spreads threads, orders nothing.
                stand.set(Some(self.stands.fetch_add(1, Ordering::Relaxed)));
            }
            stand.get().expect("set above")
        });
        &self.offers[stand]
    }

    /// As [`take_offer`](Self::take_offer), if it carries `raw`.
    pub(super) fn take_offer_carrying(&self, raw: *const ()) -> Option<Work> {
        self.offers.iter().find_map(|offer| offer.take_carrying(raw))
    }

    /// Takes an offer of any thread.
    pub(super) fn take_offer(&self) -> Option<Work> {
        self.offers.iter().find_map(|offer| offer.look().and_then(|seen| offer.take(seen)))
    }

    fn posted(&self) -> std::sync::MutexGuard<'_, Posted> {
        // Relaxed: orders nothing; see the page.
        self.touched.fetch_add(1, Ordering::Relaxed);
        self.posted.lock().expect("no panic inside")
    }
}

/// As there.
pub(super) fn taken<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(found) => return Some(found),
            Steal::Empty => return None,
            Steal::Retry => sync::spin_loop(),
        }
    }
}

impl Station {
    /// As in `pool/blocking.rs`, without counting.
    pub(super) fn block(&self, wait: impl FnOnce(&Arc<Parker>)) {
        wait(&self.parker());
    }
}

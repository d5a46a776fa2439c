//! A pool without threads: a queue of posted work that the threads of a model run.
//!
//! No stronger than the real queues: what a poster did happens before the run of the work that it
//! posted, and that is all. The list itself is plain memory which the checker does not see; the
//! Relaxed counter beside it tells the checker that posting and taking are not independent.

use std::collections::VecDeque;

use super::registry::Registry;
use super::work::Work;
use crate::base::clock::Clock;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering};

/// See the page.
#[derive(Clone)]
pub(crate) struct Pool {
    queue: Arc<Queue>,
    pub(super) registry: Arc<Registry>,
}

struct Queue {
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

/// More than are queued at a time in any model.
const EDGES: usize = 8;

impl Pool {
    /// Without work.
    pub(crate) fn new() -> Self {
        let queue = Queue {
            posted: std::sync::Mutex::default(),
            touched: AtomicUsize::new(0),
            edges: std::array::from_fn(|_| AtomicBool::new(false)),
        };
        Self { queue: Arc::new(queue), registry: Arc::new(Registry::new(1)) }
    }

    /// See the page.
    pub(crate) fn clock(&self) -> &Clock {
        &Clock
    }

    /// Puts work at the back of the queue.
    pub(crate) fn post(&self, work: Work) {
        let edge = {
            let mut posted = self.posted();
            posted.count += 1;
            posted.count % EDGES
        };
        // Release: see `Queue`.
        self.queue.edges[edge].store(true, Ordering::Release);
        self.posted().works.push_back((work, edge));
    }

    /// Runs the oldest work on this thread; false if there is none.
    pub(crate) fn run_one(&self) -> bool {
        let Some(work) = self.take() else { return false };
        work.run();
        true
    }

    fn take(&self) -> Option<Work> {
        let (work, edge) = self.posted().works.pop_front()?;
        // Acquire: see `Queue`. A read-modify-write reads the newest value.
        assert!(self.queue.edges[edge].swap(false, Ordering::Acquire), "posted before it is taken");
        Some(work)
    }

    /// Runs until nothing is queued.
    pub(crate) fn run_all(&self) {
        while self.run_one() {}
    }

    /// Abandons what is queued, as a pool that ends; false if there was nothing.
    pub(crate) fn abandon_all(&self) -> bool {
        std::iter::from_fn(|| self.take()).map(drop).count() > 0
    }

    fn posted(&self) -> std::sync::MutexGuard<'_, Posted> {
        // Relaxed: orders nothing; see the page.
        self.queue.touched.fetch_add(1, Ordering::Relaxed);
        self.queue.posted.lock().expect("no panic inside")
    }
}

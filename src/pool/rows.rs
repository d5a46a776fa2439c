//! The rows of a registry: what threads of a pool see of each other's stations.
//!
//! One row per thread that the pool may have, made when that row is first used and kept until the
//! pool is gone; a thread that ends gives its row to the next one that is started (`seats.rs`). The
//! rows of guests come behind those of all possible workers. Thieves walk over the rows in use.

use std::sync::OnceLock;

use super::counters::Tally;
use super::crew::Rest;
use super::frame::FramePtr;
use super::gate::Gate;
use super::injector::Injector;
use super::offer::Offer;
use super::priority::TrayStealers;
use super::watch::Noted;
use super::work::Work;
use crate::sync::deque::Stealer;
use crate::sync::{AtomicU32, AtomicUsize, CachePadded, Ordering};

/// See the page.
pub(super) struct Rows {
    workers: Box<[OnceLock<CachePadded<Row>>]>,
    /// Rows of workers that were ever used; they are used from the first on.
    used: AtomicUsize,
    guests: Box<[CachePadded<Row>]>,
}

/// What others see of a station.
pub(super) struct Row {
    pub(super) frames: Stealer<FramePtr>,
    /// Guests post no visits.
    pub(super) visits: Option<Stealer<Work>>,
    /// What this worker alone is to do (`broadcast.rs`).
    pub(super) notices: Injector<Work>,
    /// As `visits`, for the classes that are not normal.
    pub(super) tray: Option<TrayStealers>,
    pub(super) tally: Tally,
    /// Who takes frames while waiting for one that this station's thread has stolen.
    pub(super) gate: CachePadded<Gate>,
    /// The rest of the visit that its worker is inside of.
    pub(super) offer: CachePadded<Offer>,
    pub(super) noted: Noted,
    /// In what way its thread blocks; the thread's own note.
    rest: AtomicU32,
}

const ACTIVE: u32 = 0;
const WAITING: u32 = 1;
const AWAY: u32 = 2;

impl Row {
    pub(super) fn new(
        frames: Stealer<FramePtr>,
        visits: Option<Stealer<Work>>,
        tray: Option<TrayStealers>,
    ) -> Self {
        Self {
            frames,
            visits,
            tray,
            notices: Injector::new(),
            tally: Tally::new(),
            gate: CachePadded::new(Gate::new()),
            offer: CachePadded::new(Offer::new()),
            noted: Noted::new(),
            rest: AtomicU32::new(ACTIVE),
        }
    }

    /// How much detached work is queued here.
    pub(super) fn queued(&self) -> usize {
        self.visits.as_ref().map_or(0, Stealer::len)
            + self.tray.as_ref().map_or(0, TrayStealers::len)
    }

    /// In what way the calling thread, whose row this is, blocks.
    pub(super) fn rest(&self) -> Option<Rest> {
        // Relaxed: written by the same thread.
        match self.rest.load(Ordering::Relaxed) {
            WAITING => Some(Rest::Waiting),
            AWAY => Some(Rest::Away),
            _ => None,
        }
    }

    pub(super) fn set_rest(&self, rest: Option<Rest>) {
        let note = match rest {
            None => ACTIVE,
            Some(Rest::Waiting) => WAITING,
            Some(Rest::Away) => AWAY,
        };
        // Relaxed: as above.
        self.rest.store(note, Ordering::Relaxed);
    }
}

impl Rows {
    /// Without workers, for at most `limit`.
    pub(super) fn new(limit: usize, guests: impl IntoIterator<Item = Row>) -> Self {
        Self {
            workers: (0..limit).map(|_| OnceLock::new()).collect(),
            used: AtomicUsize::new(0),
            guests: guests.into_iter().map(CachePadded::new).collect(),
        }
    }

    /// Makes the row of worker `index`, the next one that was never used.
    pub(super) fn add(&self, index: usize, row: Row) {
        let first = self.workers[index].set(CachePadded::new(row)).is_ok();
        debug_assert!(first, "a row is made once");
        // Relaxed: the row is published by its own cell; a thief that misses it looks at the queues
        // again before it parks, by the fences of the sleep protocol.
        self.used.store(index + 1, Ordering::Relaxed);
    }

    /// The row of that number: a worker's, or behind those a guest's; `None` if it was not made.
    pub(super) fn get(&self, number: usize) -> Option<&Row> {
        match number.checked_sub(self.workers.len()) {
            None => self.workers[number].get().map(|row| &**row),
            Some(guest) => self.guests.get(guest).map(|row| &**row),
        }
    }

    /// The row of a worker that has begun.
    pub(super) fn at(&self, worker: usize) -> &Row {
        self.get(worker).expect("the row of a station is made before it")
    }

    /// Rows of workers in use.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Row> {
        // Relaxed: see `add`.
        let used = self.used.load(Ordering::Relaxed);
        self.workers[..used].iter().filter_map(|row| row.get().map(|row| &**row))
    }

    /// All rows in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.workers().chain(self.guests.iter().map(|row| &**row))
    }

    /// All rows in use, beginning somewhere: `start` is any number.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = &Row> {
        // Relaxed: see `add`.
        let used = self.used.load(Ordering::Relaxed);
        let total = used + self.guests.len();
        let start = start % total;
        (start..total).chain(0..start).filter_map(move |number| match number.checked_sub(used) {
            None => self.workers[number].get().map(|row| &**row),
            Some(guest) => Some(&*self.guests[guest]),
        })
    }
}

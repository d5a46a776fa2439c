//! What a pool has done so far, readable at any time without stopping it (P10).
//!
//! Each worker writes its own row, with plain loads and stores; a reading sums the rows.

use super::Pool;
use super::guest::GUESTS;
use super::registry::Registry;
use crate::sync::{AtomicU64, Ordering};

/// A reading of a pool's counters. Each figure is exact at some moment during the reading; they
/// fit together only while the pool is quiescent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Worker threads that have not ended.
    pub workers: usize,
    /// Of these, the ones that are neither asleep nor on the bench.
    pub active: usize,
    /// Workers that wait inside work: for a stolen frame, a scope, a handle, a job; or that are
    /// inside [`Pool::blocking`].
    pub blocked: usize,
    /// Worker threads on the bench: they worked while others were blocked, and end after
    /// [`keep_alive`](super::PoolConfig::keep_alive).
    pub benched: usize,
    /// Times that a worker blocked and no thread could take its place: `max_blocking` was reached,
    /// or the system refused a thread.
    pub uncompensated: u64,
    /// Detached work, visits included, that waits for a worker.
    pub queued: usize,
    /// An estimate of what is there to be taken beyond one piece for each worker that looks for
    /// work or sleeps: queued work and shown join frames. Above zero for long, more workers would
    /// help; always zero, finer pieces might.
    pub surplus: usize,
    /// Detached work that was abandoned because the pool ended.
    pub abandoned: u64,
    /// Panics that nobody joined.
    pub panics: u64,
    /// Times the system refused a thread to a running pool: a worker, or the timekeeper.
    pub threads_refused: u64,
    /// Sum of [`WorkerCounters::run`].
    pub run: u64,
    /// Sum of [`WorkerCounters::steals`], and of those of foreign threads that helped. and of those of foreign threads that helped.
    pub steals: u64,
    /// Sum of [`WorkerCounters::promotions`], and of those of foreign threads that helped.
    pub promotions: u64,
    /// Sum of [`WorkerCounters::parks`].
    pub parks: u64,
    /// Sum of [`WorkerCounters::wakes`].
    pub wakes: u64,
    /// Each worker's own, by index: of all that ever were. A thread that is started after one has
    /// ended goes on with the same index.
    pub per_worker: Vec<WorkerCounters>,
}

/// One worker's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Detached work, visits and stolen frames that it ran.
    pub run: u64,
    /// Work taken from another worker: run as above, or inside a wait for a stolen frame.
    pub steals: u64,
    /// Join frames that it showed to thieves.
    pub promotions: u64,
    /// Times it went to sleep.
    pub parks: u64,
    /// Times it was woken.
    pub wakes: u64,
}

/// A count with one writer.
pub(super) struct Tick(AtomicU64);

impl Tick {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Only the owner of the row calls this.
    #[inline]
    pub(super) fn add_one(&self) {
        // Relaxed: one writer; readers want a figure, not an order.
        let before = self.0.load(Ordering::Relaxed);
        // Relaxed: as above.
        self.0.store(before + 1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// The row of one station.
pub(super) struct Tally {
    pub(super) run: Tick,
    pub(super) steals: Tick,
    pub(super) promotions: Tick,
    pub(super) parks: Tick,
    pub(super) wakes: Tick,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            run: Tick::new(),
            steals: Tick::new(),
            promotions: Tick::new(),
            parks: Tick::new(),
            wakes: Tick::new(),
        }
    }

    fn read(&self) -> WorkerCounters {
        WorkerCounters {
            run: self.run.get(),
            steals: self.steals.get(),
            promotions: self.promotions.get(),
            parks: self.parks.get(),
            wakes: self.wakes.get(),
        }
    }
}

impl Pool {
    /// A reading of the counters. Stops nobody, blocks on nothing; O(workers).
    pub fn counters(&self) -> PoolCounters {
        self.registry.counters()
    }
}

impl Registry {
    fn counters(&self) -> PoolCounters {
        let mut rows: Vec<WorkerCounters> = self.rows.iter().map(|row| row.tally.read()).collect();
        let sum = |count: fn(&WorkerCounters) -> u64| rows.iter().map(count).sum();
        let shown: usize = self.rows.iter().map(|row| row.frames.len()).sum();
        let crew = self.crew.counts();
        let workers = crew.threads();
        let mut counters = PoolCounters {
            workers,
            active: workers.saturating_sub(self.sleep.sleeping() + crew.benched()),
            blocked: crew.waiting() + crew.away(),
            benched: crew.benched(),
            // Relaxed, here and below: figures for a reader, no order between them.
            uncompensated: self.uncompensated.load(Ordering::Relaxed) as u64,
            queued: self.queued(),
            surplus: (self.queued() + shown).saturating_sub(self.sleep.idle()),
            abandoned: self.abandoned.load(Ordering::Relaxed) as u64, // Relaxed: as above
            panics: self.panics.load(Ordering::Relaxed) as u64,       // Relaxed: as above
            // Relaxed: as above
            threads_refused: (self.timers.refused() + self.threads_refused.load(Ordering::Relaxed))
                as u64,
            run: sum(|row| row.run),
            steals: sum(|row| row.steals),
            promotions: sum(|row| row.promotions),
            parks: sum(|row| row.parks),
            wakes: sum(|row| row.wakes),
            per_worker: Vec::new(),
        };
        rows.truncate(rows.len() - GUESTS); // they come last
        counters.per_worker = rows;
        counters
    }
}

//! Counters of a coordinator, readable at any time without stopping anything.
//!
//! Each thread adds to one of a few stripes, so that submitters on different cores do not fight for
//! a line. A reading sums the stripes one after another: exact when nothing happens meanwhile.
//!
//! Invariants at quiescence: `created` is the sum of the nine outcomes; `queued` and `running` are 0.

use std::cell::Cell;

use super::outcome::OutcomeKind;
use crate::sync::{AtomicU64, AtomicUsize, CachePadded, Ordering};

const STRIPES: usize = 16;
const _: () = assert!(STRIPES.is_power_of_two(), "a stripe is chosen by mask");

/// What is counted, beyond one counter per outcome.
#[derive(Clone, Copy)]
enum Count {
    Created,
    /// Jobs whose first attempt was started.
    Started,
    /// Jobs that ended after that.
    StartedEnded,
    Retries,
    Conflicts,
    /// Reports of attempts that take too long.
    Overdue,
}

const OUTCOMES: usize = OutcomeKind::ALL.len();
const COUNTS: usize = OUTCOMES + Count::Overdue as usize + 1;

type Stripe = CachePadded<[AtomicU64; COUNTS]>;

/// See the page.
pub(crate) struct Stats {
    stripes: [Stripe; STRIPES],
}

static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's stripe; `usize::MAX` until it is first asked for.
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn stripe() -> usize {
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            // Relaxed: spreads threads, orders nothing.
            stripe.set(NEXT_STRIPE.fetch_add(1, Ordering::Relaxed) & (STRIPES - 1));
        }
        stripe.get()
    })
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            stripes: std::array::from_fn(|_| {
                CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0)))
            }),
        }
    }

    pub(crate) fn created(&self) {
        self.add(OUTCOMES + Count::Created as usize);
    }

    pub(crate) fn started(&self) {
        self.add(OUTCOMES + Count::Started as usize);
    }

    pub(crate) fn started_ended(&self) {
        self.add(OUTCOMES + Count::StartedEnded as usize);
    }

    pub(crate) fn retried(&self, conflict: bool) {
        let count = if conflict { Count::Conflicts } else { Count::Retries };
        self.add(OUTCOMES + count as usize);
    }

    pub(crate) fn overdue(&self) {
        self.add(OUTCOMES + Count::Overdue as usize);
    }

    pub(crate) fn ended(&self, outcome: OutcomeKind) {
        self.add(outcome as usize);
    }

    fn add(&self, count: usize) {
        // Relaxed: a counter; readers do not conclude anything about other memory.
        self.stripes[stripe()][count].fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, count: usize) -> u64 {
        // Relaxed: as above.
        self.stripes.iter().map(|stripe| stripe[count].load(Ordering::Relaxed)).sum()
    }

    /// A reading, without the lanes.
    pub(crate) fn read(&self) -> CoordinatorCounters {
        // Ends are read before starts, and starts before creations, so that a difference between
        // them is not negative because of jobs that move on meanwhile.
        let outcomes = OutcomeKind::ALL.map(|kind| self.sum(kind as usize));
        let count = |count: Count| self.sum(OUTCOMES + count as usize);
        let started_ended = count(Count::StartedEnded);
        let started = count(Count::Started);
        let created = count(Count::Created);
        let ended: u64 = outcomes.iter().sum();
        let running = started.saturating_sub(started_ended);
        CoordinatorCounters {
            created,
            outcomes,
            retries: count(Count::Retries),
            conflicts: count(Count::Conflicts),
            overdue: count(Count::Overdue),
            queued: created.saturating_sub(ended).saturating_sub(running),
            running,
            lanes_open: 0,
        }
    }
}

/// A reading of a coordinator's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoordinatorCounters {
    /// Jobs accepted so far.
    pub created: u64,
    /// Jobs ended so far, by outcome, in the order of [`OutcomeKind::ALL`].
    pub outcomes: [u64; OUTCOMES],
    /// Further attempts that were granted after a failure, those of undos included.
    pub retries: u64,
    /// Further attempts that were granted after a conflict.
    pub conflicts: u64,
    /// Times that a watchdog reported an attempt.
    pub overdue: u64,
    /// Jobs that have not had their first turn.
    pub queued: u64,
    /// Jobs that were started and have not ended: on a worker, waiting, backing off, rolling back.
    pub running: u64,
    /// Lanes that exist at the moment.
    pub lanes_open: u64,
}

impl CoordinatorCounters {
    /// Jobs that ended like this.
    pub fn ended(&self, kind: OutcomeKind) -> u64 {
        self.outcomes[kind as usize]
    }

    /// Jobs that have ended.
    pub fn ended_total(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}

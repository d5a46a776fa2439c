//! A shard: an inbox, and the lanes of the keys that hash here.
//!
//! ```text
//!   submit, wake, reports ──► inbox ──► [shard visit] ──► roster of lanes ──► lane visits ──► pool
//!                               ▲                                                  │
//!                               └────────────────── reports ◄──────────────────────┘
//! ```
//!
//! A *shard visit* is work on the pool, put there by whoever is told so by the inbox, so there is at
//! most one at a time. It takes messages up to a budget, lets the roster act on them, posts the
//! lanes that became ready, and either gives the inbox up or, with its budget spent, goes to the
//! back of the pool's queue. The roster is plain data: only the visitor touches it.
//!
//! No job runs inside a shard visit: it runs in a lane visit, which other workers can steal. The
//! first lane that a shard visit made ready is run by the same worker, after the shard was given up.
//!
//! Order: messages are handled in the order of their claims in the inbox, a lane has one visit, a
//! visit runs its jobs in order and comes home before the lane's later jobs go out. That is L1.
//!
//! When the pool ends it abandons the work it has: the shard then counts as closed, and its jobs
//! are abandoned on the thread that found out. So is a job that is submitted later.
//!
//! Not here: what a message does (`roster.rs`, `lane.rs`), how a lane runs (`visit.rs`).

use super::inbox::{Inbox, Pushed};
use super::message::Message;
use super::roster::{Counts, Roster};
use super::turn::Turn;
use super::visit::LaneVisit;
use crate::base::clock::Clock;
use crate::pool::{Carrier, Pool, Runnable, Work};
use crate::sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, UnsafeCell, sized};

/// Messages of one shard visit.
const MESSAGES_MAX: usize = sized(256, 2);

/// See the page.
pub(crate) struct Shard<J: Turn> {
    inbox: Inbox<Message<J>>,
    /// Belongs to the visitor.
    roster: CachePadded<UnsafeCell<Roster<J>>>,
    published: CachePadded<Published>,
    /// Read by running visits between jobs, so away from what the visitor writes.
    closed: AtomicBool,
    pool: Pool,
    owner: J::Owner,
}

// SAFETY: jobs and messages move between threads and are never shared (`J: Send`); the roster is
// touched by the visitor only, and visits follow one another ([inbox-idle], or through the pool).
unsafe impl<J: Turn> Send for Shard<J> {}
// SAFETY: as above.
unsafe impl<J: Turn> Sync for Shard<J> {}

/// The visitor's counts, for everybody to read.
struct Published {
    lanes_open: AtomicU64,
    lanes_out: AtomicU64,
    jobs_received: AtomicU64,
    jobs_ended: AtomicU64,
}

impl<J: Turn> Shard<J> {
    pub(super) fn new(pool: Pool, owner: J::Owner) -> Self {
        Self {
            inbox: Inbox::new(),
            roster: CachePadded::new(UnsafeCell::new(Roster::new())),
            published: CachePadded::new(Published::new()),
            closed: AtomicBool::new(false),
            pool,
            owner,
        }
    }

    /// Leaves a message. Lock-free; any thread.
    pub(super) fn send(this: &Arc<Self>, message: Message<J>) {
        match this.inbox.push(message) {
            Pushed::Schedule => this.pool.post(Work::new(ShardVisit(this.clone()))),
            Pushed::Queued => {}
        }
    }

    /// As [`send`](Self::send), for messages that somebody waits for: a shard that is idle is
    /// visited here and now, so that the answer does not need a free worker. Runs no jobs.
    pub(super) fn ask(this: &Arc<Self>, message: Message<J>) {
        match this.inbox.push(message) {
            Pushed::Schedule => {
                ShardVisit(this.clone())
                    .go(MESSAGES_MAX, |pool, visit| pool.post(Work::new(visit)));
            }
            Pushed::Queued => {}
        }
    }

    /// Abandons what waits and what comes. A running step is not interrupted.
    pub(crate) fn close(this: &Arc<Self>) {
        this.mark_closed();
        Self::send(this, Message::Close);
    }

    /// From now on visits abandon their jobs instead of running them.
    pub(super) fn mark_closed(&self) {
        // Relaxed: whoever must see it gets the message behind it, or finds it set by itself.
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        // Relaxed: a visit that runs at this moment may see it a job later.
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn owner(&self) -> &J::Owner {
        &self.owner
    }

    pub(super) fn clock(&self) -> &Clock {
        self.pool.clock()
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The counts as of the last visit.
    pub(super) fn counts(&self) -> Counts {
        self.published.read()
    }
}

/// The right to visit a shard. There is at most one of each shard: made when the inbox says
/// [`Pushed::Schedule`], and gone when the inbox was given up.
struct ShardVisit<J: Turn>(Arc<Shard<J>>);

// SAFETY: the word is that of the `Arc`, whose carrier keeps the contract.
unsafe impl<J: Turn> Carrier for ShardVisit<J> {
    fn into_raw(self) -> *mut () {
        Carrier::into_raw(self.0)
    }
    /// # Safety
    /// As the trait says.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by the caller's contract this came from `into_raw` above, once.
        Self(unsafe { Carrier::from_raw(raw) })
    }
}

impl<J: Turn> Runnable for ShardVisit<J> {
    fn run(self) {
        let mut own = None;
        self.go(MESSAGES_MAX, |pool, visit| match own {
            None => own = Some(visit),
            Some(_) => pool.post(Work::new(visit)),
        });
        if let Some(visit) = own {
            visit.run();
        }
    }

    fn abandon(self) {
        self.0.mark_closed();
        // There is nobody to go to the back of the queue for.
        self.go(usize::MAX, |_, visit| visit.abandon());
    }
}

impl<J: Turn> ShardVisit<J> {
    /// The visit. Hands every lane that it makes ready to `ready`.
    fn go(self, mut budget: usize, mut ready: impl FnMut(&Pool, Box<LaneVisit<J>>)) {
        let shard = &*self.0;
        loop {
            self.receive(&mut budget);
            // SAFETY: this is the visitor; the roster is not borrowed while `ready` runs.
            while let Some(visit) = shard.roster.with_mut(|roster| unsafe { (*roster).pop_ready() })
            {
                ready(&shard.pool, visit);
            }
            if budget == 0 {
                // A count of this shard, where a handle of the pool would be one of all threads.
                let shard = self.0.clone();
                return shard.pool.post(Work::new(self));
            }
            // SAFETY: this is the visitor. After true it is not, and touches nothing more.
            if unsafe { shard.inbox.give_up() } {
                return;
            }
        }
    }

    /// Lets the roster handle what is in the inbox, up to the budget.
    fn receive(&self, budget: &mut usize) {
        let shard = &self.0;
        shard.roster.with_mut(|roster| {
            // SAFETY: this is the visitor, to which the roster belongs.
            let roster = unsafe { &mut *roster };
            if shard.is_closed() {
                roster.set_closed();
            }
            while *budget > 0 {
                // SAFETY: this is the visitor.
                let Some(message) = (unsafe { shard.inbox.take() }) else { break };
                roster.handle(message, shard);
                *budget -= 1;
            }
            roster.end_batch();
            roster.shrink();
            shard.published.write(roster.counts());
            roster.open_gates();
        });
    }
}

impl Published {
    fn new() -> Self {
        Self {
            lanes_open: AtomicU64::new(0),
            lanes_out: AtomicU64::new(0),
            jobs_received: AtomicU64::new(0),
            jobs_ended: AtomicU64::new(0),
        }
    }

    fn write(&self, counts: Counts) {
        // Relaxed: numbers for the eye. The visitor is the only writer.
        self.lanes_open.store(counts.lanes_open, Ordering::Relaxed);
        // Relaxed: as above.
        self.lanes_out.store(counts.lanes_out, Ordering::Relaxed);
        // Relaxed: as above.
        self.jobs_received.store(counts.jobs_received, Ordering::Relaxed);
        // Relaxed: as above.
        self.jobs_ended.store(counts.jobs_ended, Ordering::Relaxed);
    }

    fn read(&self) -> Counts {
        Counts {
            // Relaxed: as in `write`.
            lanes_open: self.lanes_open.load(Ordering::Relaxed),
            // Relaxed: as above.
            lanes_out: self.lanes_out.load(Ordering::Relaxed),
            // Relaxed: as above.
            jobs_ended: self.jobs_ended.load(Ordering::Relaxed),
            // Relaxed: as above.
            jobs_received: self.jobs_received.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;

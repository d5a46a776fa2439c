//! A shard: an inbox, and the lanes of the keys that hash here.
//!
//! ```text
//!   submit, wake, reports ──► inbox ──► [shard visit] ──► roster of lanes ──► lane visits ──► pool
//!                               ▲                                                  │
//!                               └────────────────── reports ◄──────────────────────┘
//! ```
//!
//! A *shard visit* is work on the pool, put there by whoever is told so by the inbox, so there is at
//! most one at a time. It takes messages up to a budget, runs short jobs in place (`tour.rs`), lets
//! the roster act on the rest, posts the lanes that became ready, and either gives the inbox up or,
//! with its budget spent, goes to the back of the pool's queue. The roster is plain data: only the
//! visitor touches it.
//!
//! Jobs of lanes run in lane visits, which other workers can steal. The first lane that a shard
//! visit made ready is run by the same worker, after the shard was given up.
//!
//! Order: messages are handled in the order of their claims in the inbox; a job runs in place only
//! while its key has no lane, and is a lane's head if it outlasts the visit; a lane has one visit,
//! which runs its jobs in order and comes home before the lane's later jobs go out. That is L1.
//!
//! When the pool ends it abandons the work it has: the shard then counts as closed, and its jobs
//! are abandoned on the thread that found out. So is a job that is submitted later.
//!
//! Not here: what a message does (`roster.rs`, `lane.rs`), how a lane runs (`visit.rs`).

use super::inbox::{Inbox, Pushed};
use super::message::Message;
use super::roster::{Counts, Roster};
use super::tour::{self, Rest};
use super::turn::Turn;
use super::visit::LaneVisit;
use crate::base::clock::Clock;
use crate::pool::{Carrier, Pool, Runnable, Work};
use crate::sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, UnsafeCell};

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

    /// As [`send`](Self::send), for messages that somebody waits for: a shard that is idle, or whose
    /// visitor is inside a job, is visited here and now, so that the answer does not need a free
    /// worker. Runs no jobs.
    pub(super) fn ask(this: &Arc<Self>, message: Message<J>) {
        let visit = match this.inbox.push(message) {
            Pushed::Schedule => Some(ShardVisit(this.clone())),
            // A visitor that is between two jobs at this moment comes to the message by itself, or
            // begins one more job; and so does a visit that waits for a worker.
            Pushed::Queued => Rest::take_from(this),
        };
        if let Some(visit) = visit {
            visit.distribute();
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

    pub(super) fn inbox(&self) -> &Inbox<Message<J>> {
        &self.inbox
    }

    /// Lends the roster.
    ///
    /// # Safety
    /// The caller is the visitor, and does not do this inside `look`.
    #[inline]
    pub(super) unsafe fn with_roster<R>(&self, look: impl FnOnce(&mut Roster<J>) -> R) -> R {
        // SAFETY: the roster belongs to the visitor, which lends it once.
        self.roster.with_mut(|roster| look(unsafe { &mut *roster }))
    }

    /// Shows the visitor's counts.
    pub(super) fn publish(&self, counts: Counts) {
        self.published.write(counts);
    }

    /// The counts as of the last visit.
    pub(super) fn counts(&self) -> Counts {
        self.published.read()
    }
}

/// The right to visit a shard. There is at most one of each shard: made when the inbox says
/// [`Pushed::Schedule`], and gone when the inbox was given up.
pub(super) struct ShardVisit<J: Turn>(pub(super) Arc<Shard<J>>);

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
        let shard = self.0.clone();
        let stand = shard.pool.stand().expect("visits run on workers of their pool");
        tour::go(self, &stand);
    }

    fn abandon(self) {
        let shard = &*self.0;
        shard.mark_closed();
        loop {
            self.receive(usize::MAX);
            while let Some(visit) = self.pop_ready() {
                visit.abandon();
            }
            // SAFETY: this is the visitor. After true it is not, and touches nothing more.
            if unsafe { shard.inbox.give_up() } {
                return;
            }
        }
    }
}

impl<J: Turn> ShardVisit<J> {
    /// A visit that runs no job: all go out on visits of their lanes.
    fn distribute(self) {
        loop {
            let received = self.receive(tour::MESSAGES_MAX as usize);
            self.post_ready(None);
            if received == tour::MESSAGES_MAX as usize {
                // A count of this shard, where a handle of the pool would be one of all threads.
                let shard = self.0.clone();
                return shard.pool.post(Work::new(self));
            }
            // SAFETY: this is the visitor. After true it is not, and touches nothing more.
            if unsafe { self.0.inbox.give_up() } {
                return;
            }
        }
    }

    /// Lets the roster handle what is in the inbox, up to so many messages; how many they were.
    fn receive(&self, max: usize) -> usize {
        let shard = &*self.0;
        let receive = |roster: &mut Roster<J>| {
            if shard.is_closed() {
                roster.set_closed();
            }
            let mut received = 0;
            while received < max {
                // SAFETY: this is the visitor.
                let Some(message) = (unsafe { shard.inbox.take() }) else { break };
                roster.handle(message, &self.0);
                received += 1;
            }
            roster.end_batch(shard);
            received
        };
        // SAFETY: this is the visitor.
        unsafe { shard.with_roster(receive) }
    }

    /// Posts the lanes that became ready; the first goes to `own`, if that is given and empty.
    pub(super) fn post_ready(&self, mut own: Option<&mut Option<Box<LaneVisit<J>>>>) {
        while let Some(visit) = self.pop_ready() {
            match &mut own {
                Some(own) if own.is_none() => **own = Some(visit),
                _ => self.0.pool.post(Work::new(visit)),
            }
        }
    }

    /// The roster is not borrowed while its visits are posted.
    fn pop_ready(&self) -> Option<Box<LaneVisit<J>>> {
        // SAFETY: this is the visitor.
        unsafe { self.0.with_roster(Roster::pop_ready) }
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

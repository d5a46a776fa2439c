//! Layer lane: jobs of one key one after another, all other keys in parallel.
//!
//! ```text
//!   submit(key, job) ─hash─► shard ─► inbox (lock-free) ─► roster ─► lane of the key ─► visit ─► pool
//! ```
//!
//! Two levels. A key hashes to one of [`SHARDS`] shards; each has one lock-free inbox, and at most
//! one worker at a time looks after it. While jobs are short that worker runs them in place, in the
//! order in which they came, and nothing is known of their keys. What takes longer, waits or is held
//! opens a *lane*, plain data of that worker, which lasts while the key has jobs or is held. A lane
//! with jobs to run travels over the pool as a visit of its own, and a shard whose worker is inside
//! a long job is taken over, so keys run in parallel also when they share a shard.
//!
//! | file | noun |
//! |---|---|
//! | `inbox.rs` | the queue from many producers to one visitor |
//! | `shard.rs` | the shard visit: who empties the inbox, and when |
//! | `roster.rs`, `lane.rs` | the lanes of a shard, and one lane: plain data |
//! | `tour.rs`, `desk.rs` | a shard visit by a worker, and the jobs that it runs in place |
//! | `visit.rs` | a lane's jobs on the pool, and their budget |
//! | `message.rs`, `gate.rs` | what travels, what a drain waits for |
//! | `address.rs`, `lane_ref.rs` | from outside: a key's lane, and who wakes its head |
//! | `view.rs` | what a look from outside sees of a lane |
//! | `key.rs`, `turn.rs` | what a lane is named by, what it runs |
//!
//! Nothing on a job's way takes a lock, looks into a map that threads share, or counts where threads of
//! other shards do. A thread that is
//! stopped inside `submit` delays only what reaches the inbox of the same shard after it.
//!
//! Not here: what a job is (the coordinator), bounds, marks other than holds.

mod address;
mod desk;
mod gate;
mod inbox;
mod key;
#[expect(clippy::module_inception, reason = "one lane, in the layer named after it")]
mod lane;
mod lane_ref;
mod message;
mod roster;
mod shard;
mod tour;
mod turn;
mod view;
mod visit;

use std::time::Instant;

pub(crate) use address::Address;
use gate::Gate;
use key::{Hashed, Seed};
pub use key::{KEY_MAX, Key};
pub(crate) use lane_ref::LaneRef;
use message::Message;
pub(crate) use shard::Shard;
pub(crate) use turn::{Abandon, Next, Step, Turn};
pub(crate) use view::{LaneView, Look};

use crate::pool::Pool;
use crate::sync::{Arc, sized};

/// Shards of one set of lanes: more than workers, so that two busy keys seldom meet in one.
const SHARDS: usize = sized(64, 1);
const _: () = assert!(SHARDS.is_power_of_two(), "shards are chosen by mask");

/// All lanes of one owner, in shards.
///
/// Dropping it is a last [`retire`](Self::retire): jobs that were submitted still run, and each shard
/// goes with its last job, or its last [`Address`].
pub(crate) struct Lanes<J: Turn> {
    shards: Box<[Arc<Shard<J>>]>,
    seed: Seed,
}

/// What a set of lanes holds: each number is exact for one moment of its shard, not of all, and
/// runs a little behind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct LaneCounts {
    /// Lanes that exist: they have jobs that do not run in place, or are held.
    pub(crate) lanes_open: u64,
    /// Jobs received that have not ended, running ones included.
    pub(crate) jobs_waiting: u64,
    /// Lanes whose visit is on the pool, queued or running: each runs one job at a time.
    pub(crate) lanes_running: u64,
    /// Jobs that have ended or were abandoned.
    pub(crate) jobs_done: u64,
}

impl<J: Turn> Lanes<J> {
    /// Without lanes, to run on `pool` jobs that have `owner` in common.
    pub(crate) fn new(pool: &Pool, owner: &J::Owner) -> Self {
        let shard = |_| Arc::new(Shard::new(pool.clone(), owner.clone()));
        Self { shards: (0..SHARDS).map(shard).collect(), seed: Seed::new(pool.dice()) }
    }

    /// Appends `job` to the lane of `key` and returns. Lock-free, never blocks.
    ///
    /// After [`close`](Self::close), or when the pool has ended, the job is abandoned.
    pub(crate) fn submit(&self, key: Key, job: J) {
        self.send(key, |key| Message::Job(key, job));
    }

    /// Where the jobs of `key` go.
    pub(crate) fn address(&self, key: Key) -> Address<J> {
        let key = Hashed::new(key, &self.seed);
        Address::new(self.shards[key.shard(SHARDS)].clone(), key)
    }

    /// The shards, for whoever closes those that outlive the lanes.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &Arc<Shard<J>>> {
        self.shards.iter()
    }

    /// As [`LaneRef::group`].
    pub(crate) fn group(&self, key: &Key) -> u32 {
        Hashed::new(key.clone(), &self.seed).group()
    }

    /// Gives the head of the lane of `key` a turn, as if it had been woken; if its step is running,
    /// another one after it. No effect on a key without jobs.
    pub(crate) fn wake(&self, key: Key) {
        self.send(key, Message::WakeHead);
    }

    /// Shows the lane of `key` to `look`, on a worker or here. Returns at once.
    pub(crate) fn look(&self, key: Key, look: Look<J>) {
        let key = Hashed::new(key, &self.seed);
        Shard::ask(&self.shards[key.shard(SHARDS)], Message::Look(Some(key), look));
    }

    /// Shows every open lane to `look`, on workers or here. Returns at once; walks all lanes.
    pub(crate) fn look_at_all(&self, look: &Look<J>) {
        self.shards.iter().for_each(|shard| Shard::ask(shard, Message::Look(None, look.clone())));
    }

    /// Lets a held lane go on. No effect on one that is not held.
    #[allow(dead_code, reason = "the coordinator holds by marks")]
    pub(crate) fn release(&self, key: Key) {
        self.send(key, Message::Release);
    }

    /// Waits until every job submitted before the call has ended; false at the deadline.
    ///
    /// Blocks the thread; on a worker the caller says so to the pool. Waits for held lanes and for
    /// jobs that wait, too. Costs O(open lanes).
    pub(crate) fn drain(&self, deadline: Instant) -> bool {
        let (gate, waiter) = Gate::new();
        self.send_all(|| Message::Barrier(None, gate.clone()));
        drop(gate);
        waiter.wait_until(self.shards[0].pool(), deadline)
    }

    /// As [`drain`](Self::drain), for the jobs of one key. Costs O(1).
    pub(crate) fn drain_key(&self, key: Key, deadline: Instant) -> bool {
        let (gate, waiter) = Gate::new();
        self.send(key, |key| Message::Barrier(Some(key), gate));
        waiter.wait_until(self.shards[0].pool(), deadline)
    }

    /// Abandons every job that waits, and every later one. A running step is not interrupted; a
    /// job whose step answers that it waits is abandoned then.
    ///
    /// Returns at once; [`drain`](Self::drain) tells when all have ended.
    pub(crate) fn close(&self) {
        self.shards.iter().for_each(Shard::close);
    }

    /// Gives every job that has started and waits a turn, as if each had been woken; one whose step
    /// is running gets another turn if it then waits. For what concerns all jobs at once: the owner
    /// is being shut down, and each has to look. Walks all lanes; returns at once.
    pub(crate) fn wake_all(&self) {
        self.send_all(|| Message::WakeAll);
    }

    /// Nobody will release lanes any more: lanes that are held abandon their jobs
    /// ([`Abandon::Shutdown`]), and from now on [`Next::Hold`] does the same to the jobs that wait
    /// at that moment. Jobs of other lanes run on. Walks all lanes; returns at once.
    pub(crate) fn retire(&self) {
        self.send_all(|| Message::Retire);
    }

    /// Reads the counters; stops nobody.
    pub(crate) fn counts(&self) -> LaneCounts {
        let mut sum = LaneCounts::default();
        for counts in self.shards.iter().map(|shard| shard.counts()) {
            sum.lanes_open += counts.lanes_open;
            sum.lanes_running += counts.lanes_out;
            sum.jobs_waiting += counts.jobs_received.saturating_sub(counts.jobs_ended);
            sum.jobs_done += counts.jobs_ended;
        }
        sum
    }

    fn send_all(&self, message: impl Fn() -> Message<J>) {
        self.shards.iter().for_each(|shard| Shard::send(shard, message()));
    }

    fn send(&self, key: Key, message: impl FnOnce(Hashed) -> Message<J>) {
        let key = Hashed::new(key, &self.seed);
        Shard::send(&self.shards[key.shard(SHARDS)], message(key));
    }
}

impl<J: Turn> Drop for Lanes<J> {
    fn drop(&mut self) {
        self.retire();
    }
}

#[cfg(test)]
mod tests;

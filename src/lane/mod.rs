//! Layer lane: jobs of one key one after another, all other keys in parallel.

mod inbox;
mod key;
mod lane_ref;
mod turn;

use std::marker::PhantomData;
use std::time::Instant;

use crate::pool::Pool;

pub use key::{KEY_MAX, Key};
pub(crate) use lane_ref::LaneRef;
pub(crate) use turn::{Abandon, Next, Step, Turn};

/// All lanes of one owner, in shards. Dropping it closes it.
pub(crate) struct Lanes<J: Turn> {
    jobs: PhantomData<fn(J)>,
}

/// What a set of lanes holds: each number is exact for one moment of its shard, not of all.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct LaneCounts {
    /// Lanes that exist: they have jobs or are held.
    pub(crate) lanes_open: u64,
    /// Jobs received that have not ended, running ones included.
    pub(crate) jobs_waiting: u64,
    /// Lanes whose visit is on the pool: each runs one job at a time.
    pub(crate) lanes_running: u64,
    /// Jobs that have ended or were abandoned.
    pub(crate) jobs_done: u64,
}

impl<J: Turn> Lanes<J> {
    /// No lanes yet; their visits will run on `pool`.
    pub(crate) fn new(pool: &Pool) -> Self {
        let _ = pool;
        Self { jobs: PhantomData }
    }

    /// Gives every job that has started and waits a turn, as if each had been woken; one whose step
    /// is running gets another turn if it then waits. For what concerns all jobs at once: the owner
    /// is being shut down, and each has to look. Walks all lanes; returns at once.
    pub(crate) fn wake_all(&self) {}

    /// Nobody will release lanes any more: lanes that are held abandon their jobs
    /// ([`Abandon::Shutdown`]), and from now on [`Next::Hold`] does the same to the jobs that wait
    /// at that moment. Jobs of other lanes run on. Returns at once.
    pub(crate) fn retire(&self) {}

    /// Appends `job` to the lane of `key` and returns. Lock-free, never blocks.
    ///
    /// After [`close`](Self::close), or when the pool has ended, the job is abandoned.
    pub(crate) fn submit(&self, key: Key, job: J) {
        drop((key, job));
        unimplemented!("signatures first")
    }

    /// Lets a held lane go on. No effect on one that is not held.
    pub(crate) fn release(&self, key: Key) {
        drop(key);
        unimplemented!("signatures first")
    }

    /// Waits until every job submitted before the call has ended; false at the deadline. Blocks.
    pub(crate) fn drain(&self, deadline: Instant) -> bool {
        let _ = deadline;
        unimplemented!("signatures first")
    }

    /// As [`drain`](Self::drain), for the jobs of one key.
    pub(crate) fn drain_key(&self, key: Key, deadline: Instant) -> bool {
        let _ = (key, deadline);
        unimplemented!("signatures first")
    }

    /// Abandons every job that waits, and every later one. A running step is not interrupted.
    /// Returns at once; [`drain`](Self::drain) tells when all have ended.
    pub(crate) fn close(&self) {
        unimplemented!("signatures first")
    }

    /// Reads the counters; stops nobody.
    pub(crate) fn counts(&self) -> LaneCounts {
        unimplemented!("signatures first")
    }
}

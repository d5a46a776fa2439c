//! A way back to a lane, for whoever ends a job's wait.

use super::address::Address;
use super::key::{Hashed, Key};
use super::message::Message;
use super::shard::Shard;
use super::turn::Turn;
use crate::sync::Arc;

/// Names the job at the head of a lane. Cheap to clone; may outlive the job and the lane.
pub(crate) struct LaneRef<J: Turn> {
    pub(super) shard: Arc<Shard<J>>,
    pub(super) key: Hashed,
    /// The job's number. Numbers of one key only grow, also when its lane is opened anew.
    pub(super) serial: u64,
}

impl<J: Turn> LaneRef<J> {
    /// The key of the lane.
    pub(crate) fn key(&self) -> &Key {
        self.key.key()
    }

    /// The hash of the key, by which the threads of this process tell lanes apart: it depends on a
    /// seed that each set of lanes draws.
    pub(crate) fn hash(&self) -> u64 {
        self.key.hash()
    }

    /// Which of 64 groups the key belongs to: the same for equal keys of one set of lanes.
    pub(crate) fn group(&self) -> u32 {
        self.key.group()
    }

    /// What the jobs of these lanes have in common.
    pub(crate) fn owner(&self) -> &J::Owner {
        self.shard.owner()
    }

    /// Where further jobs of this key go.
    pub(crate) fn address(&self) -> Address<J> {
        Address::new(self.shard.clone(), self.key.clone())
    }

    /// Gives the job its next turn: now if it waits, after its running step otherwise. A job that
    /// has ended is past waking: then nothing happens.
    ///
    /// Any thread; lock-free. Several calls before the turn give that one turn, and at most one more
    /// without news: if the turn began between them, or might have.
    pub(crate) fn wake(&self) {
        Shard::send(&self.shard, Message::Wake(self.key.clone(), self.serial));
    }
}

impl<J: Turn> Clone for LaneRef<J> {
    fn clone(&self) -> Self {
        Self { shard: self.shard.clone(), key: self.key.clone(), serial: self.serial }
    }
}

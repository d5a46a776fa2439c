//! An address: where the jobs of one key go, kept by somebody outside who has to do with one of
//! them.
//!
//! It keeps the shard and what the jobs have in common alive, and costs a count of that shard, not
//! one of all of them.

use super::key::{Hashed, Key};
use super::message::Message;
use super::shard::Shard;
use super::turn::Turn;
use crate::sync::Arc;

/// See the page.
pub(crate) struct Address<J: Turn> {
    shard: Arc<Shard<J>>,
    key: Hashed,
}

impl<J: Turn> Address<J> {
    pub(super) fn new(shard: Arc<Shard<J>>, key: Hashed) -> Self {
        Self { shard, key }
    }

    /// The key of the lane.
    pub(crate) fn key(&self) -> &Key {
        self.key.key()
    }

    /// As [`LaneRef::group`](super::LaneRef::group).
    pub(crate) fn group(&self) -> u32 {
        self.key.group()
    }

    /// The hash of the key, by which the threads of this process tell lanes apart.
    pub(crate) fn hash(&self) -> u64 {
        self.key.hash()
    }

    /// What the jobs of these lanes have in common.
    pub(crate) fn owner(&self) -> &J::Owner {
        self.shard.owner()
    }

    /// As [`Lanes::submit`](super::Lanes::submit), under this key.
    pub(crate) fn submit(&self, job: J) {
        Shard::send(&self.shard, Message::Job(self.key.clone(), job));
    }
}

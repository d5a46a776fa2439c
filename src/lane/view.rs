//! What a look from outside sees of a lane, without stopping it.
//!
//! A look travels through the inbox like everything else and is answered by the shard's visitor, so
//! what it sees is one moment of the lane: after every job that was submitted before the look, and
//! before every later one.

use super::key::{Hashed, Key};
use super::turn::Turn;
use crate::sync::Arc;

/// One lane at the moment of the look.
pub(crate) struct LaneView<'a, J: Turn> {
    pub(super) key: &'a Hashed,
    pub(super) jobs: u64,
    pub(super) head: Option<&'a J>,
}

impl<J: Turn> LaneView<'_, J> {
    /// The key of the lane.
    pub(crate) fn key(&self) -> &Key {
        self.key.key()
    }

    /// Jobs that have not ended, as far as the lane was told.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// The first job, if the lane is at home: the job waits, or the lane is held. Nothing if the
    /// lane is with a worker, or on its way to one.
    pub(crate) fn head(&self) -> Option<&J> {
        self.head
    }
}

/// Called by the visitor with each lane that was asked about; not called for a key without a lane.
/// Must be short, must not run user code and must not unwind.
pub(crate) type Look<J> = Arc<dyn Fn(&LaneView<'_, J>) + Send + Sync>;

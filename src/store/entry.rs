//! What is stored: entries under their place, and the batches that change them.

use std::sync::Arc;

use crate::task::{AllocationId, Revision, Sequence, TaskId};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A task's record.
    Record,
    /// What is left of a task that is gone.
    Tombstone,
    /// A node that runs tasks.
    Node,
    /// The settings; there is one entry at most, at sequence 0.
    Settings,
}

/// One stored entry. Of each kind there is at most one for a sequence, and one for an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The task's place among all starts: the key of an embedded store. Tasks that are changed
    /// together were mostly started together, so their entries lie side by side.
    pub sequence: Sequence,
    /// The encoded entry.
    pub value: Vec<u8>,
}

/// One change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What the entry is.
    pub kind: Kind,
    /// Its place.
    pub sequence: Sequence,
    /// The task (or the name of the node, or nothing for the settings): the key of a store that others
    /// read by id.
    pub id: TaskId,
    /// The new value; `None` removes the entry.
    pub value: Option<Vec<u8>>,
}

/// The name of one try to commit, by which it is found again when its answer was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// Who tries: no two openers of a store have the same number.
    pub writer: u64,
    /// Which of its tries.
    pub number: u64,
}

/// What one commit changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Which try this is.
    pub attempt: Attempt,
    /// The entries, each at most once.
    pub writes: Vec<Write>,
    /// The counter after the commit.
    pub last_allocation: AllocationId,
    /// The counter after the commit.
    pub last_sequence: Sequence,
}

/// A batch that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The revision that it made.
    pub revision: Revision,
    /// What it changed.
    pub batch: Arc<Batch>,
}

/// Everything that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The last commit.
    pub revision: Revision,
    /// The counter as of that commit.
    pub last_allocation: AllocationId,
    /// The counter as of that commit.
    pub last_sequence: Sequence,
    /// The entries, in any order.
    pub entries: Vec<Entry>,
}

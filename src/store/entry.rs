//! What is stored: entries under their place, and the batches that change them.

use crate::task::{AllocationId, Revision, Sequence, TaskId};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A task's record.
    Record,
    /// What is left of a task that is gone.
    Tombstone,
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
    /// The task: the key of a store that others read by id.
    pub id: TaskId,
    /// The new value; `None` removes the entry.
    pub value: Option<Vec<u8>>,
}

/// What one commit changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The entries, each at most once.
    pub writes: Vec<Write>,
    /// The counter after the commit.
    pub last_allocation: AllocationId,
    /// The counter after the commit.
    pub last_sequence: Sequence,
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

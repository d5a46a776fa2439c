//! Names and numbers of the task layer, each a type of its own so that none is taken for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are shared, never copied and never changed: params, states, results, lane names.
pub type Bytes = Arc<[u8]>;

/// The name of a task: chosen by the caller, unique among the tasks that live. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TaskId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TaskId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for TaskId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<&TaskId> for TaskId {
    fn from(id: &TaskId) -> Self {
        id.clone()
    }
}

/// The name of a node. Embedded, there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&NodeId> for NodeId {
    fn from(name: &NodeId) -> Self {
        name.clone()
    }
}

impl From<&str> for NodeId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One life of a node: a process that begins again under the same name is another one.
///
/// Given by the cluster at a join, growing over all nodes, never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// One assignment of one task to one node; the fencing token of everything that node writes.
///
/// Given by [`apply`](crate::task::apply), growing, never given twice, not even after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub u64);

impl AllocationId {
    /// What a task that was never assigned has.
    pub const NONE: Self = Self(0);

    /// The least id that may be given by a process that opens the store at `now`.
    ///
    /// Seconds since 1970 in the upper bits, 2^20 ids for each second in the lower ones, all below
    /// 2^53 so that JSON readers keep every digit. An older copy of a state directory, put back
    /// unseen, still continues above every id that was given after the copy was taken.
    pub fn floor(now: Timestamp) -> Self {
        Self((now.0 / 1000) << 20)
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("2^64 allocations take longer than the hardware lasts"))
    }
}

/// The version of the whole state: grows by one with every commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision that the next commit makes.
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("2^64 commits take longer than the hardware lasts"))
    }
}

/// The place of a task in the commit order of all starts. Never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("2^64 starts take longer than the hardware lasts"))
    }
}

/// A wall-clock time in milliseconds since 1970. Handed in, never read here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time and `span` later; the end of time if that is later still.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `earlier` to this time; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

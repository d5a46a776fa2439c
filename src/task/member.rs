//! Nodes as the state knows them: what they offer, and why one does not suit a task.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::ident::{Incarnation, NodeId, Sequence, Timestamp};
use super::policy::Placement;

/// One living node and what it offers. Immutable: a change is a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: NodeId,
    /// Which life of that name. All tasks assigned to the node are assigned to this one.
    pub incarnation: Incarnation,
    /// Its place among all starts and joins; given by [`apply`](super::apply).
    pub sequence: Sequence,
    /// The executors it offers.
    pub executors: BTreeMap<Arc<str>, Capacity>,
    /// What tasks can ask for. The name itself counts as a label `node`.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Gets no new tasks, and gives those it has back by this time.
    pub draining: Option<Timestamp>,
}

/// How much of one kind of task a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many at once.
    pub room: u32,
    /// Its share beside other nodes; 1 unless some nodes are stronger. Zero counts as one.
    pub weight: u32,
}

impl Default for Capacity {
    /// 65 536 at once, weight 1.
    fn default() -> Self {
        Self { room: 64 * 1024, weight: 1 }
    }
}

/// Why a node does not suit a task. In the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unfit {
    /// No living node has this name.
    Unknown,
    /// It does not offer the executor.
    NoExecutor,
    /// It gives its tasks away.
    Draining,
    /// It lacks a label that the task requires.
    NoLabel,
    /// It has as many tasks of this executor as it takes.
    NoRoom,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "is not alive",
            Self::NoExecutor => "does not offer the executor",
            Self::Draining => "is draining",
            Self::NoLabel => "lacks a required label",
            Self::NoRoom => "has no room",
        })
    }
}

impl Member {
    /// A node without executors and labels.
    pub fn new(id: impl Into<NodeId>, incarnation: Incarnation) -> Self {
        Self {
            id: id.into(),
            incarnation,
            sequence: Sequence(0),
            executors: BTreeMap::new(),
            labels: BTreeMap::new(),
            draining: None,
        }
    }

    /// Offers the executor `name`.
    pub fn offer(mut self, name: &str, capacity: Capacity) -> Self {
        self.executors.insert(name.into(), capacity);
        self
    }

    /// Has this label.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Why this node does not suit a task of `name` with `placement`, of which it has `assigned`.
    pub(super) fn unfit(
        &self,
        name: &str,
        placement: &Placement,
        assigned: usize,
    ) -> Option<Unfit> {
        let Some(capacity) = self.executors.get(name) else { return Some(Unfit::NoExecutor) };
        if self.draining.is_some() {
            return Some(Unfit::Draining);
        }
        if !placement.requires.iter().all(|label| self.has(label)) {
            return Some(Unfit::NoLabel);
        }
        (assigned >= capacity.room as usize).then_some(Unfit::NoRoom)
    }

    /// How many of the labels that the task would like are here.
    pub(super) fn liked(&self, placement: &Placement) -> usize {
        placement.prefers.iter().filter(|label| self.has(label)).count()
    }

    fn has(&self, (name, value): &(Arc<str>, Arc<str>)) -> bool {
        match self.labels.get(name) {
            Some(found) => found == value,
            None => &**name == "node" && **value == *self.id.as_str(),
        }
    }
}

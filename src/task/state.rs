//! All tasks, and the indexes that keep every command O(log n).
//!
//! Persistent (structure-sharing) maps: a clone costs a few reference counts, a change copies one
//! path, two versions can be compared in the time of their difference (why these maps:
//! docs/decisions/snapshot-map.md). `State` is a value: equal histories make equal states.
//!
//! Stored are the records, the tombstones, the opaque records and the two counters. Everything else
//! is an index, a function of the records, rebuilt at load:
//!
//! | index | holds | asked by |
//! |---|---|---|
//! | `lanes` | every task of a lane that has not ended, by lane and start | whose turn is it |
//! | `ready` | unassigned tasks whose turn it is and that do not pause, by name and start | `plan` |
//! | `due` | tasks with a time at which something happens | `Tick`, the timer |
//! | `buried` | tombstones by age | forgetting them |
//! | `running` | assigned tasks of each name | room on the node |
//!
//! All writes go through `replace`, which moves a record between indexes; nothing else touches them.

use std::sync::Arc;

use imbl::OrdMap;

use super::ident::{AllocationId, Bytes, NodeId, Revision, Sequence, TaskId, Timestamp};
use super::record::{Opaque, Outcome, Phase, Record, Tombstone};

/// One version of all tasks. A clone is cheap and never changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(super) revision: Revision,
    pub(super) last_allocation: AllocationId,
    pub(super) last_sequence: Sequence,
    pub(super) records: OrdMap<TaskId, Arc<Record>>,
    pub(super) tombstones: OrdMap<TaskId, Arc<Tombstone>>,
    pub(super) opaque: OrdMap<TaskId, Arc<Opaque>>,
    lanes: OrdMap<(Bytes, Sequence), TaskId>,
    ready: OrdMap<(Arc<str>, Sequence), TaskId>,
    due: OrdMap<(Timestamp, Sequence), TaskId>,
    buried: OrdMap<(Timestamp, Sequence), TaskId>,
    running: OrdMap<Arc<str>, usize>,
    pub(super) limits: Limits,
}

/// How much is remembered of tasks that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a tombstone stays.
    pub tombstone_ttl: std::time::Duration,
    /// How many tombstones stay; beyond it the oldest go first.
    pub tombstones_max: usize,
}

impl Default for Limits {
    /// 10 minutes and 100 000.
    fn default() -> Self {
        Self { tombstone_ttl: std::time::Duration::from_secs(600), tombstones_max: 100_000 }
    }
}

/// What a store keeps of a state: the parts that are not indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The last commit.
    pub revision: Revision,
    /// The greatest allocation id that was ever given.
    pub last_allocation: AllocationId,
    /// The place of the last start.
    pub last_sequence: Sequence,
    /// Every record, in any order, each id once among records and opaque ones.
    pub records: Vec<Arc<Record>>,
    /// Every tombstone, in any order.
    pub tombstones: Vec<Arc<Tombstone>>,
    /// Every record that only a newer version can read.
    pub opaque: Vec<Arc<Opaque>>,
}

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// A node has it.
    Assigned {
        /// The node.
        node: NodeId,
        /// Its fencing token.
        allocation: AllocationId,
        /// True once a cancel was accepted.
        cancelling: bool,
    },
    /// No node offers its executor, or those that do have no room.
    NoSuitableNode,
    /// An earlier task of its lane has not ended.
    BehindInLane {
        /// That task: the head of the lane.
        head: TaskId,
    },
    /// Pauses after a failure.
    BackingOff {
        /// Until this time.
        until: Timestamp,
    },
    /// Failed too often; waits to be resumed or removed.
    Parked,
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// Written by a newer version.
    Opaque,
}

impl State {
    /// An empty state.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The state that `saved` was taken from.
    pub fn restore(saved: Saved, limits: Limits) -> Self {
        let mut state = Self::new(limits);
        state.revision = saved.revision;
        state.last_allocation = saved.last_allocation;
        state.last_sequence = saved.last_sequence;
        // In the order of starts, so that the head of each lane comes first.
        let mut records = saved.records;
        records.sort_unstable_by_key(|record| record.sequence);
        for record in records {
            state.replace(None, Some(record));
        }
        for tombstone in saved.tombstones {
            state.bury(tombstone);
        }
        for opaque in saved.opaque {
            state.opaque.insert(opaque.id.clone(), opaque);
        }
        state
    }

    /// The parts that are stored: [`restore`](Self::restore) makes an equal state of them.
    pub fn save(&self) -> Saved {
        Saved {
            revision: self.revision,
            last_allocation: self.last_allocation,
            last_sequence: self.last_sequence,
            records: self.records.values().cloned().collect(),
            tombstones: self.tombstones.values().cloned().collect(),
            opaque: self.opaque.values().cloned().collect(),
        }
    }

    /// The last commit that this state contains.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The greatest allocation id that was ever given.
    pub fn last_allocation(&self) -> AllocationId {
        self.last_allocation
    }

    /// The place of the last start.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// The record of `id`.
    pub fn get(&self, id: &str) -> Option<&Arc<Record>> {
        self.records.get(id)
    }

    /// What is left of `id` after its end, or of the last task that had this id.
    pub fn tombstone(&self, id: &str) -> Option<&Arc<Tombstone>> {
        self.tombstones.get(id)
    }

    /// All records, by id.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Why the task is where it is; `None` if there is no record of it.
    pub fn explain(&self, id: &str) -> Option<Explanation> {
        if self.opaque.contains_key(id) {
            return Some(Explanation::Opaque);
        }
        let record = self.get(id)?;
        Some(match &record.phase {
            Phase::Assigned { node, cancel_by } => Explanation::Assigned {
                node: node.clone(),
                allocation: record.allocation,
                cancelling: cancel_by.is_some(),
            },
            Phase::Parked => Explanation::Parked,
            Phase::Ended(ending) => Explanation::Ended { outcome: ending.outcome },
            Phase::Unassigned { not_before: Some(until) } => {
                Explanation::BackingOff { until: *until }
            }
            Phase::Unassigned { not_before: None } => match self.lane_head(record) {
                Some(head) if *head != record.id => {
                    Explanation::BehindInLane { head: head.clone() }
                }
                _ => Explanation::NoSuitableNode,
            },
        })
    }

    /// The earliest time at which [`Command::Tick`](super::Command::Tick) has something to do.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.get_min().map(|((at, _), _)| *at)
    }

    /// The same tasks as of a commit.
    pub fn committed(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// A task that is due at `now`.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<&Arc<Record>> {
        let ((at, _), id) = self.due.get_min()?;
        (*at <= now).then(|| self.records.get(id).expect("`due` names records"))
    }

    /// The first `count` tasks of `name` that may be assigned now, in the order of their starts.
    pub(super) fn ready_of(&self, name: &Arc<str>, count: usize) -> impl Iterator<Item = &TaskId> {
        let first = (name.clone(), Sequence(0));
        let last = (name.clone(), Sequence(u64::MAX));
        self.ready.range(first..=last).take(count).map(|(_, id)| id)
    }

    /// Whether the task may be assigned now.
    pub(super) fn is_ready(&self, record: &Record) -> bool {
        self.ready.contains_key(&(record.name.clone(), record.sequence))
    }

    /// How many tasks of `name` are assigned.
    pub(super) fn running_of(&self, name: &str) -> usize {
        self.running.get(name).copied().unwrap_or(0)
    }

    /// The task whose turn it is in the lane of `record`; `None` without a lane.
    fn lane_head(&self, record: &Record) -> Option<&TaskId> {
        let lane = record.lane.as_ref()?;
        let first = (lane.clone(), Sequence(0));
        let last = (lane.clone(), Sequence(u64::MAX));
        self.lanes.range(first..=last).next().map(|(_, id)| id)
    }

    /// Puts `after` in the place of `before`: the one write, of records and indexes alike.
    pub(super) fn replace(&mut self, before: Option<&Arc<Record>>, after: Option<Arc<Record>>) {
        if let Some(before) = before {
            self.unindex(before);
            if after.is_none() {
                self.records.remove(&before.id);
            }
        }
        if let Some(after) = after {
            self.index(&after);
            self.records.insert(after.id.clone(), after);
        }
        if let Some(before) = before {
            self.call_lane_head(before);
        }
    }

    fn unindex(&mut self, record: &Arc<Record>) {
        if let Some(lane) = &record.lane {
            self.lanes.remove(&(lane.clone(), record.sequence));
        }
        self.ready.remove(&(record.name.clone(), record.sequence));
        if let Some(at) = due_at(record) {
            self.due.remove(&(at, record.sequence));
        }
        if record.assigned_to().is_some() {
            let left = self.running_of(&record.name) - 1;
            if left == 0 {
                self.running.remove(&record.name);
            } else {
                self.running.insert(record.name.clone(), left);
            }
        }
    }

    fn index(&mut self, record: &Arc<Record>) {
        if let Some(lane) = record.lane.as_ref().filter(|_| !record.has_ended()) {
            self.lanes.insert((lane.clone(), record.sequence), record.id.clone());
        }
        if let Some(at) = due_at(record) {
            self.due.insert((at, record.sequence), record.id.clone());
        }
        if record.assigned_to().is_some() {
            let count = self.running_of(&record.name) + 1;
            self.running.insert(record.name.clone(), count);
        }
        let its_turn = self.lane_head(record).is_none_or(|head| *head == record.id);
        if its_turn && record.wants_node() {
            self.ready.insert((record.name.clone(), record.sequence), record.id.clone());
        }
    }

    /// After a change of `changed`: the task that now heads its lane may be ready.
    fn call_lane_head(&mut self, changed: &Record) {
        let Some(head) = self.lane_head(changed) else { return };
        let record = self.records.get(head).expect("`lanes` names records");
        if record.wants_node() {
            let entry = ((record.name.clone(), record.sequence), record.id.clone());
            self.ready.insert(entry.0, entry.1);
        }
    }

    /// Adds a tombstone, in the place of an older one of the same id.
    pub(super) fn bury(&mut self, tombstone: Arc<Tombstone>) {
        self.exhume(&tombstone.id);
        self.buried.insert((tombstone.at, tombstone.sequence), tombstone.id.clone());
        self.tombstones.insert(tombstone.id.clone(), tombstone);
    }

    /// Forgets the tombstone of `id`.
    pub(super) fn exhume(&mut self, id: &TaskId) {
        if let Some(old) = self.tombstones.remove(id) {
            self.buried.remove(&(old.at, old.sequence));
        }
    }

    /// Forgets at most `count` tombstones that are over their time or their number.
    pub(super) fn forget(&mut self, now: Timestamp, count: usize) {
        for _ in 0..count {
            let Some(((at, _), id)) = self.buried.get_min() else { return };
            let expired = now.since(*at) >= self.limits.tombstone_ttl;
            if !expired && self.buried.len() <= self.limits.tombstones_max {
                return;
            }
            let id = id.clone();
            self.exhume(&id);
        }
    }
}

/// When something happens to the record by itself.
fn due_at(record: &Record) -> Option<Timestamp> {
    match &record.phase {
        Phase::Unassigned { not_before } => *not_before,
        Phase::Assigned { cancel_by, .. } => *cancel_by,
        Phase::Parked => None,
        Phase::Ended(ending) => record.policies.ended_ttl.map(|ttl| ending.at.after(ttl)),
    }
}

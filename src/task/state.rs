//! All tasks, and the indexes that keep every command O(log n).
//!
//! Persistent (structure-sharing) maps: a clone costs a few reference counts, a change copies one
//! path, two versions can be compared in the time of their difference (why these maps:
//! docs/decisions/snapshot-map.md). `State` is a value: equal histories make equal states.
//!
//! Stored are the records, the tombstones, the opaque records, the nodes, the settings and the two
//! counters. Everything else is an index, a function of the records, rebuilt at load:
//!
//! | index | holds | asked by |
//! |---|---|---|
//! | `lanes` | every task of a lane that has not ended, by lane and start | whose turn is it |
//! | `ready` | unassigned tasks whose turn it is and that do not pause, by name and start | `plan` |
//! | `held` | assigned tasks, by node and start | a node's end |
//! | `due` | tasks with a time at which something happens | `Tick`, the timer |
//! | `buried` | tombstones by age | forgetting them |
//! | `loads` | how many tasks of each name each node has | room on the node |
//!
//! All writes go through `replace`, which moves a record between indexes; nothing else touches them.
//! A command that changes one record costs a few look-ups and changes of these maps, whatever else
//! there is.

use std::sync::Arc;

use imbl::OrdMap;

use super::ident::{AllocationId, Bytes, NodeId, Revision, Sequence, TaskId, Timestamp};
use super::member::{Member, Unfit};
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
    pub(super) members: OrdMap<NodeId, Arc<Member>>,
    pub(super) settings: Settings,
    lanes: OrdMap<(Bytes, Sequence), TaskId>,
    ready: OrdMap<(Arc<str>, Sequence), TaskId>,
    held: OrdMap<(NodeId, Sequence), TaskId>,
    due: OrdMap<(Timestamp, Sequence), TaskId>,
    buried: OrdMap<(Timestamp, Sequence), TaskId>,
    loads: OrdMap<(NodeId, Arc<str>), usize>,
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

/// What holds for all tasks. Stored with the state, so that it holds on every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which tasks are assigned.
    pub assignment: Enable,
}

/// Which tasks are assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enable {
    /// All whose turn it is.
    #[default]
    All,
    /// None: what runs goes on, and nothing new begins, not even on a node that takes over.
    None,
}

/// One stored entry, as a commit of another node changed it.
pub(crate) enum Patch {
    Record(Arc<Record>),
    Opaque(Arc<Opaque>),
    NoRecord(TaskId, Sequence),
    Tombstone(Arc<Tombstone>),
    NoTombstone(TaskId, Sequence),
    Member(Arc<Member>),
    NoMember(TaskId, Sequence),
    Settings(Settings),
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
    /// Every node.
    pub members: Vec<Arc<Member>>,
    /// The settings.
    pub settings: Settings,
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
        for member in saved.members {
            state.members.insert(member.id.clone(), member);
        }
        state.settings = saved.settings;
        state
    }

    /// This state with one more commit, as another node made it.
    pub(crate) fn patched(
        mut self,
        revision: Revision,
        counters: (AllocationId, Sequence),
        mut patches: Vec<Patch>,
    ) -> Self {
        // What goes, goes first; what comes, in the order of starts, so that of the tasks of a lane
        // the first is there before the others.
        patches.sort_by_key(Patch::order);
        patches.into_iter().for_each(|patch| self.patch(patch));
        (self.last_allocation, self.last_sequence) = counters;
        self.committed(revision)
    }

    fn patch(&mut self, patch: Patch) {
        match patch {
            Patch::Record(after) => {
                self.opaque.remove(&after.id);
                let before = self.records.get(&after.id).cloned();
                self.replace(before.as_ref(), Some(after));
            }
            Patch::Opaque(opaque) => {
                if let Some(before) = self.records.get(&opaque.id).cloned() {
                    self.replace(Some(&before), None);
                }
                self.opaque.insert(opaque.id.clone(), opaque);
            }
            Patch::NoRecord(id, sequence) => {
                let before = self.records.get(&id).cloned();
                if let Some(before) = before.filter(|it| it.sequence == sequence) {
                    self.replace(Some(&before), None);
                }
                self.opaque.remove(&id);
            }
            Patch::Tombstone(tombstone) => self.bury(tombstone),
            Patch::NoTombstone(id, sequence) => {
                if self.tombstones.get(&id).is_some_and(|it| it.sequence == sequence) {
                    self.exhume(&id);
                }
            }
            Patch::Member(member) => drop(self.members.insert(member.id.clone(), member)),
            Patch::NoMember(id, sequence) => {
                if self.member(id.as_str()).is_some_and(|it| it.sequence == sequence) {
                    self.members.remove(id.as_str());
                }
            }
            Patch::Settings(settings) => self.settings = settings,
        }
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
            members: self.members.values().cloned().collect(),
            settings: self.settings,
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

    /// The nodes that live, by name.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// The node of this name, if it lives.
    pub fn member(&self, node: &str) -> Option<&Arc<Member>> {
        self.members.get(node)
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// How much is remembered of tasks that are gone.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The tasks that are assigned to the node, in the order of their starts.
    pub fn held_by(&self, node: &NodeId) -> impl Iterator<Item = &TaskId> {
        let first = (node.clone(), Sequence(0));
        let last = (node.clone(), Sequence(u64::MAX));
        self.held.range(first..=last).map(|(_, id)| id)
    }

    /// How many tasks of `name` are assigned to the node.
    pub fn load_of(&self, node: &NodeId, name: &Arc<str>) -> usize {
        self.loads.get(&(node.clone(), name.clone())).copied().unwrap_or(0)
    }

    /// Whether some task may be assigned, and assignment is on.
    pub fn wants_plan(&self) -> bool {
        self.settings.assignment == Enable::All && !self.ready.is_empty()
    }

    /// Why each node does not suit the task, by name; a node that is missing here suits it. Follows
    /// from the state: it is never stored, and a change of it is not a change of the state.
    pub fn unfit(&self, id: &str) -> Vec<(NodeId, Unfit)> {
        let Some(record) = self.get(id) else { return Vec::new() };
        self.members
            .values()
            .filter_map(|it| Some((it.id.clone(), self.unfit_for(record, it)?)))
            .collect()
    }

    pub(super) fn unfit_for(&self, record: &Record, member: &Member) -> Option<Unfit> {
        let assigned = self.load_of(&member.id, &record.name);
        member.unfit(&record.name, &record.policies.placement, assigned)
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
        let record = self.due.get_min().map(|((at, _), _)| *at);
        let drained = self.members.values().filter_map(|member| {
            let by = member.draining?;
            self.releasable(member).next().map(|_| by)
        });
        drained.chain(record).min()
    }

    /// The tasks of draining nodes whose time is over at `now`.
    pub(super) fn overdue(&self, now: Timestamp) -> impl Iterator<Item = &TaskId> {
        let drained =
            self.members.values().filter(move |it| it.draining.is_some_and(|by| by <= now));
        drained.flat_map(|member| self.releasable(member))
    }

    /// The tasks of the node that may be given to another one while it still runs them.
    fn releasable(&self, member: &Member) -> impl Iterator<Item = &TaskId> {
        self.held_by(&member.id)
            .filter(|id| self.records.get(*id).is_some_and(|record| !record.policies.no_overlap))
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

    /// The tasks of `name` that may be assigned now, in the order of their starts.
    pub(super) fn ready_of(&self, name: &Arc<str>) -> impl Iterator<Item = &Arc<Record>> {
        let first = (name.clone(), Sequence(0));
        let last = (name.clone(), Sequence(u64::MAX));
        let ready = self.ready.range(first..=last);
        ready.map(|(_, id)| self.records.get(id).expect("`ready` names records"))
    }

    /// Whether the task may be assigned now.
    pub(super) fn is_ready(&self, record: &Record) -> bool {
        record.wants_node() && self.heads_its_lane(record)
    }

    fn heads_its_lane(&self, record: &Record) -> bool {
        self.lane_head(record).is_none_or(|head| *head == record.id)
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
        let (old, new) = (before.map(Arc::as_ref), after.as_deref());
        let left_lane = self.move_in_lane(old, new);
        shift(&mut self.due, old.and_then(due_key), new.and_then(due_key), new);
        shift(&mut self.held, old.and_then(held_key), new.and_then(held_key), new);
        let (from, to) = (old.and_then(load_key), new.and_then(load_key));
        if from != to {
            from.into_iter().for_each(|key| self.count(key, -1));
            to.into_iter().for_each(|key| self.count(key, 1));
        }
        // The lane is as it will be: its head is known.
        let was = old.filter(|it| it.wants_node()).map(ready_key);
        let is = new.filter(|it| self.is_ready(it)).map(ready_key);
        shift(&mut self.ready, was, is, new);
        match (before, after) {
            (_, Some(after)) => drop(self.records.insert(after.id.clone(), after)),
            (Some(before), None) => drop(self.records.remove(&before.id)),
            (None, None) => {}
        }
        if let Some(before) = before.filter(|_| left_lane) {
            self.call_lane_head(before);
        }
    }

    /// True if the record left its lane.
    fn move_in_lane(&mut self, old: Option<&Record>, new: Option<&Record>) -> bool {
        let (from, to) = (old.and_then(lane_key), new.and_then(lane_key));
        let left = from.is_some() && from != to;
        shift(&mut self.lanes, from, to, new);
        left
    }

    fn count(&mut self, key: (NodeId, Arc<str>), by: isize) {
        let count = self.loads.get(&key).copied().unwrap_or(0);
        match count.checked_add_signed(by).expect("what is counted down was counted up") {
            0 => drop(self.loads.remove(&key)),
            count => drop(self.loads.insert(key, count)),
        }
    }

    /// After `changed` left its lane: the task that now heads it may be ready.
    fn call_lane_head(&mut self, changed: &Record) {
        let Some(head) = self.lane_head(changed) else { return };
        let record = self.records.get(head).expect("`lanes` names records");
        if record.wants_node() {
            self.ready.insert(ready_key(record), record.id.clone());
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

/// Moves the entry of `record` from one place in an index to another.
fn shift<K: Ord + Clone>(
    index: &mut OrdMap<K, TaskId>,
    from: Option<K>,
    to: Option<K>,
    record: Option<&Record>,
) {
    if from == to {
        return;
    }
    if let Some(from) = from {
        index.remove(&from);
    }
    if let (Some(to), Some(record)) = (to, record) {
        index.insert(to, record.id.clone());
    }
}

fn lane_key(record: &Record) -> Option<(Bytes, Sequence)> {
    let lane = record.lane.as_ref().filter(|_| !record.has_ended())?;
    Some((lane.clone(), record.sequence))
}

fn ready_key(record: &Record) -> (Arc<str>, Sequence) {
    (record.name.clone(), record.sequence)
}

fn held_key(record: &Record) -> Option<(NodeId, Sequence)> {
    record.assigned_to().map(|(node, _)| (node.clone(), record.sequence))
}

fn load_key(record: &Record) -> Option<(NodeId, Arc<str>)> {
    record.assigned_to().map(|(node, _)| (node.clone(), record.name.clone()))
}

fn due_key(record: &Record) -> Option<(Timestamp, Sequence)> {
    due_at(record).map(|at| (at, record.sequence))
}

impl Patch {
    /// Removals first, then by start.
    fn order(&self) -> (bool, Sequence) {
        match self {
            Self::NoRecord(_, sequence)
            | Self::NoTombstone(_, sequence)
            | Self::NoMember(_, sequence) => (false, *sequence),
            Self::Record(record) => (true, record.sequence),
            Self::Opaque(opaque) => (true, opaque.sequence),
            Self::Tombstone(tombstone) => (true, tombstone.sequence),
            Self::Member(member) => (true, member.sequence),
            Self::Settings(_) => (true, Sequence(0)),
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

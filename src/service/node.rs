//! This node: bodies begun and stopped as the state says.
//!
//! The committer hands over what changed, after it is durable and published. What follows from one
//! change is one `match` over the allocation that was here before and the one that is here now.
//! Bodies that should stop are told before any is begun, and a body waits in the lane of its task
//! until the one before it is gone, so two bodies of one lane never run side by side here, also if
//! the first was removed while it ran. A task whose id was used by one that is not gone yet is held
//! until it is.
//!
//! Owned by the committer; holds no lock, runs no user code.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Shared;
use super::allocated::{Body, TaskContext};
use super::executor::Registration;
use crate::coordinator::{Coordinator, Job, Key};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{
    AllocationId, Capacity, Change, Incarnation, Member, NodeId, Phase, Record, TaskId,
};

pub(super) struct Node {
    id: NodeId,
    executors: BTreeMap<Arc<str>, Registration>,
    coordinator: Coordinator,
    /// Every body that is not gone, also those that are to stop.
    bodies: HashMap<AllocationId, TaskContext>,
    /// The tasks of these bodies: each has one at most.
    present: HashSet<TaskId>,
    /// Tasks to begin when the body before them is gone.
    held: HashMap<TaskId, Arc<Record>>,
    /// Nothing new is to begin.
    closing: bool,
}

/// What one change of one record asks of this node.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Stop(AllocationId),
    /// Stop the old one, then begin the new one.
    Restart(AllocationId),
}

impl Node {
    pub(super) fn new(id: NodeId, pool: &Pool) -> Self {
        let coordinator = Coordinator::new(pool);
        Self {
            id,
            executors: BTreeMap::new(),
            coordinator,
            bodies: HashMap::new(),
            present: HashSet::new(),
            held: HashMap::new(),
            closing: false,
        }
    }

    /// What this node offers, as the state is to know it.
    pub(super) fn member(&self) -> Member {
        let capacity = |room: usize| {
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            Capacity { room, ..Capacity::default() }
        };
        let offered = self.executors.iter().map(|(name, it)| (name.clone(), capacity(it.room)));
        Member { executors: offered.collect(), ..Member::new(&self.id, Incarnation(1)) }
    }

    /// Takes an executor in; false if the name is taken.
    pub(super) fn register(&mut self, registration: Registration, shared: &Shared) -> bool {
        if self.executors.contains_key(&registration.name) {
            return false;
        }
        self.executors.insert(registration.name.clone(), registration);
        let offers = self.executors.iter();
        let offers = offers.map(|(name, it)| (name.clone(), Arc::downgrade(&it.executor)));
        shared.executors.publish(Arc::new(offers.collect()));
        true
    }

    /// Stops what `changes` say is to stop; answers what is to begin.
    pub(super) fn stop_changed(&mut self, changes: Vec<Change<Record>>) -> Vec<Arc<Record>> {
        let mut begins = Vec::new();
        for change in changes {
            let step = self.decide(&change);
            if let Some(Step::Stop(allocation) | Step::Restart(allocation)) = step {
                self.stop(allocation, &change);
            }
            if let Some(Step::Begin | Step::Restart(_)) = step {
                begins.extend(change.after);
            }
        }
        begins
    }

    /// Begins a body for each of `records`.
    pub(super) fn begin_all(&mut self, records: Vec<Arc<Record>>, shared: &Arc<Shared>) {
        for record in records {
            self.begin(&record, shared);
        }
    }

    fn decide(&self, change: &Change<Record>) -> Option<Step> {
        let here = |record: &Arc<Record>| {
            record.assigned_to().filter(|(node, _)| **node == self.id).map(|(_, it)| it)
        };
        let before = change.before.as_ref().and_then(here);
        let now = change.after.as_ref().and_then(here);
        match (before, now) {
            (None, None) => None,
            (None, Some(_)) => Some(Step::Begin),
            (Some(old), None) => Some(Step::Stop(old)),
            (Some(old), Some(new)) if old != new => Some(Step::Restart(old)),
            (Some(same), Some(_)) => {
                change.after.as_ref().is_some_and(is_cancelling).then_some(Step::Stop(same))
            }
        }
    }

    fn begin(&mut self, record: &Arc<Record>, shared: &Arc<Shared>) {
        if self.present.contains(&record.id) {
            self.held.insert(record.id.clone(), record.clone());
            return;
        }
        self.present.insert(record.id.clone());
        let registration = self.executors.get(&record.name);
        let executor = registration.expect("only what is offered is assigned").executor.clone();
        let context = TaskContext::new(shared.clone(), record.clone());
        self.bodies.insert(record.allocation, context.clone());
        if self.closing || is_cancelling(record) {
            context.cancel();
        }
        let body = Body::new(context);
        let job = Job::once(move |job| {
            body.run(executor, job.defer());
            Ok(())
        });
        // A coordinator that takes no more drops the body, which says that it was never begun.
        let _ = self.coordinator.submit_detached(lane_of(record), job);
    }

    /// Tells the body of `allocation` to stop, or corrects what is held in its place.
    fn stop(&mut self, allocation: AllocationId, change: &Change<Record>) {
        if let Some(body) = self.bodies.get(&allocation) {
            return body.cancel();
        }
        let still_here = |record: &&Arc<Record>| {
            record.assigned_to().is_some_and(|(_, current)| current == allocation)
        };
        if let Some(record) = change.after.as_ref().filter(still_here) {
            self.held.insert(record.id.clone(), record.clone());
        } else if let Some(record) = &change.before {
            self.held.remove(&record.id);
        }
    }

    /// Tells every body to stop, also those that are still to begin.
    pub(super) fn stop_all(&mut self) {
        self.closing = true;
        for body in self.bodies.values() {
            body.cancel();
        }
    }

    /// The body of `allocation` is gone: what was held behind it begins.
    pub(super) fn left(&mut self, allocation: AllocationId, shared: &Arc<Shared>) {
        let Some(body) = self.bodies.remove(&allocation) else { return };
        self.present.remove(body.id());
        if let Some(record) = self.held.remove(body.id()) {
            self.begin(&record, shared);
        }
    }

    /// How many bodies are not gone.
    pub(super) fn running(&self) -> usize {
        self.bodies.len()
    }
}

/// Where the body of `record` runs: alone among its lane, or among the runs of its task.
fn lane_of(record: &Record) -> Key {
    let (kind, name) = match &record.lane {
        Some(lane) => (b'l', &**lane),
        None => (b't', record.id.as_str().as_bytes()),
    };
    Key::from([&[kind], name].concat())
}

fn is_cancelling(record: &Arc<Record>) -> bool {
    matches!(record.phase, Phase::Assigned { cancel_by: Some(_), .. })
}

//! This node: bodies begun and stopped as the state says.
//!
//! The committer hands over what changed, after it is durable and published. What follows from one
//! change is one `match` over the allocation that was here before and the one that is here now.
//! Bodies that should stop are told before any is begun, and a body waits in the lane of its task
//! until the one before it is gone, so two bodies of one lane never run side by side here, also if
//! the first was removed while it ran.
//!
//! Owned by the committer; holds no lock, runs no user code.

use std::collections::{BTreeMap, HashMap};

use super::Shared;
use super::allocated::{Body, TaskContext};
use super::executor::Registration;
use crate::coordinator::{Coordinator, Job, Key};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{self, AllocationId, Change, NodeId, Phase, Record};

pub(super) struct Node {
    id: NodeId,
    executors: BTreeMap<Arc<str>, Registration>,
    coordinator: Coordinator,
    /// Every body that is not gone, also those that are to stop.
    bodies: HashMap<AllocationId, TaskContext>,
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
        Self { id, executors: BTreeMap::new(), coordinator, bodies: HashMap::new() }
    }

    /// What this node offers, as the planner of assignments wants it.
    pub(super) fn offer(&self) -> task::Node {
        let executors: BTreeMap<_, _> =
            self.executors.iter().map(|(name, it)| (name.clone(), it.room)).collect();
        task::Node { id: self.id.clone(), executors }
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

    /// Does what `changes` ask for.
    pub(super) fn reconcile(&mut self, changes: &[Change<Record>], shared: &Arc<Shared>) {
        let steps: Vec<(Step, &Change<Record>)> =
            changes.iter().filter_map(|change| Some((self.decide(change)?, change))).collect();
        for (step, _) in &steps {
            if let Step::Stop(allocation) | Step::Restart(allocation) = step {
                self.stop(*allocation);
            }
        }
        for (step, change) in steps {
            if let (Step::Begin | Step::Restart(_), Some(record)) = (step, &change.after) {
                self.begin(record, shared);
            }
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
        let registration = self.executors.get(&record.name);
        let executor = registration.expect("only what is offered is assigned").executor.clone();
        let context = TaskContext::new(shared.clone(), record.clone());
        self.bodies.insert(record.allocation, context.clone());
        let body = Body::new(context);
        let job = Job::once(move |job| {
            body.run(executor, job.defer());
            Ok(())
        });
        // A coordinator that takes no more drops the body, which says that it was never begun.
        let _ = self.coordinator.submit_detached(lane_of(record), job);
    }

    fn stop(&self, allocation: AllocationId) {
        if let Some(body) = self.bodies.get(&allocation) {
            body.cancel();
        }
    }

    /// Tells every body to stop.
    pub(super) fn stop_all(&self) {
        for body in self.bodies.values() {
            body.cancel();
        }
    }

    /// The body of `allocation` is gone.
    pub(super) fn left(&mut self, allocation: AllocationId) {
        self.bodies.remove(&allocation);
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

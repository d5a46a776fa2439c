//! This node's bodies: begun and told to stop as the ledger says.
//!
//! Each body waits in the lane of its task, on a coordinator of the service's own, until the one before
//! it is gone, so two bodies of one lane never run side by side here, also if the first was
//! removed while it ran. What should run is the ledger's business (`task`).
//!
//! Owned by the committer; holds no lock, runs no user code.

use std::collections::{BTreeMap, HashMap};

use super::Shared;
use super::allocated::{Body, TaskContext};
use super::executor::Registration;
use crate::coordinator::{Coordinator, Job, Key};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{AllocationId, Capacity, Incarnation, Member, NodeId, Record, StopReason};

pub(super) struct Node {
    id: NodeId,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    executors: BTreeMap<Arc<str>, Registration>,
    coordinator: Coordinator,
    /// Every body that is not gone, also those that are to stop.
    bodies: HashMap<AllocationId, TaskContext>,
}

impl Node {
    pub(super) fn new(id: NodeId, labels: BTreeMap<Arc<str>, Arc<str>>, pool: &Pool) -> Self {
        let coordinator = Coordinator::new(pool);
        Self { id, labels, executors: BTreeMap::new(), coordinator, bodies: HashMap::new() }
    }

    /// How the state is to know this node.
    pub(super) fn member(&self, incarnation: Incarnation) -> Member {
        let capacity = |it: &Registration| {
            let room = u32::try_from(it.room).unwrap_or(u32::MAX);
            Capacity { room, weight: it.weight }
        };
        let executors = self.executors.iter().map(|(name, it)| (name.clone(), capacity(it)));
        let labels = self.labels.clone();
        let member = Member::new(&self.id, incarnation);
        Member { executors: executors.collect(), labels, ..member }
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

    /// Begins a body for `record`. One without an executor here reports that and is gone.
    pub(super) fn begin(&mut self, record: &Arc<Record>, shared: &Arc<Shared>, closing: bool) {
        let context = TaskContext::new(shared.clone(), record.clone());
        self.bodies.insert(record.allocation, context.clone());
        if closing {
            context.cancel(StopReason::Shutdown);
        }
        let body = Body::new(context);
        let Some(registration) = self.executors.get(&record.name) else {
            return body.refuse("no executor of this name is here");
        };
        let executor = registration.executor.clone();
        let job = Job::once(move |job| {
            body.run(executor, job.defer());
            Ok(())
        });
        // A coordinator that takes no more drops the body, which says that it was never begun.
        let _ = self.coordinator.submit_detached(lane_of(record), job);
    }

    /// Tells the body of `allocation` to stop.
    pub(super) fn stop(&mut self, allocation: AllocationId, reason: StopReason) {
        if let Some(body) = self.bodies.get(&allocation) {
            body.cancel(reason);
        }
    }

    /// Tells every body to stop, also those that are still to begin.
    pub(super) fn stop_all(&mut self) {
        for body in self.bodies.values() {
            body.cancel(StopReason::Shutdown);
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

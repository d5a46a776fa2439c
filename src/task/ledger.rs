//! What runs on one node, and what should: the difference, task by task.
//!
//! | assigned here? | nothing here | runs | was told to stop | has reported |
//! |---|---|---|---|---|
//! | no | – | stop it | – | – |
//! | yes, this allocation | begin it | – (stop it, if it is being cancelled) | – | – |
//! | yes, a later one | begin it | stop it, begin after it | begin after it | begin after it |
//!
//! A run is here until its body is gone *and* its report, if it made one, was answered: so a task never
//! runs twice here at a time, and a run whose report is on its way is not begun again. The reports that
//! were not answered are the outbox: they are sent with every batch until the state has
//! taken or refused them.
//!
//! Pure. Not here: threads and bodies (`service`), when to send (`replica.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::ident::{AllocationId, Incarnation, NodeId, TaskId};
use super::record::{Phase, Record};
use super::state::State;

/// Why a run is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody asked for the task's end.
    Cancelled,
    /// Its record is gone.
    Removed,
    /// The task was taken from this node, or given to a later run.
    Superseded,
    /// This node gives its tasks away.
    Drained,
    /// This node may have lost its lease: others may be given the task.
    LeaseLost,
    /// The service ends.
    Shutdown,
    /// The body itself asked for it.
    Aborted,
}

/// What the ledger asks for. Stops come before the begins that wait for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Begin a run of this record, under its allocation.
    Begin(Arc<Record>),
    /// Tell the run of this allocation to stop.
    Stop(AllocationId, StopReason),
    /// The run of this `no_overlap` task is still there although others may be given it from now on:
    /// only the end of the process stops it for sure.
    Overrun(AllocationId, TaskId),
}

/// What is here of one task.
#[derive(Clone, Debug)]
struct Local {
    record: Arc<Record>,
    stage: Stage,
    /// The body is gone.
    gone: bool,
    /// What is to begin when this one is gone.
    next: Option<Arc<Record>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Runs,
    Stopping,
    Reported,
}

/// What one `match` says about one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Begin,
    Stop(StopReason),
    Replace,
    /// Nothing is to begin here any more.
    Forget,
}

/// What runs on this node.
#[derive(Clone, Debug)]
pub struct Ledger {
    node: NodeId,
    /// The life that the state must know for anything to be this node's; `None` without a lease.
    incarnation: Option<Incarnation>,
    here: BTreeMap<TaskId, Local>,
    /// Reports that were not answered yet.
    outbox: BTreeMap<AllocationId, Command>,
    closing: bool,
    /// How many records were looked at: grows with what changes, not with what there is.
    visited: u64,
}

impl Ledger {
    /// The ledger of a node on which nothing runs and which has no lease.
    pub fn new(node: NodeId) -> Self {
        let (here, outbox) = (BTreeMap::new(), BTreeMap::new());
        Self { node, incarnation: None, here, outbox, closing: false, visited: 0 }
    }

    /// A life begins.
    pub fn joined(&mut self, incarnation: Incarnation) {
        self.incarnation = Some(incarnation);
    }

    /// What follows from the change of the state from `before` to `after`, where the records of
    /// `changed` are those that differ.
    pub fn changed<'a>(
        &mut self,
        before: &State,
        after: &State,
        changed: impl IntoIterator<Item = &'a super::Change<Record>>,
    ) -> Vec<Work> {
        let (was, is) = (self.standing(before), self.standing(after));
        let mut work = Vec::new();
        if was != is {
            // This node itself came, went or changed its mind: everything it has is looked at.
            self.reconcile(after, &mut work);
        } else {
            for change in changed {
                if let Some(record) = change.after.as_ref().or(change.before.as_ref()) {
                    self.look_at(&record.id, after, &mut work);
                }
            }
        }
        work.sort_by_key(|work| matches!(work, Work::Begin(_)));
        work
    }

    /// What follows from `state`, whatever was known before.
    fn reconcile(&mut self, state: &State, work: &mut Vec<Work>) {
        let here = self.here.keys().cloned();
        let assigned = state.held_by(&self.node).cloned();
        let ids: std::collections::BTreeSet<TaskId> = here.chain(assigned).collect();
        ids.iter().for_each(|id| self.look_at(id, state, work));
    }

    /// Whether this life is known to `state`, and whether it drains.
    fn standing(&self, state: &State) -> Option<bool> {
        let known = state.member(self.node.as_str())?;
        (Some(known.incarnation) == self.incarnation).then_some(known.draining.is_some())
    }

    fn look_at(&mut self, id: &TaskId, state: &State, work: &mut Vec<Work>) {
        self.visited += 1;
        let record = state.get(id.as_str());
        let standing = self.standing(state);
        let mine = record.filter(|record| {
            let node = record.assigned_to().map(|(node, _)| node);
            standing.is_some() && node == Some(&self.node)
        });
        let step = decide(mine, self.here.get(id), record.is_some(), standing == Some(true));
        match (step, mine, self.here.get_mut(id)) {
            (Step::Begin, Some(record), None) if !self.closing => {
                self.begin(record.clone(), work);
            }
            (Step::Stop(reason), _, Some(local)) => stop(local, reason, work),
            (Step::Replace, Some(record), Some(local)) => {
                local.next = Some(record.clone());
                stop(local, StopReason::Superseded, work);
            }
            (Step::Forget, _, Some(local)) => local.next = None,
            _ => {}
        }
        if mine.is_none()
            && let Some(local) = self.here.get_mut(id)
        {
            local.next = None;
        }
    }

    fn begin(&mut self, record: Arc<Record>, work: &mut Vec<Work>) {
        let (stage, gone, next) = (Stage::Runs, false, None);
        let local = Local { record: record.clone(), stage, gone, next };
        self.here.insert(record.id.clone(), local);
        let cancelling = is_cancelling(&record).then_some(record.allocation);
        work.push(Work::Begin(record));
        work.extend(cancelling.map(|allocation| Work::Stop(allocation, StopReason::Cancelled)));
    }

    /// A run reports its end: `command` is sent until it is answered. False if this run has reported
    /// before, or is not here.
    pub fn reported(&mut self, id: &TaskId, allocation: AllocationId, command: Command) -> bool {
        let Some(local) = self.here.get_mut(id) else { return false };
        if local.record.allocation != allocation || local.stage == Stage::Reported {
            return false;
        }
        local.stage = Stage::Reported;
        self.outbox.insert(allocation, command);
        true
    }

    /// The body of a run is gone.
    pub fn gone(&mut self, id: &TaskId, allocation: AllocationId) -> Vec<Work> {
        match self.here.get_mut(id) {
            Some(local) if local.record.allocation == allocation => local.gone = true,
            _ => return Vec::new(),
        }
        self.settle(id)
    }

    /// The report of a run was answered: taken, or refused for good.
    pub fn answered(&mut self, id: &TaskId, allocation: AllocationId) -> Vec<Work> {
        self.outbox.remove(&allocation);
        self.settle(id)
    }

    /// Forgets what is over; begins what waited for it.
    fn settle(&mut self, id: &TaskId) -> Vec<Work> {
        let mut work = Vec::new();
        let Some(local) = self.here.get(id) else { return work };
        if !local.gone || self.outbox.contains_key(&local.record.allocation) {
            return work;
        }
        let local = self.here.remove(id).expect("it was just there");
        if let Some(next) = local.next.filter(|_| !self.closing && self.incarnation.is_some()) {
            self.begin(next, &mut work);
        }
        work
    }

    /// Reports that wait for an answer, oldest allocation first.
    pub fn outbox(&self) -> impl Iterator<Item = (AllocationId, &Command)> {
        self.outbox.iter().map(|(allocation, command)| (*allocation, command))
    }

    /// The lease lasts for `left` more; none if it is lost, which ends this life. Tasks that must not
    /// overlap are told to stop when no more than `margin` is left, and are overrun at the end; all
    /// others are told at the end.
    pub fn lease(&mut self, left: Option<Duration>, margin: Duration) -> Vec<Work> {
        let lost = left.is_none();
        let mut work = Vec::new();
        if lost {
            self.incarnation = None;
        } else if left.is_some_and(|left| left > margin) {
            return work;
        }
        for local in self.here.values_mut() {
            let alone = local.record.policies.no_overlap;
            if lost {
                local.next = None;
            }
            if lost || alone {
                stop(local, StopReason::LeaseLost, &mut work);
            }
            if lost && alone && !local.gone {
                let id = local.record.id.clone();
                work.push(Work::Overrun(local.record.allocation, id));
            }
        }
        work
    }

    /// Nothing is begun from now on, and what runs is told to stop.
    pub fn close(&mut self) -> Vec<Work> {
        self.closing = true;
        let mut work = Vec::new();
        for local in self.here.values_mut() {
            stop(local, StopReason::Shutdown, &mut work);
        }
        work
    }

    /// Whether some run here must not overlap with another one.
    pub fn guards(&self) -> bool {
        self.here.values().any(|local| local.record.policies.no_overlap && !local.gone)
    }

    /// How many bodies are not gone.
    pub fn bodies(&self) -> usize {
        self.here.values().filter(|local| !local.gone).count()
    }

    /// How many records were looked at since the beginning.
    pub fn visited(&self) -> u64 {
        self.visited
    }
}

/// The table at the head of this file.
fn decide(mine: Option<&Arc<Record>>, local: Option<&Local>, is_there: bool, drains: bool) -> Step {
    let stage = local.map(|local| local.stage);
    let same =
        |record: &Arc<Record>| local.is_some_and(|it| it.record.allocation == record.allocation);
    match (mine, stage) {
        (None, None) => Step::Nothing,
        (None, Some(Stage::Runs)) if is_there => Step::Stop(StopReason::Superseded),
        (None, Some(Stage::Runs)) => Step::Stop(StopReason::Removed),
        (None, Some(Stage::Stopping | Stage::Reported)) => Step::Forget,
        (Some(_), None) => Step::Begin,
        (Some(record), Some(_)) if !same(record) => Step::Replace,
        (Some(record), Some(Stage::Runs)) if is_cancelling(record) => {
            Step::Stop(StopReason::Cancelled)
        }
        (Some(_), Some(Stage::Runs)) if drains => Step::Stop(StopReason::Drained),
        (Some(_), Some(_)) => Step::Nothing,
    }
}

fn stop(local: &mut Local, reason: StopReason, work: &mut Vec<Work>) {
    if local.stage == Stage::Runs {
        local.stage = Stage::Stopping;
        work.push(Work::Stop(local.record.allocation, reason));
    }
}

fn is_cancelling(record: &Arc<Record>) -> bool {
    matches!(record.phase, Phase::Assigned { cancel_by: Some(_), .. })
}

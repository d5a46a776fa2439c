//! The one function: a state, a command and the time make the next state, or a refusal.
//!
//! Every branch first decides and then writes, so that a rejection leaves the state untouched. What
//! a repeated request gets is part of the rules: a start, a complete and a cancel that were accepted
//! before are accepted again and change nothing.
//!
//! ```text
//!                 Start                      Assign
//!   (none) ────────────────► Unassigned ───────────────► Assigned ──── Complete ────► Ended
//!                              ▲      ▲                    │  │ │                    (kept) or
//!                     Resume,  │      └──── Unassign, ─────┘  │ └── Cancel, grace ─►  tombstone
//!                     Tick     │            Fail within budget│
//!                            Parked ◄──── Fail beyond it ─────┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::command::{
    Answer, Command, EXECUTORS_MAX, Effects, Ended, ID_MAX, LABEL_MAX, LABELS_MAX, LANE_MAX,
    MESSAGE_MAX, NAME_MAX, NewTask, Rejection, Started, VALUE_MAX,
};
use super::history::{History, RunOutcome, cut};
use super::ident::{AllocationId, Bytes, Incarnation, NodeId, TaskId, Timestamp};
use super::member::{Member, Unfit};
use super::policy::{OnFailure, Placement};
use super::record::{
    Attempts, Checkpoint, Ending, Failure, FailureKind, Outcome, Phase, Record, Tombstone, digest,
};
use super::state::{Enable, Settings, State};

/// How many old tombstones one command may forget: more than it can add, so they never pile up.
const FORGET_MAX: usize = 4;

/// How many due tasks one tick handles; what is left is still due, and the next tick takes it.
const TICK_MAX: usize = 1024;

/// The state after `command`, and what it led to.
///
/// Pure: the same arguments give the same answer. `now` is the time that pauses, grace periods and
/// tombstones are measured with. Records changed by it carry the next revision; the state takes that
/// revision with [`State::committed`], once the change is durable.
///
/// # Errors
/// The [`Rejection`] says why nothing changes.
///
/// ```
/// use laneway::task::{Answer, Command, NewTask, State, Timestamp, apply};
///
/// let start = Command::Start(NewTask::new("nightly", "backup"));
/// let (state, effects) = apply(&State::default(), start.clone(), Timestamp(0))?;
/// let Answer::Started(started) = effects.answer else { unreachable!() };
/// assert!(started.created);
///
/// // The same request again finds the record and changes nothing.
/// let (again, effects) = apply(&state, start, Timestamp(5))?;
/// let Answer::Started(started) = effects.answer else { unreachable!() };
/// assert!(!started.created);
/// assert_eq!(again, state);
/// # Ok::<(), laneway::task::Rejection>(())
/// ```
pub fn apply(
    state: &State,
    command: Command,
    now: Timestamp,
) -> Result<(State, Effects), Rejection> {
    let mut next = state.clone();
    let effects = apply_to(&mut next, command, now)?;
    Ok((next, effects))
}

/// [`apply`] in place, for whoever folds many commands and needs no version in between.
///
/// # Errors
/// As [`apply`]; `state` is then equal to what it was.
pub fn apply_to(state: &mut State, command: Command, now: Timestamp) -> Result<Effects, Rejection> {
    let mut step = Step { state, now, ended: Vec::new() };
    let answer = match command {
        Command::Start(task) => step.start(task)?,
        Command::Assign { id, node } => step.assign(&id, node)?,
        Command::Unassign { id, allocation } => step.unassign(&id, allocation)?,
        Command::UpdateState { id, allocation, value } => {
            step.update_state(&id, allocation, value)?
        }
        Command::Complete { id, allocation, result } => step.complete(&id, allocation, result)?,
        Command::Fail { id, allocation, failure } => step.fail(&id, allocation, failure)?,
        Command::Remove { id } => step.remove(&id)?,
        Command::Cancel { id, grace } => step.cancel(&id, grace)?,
        Command::Resume { id } => step.resume(&id)?,
        Command::UpdateParams { id, expected, params } => {
            step.update_params(&id, expected.as_ref(), params)?
        }
        Command::NodeJoined { member } => step.node_joined(member)?,
        Command::NodeLeft { node, incarnation } => step.node_left(&node, incarnation),
        Command::Drain { node, grace } => step.drain(&node, grace)?,
        Command::Configure { settings } => step.configure(settings),
        Command::Recover { floor } => step.recover(floor),
        Command::Tick => step.tick(),
    };
    let ended = step.ended;
    Ok(Effects { answer, ended })
}

/// One command under way. Methods named after commands decide; `write`, `end` and `drop_record`
/// change.
struct Step<'a> {
    state: &'a mut State,
    now: Timestamp,
    ended: Vec<Ended>,
}

impl Step<'_> {
    fn start(&mut self, task: NewTask) -> Result<Answer, Rejection> {
        check_lengths(&task)?;
        if let Some(record) = self.state.get(task.id.as_str()) {
            return same_request(record, &task)
                .then(|| found(record))
                .ok_or(Rejection::AlreadyExists { id: task.id });
        }
        if self.state.opaque.contains_key(&task.id) {
            return Err(Rejection::AlreadyExists { id: task.id });
        }
        if let Some(tombstone) = self.live_tombstone(&task.id) {
            let asked = digest(&task.name, &task.params, task.lane.as_ref(), &task.policies);
            if tombstone.digest == asked {
                let ended = Some(tombstone.outcome);
                return Ok(Answer::Started(Started { created: false, ended, record: None }));
            }
        }
        // Another request under the id of a task that is gone: a new task.
        self.state.exhume(&task.id);
        self.state.forget(self.now, FORGET_MAX);
        Ok(Answer::Started(Started { created: true, ended: None, record: Some(self.create(task)) }))
    }

    fn create(&mut self, task: NewTask) -> Arc<Record> {
        let sequence = self.state.last_sequence.next();
        self.state.last_sequence = sequence;
        let revision = self.state.revision.next();
        let record = Arc::new(Record {
            id: task.id,
            name: task.name,
            params: task.params,
            lane: task.lane,
            policies: task.policies,
            sequence,
            phase: Phase::Unassigned { not_before: None },
            allocation: AllocationId::NONE,
            state: None,
            attempts: Attempts::default(),
            last_error: None,
            history: History::default(),
            created: revision,
            updated: revision,
        });
        self.state.replace(None, Some(record.clone()));
        record
    }

    fn assign(&mut self, id: &TaskId, node: NodeId) -> Result<Answer, Rejection> {
        let record = self.find(id)?;
        if !self.state.is_ready(&record) {
            return Err(Rejection::WrongPhase { id: id.clone() });
        }
        if self.state.settings.assignment == Enable::None {
            return Err(Rejection::Disabled);
        }
        let unfit = match self.state.members.get(&node) {
            Some(member) => self.state.unfit_for(&record, member),
            None => Some(Unfit::Unknown),
        };
        if let Some(why) = unfit {
            return Err(Rejection::Unfit { id: id.clone(), why });
        }
        let allocation = self.state.last_allocation.next();
        self.state.last_allocation = allocation;
        let now = self.now;
        Ok(self.write(&record, |next| {
            next.history = next.history.begun(allocation, node.clone(), now);
            next.phase = Phase::Assigned { node, cancel_by: None };
            next.allocation = allocation;
        }))
    }

    fn unassign(&mut self, id: &TaskId, allocation: AllocationId) -> Result<Answer, Rejection> {
        let record = self.find_allocated(id, allocation)?;
        Ok(self.take_back(&record, RunOutcome::HandedBack))
    }

    /// Takes an assigned task from its node, without counting a failure.
    fn take_back(&mut self, record: &Arc<Record>, how: RunOutcome) -> Answer {
        if is_cancelling(record) {
            return self.end(record, Outcome::Cancelled, Bytes::from([]));
        }
        let now = self.now;
        self.write(record, |next| {
            next.history = next.history.ended(now, how, None);
            next.phase = Phase::Unassigned { not_before: None };
        })
    }

    fn update_params(
        &mut self,
        id: &TaskId,
        expected: Option<&Bytes>,
        params: Bytes,
    ) -> Result<Answer, Rejection> {
        check_length("params", params.len(), 0, VALUE_MAX)?;
        let record = self.find(id)?;
        if record.has_ended() {
            return Err(Rejection::WrongPhase { id: id.clone() });
        }
        if record.params == params {
            return Ok(Answer::Record(Some(record))); // also a repeated request
        }
        if expected.is_some_and(|expected| *expected != record.params) {
            return Err(Rejection::ParamsChanged { id: id.clone() });
        }
        Ok(self.write(&record, |next| next.params = params))
    }

    fn node_joined(&mut self, member: Arc<Member>) -> Result<Answer, Rejection> {
        check_member(&member)?;
        let known = self.state.members.get(&member.id).cloned();
        let (sequence, draining) = match &known {
            Some(known) if known.incarnation > member.incarnation => {
                return Err(Rejection::NodeGone { node: member.id.clone() });
            }
            Some(known) if known.incarnation == member.incarnation => {
                (known.sequence, known.draining)
            }
            _ => {
                self.take_all_back(&member.id, RunOutcome::NodeLost);
                self.state.last_sequence = self.state.last_sequence.next();
                (self.state.last_sequence, None)
            }
        };
        let joined = Member { sequence, draining, ..Member::clone(&member) };
        if known.is_none_or(|known| *known != joined) {
            self.state.members.insert(joined.id.clone(), Arc::new(joined));
        }
        Ok(Answer::Done)
    }

    fn node_left(&mut self, node: &NodeId, incarnation: Incarnation) -> Answer {
        if self.state.members.get(node).is_some_and(|known| known.incarnation == incarnation) {
            self.take_all_back(node, RunOutcome::NodeLost);
            self.state.members.remove(node);
        }
        Answer::Done
    }

    fn drain(&mut self, node: &NodeId, grace: Option<Duration>) -> Result<Answer, Rejection> {
        let Some(member) = self.state.members.get(node).cloned() else {
            return Err(Rejection::NodeGone { node: node.clone() });
        };
        let by = grace.map(|grace| self.now.after(grace));
        // Asked again, it never gets more time.
        let draining = by.map(|by| member.draining.map_or(by, |earlier| earlier.min(by)));
        if draining != member.draining {
            let member = Member { draining, ..Member::clone(&member) };
            self.state.members.insert(node.clone(), Arc::new(member));
        }
        Ok(Answer::Done)
    }

    fn configure(&mut self, settings: Settings) -> Answer {
        self.state.settings = settings;
        Answer::Done
    }

    /// Takes back what nodes that drain still have after their time; not what must not overlap, which
    /// only its node or the end of its lease gives back.
    fn take_drained_back(&mut self) {
        let overdue: Vec<TaskId> = self.state.overdue(self.now).cloned().collect();
        for id in overdue {
            let record = self.state.get(id.as_str()).cloned().expect("`held` names records");
            self.take_back(&record, RunOutcome::HandedBack);
        }
    }

    fn take_all_back(&mut self, node: &NodeId, how: RunOutcome) {
        let held: Vec<TaskId> = self.state.held_by(node).cloned().collect();
        for id in held {
            let record = self.state.get(id.as_str()).cloned().expect("`held` names records");
            self.take_back(&record, how);
        }
    }

    fn update_state(
        &mut self,
        id: &TaskId,
        allocation: AllocationId,
        value: Bytes,
    ) -> Result<Answer, Rejection> {
        check_length("state", value.len(), 0, VALUE_MAX)?;
        let record = self.find_allocated(id, allocation)?;
        let checkpoint = Checkpoint { value, written_by: allocation };
        if record.state.as_ref() == Some(&checkpoint) {
            return Ok(Answer::Record(Some(record)));
        }
        Ok(self.write(&record, |next| next.state = Some(checkpoint)))
    }

    fn complete(
        &mut self,
        id: &TaskId,
        allocation: AllocationId,
        result: Bytes,
    ) -> Result<Answer, Rejection> {
        check_length("result", result.len(), 0, VALUE_MAX)?;
        if let Some(answer) = self.completed_before(id, allocation) {
            return Ok(answer);
        }
        let record = self.find_allocated(id, allocation)?;
        Ok(self.end(&record, Outcome::Completed, result))
    }

    fn fail(
        &mut self,
        id: &TaskId,
        allocation: AllocationId,
        mut failure: Failure,
    ) -> Result<Answer, Rejection> {
        let record = self.find_allocated(id, allocation)?;
        failure.message = cut(&failure.message, MESSAGE_MAX);
        if is_cancelling(&record) {
            return Ok(self.end(&record, Outcome::Cancelled, Bytes::from([])));
        }
        let mut attempts = record.attempts;
        let count = match failure.kind {
            FailureKind::Start => &mut attempts.start_failures,
            FailureKind::Run => &mut attempts.run_failures,
        };
        *count = count.saturating_add(1);
        let phase = match &record.policies.on_failure {
            OnFailure::Reassign { attempts: budget, backoff } if *count <= *budget => {
                Some(Phase::Unassigned { not_before: Some(self.now.after(backoff.pause(*count))) })
            }
            OnFailure::Reassign { .. } | OnFailure::Park => Some(Phase::Parked),
            OnFailure::Remove => None,
        };
        let now = self.now;
        let note = |next: &mut Record| {
            let how = RunOutcome::Failed(failure.kind);
            next.history = next.history.ended(now, how, Some(&failure));
            next.attempts = attempts;
            next.last_error = Some(failure);
        };
        Ok(match phase {
            Some(phase) => self.write(&record, |next| {
                note(next);
                next.phase = phase;
            }),
            None => self.drop_record(&record, Outcome::Failed, note),
        })
    }

    fn remove(&mut self, id: &TaskId) -> Result<Answer, Rejection> {
        if self.state.opaque.contains_key(id) {
            return Err(Rejection::Opaque { id: id.clone() });
        }
        let Some(record) = self.state.get(id.as_str()).cloned() else {
            return self
                .live_tombstone(id)
                .map(|_| Answer::Record(None))
                .ok_or_else(|| Rejection::NotFound { id: id.clone() });
        };
        let outcome = match &record.phase {
            Phase::Ended(ending) => ending.outcome,
            _ => Outcome::Removed,
        };
        Ok(self.drop_record(&record, outcome, |_| ()))
    }

    fn cancel(&mut self, id: &TaskId, grace: Duration) -> Result<Answer, Rejection> {
        if self.state.get(id.as_str()).is_none() && self.live_tombstone(id).is_some() {
            return Ok(Answer::Record(None));
        }
        let record = self.find(id)?;
        match &record.phase {
            Phase::Ended(_) => Ok(Answer::Record(Some(record))),
            Phase::Assigned { node, cancel_by } => {
                let by = self.now.after(grace);
                if cancel_by.is_some_and(|earlier| earlier <= by) {
                    return Ok(Answer::Record(Some(record)));
                }
                let phase = Phase::Assigned { node: node.clone(), cancel_by: Some(by) };
                Ok(self.write(&record, |next| next.phase = phase))
            }
            Phase::Unassigned { .. } | Phase::Parked => {
                Ok(self.end(&record, Outcome::Cancelled, Bytes::from([])))
            }
        }
    }

    fn resume(&mut self, id: &TaskId) -> Result<Answer, Rejection> {
        let record = self.find(id)?;
        match record.phase {
            Phase::Parked | Phase::Unassigned { not_before: Some(_) } => {
                Ok(self.write(&record, |next| {
                    next.phase = Phase::Unassigned { not_before: None };
                    next.attempts = Attempts::default();
                }))
            }
            Phase::Unassigned { .. } => Ok(Answer::Record(Some(record))),
            Phase::Assigned { .. } | Phase::Ended(_) => {
                Err(Rejection::WrongPhase { id: id.clone() })
            }
        }
    }

    fn recover(&mut self, floor: AllocationId) -> Answer {
        self.state.last_allocation = self.state.last_allocation.max(floor);
        let assigned: Vec<Arc<Record>> =
            self.state.records().filter(|r| r.assigned_to().is_some()).cloned().collect();
        for record in assigned {
            self.take_back(&record, RunOutcome::NodeLost);
        }
        self.state.members = imbl::OrdMap::new();
        Answer::Done
    }

    fn tick(&mut self) -> Answer {
        self.take_drained_back();
        for _ in 0..TICK_MAX {
            let Some(record) = self.state.first_due(self.now).cloned() else { break };
            match &record.phase {
                Phase::Assigned { .. } => {
                    self.end(&record, Outcome::Cancelled, Bytes::from([]));
                }
                Phase::Ended(ending) => {
                    self.drop_record(&record, ending.outcome, |_| ());
                }
                Phase::Unassigned { .. } | Phase::Parked => {
                    self.write(&record, |next| next.phase = Phase::Unassigned { not_before: None });
                }
            }
        }
        Answer::Done
    }

    /// The answer to a complete that was accepted before.
    fn completed_before(&self, id: &TaskId, allocation: AllocationId) -> Option<Answer> {
        if let Some(record) = self.state.get(id.as_str()) {
            let Phase::Ended(ending) = &record.phase else { return None };
            let same = record.allocation == allocation && ending.outcome == Outcome::Completed;
            return same.then(|| Answer::Record(Some(record.clone())));
        }
        let tombstone = self.live_tombstone(id)?;
        let same = tombstone.allocation == allocation && tombstone.outcome == Outcome::Completed;
        same.then_some(Answer::Record(None))
    }

    fn live_tombstone(&self, id: &TaskId) -> Option<&Arc<Tombstone>> {
        let tombstone = self.state.tombstone(id.as_str())?;
        let age = self.now.since(tombstone.at);
        (age < self.state.limits.tombstone_ttl).then_some(tombstone)
    }

    fn find(&self, id: &TaskId) -> Result<Arc<Record>, Rejection> {
        if self.state.opaque.contains_key(id) {
            return Err(Rejection::Opaque { id: id.clone() });
        }
        self.state.get(id.as_str()).cloned().ok_or_else(|| Rejection::NotFound { id: id.clone() })
    }

    /// The record, if `allocation` is in force on it.
    fn find_allocated(
        &self,
        id: &TaskId,
        allocation: AllocationId,
    ) -> Result<Arc<Record>, Rejection> {
        let fenced = |current| Rejection::Fenced { id: id.clone(), current };
        match self.find(id) {
            Ok(record) if record.assigned_to().is_some_and(|(_, a)| a == allocation) => Ok(record),
            Ok(record) => Err(fenced(record.allocation)),
            Err(Rejection::NotFound { id }) => match self.live_tombstone(&id) {
                Some(tombstone) => Err(fenced(tombstone.allocation)),
                None => Err(Rejection::NotFound { id }),
            },
            Err(rejection) => Err(rejection),
        }
    }

    /// Stores a changed copy of `record`.
    fn write(&mut self, record: &Arc<Record>, change: impl FnOnce(&mut Record)) -> Answer {
        let mut next = Record::clone(record);
        change(&mut next);
        next.updated = self.state.revision.next();
        let next = Arc::new(next);
        self.state.replace(Some(record), Some(next.clone()));
        Answer::Record(Some(next))
    }

    /// Ends a task as its policies say: kept, or gone.
    fn end(&mut self, record: &Arc<Record>, outcome: Outcome, result: Bytes) -> Answer {
        let now = self.now;
        let ending = Ending { outcome, result, at: now };
        let how = match outcome {
            Outcome::Completed => RunOutcome::Completed,
            _ => RunOutcome::Cancelled,
        };
        let finish = |next: &mut Record| {
            if next.assigned_to().is_some() {
                next.history = next.history.ended(now, how, None);
            }
            next.phase = Phase::Ended(ending);
        };
        if record.policies.remove_on_completion {
            return self.drop_record(record, outcome, finish);
        }
        let answer = self.write(record, finish);
        if let Answer::Record(Some(record)) = &answer {
            self.ended.push(Ended::of(record, outcome));
        }
        answer
    }

    /// Removes a record and leaves a tombstone; `change` makes the last version of the record,
    /// which is answered but not stored.
    fn drop_record(
        &mut self,
        record: &Arc<Record>,
        outcome: Outcome,
        change: impl FnOnce(&mut Record),
    ) -> Answer {
        let mut last = Record::clone(record);
        change(&mut last);
        last.updated = self.state.revision.next();
        let last = Arc::new(last);
        self.state.replace(Some(record), None);
        self.state.bury(Arc::new(Tombstone::of(&last, outcome, self.now)));
        self.state.forget(self.now, FORGET_MAX);
        if !record.has_ended() {
            self.ended.push(Ended::of(&last, outcome));
        }
        Answer::Record(Some(last))
    }
}

impl Ended {
    /// The end of the task that `record` is the last version of.
    pub(crate) fn of(record: &Arc<Record>, outcome: Outcome) -> Self {
        let result = match &record.phase {
            Phase::Ended(ending) => ending.result.clone(),
            _ => Bytes::from([]),
        };
        Self { id: record.id.clone(), outcome, record: Some(record.clone()), result }
    }
}

fn is_cancelling(record: &Record) -> bool {
    matches!(record.phase, Phase::Assigned { cancel_by: Some(_), .. })
}

fn same_request(record: &Record, task: &NewTask) -> bool {
    record.name == task.name
        && record.params == task.params
        && record.lane == task.lane
        && record.policies.to_words() == task.policies.to_words()
        && record.policies.placement == task.policies.placement
}

fn found(record: &Arc<Record>) -> Answer {
    let ended = match &record.phase {
        Phase::Ended(ending) => Some(ending.outcome),
        _ => None,
    };
    Answer::Started(Started { created: false, ended, record: Some(record.clone()) })
}

fn check_lengths(task: &NewTask) -> Result<(), Rejection> {
    check_length("id", task.id.as_str().len(), 1, ID_MAX)?;
    check_length("name", task.name.len(), 1, NAME_MAX)?;
    check_length("params", task.params.len(), 0, VALUE_MAX)?;
    check_length("lane", task.lane.as_ref().map_or(1, |lane| lane.len()), 1, LANE_MAX)?;
    let Placement { requires, prefers } = &task.policies.placement;
    check_length("labels", requires.len() + prefers.len(), 0, LABELS_MAX)?;
    requires.iter().chain(prefers).try_for_each(check_label)
}

fn check_member(member: &Member) -> Result<(), Rejection> {
    check_length("node", member.id.as_str().len(), 1, LABEL_MAX)?;
    check_length("labels", member.labels.len(), 0, LABELS_MAX)?;
    check_length("executors", member.executors.len(), 0, EXECUTORS_MAX)?;
    for label in &member.labels {
        check_label(&(label.0.clone(), label.1.clone()))?;
    }
    member.executors.keys().try_for_each(|name| check_length("name", name.len(), 1, NAME_MAX))
}

fn check_label((name, value): &(Arc<str>, Arc<str>)) -> Result<(), Rejection> {
    check_length("label", name.len(), 1, LABEL_MAX)?;
    check_length("label", value.len(), 0, LABEL_MAX)
}

fn check_length(
    field: &'static str,
    length: usize,
    min: usize,
    max: usize,
) -> Result<(), Rejection> {
    if (min..=max).contains(&length) { Ok(()) } else { Err(Rejection::BadLength { field, max }) }
}

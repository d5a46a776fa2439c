//! The rules of persistent tasks against a simple reference: random histories, every step compared.
//!
//! The reference keeps tasks in a list and finds everything by looking at all of them; it has no
//! index, no revision and no sharing. What it cannot tell (allocation ids, restored indexes, answers
//! of rejected commands) is checked as an invariant after every step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use laneway::task::{
    AllocationId, Answer, Backoff, Capacity, Command, Failure, FailureKind, Incarnation,
    LeastLoaded, Limits, Member, NewTask, NodeId, OnFailure, Outcome, Phase, Policies, Rejection,
    State, TaskId, Timestamp, apply, apply_to, broken, broken_by_step, diff, plan,
};
use proptest::prelude::*;

const LIMITS: Limits =
    Limits { tombstone_ttl: Duration::from_millis(400), tombstones_max: 1_000_000 };

/// A step of a history. Ids, lanes and allocations are drawn from few, so that they meet.
#[derive(Clone, Debug)]
enum Move {
    Start {
        id: u8,
        lane: Option<u8>,
        params: u8,
        policy: u8,
    },
    Assign {
        id: u8,
    },
    AssignPlanned {
        room: usize,
    },
    Unassign {
        id: u8,
        stale: bool,
    },
    Update {
        id: u8,
        stale: bool,
        value: u8,
    },
    Complete {
        id: u8,
        stale: bool,
    },
    Fail {
        id: u8,
        stale: bool,
        start: bool,
    },
    Remove {
        id: u8,
    },
    Cancel {
        id: u8,
        grace: u64,
    },
    Resume {
        id: u8,
    },
    Recover,
    /// A new life of the node begins, or the old one ends.
    Rejoin {
        left: bool,
    },
    Drain {
        grace: u64,
    },
    Tick,
    Pass {
        millis: u64,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let id = 0..4u8;
    prop_oneof![
        6 => (id.clone(), prop::option::of(0..2u8), 0..2u8, 0..4u8)
            .prop_map(|(id, lane, params, policy)| Move::Start { id, lane, params, policy }),
        1 => id.clone().prop_map(|id| Move::Assign { id }),
        6 => (0..4usize).prop_map(|room| Move::AssignPlanned { room }),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, stale)| Move::Unassign { id, stale }),
        2 => (id.clone(), any::<bool>(), 0..2u8)
            .prop_map(|(id, stale, value)| Move::Update { id, stale, value }),
        4 => (id.clone(), prop::bool::weighted(0.2))
            .prop_map(|(id, stale)| Move::Complete { id, stale }),
        4 => (id.clone(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(id, stale, start)| Move::Fail { id, stale, start }),
        1 => id.clone().prop_map(|id| Move::Remove { id }),
        2 => (id.clone(), 0..200u64).prop_map(|(id, grace)| Move::Cancel { id, grace }),
        1 => id.prop_map(|id| Move::Resume { id }),
        1 => Just(Move::Recover),
        1 => any::<bool>().prop_map(|left| Move::Rejoin { left }),
        1 => (0..200u64).prop_map(|grace| Move::Drain { grace }),
        3 => Just(Move::Tick),
        3 => (1..300u64).prop_map(|millis| Move::Pass { millis }),
    ]
}

fn policies(index: u8) -> Policies {
    let backoff = Backoff { base: Duration::from_millis(50), max: Duration::from_millis(120) };
    let (on_failure, remove_on_completion, ended_ttl) = match index {
        0 => (OnFailure::Reassign { attempts: 1, backoff }, true, None),
        1 => (OnFailure::Park, false, Some(Duration::from_millis(150))),
        2 => (OnFailure::Remove, true, None),
        _ => (OnFailure::Reassign { attempts: 3, backoff }, false, None),
    };
    Policies { on_failure, remove_on_completion, ended_ttl, ..Policies::default() }
}

fn task(id: u8, lane: Option<u8>, params: u8, policy: u8) -> NewTask {
    let mut task =
        NewTask::new(format!("t{id}"), "run").params([params]).policies(policies(policy));
    task.lane = lane.map(|lane| [lane].into());
    task
}

/// One task as the reference sees it.
#[derive(Clone, Debug)]
struct Simple {
    new: NewTask,
    /// Starts before it.
    place: usize,
    stage: Stage,
    allocation: AllocationId,
    value: Option<(u8, AllocationId)>,
    failures: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Waiting {
        until: Option<u64>,
    },
    Running {
        cancel_by: Option<u64>,
    },
    Parked,
    Ended {
        outcome: Outcome,
        at: u64,
    },
    /// Only a tombstone is left.
    Gone {
        outcome: Outcome,
        at: u64,
    },
}

#[derive(Default)]
struct Reference {
    /// Every task that ever was, oldest first.
    tasks: Vec<Simple>,
    now: u64,
    /// When the node, if it drains, gives up what it still has.
    drained_at: Option<u64>,
}

/// What a command may be refused with, without its details.
#[derive(Debug, PartialEq)]
enum Refusal {
    AlreadyExists,
    NotFound,
    Fenced,
    WrongPhase,
    Unfit,
    NodeGone,
}

impl Reference {
    /// The last task of this id, if it lives or its tombstone does.
    fn find(&mut self, id: u8) -> Result<&mut Simple, Refusal> {
        let (name, now) = (format!("t{id}"), self.now);
        let last = self.tasks.iter_mut().rev().find(|t| t.new.id.as_str() == name);
        last.filter(|t| match t.stage {
            Stage::Gone { at, .. } => now - at < LIMITS.tombstone_ttl.as_millis() as u64,
            _ => true,
        })
        .ok_or(Refusal::NotFound)
    }

    fn alive(&mut self, id: u8) -> Result<&mut Simple, Refusal> {
        let task = self.find(id)?;
        if matches!(task.stage, Stage::Gone { .. }) { Err(Refusal::NotFound) } else { Ok(task) }
    }

    fn running(&mut self, id: u8, stale: bool) -> Result<&mut Simple, Refusal> {
        let task = self.find(id)?;
        if stale || !matches!(task.stage, Stage::Running { .. }) {
            return Err(Refusal::Fenced);
        }
        Ok(task)
    }

    fn ready(&self, task: &Simple) -> bool {
        let first = task.new.lane.is_none()
            || !self.tasks.iter().any(|other| {
                other.new.lane == task.new.lane
                    && other.place < task.place
                    && !matches!(other.stage, Stage::Ended { .. } | Stage::Gone { .. })
            });
        first && task.stage == Stage::Waiting { until: None }
    }

    fn start(&mut self, new: &NewTask, id: u8) -> Result<bool, Refusal> {
        let place = self.tasks.len();
        if let Ok(task) = self.find(id) {
            let gone = matches!(task.stage, Stage::Gone { .. });
            if task.new == *new {
                return Ok(false);
            }
            if !gone {
                return Err(Refusal::AlreadyExists);
            }
        }
        self.tasks.push(Simple {
            new: new.clone(),
            place,
            stage: Stage::Waiting { until: None },
            allocation: AllocationId::NONE,
            value: None,
            failures: (0, 0),
        });
        Ok(true)
    }

    fn assign(&mut self, id: u8, allocation: AllocationId) -> Result<(), Refusal> {
        let task = self.alive(id)?.clone();
        if !self.ready(&task) {
            return Err(Refusal::WrongPhase);
        }
        let task = self.alive(id)?;
        task.stage = Stage::Running { cancel_by: None };
        task.allocation = allocation;
        Ok(())
    }

    fn end(task: &mut Simple, outcome: Outcome, now: u64) {
        task.stage = if task.new.policies.remove_on_completion {
            Stage::Gone { outcome, at: now }
        } else {
            Stage::Ended { outcome, at: now }
        };
    }

    fn stopped(task: &mut Simple, now: u64) -> bool {
        let cancelling = matches!(task.stage, Stage::Running { cancel_by: Some(_) });
        if cancelling {
            Self::end(task, Outcome::Cancelled, now);
        }
        cancelling
    }

    fn unassign(&mut self, id: u8, stale: bool) -> Result<(), Refusal> {
        let now = self.now;
        let task = self.running(id, stale)?;
        if !Self::stopped(task, now) {
            task.stage = Stage::Waiting { until: None };
        }
        Ok(())
    }

    fn complete(&mut self, id: u8, stale: bool) -> Result<(), Refusal> {
        let now = self.now;
        let task = self.find(id)?;
        let completed = matches!(
            task.stage,
            Stage::Ended { outcome: Outcome::Completed, .. }
                | Stage::Gone { outcome: Outcome::Completed, .. }
        );
        if completed && !stale {
            return Ok(());
        }
        Self::end(self.running(id, stale)?, Outcome::Completed, now);
        Ok(())
    }

    fn fail(&mut self, id: u8, stale: bool, start: bool) -> Result<(), Refusal> {
        let now = self.now;
        let task = self.running(id, stale)?;
        if Self::stopped(task, now) {
            return Ok(());
        }
        let count = if start { &mut task.failures.0 } else { &mut task.failures.1 };
        *count += 1;
        let count = *count;
        task.stage = match &task.new.policies.on_failure {
            OnFailure::Reassign { attempts, .. } if count <= *attempts => {
                let pause = [50, 100, 120][count as usize - 1];
                Stage::Waiting { until: Some(now + pause) }
            }
            OnFailure::Remove => Stage::Gone { outcome: Outcome::Failed, at: now },
            _ => Stage::Parked,
        };
        Ok(())
    }

    fn remove(&mut self, id: u8) -> Result<(), Refusal> {
        let now = self.now;
        let task = self.find(id)?;
        task.stage = match task.stage {
            Stage::Gone { .. } => return Ok(()),
            Stage::Ended { outcome, .. } => Stage::Gone { outcome, at: now },
            _ => Stage::Gone { outcome: Outcome::Removed, at: now },
        };
        Ok(())
    }

    fn cancel(&mut self, id: u8, grace: u64) -> Result<(), Refusal> {
        let now = self.now;
        let task = self.find(id)?;
        match &mut task.stage {
            Stage::Gone { .. } | Stage::Ended { .. } => {}
            Stage::Running { cancel_by } => {
                *cancel_by = Some(cancel_by.map_or(now + grace, |by| by.min(now + grace)));
            }
            Stage::Waiting { .. } | Stage::Parked => Self::end(task, Outcome::Cancelled, now),
        }
        Ok(())
    }

    fn resume(&mut self, id: u8) -> Result<(), Refusal> {
        let task = self.alive(id)?;
        match task.stage {
            Stage::Waiting { until: None } => {}
            Stage::Waiting { .. } | Stage::Parked => {
                task.stage = Stage::Waiting { until: None };
                task.failures = (0, 0);
            }
            _ => return Err(Refusal::WrongPhase),
        }
        Ok(())
    }

    fn recover(&mut self) {
        let now = self.now;
        for task in &mut self.tasks {
            if matches!(task.stage, Stage::Running { .. }) && !Self::stopped(task, now) {
                task.stage = Stage::Waiting { until: None };
            }
        }
    }

    fn tick(&mut self) {
        let now = self.now;
        if self.drained_at.is_some_and(|at| at <= now) {
            self.recover();
        }
        for task in &mut self.tasks {
            match task.stage {
                Stage::Waiting { until: Some(until) } if until <= now => {
                    task.stage = Stage::Waiting { until: None };
                }
                Stage::Running { cancel_by: Some(by) } if by <= now => {
                    Self::end(task, Outcome::Cancelled, now);
                }
                Stage::Ended { outcome, at }
                    if task
                        .new
                        .policies
                        .ended_ttl
                        .is_some_and(|ttl| at + ttl.as_millis() as u64 <= now) =>
                {
                    task.stage = Stage::Gone { outcome, at: now };
                }
                _ => {}
            }
        }
    }
}

/// Both sides, stepped together.
struct Pair {
    state: State,
    reference: Reference,
    given: BTreeSet<AllocationId>,
    incarnation: Incarnation,
}

impl Pair {
    fn new() -> Self {
        let (state, reference) = (State::new(LIMITS), Reference::default());
        Self { state, reference, given: BTreeSet::new(), incarnation: Incarnation(1) }
    }

    fn step(&mut self, step: &Move) {
        let id = |id: u8| TaskId::from(format!("t{id}"));
        match step {
            Move::Pass { millis } => self.reference.now += millis,
            Move::Start { id, lane, params, policy } => {
                let new = task(*id, *lane, *params, *policy);
                let expected = self.reference.start(&new, *id);
                let created = |answer| match answer {
                    Answer::Started(started) => started.created,
                    other => panic!("a start is answered by {other:?}"),
                };
                let got = self.apply(Command::Start(new)).map(created);
                assert_eq!(got, expected);
            }
            Move::Assign { id: it } => self.assign(*it),
            Move::AssignPlanned { room } => self.assign_planned(*room),
            Move::Unassign { id: it, stale } => {
                let expected = self.reference.unassign(*it, *stale);
                let allocation = self.allocation(*it, *stale);
                self.same(Command::Unassign { id: id(*it), allocation }, expected);
            }
            Move::Update { id: it, stale, value } => {
                let allocation = self.allocation(*it, *stale);
                let expected = self
                    .reference
                    .running(*it, *stale)
                    .map(|task| task.value = Some((*value, allocation)));
                let value = [*value].into();
                self.same(Command::UpdateState { id: id(*it), allocation, value }, expected);
            }
            Move::Complete { id: it, stale } => {
                let expected = self.reference.complete(*it, *stale);
                let allocation = self.allocation(*it, *stale);
                let result = [7].into();
                self.same(Command::Complete { id: id(*it), allocation, result }, expected);
            }
            Move::Fail { id: it, stale, start } => {
                let expected = self.reference.fail(*it, *stale, *start);
                let allocation = self.allocation(*it, *stale);
                let kind = if *start { FailureKind::Start } else { FailureKind::Run };
                let failure = Failure { kind, message: "on purpose".into() };
                self.same(Command::Fail { id: id(*it), allocation, failure }, expected);
            }
            Move::Remove { id: it } => {
                let expected = self.reference.remove(*it);
                self.same(Command::Remove { id: id(*it) }, expected);
            }
            Move::Cancel { id: it, grace } => {
                let expected = self.reference.cancel(*it, *grace);
                let grace = Duration::from_millis(*grace);
                self.same(Command::Cancel { id: id(*it), grace }, expected);
            }
            Move::Resume { id: it } => {
                let expected = self.reference.resume(*it);
                self.same(Command::Resume { id: id(*it) }, expected);
            }
            Move::Recover => {
                self.reference.recover();
                let floor = AllocationId(self.state.last_allocation().0 + 10);
                self.same(Command::Recover { floor }, Ok(()));
                self.reference.drained_at = None;
                assert_eq!(self.state.last_allocation(), floor, "the counter was raised");
            }
            Move::Rejoin { left } => {
                let known = self.state.member("here").is_some();
                if *left {
                    let node = NodeId::from("here");
                    let incarnation = self.incarnation;
                    self.same(Command::NodeLeft { node, incarnation }, Ok(()));
                } else {
                    self.incarnation.0 += 1;
                    self.join(100);
                }
                if known {
                    self.reference.recover();
                    self.reference.drained_at = None;
                }
            }
            Move::Drain { grace } => {
                let known = self.state.member("here").is_some();
                let expected = if known { Ok(()) } else { Err(Refusal::NodeGone) };
                let node = NodeId::from("here");
                let command = Command::Drain { node, grace: Some(Duration::from_millis(*grace)) };
                self.same(command, expected);
                if known {
                    let at = self.reference.now + grace;
                    let earlier = self.reference.drained_at;
                    self.reference.drained_at = Some(earlier.map_or(at, |it| it.min(at)));
                }
            }
            Move::Tick => {
                self.reference.tick();
                self.same(Command::Tick, Ok(()));
            }
        }
        self.check();
    }

    /// The allocation that a request of `id` comes with; a stale one was never given.
    fn allocation(&mut self, id: u8, stale: bool) -> AllocationId {
        let current = self.reference.find(id).map_or(AllocationId::NONE, |task| task.allocation);
        if stale { AllocationId(current.0 + 1_000_000) } else { current }
    }

    /// The node lives and has this much room.
    fn join(&mut self, room: usize) {
        let capacity = Capacity { room: room as u32, weight: 1 };
        let member = Member::new("here", self.incarnation).offer("run", capacity);
        self.same(Command::NodeJoined { member: Arc::new(member) }, Ok(()));
    }

    fn assign(&mut self, id: u8) {
        self.join(100);
        self.assign_one(id);
    }

    fn assign_one(&mut self, id: u8) {
        let next = AllocationId(self.state.last_allocation().0 + 1);
        let draining = self.state.member("here").is_some_and(|it| it.draining.is_some());
        let mut expected = self.reference.alive(id).map(|task| task.clone()).and_then(|task| {
            if self.reference.ready(&task) { Ok(()) } else { Err(Refusal::WrongPhase) }
        });
        if expected.is_ok() && draining {
            expected = Err(Refusal::Unfit);
        }
        let expected = expected.and_then(|()| self.reference.assign(id, next));
        if expected.is_ok() {
            assert!(self.given.insert(next), "{next:?} was given before");
        }
        let node = NodeId::from("here");
        self.same(Command::Assign { id: TaskId::from(format!("t{id}")), node }, expected);
    }

    fn assign_planned(&mut self, room: usize) {
        self.join(room);
        let draining = self.reference.drained_at.is_some();
        let planned: Vec<u8> = plan(&self.state, 100, &mut LeastLoaded::default())
            .into_iter()
            .map(|command| match command {
                Command::Assign { id, .. } => id.as_str()[1..].parse().expect("an id"),
                other => panic!("planned {other:?}"),
            })
            .collect();
        let reference = &self.reference;
        let running = |t: &&Simple| matches!(t.stage, Stage::Running { .. });
        let free = room.saturating_sub(reference.tasks.iter().filter(running).count());
        let free = if draining { 0 } else { free };
        let ready = reference.tasks.iter().filter(|task| reference.ready(task));
        let expected: Vec<u8> = ready
            .take(free)
            .map(|task| task.new.id.as_str()[1..].parse().expect("an id"))
            .collect();
        assert_eq!(planned, expected, "planned: the first that are ready, as many as fit");
        for id in planned {
            self.assign_one(id);
        }
    }

    fn same(&mut self, command: Command, expected: Result<(), Refusal>) {
        assert_eq!(self.apply(command.clone()).map(|_| ()), expected, "{command:?}");
    }

    fn apply(&mut self, command: Command) -> Result<Answer, Refusal> {
        match apply(&self.state, command, Timestamp(self.reference.now)) {
            Ok((next, effects)) => {
                let changes = diff(&self.state, &next);
                assert_eq!(changes.is_empty(), next == self.state, "a diff sees every change");
                assert_eq!(broken_by_step(&self.state, &next), [], "by this step");
                self.state = next;
                Ok(effects.answer)
            }
            Err(Rejection::AlreadyExists { .. }) => Err(Refusal::AlreadyExists),
            Err(Rejection::NotFound { .. }) => Err(Refusal::NotFound),
            Err(Rejection::Fenced { .. }) => Err(Refusal::Fenced),
            Err(Rejection::WrongPhase { .. }) => Err(Refusal::WrongPhase),
            Err(Rejection::Unfit { .. }) => Err(Refusal::Unfit),
            Err(Rejection::NodeGone { .. }) => Err(Refusal::NodeGone),
            Err(other) => panic!("not expected here: {other:?}"),
        }
    }

    fn check(&self) {
        assert_eq!(broken(&self.state), []);
        let living: Vec<&Simple> = (self.reference.tasks.iter())
            .filter(|task| !matches!(task.stage, Stage::Gone { .. }))
            .collect();
        assert_eq!(self.state.len(), living.len());
        for task in living {
            let record = self.state.get(task.new.id.as_str()).expect("both sides know it");
            let stage = match &record.phase {
                Phase::Unassigned { not_before } => {
                    Stage::Waiting { until: not_before.map(|at| at.0) }
                }
                Phase::Assigned { cancel_by, .. } => {
                    Stage::Running { cancel_by: cancel_by.map(|at| at.0) }
                }
                Phase::Parked => Stage::Parked,
                Phase::Ended(ending) => Stage::Ended { outcome: ending.outcome, at: ending.at.0 },
                other => panic!("a phase the reference does not know: {other:?}"),
            };
            assert_eq!(stage, task.stage, "{record:?}");
            assert_eq!(record.allocation, task.allocation);
            let value = record.state.as_ref().map(|state| (state.value[0], state.written_by));
            assert_eq!(value, task.value, "the last checkpoint survives everything");
            let failures = (record.attempts.start_failures, record.attempts.run_failures);
            assert_eq!(failures, task.failures);
        }
        for lane in [[0u8], [1]] {
            let running = self.state.records().filter(|record| {
                record.lane.as_deref() == Some(&lane) && record.assigned_to().is_some()
            });
            assert!(running.count() <= 1, "two tasks of one lane are assigned");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_history_goes_as_the_reference_says(
        history in prop::collection::vec(moves(), 1..120)
    ) {
        let mut pair = Pair::new();
        for step in &history {
            pair.step(step);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Over trees of several levels, with much and with little in common.
    #[test]
    fn a_diff_names_every_difference_and_nothing_else(
        base in prop::collection::vec(0..2000u16, 0..900),
        removed in prop::collection::vec(0..2000u16, 0..60),
        started in prop::collection::vec(0..2000u16, 0..60),
    ) {
        let id = |n: u16| TaskId::from(format!("t{n:04}"));
        let start = |state: &mut State, n: u16, params: u8| {
            let task = NewTask { id: id(n), ..NewTask::new("x", "run").params([params]) };
            // Refused where the id is taken.
            let _ = apply_to(state, Command::Start(task), Timestamp(0));
        };
        let mut before = State::default();
        base.iter().for_each(|n| start(&mut before, *n, 0));
        let mut after = before.clone();
        for n in removed {
            let _ = apply_to(&mut after, Command::Remove { id: id(n) }, Timestamp(0));
        }
        started.iter().for_each(|n| start(&mut after, *n, 1));

        let expected: Vec<_> = (0..2000)
            .map(|n| (before.get(id(n).as_str()).cloned(), after.get(id(n).as_str()).cloned()))
            .filter(|(before, after)| before != after)
            .collect();
        let found = diff(&before, &after).records;
        let found: Vec<_> = found.into_iter().map(|change| (change.before, change.after)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_rejection_leaves_the_state_equal() {
    let start = Command::Start(NewTask::new("a", "run"));
    let (state, _) = apply(&State::default(), start, Timestamp(0)).expect("a new id");
    let mut copy = state.clone();
    let other = Command::Start(NewTask::new("a", "run").params([1]));
    let refused = apply_to(&mut copy, other, Timestamp(1));
    assert_eq!(refused, Err(Rejection::AlreadyExists { id: "a".into() }));
    assert!(copy == state);
}

#[test]
fn tombstones_are_forgotten_by_number_oldest_first() {
    let limits = Limits { tombstone_ttl: Duration::from_secs(600), tombstones_max: 2 };
    let mut state = State::new(limits);
    for id in ["a", "b", "c"] {
        for command in
            [Command::Start(NewTask::new(id, "run")), Command::Remove { id: TaskId::from(id) }]
        {
            state = apply(&state, command, Timestamp(0)).expect("accepted").0;
        }
    }
    assert!(state.tombstone("a").is_none());
    assert!(state.tombstone("b").is_some());
    assert!(state.tombstone("c").is_some());
}

#[test]
fn fields_beyond_their_length_are_refused() {
    let refused = |task: NewTask| {
        apply(&State::default(), Command::Start(task), Timestamp(0)).expect_err("too long or empty")
    };
    let field = |rejection| match rejection {
        Rejection::BadLength { field, .. } => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(refused(NewTask::new("", "run"))), "id");
    assert_eq!(field(refused(NewTask::new("x".repeat(513), "run"))), "id");
    assert_eq!(field(refused(NewTask::new("a", ""))), "name");
    assert_eq!(field(refused(NewTask::new("a", "run").params(vec![0; (1 << 20) + 1]))), "params");
    assert_eq!(field(refused(NewTask::new("a", "run").lane([]))), "lane");
}

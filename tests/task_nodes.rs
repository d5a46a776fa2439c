//! Nodes, placement, parameters and history: the rules that need more than one node.

use std::sync::Arc;
use std::time::Duration;

use laneway::task::{
    Answer, Candidate, Capacity, Choice, Command, Enable, Failure, FailureKind, Incarnation,
    LeastLoaded, Member, NewTask, NodeId, OnFailure, Phase, Placement, Placing, Policies, Record,
    Rejection, RunOutcome, Settings, State, TaskId, Timestamp, Unfit, apply, apply_to, broken,
    broken_by_step, plan,
};

/// A state that checks every step.
#[derive(Default)]
struct Bench {
    state: State,
    now: u64,
}

impl Bench {
    fn with(nodes: &[&str]) -> Self {
        let mut bench = Self::default();
        nodes.iter().for_each(|node| bench.join(node, 1));
        bench
    }

    fn send(&mut self, command: Command) -> Result<Answer, Rejection> {
        let (next, effects) = apply(&self.state, command, Timestamp(self.now))?;
        assert_eq!(broken(&next), []);
        assert_eq!(broken_by_step(&self.state, &next), []);
        self.state = next;
        Ok(effects.answer)
    }

    fn join(&mut self, node: &str, incarnation: u64) {
        self.join_as(Member::new(node, Incarnation(incarnation)).offer("run", Capacity::default()));
    }

    fn join_as(&mut self, member: Member) {
        self.send(Command::NodeJoined { member: Arc::new(member) }).expect("a living node");
    }

    fn start(&mut self, id: &str) {
        self.start_as(NewTask::new(id, "run"));
    }

    fn start_as(&mut self, task: NewTask) {
        self.send(Command::Start(task)).expect("a new task");
    }

    fn pass(&mut self) -> usize {
        let planned = plan(&self.state, usize::MAX, &mut LeastLoaded::default());
        let count = planned.len();
        for command in planned {
            self.send(command).expect("what is planned fits");
        }
        count
    }

    fn node_of(&self, id: &str) -> Option<&str> {
        let record = self.state.get(id).expect("it is there");
        record.assigned_to().map(|(node, _)| node.as_str())
    }

    fn fail(&mut self, id: &str) {
        let record = self.state.get(id).expect("it is there").clone();
        let (id, allocation) = (record.id.clone(), record.allocation);
        let failure = Failure::start("no");
        self.send(Command::Fail { id, allocation, failure }).expect("in force");
        self.now += 100_000;
        self.send(Command::Tick).expect("never refused");
    }
}

fn labels(all: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[test]
fn tasks_spread_by_weight() {
    let mut bench = Bench::default();
    for (node, weight) in [("a", 1), ("b", 3)] {
        let capacity = Capacity { room: 100, weight };
        bench.join_as(Member::new(node, Incarnation(1)).offer("run", capacity));
    }
    (0..40).for_each(|i| bench.start(&format!("t{i}")));
    assert_eq!(bench.pass(), 40);
    assert_eq!(bench.state.held_by(&"a".into()).count(), 10);
    assert_eq!(bench.state.held_by(&"b".into()).count(), 30);
}

#[test]
fn a_task_goes_away_from_the_node_that_failed_it_while_there_is_another() {
    let mut bench = Bench::with(&["a", "b"]);
    bench.start("t");
    bench.pass();
    assert_eq!(bench.node_of("t"), Some("a"));
    bench.fail("t");
    (0..5).for_each(|i| bench.start(&format!("busy{i}")));
    bench.pass();
    assert_eq!(bench.node_of("t"), Some("b"), "although b has as much to do");
    bench.send(Command::NodeLeft { node: "b".into(), incarnation: Incarnation(1) }).expect("known");
    bench.pass();
    assert_eq!(bench.node_of("t"), Some("a"), "no other candidate is left");
    let ends: Vec<_> = bench.state.get("t").expect("there").history.runs().to_vec();
    let ends: Vec<_> = ends.iter().map(|run| run.end.as_ref().map(|end| end.how)).collect();
    let failed = RunOutcome::Failed(FailureKind::Start);
    assert_eq!(ends, [Some(failed), Some(RunOutcome::NodeLost), None]);
}

#[test]
fn only_nodes_with_the_required_labels_get_a_task() {
    let mut bench = Bench::with(&["plain"]);
    let placement =
        Placement { requires: labels(&[("disk", "ssd")]), prefers: labels(&[("node", "z")]) };
    let policies = Policies { placement, ..Policies::default() };
    bench.start_as(NewTask::new("t", "run").policies(policies));
    assert_eq!(bench.pass(), 0);
    assert_eq!(bench.state.unfit("t"), [("plain".into(), Unfit::NoLabel)]);
    let refused = bench.send(Command::Assign { id: "t".into(), node: "plain".into() });
    assert_eq!(refused, Err(Rejection::Unfit { id: "t".into(), why: Unfit::NoLabel }));
    for node in ["y", "z"] {
        let member = Member::new(node, Incarnation(1)).label("disk", "ssd");
        bench.join_as(member.offer("run", Capacity::default()));
    }
    bench.pass();
    assert_eq!(bench.node_of("t"), Some("z"), "of those that suit it, the one it would like");
}

#[test]
fn every_reason_against_a_node_is_named() {
    let mut bench = Bench::with(&["full", "drains", "gone"]);
    let capacity = Capacity { room: 1, weight: 1 };
    bench.join_as(Member::new("full", Incarnation(1)).offer("run", capacity));
    bench.join_as(Member::new("other", Incarnation(1)).offer("walk", capacity));
    let assign = |id: &str, node: &str| Command::Assign { id: id.into(), node: node.into() };
    bench.start("first");
    bench.send(assign("first", "full")).expect("it has room for one");
    let grace = Some(Duration::from_secs(1));
    bench.send(Command::Drain { node: "drains".into(), grace }).expect("it lives");
    bench.send(Command::NodeLeft { node: "gone".into(), incarnation: Incarnation(1) }).expect("");
    bench.start("t");
    for (node, why) in [
        ("full", Unfit::NoRoom),
        ("other", Unfit::NoExecutor),
        ("drains", Unfit::Draining),
        ("gone", Unfit::Unknown),
    ] {
        let refused = bench.send(assign("t", node));
        assert_eq!(refused, Err(Rejection::Unfit { id: "t".into(), why }));
    }
    assert_eq!(bench.pass(), 0);
    let why: Vec<_> = bench.state.unfit("t").into_iter().map(|(_, why)| why).collect();
    assert_eq!(why, [Unfit::Draining, Unfit::NoRoom, Unfit::NoExecutor], "by name, and stable");
}

#[test]
fn a_later_life_of_a_node_does_not_keep_what_the_earlier_one_had() {
    let mut bench = Bench::with(&["a"]);
    bench.start("t");
    bench.pass();
    let before = bench.state.get("t").expect("there").allocation;
    bench.join("a", 2);
    assert_eq!(bench.node_of("t"), None);
    bench.pass();
    assert!(bench.state.get("t").expect("there").allocation > before);
    let late = Command::NodeLeft { node: "a".into(), incarnation: Incarnation(1) };
    bench.send(late).expect("accepted, and nothing happens");
    assert_eq!(bench.node_of("t"), Some("a"));
    let member = Member::new("a", Incarnation(1)).offer("run", Capacity::default());
    let stale = bench.send(Command::NodeJoined { member: Arc::new(member) });
    assert_eq!(stale, Err(Rejection::NodeGone { node: "a".into() }));
}

#[test]
fn all_tasks_of_a_lost_node_wait_again_after_one_command() {
    let mut bench = Bench::with(&["a", "b"]);
    (0..50).for_each(|i| bench.start(&format!("t{i}")));
    bench.pass();
    let left = bench.state.held_by(&"a".into()).count();
    bench.send(Command::NodeLeft { node: "a".into(), incarnation: Incarnation(1) }).expect("");
    assert_eq!(bench.state.held_by(&"a".into()).count(), 0);
    assert_eq!(bench.pass(), left);
    assert_eq!(bench.state.held_by(&"b".into()).count(), 50);
}

#[test]
fn a_drained_node_keeps_its_tasks_until_its_time_is_over_and_gets_no_new_ones() {
    let mut bench = Bench::with(&["a", "b"]);
    bench.start("t");
    bench.send(Command::Assign { id: "t".into(), node: "a".into() }).expect("it fits");
    bench
        .send(Command::Drain { node: "a".into(), grace: Some(Duration::from_millis(10)) })
        .expect("it lives");
    bench
        .send(Command::Drain { node: "a".into(), grace: Some(Duration::from_secs(10)) })
        .expect("it lives");
    assert_eq!(bench.state.next_due(), Some(Timestamp(10)), "never more time than at first");
    bench.now = 10;
    bench.send(Command::Tick).expect("never refused");
    bench.pass();
    assert_eq!(bench.node_of("t"), Some("b"));
    bench.send(Command::Drain { node: "a".into(), grace: None }).expect("it lives");
    bench.start("u");
    bench.pass();
    assert_eq!(bench.node_of("u"), Some("a"));
}

#[test]
fn nothing_is_assigned_while_assignment_is_off() {
    let mut bench = Bench::with(&["a", "b"]);
    bench.start("runs");
    bench.pass();
    let settings = Settings { assignment: Enable::None };
    bench.send(Command::Configure { settings }).expect("always accepted");
    bench.start("waits");
    assert_eq!(bench.pass(), 0);
    let refused = bench.send(Command::Assign { id: "waits".into(), node: "b".into() });
    assert_eq!(refused, Err(Rejection::Disabled));
    assert_eq!(bench.node_of("runs"), Some("a"), "what runs goes on");
    let settings = Settings { assignment: Enable::All };
    bench.send(Command::Configure { settings }).expect("always accepted");
    assert_eq!(bench.pass(), 1);
}

#[test]
fn params_change_only_from_what_was_expected() {
    let mut bench = Bench::with(&["a"]);
    bench.start_as(NewTask::new("t", "run").params(*b"one"));
    let update = |expected: Option<&[u8]>, params: &[u8]| Command::UpdateParams {
        id: "t".into(),
        expected: expected.map(Into::into),
        params: params.into(),
    };
    bench.send(update(Some(b"one"), b"two")).expect("as expected");
    bench.send(update(Some(b"one"), b"two")).expect("the same request again");
    let refused = bench.send(update(Some(b"one"), b"three"));
    assert_eq!(refused, Err(Rejection::ParamsChanged { id: "t".into() }));
    bench.send(update(None, b"three")).expect("whatever they are");
    assert_eq!(*bench.state.get("t").expect("there").params, *b"three");
}

#[test]
fn a_rule_that_leaves_one_task_does_not_keep_the_others_waiting() {
    struct NotOdd;
    impl Placing for NotOdd {
        fn choose(&mut self, record: &Record, candidates: &[Candidate<'_>]) -> Choice {
            match record.id.as_str().ends_with('1') {
                true => Choice::Leave("odd".into()),
                false => Choice::Take(candidates.len() - 1),
            }
        }
    }
    let mut bench = Bench::with(&["a", "b"]);
    (0..4).for_each(|i| bench.start(&format!("t{i}")));
    let ids: Vec<TaskId> = plan(&bench.state, 10, &mut NotOdd)
        .into_iter()
        .map(|command| match command {
            Command::Assign { id, node } => {
                assert_eq!(node, NodeId::from("b"));
                id
            }
            other => panic!("planned {other:?}"),
        })
        .collect();
    assert_eq!(ids, ["t0".into(), "t2".into(), "t3".into()]);
}

#[test]
fn the_ring_keeps_the_last_runs() {
    let mut bench = Bench::with(&["a"]);
    let policies = Policies {
        on_failure: OnFailure::Reassign { attempts: 100, backoff: Default::default() },
        ..Policies::default()
    };
    bench.start_as(NewTask::new("t", "run").policies(policies));
    for _ in 0..20 {
        bench.pass();
        bench.fail("t");
    }
    let record = bench.state.get("t").expect("there");
    assert_eq!(record.attempts.start_failures, 20);
    let runs = record.history.runs();
    assert_eq!(runs.len(), 8);
    assert_eq!(runs.last().map(|run| run.allocation), Some(record.allocation));
    assert!(matches!(record.phase, Phase::Unassigned { .. }));
}

/// Work per command does not grow with what else there is: the maps share all but a path.
#[test]
fn a_command_leaves_all_other_records_untouched() {
    let mut state = Bench::with(&["a"]).state;
    for i in 0..2000 {
        let start = Command::Start(NewTask::new(format!("t{i}"), "run"));
        apply_to(&mut state, start, Timestamp(0)).expect("a new task");
    }
    let before = state.clone();
    let assign = Command::Assign { id: "t1000".into(), node: "a".into() };
    apply_to(&mut state, assign, Timestamp(0)).expect("it fits");
    let same = |id: &str| {
        let (old, new) = (before.get(id).expect("there"), state.get(id).expect("there"));
        Arc::ptr_eq(old, new)
    };
    let changed = (0..2000).filter(|i| !same(&format!("t{i}"))).count();
    assert_eq!(changed, 1);
}

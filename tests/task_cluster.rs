//! Several nodes in one process: who runs what, and what happens when they come, go, drain, are cut
//! off, or lose answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::cluster::LocalCluster;
use laneway::pool::{Pool, PoolConfig};
use laneway::service::{
    Completion, Progress, TaskConfig, TaskContext, TaskError, TaskService, Until,
};
use laneway::store::MemoryStore;
use laneway::task::{
    Backoff, Candidate, Choice, Command, Enable, Failure, NewTask, NodeId, OnFailure, Outcome,
    Placement, Policies, Record, Rejection, RunOutcome, Settings, StopReason, broken,
};

const LONG: Duration = Duration::from_secs(60);

struct Bench {
    pool: Pool,
    cluster: LocalCluster,
}

impl Bench {
    /// A cluster whose leases end only when the test says so.
    fn new() -> Self {
        let ttl = Duration::from_secs(24 * 3600);
        let config = PoolConfig { workers: 2, ..PoolConfig::default() };
        let pool = Pool::with_config(config).expect("threads can be started");
        Self { pool, cluster: LocalCluster::new(MemoryStore::new(), ttl) }
    }

    fn join(&self, name: &str) -> TaskService {
        self.join_as(TaskConfig { node: NodeId::from(name), ..TaskConfig::default() })
    }

    fn join_as(&self, config: TaskConfig) -> TaskService {
        let (store, node) = self.cluster.attach();
        TaskService::join(&self.pool, store, node, config).expect("reachable")
    }
}

/// Registers an executor whose runs are handed to the test.
fn handed_over(tasks: &TaskService, name: &str) -> Receiver<Completion> {
    let (sender, runs) = mpsc::channel();
    let sender = Mutex::new(sender);
    tasks
        .register(name, move |task: &TaskContext| {
            // A test that has ended takes no more.
            let _ = sender.lock().expect("no panic").send(task.defer());
            Ok(Progress::Deferred)
        })
        .expect("a new name");
    runs
}

fn next(runs: &Receiver<Completion>) -> Completion {
    runs.recv_timeout(LONG).expect("a run begins")
}

fn quick() -> OnFailure {
    let backoff = Backoff { base: Duration::from_millis(1), max: Duration::from_millis(1) };
    OnFailure::Reassign { attempts: 3, backoff }
}

fn stopped(run: &Completion) {
    let (told, hears) = mpsc::channel();
    run.on_cancel(move || told.send(()).expect("the test listens"));
    hears.recv_timeout(LONG).expect("told to stop");
}

fn end(nodes: &[&TaskService]) {
    for node in nodes {
        assert_eq!(broken(&node.snapshot()), []);
        node.shutdown(LONG);
    }
}

#[test]
fn a_task_started_on_one_node_runs_on_another_that_offers_it() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let runs = handed_over(&b, "work");
    let unknown = a.start(NewTask::new("t", "work")).wait();
    assert!(matches!(unknown, Err(TaskError::UnknownExecutor { .. })), "{unknown:?}");
    b.start(NewTask::new("t", "work")).wait().expect("accepted");
    let run = next(&runs);
    let (node, _) = run.record().assigned_to().expect("it runs");
    assert_eq!(node.as_str(), "b");
    run.complete(*b"done").wait().expect("its run");
    assert_eq!(a.end_of("t").wait().expect("it ended").outcome, Outcome::Completed);
    end(&[&a, &b]);
}

#[test]
fn what_a_lost_node_had_goes_on_elsewhere_from_its_last_checkpoint() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let on_b = handed_over(&b, "work");
    b.start(NewTask::new("t", "work")).wait().expect("accepted");
    let first = next(&on_b);
    first.checkpoint(*b"half").wait().expect("its run");
    let on_a = handed_over(&a, "work");
    bench.cluster.cut(&NodeId::from("b"), true);
    bench.cluster.expire(&NodeId::from("b"));
    let second = next(&on_a);
    assert_eq!(second.state().map(|state| &**state), Some(&b"half"[..]));
    assert!(second.allocation() > first.allocation());
    // The cut is over: b hears that its lease is lost, stops, and what it says late is refused.
    bench.cluster.cut(&NodeId::from("b"), false);
    stopped(&first);
    let late = first.complete(*b"too late").wait();
    assert!(matches!(late, Err(TaskError::Rejected(Rejection::Fenced { .. }))), "{late:?}");
    second.complete(*b"whole").wait().expect("its run");
    let runs: Vec<_> = {
        let ended = b.end_of("t").wait().expect("it ended");
        assert_eq!(ended.outcome, Outcome::Completed);
        a.snapshot().members().map(|member| member.id.as_str().to_string()).collect()
    };
    assert!(runs.contains(&"a".to_string()));
    end(&[&a, &b]);
}

#[test]
fn a_failed_start_is_reported_and_the_task_goes_to_another_node() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let (tell, starts) = mpsc::channel();
    for node in [&a, &b] {
        let (tell, failed) = (Mutex::new(tell.clone()), AtomicBool::new(false));
        node.register("work", move |task: &TaskContext| {
            // SeqCst: a test switch.
            if task.record().attempts.start_failures == 0 && !failed.swap(true, Ordering::SeqCst) {
                return Err(Failure::start("cannot start here"));
            }
            let (node, _) = task.record().assigned_to().expect("it runs");
            tell.lock().expect("no panic").send(node.clone()).expect("the test listens");
            Ok(Progress::Done([].into()))
        })
        .expect("a new name");
    }
    let policies =
        Policies { on_failure: quick(), remove_on_completion: false, ..Policies::default() };
    a.start(NewTask::new("t", "work").policies(policies)).wait().expect("accepted");
    assert_eq!(a.end_of("t").wait().expect("it ends").outcome, Outcome::Completed);
    let ran_on = starts.recv_timeout(LONG).expect("it ran");
    let record = b.wait_until("t", Until::Ended).wait().expect("kept").expect("a record");
    let runs = record.history.runs();
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[0].node, ran_on);
    assert_eq!(runs[1].node, ran_on);
    let how = runs[1].end.as_ref().map(|end| end.how);
    assert_eq!(how, Some(RunOutcome::Completed));
    end(&[&a, &b]);
}

#[test]
fn a_lost_answer_loses_nothing_and_repeats_nothing() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let runs = handed_over(&b, "work");
    for number in 0..20 {
        bench.cluster.lose_answers(&NodeId::from("b"), 1);
        let id = format!("t{number}");
        assert!(b.start(NewTask::new(id.as_str(), "work")).wait().expect("accepted").created);
        let run = next(&runs);
        bench.cluster.lose_answers(&NodeId::from("b"), 1);
        if number % 2 == 0 {
            bench.cluster.compact(0);
        }
        let answer = run.complete(*b"x").wait();
        // Whoever cannot find its commit any more folds again: the repeated report is accepted.
        answer.expect("delivered");
        assert_eq!(a.end_of(id).wait().expect("it ended").outcome, Outcome::Completed);
    }
    assert!(runs.try_recv().is_err(), "each ran once");
    end(&[&a, &b]);
}

#[test]
fn reports_made_while_the_store_is_out_of_reach_are_delivered_later() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let runs = handed_over(&b, "work");
    b.start(NewTask::new("t", "work")).wait().expect("accepted");
    let run = next(&runs);
    let ended = a.end_of("t");
    bench.cluster.cut(&NodeId::from("b"), true);
    let refused = b.start(NewTask::new("u", "work")).wait();
    assert!(matches!(refused, Err(TaskError::Store(_))), "a caller is told: {refused:?}");
    let report = run.complete(*b"x");
    assert!(!ended.is_done());
    bench.cluster.cut(&NodeId::from("b"), false);
    report.wait().expect("delivered");
    assert_eq!(ended.wait().expect("it ended").outcome, Outcome::Completed);
    b.start(NewTask::new("u", "work")).wait().expect("reachable again");
    next(&runs).complete([]).wait().expect("its run");
    end(&[&a, &b]);
}

#[test]
fn a_drained_node_hands_its_tasks_over() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let on_a = handed_over(&a, "work");
    a.start(NewTask::new("t", "work")).wait().expect("accepted");
    let run = next(&on_a);
    let on_b = handed_over(&b, "work");
    let drain = Command::Drain { node: NodeId::from("a"), grace: Some(LONG) };
    b.command(drain).wait().expect("a lives");
    stopped(&run);
    assert_eq!(run.stop_reason(), Some(StopReason::Drained));
    assert!(on_b.try_recv().is_err(), "not before it is handed back");
    run.hand_back().wait().expect("its run");
    next(&on_b).complete([]).wait().expect("its run");
    end(&[&a, &b]);
}

#[test]
fn a_node_that_leaves_in_order_is_followed_by_another_master() {
    let bench = Bench::new();
    let (a, b, c) = (bench.join("a"), bench.join("b"), bench.join("c"));
    let runs = handed_over(&c, "work");
    a.shutdown(LONG);
    c.start(NewTask::new("t", "work")).wait().expect("accepted");
    next(&runs).complete([]).wait().expect("its run");
    b.shutdown(LONG);
    c.start(NewTask::new("u", "work")).wait().expect("accepted");
    next(&runs).complete([]).wait().expect("its run");
    end(&[&c]);
}

#[test]
fn one_task_whose_rule_panics_does_not_keep_ten_thousand_waiting() {
    let bench = Bench::new();
    let rule = |record: &Record, _: &[Candidate<'_>]| {
        assert_ne!(record.id.as_str(), "bad", "on purpose");
        Choice::Take(0)
    };
    let config = TaskConfig { rule: Some(Arc::new(rule)), ..TaskConfig::default() };
    let node = bench.join_as(config);
    node.register("work", |_: &TaskContext| Ok(Progress::Done([].into()))).expect("a new name");
    node.start(NewTask::new("bad", "work")).wait().expect("accepted");
    let ids = || (0..10_000).map(|i| format!("t{i}"));
    for started in node.start_many(ids().map(|id| NewTask::new(id, "work"))) {
        started.wait().expect("accepted");
    }
    for ended in ids().map(|id| node.end_of(id)).collect::<Vec<_>>() {
        assert_eq!(ended.wait().expect("it ends").outcome, Outcome::Completed);
    }
    assert!(node.get("bad").expect("it waits").assigned_to().is_none());
    end(&[&node]);
}

#[test]
fn a_run_gives_its_task_back_from_outside_its_body() {
    let bench = Bench::new();
    let (a, b) = (bench.join("a"), bench.join("b"));
    let on_a = handed_over(&a, "work");
    a.start(NewTask::new("t", "work")).wait().expect("accepted");
    let run = next(&on_a);
    let settings = Settings { assignment: Enable::None };
    b.command(Command::Configure { settings }).wait().expect("accepted");
    run.abort_locally().wait().expect("its run");
    assert_eq!(run.stop_reason(), Some(StopReason::Aborted));
    let late = run.complete([]).wait();
    assert!(matches!(late, Err(TaskError::Rejected(Rejection::Fenced { .. }))), "{late:?}");
    let on_b = handed_over(&b, "work");
    assert!(on_b.try_recv().is_err(), "assignment is off everywhere");
    let drain = Command::Drain { node: NodeId::from("a"), grace: Some(LONG) };
    b.command(drain).wait().expect("a lives");
    b.command(Command::Configure { settings: Settings::default() }).wait().expect("accepted");
    next(&on_b).complete([]).wait().expect("its run");
    end(&[&a, &b]);
}

#[test]
fn a_task_that_must_not_overlap_is_stopped_before_its_lease_is_over() {
    let bench = Bench::new();
    let node = |name: &str| TaskConfig {
        node: NodeId::from(name),
        // More than the lease: it is told as soon as it is not renewed any more.
        overlap_margin: Duration::from_secs(48 * 3600),
        on_overrun: |id| panic!("{id} did not stop"),
        ..TaskConfig::default()
    };
    let (a, b) = (bench.join_as(node("a")), bench.join_as(node("b")));
    let (tell, hears) = mpsc::channel();
    let tell = Mutex::new(tell);
    b.register("alone", move |task: &TaskContext| {
        let run = task.defer();
        let (told, inner) = (tell.lock().expect("no panic").clone(), task.clone());
        task.on_cancel(move || {
            told.send(inner.stop_reason()).expect("the test listens");
            drop(run.hand_back());
        });
        Ok(Progress::Deferred)
    })
    .expect("a new name");
    let policies = Policies { no_overlap: true, ..Policies::default() };
    b.start(NewTask::new("t", "alone").policies(policies)).wait().expect("accepted");
    let reason = hears.recv_timeout(LONG).expect("it is told");
    assert_eq!(reason, Some(StopReason::LeaseLost));
    a.command(Command::Configure { settings: Settings { assignment: Enable::None } })
        .wait()
        .expect("accepted");
    end(&[&a, &b]);
}

#[test]
fn labels_of_nodes_are_seen_by_all() {
    let bench = Bench::new();
    let labels = [("disk".into(), "ssd".into())].into();
    let b = bench.join_as(TaskConfig { node: "b".into(), labels, ..TaskConfig::default() });
    let a = bench.join("a");
    let (on_a, on_b) = (handed_over(&a, "work"), handed_over(&b, "work"));
    let placement =
        Placement { requires: vec![("disk".into(), "ssd".into())], prefers: Vec::new() };
    for number in 0..4 {
        let policies = Policies { placement: placement.clone(), ..Policies::default() };
        let task = NewTask::new(format!("t{number}"), "work").policies(policies);
        a.start(task).wait().expect("accepted");
        next(&on_b).complete([]).wait().expect("its run");
    }
    assert!(on_a.try_recv().is_err());
    end(&[&a, &b]);
}

#[test]
fn nodes_that_commit_at_once_lose_nothing() {
    let bench = Bench::new();
    let nodes: Vec<TaskService> = ["a", "b", "c"].map(|name| bench.join(name)).into();
    for node in &nodes {
        node.register("work", |_: &TaskContext| Ok(Progress::Done([].into()))).expect("a new name");
    }
    std::thread::scope(|scope| {
        for (index, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..60 {
                    let id = format!("n{index}-{number}");
                    let started = node.start(NewTask::new(id, "work")).wait();
                    assert!(started.expect("accepted").created);
                }
            });
        }
    });
    for index in 0..3 {
        for number in 0..60 {
            let ended = nodes[(index + 1) % 3].end_of(format!("n{index}-{number}")).wait();
            assert_eq!(ended.expect("it ends").outcome, Outcome::Completed);
        }
    }
    end(&nodes.iter().collect::<Vec<_>>());
}

//! The task service on one node, in memory: who is told what, and when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, Shutdown};
use laneway::service::{
    Assignment, Completion, Executor, Progress, TaskConfig, TaskContext, TaskError, TaskService,
};
use laneway::store::{Batch, Commit, MemoryStore, Store, StoreError, Stored, Wake};
use laneway::task::{
    Answer, Backoff, Command, Explanation, Failure, NewTask, OnFailure, Outcome, Phase, Policies,
    Rejection, Revision,
};

/// Long enough that only a hang reaches it.
const LONG: Duration = Duration::from_secs(60);

fn pool() -> Pool {
    let config = PoolConfig { workers: 2, ..PoolConfig::default() };
    Pool::with_config(config).expect("a pool of two")
}

fn open(pool: &Pool, store: impl Store) -> TaskService {
    TaskService::open(pool, store, TaskConfig::default()).expect("the store works")
}

fn kept() -> Policies {
    Policies { remove_on_completion: false, ..Policies::default() }
}

/// An executor that hands its completions to the test.
fn handed_over(tasks: &TaskService, name: &str) -> Receiver<Completion> {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    tasks
        .register(name, move |task: &TaskContext| {
            sender.lock().expect("no panic").send(task.defer()).expect("the test listens");
            Ok(Progress::Deferred)
        })
        .expect("a new name");
    receiver
}

#[test]
fn a_task_runs_to_an_acknowledged_end_and_leaves_a_tombstone() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    tasks
        .register("upper", |task: &TaskContext| {
            Ok(Progress::Done(task.params().to_ascii_uppercase().into()))
        })
        .expect("a new name");
    let task = NewTask::new("a", "upper").params(*b"text");
    let started = tasks.start(task.clone()).wait().expect("accepted");
    assert!(started.created);
    let ended = tasks.end_of("a").wait().expect("it ends");
    assert_eq!(ended.outcome, Outcome::Completed);
    assert!(tasks.get("a").is_none(), "removed on completion");

    let again = tasks.start(task).wait().expect("a repeated start");
    assert!(!again.created);
    assert_eq!(again.ended, Some(Outcome::Completed));
    let late = tasks.end_of("a").wait().expect("a late wait is answered");
    assert_eq!(late.outcome, Outcome::Completed);
    assert_eq!(tasks.shutdown(LONG), 0);
}

#[test]
fn a_kept_record_has_the_result_for_whoever_asks_later() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    tasks.register("r", |_: &TaskContext| Ok(Progress::Done((*b"done").into()))).expect("new");
    tasks.start(NewTask::new("a", "r").policies(kept())).wait().expect("accepted");
    assert_eq!(*tasks.end_of("a").wait().expect("it ends").result, *b"done");
    assert_eq!(*tasks.end_of("a").wait().expect("asked again").result, *b"done");
    let removed = tasks.remove("a").wait().expect("there").expect("its last record");
    assert!(removed.has_ended());
    let late = tasks.end_of("a").wait().expect("the tombstone");
    assert_eq!((late.outcome, late.record), (Outcome::Completed, None));
}

#[test]
fn tasks_of_one_lane_run_one_at_a_time_in_the_order_of_their_starts() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let inside = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (seen, log) = (inside.clone(), order.clone());
    tasks
        .register("step", move |task: &TaskContext| {
            // SeqCst: the count is compared across bodies, nothing else is ordered by it.
            assert_eq!(seen.fetch_add(1, Ordering::SeqCst), 0, "two of one lane at once");
            log.lock().expect("no panic").push(task.id().as_str().to_string());
            // SeqCst: as above.
            seen.fetch_sub(1, Ordering::SeqCst);
            Ok(Progress::Done([].into()))
        })
        .expect("a new name");
    let names: Vec<String> = (0..200).map(|i| format!("t{i}")).collect();
    let started =
        tasks.start_many(names.iter().map(|n| NewTask::new(n.clone(), "step").lane(*b"k")));
    for pending in started {
        pending.wait().expect("accepted");
    }
    tasks.end_of("t199").wait().expect("the last one ends");
    assert_eq!(*order.lock().expect("no panic"), names);
}

#[test]
fn a_task_goes_on_from_its_last_checkpoint_under_a_new_allocation() {
    let pool = pool();
    let store = MemoryStore::new();
    let first = open(&pool, store.clone());
    let bodies = handed_over(&first, "long");
    first.start(NewTask::new("a", "long")).wait().expect("accepted");
    let body = bodies.recv_timeout(LONG).expect("it begins");
    assert_eq!(body.state(), None);
    body.checkpoint(*b"half").wait().expect("it is the task's run");
    let old = body.allocation();
    assert_eq!(first.shutdown(Duration::ZERO), 1, "one body was left");
    assert!(body.is_cancelled());
    let late = body.complete(*b"too late").wait();
    assert!(matches!(late, Err(TaskError::Closed)), "{late:?}");

    let second = open(&pool, store);
    let bodies = handed_over(&second, "long");
    let body = bodies.recv_timeout(LONG).expect("it begins again");
    assert_eq!(body.id().as_str(), "a");
    assert_eq!(body.state().map(|state| &**state), Some(&b"half"[..]));
    assert!(body.allocation() > old);
    body.complete(*b"whole").wait().expect("it is the task's run");
}

#[test]
fn whoever_lost_the_task_is_fenced() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    tasks.start(NewTask::new("a", "long")).wait().expect("accepted");
    let body = bodies.recv_timeout(LONG).expect("it begins");
    let (stop, stopped) = mpsc::channel();
    body.on_cancel(move || stop.send(()).expect("the test listens"));
    tasks.remove("a").wait().expect("there");
    stopped.recv_timeout(LONG).expect("the body is told");
    for refused in [body.checkpoint(*b"x").wait(), body.complete(*b"x").wait()] {
        assert!(
            matches!(refused, Err(TaskError::Rejected(Rejection::Fenced { .. }))),
            "{refused:?}"
        );
    }
}

#[test]
fn the_next_of_a_lane_waits_until_a_removed_body_is_gone() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    for id in ["a", "b"] {
        tasks.start(NewTask::new(id, "long").lane(*b"k")).wait().expect("accepted");
    }
    let first = bodies.recv_timeout(LONG).expect("a begins");
    tasks.remove("a").wait().expect("there");
    let assigned = tasks.snapshot().explain("b");
    assert!(matches!(assigned, Some(Explanation::Assigned { .. })), "{assigned:?}");
    assert!(bodies.try_recv().is_err(), "a is still inside");
    drop(first);
    assert_eq!(bodies.recv_timeout(LONG).expect("b begins").id().as_str(), "b");
}

#[test]
fn an_id_that_is_used_again_waits_until_its_first_body_is_gone() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    let task = |lane: u8| NewTask::new("a", "long").lane([lane]);
    tasks.start(task(1)).wait().expect("accepted");
    let first = bodies.recv_timeout(LONG).expect("it begins");
    tasks.remove("a").wait().expect("there");
    assert!(tasks.start(task(2)).wait().expect("another request").created);
    tasks.remove("a").wait().expect("there");
    assert!(tasks.start(task(3)).wait().expect("another request").created);
    assert!(bodies.try_recv().is_err(), "the first is still inside");
    drop(first);
    let last = bodies.recv_timeout(LONG).expect("the last one begins");
    assert_eq!(last.record().lane.as_deref(), Some(&[3][..]));
    last.complete([]).wait().expect("its run");
    assert!(bodies.try_recv().is_err(), "the one between was removed before it began");
}

#[test]
fn a_run_that_is_handed_back_counts_no_failure() {
    let pool = pool();
    let store = MemoryStore::new();
    let first = open(&pool, store.clone());
    let bodies = handed_over(&first, "long");
    first
        .register("sync", |task: &TaskContext| {
            Ok(if task.is_cancelled() { Progress::Done([].into()) } else { Progress::HandedBack })
        })
        .expect("a new name");
    first.start(NewTask::new("a", "long")).wait().expect("accepted");
    let body = bodies.recv_timeout(LONG).expect("it begins");
    body.hand_back().wait().expect("its run");
    let again = bodies.recv_timeout(LONG).expect("it begins again");
    assert_eq!(again.record().attempts, Default::default());

    // At a shutdown every body is told; what it hands back is nobody's.
    let (told, hears) = mpsc::channel();
    again.on_cancel(move || told.send(()).expect("the test listens"));
    let ending = pool.submit({
        let first = first.clone();
        move || first.shutdown(LONG)
    });
    hears.recv_timeout(LONG).expect("told to stop");
    again.hand_back().wait().expect("its run");
    assert_eq!(ending.wait().expect("no panic"), 0);
    let second = open(&pool, store);
    assert_eq!(second.get("a").expect("there").phase, Phase::Unassigned { not_before: None });
}

#[test]
fn a_task_that_is_cancelled_before_its_turn_never_begins() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    for id in ["a", "b"] {
        tasks.start(NewTask::new(id, "long").lane(*b"k")).wait().expect("accepted");
    }
    let first = bodies.recv_timeout(LONG).expect("a begins");
    tasks.remove("a").wait().expect("there");
    // Assigned, but the lane is not free yet.
    tasks.cancel("b", LONG).wait().expect("there");
    let end = tasks.end_of("b");
    drop(first);
    assert_eq!(end.wait().expect("it ends").outcome, Outcome::Cancelled);
    assert!(bodies.try_recv().is_err(), "it never began");
}

#[test]
fn an_executor_may_hold_a_handle_of_its_service() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let inner = tasks.clone();
    tasks
        .register("parent", move |task: &TaskContext| {
            let child = NewTask::new(format!("{}-child", task.id()), "parent").params([1]);
            if task.params().is_empty() {
                drop(inner.start(child));
            }
            Ok(Progress::Done([].into()))
        })
        .expect("a new name");
    tasks.start(NewTask::new("a", "parent")).wait().expect("accepted");
    tasks.end_of("a").wait().expect("it ends");
    assert_eq!(tasks.end_of("a-child").wait().expect("it ends").outcome, Outcome::Completed);
    let weak = Arc::new(());
    let held = weak.clone();
    tasks
        .register("holder", move |_: &TaskContext| {
            let _held = &held;
            Ok(Progress::Deferred)
        })
        .expect("a new name");
    assert_eq!(tasks.shutdown(LONG), 0);
    drop(tasks);
    pool.wait_quiescent(LONG).expect("it comes to rest");
    assert_eq!(Arc::strong_count(&weak), 1, "nothing of the service is left");
}

#[test]
fn a_failing_task_is_tried_again_and_then_parked_with_its_error() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let (sender, runs) = mpsc::channel();
    let sender = Mutex::new(sender);
    tasks
        .register("fails", move |task: &TaskContext| -> Result<Progress, Failure> {
            sender.lock().expect("no panic").send(task.allocation()).expect("the test listens");
            Err(Failure::run("no luck"))
        })
        .expect("a new name");
    let backoff = Backoff { base: Duration::from_millis(1), max: Duration::from_millis(2) };
    let on_failure = OnFailure::Reassign { attempts: 2, backoff };
    let policies = Policies { on_failure, ..Policies::default() };
    tasks.start(NewTask::new("a", "fails").policies(policies)).wait().expect("accepted");
    let allocations: Vec<_> =
        (0..3).map(|_| runs.recv_timeout(LONG).expect("three runs")).collect();
    assert!(allocations.is_sorted() && allocations[0] < allocations[2]);
    let parked = until(&tasks, "a", |phase| *phase == Phase::Parked);
    assert_eq!(parked.attempts.run_failures, 3);
    assert_eq!(parked.last_error.as_ref().map(|e| &*e.message), Some("no luck"));
    assert!(runs.try_recv().is_err(), "parked");
    tasks.resume("a").wait().expect("parked");
    runs.recv_timeout(LONG).expect("it runs again");
}

/// The record of `id` as of the first commit that `wanted` accepts. Commits are made by asking:
/// each answer comes after one, so no waiting by time is needed.
fn until(
    tasks: &TaskService,
    id: &str,
    wanted: impl Fn(&Phase) -> bool,
) -> Arc<laneway::task::Record> {
    loop {
        let record = tasks.get(id).expect("it is kept");
        if wanted(&record.phase) {
            return record;
        }
        tasks.command(Command::Tick).wait().expect("the store works");
        std::thread::yield_now();
    }
}

#[test]
fn a_result_that_is_too_long_is_a_failure() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let park = Policies { on_failure: OnFailure::Park, ..Policies::default() };
    let too_long = || vec![0; 1024 * 1024 + 1];
    tasks
        .register("at once", move |_: &TaskContext| Ok(Progress::Done(too_long().into())))
        .expect("a new name");
    let bodies = handed_over(&tasks, "later");
    for name in ["at once", "later"] {
        tasks.start(NewTask::new(name, name).policies(park.clone())).wait().expect("accepted");
    }
    let refused = bodies.recv_timeout(LONG).expect("it begins").complete(too_long()).wait();
    assert!(
        matches!(refused, Err(TaskError::Rejected(Rejection::BadLength { field: "result", .. }))),
        "{refused:?}"
    );
    for name in ["at once", "later"] {
        let parked = until(&tasks, name, |phase| *phase == Phase::Parked);
        let message = parked.last_error.as_ref().map(|e| &*e.message);
        assert_eq!(message, Some("a result of 1048577 bytes is too long"));
    }
}

#[test]
fn a_panic_and_a_lost_completion_are_failures() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let park = Policies { on_failure: OnFailure::Park, ..Policies::default() };
    tasks
        .register("panics", |_: &TaskContext| -> Result<Progress, Failure> { panic!("ouch") })
        .expect("a new name");
    tasks
        .register("forgets", |task: &TaskContext| {
            drop(task.defer());
            Ok(Progress::Deferred)
        })
        .expect("a new name");
    tasks.register("lies", |_: &TaskContext| Ok(Progress::Deferred)).expect("a new name");
    for (name, message) in [
        ("panics", "panicked: ouch"),
        ("forgets", "ended without a report"),
        ("lies", "deferred, but took no completion"),
    ] {
        tasks.start(NewTask::new(name, name).policies(park.clone())).wait().expect("accepted");
        let parked = until(&tasks, name, |phase| *phase == Phase::Parked);
        assert_eq!(parked.last_error.as_ref().map(|e| &*e.message), Some(message));
    }
}

#[test]
fn a_cancelled_task_ends_when_its_body_stops_or_its_grace_is_over() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    for id in ["stops", "completes", "hangs"] {
        tasks.start(NewTask::new(id, "long")).wait().expect("accepted");
    }
    let held: Vec<Completion> =
        (0..3).map(|_| bodies.recv_timeout(LONG).expect("three begin")).collect();
    tasks.cancel("stops", LONG).wait().expect("there");
    tasks.cancel("completes", LONG).wait().expect("there");
    tasks.cancel("hangs", Duration::from_millis(1)).wait().expect("there");
    let hangs = tasks.end_of("hangs").wait().expect("its grace is over");
    assert_eq!(hangs.outcome, Outcome::Cancelled);
    for body in held {
        assert!(body.is_cancelled());
        match body.id().as_str() {
            "stops" => drop(body.fail(Failure::run("told to"))),
            "completes" => drop(body.complete(*b"made it")),
            _ => drop(body),
        }
    }
    let outcome = |id| tasks.end_of(id).wait().expect("it ends").outcome;
    assert_eq!(outcome("stops"), Outcome::Cancelled);
    assert_eq!(outcome("completes"), Outcome::Completed);
}

#[test]
fn room_bounds_how_many_run_at_once() {
    struct One(Mutex<Sender<Completion>>);
    impl Executor for One {
        fn start(&self, task: &TaskContext) -> Result<Progress, Failure> {
            self.0.lock().expect("no panic").send(task.defer()).expect("the test listens");
            Ok(Progress::Deferred)
        }
        fn room(&self) -> usize {
            1
        }
        fn validate(&self, params: &[u8]) -> Result<(), Arc<str>> {
            if params.is_empty() { Ok(()) } else { Err("no params wanted".into()) }
        }
    }
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let (sender, bodies) = mpsc::channel();
    tasks.register("one", One(Mutex::new(sender))).expect("a new name");
    for id in ["a", "b"] {
        tasks.start(NewTask::new(id, "one")).wait().expect("accepted");
    }
    let first = bodies.recv_timeout(LONG).expect("one begins");
    assert_eq!(first.id().as_str(), "a");
    assert_eq!(tasks.snapshot().explain("b"), Some(Explanation::NoSuitableNode));
    first.complete([]).wait().expect("its run");
    assert_eq!(bodies.recv_timeout(LONG).expect("the other begins").id().as_str(), "b");

    let refused = tasks.start(NewTask::new("c", "one").params([1])).wait();
    assert!(matches!(refused, Err(TaskError::Refused { .. })), "{refused:?}");
    let unknown = tasks.start(NewTask::new("c", "two")).wait();
    assert!(matches!(unknown, Err(TaskError::UnknownExecutor { .. })), "{unknown:?}");
    let again = tasks.register("one", |_: &TaskContext| Ok(Progress::Deferred));
    assert!(matches!(again, Err(TaskError::AlreadyRegistered { .. })), "{again:?}");
    let missing = tasks.end_of("c").wait();
    assert!(matches!(missing, Err(TaskError::Rejected(Rejection::NotFound { .. }))), "{missing:?}");
}

#[test]
fn with_assignment_off_nothing_begins() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    tasks.set_assignment(Assignment::None);
    tasks.start(NewTask::new("a", "long")).wait().expect("accepted");
    assert_eq!(tasks.snapshot().explain("a"), Some(Explanation::NoSuitableNode));
    tasks.set_assignment(Assignment::All);
    assert_eq!(bodies.recv_timeout(LONG).expect("it begins").id().as_str(), "a");
}

/// A store whose commits wait for the test, are counted, and fail on request.
struct Gated {
    inner: MemoryStore,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: std::sync::Condvar,
    commits: AtomicUsize,
    writes: AtomicUsize,
    broken: AtomicBool,
}

impl Gate {
    fn shut(&self, shut: bool) {
        *self.shut.lock().expect("no panic") = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().expect("no panic");
        drop(self.moved.wait_while(shut, |shut| *shut).expect("no panic"));
    }
}

impl Store for Gated {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.inner.load()
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError> {
        // SeqCst: test counters.
        self.gate.commits.fetch_add(1, Ordering::SeqCst);
        // SeqCst: as above.
        self.gate.writes.fetch_add(batch.writes.len(), Ordering::SeqCst);
        self.gate.pass();
        // SeqCst: as above.
        if self.gate.broken.load(Ordering::SeqCst) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(StoreError::Io { action: "commit", source });
        }
        self.inner.commit(batch, expected)
    }

    fn changes(&mut self, after: Revision) -> Result<Vec<Commit>, StoreError> {
        self.inner.changes(after)
    }

    fn on_change(&mut self, wake: Wake) {
        self.inner.on_change(wake);
    }
}

fn gated(pool: &Pool) -> (TaskService, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let tasks = open(pool, Gated { inner: MemoryStore::new(), gate: gate.clone() });
    (tasks, gate)
}

#[test]
fn what_waits_at_a_commit_shares_the_next_one() {
    let pool = pool();
    let (tasks, gate) = gated(&pool);
    tasks.register("idle", |_: &TaskContext| Ok(Progress::Deferred)).expect("a new name");
    tasks.set_assignment(Assignment::None);
    gate.shut(true);
    let first = tasks.start(NewTask::new("first", "idle"));
    let rest = tasks.start_many((0..3000).map(|i| NewTask::new(format!("t{i}"), "idle")));
    let refused = tasks.resume("nobody");
    assert!(rest.iter().all(|pending| !pending.is_done()));
    assert!(!refused.is_done(), "refusals wait for the commit too");
    // SeqCst: a test counter.
    let before = gate.commits.load(Ordering::SeqCst);
    gate.shut(false);
    first.wait().expect("accepted");
    for pending in rest {
        assert!(pending.wait().expect("accepted").created);
    }
    assert!(refused.wait().is_err());
    // SeqCst: as above.
    let commits = gate.commits.load(Ordering::SeqCst) - before;
    assert!(commits <= 2, "{commits} commits for what waited at one");
}

#[test]
fn of_many_checkpoints_at_one_commit_only_the_last_is_written() {
    let pool = pool();
    let (tasks, gate) = gated(&pool);
    let bodies = handed_over(&tasks, "long");
    tasks.start(NewTask::new("a", "long")).wait().expect("accepted");
    let body = bodies.recv_timeout(LONG).expect("it begins");
    gate.shut(true);
    let first = body.checkpoint([0]);
    let all: Vec<_> = (1..=100).map(|value| body.checkpoint([value])).collect();
    // SeqCst: a test counter.
    let before = gate.writes.load(Ordering::SeqCst);
    gate.shut(false);
    first.wait().expect("its run");
    for pending in all {
        pending.wait().expect("its run");
    }
    // SeqCst: as above.
    assert!(gate.writes.load(Ordering::SeqCst) - before <= 2, "written once for all");
    let state = tasks.get("a").expect("there").state.clone().expect("a checkpoint");
    assert_eq!(*state.value, [100]);
}

#[test]
fn a_failed_commit_fails_its_batch_and_everything_after_it() {
    let pool = pool();
    let (tasks, gate) = gated(&pool);
    tasks.register("idle", |_: &TaskContext| Ok(Progress::Deferred)).expect("a new name");
    // SeqCst: a test switch.
    gate.broken.store(true, Ordering::SeqCst);
    let waits = tasks.end_of("a");
    let failed = tasks.start(NewTask::new("a", "idle")).wait();
    assert!(matches!(failed, Err(TaskError::Store(_))), "{failed:?}");
    assert!(tasks.get("a").is_none(), "what is not durable is not seen");
    assert!(waits.wait().is_err());
    // SeqCst: as above.
    gate.broken.store(false, Ordering::SeqCst);
    let after = tasks.command(Command::Tick).wait();
    assert!(matches!(after, Err(TaskError::Store(_))), "{after:?}");
    assert_eq!(tasks.shutdown(LONG), 0);
}

#[test]
fn a_lost_race_with_another_writer_is_folded_again() {
    let pool = pool();
    let store = MemoryStore::new();
    let ours = open(&pool, store.clone());
    let theirs = open(&pool, store.clone());
    for tasks in [&ours, &theirs] {
        tasks.set_assignment(Assignment::None);
        tasks.register("idle", |_: &TaskContext| Ok(Progress::Deferred)).expect("a new name");
    }
    for (tasks, id) in [(&ours, "a"), (&theirs, "b"), (&ours, "c")] {
        assert!(tasks.start(NewTask::new(id, "idle")).wait().expect("accepted").created);
    }
    let found = ours.start(NewTask::new("b", "idle")).wait().expect("the same request");
    assert!(!found.created, "theirs was seen");
}

#[test]
fn starts_beyond_the_bound_are_refused() {
    let pool = pool();
    let gate = Arc::new(Gate::default());
    let store = Gated { inner: MemoryStore::new(), gate: gate.clone() };
    let config = TaskConfig { starts_waiting_max: 10, batch_max: 1, ..TaskConfig::default() };
    let tasks = TaskService::open(&pool, store, config).expect("the store works");
    tasks.set_assignment(Assignment::None);
    tasks.register("idle", |_: &TaskContext| Ok(Progress::Deferred)).expect("a new name");
    gate.shut(true);
    let all = tasks.start_many((0..40).map(|i| NewTask::new(format!("t{i}"), "idle")));
    gate.shut(false);
    let full = all.into_iter().map(|pending| pending.wait());
    let refused = full.filter(|answer| matches!(answer, Err(TaskError::Full))).count();
    assert!((1..=30).contains(&refused), "{refused} of 40 refused");
    tasks.start(NewTask::new("later", "idle")).wait().expect("there is room again");
}

#[test]
fn answers_reach_futures_and_callbacks() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let bodies = handed_over(&tasks, "long");
    let (told, hears) = mpsc::channel();
    tasks.start(NewTask::new("a", "long")).on_done(move |started| {
        told.send(started.expect("accepted").created).expect("the test listens");
    });
    assert!(hears.recv_timeout(LONG).expect("called back"));
    let body = bodies.recv_timeout(LONG).expect("it begins");
    let end = tasks.end_of("a");
    let ended = pool.submit(move || futures_executor(end));
    body.complete(*b"x").wait().expect("its run");
    assert_eq!(ended.wait().expect("no panic").expect("it ends").outcome, Outcome::Completed);
}

/// Polls a future to its end on this thread.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn what_is_remembered_of_an_ended_task_survives_a_restart() {
    let pool = pool();
    let store = MemoryStore::new();
    let task = NewTask::new("a", "done");
    let done = |_: &TaskContext| Ok(Progress::Done([].into()));
    let first = open(&pool, store.clone());
    first.register("done", done).expect("a new name");
    first.start(task.clone()).wait().expect("accepted");
    first.end_of("a").wait().expect("it ends");
    assert_eq!(first.shutdown(LONG), 0);
    let second = open(&pool, store);
    second.register("done", done).expect("a new name");
    let again = second.start(task).wait().expect("a repeated start");
    assert_eq!((again.created, again.ended), (false, Some(Outcome::Completed)));
}

#[test]
fn whoever_asks_while_the_service_ends_is_answered() {
    let pool = pool();
    for _ in 0..50 {
        let tasks = open(&pool, MemoryStore::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let tasks = tasks.clone();
                scope.spawn(move || {
                    loop {
                        match tasks.command(Command::Tick).wait() {
                            Ok(_) => {}
                            Err(TaskError::Closed) => return,
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
            assert_eq!(tasks.shutdown(LONG), 0);
        });
    }
}

#[test]
fn a_service_whose_pool_has_ended_keeps_its_tasks_and_still_ends() {
    let pool = pool();
    let store = MemoryStore::new();
    let tasks = open(&pool, store.clone());
    tasks.register("done", |_: &TaskContext| Ok(Progress::Done([].into()))).expect("a new name");
    pool.shutdown(Shutdown::Cancel, LONG).expect("not on a worker");
    for id in ["a", "b"] {
        assert!(tasks.start(NewTask::new(id, "done")).wait().expect("still durable").created);
    }
    assert_eq!(tasks.shutdown(LONG), 0);

    let again = self::pool();
    let tasks = open(&again, store);
    tasks.register("done", |_: &TaskContext| Ok(Progress::Done([].into()))).expect("a new name");
    for id in ["a", "b"] {
        assert_eq!(tasks.end_of(id).wait().expect("it ends").outcome, Outcome::Completed);
    }
}

#[test]
fn commands_of_the_service_are_not_for_callers() {
    let pool = pool();
    let tasks = open(&pool, MemoryStore::new());
    let floor = laneway::task::AllocationId(7);
    let refused = tasks.command(Command::Recover { floor }).wait();
    assert!(matches!(refused, Err(TaskError::NotYours)), "{refused:?}");
    assert_eq!(tasks.command(Command::Tick).wait().expect("allowed"), Answer::Done);
    assert_eq!(tasks.shutdown(LONG), 0);
    let closed = tasks.command(Command::Tick).wait();
    assert!(matches!(closed, Err(TaskError::Closed)), "{closed:?}");
    assert_eq!(tasks.shutdown(LONG), 0, "a second shutdown finds nothing");
}

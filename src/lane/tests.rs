//! Claims about lanes, on a real pool. Order is asserted, never time: jobs stop at gates.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::base::clock::Clock;
use crate::pool::{PoolConfig, Shutdown};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// More than any of these tests takes, less than for ever.
const LONG: Duration = Duration::from_secs(60);

const MANY: u64 = if cfg!(miri) { 50 } else { 10_000 };

type Body = Box<dyn FnMut(&LaneRef<Script>) -> Step + Send>;

/// A job made of closures, which logs how it ended.
struct Script {
    name: String,
    log: Log,
    body: Body,
    at_end: Option<Box<dyn FnOnce() + Send>>,
}

impl Turn for Script {
    type Owner = ();
    fn step(&mut self, lane: &LaneRef<Self>) -> Step {
        (self.body)(lane)
    }
    fn end(self, (): &()) {
        self.log.add(&self.name);
        if let Some(at_end) = self.at_end {
            at_end();
        }
    }
    fn abandon(self, (): &(), why: Abandon) {
        self.log.add(&format!("{} {why:?}", self.name));
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: &str) {
        self.0.lock().expect("no holder panics").push(line.to_owned());
    }
    /// Until so many lines are there.
    fn wait_for(&self, lines: usize) {
        let deadline = soon();
        while self.0.lock().expect("no holder panics").len() < lines {
            assert!(Clock::system().now() < deadline, "no line comes");
            thread::yield_now();
        }
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no holder panics"))
    }
}

struct Bench {
    _ending: Ending,
    pool: Pool,
    lanes: Arc<Lanes<Script>>,
    log: Log,
}

/// Ends the jobs that a test has left waiting.
struct Ending(std::sync::Weak<Lanes<Script>>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(lanes) = self.0.upgrade() {
            lanes.close();
        }
    }
}

impl Bench {
    fn new(workers: usize) -> Self {
        let config = PoolConfig { workers, ..PoolConfig::default() };
        let pool = Pool::with_config(config).expect("threads start");
        let lanes = Arc::new(Lanes::new(&pool, &()));
        Self { _ending: Ending(Arc::downgrade(&lanes)), pool, lanes, log: Log::default() }
    }

    fn script(&self, name: &str, body: Body) -> Script {
        Script { name: name.to_owned(), log: self.log.clone(), body, at_end: None }
    }

    fn submit(
        &self,
        key: &str,
        name: &str,
        body: impl FnMut(&LaneRef<Script>) -> Step + Send + 'static,
    ) {
        self.lanes.submit(Key::from(key), self.script(name, Box::new(body)));
    }

    fn submit_plain(&self, key: &str, name: &str) {
        self.submit(key, name, |_| CONTINUE);
    }

    /// A job that runs until the sender sends or is dropped. Returns when it has begun.
    fn submit_stopped(&self, key: &str, name: &str, then: Step) -> Sender<()> {
        let (go, gate) = channel();
        let (began, begins) = channel();
        self.submit(key, name, move |_| {
            began.send(()).expect("the test waits");
            let _ = gate.recv_timeout(LONG);
            then
        });
        begins.recv_timeout(LONG).expect("the job begins");
        go
    }

    /// A job that waits, and the way to wake it. Returns when it has begun its first step.
    fn submit_waiting(&self, key: &str, name: &str) -> LaneRef<Script> {
        let (began, begins) = channel();
        let mut began = Some(began);
        self.submit(key, name, move |lane| match began.take() {
            Some(began) => {
                began.send(lane.clone()).expect("the test waits");
                Step::Waiting
            }
            None => CONTINUE,
        });
        begins.recv_timeout(LONG).expect("the job begins")
    }

    /// Until all that was submitted has ended.
    fn settle(&self) {
        assert!(self.lanes.drain(soon()), "jobs left: {:?}", self.lanes.counts());
    }

    /// Until the visitors have handled what was sent before, and have seen no end of it. A barrier
    /// passes only with the jobs; but a fresh key in every shard shows that the shard went on.
    fn settle_messages(&self) {
        let mut shards = [const { false }; SHARDS];
        let mut number = 0_u64;
        while shards.contains(&false) {
            number += 1;
            let key = Key::from(format!("probe {number}"));
            let shard = Hashed::new(key.clone(), &self.lanes.seed).shard(SHARDS);
            if !std::mem::replace(&mut shards[shard], true) {
                let mut probe = self.script("", Box::new(|_| CONTINUE));
                probe.log = Log::default();
                self.lanes.submit(key.clone(), probe);
                assert!(self.lanes.drain_key(key, soon()), "a probe runs");
            }
        }
    }
}

const CONTINUE: Step = Step::Ended(Next::Continue);
const HOLD: Step = Step::Ended(Next::Hold);
const FAIL_REST: Step = Step::Ended(Next::FailRest);

fn soon() -> Instant {
    Clock::system().after(LONG)
}

#[test]
fn jobs_of_a_key_run_in_the_order_of_submission() {
    let bench = Bench::new(2);
    let expected: Vec<String> = (0..MANY).map(|i| i.to_string()).collect();
    expected.iter().for_each(|name| bench.submit_plain("k", name));
    bench.settle();
    assert_eq!(bench.log.take(), expected);
}

/// What a job of a key may touch: the loads and stores add up only if no two jobs of the key are
/// at it at once, and each sees what the one before did.
#[derive(Default)]
struct Guarded {
    inside: AtomicBool,
    sum: AtomicU64,
}

impl Guarded {
    fn add_one(&self) {
        // Relaxed, all of them: the lanes are to order what the atomics do not.
        assert!(!self.inside.swap(true, Ordering::Relaxed), "two jobs of a key at once");
        let sum = self.sum.load(Ordering::Relaxed);
        self.sum.store(sum + 1, Ordering::Relaxed);
        self.inside.store(false, Ordering::Relaxed);
    }
}

#[test]
fn many_producers_keep_their_order_and_jobs_of_a_key_exclude_each_other() {
    const PRODUCERS: u64 = 4;
    const KEYS: u64 = 7;
    let each = MANY / PRODUCERS;
    let bench = Bench::new(3);
    let guarded: Arc<Vec<Guarded>> = Arc::new((0..KEYS).map(|_| Guarded::default()).collect());
    let seen: Arc<Vec<AtomicU64>> =
        Arc::new((0..KEYS * PRODUCERS).map(|_| AtomicU64::new(0)).collect());
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (bench, guarded, seen) = (&bench, &guarded, &seen);
            scope.spawn(move || {
                for i in 1..=each {
                    let (guarded, seen) = (guarded.clone(), seen.clone());
                    let key = i % KEYS;
                    let body = move |_: &LaneRef<Script>| {
                        guarded[key as usize].add_one();
                        let last = &seen[(key * PRODUCERS + producer) as usize];
                        // Relaxed: as in `add_one`.
                        assert!(last.swap(i, Ordering::Relaxed) < i, "overtaken");
                        CONTINUE
                    };
                    bench.lanes.submit(Key::from(key), bench.script("", Box::new(body)));
                }
            });
        }
    });
    bench.settle();
    // Relaxed: the drain is the handshake.
    let sum: u64 = guarded.iter().map(|g| g.sum.load(Ordering::Relaxed)).sum();
    assert_eq!(sum, each * PRODUCERS);
}

/// Two keys of one shard.
fn neighbours(bench: &Bench) -> [String; 2] {
    let shard = |key: &String| Hashed::new(Key::from(key), &bench.lanes.seed).shard(SHARDS);
    let first = "first".to_owned();
    let same = |key: &String| shard(key) == shard(&first);
    let second = (0_u64..).map(|i| i.to_string()).find(same).expect("there are enough keys");
    [first, second]
}

#[test]
fn keys_of_one_shard_run_in_parallel() {
    let bench = Bench::new(2);
    let meeting = Arc::new(Barrier::new(2));
    for key in neighbours(&bench) {
        let meeting = meeting.clone();
        bench.submit(&key, "met", move |_| {
            meeting.wait();
            CONTINUE
        });
    }
    bench.settle();
    assert_eq!(bench.log.take(), ["met", "met"]);
}

#[test]
fn a_job_that_runs_long_delays_its_own_key_only() {
    let bench = Bench::new(2);
    let [stopped, other] = neighbours(&bench);
    let go = bench.submit_stopped(&stopped, "long", CONTINUE);
    bench.submit_plain(&stopped, "behind");
    bench.submit_plain(&other, "other");
    assert!(bench.lanes.drain_key(Key::from(&other), soon()));
    assert_eq!(bench.log.take(), ["other"]);
    drop(go);
    bench.settle();
    assert_eq!(bench.log.take(), ["long", "behind"]);
}

#[test]
fn a_job_may_submit_to_its_own_key() {
    let bench = Bench::new(1);
    let lanes = bench.lanes.clone();
    let mut second = Some(bench.script("second", Box::new(|_| CONTINUE)));
    bench.submit("k", "first", move |lane| {
        lanes.submit(lane.key().clone(), second.take().expect("one turn"));
        CONTINUE
    });
    bench.settle();
    bench.settle();
    assert_eq!(bench.log.take(), ["first", "second"]);
}

#[test]
fn a_waiting_job_keeps_the_head_and_runs_on_when_woken() {
    let bench = Bench::new(2);
    let waiting = bench.submit_waiting("k", "waits");
    bench.submit_plain("k", "behind");
    bench.settle_messages();
    assert!(bench.log.take().is_empty());
    waiting.wake();
    bench.settle();
    assert_eq!(bench.log.take(), ["waits", "behind"]);
}

#[test]
fn a_wake_up_before_the_wait_is_not_lost() {
    let bench = Bench::new(2);
    let mut turns = 0;
    bench.submit("k", "woken", move |lane| {
        turns += 1;
        lane.wake();
        if turns < 5 { Step::Waiting } else { CONTINUE }
    });
    bench.settle();
    assert_eq!(bench.log.take(), ["woken"]);
}

#[test]
fn two_wake_ups_before_the_turn_give_one_turn() {
    let bench = Bench::new(1);
    let (turn, turns) = channel();
    bench.submit("k", "waits", move |lane| {
        turn.send(lane.clone()).expect("the test listens");
        Step::Waiting
    });
    let lane = turns.recv_timeout(LONG).expect("the first turn");
    bench.settle_messages();
    // The only worker is busy, so both are there before the turn.
    let go = bench.submit_stopped("busy", "busy", CONTINUE);
    lane.wake();
    lane.wake();
    drop(go);
    bench.settle_messages();
    bench.settle_messages();
    assert_eq!(turns.try_iter().count(), 1);
}

#[test]
fn a_wake_up_for_a_job_that_has_ended_does_not_disturb_the_next_one() {
    let bench = Bench::new(1);
    let first = bench.submit_waiting("k", "first");
    first.wake();
    bench.settle();
    let (turn, turns) = channel();
    bench.submit("k", "second", move |lane| {
        turn.send(lane.clone()).expect("the test listens");
        Step::Waiting
    });
    turns.recv_timeout(LONG).expect("its first turn");
    first.wake();
    bench.settle_messages();
    assert!(turns.try_recv().is_err(), "a turn that nobody asked for");
}

#[test]
fn waking_all_wakes_whoever_waits() {
    let bench = Bench::new(2);
    let _waiting = [bench.submit_waiting("a", "a"), bench.submit_waiting("b", "b")];
    bench.lanes.wake_all();
    bench.settle();
    let mut log = bench.log.take();
    log.sort();
    assert_eq!(log, ["a", "b"]);
}

#[test]
fn a_held_lane_keeps_its_order_until_it_is_released() {
    let bench = Bench::new(2);
    let go = bench.submit_stopped("k", "holds", HOLD);
    bench.submit_plain("k", "second");
    drop(go);
    bench.log.wait_for(1);
    bench.submit_plain("k", "third");
    bench.settle_messages();
    assert_eq!(bench.log.take(), ["holds"]);
    bench.lanes.release(Key::from("k"));
    bench.settle();
    assert_eq!(bench.log.take(), ["second", "third"]);
}

#[test]
fn a_lane_is_held_also_when_nothing_waits_and_goes_when_released() {
    let bench = Bench::new(2);
    bench.submit("k", "holds", |_| HOLD);
    bench.settle();
    bench.submit_plain("k", "next");
    bench.settle_messages();
    assert_eq!(bench.log.take(), ["holds"]);
    bench.lanes.release(Key::from("k"));
    bench.settle();
    bench.lanes.release(Key::from("k"));
    bench.settle_messages();
    assert_eq!(bench.log.take(), ["next"]);
    assert_eq!(bench.lanes.counts().lanes_open, 0);
}

#[test]
fn whoever_hears_of_the_job_that_holds_can_release() {
    for _ in 0..if cfg!(miri) { 3 } else { 500 } {
        let bench = Bench::new(2);
        let (ended, ends) = channel();
        let mut script = bench.script("holds", Box::new(|_| HOLD));
        script.at_end = Some(Box::new(move || ended.send(()).expect("the test waits")));
        bench.lanes.submit(Key::from("k"), script);
        bench.submit_plain("k", "next");
        ends.recv_timeout(LONG).expect("it ends");
        bench.lanes.release(Key::from("k"));
        bench.settle();
        assert_eq!(bench.log.take(), ["holds", "next"]);
    }
}

#[test]
fn fail_rest_ends_exactly_what_waited() {
    let bench = Bench::new(2);
    let (go, gate) = channel::<()>();
    let mut script = bench.script(
        "fails",
        Box::new(move |_| {
            let _ = gate.recv_timeout(LONG);
            FAIL_REST
        }),
    );
    let later = bench.script("later", Box::new(|_| CONTINUE));
    let lanes = bench.lanes.clone();
    script.at_end = Some(Box::new(move || lanes.submit(Key::from("k"), later)));
    bench.lanes.submit(Key::from("k"), script);
    bench.submit_plain("k", "second");
    bench.settle_messages();
    bench.submit_plain("k", "third");
    drop(go);
    bench.settle();
    bench.settle();
    let expected = ["fails", "second Predecessor", "third Predecessor", "later"];
    assert_eq!(bench.log.take(), expected);
}

#[test]
fn retired_lanes_abandon_what_is_held_and_run_the_rest() {
    let bench = Bench::new(2);
    bench.submit("held", "holds", |_| HOLD);
    bench.settle();
    bench.submit_plain("held", "behind");
    let other = bench.submit_waiting("other", "other");
    bench.lanes.retire();
    assert!(bench.lanes.drain_key(Key::from("held"), soon()));
    assert_eq!(bench.log.take(), ["holds", "behind Shutdown"]);
    let go = bench.submit_stopped("late", "holds late", HOLD);
    bench.submit_plain("late", "behind late");
    drop(go);
    assert!(bench.lanes.drain_key(Key::from("late"), soon()));
    assert_eq!(bench.log.take(), ["holds late", "behind late Shutdown"]);
    other.wake();
    bench.settle();
    assert_eq!(bench.log.take(), ["other"]);
}

#[test]
fn a_drain_covers_what_was_submitted_before_and_no_more() {
    let bench = Bench::new(2);
    let before = bench.submit_waiting("k", "before");
    assert!(!bench.lanes.drain(Clock::system().now()), "a job waits");
    let (gate, waiter) = Gate::new();
    bench.lanes.send_all(|| Message::Barrier(None, gate.clone()));
    drop(gate);
    bench.submit("k", "after", |_| Step::Waiting);
    before.wake();
    assert!(waiter.wait_until(&bench.pool, soon()), "what came after does not count");
    assert_eq!(bench.log.take(), ["before"]);
}

/// Drains while a job that came later is on a worker and does not return.
fn drain_before_a_job_that_does_not_return(bench: &Bench, busy: Sender<()>) {
    bench.submit_plain("k", "before");
    let (gate, waiter) = Gate::new();
    bench.lanes.send_all(|| Message::Barrier(None, gate.clone()));
    drop(gate);
    let (go, stop) = channel::<()>();
    bench.submit("k", "after", move |_| {
        let _ = stop.recv();
        CONTINUE
    });
    drop(busy);
    assert!(waiter.wait_until(&bench.pool, soon()), "what came after holds it up");
    drop(go);
    bench.settle();
}

#[test]
fn a_drain_does_not_wait_for_a_later_job_that_arrives_with_those_before() {
    let bench = Bench::new(1);
    let busy = bench.submit_stopped("busy", "busy", CONTINUE);
    drain_before_a_job_that_does_not_return(&bench, busy);
}

#[test]
fn a_drain_does_not_wait_for_a_later_job_that_is_merged_with_those_before() {
    let bench = Bench::new(2);
    let busy = bench.submit_stopped("k", "busy", CONTINUE);
    drain_before_a_job_that_does_not_return(&bench, busy);
}

#[test]
fn draining_a_key_does_not_wait_for_others() {
    let bench = Bench::new(2);
    let [waits, other] = neighbours(&bench);
    let waiting = bench.submit_waiting(&waits, "waits");
    bench.submit_plain(&other, "other");
    assert!(bench.lanes.drain_key(Key::from(&other), soon()));
    assert!(!bench.lanes.drain_key(Key::from(&waits), Clock::system().now()));
    assert!(bench.lanes.drain_key(Key::from("nobody"), soon()));
    waiting.wake();
    bench.settle();
}

#[test]
fn closing_ends_every_job_that_waits_once() {
    let bench = Bench::new(2);
    let _waiting = bench.submit_waiting("waiting", "waits");
    bench.submit_plain("waiting", "behind waits");
    bench.submit("held", "holds", |_| HOLD);
    assert!(bench.lanes.drain_key(Key::from("held"), soon()));
    bench.submit_plain("held", "behind holds");
    let go = bench.submit_stopped("running", "runs", CONTINUE);
    bench.submit_plain("running", "behind runs");
    bench.lanes.close();
    bench.lanes.close();
    drop(go);
    bench.settle();
    bench.submit_plain("late", "late");
    bench.submit_plain("running", "late");
    bench.settle();
    let mut log = bench.log.take();
    log.sort();
    let expected = [
        "behind holds Shutdown",
        "behind runs Shutdown",
        "behind waits Shutdown",
        "holds",
        "late Shutdown",
        "late Shutdown",
        "runs",
        "waits Shutdown",
    ];
    assert_eq!(log, expected);
    assert_eq!(bench.lanes.counts().lanes_open, 0);
    assert_eq!(bench.lanes.counts().jobs_waiting, 0);
}

#[test]
fn dropping_the_lanes_ends_what_is_held_and_every_shard_goes_with_its_last_job() {
    let bench = Bench::new(2);
    let waiting = bench.submit_waiting("waiting", "waits");
    bench.submit("held", "holds", |_| HOLD);
    bench.submit_plain("held", "behind");
    bench.settle_messages();
    let shards: Vec<_> = bench.lanes.shards.iter().map(std::sync::Arc::downgrade).collect();
    let Bench { pool, lanes, log, .. } = bench;
    drop(lanes);
    waiting.wake();
    drop(waiting);
    pool.shutdown(Shutdown::Drain, LONG).expect("not on a worker");
    let mut log = log.take();
    log.sort();
    assert_eq!(log, ["behind Shutdown", "holds", "waits"]);
    assert!(shards.iter().all(|shard| shard.strong_count() == 0));
}

#[test]
fn the_end_of_the_pool_ends_what_waits_and_what_comes_later() {
    let bench = Bench::new(1);
    let go = bench.submit_stopped("k", "runs", CONTINUE);
    for name in ["second", "third"] {
        bench.submit_plain("k", name);
    }
    bench.submit_plain("other", "other");
    thread::scope(|scope| {
        let pool = bench.pool.clone();
        let (asked, asks) = channel();
        scope.spawn(move || {
            asked.send(()).expect("the test waits");
            pool.shutdown(Shutdown::Cancel, LONG).expect("not on a worker");
        });
        asks.recv_timeout(LONG).expect("it is asked");
        drop(go);
    });
    bench.submit_plain("k", "late");
    let log = bench.log.take();
    let ends = |name: &str| log.iter().filter(|line| line.starts_with(name)).count();
    for name in ["runs", "second", "third", "other", "late"] {
        assert_eq!(ends(name), 1, "{name}: {log:?}");
    }
    assert!(log.contains(&"late Shutdown".to_owned()), "{log:?}");
    assert!(bench.lanes.drain(soon()), "nobody waits for ever");
}

#[test]
fn ten_thousand_keys_leave_no_lanes() {
    let bench = Bench::new(2);
    let done = Arc::new(AtomicU64::new(0));
    for key in 0..MANY {
        let done = done.clone();
        let body = move |_: &LaneRef<Script>| {
            // Relaxed: a count.
            done.fetch_add(1, Ordering::Relaxed);
            CONTINUE
        };
        bench.lanes.submit(Key::from(key), bench.script("", Box::new(body)));
    }
    bench.settle();
    let counts = bench.lanes.counts();
    assert_eq!((counts.lanes_open, counts.jobs_waiting, counts.lanes_running), (0, 0, 0));
    // Relaxed: the drain is the handshake.
    assert_eq!(done.load(Ordering::Relaxed), MANY);
    assert_eq!(counts.jobs_done, MANY);
}

#[test]
fn a_hot_key_yields_after_its_budget() {
    let bench = Bench::new(1);
    // Short jobs of one shard run as they come, so the keys are of three shards.
    let shard = |key: &str| Hashed::new(Key::from(key), &bench.lanes.seed).shard(SHARDS);
    let other = |key: &String| ["starter", "hot"].iter().all(|one| shard(one) != shard(key));
    let cold = (0_u64..).map(|i| i.to_string()).find(other).expect("there are enough keys");
    let is_cold = cold.clone();
    let mut jobs: Vec<_> = ["hot"; 1000].map(str::to_owned).into_iter().chain([cold]).collect();
    let (lanes, log) = (bench.lanes.clone(), bench.log.clone());
    let (submitted, all_submitted) = channel();
    // Submitted on the worker, so that both keys stand in one queue of the pool.
    bench.submit("starter", "starter", move |_| {
        for name in jobs.drain(..) {
            let body = Box::new(|_: &LaneRef<Script>| CONTINUE);
            let script = Script { name: name.clone(), log: log.clone(), body, at_end: None };
            lanes.submit(Key::from(&name), script);
        }
        submitted.send(()).expect("the test waits");
        CONTINUE
    });
    all_submitted.recv_timeout(LONG).expect("the starter runs");
    bench.settle();
    let log = bench.log.take();
    assert_eq!(log.len(), 1002);
    let before = log.iter().position(|name| *name == is_cold).expect("it ran") - 1;
    assert!(before <= 2 * 256, "{before} hot jobs before the cold one");
}

#[test]
fn a_job_that_unwinds_against_its_contract_does_not_stop_its_lane() {
    let bench = Bench::new(1);
    bench.submit("k", "unwinds", |_| std::panic::resume_unwind(Box::new(())));
    bench.submit_plain("k", "next");
    bench.settle();
    assert_eq!(bench.log.take(), ["next"]);
}

#[test]
fn all_that_a_job_owns_is_dropped_once() {
    let owned = Arc::new(());
    let bench = Bench::new(2);
    for i in 0..MANY {
        let owned = owned.clone();
        bench.submit(&(i % 10).to_string(), "", move |_| {
            let _ = &owned;
            if i % 7 == 0 { FAIL_REST } else { CONTINUE }
        });
    }
    bench.settle();
    assert_eq!(Arc::strong_count(&owned), 1);
}

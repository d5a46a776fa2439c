//! Lanes: the shard visit, its hand-over, and the visits of lanes, over a pool without threads.
//!
//! Both ends of a budget are near here: a shard visit takes two messages, a lane visit runs two
//! jobs, and goes to the back of the queue.

use loom::thread;

use crate::check::{Bound, check};
use crate::lane::{Abandon, LaneRef, Lanes, Next, Step, Turn};
use crate::pool::Pool;
use crate::sync::{Arc, AtomicBool, Ordering, UnsafeCell};

/// What happened to the jobs of one key. Two steps at a time, or one that did not happen before
/// the next, are reported as accesses to the list at the same time.
struct Log(UnsafeCell<Vec<u32>>);

// SAFETY: what the models check.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(Vec::new())))
    }

    fn note(&self, number: u32) {
        // SAFETY: checked by the model.
        self.0.with_mut(|list| unsafe { (*list).push(number) });
    }

    fn read(&self) -> Vec<u32> {
        // SAFETY: checked by the model.
        self.0.with(|list| unsafe { (*list).clone() })
    }
}

/// Added to the number of a job that was abandoned.
const ABANDONED: u32 = 100;

/// What a job's steps do.
enum Plan {
    Ends(Next),
    /// Waits once, and leaves its way back in the bell.
    Waits(Arc<Bell>),
}

struct Job {
    number: u32,
    log: Arc<Log>,
    plan: Plan,
}

impl Turn for Job {
    type Owner = ();

    fn step(&mut self, lane: &LaneRef<Self>) -> Step {
        match std::mem::replace(&mut self.plan, Plan::Ends(Next::Continue)) {
            Plan::Ends(next) => {
                self.log.note(self.number);
                Step::Ended(next)
            }
            Plan::Waits(bell) => {
                bell.hang(lane.clone());
                Step::Waiting
            }
        }
    }

    fn abandon(self, (): &(), _: Abandon) {
        self.log.note(self.number + ABANDONED);
    }
}

/// The way back to a job that waits, for whoever is first to use it.
struct Bell {
    hung: AtomicBool,
    lane: UnsafeCell<Option<LaneRef<Job>>>,
}

// SAFETY: the cell is written before `hung` and emptied by the one who swaps it back.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self { hung: AtomicBool::new(false), lane: UnsafeCell::new(None) })
    }

    fn hang(&self, lane: LaneRef<Job>) {
        // SAFETY: see above.
        self.lane.with_mut(|cell| unsafe { *cell = Some(lane) });
        // Release: to `ring`. A swap, because the checker would let the swap in `ring` overtake a
        // store that comes after it.
        self.hung.swap(true, Ordering::Release);
    }

    /// Wakes the job if it has left its way back.
    fn ring(&self) {
        // Acquire: from `hang`.
        if self.hung.swap(false, Ordering::Acquire) {
            // SAFETY: see above.
            let lane = self.lane.with_mut(|cell| unsafe { (*cell).take() });
            lane.expect("hung").wake();
        }
    }
}

struct Bench {
    pool: Pool,
    /// There until the end.
    lanes: Option<Lanes<Job>>,
}

impl Drop for Bench {
    /// Lanes that are dropped are retired by a last visit.
    fn drop(&mut self) {
        self.lanes = None;
        self.pool.run_all();
    }
}

impl Bench {
    fn new() -> Arc<Self> {
        Self::on(Pool::new())
    }

    /// Jobs run in place, and their shard may be taken over.
    fn in_place() -> Arc<Self> {
        Self::on(Pool::watched())
    }

    fn on(pool: Pool) -> Arc<Self> {
        Arc::new(Self { lanes: Some(Lanes::new(&pool, &())), pool })
    }

    fn lanes(&self) -> &Lanes<Job> {
        self.lanes.as_ref().expect("there until the end")
    }

    fn submit(&self, key: u64, number: u32, log: &Arc<Log>, plan: Plan) {
        self.lanes().submit(key.into(), Job { number, log: Arc::clone(log), plan });
    }

    fn ends(&self, key: u64, number: u32, log: &Arc<Log>) {
        self.submit(key, number, log, Plan::Ends(Next::Continue));
    }

    /// Joins, runs what is left, and checks that nothing is left then.
    fn settle(&self, others: impl IntoIterator<Item = thread::JoinHandle<()>>) {
        self.pool.run_all();
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        self.pool.run_all();
        let counts = self.lanes().counts();
        assert_eq!((counts.lanes_open, counts.jobs_waiting, counts.lanes_running), (0, 0, 0));
    }
}

fn spawn(bench: &Arc<Bench>, body: impl FnOnce(&Bench) + 'static) -> thread::JoinHandle<()> {
    let bench = Arc::clone(bench);
    thread::spawn(move || body(&bench))
}

/// Every number once; those of one thread (of one ten) in order.
fn assert_log(log: &Log, numbers: &[u32]) {
    let log = log.read();
    let mut sorted = log.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, numbers, "lost or doubled: {log:?}");
    for thread in 0..3 {
        let own: Vec<u32> = log.iter().copied().filter(|number| number / 10 == thread).collect();
        assert!(own.is_sorted(), "out of order: {log:?}");
    }
}

/// Breaks if a hand-over loses or doubles a visit, lets two visits run at once, or does not show
/// the next one what the last one did.
pub(crate) fn jobs_of_one_key_from_two_threads() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::new(), Log::new());
        let other = {
            let log = Arc::clone(&log);
            spawn(&bench, move |bench| {
                bench.ends(1, 10, &log);
                bench.ends(1, 11, &log);
                bench.pool.run_all();
            })
        };
        bench.ends(1, 0, &log);
        bench.ends(1, 1, &log);
        bench.settle([other]);
        assert_log(&log, &[0, 1, 10, 11]);
    });
}

/// The same with a burst that both budgets cut.
pub(crate) fn a_burst_is_cut_by_the_budgets() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::new(), Log::new());
        let other = {
            let log = Arc::clone(&log);
            spawn(&bench, move |bench| {
                bench.ends(1, 10, &log);
                bench.pool.run_all();
            })
        };
        (0..3).for_each(|number| bench.ends(1, number, &log));
        bench.settle([other]);
        assert_log(&log, &[0, 1, 2, 10]);
    });
}

/// Breaks if two lanes of one shard are not kept apart.
pub(crate) fn two_keys_of_one_shard() {
    check(Bound::Preemptions(2), || {
        let (bench, logs) = (Bench::new(), [Log::new(), Log::new()]);
        let other = {
            let logs = logs.clone();
            spawn(&bench, move |bench| {
                bench.ends(1, 10, &logs[0]);
                bench.ends(2, 11, &logs[1]);
                bench.pool.run_all();
            })
        };
        bench.ends(2, 0, &logs[1]);
        bench.settle([other]);
        assert_log(&logs[0], &[10]);
        assert_log(&logs[1], &[0, 11]);
    });
}

/// Breaks if a wake-up that comes before the report of its wait is forgotten, or the next job
/// passes a head that waits.
pub(crate) fn a_wake_overtakes_the_report_of_the_wait() {
    check(Bound::Preemptions(2), || {
        let (bench, log, bell) = (Bench::new(), Log::new(), Bell::new());
        bench.submit(1, 0, &log, Plan::Waits(Arc::clone(&bell)));
        let ringer = {
            let bell = Arc::clone(&bell);
            spawn(&bench, move |bench| {
                bell.ring();
                bench.pool.run_all();
            })
        };
        bench.ends(1, 1, &log);
        bench.pool.run_all();
        ringer.join().expect("no panic");
        bell.ring();
        bench.settle([]);
        assert_eq!(log.read(), [0, 1]);
    });
}

/// Breaks if a release passes the hold that it ends, or the held job runs before.
pub(crate) fn a_held_lane_goes_on_when_released() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::new(), Log::new());
        bench.submit(1, 0, &log, Plan::Ends(Next::Hold));
        bench.ends(1, 1, &log);
        let releaser = spawn(&bench, |bench| {
            bench.lanes().release(1_u64.into());
            bench.pool.run_all();
        });
        bench.pool.run_all();
        releaser.join().expect("no panic");
        bench.lanes().release(1_u64.into());
        bench.settle([]);
        assert_eq!(log.read(), [0, 1]);
    });
}

/// Breaks if a job neither runs nor is abandoned, or both.
pub(crate) fn lanes_are_closed_while_jobs_come() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::new(), Log::new());
        let other = {
            let log = Arc::clone(&log);
            spawn(&bench, move |bench| {
                bench.ends(1, 0, &log);
                bench.ends(1, 1, &log);
                bench.pool.run_all();
            })
        };
        bench.lanes().close();
        bench.settle([other]);
        assert_each_once(&log, 2);
    });
}

/// Breaks if the end of the pool loses a job that waits in an inbox or a lane.
pub(crate) fn the_pool_ends_while_jobs_come() {
    check(Bound::Preemptions(4), || {
        let (bench, log) = (Bench::new(), Log::new());
        let other = {
            let log = Arc::clone(&log);
            spawn(&bench, move |bench| {
                bench.ends(1, 0, &log);
                bench.ends(1, 1, &log);
            })
        };
        bench.pool.run_one();
        bench.pool.abandon_all();
        other.join().expect("no panic");
        while bench.pool.abandon_all() {}
        assert_each_once(&log, 2);
    });
}

/// Breaks if two visits of a shard run at once, or one does not see what the last one did, with jobs
/// that run in place.
pub(crate) fn jobs_run_in_place_while_others_come() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::in_place(), Log::new());
        let other = {
            let log = Arc::clone(&log);
            spawn(&bench, move |bench| {
                bench.ends(1, 10, &log);
                bench.pool.run_all();
            })
        };
        (0..3).for_each(|number| bench.ends(1, number, &log));
        bench.settle([other]);
        assert_log(&log, &[0, 1, 2, 10]);
    });
}

/// Breaks if a job is run by both, or by neither; if the taker lets the next job of the key run
/// before the one under way has ended, or does not see what it did.
pub(crate) fn a_shard_is_taken_over_inside_a_job() {
    check(Bound::Preemptions(2), || {
        let (bench, logs) = (Bench::in_place(), [Log::new(), Log::new()]);
        bench.ends(1, 0, &logs[0]);
        bench.ends(2, 10, &logs[1]);
        bench.ends(1, 1, &logs[0]);
        let taker = spawn(&bench, |bench| {
            bench.pool.take_over();
            bench.pool.run_all();
        });
        bench.settle([taker]);
        assert_log(&logs[0], &[0, 1]);
        assert_log(&logs[1], &[10]);
    });
}

/// Breaks if a wait that is reported late loses its wake-up, or is passed by the next job.
pub(crate) fn a_job_that_waits_is_taken_over() {
    check(Bound::Preemptions(2), || {
        let (bench, log, bell) = (Bench::in_place(), Log::new(), Bell::new());
        bench.submit(1, 0, &log, Plan::Waits(Arc::clone(&bell)));
        bench.ends(1, 1, &log);
        let taker = {
            let bell = Arc::clone(&bell);
            spawn(&bench, move |bench| {
                bench.pool.take_over();
                bell.ring();
                bench.pool.run_all();
            })
        };
        bench.pool.run_all();
        taker.join().expect("no panic");
        bell.ring();
        bench.settle([]);
        assert_eq!(log.read(), [0, 1]);
    });
}

/// Breaks if a hold that is reported late lets the next job pass.
pub(crate) fn a_job_that_holds_its_lane_is_taken_over() {
    check(Bound::Preemptions(2), || {
        let (bench, log) = (Bench::in_place(), Log::new());
        bench.submit(1, 0, &log, Plan::Ends(Next::Hold));
        bench.ends(1, 1, &log);
        let taker = spawn(&bench, |bench| {
            bench.pool.take_over();
            bench.pool.run_all();
        });
        bench.pool.run_all();
        taker.join().expect("no panic");
        bench.pool.run_all();
        assert_eq!(log.read(), [0], "held");
        bench.lanes().release(1_u64.into());
        bench.settle([]);
        assert_eq!(log.read(), [0, 1]);
    });
}

/// Breaks if the end of the pool loses what is behind a job that is being run, or runs it.
pub(crate) fn the_pool_ends_inside_a_job() {
    check(Bound::Preemptions(3), || {
        let (bench, log) = (Bench::in_place(), Log::new());
        bench.ends(1, 0, &log);
        bench.ends(1, 1, &log);
        let other = spawn(&bench, |bench| {
            bench.pool.abandon_all();
        });
        bench.pool.run_one();
        other.join().expect("no panic");
        while bench.pool.abandon_all() {}
        assert_each_once(&log, 2);
    });
}

fn assert_each_once(log: &Log, jobs: u32) {
    let mut seen: Vec<u32> = log.read().iter().map(|number| number % ABANDONED).collect();
    assert!(seen.is_sorted(), "ended out of order");
    seen.sort_unstable();
    assert_eq!(seen, (0..jobs).collect::<Vec<_>>(), "lost or doubled");
}

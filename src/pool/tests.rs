//! Tests of the pool from inside: the seam that lanes and the coordinator use.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::sync::AtomicUsize;

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

const fn is_shared_between_threads<T: Send + Sync>() {}
const _: () = is_shared_between_threads::<Pool>();
const _: () = is_shared_between_threads::<Timer>();
const _: () = is_shared_between_threads::<Scope<'static, 'static>>();
const _: () = is_shared_between_threads::<Handle<u8>>();

/// Posts itself again until `turns` is used up.
struct Again {
    pool: Pool,
    turns: AtomicUsize,
    abandoned: AtomicUsize,
    done: mpsc::Sender<()>,
}

impl Runnable for Arc<Again> {
    fn run(self) {
        // Relaxed: one turn at a time.
        if self.turns.fetch_sub(1, Ordering::Relaxed) > 1 {
            self.pool.post(Work::new(Arc::clone(&self)));
        } else {
            self.done.send(()).expect("the test waits");
        }
    }
    fn abandon(self) {
        // Relaxed: a count, read after the pool was joined.
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

fn again(pool: &Pool, turns: usize) -> (Arc<Again>, mpsc::Receiver<()>) {
    let (done, told) = mpsc::channel();
    let turns = AtomicUsize::new(turns);
    let again = Again { pool: pool.clone(), turns, abandoned: AtomicUsize::new(0), done };
    (Arc::new(again), told)
}

#[test]
fn shared_work_posts_itself_again_and_again() {
    let pool = pool(2);
    let (work, told) = again(&pool, 10_000);
    pool.post(Work::new(Arc::clone(&work)));
    assert_eq!(told.recv(), Ok(()));
}

#[test]
fn a_queue_that_refills_itself_starves_nobody() {
    let pool = pool(1);
    let (work, _told) = again(&pool, usize::MAX);
    pool.post(Work::new(work));
    pool.submit(|| ()).wait().expect("it ran");
    pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
}

#[test]
fn work_of_a_cancelled_pool_is_abandoned_once() {
    let pool = pool(2);
    let (work, _told) = again(&pool, usize::MAX);
    for _ in 0..10 {
        pool.post(Work::new(Arc::clone(&work)));
    }
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!(report.left, 10);
    pool.post(Work::new(Arc::clone(&work)));
    // Relaxed: the threads are joined.
    assert_eq!(work.abandoned.load(Ordering::Relaxed), 11);
    assert_eq!(Arc::strong_count(&work), 1);
}

#[test]
fn blocking_is_refused_to_the_last_worker_only() {
    let config = PoolConfig { workers: 2, max_blocking: 0, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let same = pool.clone();
    let (entered, first) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let held = pool.submit(move || {
        let _blocking = same.enter_blocking().expect("one worker is left");
        entered.send(()).expect("the test waits");
        let _ = gate.recv();
    });
    first.recv().expect("it ran");
    let same = pool.clone();
    let second = pool.submit(move || same.enter_blocking().is_err());
    assert!(second.wait().expect("it ran"));
    assert_eq!(pool.counters().blocked, 1);
    drop(open);
    held.wait().expect("it ran");
    assert_eq!(pool.counters().blocked, 0);
    assert!(pool.enter_blocking().is_ok(), "a foreign thread may always wait");
}

#[test]
fn timed_work_that_is_cancelled_is_abandoned() {
    let pool = pool(1);
    let (work, _told) = again(&pool, 1);
    let at = pool.clock().after(LONG);
    assert!(pool.schedule_work_at(at, Work::new(Arc::clone(&work))).cancel());
    // Relaxed: this thread.
    assert_eq!(work.abandoned.load(Ordering::Relaxed), 1);
}

#[test]
fn a_region_shows_its_outermost_frame_and_keeps_the_others_private() {
    let pool = pool(1);
    let same = pool.clone();
    let nested = move || {
        same.join(|| same.join(|| same.join(|| (), || ()), || ()), || ());
        same.counters().per_worker[0].promotions
    };
    // One worker, busy here: nobody is hungry.
    assert_eq!(pool.submit(nested).wait().expect("it ran"), 1);
}

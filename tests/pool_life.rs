//! How pools begin, rest and end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, PoolError, Report, Shutdown};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// Occupies a worker until the answer is dropped; returns when it is occupied.
fn occupy(pool: &Pool) -> mpsc::Sender<()> {
    let (open, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || {
        tell.send(()).expect("the test waits");
        let _ = gate.recv();
    });
    told.recv().expect("a worker took it");
    open
}

fn parts(report: &Report) -> (usize, usize, usize, usize) {
    (report.joined, report.running.len(), report.left, report.timers)
}

#[test]
fn a_configuration_out_of_range_starts_nothing() {
    for workers in [0, 1 << 20] {
        let refused = Pool::with_config(PoolConfig { workers, ..PoolConfig::default() });
        assert!(matches!(refused, Err(PoolError::Config { field: "workers" })));
    }
    let config = PoolConfig { name: "nul\0".to_owned(), ..PoolConfig::default() };
    assert!(matches!(Pool::with_config(config), Err(PoolError::Config { field: "name" })));
}

#[test]
fn a_thread_that_cannot_start_fails_the_build_and_leaves_none() {
    let stack_size = Some(usize::MAX / 4); // more than there is address space
    let refused = Pool::with_config(PoolConfig { workers: 3, stack_size, ..PoolConfig::default() });
    assert!(matches!(refused, Err(PoolError::Spawn { worker: 0, .. })));
}

#[test]
fn threads_carry_the_pools_name() {
    let config = PoolConfig { workers: 1, name: "weaver".to_owned(), ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let name = pool.submit(|| std::thread::current().name().map(str::to_owned));
    assert_eq!(name.wait().expect("it ran").as_deref(), Some("weaver-0"));
}

#[test]
fn a_drain_runs_what_was_posted_and_what_that_posts() {
    let pool = pool(2);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (same, ran) = (pool.clone(), Arc::clone(&ran));
        pool.spawn(move || {
            let counted = Arc::clone(&ran);
            same.spawn(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            ran.fetch_add(1, Ordering::Relaxed);
        });
    }
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(parts(&report), (2, 0, 0, 0));
    assert_eq!(ran.load(Ordering::Relaxed), 200);
    assert!(pool.is_shutting_down());
}

#[test]
fn a_cancel_abandons_what_has_not_started() {
    let pool = pool(1);
    let gate = occupy(&pool);
    let waiting: Vec<_> = (0..10).map(|n| pool.submit(move || n)).collect();
    let timer = pool.schedule_after(LONG, || ());
    let early = pool.shutdown(Shutdown::Cancel, Duration::ZERO).expect("not a worker");
    assert_eq!(early.running, ["laneway-0"]);
    assert_eq!((early.joined, early.left), (0, 10));
    drop(gate);
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!(parts(&report), (1, 0, 10, 1));
    for work in waiting {
        assert!(matches!(work.wait(), Err(PoolError::Cancelled)));
    }
    assert!(!timer.cancel());
}

#[test]
fn work_for_a_pool_that_has_ended_is_cancelled_at_once() {
    let pool = pool(1);
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(matches!(pool.submit(|| ()).wait(), Err(PoolError::Cancelled)));
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    drop(pool.schedule_after(LONG, move || drop(kept)));
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
}

#[test]
fn a_worker_that_ends_its_own_pool_is_told_so_and_the_pool_ends() {
    let pool = pool(2);
    let same = pool.clone();
    let refused = pool.submit(move || {
        let quiet = same.wait_quiescent(LONG);
        let ended = same.shutdown(Shutdown::Drain, LONG);
        (quiet, ended)
    });
    let (quiet, ended) = refused.wait().expect("it ran");
    assert!(matches!(quiet, Err(PoolError::WouldDeadlock)));
    assert!(matches!(ended, Err(PoolError::WouldDeadlock)));
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(parts(&report), (2, 0, 0, 0));
}

/// Calls a closure when it is dropped.
struct AtDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtDrop<F> {
    fn drop(&mut self) {
        self.0.take().expect("dropped once")();
    }
}

/// Cancels `pool`, whose only worker is behind `gate`, with work in its queue that calls `f` when it
/// is abandoned, and with what `behind` posts after that.
fn abandon<T: Send + 'static, B: Send + 'static>(
    pool: &Pool,
    behind: impl FnOnce() -> B,
    f: impl FnOnce(B) -> T + Send + 'static,
) -> Result<T, mpsc::RecvTimeoutError> {
    let gate = occupy(pool);
    let (tell, told) = mpsc::channel();
    let (give, given) = mpsc::channel();
    let abandoned = AtDrop(Some(move || {
        let behind = given.recv().expect("the test gives");
        tell.send(f(behind)).expect("the test waits");
    }));
    pool.spawn(move || drop(abandoned));
    give.send(behind()).expect("the work waits");
    let early = pool.shutdown(Shutdown::Cancel, Duration::ZERO).expect("not a worker");
    assert_eq!(early.running.len(), 1);
    drop(gate);
    told.recv_timeout(LONG)
}

#[test]
fn work_that_is_abandoned_may_end_the_pool_it_was_in() {
    let pool = pool(1);
    let same = pool.clone();
    let ended = abandon(&pool, || (), move |()| same.shutdown(Shutdown::Drain, 10 * LONG));
    assert!(matches!(ended, Ok(Err(PoolError::WouldDeadlock))), "{ended:?}");
}

#[test]
fn work_that_is_abandoned_may_wait_for_what_is_abandoned_after_it() {
    let pool = pool(1);
    let ended = abandon(&pool, || pool.submit(|| 7), |behind| behind.wait());
    assert!(matches!(ended, Ok(Ok(7) | Err(PoolError::Cancelled))), "{ended:?}");
}

#[test]
fn dropping_the_last_handle_runs_what_was_posted() {
    let (tell, told) = mpsc::channel();
    let pool = pool(2);
    for n in 0..100 {
        let tell = tell.clone();
        pool.spawn(move || tell.send(n).expect("the test waits"));
    }
    drop((pool, tell));
    // The senders are gone when the work has ended: nothing was left in a queue.
    assert_eq!(told.iter().count(), 100);
}

#[test]
fn a_worker_may_drop_the_last_handle() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let only = pool.clone();
    let (open, gate) = mpsc::channel::<()>();
    pool.spawn(move || {
        gate.recv().expect("the test opens");
        drop(only);
        tell.send(()).expect("the test waits");
    });
    drop(pool);
    open.send(()).expect("the work waits");
    assert_eq!(told.recv(), Ok(()));
}

#[test]
fn quiescence_covers_what_was_posted_before() {
    let pool = pool(2);
    let gate = occupy(&pool);
    assert!(!pool.wait_quiescent(Duration::ZERO).expect("not a worker"));
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..50 {
        let (same, ran) = (pool.clone(), Arc::clone(&ran));
        pool.spawn(move || {
            same.spawn(move || {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        });
    }
    drop(gate);
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    assert_eq!(ran.load(Ordering::Relaxed), 50);
    let counters = pool.counters();
    assert_eq!((counters.active, counters.queued, counters.blocked), (0, 0, 0));
    assert_eq!(counters.run, 101);
}

#[test]
fn an_idle_pool_does_not_stir() {
    let config = PoolConfig { workers: 2, name: "idler".to_owned(), ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    pool.submit(|| ()).wait().expect("it ran");
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    let counters = pool.counters();
    // Another pool works between two readings. A worker counts as asleep just before it parks, so
    // the first readings may still differ; a pool that polls would never come to rest.
    let other = self::pool(1);
    let mut before = cpu_time_of("idler");
    let rests = (0..100).any(|_| {
        for _ in 0..500 {
            other.submit(|| ()).wait().expect("it ran");
        }
        let after = cpu_time_of("idler");
        std::mem::replace(&mut before, after.clone()) == after
    });
    assert!(rests, "an idle pool uses CPU time: {before:?}");
    assert_eq!(pool.counters(), counters);
}

/// What the system says about the CPU time and the wake-ups of this process's threads of that name.
fn cpu_time_of(name: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_pool = tasks.map(|task| task.path()).filter(|task| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name))
    });
    let mut readings: Vec<String> = of_pool
        .filter_map(|task| {
            let used = std::fs::read_to_string(task.join("schedstat")).ok()?;
            Some(format!("{}: {used}", task.display()))
        })
        .collect();
    readings.sort();
    readings
}

#[test]
fn pools_are_built_and_torn_down_a_thousand_times() {
    for round in 0..1_000 {
        let pool = pool(2);
        if round % 2 == 0 {
            assert_eq!(pool.join(|| 1, || 2), (1, 2));
            let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
            assert_eq!(parts(&report), (2, 0, 0, 0));
        } else {
            pool.spawn(|| ());
            let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
            assert_eq!((report.joined, report.running.len()), (2, 0));
        }
    }
}

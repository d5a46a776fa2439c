//! A pool's parallelism is changed while it works (P6).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use laneway::pool::{Pool, PoolConfig, PoolError, Shutdown};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    let keep_alive = Duration::from_millis(1);
    let config = PoolConfig { workers, keep_alive, ..PoolConfig::default() };
    Pool::with_config(config).expect("a pool")
}

/// Ends when as many threads as that work on the pool at the same time.
fn meet(pool: &Pool, threads: usize) {
    let barrier = Arc::new(Barrier::new(threads));
    let parts: Vec<_> = (0..threads)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.submit(move || barrier.wait().is_leader())
        })
        .collect();
    for part in parts {
        assert!(part.wait_timeout(LONG).expect("not a worker"), "fewer than {threads} work");
    }
}

/// Yields until it is so.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "never: {what}");
        std::thread::yield_now();
    }
}

fn fib(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
    a + b
}

#[test]
fn a_pool_grows_and_shrinks_while_it_rests() {
    let pool = pool(1);
    for workers in [4, 2, 7, 1] {
        pool.set_parallelism(workers).expect("in range");
        assert_eq!(pool.workers(), workers);
        meet(&pool, workers);
        eventually("the others have ended", || pool.counters().workers == workers);
    }
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(report.running.is_empty() && report.left == 0, "{report:?}");
}

#[test]
fn nothing_is_lost_while_the_size_changes_under_load() {
    let pool = pool(2);
    let over = Arc::new(AtomicBool::new(false));
    let ran = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|threads| {
        let resizer = {
            let (pool, over) = (&pool, Arc::clone(&over));
            threads.spawn(move || {
                let mut changes = 0_usize;
                while !over.load(Ordering::Relaxed) || changes < 50 {
                    changes += 1;
                    pool.set_parallelism(1 + changes % 5).expect("in range");
                    std::thread::yield_now();
                }
            })
        };
        for _ in 0..20 {
            for _ in 0..50 {
                let (same, ran) = (pool.clone(), Arc::clone(&ran));
                pool.spawn(move || {
                    let counted = Arc::clone(&ran);
                    same.spawn(move || {
                        counted.fetch_add(1, Ordering::Relaxed);
                    });
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }
            assert_eq!(fib(&pool, 12), 144);
        }
        over.store(true, Ordering::Relaxed);
        resizer.join().expect("no panic");
    });
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    assert_eq!(ran.load(Ordering::Relaxed), 2_000);
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(report.running.is_empty() && report.left == 0, "{report:?}");
}

#[test]
fn a_size_out_of_range_changes_nothing() {
    let pool = pool(2);
    for workers in [0, 1 << 20] {
        let refused = pool.set_parallelism(workers);
        assert!(matches!(refused, Err(PoolError::Config { field: "workers" })));
    }
    assert_eq!(pool.workers(), 2);
}

#[test]
fn a_worker_may_shrink_its_own_pool() {
    let pool = pool(3);
    let same = pool.clone();
    assert_eq!(pool.submit(move || same.set_parallelism(1).ok()).wait().expect("it ran"), Some(3));
    meet(&pool, 1);
    eventually("the others have ended", || pool.counters().workers == 1);
}

//! Blocked workers are replaced (P5): as long as threads can be had, the parallelism stays.

use std::io::{Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use laneway::pool::{self, Handle, Pool, PoolConfig, PoolError, Shutdown};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize, max_blocking: usize) -> Pool {
    let config = PoolConfig { workers, max_blocking, ..PoolConfig::default() };
    Pool::with_config(config).expect("a pool")
}

/// Blocks a worker, or a spare, until the sender is gone or used; returns when it blocks.
fn block(pool: &Pool) -> (mpsc::Sender<()>, Handle<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let same = pool.clone();
    let handle = pool.submit(move || {
        same.blocking(|| {
            tell.send(()).expect("the test waits");
            let _opened = gate.recv();
        });
    });
    told.recv().expect("somebody took it");
    (open, handle)
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
fn fork_join_goes_on_in_parallel_while_64_jobs_block_on_pipes() {
    let pool = pool(2, 256);
    let (tell, told) = mpsc::channel();
    let mut ends = Vec::new();
    for _ in 0..64 {
        let (mut reader, writer) = pipe().expect("a pipe");
        ends.push(writer);
        let (same, tell) = (pool.clone(), tell.clone());
        pool.spawn(move || {
            let mut byte = [0];
            same.blocking(|| reader.read_exact(&mut byte)).expect("the test writes");
            tell.send(byte[0]).expect("the test waits");
        });
    }
    eventually("all block", || pool.counters().blocked == 64);
    meet(&pool, 2);
    let same = pool.clone();
    assert_eq!(pool.submit(move || fib(&same, 15)).wait().expect("it ran"), 610);
    assert_eq!(pool.counters().uncompensated, 0);
    for mut writer in ends {
        writer.write_all(&[7]).expect("the job reads");
    }
    assert!((0..64).all(|_| told.recv_timeout(LONG) == Ok(7)));
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(report.running.is_empty() && report.left == 0, "{report:?}");
    assert!((66..=2 + 256).contains(&report.joined), "{report:?}");
}

#[test]
fn beyond_max_blocking_a_worker_blocks_without_a_replacement() {
    let pool = pool(1, 3);
    let blocked: Vec<_> = (0..4).map(|_| block(&pool)).collect();
    let counters = pool.counters();
    assert_eq!((counters.workers, counters.blocked, counters.uncompensated), (4, 4, 1));
    let waits = pool.submit(|| 7);
    for (open, handle) in blocked {
        drop(open);
        handle.wait().expect("it ran");
    }
    assert_eq!(waits.wait().expect("a thread came back"), 7);
}

#[test]
fn spares_end_when_they_are_not_needed() {
    let keep_alive = Duration::from_millis(1);
    let config = PoolConfig { workers: 1, keep_alive, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    for _ in 0..3 {
        let blocked: Vec<_> = (0..5).map(|_| block(&pool)).collect();
        assert_eq!(pool.counters().blocked, 5);
        for (open, handle) in blocked {
            drop(open);
            handle.wait().expect("it ran");
        }
        eventually("the spares have ended", || pool.counters().workers == 1);
        meet(&pool, 1);
    }
    // Threads that ended left their numbers to others.
    assert!(pool.counters().per_worker.len() <= 6, "{:?}", pool.counters());
}

#[test]
fn a_spare_is_used_again() {
    let pool = pool(1, 1);
    for _ in 0..50 {
        let (open, handle) = block(&pool);
        meet(&pool, 1);
        drop(open);
        handle.wait().expect("it ran");
    }
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(report.joined, 2);
}

#[test]
fn waits_inside_a_blocking_section_count_once() {
    let pool = pool(1, 8);
    let same = pool.clone();
    let outer = pool.submit(move || {
        pool::blocking(|| {
            let inner = same.clone();
            let nested = same.submit(move || inner.blocking(|| inner.counters().blocked));
            // Taken by nobody yet, or by the spare: either way it ends.
            let blocked = nested.wait().expect("it ran");
            (blocked, pool::blocking(|| same.counters().blocked))
        })
    });
    let (during, after) = outer.wait().expect("it ran");
    assert!((1..=2).contains(&during));
    assert_eq!(after, 1);
    assert_eq!(pool.counters().blocked, 0);
}

#[test]
fn a_panic_in_a_blocking_section_leaves_the_worker_active() {
    let pool = pool(1, 8);
    let same = pool.clone();
    let panics = pool.submit(move || same.blocking(|| panic!("inside")));
    assert!(catch_unwind(AssertUnwindSafe(|| panics.wait())).is_err());
    assert_eq!(pool.counters().blocked, 0);
    meet(&pool, 1);
}

#[test]
fn on_a_foreign_thread_blocking_only_calls() {
    let pool = pool(1, 8);
    assert_eq!(pool.blocking(|| pool.counters().blocked), 0);
    assert_eq!(pool::blocking(|| 7), 7);
}

#[test]
fn a_worker_waits_for_work_that_waits_behind_it() {
    let pool = pool(1, 8);
    let same = pool.clone();
    let (hand, handed) = mpsc::channel::<Handle<u32>>();
    let first = pool.submit(move || {
        let behind = handed.recv().expect("the test hands it over");
        // Not on this stack: a spare runs it.
        same.blocking(|| behind.wait_timeout(LONG)).expect("a spare is left")
    });
    hand.send(pool.submit(|| 7)).expect("the work waits");
    assert!(first.wait().expect("it ran"));
}

#[test]
fn a_pool_ends_while_its_workers_block() {
    let pool = pool(1, 8);
    let blocked: Vec<_> = (0..4).map(|_| block(&pool)).collect();
    let early = pool.shutdown(Shutdown::Cancel, Duration::ZERO).expect("not a worker");
    assert!((4..=5).contains(&(early.running.len() + early.joined)), "{early:?}");
    drop(blocked);
    let late = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert!(late.running.is_empty() && (4..=5).contains(&late.joined), "{late:?}");
}

/// The test that runs in a process of its own when this is set.
const ALONE: &str = "LANEWAY_TEST_ALONE";

/// Runs the test of that name in a process of its own.
fn alone(name: &str) {
    let program = std::env::current_exe().expect("a program has a path");
    let mut child = Command::new(program);
    child.args(["--exact", name, "--test-threads=1"]).env(ALONE, name);
    let output = child.output().expect("this program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_spare_that_the_system_refuses_is_counted_and_not_fatal() {
    let name = "a_spare_that_the_system_refuses_is_counted_and_not_fatal";
    if std::env::var_os(ALONE).is_none() {
        return alone(name);
    }
    let stack_size = Some(16 << 20);
    let config = PoolConfig { workers: 2, stack_size, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    meet(&pool, 2);
    // From here on there is no room for another stack, for root neither.
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = pages.split(' ').next().and_then(|n| n.parse().ok()).expect("a size");
    let limit = (pages * 4096) + (8 << 20);
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: a plain system call with a valid argument.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);

    let (first, second) = (block(&pool), block(&pool));
    let counters = pool.counters();
    assert_eq!((counters.workers, counters.blocked), (2, 2));
    assert!(counters.threads_refused >= 1 && counters.uncompensated >= 1, "{counters:?}");
    let waits = pool.submit(|| 7);
    drop(first.0);
    assert_eq!(waits.wait().expect("a worker came back"), 7);
    // A wait for a free worker, of the only one that does not block, is refused instead.
    let same = pool.clone();
    let (hand, handed) = mpsc::channel();
    let refused = pool.submit(move || {
        let elsewhere: Handle<()> = handed.recv().expect("the test hands it over");
        let _same = same;
        elsewhere.wait()
    });
    hand.send(second.1).expect("the work waits");
    // The other one is away, and comes back by itself: no deadlock, so it is waited for.
    drop(second.0);
    assert!(matches!(refused.wait(), Ok(Ok(()) | Err(PoolError::WouldDeadlock))));
}

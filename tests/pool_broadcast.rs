//! Broadcasts through the public API: every worker once, whatever the pool is doing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, PoolError, Shutdown};

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

#[test]
fn every_worker_is_called_once_however_often_and_soon() {
    for workers in [1, 2, 5] {
        let pool = pool(workers);
        for _ in 0..50 {
            let seen = pool
                .broadcast(|context| {
                    assert_eq!(pool.current_worker(), Some(context.worker()));
                    assert_eq!(context.count(), workers);
                    (context.place(), context.worker())
                })
                .expect("the pool lives");
            let places: Vec<usize> = seen.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, (0..workers).collect::<Vec<_>>());
            let mut callers: Vec<usize> = seen.into_iter().map(|(_, worker)| worker).collect();
            callers.sort_unstable();
            assert_eq!(callers, (0..workers).collect::<Vec<_>>());
        }
    }
}

#[test]
fn calls_of_one_broadcast_run_at_the_same_time() {
    let pool = pool(3);
    let together = Barrier::new(3);
    let leaders = pool.broadcast(|_| together.wait().is_leader()).expect("the pool lives");
    assert_eq!(leaders.into_iter().filter(|leads| *leads).count(), 1);
}

#[test]
fn broadcasts_of_several_threads_do_not_disturb_each_other_or_the_work() {
    let pool = pool(2);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                for n in 0..50 {
                    assert_eq!(pool.broadcast(|_| n).expect("the pool lives"), [n, n]);
                    assert_eq!(pool.submit(move || n).wait().expect("it runs"), n);
                }
            });
        }
    });
}

#[test]
fn a_worker_is_refused_and_may_spawn_one() {
    let pool = pool(2);
    let same = pool.clone();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || {
        assert!(matches!(same.broadcast(|_| ()), Err(PoolError::WouldDeadlock)));
        same.spawn_broadcast(move |context| tell.send(context.worker()).expect("the test waits"));
    });
    let mut workers: Vec<usize> = told.iter().collect();
    workers.sort_unstable();
    assert_eq!(workers, [0, 1]);
}

#[test]
fn a_panic_is_told_after_all_calls_have_ended() {
    let pool = pool(3);
    let ran = AtomicUsize::new(0);
    let broadcast = || {
        pool.broadcast(|context| {
            ran.fetch_add(1, Ordering::SeqCst);
            assert!(context.place() != 1, "place {}", context.place());
        })
    };
    let panic = catch_unwind(AssertUnwindSafe(broadcast)).expect_err("one panics");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("place 1"));
    assert_eq!(ran.load(Ordering::SeqCst), 3);
    assert_eq!(pool.broadcast(|_| 1).expect("the pool lives"), [1, 1, 1]);
}

#[test]
fn a_pool_that_has_ended_calls_nobody() {
    let pool = pool(2);
    pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
    assert!(matches!(pool.broadcast(|_| ()), Err(PoolError::Cancelled)));
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    pool.spawn_broadcast(move |_| drop(Arc::clone(&kept)));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_pool_that_is_cancelled_tells_the_one_who_waits() {
    let pool = pool(1);
    let (inside, until) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (entered, left) = (Arc::clone(&inside), Arc::clone(&until));
    pool.spawn(move || {
        entered.wait();
        left.wait();
    });
    inside.wait();
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    pool.spawn_broadcast(move |_| unreachable!("begun after the cancel: {kept:?}"));
    let waits = std::thread::scope(|threads| {
        let waiter = threads.spawn(|| pool.broadcast(|_| unreachable!("as above")));
        assert!(matches!(
            pool.shutdown(Shutdown::Cancel, Duration::ZERO),
            Ok(report) if report.running.len() == 1
        ));
        until.wait();
        waiter.join().expect("no panic")
    });
    assert!(matches!(waits, Err(PoolError::Cancelled)));
    pool.shutdown(Shutdown::Cancel, Duration::from_secs(60)).expect("no worker");
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_drain_covers_what_was_broadcast_before_it() {
    for _ in 0..20 {
        let pool = pool(3);
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        pool.spawn_broadcast(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
        assert_eq!(called.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn workers_that_were_resized_away_are_not_waited_for() {
    let pool = pool(4);
    for workers in [1, 3, 2, 4] {
        pool.set_parallelism(workers).expect("in range");
        for _ in 0..5 {
            let called = pool.broadcast(|context| context.count()).expect("the pool lives");
            assert!((1..=4).contains(&called.len()));
            assert!(called.iter().all(|count| *count == called.len()));
        }
    }
}

//! Detached and submitted work, timers and panics through the public API.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use laneway::pool::{Handle, Pool, PoolConfig, PoolError, Shutdown};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// Occupies a worker until the answer is dropped or sent to; returns when it is occupied.
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

/// Waits for a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn spawned_work_runs_on_a_worker() {
    let pool = pool(2);
    let (tell, told) = mpsc::channel();
    let same = pool.clone();
    pool.spawn(move || tell.send(same.current_worker()).expect("the test waits"));
    assert!(told.recv().expect("it ran").is_some_and(|worker| worker < 2));
    assert_eq!(pool.current_worker(), None);
}

#[test]
fn submitted_work_answers_whoever_waits_and_however() {
    let pool = pool(2);
    assert_eq!(pool.submit(|| 1).wait().expect("it ran"), 1);
    assert_eq!(block_on(pool.submit(|| 2)).expect("it ran"), 2);
    let mut third = pool.submit(|| 3);
    assert!(third.wait_timeout(LONG).expect("not a worker"));
    assert!(third.is_done());
    assert_eq!(third.try_take().expect("it ended").expect("it ran"), 3);
    assert!(third.try_take().is_none());
    assert!(matches!(third.wait(), Err(PoolError::Taken)));
}

#[test]
fn nested_waits_on_one_worker_end() {
    fn nested(pool: &Pool, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let same = pool.clone();
        1 + pool.submit(move || nested(&same, depth - 1)).wait().expect("it ran")
    }
    let pool = pool(1);
    let same = pool.clone();
    assert_eq!(pool.submit(move || nested(&same, 50)).wait().expect("it ran"), 50);
}

#[test]
fn a_wait_for_oneself_would_deadlock() {
    let pool = pool(2);
    let (give, given) = mpsc::channel::<Handle<bool>>();
    let (tell, told) = mpsc::channel();
    let itself = pool.submit(move || {
        let refused = matches!(given.recv().expect("sent").wait(), Err(PoolError::WouldDeadlock));
        tell.send(refused).expect("the test waits");
        refused
    });
    give.send(itself).expect("the work waits");
    assert_eq!(told.recv(), Ok(true));
}

#[test]
fn a_wait_of_the_last_free_worker_would_deadlock() {
    let config = PoolConfig { workers: 1, max_blocking: 0, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let gate = occupy(&pool);
    let waiting = pool.submit(|| ());
    let same = pool.clone();
    let refused = pool.submit(move || {
        let queued = same.submit(|| ());
        matches!(queued.wait_timeout(LONG), Err(PoolError::WouldDeadlock))
    });
    drop(gate);
    assert!(refused.wait().expect("it ran"));
    waiting.wait().expect("it ran");
}

#[test]
fn work_that_has_not_started_can_be_cancelled() {
    let pool = pool(1);
    let gate = occupy(&pool);
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let work = pool.submit(move || drop(kept));
    assert!(!work.wait_timeout(Duration::ZERO).expect("not a worker"));
    assert!(work.cancel());
    assert!(!work.cancel());
    assert_eq!(Arc::strong_count(&held), 1, "the closure is dropped by the call");
    assert!(matches!(work.wait(), Err(PoolError::Cancelled)));
    drop(gate);
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
}

#[test]
fn a_panic_goes_to_whoever_waits_for_the_work() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let pool = Pool::with_config(PoolConfig {
        workers: 1,
        panic_handler: Some(Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })),
        ..PoolConfig::default()
    })
    .expect("a pool");
    let work = pool.submit(|| -> u8 { panic!("joined") });
    let panic = catch_unwind(AssertUnwindSafe(|| work.wait())).expect_err("the panic goes on");
    assert_eq!(*panic.downcast::<&str>().expect("a message"), "joined");
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    assert_eq!(told.load(Ordering::Relaxed), 0);
}

#[test]
fn a_panic_that_nobody_joins_goes_to_the_handler_and_the_worker_lives() {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&messages);
    let pool = Pool::with_config(PoolConfig {
        workers: 1,
        panic_handler: Some(Arc::new(move |panic| {
            let text = *panic.downcast::<&str>().expect("a message");
            list.lock().expect("nobody panics with it").push(text);
            assert_ne!(text, "spawned", "a handler that panics");
        })),
        ..PoolConfig::default()
    })
    .expect("a pool");
    pool.spawn(|| panic!("spawned"));
    drop(pool.submit(|| panic!("detached")));
    let kept = pool.submit(|| panic!("dropped later"));
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    drop(kept);
    assert_eq!(
        *messages.lock().expect("nobody panics with it"),
        ["spawned", "detached", "dropped later"]
    );
    assert_eq!(pool.counters().panics, 3);
    assert_eq!(pool.submit(|| 1).wait().expect("the worker lives"), 1);
}

#[test]
fn timers_fire_in_the_order_of_their_times() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    for (delay, name) in [(30, "third"), (10, "first"), (20, "second")] {
        let tell = tell.clone();
        let timer = pool.schedule_after(Duration::from_millis(delay), move || {
            tell.send(name).expect("the test waits");
        });
        drop(timer);
    }
    assert_eq!([told.recv(), told.recv(), told.recv()], [Ok("first"), Ok("second"), Ok("third")]);
}

#[test]
fn a_cancelled_timer_never_fires_and_drops_its_work() {
    let pool = pool(1);
    let held = Arc::new(());
    let timers: Vec<_> = (0..100)
        .map(|_| {
            let kept = Arc::clone(&held);
            pool.schedule_after(LONG, move || drop(kept))
        })
        .collect();
    assert_eq!(Arc::strong_count(&held), 101);
    assert!(timers.iter().all(|timer| timer.cancel()));
    assert!(timers.iter().all(|timer| timer.is_over()));
    assert!(!timers[0].cancel());
    assert_eq!(Arc::strong_count(&held), 1);
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(report.timers, 0);
}

#[test]
fn a_timer_is_over_at_once_when_its_time_has_come_before() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let now = pool.schedule_after(Duration::ZERO, move || tell.send(()).expect("the test waits"));
    assert!(!now.cancel());
    assert_eq!(told.recv(), Ok(()));
}

#[test]
fn a_timekeeper_that_has_left_is_replaced() {
    let config = PoolConfig { workers: 1, keep_alive: Duration::ZERO, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    for _ in 0..100 {
        let (tell, told) = mpsc::channel();
        let soon = Duration::from_micros(50);
        let timer = pool.schedule_after(soon, move || tell.send(()).expect("the test waits"));
        assert_eq!(told.recv(), Ok(()));
        assert!(timer.is_over());
    }
}

#[test]
fn work_from_several_threads_all_runs_however_often_the_pool_sleeps() {
    let pool = pool(2);
    let ran = Arc::new(AtomicUsize::new(0));
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for round in 0..500 {
                    let ran = Arc::clone(&ran);
                    let work = pool.submit(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                    if round % 3 == 0 {
                        // Lets the pool fall asleep between two rounds, and be woken by the next.
                        work.wait().expect("it ran");
                    }
                }
            });
        }
    });
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    assert_eq!(ran.load(Ordering::Relaxed), 2_000);
}

#[test]
fn as_many_pieces_of_work_as_workers_always_run_at_the_same_time() {
    // Each piece waits for all others: one that lies in a queue while a worker sleeps hangs this.
    for workers in [2, 3] {
        let pool = pool(workers);
        for round in 0..1_000 {
            let meet = Arc::new(Barrier::new(workers + 1));
            let piece = |meet: &Arc<Barrier>| {
                let meet = Arc::clone(meet);
                move || {
                    meet.wait();
                }
            };
            if round % 2 == 0 {
                (0..workers).for_each(|_| pool.spawn(piece(&meet)));
            } else {
                // From a worker: into its own queue, behind itself.
                let (same, pieces) = (pool.clone(), Arc::clone(&meet));
                pool.spawn(move || (0..workers).for_each(|_| same.spawn(piece(&pieces))));
            }
            meet.wait();
        }
    }
}

#[test]
fn work_is_run_or_cancelled_and_never_both() {
    let pool = pool(2);
    let ran = Arc::new(AtomicUsize::new(0));
    let mut cancelled = 0;
    for _ in 0..2_000 {
        let count = Arc::clone(&ran);
        let work = pool.submit(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let by_us = work.cancel();
        cancelled += usize::from(by_us);
        assert_eq!(matches!(work.wait(), Err(PoolError::Cancelled)), by_us);
    }
    assert_eq!(ran.load(Ordering::Relaxed) + cancelled, 2_000);
}

#[test]
fn a_timer_fires_or_is_cancelled_and_never_both() {
    let pool = pool(2);
    let fired = Arc::new(AtomicUsize::new(0));
    let mut timers = Vec::new();
    for delay in 0..1_000 {
        let count = Arc::clone(&fired);
        timers.push(pool.schedule_after(Duration::from_micros(delay), move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
    }
    let cancelled = timers.iter().filter(|timer| timer.cancel()).count();
    assert!(timers.iter().all(|timer| timer.is_over()));
    // What was posted before the call is covered; a timekeeper that is just posting may be late,
    // and the end of the pool waits for what is queued.
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(report.timers, 0);
    assert_eq!(fired.load(Ordering::Relaxed) + cancelled + report.left, 1_000);
}

//! Timers of a pool: repetitions, deadlines of futures, firing while everybody is busy (P7).

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use laneway::pool::{Elapsed, Pool, PoolConfig, Shutdown};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(1);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

#[test]
fn a_repetition_goes_on_until_it_is_cancelled() {
    let pool = pool(1);
    for fixed_rate in [true, false] {
        let (tell, told) = mpsc::channel();
        let f = move || {
            let _nobody_listens_any_more = tell.send(());
        };
        let ticking = match fixed_rate {
            true => pool.schedule_at_fixed_rate(SHORT, SHORT, f),
            false => pool.schedule_with_fixed_delay(SHORT, SHORT, f),
        };
        assert!((0..5).all(|_| told.recv_timeout(LONG).is_ok()));
        assert!(!ticking.is_over());
        assert!(ticking.cancel() && !ticking.cancel() && ticking.is_over());
        // The closure is dropped, at the latest by the worker that has it: no sender is left.
        while told.recv_timeout(LONG).is_ok() {}
        assert_eq!(told.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_repetition_may_cancel_itself_and_ends_with_a_panic() {
    let pool = pool(1);
    let (give, given) = mpsc::channel::<laneway::pool::Repetition>();
    let (tell, told) = mpsc::channel();
    let ticking = pool.schedule_at_fixed_rate(SHORT, SHORT, move || {
        let itself = given.recv().expect("the test gives");
        tell.send(itself.cancel()).expect("the test waits");
    });
    give.send(ticking).expect("it waits");
    assert_eq!(told.recv_timeout(LONG), Ok(true));
    assert!(told.recv_timeout(LONG).is_err(), "it ran again");

    let (tell, told) = mpsc::channel::<()>();
    let panics = pool.schedule_with_fixed_delay(SHORT, SHORT, move || {
        let _kept = &tell;
        panic!("once");
    });
    assert_eq!(told.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
    assert!(panics.is_over());
}

#[test]
fn a_repetition_ends_with_its_pool() {
    let pool = pool(1);
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let ticking = pool.schedule_at_fixed_rate(LONG, SHORT, move || drop(Arc::clone(&kept)));
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!((report.timers, report.running.len()), (1, 0));
    assert!(ticking.is_over());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn timers_fire_while_the_only_worker_is_inside_user_code() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let same = pool.clone();
    // It ends only when the timers have fired: on another thread.
    let busy = pool.submit(move || {
        let timers: Vec<_> = (0..10)
            .map(|n| {
                let tell = tell.clone();
                same.schedule_after(SHORT, move || tell.send(n).expect("it waits"))
            })
            .collect();
        let mut fired: Vec<i32> = (0..10).filter_map(|_| told.recv_timeout(LONG).ok()).collect();
        fired.sort_unstable();
        (fired, timers.iter().all(|timer| timer.is_over()))
    });
    let (fired, over) = busy.wait().expect("it ran");
    assert_eq!(fired, (0..10).collect::<Vec<_>>());
    assert!(over);
}

#[test]
fn what_is_not_timed_waits_for_the_worker_though_a_timer_fires() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let ran = Arc::new(AtomicUsize::new(0));
    let (same, counted) = (pool.clone(), Arc::clone(&ran));
    let busy = pool.submit(move || {
        for _ in 0..100 {
            let ran = Arc::clone(&counted);
            same.spawn(move || {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        let timer = same.schedule_after(SHORT, move || tell.send(()).expect("it waits"));
        told.recv_timeout(LONG).expect("it fires");
        drop(timer);
        counted.load(Ordering::Relaxed)
    });
    assert_eq!(busy.wait().expect("it ran"), 0, "a spare for a timer took other work");
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    assert_eq!(ran.load(Ordering::Relaxed), 100);
}

#[test]
fn a_future_that_is_ready_in_time_beats_its_deadline() {
    let pool = pool(1);
    let mut context = Context::from_waker(Waker::noop());
    let mut ready = Box::pin(pool.with_timeout(LONG, std::future::ready(7)));
    assert_eq!(ready.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
    let mut never = Box::pin(pool.with_timeout(Duration::ZERO, std::future::pending::<()>()));
    let started = Instant::now();
    let outcome = loop {
        match never.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => break outcome,
            Poll::Pending => assert!(started.elapsed() < LONG, "the time never was over"),
        }
        std::thread::yield_now();
    };
    assert_eq!(outcome, Err(Elapsed));
}

#[test]
fn most_of_many_timers_are_cancelled() {
    let pool = pool(1);
    let fired = Arc::new(AtomicUsize::new(0));
    let timers: Vec<_> = (0..20_000_u64)
        .map(|n| {
            let fired = Arc::clone(&fired);
            let delay = LONG * 60 + Duration::from_micros(n * 7919 % 10_000);
            pool.schedule_after(delay, move || {
                fired.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let kept = timers.iter().enumerate().filter(|(n, timer)| n % 100 == 0 || !timer.cancel());
    assert_eq!(kept.count(), 200);
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!((report.timers, fired.load(Ordering::Relaxed)), (200, 0));
}

/// Fires at once, again and again.
fn refill(pool: &Pool, stop: &Arc<AtomicUsize>) {
    if stop.load(Ordering::Relaxed) == 0 {
        let (same, stopped) = (pool.clone(), Arc::clone(stop));
        drop(pool.schedule_after(Duration::ZERO, move || refill(&same, &stopped)));
    }
}

#[test]
fn timers_that_are_always_due_do_not_starve_other_work() {
    // Without spares, which would take the other work now and then.
    let config = PoolConfig { workers: 1, max_blocking: 0, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let stop = Arc::new(AtomicUsize::new(0));
    refill(&pool, &stop);
    refill(&pool, &stop);
    let (tell, told) = mpsc::channel();
    pool.spawn(move || tell.send(()).expect("it waits"));
    let ran = told.recv_timeout(LONG);
    stop.store(1, Ordering::Relaxed);
    assert_eq!(ran, Ok(()));
}

#[test]
fn who_was_hired_for_a_timer_and_stays_does_not_keep_the_next_timer_waiting() {
    let (hold, held) = mpsc::channel();
    let (come, comes) = mpsc::channel();
    let (come, held) = (Mutex::new(come), Mutex::new(held));
    let pool = Pool::with_config(PoolConfig {
        workers: 1,
        // The first spare waits until the worker is away, and so begins without a surplus.
        thread_start: Some(Arc::new(move |index| {
            if index == 1 {
                come.lock().expect("nobody panics").send(()).expect("the worker waits");
                held.lock().expect("nobody panics").recv_timeout(LONG).expect("it is away soon");
            }
        })),
        ..PoolConfig::default()
    })
    .expect("a pool");
    let ((end, ended), (tell, told)) = (mpsc::channel(), mpsc::channel());
    let same = pool.clone();
    let away = pool.submit(move || {
        drop(same.schedule_after(Duration::ZERO, move || tell.send(()).expect("it waits")));
        comes.recv_timeout(LONG).expect("a spare comes");
        same.blocking(|| {
            hold.send(()).expect("the spare waits");
            told.recv_timeout(LONG).expect("the timer fires");
            ended.recv_timeout(LONG)
        })
    });
    let same = pool.clone();
    let busy = pool.submit(move || {
        let (tell, told) = mpsc::channel();
        drop(same.schedule_after(Duration::ZERO, move || tell.send(()).expect("it waits")));
        told.recv_timeout(LONG)
    });
    assert_eq!(busy.wait().expect("it ran"), Ok(()), "the timer waited for the busy spare");
    end.send(()).expect("the worker waits");
    assert_eq!(away.wait().expect("it ran"), Ok(()));
}

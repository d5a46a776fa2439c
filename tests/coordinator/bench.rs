//! The test mode: no threads, a clock moved by hand, an order that replays from its seed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use laneway::coordinator::{DrainError, JobStatus, OutcomeKind, TestCoordinator, WaitError};
use laneway::pool::{PoolError, TestPool};
use laneway::{Coordinator, Job, JobError, OnFailure, RetryPolicy, Shutdown};

use crate::support::{Log, NEVER, writes};

const SECOND: Duration = Duration::from_secs(1);

fn submit_five_keys(test: &TestCoordinator) -> Log {
    let log = Log::default();
    for key in 0..5_u64 {
        for job in 0..2 {
            test.submit_detached(key, writes(&log, &format!("{key}.{job}"))).expect("accepted");
        }
    }
    log
}

fn order(seed: u64) -> Vec<String> {
    let test = Coordinator::for_test(seed);
    let log = submit_five_keys(&test);
    test.run_until_idle();
    log.entries()
}

#[test]
fn a_seed_gives_one_order_and_seeds_give_many() {
    let orders: BTreeSet<Vec<String>> = (0..20).map(order).collect();
    assert!(orders.len() > 10, "{} orders of 20 seeds", orders.len());
    assert!((0..20).all(|seed| order(seed) == order(seed)));
    for order in orders {
        let place = |entry: String| order.iter().position(|seen| *seen == entry).expect("it ran");
        for key in 0..5 {
            assert!(place(format!("{key}.0")) < place(format!("{key}.1")), "{order:?}");
        }
    }
}

#[test]
fn nothing_runs_by_itself() {
    let test = Coordinator::for_test(0);
    let log = submit_five_keys(&test);
    assert_eq!(log.entries().len(), 0);
    let mut steps = 0;
    while test.run_one() {
        steps += 1;
    }
    assert_eq!(log.entries().len(), 10);
    assert!(steps >= 5, "shard visits and lane visits are steps of their own");
    assert!(!test.run_one());
}

fn fails_once(log: &Log) -> Job<()> {
    let log = log.clone();
    let policy = RetryPolicy {
        delay_base: 10 * SECOND,
        jitter: laneway::coordinator::Jitter::None,
        ..RetryPolicy::with_retries(1)
    };
    Job::repeatable(move |ctx| {
        log.add(format!("attempt {}", ctx.attempt()));
        if ctx.attempt() == 1 { Err(JobError::new("busy")) } else { Ok(()) }
    })
    .retry(policy)
}

#[test]
fn a_lane_waits_while_its_job_backs_off() {
    let test = Coordinator::for_test(1);
    let log = Log::default();
    test.submit_detached("a", fails_once(&log)).expect("accepted");
    test.submit_detached("a", writes(&log, "second")).expect("accepted");
    test.run_until_idle();
    assert_eq!(log.entries(), ["attempt 1"]);
    assert_eq!(test.test_pool().next_timer(), Some(10 * SECOND));
    test.advance(10 * SECOND - Duration::from_nanos(1));
    assert_eq!(log.entries(), ["attempt 1"]);
    test.advance(Duration::from_nanos(1));
    assert_eq!(log.entries(), ["attempt 1", "attempt 2", "second"]);
    assert_eq!(test.test_pool().elapsed(), 10 * SECOND);
    assert_eq!(test.test_pool().next_timer(), None);
}

#[test]
fn jitter_comes_from_the_seed() {
    let backoff = |seed| {
        let test = Coordinator::for_test(seed);
        let policy = RetryPolicy { delay_base: 100 * SECOND, ..RetryPolicy::with_retries(1) };
        let job = Job::repeatable(|_| Err::<(), _>(JobError::new("no"))).retry(policy);
        test.submit_detached("k", job).expect("accepted");
        test.run_until_idle();
        test.test_pool().next_timer()
    };
    assert_eq!(backoff(3), backoff(3));
    assert_ne!(backoff(3), backoff(4));
}

#[test]
fn a_wait_lets_the_time_pass_as_far_as_it_needs() {
    let test = Coordinator::for_test(2);
    let log = Log::default();
    let handle = test.submit("a", fails_once(&log)).expect("accepted");
    assert!(handle.wait().expect("brought by a timer").is_completed());
    assert_eq!(test.test_pool().elapsed(), 10 * SECOND);
}

#[test]
fn a_wait_that_nothing_can_end_is_refused_or_times_out_at_once() {
    let test = Coordinator::for_test(3);
    let (give, tokens) = std::sync::mpsc::channel();
    let job = Job::once(move |ctx| Ok(give.send(ctx.defer())));
    let handle = test.submit("a", job).expect("accepted");
    let Err(WaitError::WouldDeadlock(handle)) = handle.wait() else { panic!("not refused") };
    let Err(WaitError::TimedOut(handle)) = handle.wait_timeout(NEVER) else { panic!("waited") };
    assert_eq!(test.test_pool().elapsed(), NEVER);
    assert_eq!(test.drain(SECOND), Err(DrainError::TimedOut { timeout: SECOND }));
    assert_eq!(handle.status(), JobStatus::Waiting { attempt: 1 });
    let token = tokens.recv().expect("the body has run");
    thread::spawn(move || token.succeed()).join().expect("it does not panic");
    assert_eq!(test.drain(SECOND), Ok(()));
    assert!(handle.is_done());
}

#[test]
fn a_job_cannot_wait_for_another_one() {
    let test = Coordinator::for_test(4);
    let inner = test.coordinator().clone();
    let job = Job::once(move |_| {
        let other = inner.submit("b", Job::once(|_| Ok(()))).expect("accepted");
        Ok(matches!(other.wait(), Err(WaitError::WouldDeadlock(_))))
    });
    let refused = test.submit("a", job).expect("accepted").wait().expect("ended");
    assert_eq!(refused.completed(), Some(true));
}

#[test]
fn fork_join_and_awaited_work_run_inside_a_job() {
    let test = Coordinator::for_test(5);
    let pool = test.pool().clone();
    let job = Job::once(move |_| {
        let (left, right) = pool.join(|| 20, || 1);
        let sum = pool.scope(|scope| {
            let sum = Arc::new(AtomicU64::new(0));
            for _ in 0..4 {
                let sum = sum.clone();
                scope.spawn(move || {
                    sum.fetch_add(5, Ordering::Relaxed);
                });
            }
            sum
        });
        let once_more = pool.submit(|| 1).wait().map_err(JobError::new)?;
        Ok(left + right + sum.load(Ordering::Relaxed) + once_more)
    });
    let sum = test.submit("a", job).expect("accepted").wait().expect("ended").completed();
    assert_eq!(sum, Some(42));
}

#[test]
fn a_sleeping_body_lets_the_time_pass() {
    let test = Coordinator::for_test(6);
    let job = Job::once(|ctx| ctx.sleep(NEVER));
    assert!(test.submit("a", job).expect("accepted").wait().expect("ended").is_completed());
    assert_eq!(test.test_pool().elapsed(), NEVER);
}

#[test]
fn delays_and_time_outs_follow_the_clock() {
    let test = Coordinator::for_test(7);
    let delayed = Job::future(|ctx| async move {
        ctx.delay(5 * SECOND).await;
        Ok(())
    });
    let delayed = test.submit("a", delayed).expect("accepted");
    let stuck = Job::future(|_| std::future::pending::<Result<(), JobError>>());
    let stuck = test.submit("b", stuck.attempt_timeout(7 * SECOND)).expect("accepted");
    test.advance(5 * SECOND);
    assert!(delayed.is_done());
    test.advance(SECOND);
    assert!(!stuck.is_done());
    test.advance(SECOND);
    assert_eq!(stuck.try_wait().expect("expired").kind(), OutcomeKind::Expired);
}

#[test]
fn marks_explain_and_callbacks_work_as_on_threads() {
    let test = Coordinator::for_test(8);
    let log = Log::default();
    let failing = Job::once(|_| Err::<(), _>(JobError::new("no"))).on_failure(OnFailure::Hold);
    test.submit_detached("k", failing).expect("accepted");
    let callback = log.clone();
    test.submit("k", writes(&log, "behind"))
        .expect("accepted")
        .on_done(move |outcome| callback.add(format!("{:?}", outcome.kind())));
    test.run_until_idle();
    assert_eq!(log.entries().len(), 0);
    let why = test.explain("k");
    assert!(why.contains(&laneway::coordinator::Explanation::Held), "{why:?}");
    test.release("k");
    test.run_until_idle();
    assert_eq!(log.entries(), ["behind", "Completed"]);
}

#[test]
fn a_shutdown_ends_every_job_without_threads() {
    let test = Coordinator::for_test(9);
    let log = Log::default();
    let job = fails_once(&log).undo({
        let log = log.clone();
        move |_| {
            log.add("undo");
            Ok(())
        }
    });
    let backing_off = test.submit("a", job).expect("accepted");
    test.run_until_idle();
    let queued = test.submit("a", writes(&log, "never")).expect("accepted");
    let report = test.shutdown(Shutdown::Cancel, SECOND).expect("not on a worker");
    assert!(report.complete);
    assert_eq!(backing_off.try_wait().expect("ended").kind(), OutcomeKind::RolledBack);
    assert_eq!(queued.try_wait().expect("ended").kind(), OutcomeKind::Lost);
    assert_eq!(log.entries(), ["attempt 1", "undo"]);
}

#[test]
fn dropping_it_loses_what_has_not_run() {
    let test = Coordinator::for_test(10);
    let held = Arc::new(Mutex::new(()));
    let (in_queue, waiting) = (held.clone(), held.clone());
    let waits =
        test.submit("a", Job::once(move |ctx| Ok((ctx.defer(), waiting)))).expect("accepted");
    test.run_until_idle();
    let queued = test.submit("b", Job::once(move |_| Ok(in_queue))).expect("accepted");
    let coordinator = test.coordinator().clone();
    drop(test);
    assert_eq!(waits.try_wait().expect("ended").kind(), OutcomeKind::Lost);
    assert_eq!(queued.try_wait().expect("ended").kind(), OutcomeKind::Lost);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(coordinator.submit("c", Job::once(|_| Ok(()))).is_err());
}

#[test]
fn several_coordinators_share_a_test_pool() {
    let test = TestPool::new(11);
    let log = Log::default();
    for name in ["one", "two"] {
        let coordinator = Coordinator::new(test.pool());
        coordinator.submit_detached("k", writes(&log, name)).expect("accepted");
    }
    test.run_until_idle();
    assert_eq!(log.entries().len(), 2);
}

#[test]
fn a_test_pool_is_shut_down_like_any_pool() {
    let test = TestPool::new(12);
    let last = test.pool().submit(|| 7);
    let lost = test.pool().schedule_after(SECOND, || ());
    assert!(test.pool().wait_quiescent(SECOND).expect("not on a worker"));
    let report = test.pool().shutdown(Shutdown::Drain, SECOND).expect("not on a worker");
    assert_eq!((report.left, report.timers), (0, 1));
    assert_eq!(last.wait().expect("it ran"), 7);
    assert!(lost.is_over());
    assert!(matches!(test.pool().submit(|| 8).wait(), Err(PoolError::Cancelled)));
}

#[test]
#[should_panic(expected = "a test pool is run from outside")]
fn it_is_not_run_from_inside() {
    let test = Arc::new(TestPool::new(13));
    let same = test.clone();
    let inside = test.pool().submit(move || same.run_one());
    test.run_until_idle();
    let _panics = inside.wait();
}

#[test]
fn each_key_of_a_burst_is_drawn_by_itself() {
    let test = Coordinator::for_test(1);
    for key in 0..1000_u64 {
        test.submit_detached(key, Job::once(|_| Ok(()))).expect("accepted");
    }
    // The visits of their shards are drawn, too; the first key of each comes with one.
    assert!(test.run_until_idle() >= 900);
}

//! The end of a coordinator: every job has its outcome, whatever it was doing.

use std::sync::mpsc;
use std::time::Duration;

use laneway::coordinator::{DrainError, OutcomeKind, Shutdown, SubmitError};
use laneway::{Coordinator, Job, JobError, JobHandle, JobOutcome, OnFailure, Token};

use crate::support::*;

const TINY: Duration = Duration::from_millis(2);

/// A job that waits for a token, which the test holds.
fn waits(coordinator: &Coordinator, key: &str) -> (JobHandle<()>, Token) {
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let handle = submit(coordinator, key, job);
    (handle, tokens.recv_timeout(LONG).expect("it runs"))
}

#[test]
fn drain_runs_what_was_accepted() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let handles: Vec<_> =
        (0..100).map(|job| submit(&coordinator, "k", writes(&log, &job.to_string()))).collect();
    let report = coordinator.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(report.complete);
    assert_eq!((report.left, report.lost), (0, 0));
    assert_eq!(log.entries().len(), 100);
    assert!(handles.iter().all(JobHandle::is_done));
}

#[test]
fn nothing_is_accepted_after_a_shutdown() {
    let coordinator = coordinator(1);
    coordinator.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    let error = coordinator.submit("k", Job::once(|_| Ok(1))).expect_err("shut down");
    assert!(matches!(error, SubmitError::ShuttingDown(_)));
    let error = coordinator.submit_detached("k", error.into_job()).expect_err("shut down");
    assert!(matches!(error, SubmitError::ShuttingDown(_)));
}

#[test]
fn cancel_loses_what_has_not_started_and_undoes_what_has() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let (give, tokens) = mpsc::channel();
    let of_undo = log.clone();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    })
    .undo(move |ctx| {
        assert!(matches!(ctx.cause(), JobError::Shutdown));
        of_undo.add("undone");
        Ok(())
    });
    let started = submit(&coordinator, "k", job);
    let queued = submit(&coordinator, "k", writes(&log, "queued"));
    let _open = tokens.recv_timeout(LONG).expect("it runs");
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert!(report.complete);
    assert!(matches!(end(started), JobOutcome::RolledBack { cause: JobError::Shutdown }));
    assert!(matches!(end(queued), JobOutcome::Lost));
    assert_eq!(log.entries(), ["undone"]);
}

#[test]
fn cancel_asks_a_running_body_to_return() {
    let coordinator = coordinator(1);
    let running = Gate::shut();
    let tell = running.clone();
    let job = Job::once(move |ctx| {
        tell.open();
        ctx.sleep(NEVER)
    });
    let handle = submit(&coordinator, "k", job);
    running.pass();
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert!(report.complete);
    assert!(matches!(end(handle), JobOutcome::Lost));
}

#[test]
fn a_token_that_is_never_finished_does_not_survive_the_deadline() {
    let coordinator = coordinator(1);
    let (handle, token) = waits(&coordinator, "k");
    let behind = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let report = coordinator.shutdown(Shutdown::Drain, TINY).expect("not a worker");
    assert!(report.complete, "{report:?}");
    assert_eq!(report.lost, 2);
    assert!(matches!(end(handle), JobOutcome::Lost));
    assert!(matches!(end(behind), JobOutcome::Lost));
    token.succeed();
}

#[test]
fn an_undo_that_never_ends_does_not_survive_the_deadline() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(|_| Err::<(), _>(JobError::new("no"))).undo(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let handle = submit(&coordinator, "k", job);
    let _open = tokens.recv_timeout(LONG).expect("the undo runs");
    coordinator.shutdown(Shutdown::Cancel, TINY).expect("not a worker");
    assert!(matches!(end(handle), JobOutcome::Lost));
}

#[test]
fn a_backoff_does_not_survive_a_cancel() {
    let coordinator = coordinator(1);
    let job = Job::repeatable(|_| Err::<(), _>(JobError::new("no"))).retry(laneway::RetryPolicy {
        retries: 1,
        delay_base: NEVER,
        delay_max: NEVER,
        jitter: laneway::coordinator::Jitter::None,
        ..laneway::RetryPolicy::default()
    });
    let handle = submit(&coordinator, "k", job);
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert!(report.complete);
    assert!(matches!(end(handle), JobOutcome::Lost));
}

#[test]
fn a_body_that_does_not_return_is_counted_and_ends_when_it_does() {
    let coordinator = coordinator(1);
    let gate = block_lane(&coordinator, "k");
    let behind = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let report = coordinator.shutdown(Shutdown::Cancel, TINY).expect("not a worker");
    assert!(!report.complete);
    assert_eq!(report.left, 2);
    gate.open();
    assert!(matches!(end(behind), JobOutcome::Lost));
}

#[test]
fn held_lanes_end_their_jobs_as_lost() {
    let coordinator = coordinator(1);
    let bad = Job::once(|_| Err::<(), _>(JobError::new("no"))).on_failure(OnFailure::Hold);
    assert_eq!(end(submit(&coordinator, "k", bad)).kind(), OutcomeKind::Failed);
    let behind = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let report = coordinator.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(report.complete);
    assert!(matches!(end(behind), JobOutcome::Lost));
}

#[test]
fn a_shutdown_on_a_worker_is_started_and_not_waited_for() {
    let coordinator = coordinator(2);
    let inner = coordinator.clone();
    let job = Job::once(move |_| Ok(inner.shutdown(Shutdown::Drain, LONG)));
    let answer = value(submit(&coordinator, "k", job));
    assert_eq!(answer.expect_err("on a worker"), DrainError::WouldDeadlock);
    assert!(coordinator.submit("k", Job::once(|_| Ok(()))).is_err());
    let inner = coordinator.clone();
    assert!(inner.drain(LONG).is_ok());
}

#[test]
fn a_drain_on_a_worker_is_refused() {
    let coordinator = coordinator(2);
    let inner = coordinator.clone();
    let job = Job::once(move |_| Ok((inner.drain(LONG), inner.drain_key("other", LONG))));
    let refused = Err(DrainError::WouldDeadlock);
    assert_eq!(value(submit(&coordinator, "k", job)), (refused, refused));
}

#[test]
fn a_drain_waits_for_its_key_only() {
    let coordinator = coordinator(2);
    let gate = block_lane(&coordinator, "busy");
    value(submit(&coordinator, "k", Job::once(|_| Ok(()))));
    coordinator.drain_key("k", LONG).expect("drained");
    assert_eq!(coordinator.drain(TINY), Err(DrainError::TimedOut { timeout: TINY }));
    gate.open();
    coordinator.drain(LONG).expect("drained");
}

#[test]
fn a_drain_waits_for_jobs_that_wait() {
    let coordinator = coordinator(1);
    let (handle, token) = waits(&coordinator, "k");
    assert!(coordinator.drain_key("k", TINY).is_err());
    token.succeed();
    coordinator.drain(LONG).expect("drained");
    assert!(handle.is_done());
}

#[test]
fn dropping_the_coordinator_lets_accepted_jobs_run() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let gate = block_lane(&coordinator, "k");
    let log = Log::default();
    let handle = submit(&coordinator, "k", writes(&log, "ran"));
    drop(coordinator);
    gate.open();
    value(handle);
    assert_eq!(log.entries(), ["ran"]);
}

#[test]
fn dropping_the_coordinator_ends_what_a_held_lane_keeps() {
    let coordinator = coordinator(1);
    let bad = Job::once(|_| Err::<(), _>(JobError::new("no"))).on_failure(OnFailure::Hold);
    assert_eq!(end(submit(&coordinator, "k", bad)).kind(), OutcomeKind::Failed);
    let behind = submit(&coordinator, "k", Job::once(|_| Ok(())));
    drop(coordinator);
    assert!(matches!(end(behind), JobOutcome::Lost));
}

#[test]
fn the_end_of_the_pool_ends_jobs_as_lost() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let gate = block_lane(&coordinator, "k");
    let queued = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let report = std::thread::scope(|scope| {
        let ending = scope.spawn(|| pool.shutdown(Shutdown::Cancel, LONG));
        while !pool.is_shutting_down() {
            std::thread::yield_now();
        }
        gate.open();
        ending.join().expect("no panic")
    });
    report.expect("not a worker");
    assert!(matches!(end(queued), JobOutcome::Lost | JobOutcome::Completed(())));
    assert!(coordinator.submit("k", Job::once(|_| Ok(()))).is_err());
}

#[test]
fn a_job_that_waits_when_its_pool_ends_is_lost() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let (late, token) = waits(&coordinator, "late");
    let (unfinished, _never) = waits(&coordinator, "never");
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(matches!(end(unfinished), JobOutcome::Lost));
    token.succeed();
    assert!(matches!(end(late), JobOutcome::Lost));
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert!(report.complete);
}

/// A job on a worker of `coordinator`'s pool that waits for `awaited`, and tells how that ended.
fn waits_on_a_worker(
    coordinator: &Coordinator,
    awaited: JobHandle<()>,
) -> JobHandle<Option<OutcomeKind>> {
    let job = Job::once(move |_| Ok(awaited.wait().ok().map(|outcome| outcome.kind())));
    let handle = submit(coordinator, "waiter", job);
    while coordinator.pool().counters().blocked == 0 {
        std::thread::yield_now();
    }
    handle
}

#[test]
fn a_worker_that_waits_for_a_queued_job_is_told_when_the_pool_ends() {
    let pool = pool_without_spares(2);
    let coordinator = Coordinator::new(&pool);
    let gate = block_lane(&coordinator, "busy");
    let queued = submit(&coordinator, "busy", Job::once(|_| Ok(())));
    let waiter = waits_on_a_worker(&coordinator, queued);
    let report = pool.shutdown(Shutdown::Cancel, TINY).expect("not a worker");
    assert_eq!(report.running.len(), 2);
    gate.open();
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!((report.joined, report.running.len()), (2, 0));
    let told = Some(OutcomeKind::Lost);
    let ran = Some(OutcomeKind::Completed);
    let told_so = value(waiter);
    assert!(told_so == told || told_so == ran, "{told_so:?}");
}

#[test]
fn a_worker_that_waits_for_a_token_of_another_job_is_told_when_the_pool_ends() {
    let pool = pool_without_spares(2);
    let coordinator = Coordinator::new(&pool);
    let (handle, token) = waits(&coordinator, "k");
    let waiter = waits_on_a_worker(&coordinator, handle);
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!((report.joined, report.running.len()), (2, 0));
    assert_eq!(value(waiter), Some(OutcomeKind::Lost));
    token.succeed();
}

#[test]
fn a_job_that_waits_behind_a_dropped_coordinator_is_lost_when_its_pool_ends() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let (unfinished, _never) = waits(&coordinator, "never");
    drop(coordinator);
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(matches!(end(unfinished), JobOutcome::Lost));
}

#[test]
fn a_backoff_when_the_pool_ends_is_lost() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let job = Job::repeatable(|_| Err::<(), _>(JobError::new("no"))).retry(laneway::RetryPolicy {
        retries: 1,
        delay_base: NEVER,
        delay_max: NEVER,
        jitter: laneway::coordinator::Jitter::None,
        ..laneway::RetryPolicy::default()
    });
    let handle = submit(&coordinator, "k", job);
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(matches!(end(handle), JobOutcome::Lost));
}

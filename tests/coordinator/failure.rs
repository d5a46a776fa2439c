//! Retries, conflicts, undo, double faults, and what the lane does after a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use laneway::coordinator::{JobStatus, OutcomeKind, Verdict};
use laneway::{
    Coordinator, Job, JobError, JobHandle, JobOutcome, OnDoubleFault, OnFailure, RetryPolicy,
};

use crate::support::*;

fn fails(text: &'static str) -> Job<()> {
    Job::once(move |_| Err(JobError::new(text)))
}

fn cause<T: std::fmt::Debug>(outcome: &JobOutcome<T>) -> String {
    outcome.cause().unwrap_or_else(|| panic!("no cause in {outcome:?}")).to_string()
}

#[test]
fn a_failure_without_an_undo_keeps_its_cause_and_the_next_job_runs() {
    let coordinator = coordinator(1);
    let bad = submit(&coordinator, "k", fails("broken"));
    let good = submit(&coordinator, "k", Job::once(|_| Ok(5)));
    let outcome = end(bad);
    assert!(matches!(outcome, JobOutcome::Failed { .. }));
    assert_eq!(cause(&outcome), "broken");
    assert_eq!(value(good), 5);
}

#[test]
fn a_panic_is_a_cause_and_the_worker_lives() {
    let coordinator = coordinator(1);
    let bad = submit(&coordinator, "k", Job::once(|_| -> Result<(), _> { panic!("ouch {}", 7) }));
    assert_eq!(cause(&end(bad)), "panicked: ouch 7");
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(5)))), 5);
}

#[test]
fn retries_counts_runs_after_the_first() {
    let coordinator = coordinator(2);
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let job = Job::repeatable(move |ctx| {
        assert_eq!(count.fetch_add(1, Ordering::Relaxed) + 1, ctx.attempt());
        Err::<(), _>(JobError::new(format!("attempt {}", ctx.attempt())))
    });
    let outcome = end(submit(&coordinator, "k", job.retry(retries(3))));
    assert_eq!(runs.load(Ordering::Relaxed), 4);
    assert_eq!(cause(&outcome), "attempt 4");
}

#[test]
fn a_retry_keeps_the_head_of_the_lane_while_it_backs_off() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let of_first = log.clone();
    let job = Job::repeatable(move |ctx| {
        of_first.add(format!("first {}", ctx.attempt()));
        if ctx.attempt() < 3 { Err(JobError::new("not yet")) } else { Ok(()) }
    })
    .retry(RetryPolicy {
        retries: 2,
        delay_base: Duration::from_millis(1),
        ..RetryPolicy::default()
    });
    let first = submit(&coordinator, "k", job);
    let second = submit(&coordinator, "k", writes(&log, "second"));
    value(first);
    value(second);
    assert_eq!(log.entries(), ["first 1", "first 2", "first 3", "second"]);
}

#[test]
fn a_backoff_holds_no_worker() {
    let coordinator = coordinator(1);
    let job = Job::repeatable(|_| Err::<(), _>(JobError::new("no"))).retry(RetryPolicy {
        retries: 1,
        delay_base: NEVER,
        delay_max: NEVER,
        jitter: laneway::coordinator::Jitter::None,
        ..RetryPolicy::default()
    });
    let backing_off = submit(&coordinator, "k", job);
    // The only worker runs other keys, and then this job is seen to back off.
    while backing_off.status() != (JobStatus::BackingOff { attempt: 1 }) {
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    }
    assert!(backing_off.cancel());
    assert!(matches!(end(backing_off), JobOutcome::Cancelled { started: true }));
}

#[test]
fn a_body_that_runs_once_is_never_run_again() {
    let coordinator = coordinator(1);
    let job = fails("once").retry(retries(5));
    assert!(matches!(end(submit(&coordinator, "k", job)), JobOutcome::Failed { .. }));
    assert_eq!(coordinator.counters().retries, 0);
}

#[test]
fn conflicts_run_the_body_again_on_a_budget_of_their_own() {
    let coordinator = coordinator(1);
    let job = Job::repeatable(|ctx| match ctx.attempt() {
        1..=5 => Err(JobError::conflict("the row has changed")),
        attempt => Ok(attempt),
    });
    assert_eq!(value(submit(&coordinator, "k", job)), 6);
    assert_eq!((coordinator.counters().conflicts, coordinator.counters().retries), (5, 0));

    let stubborn = Job::repeatable(|_| Err::<(), _>(JobError::conflict("always")))
        .retry(RetryPolicy { conflicts: 2, ..RetryPolicy::default() });
    assert_eq!(cause(&end(submit(&coordinator, "k", stubborn))), "conflict: always");
    assert_eq!(coordinator.counters().conflicts, 7);
}

#[test]
fn a_judge_decides_what_is_retried_and_its_panic_gives_up() {
    let coordinator = coordinator(1);
    let runs = Arc::new(AtomicU32::new(0));
    for (judge, expected) in [
        (Arc::new(|_: &JobError| Verdict::GiveUp) as laneway::coordinator::Classify, 1),
        (Arc::new(|_: &JobError| Verdict::Retry), 3),
        (Arc::new(|_: &JobError| panic!("a judge that panics")), 1),
    ] {
        runs.store(0, Ordering::Relaxed);
        let count = runs.clone();
        let job = Job::repeatable(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(JobError::new("no"))
        })
        .retry(RetryPolicy { classify: Some(judge), ..retries(2) });
        assert_eq!(end(submit(&coordinator, "k", job)).kind(), OutcomeKind::Failed);
        assert_eq!(runs.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn an_undo_runs_once_after_the_last_attempt_and_sees_cause_and_attempts() {
    let coordinator = coordinator(1);
    let log = Log::default();
    let (of_body, of_undo) = (log.clone(), log.clone());
    let job = Job::repeatable(move |ctx| {
        of_body.add(format!("run {}", ctx.attempt()));
        Err::<(), _>(JobError::new("no"))
    })
    .retry(retries(1))
    .undo(move |ctx| {
        of_undo.add(format!("undo after {}: {}", ctx.attempts(), ctx.cause()));
        Ok(())
    });
    let outcome = end(submit(&coordinator, "k", job));
    assert!(matches!(outcome, JobOutcome::RolledBack { .. }));
    assert_eq!(cause(&outcome), "no");
    assert_eq!(log.entries(), ["run 1", "run 2", "undo after 2: no"]);
}

#[test]
fn a_panic_is_undone_like_any_failure() {
    let coordinator = coordinator(1);
    let job = Job::once(|_| -> Result<(), _> { panic!("ouch") }).undo(|ctx| {
        assert!(matches!(ctx.cause(), JobError::Panicked(_)));
        Ok(())
    });
    assert_eq!(end(submit(&coordinator, "k", job)).kind(), OutcomeKind::RolledBack);
}

#[test]
fn an_undo_that_fails_or_panics_makes_a_double_fault_and_the_lane_goes_on() {
    let coordinator = coordinator(1);
    let failing = fails("first").undo(|_| Err(JobError::new("second")));
    let panicking = fails("first").undo(|_| panic!("second"));
    for (job, expected) in [(failing, "second"), (panicking, "panicked: second")] {
        match end(submit(&coordinator, "k", job)) {
            JobOutcome::DoubleFault { cause, rollback } => {
                assert_eq!(
                    (cause.to_string(), rollback.to_string()),
                    ("first".into(), expected.into())
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(5)))), 5);
}

#[test]
fn an_undo_with_a_policy_of_its_own_is_retried() {
    let coordinator = coordinator(1);
    let job = fails("no").undo_repeatable(retries(2), |ctx| match ctx.undo_attempt() {
        3 => Ok(()),
        _ => Err(JobError::new("not yet")),
    });
    assert_eq!(end(submit(&coordinator, "k", job)).kind(), OutcomeKind::RolledBack);
}

/// A job that fails behind a gate with `rule`, and two that wait behind it.
fn failure_before_two(
    coordinator: &Coordinator,
    log: &Log,
    rule: OnFailure,
) -> (JobHandle<()>, [JobHandle<()>; 2]) {
    let gate = block_lane(coordinator, "k");
    let bad = submit(coordinator, "k", fails("bad").on_failure(rule));
    let rest = ["second", "third"].map(|name| submit(coordinator, "k", writes(log, name)));
    gate.open();
    (bad, rest)
}

#[test]
fn continue_runs_the_rest() {
    let (coordinator, log) = (coordinator(1), Log::default());
    let (_bad, rest) = failure_before_two(&coordinator, &log, OnFailure::Continue);
    rest.into_iter().for_each(value);
    assert_eq!(log.entries(), ["second", "third"]);
}

#[test]
fn hold_stops_the_lane_with_its_order_until_it_is_released() {
    let (coordinator, log) = (coordinator(2), Log::default());
    let (bad, rest) = failure_before_two(&coordinator, &log, OnFailure::Hold);
    assert_eq!(end(bad).kind(), OutcomeKind::Failed);
    let last = submit(&coordinator, "k", writes(&log, "fourth"));
    for _ in 0..50 {
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    }
    assert!(log.entries().is_empty(), "the lane is held");
    coordinator.release("k");
    rest.into_iter().for_each(value);
    value(last);
    assert_eq!(log.entries(), ["second", "third", "fourth"]);
}

#[test]
fn fail_rest_ends_those_that_wait_and_later_ones_run() {
    let (coordinator, log) = (coordinator(2), Log::default());
    let (bad, rest) = failure_before_two(&coordinator, &log, OnFailure::FailRest);
    assert_eq!(cause(&end(bad)), "bad");
    value(submit(&coordinator, "k", writes(&log, "later")));
    for handle in rest {
        let outcome = end(handle);
        assert!(matches!(&outcome, JobOutcome::Failed { cause: JobError::Predecessor }));
    }
    assert_eq!(log.entries(), ["later"]);
}

#[test]
fn a_job_that_was_rolled_back_also_holds_its_lane() {
    let coordinator = coordinator(1);
    let bad = fails("no").undo(|_| Ok(())).on_failure(OnFailure::Hold);
    assert_eq!(end(submit(&coordinator, "k", bad)).kind(), OutcomeKind::RolledBack);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!next.is_done());
    coordinator.release("k");
    assert_eq!(value(next), 1);
}

#[test]
fn a_double_fault_may_quarantine_its_key() {
    let coordinator = coordinator(1);
    let bad = fails("no")
        .undo(|_| Err(JobError::new("neither")))
        .on_double_fault(OnDoubleFault::Quarantine);
    assert_eq!(end(submit(&coordinator, "k", bad)).kind(), OutcomeKind::DoubleFault);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!next.is_done());
    coordinator.release("k");
    assert_eq!(value(next), 1);
}

/// Panics when it is dropped.
struct Landmine;

impl Drop for Landmine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("stepped on");
        }
    }
}

#[test]
fn a_capture_whose_drop_panics_does_not_stop_the_lane() {
    let coordinator = coordinator(1);
    let mine = Landmine;
    let once = Job::once(move |_| {
        let _mine = &mine;
        Ok(1)
    });
    // The drop is part of the call: the panic is the job's.
    assert_eq!(end(submit(&coordinator, "k", once)).kind(), OutcomeKind::Failed);
    let mine = Landmine;
    let again = Job::repeatable(move |_| {
        let _mine = &mine;
        Ok(2)
    });
    // The drop comes after the last call: the job has completed.
    assert_eq!(value(submit(&coordinator, "k", again)), 2);
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(3)))), 3);
}

#[test]
fn a_value_that_nobody_takes_and_whose_drop_panics_does_not_stop_the_lane() {
    let coordinator = coordinator(1);
    let gate = block_lane(&coordinator, "k");
    drop(submit(&coordinator, "k", Job::once(|_| Ok(Landmine))));
    coordinator.submit_detached("k", Job::once(|_| Ok(Landmine))).expect("accepted");
    let next = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    gate.open();
    assert_eq!(value(next), 1);
}

//! Expiry in the queue, total deadlines, and bodies that overrun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use laneway::coordinator::{OpenTokens, Overrun};
use laneway::{Job, JobError, JobOutcome, OnFailure, RetryPolicy};

use crate::support::*;

/// Soon over.
const SOON: Duration = Duration::from_millis(1);

#[test]
fn a_job_expires_in_the_queue_behind_one_that_runs() {
    let coordinator = coordinator(2);
    let gate = block_lane(&coordinator, "k");
    let late = submit(&coordinator, "k", Job::once(|_| Ok(1)).queue_timeout(SOON));
    let patient = submit(&coordinator, "k", Job::once(|_| Ok(2)).queue_timeout(NEVER));
    assert!(matches!(end(late), JobOutcome::Expired));
    assert!(!patient.is_done());
    gate.open();
    assert_eq!(value(patient), 2);
}

#[test]
fn a_job_expires_behind_a_pause_and_a_hold() {
    let coordinator = coordinator(2);
    coordinator.pause("paused");
    let fails = Job::once(|_| Err::<(), _>(JobError::new("no"))).on_failure(OnFailure::Hold);
    assert!(matches!(end(submit(&coordinator, "held", fails)), JobOutcome::Failed { .. }));
    for key in ["paused", "held"] {
        let late = submit(&coordinator, key, Job::once(|_| Ok(1)).deadline(SOON));
        assert!(matches!(end(late), JobOutcome::Expired), "{key}");
    }
    coordinator.drain(LONG).expect("expired jobs make way");
}

#[test]
fn a_deadline_ends_the_wait_for_a_token_that_nobody_finishes() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let stuck = submit(&coordinator, "k", job.deadline(Duration::from_millis(20)));
    let next = submit(&coordinator, "k", Job::once(|_| Ok(3)));
    assert!(matches!(end(stuck), JobOutcome::Expired));
    assert_eq!(value(next), 3);
    if let Ok(token) = tokens.try_recv() {
        assert!(!token.is_wanted(), "a late finish is ignored");
        token.succeed();
    }
}

#[test]
fn a_deadline_leads_to_the_undo_which_it_does_not_limit() {
    let coordinator = coordinator(2);
    let started = Gate::shut();
    let tell = started.clone();
    let job = Job::once(move |ctx| {
        tell.open();
        ctx.sleep(NEVER)
    });
    let job = job.deadline(Duration::from_millis(50)).undo(|ctx| {
        assert!(matches!(ctx.cause(), JobError::TimedOut));
        Ok(())
    });
    match end(submit(&coordinator, "k", job)) {
        JobOutcome::RolledBack { cause: JobError::TimedOut } => {}
        // On a machine that did not get to it in time.
        JobOutcome::Expired => assert!(coordinator.drain(LONG).is_ok()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_attempt_that_could_not_begin_before_the_deadline_is_not_waited_for() {
    let coordinator = coordinator(2);
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let job = Job::repeatable(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Err::<(), _>(JobError::new("busy"))
    });
    let job = job.retry(RetryPolicy::constant(9, NEVER)).deadline(LONG);
    let outcome = end(submit(&coordinator, "k", job));
    assert!(matches!(outcome, JobOutcome::Failed { cause: JobError::Failed(_) }), "{outcome:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_body_sees_that_the_time_of_its_attempt_is_up() {
    let coordinator = coordinator(2);
    let sleeps = Job::once(|ctx| ctx.sleep(NEVER)).attempt_timeout(SOON);
    assert!(matches!(end(submit(&coordinator, "sleeps", sleeps)), JobOutcome::Expired));
    let looks = Job::once(|ctx| {
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
        Ok("what it returns counts")
    });
    value(submit(&coordinator, "looks", looks.attempt_timeout(SOON)));
}

#[test]
fn an_abandoned_overrun_frees_the_lane_and_its_result_is_dropped() {
    struct Dropped(Arc<AtomicBool>, Gate);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
            self.1.open();
        }
    }
    let coordinator = coordinator(3);
    let (gate, gone, dropped) = (Gate::shut(), Gate::shut(), Arc::new(AtomicBool::new(false)));
    let (wait, value_of_body) = (gate.clone(), Dropped(dropped.clone(), gone.clone()));
    let job = Job::once(move |_| {
        wait.pass();
        Ok(value_of_body)
    });
    let job = job.attempt_timeout(SOON).overrun(Overrun::Abandon);
    let job = submit(&coordinator, "k", job);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(4)));
    assert!(matches!(end(job), JobOutcome::Expired));
    assert_eq!(value(next), 4, "while the body still runs, or has yet to begin");
    assert!(!dropped.load(Ordering::Acquire));
    gate.open();
    gone.pass();
}

#[test]
fn an_overrun_is_undone_and_not_run_again() {
    let coordinator = coordinator(3);
    let (gate, runs) = (Gate::shut(), Arc::new(AtomicU32::new(0)));
    let (wait, count) = (gate.clone(), runs.clone());
    let job = Job::repeatable(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        wait.pass();
        Ok(())
    });
    let job = job.retry(retries(5)).attempt_timeout(Duration::from_millis(20));
    let job = job.overrun(Overrun::Abandon).undo(|_| Ok(()));
    let outcome = end(submit(&coordinator, "k", job));
    assert!(matches!(outcome, JobOutcome::RolledBack { cause: JobError::TimedOut }));
    gate.open();
    assert!(runs.load(Ordering::Relaxed) <= 1);
}

#[test]
fn a_body_beside_its_lane_is_like_any_other_while_it_is_in_time() {
    let coordinator = coordinator(2);
    let beside = |job: Job<u32>| job.attempt_timeout(NEVER).overrun(Overrun::Abandon);
    let (give, tokens) = mpsc::channel();
    let twice = Job::repeatable(move |ctx| match ctx.attempt() {
        1 => Err(JobError::new("again")),
        _ => {
            give.send(ctx.defer()).expect("the test listens");
            Ok(7)
        }
    });
    let twice = submit(&coordinator, "k", beside(twice.retry(retries(1))));
    let panics = submit(&coordinator, "k", beside(Job::once(|_| panic!("ouch"))));
    tokens.recv_timeout(LONG).expect("the second attempt runs").succeed();
    assert_eq!(value(twice), 7);
    assert!(matches!(end(panics), JobOutcome::Failed { cause: JobError::Panicked(_) }));
}

#[test]
fn a_cancel_waits_for_a_body_beside_its_lane() {
    let coordinator = coordinator(2);
    let (running, gate) = (Gate::shut(), Gate::shut());
    let (tell, wait) = (running.clone(), gate.clone());
    let job = Job::once(move |ctx| {
        drop(ctx.defer()); // has failed, and is ignored
        tell.open();
        wait.pass();
        assert!(ctx.is_cancelled());
        Err::<(), _>(JobError::Cancelled)
    });
    let job = job.attempt_timeout(NEVER).overrun(Overrun::Abandon).open_tokens(OpenTokens::Ignore);
    let job = submit(&coordinator, "k", job);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(())));
    running.pass();
    assert!(job.cancel());
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!job.is_done() && !next.is_done(), "exclusion is kept");
    gate.open();
    assert!(matches!(end(job), JobOutcome::Cancelled { started: true }));
    value(next);
}

//! Attempts that wait too long. The delays are real and tiny; nothing is said about how long.

use std::sync::mpsc;
use std::time::Duration;

use laneway::coordinator::OutcomeKind;
use laneway::{Job, JobError, JobOutcome, RetryPolicy, Token};

use crate::support::*;

const TINY: Duration = Duration::from_millis(2);

fn never_finished() -> (Job<()>, mpsc::Receiver<Token>) {
    let (give, take) = mpsc::channel();
    let job = Job::repeatable(move |ctx| {
        // The test may have stopped listening; the token is then dropped later, with the channel.
        let _ = give.send(ctx.defer());
        Ok(())
    });
    (job, take)
}

#[test]
fn an_attempt_that_waits_too_long_expires_and_frees_its_lane() {
    let coordinator = coordinator(1);
    let (job, tokens) = never_finished();
    let handle = submit(&coordinator, "k", job.attempt_timeout(TINY));
    let next = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    assert!(matches!(end(handle), JobOutcome::Expired));
    assert_eq!(value(next), 1);
    let token = tokens.recv_timeout(LONG).expect("one attempt");
    assert!(!token.is_wanted());
    token.succeed();
    coordinator.drain(LONG).expect("a late finish is ignored");
}

#[test]
fn an_expired_attempt_is_retried_and_undone() {
    let coordinator = coordinator(1);
    let (job, tokens) = never_finished();
    let job = job
        .attempt_timeout(TINY)
        .retry(RetryPolicy { delay_base: Duration::from_millis(1), ..retries(2) })
        .undo(|ctx| {
            assert_eq!(ctx.attempts(), 3);
            Ok(())
        });
    let outcome = end(submit(&coordinator, "k", job));
    assert!(matches!(outcome, JobOutcome::RolledBack { cause: JobError::TimedOut }));
    assert_eq!(tokens.try_iter().count(), 3);
}

#[test]
fn an_undo_that_waits_too_long_is_a_double_fault() {
    let coordinator = coordinator(1);
    let (give, _keep) = mpsc::channel();
    let job =
        Job::once(|_| Err::<(), _>(JobError::new("no"))).attempt_timeout(TINY).undo(move |ctx| {
            give.send(ctx.defer()).expect("the test keeps it");
            Ok(())
        });
    match end(submit(&coordinator, "k", job)) {
        JobOutcome::DoubleFault { rollback: JobError::TimedOut, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_in_time_beats_the_timeout() {
    let coordinator = coordinator(1);
    let (job, tokens) = never_finished();
    let handle = submit(&coordinator, "k", job.attempt_timeout(NEVER));
    tokens.recv_timeout(LONG).expect("one attempt").succeed();
    value(handle);
}

#[test]
fn a_failed_attempt_does_not_wait_for_its_other_tokens_beyond_the_timeout() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send((ctx.defer(), ctx.defer())).expect("the test listens");
        Ok(())
    });
    let handle = submit(&coordinator, "k", job.attempt_timeout(TINY));
    let (one, two) = tokens.recv_timeout(LONG).expect("one attempt");
    one.fail(JobError::new("no"));
    let outcome = end(handle);
    assert!(matches!(outcome.kind(), OutcomeKind::Failed | OutcomeKind::Expired));
    drop(two);
}

#[test]
fn a_late_result_of_a_body_on_a_worker_counts() {
    let coordinator = coordinator(2);
    let (first, second) = (Gate::shut(), Gate::shut());
    let (running, gate) = (first.clone(), second.clone());
    let job = Job::once(move |_| {
        running.open();
        gate.pass();
        Ok(4)
    });
    let handle = submit(&coordinator, "k", job.attempt_timeout(Duration::ZERO));
    first.pass();
    second.open();
    assert_eq!(value(handle), 4);
}

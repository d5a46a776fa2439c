//! Completion tokens: early, late, twice, never, dropped, on other threads.

use std::sync::mpsc;
use std::thread;

use laneway::coordinator::{JobStatus, OpenTokens, OutcomeKind, TokenEnd};
use laneway::{Job, JobError, JobOutcome, Token};

use crate::support::*;

/// A job that takes `count` tokens, hands them out and returns 9.
fn hands_out(count: usize) -> (Job<u32>, mpsc::Receiver<Token>) {
    let (give, take) = mpsc::channel();
    let job = Job::once(move |ctx| {
        for _ in 0..count {
            give.send(ctx.defer()).expect("the test listens");
        }
        Ok(9)
    });
    (job, take)
}

fn receive(tokens: &mpsc::Receiver<Token>) -> Token {
    tokens.recv_timeout(LONG).expect("a token comes")
}

#[test]
fn a_job_completes_when_every_token_has_succeeded() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(3);
    let handle = submit(&coordinator, "k", job);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(())));
    for _ in 0..3 {
        let token = receive(&tokens);
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
        assert!(!handle.is_done());
        assert!(!next.is_done());
        assert!(token.is_wanted());
        token.succeed();
    }
    assert_eq!(value(handle), 9);
    value(next);
}

#[test]
fn tokens_may_be_finished_before_the_body_returns() {
    let coordinator = coordinator(1);
    let job = Job::once(|ctx| {
        ctx.defer().succeed();
        ctx.defer().succeed();
        Ok(1)
    });
    assert_eq!(value(submit(&coordinator, "k", job)), 1);
}

#[test]
fn tokens_may_be_finished_on_other_threads() {
    let coordinator = coordinator(2);
    for _ in 0..100 {
        let (job, tokens) = hands_out(2);
        let handle = submit(&coordinator, "k", job);
        let finishers = [0, 1].map(|_| {
            let token = receive(&tokens);
            thread::spawn(move || token.succeed())
        });
        assert_eq!(value(handle), 9);
        finishers.into_iter().for_each(|finisher| finisher.join().expect("no panic"));
    }
}

#[test]
fn a_dropped_token_fails_the_attempt_as_abandoned() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(1);
    let handle = submit(&coordinator, "k", job);
    drop(receive(&tokens));
    assert!(matches!(end(handle), JobOutcome::Failed { cause: JobError::Abandoned }));
}

#[test]
fn a_token_dropped_inside_the_body_fails_the_attempt_as_abandoned() {
    let coordinator = coordinator(1);
    let job = Job::once(|ctx| {
        drop(ctx.defer());
        Ok(())
    });
    assert!(matches!(
        end(submit(&coordinator, "k", job)),
        JobOutcome::Failed { cause: JobError::Abandoned }
    ));
}

#[test]
fn the_first_finish_of_a_shared_token_wins() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(1);
    let handle = submit(&coordinator, "k", job);
    let token = receive(&tokens);
    assert!(token.finish(Ok(())));
    assert!(!token.finish(Err(JobError::new("too late"))));
    drop(token);
    assert_eq!(value(handle), 9);
}

#[test]
fn the_first_failure_is_the_cause_and_the_others_are_awaited() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(3);
    let handle = submit(&coordinator, "k", job);
    let [one, two, three] = [0; 3].map(|_| receive(&tokens));
    two.fail(JobError::new("two"));
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!handle.is_done(), "one and three are open");
    one.fail(JobError::new("one"));
    three.succeed();
    let outcome = end(handle);
    assert_eq!(outcome.cause().expect("it failed").to_string(), "two");
}

#[test]
fn a_retry_starts_after_the_other_tokens_of_the_failed_attempt_have_ended() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let job = Job::repeatable(move |ctx| {
        give.send((ctx.attempt(), ctx.defer(), ctx.defer())).expect("the test listens");
        Ok(ctx.attempt())
    })
    .retry(retries(1));
    let handle = submit(&coordinator, "k", job);
    let (attempt, one, two) = tokens.recv_timeout(LONG).expect("first attempt");
    assert_eq!(attempt, 1);
    one.fail(JobError::new("no"));
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(tokens.try_recv().is_err(), "the second attempt waits");
    two.succeed();
    let (attempt, one, two) = tokens.recv_timeout(LONG).expect("second attempt");
    assert_eq!(attempt, 2);
    one.succeed();
    two.succeed();
    assert_eq!(value(handle), 2);
}

#[test]
fn open_tokens_of_a_failed_attempt_can_be_ignored() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(2);
    let handle = submit(&coordinator, "k", job.open_tokens(OpenTokens::Ignore));
    let [one, two] = [0; 2].map(|_| receive(&tokens));
    one.fail(JobError::new("no"));
    assert_eq!(end(handle).kind(), OutcomeKind::Failed);
    assert!(!two.is_wanted());
    two.succeed();
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(1)))), 1);
}

#[test]
fn a_body_that_fails_still_waits_for_the_tokens_it_took() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Err::<(), _>(JobError::new("the body"))
    });
    let handle = submit(&coordinator, "k", job);
    let token = receive(&tokens);
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!handle.is_done());
    token.succeed();
    assert_eq!(end(handle).cause().expect("it failed").to_string(), "the body");
}

#[test]
fn a_body_that_panics_still_waits_for_the_tokens_it_gave_away() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| -> Result<(), JobError> {
        give.send(ctx.defer()).expect("the test listens");
        panic!("ouch")
    });
    let handle = submit(&coordinator, "k", job);
    let token = receive(&tokens);
    token.succeed();
    assert!(matches!(end(handle), JobOutcome::Failed { cause: JobError::Panicked(_) }));
}

#[test]
fn a_token_that_is_never_finished_can_be_left_by_cancelling() {
    let coordinator = coordinator(1);
    let (job, tokens) = hands_out(1);
    let handle = submit(&coordinator, "k", job);
    let token = receive(&tokens);
    while handle.status() != (JobStatus::Waiting { attempt: 1 }) {
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    }
    assert!(handle.cancel());
    assert!(matches!(end(handle), JobOutcome::Cancelled { started: true }));
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(1)))), 1);
    assert!(!token.is_wanted());
    token.succeed();
}

#[test]
fn the_undo_sees_how_each_token_of_the_last_attempt_stood() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let job = Job::once(move |ctx| {
        for _ in 0..3 {
            give.send(ctx.defer()).expect("the test listens");
        }
        Ok(())
    })
    .open_tokens(OpenTokens::Ignore)
    .undo(move |ctx| {
        let ends = ctx.tokens().iter().map(|end| match end {
            TokenEnd::Open => "open".to_string(),
            TokenEnd::Succeeded => "succeeded".to_string(),
            TokenEnd::Failed(error) => error.to_string(),
        });
        tell.send(ends.collect::<Vec<_>>()).expect("the test listens");
        Ok(())
    });
    let handle = submit(&coordinator, "k", job);
    let [one, two, three] = [0; 3].map(|_| receive(&tokens));
    one.succeed();
    three.fail(JobError::new("three"));
    assert_eq!(end(handle).kind(), OutcomeKind::RolledBack);
    assert_eq!(told.recv().expect("the undo ran"), ["succeeded", "open", "three"]);
    drop(two);
}

#[test]
fn an_undo_may_take_tokens_too() {
    let coordinator = coordinator(1);
    for fails in [false, true] {
        let (give, tokens) = mpsc::channel();
        let job = Job::once(|_| Err::<(), _>(JobError::new("no"))).undo(move |ctx| {
            give.send(ctx.defer()).expect("the test listens");
            Ok(())
        });
        let handle = submit(&coordinator, "k", job);
        let token = receive(&tokens);
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
        assert!(!handle.is_done());
        if fails {
            token.fail(JobError::new("neither"));
            assert_eq!(end(handle).kind(), OutcomeKind::DoubleFault);
        } else {
            token.succeed();
            assert_eq!(end(handle).kind(), OutcomeKind::RolledBack);
        }
    }
}

#[test]
fn a_detached_plain_job_keeps_its_lane_until_its_tokens_have_ended() {
    let coordinator = coordinator(1);
    let log = Log::default();
    let (job, tokens) = hands_out(1);
    coordinator.submit_detached("k", job).expect("accepted");
    let next = submit(&coordinator, "k", writes(&log, "next"));
    let token = receive(&tokens);
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(log.entries().is_empty());
    token.succeed();
    value(next);
    assert_eq!(coordinator.counters().ended(OutcomeKind::Completed), 3);
}

//! Every way in which the ancestor lost a key, and the truthful outcome here.
//!
//! The table is in docs/keyed-jobs.md; each row names its test. After each of them the next job of
//! the key runs.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use laneway::coordinator::{CoordinatorConfig, JobEvent, Observer, Overrun, SubmitError};
use laneway::{Coordinator, Job, JobError, JobOutcome, Shutdown};

use crate::support::*;

/// The lane of `key` is alive.
fn the_next_runs(coordinator: &Coordinator, key: &str) {
    assert_eq!(value(submit(coordinator, key, Job::once(|_| Ok("next")))), "next");
}

#[test]
fn a_list_without_futures_or_with_one_that_never_was() {
    let coordinator = coordinator(2);
    // No tokens: complete. A token that nobody holds, the null in the list: failed as abandoned.
    value(submit(&coordinator, "k", Job::once(|_| Ok(()))));
    let null = Job::once(|ctx| {
        let (good, null) = (ctx.defer(), ctx.defer());
        good.succeed();
        drop(null);
        Ok(())
    });
    let outcome = end(submit(&coordinator, "k", null));
    assert!(matches!(outcome, JobOutcome::Failed { cause: JobError::Abandoned }));
    the_next_runs(&coordinator, "k");
}

#[test]
fn a_null_in_the_list_of_the_rollback() {
    let coordinator = coordinator(2);
    let job = Job::once(|_| Err::<(), _>(JobError::new("no"))).undo(|ctx| {
        drop(ctx.defer());
        Ok(())
    });
    let outcome = end(submit(&coordinator, "k", job));
    let JobOutcome::DoubleFault { rollback, .. } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(rollback, JobError::Abandoned));
    the_next_runs(&coordinator, "k");
}

#[test]
fn a_pool_that_refuses() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let gate = block_lane(&coordinator, "k");
    let behind = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let other = submit(&coordinator, "other", Job::once(|_| Ok(())));
    let stopper = pool.clone();
    let stop = std::thread::spawn(move || stopper.shutdown(Shutdown::Cancel, LONG));
    gate.open();
    stop.join().expect("no panic").expect("not on a worker");
    // What had started may have ended in time; what had not is lost, and its waiters know.
    for handle in [behind, other] {
        assert!(matches!(end(handle), JobOutcome::Lost | JobOutcome::Completed(())));
    }
    let refused = coordinator.submit("k", Job::once(|_| Ok(())));
    assert!(matches!(refused, Err(SubmitError::ShuttingDown(_))));
}

#[test]
fn a_key_that_changes_after_the_submit() {
    let coordinator = coordinator(2);
    let mut key = String::from("a mutable key, longer than what is stored in place");
    let gate = block_lane(&coordinator, &key);
    let first = submit(&coordinator, &key, Job::once(|_| Ok(1)));
    let before = key.clone();
    key.make_ascii_uppercase();
    let other = submit(&coordinator, &key, Job::once(|_| Ok(2)));
    assert_eq!(value(other), 2, "another key by now");
    assert!(!first.is_done());
    gate.open();
    assert_eq!(value(first), 1);
    the_next_runs(&coordinator, &before);
}

#[test]
fn an_error_thrown_by_the_body_the_undo_or_a_drop() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in a drop");
            }
        }
    }
    let coordinator = coordinator(2);
    let body = submit(&coordinator, "k", Job::once(|_| -> Result<(), _> { panic!("in the body") }));
    assert!(matches!(end(body), JobOutcome::Failed { cause: JobError::Panicked(_) }));
    let undo = Job::once(|_| Err::<(), _>(JobError::new("no"))).undo(|_| panic!("in the undo"));
    assert!(matches!(end(submit(&coordinator, "k", undo)), JobOutcome::DoubleFault { .. }));
    let captured = PanicsOnDrop;
    let job = Job::repeatable(move |_| {
        let _captured = &captured;
        Ok(3)
    });
    assert_eq!(value(submit(&coordinator, "k", job)), 3);
    the_next_runs(&coordinator, "k");
}

#[test]
fn an_error_thrown_by_a_listener() {
    struct Throws;
    impl Observer for Throws {
        fn event(&self, _: &JobEvent<'_>) {
            panic!("in the observer");
        }
    }
    let config = CoordinatorConfig { observer: Some(Arc::new(Throws)), ..Default::default() };
    let coordinator = Coordinator::with_config(&pool(2), config);
    let (tell, told) = mpsc::channel();
    submit(&coordinator, "k", Job::once(|_| Ok(1))).on_done(move |outcome| {
        tell.send(outcome.is_completed()).expect("the test listens");
        panic!("in the callback");
    });
    assert!(told.recv_timeout(LONG).expect("it is called"));
    the_next_runs(&coordinator, "k");
}

#[test]
fn a_listener_that_blocks() {
    let coordinator = coordinator(2);
    let gate = Gate::shut();
    let wait = gate.clone();
    submit(&coordinator, "k", Job::once(|_| Ok(1))).on_done(move |_| wait.pass());
    the_next_runs(&coordinator, "k");
    gate.open();
}

#[test]
fn a_shutdown_with_jobs_in_every_state() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let waits = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let waiting = submit(&coordinator, "k", waits);
    let queued = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let _token = tokens.recv_timeout(LONG).expect("it has started");
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not on a worker");
    assert!(report.complete);
    assert!(matches!(end(waiting), JobOutcome::Lost));
    assert!(matches!(end(queued), JobOutcome::Lost));
}

#[test]
fn a_future_that_is_cancelled() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let waits = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let job = submit(&coordinator, "k", waits);
    // Whoever worked for it gives up.
    drop(tokens.recv_timeout(LONG).expect("it has started"));
    assert!(matches!(end(job), JobOutcome::Failed { cause: JobError::Abandoned }));
    the_next_runs(&coordinator, "k");
}

#[test]
fn a_wait_for_the_outcome_that_is_cancelled() {
    let coordinator = coordinator(2);
    let gate = block_lane(&coordinator, "k");
    let queued = submit(&coordinator, "k", Job::once(|_| Ok(())));
    assert!(queued.cancel());
    assert!(matches!(end(queued), JobOutcome::Cancelled { started: false }));
    gate.open();
    the_next_runs(&coordinator, "k");
}

#[test]
fn a_future_that_never_ends_under_a_deadline() {
    let coordinator = coordinator(3);
    let (give, tokens) = mpsc::channel();
    let soon = Duration::from_millis(5);
    let waits = Job::once(move |ctx| {
        // Nobody listens if the test was quicker than the body.
        let _ = give.send(ctx.defer());
        Ok(())
    });
    let token = submit(&coordinator, "token", waits.deadline(soon));
    let never = Job::future(|_| std::future::pending::<Result<(), JobError>>()).deadline(soon);
    let future = submit(&coordinator, "future", never);
    let gate = Gate::shut();
    let wait = gate.clone();
    let body = Job::once(move |_| {
        wait.pass();
        Ok(())
    });
    let body = body.deadline(soon).overrun(Overrun::Abandon);
    let body = submit(&coordinator, "body", body);
    for (key, job) in [("token", token), ("future", future), ("body", body)] {
        assert!(matches!(end(job), JobOutcome::Expired), "{key}");
        the_next_runs(&coordinator, key);
    }
    gate.open();
    drop(tokens);
}

//! The handle: waiting, polling, callbacks, cancelling, and waits that are refused.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use laneway::coordinator::{JobStatus, OutcomeKind, Shutdown, WaitError};
use laneway::{Coordinator, Job, JobError, JobHandle, JobOutcome};

use crate::support::*;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest runtime there is.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_wait_that_times_out_gives_the_handle_back() {
    let coordinator = coordinator(1);
    let gate = block_lane(&coordinator, "k");
    let handle = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    let handle = match handle.wait_timeout(Duration::from_millis(1)) {
        Err(WaitError::TimedOut(handle)) => handle,
        other => panic!("{other:?}"),
    };
    let handle = handle.try_wait().expect_err("it has not ended");
    gate.open();
    assert_eq!(value(handle), 1);
}

#[test]
fn a_handle_is_a_future_for_any_runtime() {
    let coordinator = coordinator(1);
    let gate = block_lane(&coordinator, "k");
    let handle = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    let opener = thread::spawn(move || gate.open());
    assert!(matches!(block_on(handle), JobOutcome::Completed(1)));
    opener.join().expect("no panic");
}

#[test]
fn the_outcome_can_be_looked_at_where_it_is() {
    let coordinator = coordinator(1);
    let handle = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    handle.wait_done(Some(LONG)).expect("it ends");
    assert!(matches!(handle.outcome(), Some(JobOutcome::Completed(1))));
    assert_eq!(handle.status(), JobStatus::Ended);
    assert_eq!(handle.key().as_bytes(), b"k");
    assert_eq!(value(handle), 1);
}

#[test]
fn a_callback_gets_the_outcome_whether_it_comes_before_or_after() {
    let coordinator = coordinator(2);
    let (tell, told) = mpsc::channel();
    let gate = block_lane(&coordinator, "k");
    let before = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    let later = tell.clone();
    before.on_done(move |outcome| later.send(outcome.completed()).expect("the test listens"));
    gate.open();
    assert_eq!(told.recv_timeout(LONG), Ok(Some(1)));

    let after = submit(&coordinator, "k", Job::once(|_| Ok(2)));
    after.wait_done(Some(LONG)).expect("it ends");
    after.on_done(move |outcome| tell.send(outcome.completed()).expect("the test listens"));
    assert_eq!(told.recv_timeout(LONG), Ok(Some(2)));
}

#[test]
fn a_callback_that_blocks_does_not_hold_the_lane() {
    let coordinator = coordinator(2);
    let (called, gate) = (Gate::shut(), Gate::shut());
    let (tell, wait) = (called.clone(), gate.clone());
    submit(&coordinator, "k", Job::once(|_| Ok(()))).on_done(move |_| {
        tell.open();
        wait.pass();
    });
    called.pass();
    value(submit(&coordinator, "k", Job::once(|_| Ok(()))));
    gate.open();
}

#[test]
fn a_callback_that_panics_hurts_nobody() {
    let coordinator = coordinator(1);
    submit(&coordinator, "k", Job::once(|_| Ok(()))).on_done(|_| panic!("in a callback"));
    value(submit(&coordinator, "k", Job::once(|_| Ok(()))));
}

#[test]
fn dropping_the_handle_detaches_the_job() {
    let coordinator = coordinator(1);
    let log = Log::default();
    let gate = block_lane(&coordinator, "k");
    drop(submit(&coordinator, "k", writes(&log, "ran")));
    gate.open();
    coordinator.drain(LONG).expect("drained");
    assert_eq!(log.entries(), ["ran"]);
}

#[test]
fn a_job_cancelled_before_its_start_ends_at_once_and_never_runs() {
    let coordinator = coordinator(1);
    let log = Log::default();
    let gate = block_lane(&coordinator, "k");
    let handle = submit(&coordinator, "k", writes(&log, "ran").undo(|_| panic!("nothing to undo")));
    assert_eq!(handle.status(), JobStatus::Queued);
    assert!(handle.cancel());
    assert!(handle.is_done());
    assert!(!handle.cancel(), "it has ended");
    assert!(matches!(end(handle), JobOutcome::Cancelled { started: false }));
    gate.open();
    coordinator.drain(LONG).expect("drained");
    assert!(log.entries().is_empty());
}

#[test]
fn a_cancelled_job_that_waits_is_undone() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    })
    .undo(|ctx| {
        assert!(matches!(ctx.cause(), JobError::Cancelled));
        Ok(())
    });
    let handle = submit(&coordinator, "k", job);
    let _open = tokens.recv_timeout(LONG).expect("it runs");
    let control = handle.control();
    assert!(control.cancel());
    assert!(matches!(end(handle), JobOutcome::RolledBack { cause: JobError::Cancelled }));
    assert_eq!(control.status(), JobStatus::Ended);
}

#[test]
fn a_body_notices_that_it_is_cancelled_and_what_it_returns_counts() {
    let coordinator = coordinator(1);
    for completes in [true, false] {
        let running = Gate::shut();
        let tell = running.clone();
        let job = Job::repeatable(move |ctx| {
            tell.open();
            while !ctx.is_cancelled() {
                thread::yield_now();
            }
            if completes { Ok(1) } else { Err(JobError::new("stopped")) }
        })
        .retry(retries(9));
        let handle = submit(&coordinator, "k", job);
        running.pass();
        assert!(handle.cancel());
        match end(handle) {
            JobOutcome::Completed(1) => assert!(completes),
            JobOutcome::Cancelled { started: true } => assert!(!completes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(coordinator.counters().retries, 0);
}

#[test]
fn a_sleeping_body_is_woken_by_its_cancel() {
    let coordinator = coordinator(1);
    let running = Gate::shut();
    let tell = running.clone();
    let job = Job::once(move |ctx| {
        tell.open();
        ctx.sleep(NEVER)
    });
    let handle = submit(&coordinator, "k", job);
    running.pass();
    handle.cancel();
    assert!(matches!(end(handle), JobOutcome::Cancelled { started: true }));
}

#[test]
fn a_sleep_that_nobody_ends_is_over_some_time() {
    let coordinator = coordinator(1);
    let job = Job::once(|ctx| ctx.sleep(Duration::from_millis(1)));
    value(submit(&coordinator, "k", job));
}

#[test]
fn a_wait_for_ones_own_key_is_refused() {
    let coordinator = coordinator(4);
    let inner = coordinator.clone();
    let job = Job::once(move |_| {
        let behind_me = inner.submit("k", Job::once(|_| Ok(1))).expect("accepted");
        match behind_me.wait() {
            Err(WaitError::WouldDeadlock(handle)) => Ok(handle),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(value(value(submit(&coordinator, "k", job))), 1);
}

#[test]
fn a_detached_job_is_refused_a_wait_for_its_own_key_too() {
    let coordinator = coordinator(4);
    let inner = coordinator.clone();
    let (tell, told) = mpsc::channel();
    let job = Job::once(move |_| {
        let behind_me = inner.submit("k", Job::once(|_| Ok(1))).expect("accepted");
        let refused = matches!(behind_me.wait(), Err(WaitError::WouldDeadlock(_)));
        tell.send(refused).expect("the test listens");
        Ok(())
    });
    coordinator.submit_detached("k", job).expect("accepted");
    assert_eq!(told.recv_timeout(LONG), Ok(true));
}

/// Submits a job and waits for it on a worker; the handle, if the wait was given up.
fn wait_inside(coordinator: &Coordinator) -> Option<JobHandle<i32>> {
    let other = coordinator.submit("other", Job::once(|_| Ok(1))).expect("accepted");
    match other.wait() {
        Err(WaitError::WouldDeadlock(handle)) => Some(handle),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wait_inside_a_stolen_fork_is_given_up_when_its_owner_waits_for_the_fork() {
    let coordinator = Coordinator::new(&pool_without_spares(2));
    let inner = coordinator.clone();
    let pool = coordinator.pool().clone();
    let handle = coordinator.pool().submit(move || {
        let (began, begins) = mpsc::channel();
        let stolen = || {
            began.send(()).expect("the owner listens");
            wait_inside(&inner)
        };
        let owner = move || begins.recv_timeout(LONG).expect("the fork is stolen");
        pool.join(owner, stolen).1
    });
    let handle = handle.wait().expect("it ran").expect("given up");
    assert_eq!(value(handle), 1);
}

#[test]
fn a_wait_inside_a_scopes_closure_is_given_up_when_the_scope_waits_for_it() {
    let coordinator = Coordinator::new(&pool_without_spares(2));
    let inner = coordinator.clone();
    let pool = coordinator.pool().clone();
    let handle = coordinator.pool().submit(move || {
        let (began, begins) = mpsc::channel();
        let mut handle = None;
        pool.scope(|scope| {
            scope.spawn(|| {
                began.send(()).expect("the owner listens");
                handle = wait_inside(&inner);
            });
            begins.recv_timeout(LONG).expect("the other worker takes it");
        });
        handle
    });
    let handle = handle.wait().expect("it ran").expect("given up");
    assert_eq!(value(handle), 1);
}

#[test]
fn a_wait_on_the_last_free_worker_is_refused() {
    let coordinator = Coordinator::new(&pool_without_spares(1));
    let inner = coordinator.clone();
    let job = Job::once(move |_| {
        let other = inner.submit("other", Job::once(|_| Ok(1))).expect("accepted");
        match other.wait() {
            Err(WaitError::WouldDeadlock(handle)) => Ok(handle),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(value(value(submit(&coordinator, "k", job))), 1);
}

#[test]
fn the_only_worker_may_wait_for_another_key_while_there_are_spares() {
    let coordinator = coordinator(1);
    let inner = coordinator.clone();
    let job = Job::once(move |_| Ok(value(submit(&inner, "other", Job::once(|_| Ok(1))))));
    assert_eq!(value(submit(&coordinator, "k", job)), 1);
}

#[test]
fn a_job_may_wait_for_another_key_while_a_worker_is_left() {
    let coordinator = coordinator(2);
    let inner = coordinator.clone();
    let job = Job::once(move |_| Ok(value(submit(&inner, "other", Job::once(|_| Ok(1))))));
    assert_eq!(value(submit(&coordinator, "k", job)), 1);
}

#[test]
fn a_callback_is_called_even_if_the_pool_has_ended() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let (job, tokens) = {
        let (give, take) = mpsc::channel();
        let job = Job::once(move |ctx| {
            give.send(ctx.defer()).expect("the test listens");
            Ok(())
        });
        (job, take)
    };
    let handle = submit(&coordinator, "k", job);
    let token = tokens.recv_timeout(LONG).expect("it runs");
    let (tell, told) = mpsc::channel();
    handle.on_done(move |outcome| tell.send(outcome.kind()).expect("the test listens"));
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    token.succeed();
    assert_eq!(told.recv_timeout(LONG), Ok(OutcomeKind::Lost));
}

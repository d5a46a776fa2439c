//! Async bodies.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use laneway::coordinator::{JobStatus, OutcomeKind, Shutdown};
use laneway::{Coordinator, Job, JobError, JobOutcome};

use crate::support::*;

/// Pending until `open` is called; wakes like a well-behaved future.
#[derive(Clone, Default)]
struct Latch(Arc<Mutex<(bool, Option<Waker>)>>);

impl Latch {
    fn open(&self) {
        let waker = {
            let mut state = self.0.lock().expect("no panic");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn is_awaited(&self) -> bool {
        self.0.lock().expect("no panic").1.is_some()
    }
}

impl Future for Latch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().expect("no panic");
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn an_async_body_completes() {
    let coordinator = coordinator(1);
    let job = Job::future(|ctx| async move { Ok(ctx.attempt()) });
    assert_eq!(value(submit(&coordinator, "k", job)), 1);
}

#[test]
fn an_await_keeps_the_lane_and_holds_no_worker() {
    let coordinator = coordinator(1);
    let (log, latch) = (Log::default(), Latch::default());
    let (of_body, awaited) = (log.clone(), latch.clone());
    let job = Job::future(move |_| {
        let (log, latch) = (of_body.clone(), awaited.clone());
        async move {
            log.add("before");
            latch.await;
            log.add("after");
            Ok(())
        }
    });
    let handle = submit(&coordinator, "k", job);
    let next = submit(&coordinator, "k", writes(&log, "next"));
    while !latch.is_awaited() {
        value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    }
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert_eq!(log.entries(), ["before"]);
    latch.open();
    value(handle);
    value(next);
    assert_eq!(log.entries(), ["before", "after", "next"]);
}

#[test]
fn wakes_from_other_threads_are_never_lost() {
    let coordinator = coordinator(2);
    for _ in 0..200 {
        let latch = Latch::default();
        let awaited = latch.clone();
        let handle = submit(
            &coordinator,
            "k",
            Job::future(move |_| {
                let latch = awaited.clone();
                async move {
                    latch.await;
                    Ok(())
                }
            }),
        );
        let opener = thread::spawn(move || latch.open());
        value(handle);
        opener.join().expect("no panic");
    }
}

#[test]
fn a_body_that_wakes_itself_is_polled_again_each_time() {
    let coordinator = coordinator(1);
    let job = Job::future(|_| {
        let mut polls = 0;
        poll_fn(move |context| {
            polls += 1;
            if polls == 1000 {
                return Poll::Ready(Ok(polls));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    });
    assert_eq!(value(submit(&coordinator, "k", job)), 1000);
}

#[test]
fn a_delay_that_left_its_job_is_over_when_the_pool_ends() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    let job = Job::once(|ctx| Ok(ctx.delay(NEVER)));
    let mut delay = value(submit(&coordinator, "k", job));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut delay).poll(&mut context).is_pending());
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert!(Pin::new(&mut delay).poll(&mut context).is_ready());
}

#[test]
fn delays_pass_and_a_cancelled_job_does_not_wait_for_its_delay() {
    let coordinator = coordinator(1);
    let wait = |time| {
        Job::future(move |ctx| async move {
            ctx.delay(time).await;
            Ok(())
        })
    };
    value(submit(&coordinator, "k", wait(Duration::from_millis(1))));
    value(submit(&coordinator, "k", wait(Duration::ZERO)));
    let handle = submit(&coordinator, "k", wait(NEVER));
    while handle.status() != (JobStatus::Waiting { attempt: 1 }) {
        thread::yield_now();
    }
    handle.cancel();
    assert_eq!(end(handle).kind(), OutcomeKind::Cancelled);
}

#[test]
fn a_panic_in_a_poll_is_a_cause() {
    let coordinator = coordinator(1);
    let job = Job::future(|_| async { panic!("while polled") });
    let handle = submit::<()>(&coordinator, "k", job);
    assert!(matches!(end(handle), JobOutcome::Failed { cause: JobError::Panicked(_) }));
}

#[test]
fn each_attempt_has_a_future_of_its_own() {
    let coordinator = coordinator(1);
    let job = Job::future(|ctx| async move {
        match ctx.attempt() {
            1 => Err(JobError::conflict("stale")),
            2 => Err(JobError::new("busy")),
            attempt => Ok(attempt),
        }
    })
    .retry(retries(1));
    assert_eq!(value(submit(&coordinator, "k", job)), 3);
}

/// Tells when it is dropped.
struct Tells(Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        // Nobody may listen any more.
        let _ = self.0.send(());
    }
}

#[test]
fn a_cancel_drops_the_future_that_waits() {
    let coordinator = coordinator(1);
    let (tell, told) = mpsc::channel();
    let latch = Latch::default();
    let awaited = latch.clone();
    let job = Job::future(move |_| {
        let (tells, latch) = (Tells(tell.clone()), awaited.clone());
        async move {
            latch.await;
            drop(tells);
            Ok(())
        }
    });
    let handle = submit(&coordinator, "k", job);
    while handle.status() != (JobStatus::Waiting { attempt: 1 }) {
        thread::yield_now();
    }
    handle.cancel();
    assert_eq!(end(handle).kind(), OutcomeKind::Cancelled);
    told.try_recv().expect("dropped before the outcome");
    latch.open();
    coordinator.drain(LONG).expect("a late wake is ignored");
}

#[test]
fn tokens_and_awaits_are_both_waited_for() {
    let coordinator = coordinator(1);
    let (give, tokens) = mpsc::channel();
    let latch = Latch::default();
    let awaited = latch.clone();
    let job = Job::future(move |mut ctx| {
        let (give, latch) = (give.clone(), awaited.clone());
        async move {
            give.send(ctx.defer()).expect("the test listens");
            latch.await;
            Ok(3)
        }
    });
    let handle = submit(&coordinator, "k", job);
    tokens.recv_timeout(LONG).expect("it runs").succeed();
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    assert!(!handle.is_done(), "the latch is shut");
    latch.open();
    assert_eq!(value(handle), 3);
}

#[test]
fn a_context_that_outlives_its_attempt_takes_tokens_in_vain() {
    let coordinator = coordinator(1);
    let (give, contexts) = mpsc::channel();
    let job = Job::future(move |ctx| {
        give.send(ctx).expect("the test listens");
        async { Ok(()) }
    });
    value(submit(&coordinator, "k", job));
    let mut context = contexts.recv_timeout(LONG).expect("it ran");
    let token = context.defer();
    assert!(!token.is_wanted());
    token.fail(JobError::new("too late"));
    coordinator.drain(LONG).expect("nothing is left");
}

#[test]
fn a_chain_of_jobs_awaits_across_keys_on_one_worker() {
    let coordinator = coordinator(1);
    let mut last = submit(&coordinator, "0", Job::once(|_| Ok(0)));
    for number in 1..100 {
        let mut before = Some(last);
        let job = Job::future(move |_| {
            let before = before.take().expect("one attempt");
            async move { Ok(before.await.completed().expect("it completes") + 1) }
        });
        last = submit(&coordinator, &number.to_string(), job);
    }
    assert_eq!(value(last), 99);
}

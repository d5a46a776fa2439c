//! What an observer is told, and what the watchdog names.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::coordinator::{CoordinatorConfig, Doing, JobEvent, Observer};
use laneway::{Coordinator, Job, JobError, JobOutcome, RetryPolicy};

use crate::support::*;

struct Tells(Mutex<Sender<String>>);

impl Observer for Tells {
    fn event(&self, event: &JobEvent<'_>) {
        let line = match event {
            // The time is left out, and of a place all but the file.
            JobEvent::Overdue { key, attempt, doing: Doing::WaitingFor(tokens), .. } => {
                let files: Vec<_> = tokens.iter().map(|place| place.file()).collect();
                format!("{key}: attempt {attempt} waits for {files:?}")
            }
            JobEvent::Overdue { key, attempt, doing, .. } => {
                format!("{key}: attempt {attempt} is overdue: {doing:?}")
            }
            other => other.to_string(),
        };
        let _ = self.0.lock().expect("nobody panics here").send(line);
    }
}

fn observed(watchdog: Option<Duration>) -> (Coordinator, Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let observer = Some(Arc::new(Tells(Mutex::new(tell))) as Arc<dyn Observer>);
    let config = CoordinatorConfig { observer, watchdog, ..Default::default() };
    (Coordinator::with_config(&pool(2), config), told)
}

#[test]
fn every_step_of_a_job_is_told_in_order() {
    let (coordinator, told) = observed(None);
    let job = Job::repeatable(|_| Err::<(), _>(JobError::new("busy")))
        .retry(RetryPolicy::constant(1, Duration::from_millis(2)))
        .undo(|_| Err(JobError::new("stuck")));
    assert!(matches!(end(submit(&coordinator, "k", job)), JobOutcome::DoubleFault { .. }));
    let events: Vec<_> = told.try_iter().collect();
    assert_eq!(
        events,
        [
            "k: submitted",
            "k: attempt 1",
            "k: attempt 1 failed: busy; again in 2ms",
            "k: attempt 2",
            "k: attempt 2 failed: busy",
            "k: rolling back: busy",
            "k: undo failed: stuck",
            "k: double_fault: busy",
        ]
    );
}

#[test]
fn plain_and_cancelled_jobs_are_told_too() {
    let (coordinator, told) = observed(None);
    coordinator.submit_detached("plain", Job::once(|_| Ok(()))).expect("accepted");
    coordinator.drain(LONG).expect("drained");
    coordinator.pause("k");
    let job = submit(&coordinator, "k", Job::once(|_| Ok(())));
    job.cancel();
    assert!(matches!(end(job), JobOutcome::Cancelled { .. }));
    let events: Vec<_> = told.try_iter().collect();
    assert_eq!(
        events,
        [
            "plain: submitted",
            "plain: attempt 1",
            "plain: completed",
            "k: submitted",
            "k: cancelled"
        ]
    );
}

#[test]
fn the_watchdog_names_a_body_while_it_runs() {
    let (coordinator, told) = observed(None);
    let gate = Gate::shut();
    let wait = gate.clone();
    let job = Job::once(move |_| {
        wait.pass();
        Ok(())
    });
    let job = submit(&coordinator, "k", job.watch(Duration::from_millis(1)));
    let overdue =
        std::iter::from_fn(|| told.recv_timeout(LONG).ok()).find(|e| e.contains("overdue"));
    assert_eq!(overdue.as_deref(), Some("k: attempt 1 is overdue: Running"));
    assert!(!job.is_done());
    gate.open();
    value(job);
    assert_eq!(coordinator.counters().overdue, 1);
}

#[test]
fn the_watchdog_names_the_tokens_that_are_open() {
    let (coordinator, told) = observed(Some(Duration::from_millis(1)));
    let (give, tokens) = mpsc::channel();
    let job = Job::once(move |ctx| {
        let (done, open) = (ctx.defer(), ctx.defer());
        done.succeed();
        give.send(open).expect("the test listens");
        Ok(())
    });
    let job = submit(&coordinator, "k", job);
    let waits =
        std::iter::from_fn(|| told.recv_timeout(LONG).ok()).find(|e| e.contains("waits for"));
    assert_eq!(waits, Some(format!("k: attempt 1 waits for {:?}", [file!()])));
    tokens.recv_timeout(LONG).expect("it ran").succeed();
    value(job);
}

#[test]
fn the_watchdog_names_an_async_body_that_is_not_ready() {
    let (coordinator, told) = observed(Some(Duration::from_millis(1)));
    let job = Job::future(|ctx| async move {
        ctx.delay(NEVER).await;
        Ok(())
    });
    let job = submit(&coordinator, "k", job);
    let overdue =
        std::iter::from_fn(|| told.recv_timeout(LONG).ok()).find(|e| e.contains("overdue"));
    // Running if its first poll took so long.
    let named = overdue.expect("it is named");
    assert!(named.ends_with("Awaiting") || named.ends_with("Running"), "{named}");
    job.cancel();
    assert!(matches!(end(job), JobOutcome::Cancelled { started: true }));
}

#[test]
fn an_observer_that_panics_harms_no_job() {
    struct Panics;
    impl Observer for Panics {
        fn event(&self, event: &JobEvent<'_>) {
            panic!("at {event}");
        }
    }
    let config =
        CoordinatorConfig { observer: Some(Arc::new(Panics)), ..CoordinatorConfig::default() };
    let coordinator = Coordinator::with_config(&pool(1), config);
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(5)))), 5);
}

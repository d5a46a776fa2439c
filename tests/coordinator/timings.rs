//! How long jobs wait and run, on a clock moved by hand.

use std::time::Duration;

use laneway::coordinator::{CoordinatorConfig, Histogram, Sampling, TestCoordinator};
use laneway::{Coordinator, Job, JobError, Key, RetryPolicy};

use crate::support::{Log, writes};

const SECOND: Duration = Duration::from_secs(1);

fn test(sampling: Sampling) -> TestCoordinator {
    TestCoordinator::with_config(1, CoordinatorConfig { sampling, ..Default::default() })
}

/// Within an eighth.
fn is_about(histogram: &Histogram, quantile: f64, time: Duration) -> bool {
    let told = histogram.quantile(quantile).expect("something was measured");
    told >= time && told <= time + time / 8
}

#[test]
fn waits_and_runs_are_told_by_key() {
    let test = test(Sampling::Exact);
    let first = Job::once(|ctx| ctx.sleep(8 * SECOND));
    test.submit_detached("slow", first).expect("accepted");
    test.submit_detached("slow", writes(&Log::default(), "behind")).expect("accepted");
    test.run_until_idle();
    test.submit_detached("quick", writes(&Log::default(), "alone")).expect("accepted");
    test.run_until_idle();
    let timings = test.timings();
    assert_eq!((timings.wait.count(), timings.run.count()), (3, 3));
    assert!(is_about(&timings.wait, 1.0, 8 * SECOND), "{timings:?}");
    assert!(is_about(&timings.run, 1.0, 8 * SECOND), "{timings:?}");
    assert_eq!(timings.wait.quantile(0.5), Some(Duration::ZERO));
    let worst = &timings.keys[0];
    assert_eq!((&worst.key, worst.jobs), (&Key::from("slow"), 2));
    assert_eq!(
        (worst.wait, worst.longest, worst.surplus),
        (8 * SECOND, 8 * SECOND, Duration::ZERO)
    );
}

#[test]
fn a_run_has_its_re_tries_and_a_job_that_never_starts_is_not_measured() {
    let test = test(Sampling::Exact);
    let job = Job::repeatable(|ctx| match ctx.attempt() {
        1 => Err(JobError::new("busy")),
        _ => Ok(()),
    });
    let retried = job.retry(RetryPolicy::constant(1, 5 * SECOND));
    test.submit_detached("k", retried).expect("accepted");
    let cancelled = test.submit("k", writes(&Log::default(), "never")).expect("accepted");
    test.run_until_idle();
    cancelled.cancel();
    test.advance(10 * SECOND);
    let timings = test.timings();
    assert_eq!((timings.wait.count(), timings.run.count()), (1, 1));
    assert!(is_about(&timings.run, 1.0, 5 * SECOND), "{timings:?}");
}

fn measured(test: &Coordinator) -> u64 {
    for key in 0..640_u64 {
        test.submit_detached(key, Job::once(|_| Ok(()))).expect("accepted");
    }
    assert!(test.drain(SECOND).is_ok());
    test.timings().run.count()
}

#[test]
fn one_in_sixty_four_is_measured_unless_told_otherwise() {
    assert_eq!(measured(&test(Sampling::Sparse)), 10);
    assert_eq!(measured(&test(Sampling::Exact)), 640);
    assert_eq!(measured(&test(Sampling::Off)), 0);
}

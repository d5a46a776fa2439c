//! Counters and their invariants at rest.

use laneway::coordinator::OutcomeKind;
use laneway::{Job, JobError};

use crate::support::*;

#[test]
fn at_rest_created_is_the_sum_of_the_outcomes_and_nothing_is_open() {
    let coordinator = coordinator(2);
    let mut handles = Vec::new();
    for job in 0..60 {
        let key = format!("key {}", job % 7);
        let body = Job::repeatable(move |ctx| match job % 4 {
            0 => Ok(()),
            1 => Err(JobError::new("no")),
            2 if ctx.attempt() == 1 => Err(JobError::conflict("stale")),
            2 => Ok(()),
            _ => panic!("ouch"),
        });
        handles.push(submit(&coordinator, &key, body.retry(retries(1))));
        coordinator.submit_detached("plain", Job::once(|_| Ok(()))).expect("accepted");
    }
    coordinator.drain(LONG).expect("drained");
    let counters = coordinator.counters();
    assert_eq!(counters.created, 120);
    assert_eq!(counters.ended_total(), 120);
    assert_eq!((counters.queued, counters.running), (0, 0));
    assert_eq!(counters.ended(OutcomeKind::Completed), 90);
    assert_eq!(counters.ended(OutcomeKind::Failed), 30);
    assert_eq!((counters.retries, counters.conflicts), (15, 15));
    handles.into_iter().for_each(|handle| drop(end(handle)));
}

#[test]
fn queued_and_running_jobs_are_told_apart() {
    let coordinator = coordinator(2);
    let gate = block_lane(&coordinator, "k");
    let cancelled = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let queued = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let counters = coordinator.counters();
    assert_eq!((counters.running, counters.queued), (1, 2));
    cancelled.cancel();
    assert_eq!(coordinator.counters().queued, 1);
    gate.open();
    value(queued);
    coordinator.drain(LONG).expect("drained");
    assert_eq!(coordinator.counters().ended(OutcomeKind::Cancelled), 1);
}

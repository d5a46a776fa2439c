//! Random jobs against a model that knows only the contract.
//!
//! The model predicts every outcome, how often each body and undo runs, and the order of all of it
//! per key. What depends on time (cancels, timeouts) is left to the other files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use laneway::coordinator::OutcomeKind;
use laneway::{Job, JobError, OnFailure, RetryPolicy};

use crate::support::*;

/// How one attempt ends.
#[derive(Debug, Clone, Copy)]
enum Try {
    Ok,
    Fails,
    Conflicts,
    Panics,
    TokenFails,
    TokenDropped,
}

#[derive(Debug, Clone)]
struct Plan {
    key: u8,
    /// The last one repeats.
    tries: Vec<Try>,
    retries: u32,
    conflicts: u32,
    /// `Some(true)`: the undo succeeds.
    undo: Option<bool>,
    fail_rest: bool,
    once: bool,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let attempt = prop_oneof![
        3 => Just(Try::Ok),
        2 => Just(Try::Fails),
        1 => Just(Try::Conflicts),
        1 => Just(Try::Panics),
        1 => Just(Try::TokenFails),
        1 => Just(Try::TokenDropped),
    ];
    let plan = (
        0..4_u8,
        prop::collection::vec(attempt, 1..4),
        0..3_u32,
        0..3_u32,
        prop::option::of(any::<bool>()),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(|(key, tries, retries, conflicts, undo, fail_rest, once)| Plan {
            key,
            tries,
            retries,
            conflicts,
            undo,
            fail_rest,
            once,
        });
    prop::collection::vec(plan, 1..40)
}

/// What the contract says about one job that gets its turn: its log lines and its outcome.
fn predict(index: usize, plan: &Plan) -> (Vec<String>, OutcomeKind) {
    let mut lines = Vec::new();
    let (mut retries, mut conflicts) = (plan.retries, plan.conflicts);
    for attempt in 1.. {
        lines.push(format!("{index} run {attempt}"));
        let budget = match plan.tries[plan.tries.len().min(attempt) - 1] {
            Try::Ok => return (lines, OutcomeKind::Completed),
            Try::Panics => None,
            Try::Conflicts => Some(&mut conflicts),
            Try::Fails | Try::TokenFails | Try::TokenDropped => Some(&mut retries),
        };
        match budget.filter(|left| **left > 0 && !plan.once) {
            Some(left) => *left -= 1,
            None => break,
        }
    }
    let kind = match plan.undo {
        None => OutcomeKind::Failed,
        Some(succeeds) => {
            lines.push(format!("{index} undo"));
            if succeeds { OutcomeKind::RolledBack } else { OutcomeKind::DoubleFault }
        }
    };
    (lines, kind)
}

fn job(index: usize, plan: &Plan, log: &Log) -> Job<()> {
    let (of_body, tries) = (log.clone(), plan.tries.clone());
    let body = move |ctx: &mut laneway::JobContext<'_>| {
        let attempt = ctx.attempt() as usize;
        of_body.add(format!("{index} run {attempt}"));
        match tries[tries.len().min(attempt) - 1] {
            Try::Ok => {
                let token = ctx.defer();
                std::thread::spawn(move || token.succeed());
                Ok(())
            }
            Try::Fails => Err(JobError::new("fails")),
            Try::Conflicts => Err(JobError::conflict("conflicts")),
            Try::Panics => panic!("panics"),
            Try::TokenFails => {
                let token = ctx.defer();
                std::thread::spawn(move || token.fail(JobError::new("token fails")));
                Ok(())
            }
            Try::TokenDropped => {
                drop(ctx.defer());
                Ok(())
            }
        }
    };
    let mut job = if plan.once { Job::once(body) } else { Job::repeatable(body) };
    job = job.retry(RetryPolicy { conflicts: plan.conflicts, ..retries(plan.retries) });
    if plan.fail_rest {
        job = job.on_failure(OnFailure::FailRest);
    }
    if let Some(succeeds) = plan.undo {
        let of_undo = log.clone();
        job = job.undo(move |_| {
            of_undo.add(format!("{index} undo"));
            if succeeds { Ok(()) } else { Err(JobError::new("undo fails")) }
        });
    }
    job
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_job_ends_as_the_contract_says(plans in plans()) {
        // One worker per blocked lane, and one more.
        let coordinator = coordinator(5);
        let mut logs: BTreeMap<u8, Log> = BTreeMap::new();
        let gates: Vec<Gate> =
            (0..4_u8).map(|key| block_lane(&coordinator, &key.to_string())).collect();
        let mut handles = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let log = logs.entry(plan.key).or_default();
            handles.push(submit(&coordinator, &plan.key.to_string(), job(index, plan, log)));
        }
        gates.iter().for_each(Gate::open);
        coordinator.drain(LONG).expect("drained");

        let mut expected: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        let mut failed: BTreeMap<u8, bool> = BTreeMap::new();
        for ((index, plan), handle) in plans.iter().enumerate().zip(handles) {
            let failed = failed.entry(plan.key).or_default();
            let outcome = end(handle);
            if *failed {
                let cause = outcome.cause().cloned();
                prop_assert!(matches!(cause, Some(JobError::Predecessor)), "{index}: {outcome:?}");
                continue;
            }
            let (lines, kind) = predict(index, plan);
            prop_assert_eq!(outcome.kind(), kind, "job {}", index);
            expected.entry(plan.key).or_default().extend(lines);
            *failed = plan.fail_rest && kind != OutcomeKind::Completed;
        }
        for (key, log) in &logs {
            prop_assert_eq!(log.entries(), expected.get(key).cloned().unwrap_or_default());
        }
        let counters = coordinator.counters();
        prop_assert_eq!(counters.created, counters.ended_total());
        prop_assert_eq!((counters.queued, counters.running), (0, 0));
    }
}

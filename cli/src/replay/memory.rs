//! The replay in memory: a job of the coordinator for each event.
//!
//! Attempts that were made to fail are tried again for ever (each may fail with a probability
//! below one); a failure of the replay itself ends the job, and the comparison shows what it did.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use laneway::coordinator::Verdict;
use laneway::{
    Coordinator, Job, JobError, JobHandle, JobOutcome, Key, Pool, PoolConfig, RetryPolicy,
};

use super::ReplayError;
use super::delay::delay;
use super::report::{Report, Tally};
use super::step::{StepError, Steps};

/// So many jobs are submitted ahead of the oldest one that has not ended.
const AHEAD_MAX: usize = 64 * 1024;

/// Runs all events and answers with what became of them.
pub(crate) fn run(steps: &Arc<Steps>, jobs: u16, report: &Report) -> Result<Tally, ReplayError> {
    let pool = Pool::with_config(PoolConfig { workers: jobs.into(), ..PoolConfig::default() })
        .map_err(|why| ReplayError::Pool(why.to_string()))?;
    let coordinator = Coordinator::new(&pool);
    let mut tally = Tally::new(steps.plan.events.len());
    let mut ahead = VecDeque::new();
    for index in 0..steps.plan.events.len() {
        if ahead.len() == AHEAD_MAX {
            settle(steps, &mut ahead, &mut tally, report);
        }
        let key = Key::from(steps.plan.key(&steps.plan.events[index]));
        let handle = coordinator
            .submit(key, job(steps, &pool, index))
            .map_err(|refused| ReplayError::Pool(refused.to_string()))?;
        ahead.push_back((index, handle));
    }
    while !ahead.is_empty() {
        settle(steps, &mut ahead, &mut tally, report);
    }
    Ok(tally)
}

/// The body counts its own attempts: the count comes back with its success.
fn job(steps: &Arc<Steps>, pool: &Pool, index: usize) -> Job<u64> {
    let (steps, pool) = (steps.clone(), pool.clone());
    let mut attempt = 0;
    Job::future(move |_| {
        attempt += 1;
        let (steps, pool) = (steps.clone(), pool.clone());
        async move {
            let fate = steps.faults.fate(index, attempt);
            delay(&pool, fate.delay).await;
            steps.attempt(index, fate.fail).map_err(JobError::new)?;
            Ok(attempt)
        }
    })
    .retry(policy())
}

fn policy() -> RetryPolicy {
    let classify = |error: &JobError| match error {
        JobError::Failed(why) if matches!(why.downcast_ref(), Some(StepError::Injected(_))) => {
            Verdict::Retry
        }
        _ => Verdict::GiveUp,
    };
    RetryPolicy {
        retries: u32::MAX,
        delay_base: Duration::from_millis(1),
        delay_max: Duration::from_millis(50),
        classify: Some(Arc::new(classify)),
        ..RetryPolicy::default()
    }
}

/// Waits for the oldest job and counts what became of it.
fn settle(
    steps: &Steps,
    ahead: &mut VecDeque<(usize, JobHandle<u64>)>,
    tally: &mut Tally,
    report: &Report,
) {
    let Some((index, handle)) = ahead.pop_front() else { return };
    let outcome = handle.wait().expect("the caller is no worker, so it can wait");
    match outcome {
        JobOutcome::Completed(attempts) => tally.completed(attempts),
        bad => {
            tally.failed();
            report.failed(&steps.plan, index, &format!("{bad:?}"));
        }
    }
    report.progress(tally);
}

//! The replay in memory: a job of the coordinator for each event, submitted in order.

use std::collections::VecDeque;
use std::sync::Arc;

use laneway::{Coordinator, JobHandle, JobOutcome, Key, Pool, PoolConfig};

use super::ReplayError;
use super::job::{self, job};
use super::report::{Report, Tally};
use super::step::Steps;

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
    job::end(&pool)?;
    Ok(tally)
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
        JobOutcome::Completed(attempts) => {
            tally.completed(attempts);
            report.completed(&steps.plan, index, attempts);
        }
        bad => {
            tally.failed();
            report.failed(&steps.plan, index, &format!("{bad:?}"));
        }
    }
    report.progress(tally);
}

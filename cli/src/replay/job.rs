//! The job of one event, as the coordinator runs it.
//!
//! Attempts that were made to fail are tried again for ever (each may fail with a probability
//! below one); a failure of the replay itself ends the job, and the comparison shows what it did.

use std::sync::Arc;
use std::time::Duration;

use laneway::coordinator::Verdict;
use laneway::{Job, JobError, Pool, RetryPolicy, Shutdown};

use super::ReplayError;
use super::delay::delay;
use super::step::{StepError, Steps};

/// How long what is left may take when all jobs have ended.
pub(crate) const SHUTDOWN_MAX: Duration = Duration::from_secs(60);

/// The job of event `index`. Its value is the number of attempts that it took.
pub(crate) fn job(steps: &Arc<Steps>, pool: &Pool, index: usize) -> Job<u64> {
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

/// Ends the pool when all jobs have ended: then nobody but the caller holds the steps, and every
/// callback has run.
pub(crate) fn end(pool: &Pool) -> Result<(), ReplayError> {
    match pool.shutdown(Shutdown::Drain, SHUTDOWN_MAX) {
        Ok(_) => Ok(()),
        Err(why) => Err(ReplayError::Pool(why.to_string())),
    }
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

//! A run that lives and dies with its process: every job is submitted to a coordinator at once.
//!
//! The crew begins when all of them are: so a `fail-rest` job takes along every job behind it in
//! the file, however fast it fails.

use std::sync::Arc;

use laneway::{Coordinator, OnFailure, Pool};

use super::RunError;
use super::board::Leftovers;
use super::crew::Crew;
use super::job_file::OnFail;
use super::jobs::Jobs;
use super::ready::when_ready;

/// Runs every job; answers the exit code.
pub(crate) fn run(pool: &Pool, crew: Crew, jobs: &Arc<Jobs>) -> Result<u8, RunError> {
    let coordinator = Coordinator::new(pool);
    for (job, spec) in jobs.plan.jobs.iter().enumerate() {
        let on_failure = match spec.on_fail {
            OnFail::Continue => OnFailure::Continue,
            OnFail::Hold => OnFailure::Hold,
            OnFail::FailRest => OnFailure::FailRest,
        };
        let submitted = coordinator.submit(spec.key.as_str(), jobs.job(job).on_failure(on_failure));
        let handle = submitted.map_err(|error| RunError::Submit(error.to_string()))?;
        let jobs = Arc::clone(jobs);
        when_ready(handle, move |outcome| jobs.board.end(job, &jobs.outcome(job, &outcome)));
    }
    crew.open();
    jobs.board.wait();
    // Every command that was started is over when the crew is.
    drop(crew);
    Ok(jobs.board.finish(Leftovers::End))
}

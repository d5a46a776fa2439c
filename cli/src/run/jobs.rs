//! From the file's jobs to the library's: each becomes a job of the coordinator under its key.
//!
//! The coordinator keeps the order, counts the attempts, waits between them, and says when to undo.
//! A body only hands its command to the crew and leaves a token behind, which the crew's thread
//! finishes when the command is over: no worker of the pool is held meanwhile.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use laneway::coordinator::Jitter;
use laneway::{Job, JobError, JobOutcome, RetryPolicy, Token};

use super::board::Board;
use super::command::Stop;
use super::crew::Desk;
use super::job_file::{JobSpec, OnFail};
use super::launcher::{Began, Errand, Finished, Launcher};
use super::outcome::{Cause, Outcome};
use super::output::Phase;
use super::plan::Plan;

/// The longest wait between two attempts, unless the first is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// What the commands of all jobs need.
pub(crate) struct Jobs {
    pub(crate) plan: Arc<Plan>,
    pub(crate) board: Arc<Board>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) launcher: Launcher,
}

impl Jobs {
    /// The job as the coordinator takes it; what its failure means for its key is left open.
    pub(crate) fn job(self: &Arc<Jobs>, job: usize) -> Job<()> {
        let spec = &self.plan.jobs[job];
        let jobs = Arc::clone(self);
        let body = Job::repeatable(move |context| {
            jobs.hand_in(job, Phase::Run, context.attempt(), context.defer());
            Ok(())
        });
        let body = body.retry(policy(spec));
        if spec.undo.is_none() {
            return body;
        }
        let jobs = Arc::clone(self);
        body.undo(move |context| {
            jobs.hand_in(job, Phase::Undo, context.attempts(), context.defer());
            Ok(())
        })
    }

    /// What the coordinator's outcome says about a job of the file.
    pub(crate) fn outcome(&self, job: usize, outcome: &JobOutcome<()>) -> Outcome {
        let cause = |error: &JobError| self.cause(job, error);
        match outcome {
            JobOutcome::Completed(()) => Outcome::Completed,
            JobOutcome::RolledBack { cause: error } => Outcome::RolledBack { cause: cause(error) },
            JobOutcome::Failed { cause: error } => Outcome::Failed { cause: cause(error) },
            JobOutcome::DoubleFault { cause: error, rollback } => {
                Outcome::DoubleFault { cause: cause(error), rollback: cause(rollback) }
            }
            JobOutcome::Cancelled { started } => Outcome::Cancelled { started: *started },
            JobOutcome::Expired => Outcome::Expired,
            JobOutcome::Skipped => Outcome::Skipped,
            JobOutcome::Superseded => Outcome::Superseded,
            JobOutcome::Lost => Outcome::Lost,
        }
    }

    fn cause(&self, job: usize, error: &JobError) -> Cause {
        let spec = &self.plan.jobs[job];
        match (error, spec.timeout) {
            (JobError::Failed(error), _) if error.is::<Cause>() => {
                error.downcast_ref::<Cause>().expect("just asked").clone()
            }
            (JobError::TimedOut, Some(timeout)) => {
                Cause::Timeout { timeout_ms: timeout.as_millis() as u64 }
            }
            (JobError::Predecessor, _) => Cause::Predecessor { id: self.predecessor(job) },
            (other, _) => Cause::System { message: other.to_string() },
        }
    }

    /// The nearest job ahead in the key whose failure takes the rest along.
    fn predecessor(&self, job: usize) -> String {
        let ahead = std::iter::successors(self.plan.previous(job), |&job| self.plan.previous(job));
        let mut specs = ahead.map(|job| &self.plan.jobs[job]);
        specs.find(|spec| spec.on_fail == OnFail::FailRest).map_or(String::new(), |s| s.id.clone())
    }

    fn hand_in(self: &Arc<Jobs>, job: usize, phase: Phase, attempt: u32, token: Token) {
        let jobs = Arc::clone(self);
        self.desk.hand_in(move |stop| jobs.carry_out(job, phase, attempt, token, stop));
    }

    /// Runs one command on a thread of the crew, tells the board, and finishes the token.
    fn carry_out(&self, job: usize, phase: Phase, attempt: u32, token: Token, stop: &Stop) {
        let may_run = match (phase, attempt) {
            (Phase::Run, 1) => self.board.begin(job),
            _ => Ok(self.board.goes_on(job)),
        };
        if let Err(overlap) = &may_run {
            self.abort(overlap);
        }
        if may_run != Ok(true) {
            // No cause to try again or to undo anything: nothing was done.
            return token.fail(JobError::Cancelled);
        }
        let spec = &self.plan.jobs[job];
        let mut had_ended = false;
        let ran = self.launcher.run(Errand { job: spec, phase, attempt }, stop, |began| {
            had_ended = began == Began::AndEnded;
            self.board.began(job, phase, attempt, began);
        });
        match ran {
            Ok(Finished { end: Ok(()), .. }) => token.succeed(),
            Ok(Finished { end: Err(cause), tail }) => {
                let again = phase == Phase::Run && attempt <= spec.retries;
                // An earlier run has told of what had ended then.
                self.board.failed(job, attempt, &cause, tail, again && !had_ended);
                token.fail(match cause {
                    Cause::Timeout { .. } => JobError::TimedOut,
                    Cause::Stopped => JobError::Cancelled,
                    cause => JobError::new(cause),
                });
            }
            Err(error) => {
                self.abort(&error);
                token.fail(JobError::Cancelled);
            }
        }
    }

    /// Stops the run: what it would do next cannot be right.
    pub(crate) fn abort(&self, why: &dyn Display) {
        self.board.abort(why);
        self.desk.stop();
    }
}

fn policy(spec: &JobSpec) -> RetryPolicy {
    RetryPolicy {
        retries: spec.retries,
        delay_base: spec.backoff,
        factor: 2,
        delay_max: spec.backoff.max(BACKOFF_MAX),
        jitter: Jitter::None,
        ..RetryPolicy::default()
    }
}

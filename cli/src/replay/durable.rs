//! The replay with a state directory: a persistent task for each event.
//!
//! A task's lane is its key, so the store itself says whose turn it is (T16); its executor runs the
//! same job as the replay in memory, and completes the task with what became of it. Records are
//! kept when they have ended: a run that resumes finds them and does not start them again.
//!
//! ```text
//! task assigned ─► job (retries, delays) ─► outcome ─► complete ─► commit ─► `recorded` in the journal
//! ```

use std::sync::Arc;

use laneway::service::{
    Executor, Pending, Progress, TaskConfig, TaskContext, TaskError, TaskService,
};
use laneway::store::Store;
use laneway::task::{Failure, NewTask, Policies, Started};
use laneway::{Coordinator, JobOutcome, Key, Pool, PoolConfig};

use super::ReplayError;
use super::job::{self, SHUTDOWN_MAX, job};
use super::journal::Entry;
use super::report::{Report, Tally};
use super::step::Steps;

/// The name of the executor, in every record.
const EXECUTOR: &str = "replay";

/// So many starts are under way at a time.
const STARTS_MAX: usize = 16 * 1024;

/// Runs all events that have not ended, and answers with what became of all.
pub(crate) fn run(
    steps: &Arc<Steps>,
    store: impl Store,
    jobs: u16,
    report: &Report,
) -> Result<Tally, ReplayError> {
    let pool = Pool::with_config(PoolConfig { workers: jobs.into(), ..PoolConfig::default() })
        .map_err(|why| ReplayError::Pool(why.to_string()))?;
    let tasks = TaskService::open(&pool, store, TaskConfig::default())?;
    let mut tally = Tally::new(steps.plan.events.len());
    let ended_before = note_known(steps, &tasks)?;
    tally.ended_before = ended_before.iter().filter(|ended| **ended).count() as u64;
    report.resumed(&tally);

    tasks.register(EXECUTOR, Replayer::new(steps, &pool))?;
    start_all(steps, &tasks)?;
    for (index, ended_before) in ended_before.into_iter().enumerate() {
        let ended = tasks.end_of(id(index)).wait()?;
        match parse_result(&ended.result) {
            Ok(attempts) => {
                tally.completed(attempts);
                if !ended_before {
                    report.completed(&steps.plan, index, attempts);
                }
            }
            Err(cause) => {
                tally.failed();
                report.failed(&steps.plan, index, &cause);
            }
        }
        report.progress(&tally);
    }
    tasks.shutdown(SHUTDOWN_MAX);
    drop(tasks);
    job::end(&pool)?;
    Ok(tally)
}

/// Ids sort as the events do.
fn id(index: usize) -> String {
    format!("{index:010}")
}

/// Notes the ends that an earlier run recorded and was killed before it noted them; answers which
/// jobs have ended.
fn note_known(steps: &Steps, tasks: &TaskService) -> Result<Vec<bool>, ReplayError> {
    let known = tasks.snapshot();
    let mut ended_before = Vec::with_capacity(steps.plan.events.len());
    for index in 0..steps.plan.events.len() {
        let has_ended = known.get(&id(index)).is_some_and(|record| record.has_ended());
        if has_ended {
            steps.note(Entry::Recorded, index)?;
        }
        ended_before.push(has_ended);
    }
    Ok(ended_before)
}

/// Starts what has no record yet, in the order of the plan: that is the order of each lane.
fn start_all(steps: &Steps, tasks: &TaskService) -> Result<(), ReplayError> {
    let known = tasks.snapshot();
    let policies = Arc::new(Policies { remove_on_completion: false, ..Policies::default() });
    let mut under_way: Vec<Pending<Started>> = Vec::new();
    for (index, event) in steps.plan.events.iter().enumerate() {
        if known.get(&id(index)).is_some() {
            continue;
        }
        let task = NewTask::new(id(index), EXECUTOR)
            .params(steps.plan.path(event))
            .lane(steps.plan.key(event))
            .policies(policies.clone());
        under_way.push(tasks.start(task));
        if under_way.len() == STARTS_MAX {
            acknowledge(&mut under_way)?;
        }
    }
    acknowledge(&mut under_way)
}

fn acknowledge(under_way: &mut Vec<Pending<Started>>) -> Result<(), ReplayError> {
    for start in under_way.drain(..) {
        start.wait()?;
    }
    Ok(())
}

/// Runs a task as a job of the coordinator.
struct Replayer {
    steps: Arc<Steps>,
    pool: Pool,
    coordinator: Coordinator,
}

impl Replayer {
    fn new(steps: &Arc<Steps>, pool: &Pool) -> Self {
        Self { steps: steps.clone(), pool: pool.clone(), coordinator: Coordinator::new(pool) }
    }

    /// The event of a task; `None` when the task is none of ours.
    fn index(&self, task: &TaskContext) -> Option<usize> {
        task.id().as_str().parse().ok().filter(|index| *index < self.steps.plan.events.len())
    }
}

impl Executor for Replayer {
    fn start(&self, task: &TaskContext) -> Result<Progress, Failure> {
        let index = self.index(task).ok_or_else(|| Failure::start("no event of this plan"))?;
        let key = Key::from(self.steps.plan.key(&self.steps.plan.events[index]));
        let handle = self
            .coordinator
            .submit(key, job(&self.steps, &self.pool, index))
            .map_err(|refused| Failure::start(refused.to_string()))?;
        let completion = task.defer();
        let steps = self.steps.clone();
        handle.on_done(move |outcome| {
            completion.complete(result_of(outcome).into_bytes()).on_done(move |answer| {
                if answer.is_ok() {
                    // A line that is missing weakens the audit of this job; the next run adds it.
                    let _ = steps.note(Entry::Recorded, index);
                }
            });
        });
        Ok(Progress::Deferred)
    }
}

/// What a record keeps of a job: its attempts, or why it failed.
fn result_of(outcome: JobOutcome<u64>) -> String {
    match outcome {
        JobOutcome::Completed(attempts) => format!("completed {attempts}"),
        JobOutcome::Failed { cause } => format!("failed {cause}"),
        other => format!("failed {other:?}"),
    }
}

fn parse_result(result: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(result);
    match text.strip_prefix("completed ").and_then(|attempts| attempts.parse().ok()) {
        Some(attempts) => Ok(attempts),
        None => Err(text.strip_prefix("failed ").unwrap_or("an unknown end").to_owned()),
    }
}

impl From<TaskError> for ReplayError {
    fn from(why: TaskError) -> Self {
        Self::Task(why)
    }
}

#[cfg(test)]
mod tests {
    use laneway::JobError;

    use super::*;

    #[test]
    fn results_read_back_as_they_were_written() {
        assert_eq!(parse_result(result_of(JobOutcome::Completed(3)).as_bytes()), Ok(3));
        let failed = JobOutcome::Failed { cause: JobError::new("no room") };
        assert_eq!(parse_result(result_of(failed).as_bytes()), Err("no room".to_owned()));
        assert_eq!(parse_result(b"?"), Err("an unknown end".to_owned()));
    }
}

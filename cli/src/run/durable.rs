//! A run with a state directory: every job is a persistent task of the library, in the lane of its
//! key, and the task's result is the job's outcome.
//!
//! ```text
//!  start all (durable) ─► the library assigns the head of each lane ─► take ─► coordinator ─► crew
//!                                    ▲                                              │
//!                                    └── end is committed, then told ◄── complete ◄─┘
//! ```
//!
//! The library assigns a task when the one before it in its lane has a recorded end, so what a
//! failure means for its key ([`Turn`]) follows from recorded ends alone, in this run and in the
//! next. A task whose job did not end here (it is held, or the run stops) is not reported at all:
//! its record stays, and it is assigned again when the directory is next opened.
//!
//! A job begins anew in each run, attempt by attempt; [`kept`](super::kept) answers for the attempts
//! that were made. So nothing but ends is ever written to the records.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laneway::service::{Assignment, Completion, Progress, TaskConfig, TaskContext, TaskService};
use laneway::store::FileStore;
use laneway::task::{NewTask, OnFailure, Phase, Policies, Record};
use laneway::{Coordinator, Pool};

use super::RunError;
use super::board::Leftovers;
use super::crew::Crew;
use super::job_file::{JobSpec, OnFail};
use super::jobs::Jobs;
use super::outcome::{Cause, Outcome};
use super::ready::when_ready;
use super::state_dir::StateDir;

/// The executor's name in the records.
const EXECUTOR: &str = "laneway-run/1";

/// How many starts are under way together: enough to share commits, few enough to be accepted.
const STARTS_AT_ONCE: usize = 16 * 1024;

/// What the bodies of the tasks need.
struct Durable {
    pool: Pool,
    coordinator: Coordinator,
    jobs: Arc<Jobs>,
    state: Arc<StateDir>,
    job_of_id: HashMap<String, usize>,
    released: HashSet<String>,
    ends: Mutex<Vec<Option<End>>>,
    /// The right to report ends that will not be reported: kept until the service has ended,
    /// because giving one up is a report too.
    unreported: Mutex<Vec<Completion>>,
}

/// How a job has ended, and whether in this run.
struct End {
    outcome: Outcome,
    here: bool,
}

/// What is to be done with the head of a lane.
#[derive(Debug, PartialEq)]
enum Turn {
    Run,
    /// It fails because this job did.
    Fail {
        predecessor: String,
    },
    /// It stays where it is.
    Hold,
}

/// Runs every job that has no recorded end; answers the exit code.
pub(crate) fn run(
    pool: &Pool,
    crew: Crew,
    jobs: &Arc<Jobs>,
    state: &Arc<StateDir>,
    released: &[String],
) -> Result<u8, RunError> {
    let store = FileStore::open(state.tasks()).map_err(|error| RunError::Open(error.into()))?;
    let config = TaskConfig { assignment: Assignment::None, ..TaskConfig::default() };
    let service = TaskService::open(pool, store, config).map_err(RunError::Open)?;
    let specs = jobs.plan.jobs.iter().enumerate();
    let durable = Arc::new(Durable {
        pool: pool.clone(),
        coordinator: Coordinator::new(pool),
        jobs: Arc::clone(jobs),
        state: Arc::clone(state),
        job_of_id: specs.map(|(job, spec)| (spec.id.clone(), job)).collect(),
        released: released.iter().cloned().collect(),
        ends: Mutex::new(jobs.plan.jobs.iter().map(|_| None).collect()),
        unreported: Mutex::default(),
    });
    let body = Arc::clone(&durable);
    service
        .register(EXECUTOR, move |task: &TaskContext| {
            body.take(task.id().as_str(), task.defer());
            Ok(Progress::Deferred)
        })
        .map_err(RunError::Tasks)?;
    durable.start_all(&service)?;
    durable.read_ends(&service);
    crew.open();
    service.set_assignment(Assignment::All);
    jobs.board.wait();
    // Every command that was started is over when the crew is.
    drop(crew);
    let code = jobs.board.finish(Leftovers::Stay);
    // Every end that was told is committed; what is left has not ended.
    service.shutdown(Duration::ZERO);
    durable.unreported().clear();
    Ok(code)
}

impl Durable {
    /// Makes a task of every job, in the order of the file, which is the order of the lanes. After
    /// a crash in the middle of this, the first so many are there.
    fn start_all(&self, service: &TaskService) -> Result<(), RunError> {
        let policies = Arc::new(Policies {
            on_failure: OnFailure::Park,
            remove_on_completion: false,
            ..Policies::default()
        });
        let known = service.snapshot();
        let new = |spec: &&JobSpec| known.get(&spec.id).is_none();
        let new: Vec<&JobSpec> = self.jobs.plan.jobs.iter().filter(new).collect();
        for some in new.chunks(STARTS_AT_ONCE) {
            let tasks = some.iter().map(|spec| {
                NewTask::new(spec.id.as_str(), EXECUTOR)
                    .params(spec.line_text().into_bytes())
                    .lane(spec.lane())
                    .policies(Arc::clone(&policies))
            });
            for started in service.start_many(tasks) {
                started.wait().map_err(RunError::Tasks)?;
            }
        }
        Ok(())
    }

    /// Tells the board which jobs had ended, and which are held by those.
    fn read_ends(&self, service: &TaskService) {
        let snapshot = service.snapshot();
        for (job, spec) in self.jobs.plan.jobs.iter().enumerate() {
            let Some(outcome) = snapshot.get(&spec.id).and_then(|record| recorded(record)) else {
                continue;
            };
            self.jobs.board.recorded(job, &outcome);
            self.ends()[job] = Some(End { outcome, here: false });
            // Left by a run that ended between its commit and its cleaning up. If it cannot be
            // removed it is in nobody's way: the job never runs again.
            let _ = self.state.forget_attempts(&spec.id);
        }
        for key in &self.jobs.plan.keys {
            let head = key.jobs.iter().find(|&&job| self.ends()[job].is_none());
            if let Some(&head) = head
                && let Some(previous) = self.jobs.plan.previous(head)
                && self.turn(head) == Some(Turn::Hold)
            {
                self.jobs.board.hold_behind(previous);
            }
        }
    }

    /// Takes the head of a lane.
    fn take(self: &Arc<Durable>, id: &str, completion: Completion) {
        let Some(&job) = self.job_of_id.get(id) else {
            // A record that is not of this job file: somebody else's, left alone.
            return self.unreported().push(completion);
        };
        let Some(turn) = self.turn(job) else {
            self.unreported().push(completion);
            return self
                .jobs
                .abort(&format!("job {id:?} was begun before the end of the one before"));
        };
        match turn {
            Turn::Run => self.submit(job, completion),
            Turn::Fail { predecessor } => {
                let cause = Cause::Predecessor { id: predecessor };
                self.report(job, completion, Outcome::Failed { cause });
            }
            Turn::Hold => self.unreported().push(completion),
        }
    }

    /// What the end of the job before it means for this one; `None` while that has not ended.
    fn turn(&self, job: usize) -> Option<Turn> {
        let Some(previous) = self.jobs.plan.previous(job) else { return Some(Turn::Run) };
        let ends = self.ends();
        let end = ends[previous].as_ref()?;
        let spec = &self.jobs.plan.jobs[previous];
        Some(match (&end.outcome, spec.on_fail) {
            (Outcome::Completed, _) => Turn::Run,
            (Outcome::Failed { cause: Cause::Predecessor { id } }, _) => {
                Turn::Fail { predecessor: id.clone() }
            }
            (_, OnFail::Continue) => Turn::Run,
            (_, OnFail::FailRest) => Turn::Fail { predecessor: spec.id.clone() },
            (_, OnFail::Hold) => {
                let released = !end.here && self.released.contains(&spec.key);
                // One that was begun was released before.
                let begun = || self.state.was_begun(&self.jobs.plan.jobs[job].id);
                if released || begun() { Turn::Run } else { Turn::Hold }
            }
        })
    }

    fn submit(self: &Arc<Durable>, job: usize, completion: Completion) {
        let key = self.jobs.plan.jobs[job].key.as_str();
        match self.coordinator.submit(key, self.jobs.job(job)) {
            Ok(handle) => {
                let durable = Arc::clone(self);
                when_ready(handle, move |outcome| {
                    if durable.jobs.board.goes_on(job) {
                        let outcome = durable.jobs.outcome(job, &outcome);
                        durable.report(job, completion, outcome);
                    } else {
                        durable.unreported().push(completion);
                    }
                });
            }
            Err(error) => {
                self.unreported().push(completion);
                self.jobs.abort(&error);
            }
        }
    }

    /// Has the end recorded; it is told when that is durable.
    fn report(self: &Arc<Durable>, job: usize, completion: Completion, outcome: Outcome) {
        let result = serde_json::to_vec(&outcome).expect("an outcome has a JSON form");
        self.ends()[job] = Some(End { outcome: outcome.clone(), here: true });
        let durable = Arc::clone(self);
        when_ready(completion.complete(result), move |recorded| match recorded {
            Ok(()) => {
                durable.jobs.board.end(job, &outcome);
                let (state, jobs) = (Arc::clone(&durable.state), Arc::clone(&durable.jobs));
                // If it fails, or this process ends first, the next run does it.
                durable.pool.spawn(move || {
                    let _ = state.forget_attempts(&jobs.plan.jobs[job].id);
                });
            }
            Err(error) => durable.jobs.abort(&error),
        });
    }

    fn ends(&self) -> MutexGuard<'_, Vec<Option<End>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreported(&self) -> MutexGuard<'_, Vec<Completion>> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome that a record tells, if its task is over.
fn recorded(record: &Record) -> Option<Outcome> {
    let Phase::Ended(ending) = &record.phase else { return None };
    Some(match serde_json::from_slice(&ending.result) {
        Ok(outcome) => outcome,
        // Ended by somebody else, who cannot have run it.
        Err(_) => Outcome::Cancelled { started: false },
    })
}

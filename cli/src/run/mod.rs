//! `laneway run`: a file of keyed commands, in order per key and in parallel across keys.
//!
//! ```text
//!  job_file ─► plan ─► jobs ─► coordinator ─(body)─► crew ─► launcher ─► command
//!                        ▲                                                  │
//!          interrupt ─► board ◄───────── starts, failures, ends ────────────┘
//!                        └─► event, report ─► sink (JSON, plain, progress)
//! ```
//!
//! The coordinator of the library decides (order, attempts, backoff, undo, outcome); the crew's
//! threads run the commands, as many at once as `--jobs` says; the board knows where every job
//! stands and tells it. The exit code is a pure rule over the board's counts.
//!
//! What users may rely on (fields, events, codes, the state directory) is in `docs/run.md`.

mod args;
mod board;
mod command;
mod crew;
mod durable;
mod event;
mod exit;
mod interrupt;
mod job_file;
mod jobs;
mod kept;
mod launcher;
mod memory;
mod outcome;
mod output;
mod plan;
mod progress;
mod ready;
mod report;
mod sink;
mod state_dir;
mod tally;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use laneway::pool::PoolError;
use laneway::service::TaskError;
use laneway::{Pool, Shutdown};

pub(crate) use args::Args;
use board::{Board, Flow};
use crew::Crew;
use event::Event;
use interrupt::Interrupts;
use job_file::{JobFileError, JobSpec};
use jobs::Jobs;
use launcher::Launcher;
use output::Outputs;
use plan::Plan;
use sink::Sink;
use state_dir::{StateDir, StateError};

/// How long the library may take to put down what a finished run has left to it.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Runs the sub-command.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            crate::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why a run did not come to an end of its own.
#[derive(Debug)]
#[non_exhaustive]
enum RunError {
    /// The job file is wrong.
    JobFile(JobFileError),
    /// No job of the file has this key, which is to be released.
    NoSuchKey(String),
    /// A file or folder that the command line names cannot be used.
    Path { path: PathBuf, error: io::Error },
    /// The state directory cannot be used.
    State(StateError),
    /// The tasks in the state directory cannot be opened; nothing ran.
    Open(TaskError),
    /// The tasks in the state directory cannot be read or written any more.
    Tasks(TaskError),
    /// Threads, signals or descriptors could not be had.
    System(io::Error),
    /// The library's pool could not be started.
    Pool(PoolError),
    /// The coordinator did not take a job.
    Submit(String),
}

impl RunError {
    fn exit_code(&self) -> u8 {
        match self {
            RunError::JobFile(_)
            | RunError::NoSuchKey(_)
            | RunError::Path { .. }
            | RunError::State(_)
            | RunError::Open(_) => exit::USAGE,
            RunError::Tasks(_) | RunError::System(_) | RunError::Pool(_) | RunError::Submit(_) => {
                exit::UNFINISHED
            }
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::JobFile(error) => write!(f, "{error}"),
            RunError::NoSuchKey(key) => write!(f, "--release {key:?}: no job has this key"),
            RunError::Path { path, error } => write!(f, "{}: {error}", path.display()),
            RunError::State(error) => write!(f, "{error}"),
            RunError::Open(error) | RunError::Tasks(error) => {
                write!(f, "the state directory: {error}")
            }
            RunError::System(error) => write!(f, "the run could not begin: {error}"),
            RunError::Pool(error) => write!(f, "the run could not begin: {error}"),
            RunError::Submit(error) => write!(f, "the run could not begin: {error}"),
        }
    }
}

fn run(args: &Args) -> Result<u8, RunError> {
    let plan = Arc::new(Plan::new(read(&args.file)?));
    let has_key = |name: &String| plan.keys.iter().any(|key| key.name == *name);
    if let Some(key) = args.release.iter().find(|name| !has_key(name)) {
        return Err(RunError::NoSuchKey(key.clone()));
    }
    if args.dry_run {
        return Ok(show(&plan, Sink::lines(args.json)));
    }
    let state = args.state.as_deref().map(|root| StateDir::open(root, &plan.jobs));
    let state = state.transpose().map_err(RunError::State)?.map(Arc::new);
    let launcher = launcher(args, state.as_ref())?;
    let sink = Sink::for_run(args.json, plan.jobs.len());
    let board = Arc::new(Board::new(Arc::clone(&plan), sink));
    let crew = Crew::new(crew_size(args, &plan)).map_err(RunError::System)?;
    let _interrupts = heed_signals(&board, &crew)?;
    let jobs = Arc::new(Jobs { plan, board, desk: Arc::clone(crew.desk()), launcher });

    let pool = Pool::new().map_err(RunError::Pool)?;
    let code = match &state {
        None => memory::run(&pool, crew, &jobs),
        Some(state) => durable::run(&pool, crew, &jobs, state, &args.release),
    };
    // What is left in the pool is work for jobs that did not begin.
    let _ = pool.shutdown(Shutdown::Cancel, SHUTDOWN_MAX);
    code
}

/// How commands are run, and where their output goes.
fn launcher(args: &Args, state: Option<&Arc<StateDir>>) -> Result<Launcher, RunError> {
    let folder = args.output.clone().or_else(|| state.map(|state| state.output()));
    let outputs = Outputs::new(folder.as_deref())
        .map_err(|error| RunError::Path { path: folder.unwrap_or_default(), error })?;
    Ok(match state {
        None => {
            command::adopt_orphans().map_err(RunError::System)?;
            Launcher::Child(outputs)
        }
        Some(state) => Launcher::Kept { outputs, state: Arc::clone(state) },
    })
}

/// Reads the job file, or standard input.
fn read(file: &Path) -> Result<Vec<JobSpec>, RunError> {
    let read = if file == Path::new("-") {
        job_file::read("<stdin>", &mut io::stdin().lock())
    } else {
        let opened =
            File::open(file).map_err(|error| RunError::Path { path: file.to_owned(), error })?;
        job_file::read(&file.to_string_lossy(), &mut BufReader::new(opened))
    };
    read.map_err(RunError::JobFile)
}

/// Tells what would run, key by key.
fn show(plan: &Plan, mut sink: Sink) -> u8 {
    for key in &plan.keys {
        for &job in &key.jobs {
            sink.event(&Event::planned(&plan.jobs[job]));
        }
    }
    sink.planned(plan.jobs.len(), plan.keys.len());
    exit::OK
}

/// As many threads as commands may run at once, and not more than there can be.
fn crew_size(args: &Args, plan: &Plan) -> usize {
    let wanted = args.jobs.or_else(|| std::thread::available_parallelism().ok());
    wanted.map_or(1, |wanted| wanted.get()).min(plan.keys.len())
}

/// The first signal drains the run, the second stops it.
fn heed_signals(board: &Arc<Board>, crew: &Crew) -> Result<Interrupts, RunError> {
    let (board, desk) = (Arc::clone(board), Arc::clone(crew.desk()));
    let interrupts = Interrupts::listen(move || {
        if board.interrupt() == Flow::Stopped {
            desk.stop();
        }
    });
    interrupts.map_err(RunError::System)
}

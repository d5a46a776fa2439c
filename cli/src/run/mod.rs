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

mod args;
mod board;
mod command;
mod crew;
mod event;
mod exit;
mod interrupt;
mod job_file;
mod jobs;
mod launcher;
mod memory;
mod outcome;
mod output;
mod plan;
mod progress;
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

use laneway::{Coordinator, Pool, Shutdown};

pub(crate) use args::Args;
use board::{Board, Flow, Leftovers};
use crew::Crew;
use event::Event;
use interrupt::Interrupts;
use job_file::{JobFileError, JobSpec};
use jobs::Jobs;
use launcher::Launcher;
use output::Outputs;
use plan::Plan;
use sink::Sink;

/// How long the library may take to put down what a finished run has left to it.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Runs the sub-command.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("laneway: {error}");
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
    /// A file or folder that the command line names cannot be used.
    Path { path: PathBuf, error: io::Error },
    /// Threads, signals or descriptors could not be had.
    System(io::Error),
    /// The library's pool could not be started.
    Pool(laneway::pool::PoolError),
    /// The coordinator did not take a job.
    Submit { id: String, message: String },
}

impl RunError {
    fn exit_code(&self) -> u8 {
        match self {
            RunError::JobFile(_) | RunError::Path { .. } => exit::USAGE,
            RunError::System(_) | RunError::Pool(_) | RunError::Submit { .. } => exit::UNFINISHED,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::JobFile(error) => write!(f, "{error}"),
            RunError::Path { path, error } => write!(f, "{}: {error}", path.display()),
            RunError::System(error) => write!(f, "the run could not begin: {error}"),
            RunError::Pool(error) => write!(f, "the run could not begin: {error}"),
            RunError::Submit { id, message } => write!(f, "job {id:?} was not taken: {message}"),
        }
    }
}

fn run(args: &Args) -> Result<u8, RunError> {
    let plan = Arc::new(Plan::new(read(&args.file)?));
    if args.dry_run {
        return Ok(show(&plan, Sink::lines(args.json)));
    }
    let outputs = Outputs::new(args.output.as_deref())
        .map_err(|error| RunError::Path { path: args.output.clone().unwrap_or_default(), error })?;
    let board = Arc::new(Board::new(Arc::clone(&plan), Sink::for_run(args.json, plan.jobs.len())));
    let crew = Crew::new(crew_size(args, &plan)).map_err(RunError::System)?;
    command::adopt_orphans().map_err(RunError::System)?;
    let _interrupts = heed_signals(&board, &crew)?;

    let pool = Pool::new().map_err(RunError::Pool)?;
    let coordinator = Coordinator::new(&pool);
    let jobs = Arc::new(Jobs {
        plan,
        board: Arc::clone(&board),
        desk: Arc::clone(crew.desk()),
        launcher: Launcher::Child(outputs),
    });
    memory::submit_all(&coordinator, &jobs)?;
    crew.open();
    board.wait();
    // Every command that was started is over when the crew is.
    drop(crew);
    let code = board.finish(Leftovers::End);
    // What is left are jobs that never began; their end says nothing to anybody.
    let _ = pool.shutdown(Shutdown::Cancel, SHUTDOWN_MAX);
    Ok(code)
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

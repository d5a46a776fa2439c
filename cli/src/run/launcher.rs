//! Runs one command of a job from its start to its end.
//!
//! Two ways: as a child of this process, for a run that lives and dies with it; or under a keeper,
//! for a run with a state directory. Both put the output into files and answer with the same data.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use super::command::{Process, Stop, build};
use super::job_file::{JobSpec, Script};
use super::kept;
use super::outcome::Cause;
use super::output::{Outputs, Phase, Streams};
use super::state_dir::StateDir;
use crate::keeper::KeeperError;

/// One command to run: an attempt of a job, or its undo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) job: &'a JobSpec,
    pub(crate) phase: Phase,
    /// Of the attempt, counted from 1; for the undo, of the last attempt before it.
    pub(crate) attempt: u32,
}

/// How a command began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Began {
    /// It runs now, with this process id unless a keeper hides it.
    Now { pid: Option<u32> },
    /// An earlier run started it, and it still runs.
    Before,
    /// An earlier run started it, and it has ended.
    AndEnded,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: Result<(), Cause>,
    /// The last that it printed, if it failed.
    pub(crate) tail: String,
}

/// Runs commands; see the page.
#[derive(Debug)]
pub(crate) enum Launcher {
    Child(Outputs),
    Kept { outputs: Outputs, state: Arc<StateDir> },
}

impl Launcher {
    /// Runs a command and blocks until it and all that it started are over. `began` is called when
    /// it runs, or as soon as it is known that it had run.
    ///
    /// # Errors
    /// What became of a command of an earlier run cannot be known, or it cannot be ended. Then
    /// nothing may run in its place.
    pub(crate) fn run(
        &self,
        errand: Errand<'_>,
        stop: &Stop,
        began: impl FnMut(Began),
    ) -> Result<Finished, KeeperError> {
        match self {
            Launcher::Child(outputs) => Ok(run_child(errand, outputs, stop, began)),
            Launcher::Kept { outputs, state } => kept::run(errand, outputs, state, stop, began),
        }
    }
}

impl Errand<'_> {
    /// The command to run. An undo is run only for jobs that have one.
    pub(crate) fn script(&self) -> &Script {
        match self.phase {
            Phase::Run => &self.job.run,
            Phase::Undo => self.job.undo.as_ref().expect("only a job with an undo is undone"),
        }
    }

    /// Opens the files for its output; what the first of a phase finds there is dropped.
    pub(crate) fn open_output(&self, outputs: &Outputs) -> io::Result<Streams> {
        let fresh = self.phase == Phase::Undo || self.attempt == 1;
        outputs.open(&self.job.id, self.phase, fresh)
    }
}

impl Finished {
    /// With the last of the output, if it failed.
    pub(crate) fn new(end: Result<(), Cause>, streams: &Streams) -> Finished {
        let tail = if end.is_err() { streams.tail() } else { String::new() };
        Finished { end, tail }
    }

    /// It could not be started.
    pub(crate) fn not_started(error: impl Display) -> Finished {
        let cause = Cause::System { message: error.to_string() };
        Finished { end: Err(cause), tail: String::new() }
    }
}

fn run_child(
    errand: Errand<'_>,
    outputs: &Outputs,
    stop: &Stop,
    mut began: impl FnMut(Began),
) -> Finished {
    let start = || {
        let streams = errand.open_output(outputs)?;
        let (out, err) = streams.files()?;
        let command = build(errand.script(), errand.job, errand.attempt);
        Ok::<_, io::Error>((Process::start(command, out, err)?, streams))
    };
    match start() {
        Ok((process, streams)) => {
            began(Began::Now { pid: Some(process.pid()) });
            Finished::new(process.wait(errand.job.timeout, stop), &streams)
        }
        Err(error) => Finished::not_started(error),
    }
}

//! Runs one command of a job from its start to its end.
//!
//! Two ways: as a child of this process, for a run that lives and dies with it; or under a keeper,
//! for a run with a state directory. Both put the output into files and answer with the same data.

use std::io;

use super::command::{Process, Stop, build, system};
use super::job_file::{JobSpec, Script};
use super::outcome::Cause;
use super::output::{Outputs, Phase, Streams};

/// One command to run: an attempt of a job, or its undo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) job: &'a JobSpec,
    pub(crate) phase: Phase,
    /// Of the attempt, counted from 1; for the undo, of the last attempt before it.
    pub(crate) attempt: u32,
}

/// How a command began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    pub(crate) pid: Option<u32>,
    /// An earlier run had started it.
    pub(crate) resumed: bool,
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
}

impl Launcher {
    /// Runs a command and blocks until it and all that it started are over. `began` is called when
    /// it runs.
    pub(crate) fn run(
        &self,
        errand: Errand<'_>,
        stop: &Stop,
        began: impl FnOnce(Began),
    ) -> Finished {
        match self {
            Launcher::Child(outputs) => {
                let fresh = errand.phase == Phase::Undo || errand.attempt == 1;
                match outputs.open(&errand.job.id, errand.phase, fresh) {
                    Ok(streams) => {
                        Finished::new(run_child(errand, &streams, stop, began), &streams)
                    }
                    Err(error) => Finished { end: Err(system(error)), tail: String::new() },
                }
            }
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
}

impl Finished {
    fn new(end: Result<(), Cause>, streams: &Streams) -> Finished {
        let tail = if end.is_err() { streams.tail() } else { String::new() };
        Finished { end, tail }
    }
}

fn run_child(
    errand: Errand<'_>,
    streams: &Streams,
    stop: &Stop,
    began: impl FnOnce(Began),
) -> Result<(), Cause> {
    let start = || -> io::Result<Process> {
        let (out, err) = streams.files()?;
        Process::start(build(errand.script(), errand.job, errand.attempt), out, err)
    };
    let process = start().map_err(system)?;
    began(Began { pid: Some(process.pid()), resumed: false });
    process.wait(errand.job.timeout, stop)
}

//! Runs one command under a keeper, or takes up what an earlier run left of it.
//!
//! Each command has a directory named after the job, the phase and the attempt, so a resumed run,
//! which begins every job anew, finds what became of each of its commands and only repeats what
//! never ended:
//!
//! | the keeper's directory says | then |
//! |---|---|
//! | its end is recorded | that is the end; nothing runs |
//! | the runner had it stopped | forget it and run it again |
//! | its keeper lives | wait for it |
//! | it is gone without an end | run it again |
//! | gone, and it was this run that started it | it has failed: somebody kills keepers |
//! | gone, but a later command of the job was begun | it had failed; never run it again |
//!
//! The last row keeps two commands of one job apart: an attempt that is followed by another was
//! over, whatever its directory still tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::command::{GRACE, Seen, Stop, system, variables, words};
use super::launcher::{Began, Errand, Finished};
use super::outcome::Cause;
use super::output::Outputs;
use super::state_dir::StateDir;
use crate::keeper::{self, End, Found, KeeperError, Order, Watch};

/// How often a keeper that is just starting is looked for.
const STARTING_LOOK: Duration = Duration::from_millis(100);

/// See the page; the errors are those of [`Launcher::run`](super::launcher::Launcher::run).
pub(crate) fn run(
    errand: Errand<'_>,
    outputs: &Outputs,
    state: &StateDir,
    stop: &Stop,
    mut began: impl FnMut(Began),
) -> Result<Finished, KeeperError> {
    let dir = state.attempt(&errand.job.id, errand.phase, errand.attempt);
    let superseded = state.has_later(&errand.job.id, errand.phase, errand.attempt);
    let (mut told, mut mine, mut stopped) = (false, false, false);
    loop {
        match keeper::probe(&dir)? {
            Found::Recorded(End::Stopped) if stopped => {
                return Ok(finished(errand, outputs, Err(Cause::Stopped)));
            }
            Found::Recorded(End::Stopped) if !superseded => forget(&dir)?,
            Found::Recorded(end) => {
                if !told {
                    began(Began::AndEnded);
                }
                return Ok(finished(errand, outputs, judge(errand, end)));
            }
            Found::Alive(watch) => {
                let tell = || {
                    if !std::mem::replace(&mut told, true) {
                        began(Began::Before);
                    }
                };
                stopped |= wait(watch, stop, tell).map_err(KeeperError::Process)?;
            }
            Found::Gone if mine || superseded => {
                let message = "its keeper was killed".to_owned();
                return Ok(finished(errand, outputs, Err(Cause::System { message })));
            }
            Found::Gone => match start(errand, outputs, &dir) {
                Ok(watch) => {
                    began(Began::Now { pid: None });
                    (told, mine) = (true, true);
                    stopped |= wait(watch, stop, || ()).map_err(KeeperError::Process)?;
                }
                // A keeper that another thread is just starting holds a copy of every lock until its
                // exec: look again.
                Err(Refused::ByKeeper(KeeperError::Busy)) => continue,
                Err(Refused::ByKeeper(KeeperError::Spawn(error)) | Refused::Output(error)) => {
                    return Ok(Finished::not_started(error));
                }
                Err(Refused::ByKeeper(error)) => return Err(error),
            },
        }
    }
}

/// Why a command was not started.
enum Refused {
    Output(std::io::Error),
    ByKeeper(KeeperError),
}

fn start(errand: Errand<'_>, outputs: &Outputs, dir: &Path) -> Result<Watch, Refused> {
    let streams = errand.open_output(outputs).map_err(Refused::Output)?;
    let (out, err) = streams.files().map_err(Refused::Output)?;
    let mut order = Order::new(words(errand.script()), out, err);
    order.env = variables(errand.job, errand.attempt);
    order.cwd = errand.job.cwd.clone();
    order.timeout = errand.job.timeout;
    order.grace = GRACE;
    keeper::spawn(dir, order).map_err(Refused::ByKeeper)
}

/// Waits until the keeper has ended; true if it was because of the stop. Calls `tell` once it is
/// known that there is a keeper at all.
fn wait(mut watch: Watch, stop: &Stop, tell: impl FnOnce()) -> std::io::Result<bool> {
    while watch.pidfd().is_none() {
        if watch.wait(Some(STARTING_LOOK))? {
            return Ok(false);
        }
    }
    tell();
    let end = watch.pidfd().expect("the keeper is known by now");
    if stop.watch(end, None) == Seen::End {
        return watch.wait(None).map(|_| false);
    }
    // Asked twice, the keeper does not wait for the grace.
    watch.stop()?;
    watch.stop()?;
    watch.wait(None).map(|_| true)
}

fn finished(errand: Errand<'_>, outputs: &Outputs, end: Result<(), Cause>) -> Finished {
    match outputs.look(&errand.job.id, errand.phase) {
        Ok(streams) => Finished::new(end, &streams),
        Err(_) => Finished { end, tail: String::new() },
    }
}

/// What a recorded end says about the attempt.
fn judge(errand: Errand<'_>, end: End) -> Result<(), Cause> {
    match end {
        End::Exited(0) => Ok(()),
        End::Exited(code) => Err(Cause::Exit { code }),
        End::Signalled(signal) => Err(Cause::Signal { signal }),
        End::TimedOut => {
            let timeout = errand.job.timeout.unwrap_or_default();
            Err(Cause::Timeout { timeout_ms: timeout.as_millis() as u64 })
        }
        End::Stopped => Err(Cause::Stopped),
        End::NotStarted(errno) => Err(system(std::io::Error::from_raw_os_error(errno))),
    }
}

/// Removes what a stopped attempt left. Nothing of it runs, and only this runner uses the directory.
fn forget(dir: &Path) -> Result<(), KeeperError> {
    fs::remove_dir_all(dir).map_err(|error| KeeperError::Directory(dir.to_owned(), error))
}

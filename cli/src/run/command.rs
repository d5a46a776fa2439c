//! One command: started in a process group of its own, waited for, killed with its group.
//!
//! A command is over when its whole group is: what the leader leaves running is killed when the
//! leader ends, and the wait goes on until the last member is gone. So two commands of one key can
//! never overlap, not even by a forgotten `&`. That needs the orphans of a group to become children
//! of this process: [`adopt_orphans`], once, before the first command. A program that leaves its
//! group (`setsid`) is its own master from then on.
//!
//! A time-out asks first (`SIGTERM` to the group) and kills after [`GRACE`]; a stop kills at once.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process_group, pidfd_open,
    set_child_subreaper, waitpgid,
};

use super::job_file::{JobSpec, Script};
use super::outcome::Cause;

/// How long a command that timed out may take to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Makes the orphans of every command's group children of this process.
///
/// # Errors
/// The kernel has no sub-reapers (Linux before 3.4).
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// What makes a wait end before the command does: raised once, seen by every wait, never lowered.
#[derive(Debug)]
pub(crate) struct Stop(OwnedFd);

impl Stop {
    pub(crate) fn new() -> io::Result<Stop> {
        Ok(Stop(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// Blocks until `end` is readable, the deadline has passed or the stop is raised.
    pub(crate) fn watch(&self, end: BorrowedFd<'_>, deadline: Option<Instant>) -> Seen {
        loop {
            let mut sources = [
                PollFd::from_borrowed_fd(end, PollFlags::IN),
                PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN),
            ];
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut sources, left.as_ref()) {
                Ok(0) => return Seen::Deadline,
                Ok(_) if !sources[0].revents().is_empty() => return Seen::End,
                Ok(_) => return Seen::Stop,
                Err(Errno::INTR) => continue,
                // Out of kernel memory: what cannot be watched must not run on unwatched.
                Err(_) => return Seen::Stop,
            }
        }
    }

    pub(crate) fn raise(&self) {
        rustix::io::write(&self.0, &1u64.to_ne_bytes()).expect("an event counter takes a one");
    }
}

/// What a watch has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen {
    End,
    Deadline,
    Stop,
}

/// The words of a script: a program and its arguments.
pub(crate) fn words(script: &Script) -> Vec<OsString> {
    match script {
        Script::Shell(line) => ["sh", "-c", line].map(OsString::from).to_vec(),
        Script::Argv(words) => words.iter().map(OsString::from).collect(),
    }
}

/// What a command finds in its environment on top of ours. The job's own variables come last.
pub(crate) fn variables(job: &JobSpec, attempt: u32) -> Vec<(OsString, OsString)> {
    let attempt = attempt.to_string();
    let ours = [("LANEWAY_ID", &job.id), ("LANEWAY_KEY", &job.key), ("LANEWAY_ATTEMPT", &attempt)];
    let ours = ours.into_iter().map(|(name, value)| (name.into(), value.into()));
    ours.chain(job.env.iter().map(|(name, value)| (name.into(), value.into()))).collect()
}

/// A script as a command, with the job's environment and folder.
pub(crate) fn build(script: &Script, job: &JobSpec, attempt: u32) -> Command {
    let words = words(script);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).envs(variables(job, attempt));
    if let Some(folder) = &job.cwd {
        command.current_dir(folder);
    }
    command
}

/// A running command, the leader of its group.
#[derive(Debug)]
pub(crate) struct Process {
    leader: Child,
    group: Pid,
    end: OwnedFd,
}

impl Process {
    /// Starts `command` in a new process group, with its output going straight to two files.
    pub(crate) fn start(mut command: Command, out: File, err: File) -> io::Result<Process> {
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let mut leader = command.spawn()?;
        let group = Pid::from_child(&leader);
        match pidfd_open(group, PidfdFlags::empty()) {
            Ok(end) => Ok(Process { leader, group, end }),
            Err(error) => {
                // Without the descriptor nobody could wait for it: it must not run on.
                end_group(&mut leader, group)?;
                Err(error.into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.id()
    }

    /// Waits until the command and its group are over: by themselves, or killed.
    pub(crate) fn wait(mut self, timeout: Option<Duration>, stop: &Stop) -> Result<(), Cause> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let why = match stop.watch(self.end.as_fd(), deadline) {
            Seen::End => None,
            Seen::Deadline => {
                // The group may be ending right now: then there is nobody left to ask.
                let _ = kill_process_group(self.group, Signal::TERM);
                stop.watch(self.end.as_fd(), Some(Instant::now() + GRACE));
                let timeout_ms = timeout.unwrap_or_default().as_millis() as u64;
                Some(Cause::Timeout { timeout_ms })
            }
            Seen::Stop => Some(Cause::Stopped),
        };
        let status = end_group(&mut self.leader, self.group).map_err(system)?;
        why.map_or_else(|| judge(status), Err)
    }
}

/// Kills what is left of the group, takes the leader's status and waits for every other member.
fn end_group(leader: &mut Child, group: Pid) -> io::Result<ExitStatus> {
    // The leader is not reaped yet, so the number is still its group's and nobody else's.
    let _ = kill_process_group(group, Signal::KILL);
    let status = leader.wait()?;
    loop {
        match waitpgid(group, WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => continue,
            // No child is left in the group: every member has ended.
            Err(_) => return Ok(status),
        }
    }
}

/// What the status of a command says.
pub(crate) fn judge(status: ExitStatus) -> Result<(), Cause> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Cause::Exit { code }),
        (None, signal) => Err(Cause::Signal { signal: signal.unwrap_or_default() }),
    }
}

/// A failure of the system as a cause.
pub(crate) fn system(error: io::Error) -> Cause {
    Cause::System { message: error.to_string() }
}

#[cfg(test)]
mod tests;

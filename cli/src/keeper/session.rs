//! Ending all processes of a session.
//!
//! A scan of `/proc` finds the members; each gets its signal through a pidfd that was opened before
//! its session was read a second time, so that a pid that came back in between is left alone. After
//! SIGKILL a member cannot fork any more, and what it forked before is found by the next scan:
//! [`kill_all`] repeats until a scan finds nobody.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::KeeperError;
use super::identity::{self, Identity};
use super::wait::{Outcome, poll_until};

/// The variable that marks every process that a keeper's command starts: the keeper's identity.
pub(super) const MARK: &str = "LANEWAY_KEEPER";

/// How long killed processes may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(10);

/// A process that is just being replaced by exec shows no environment for a moment. So members
/// without a mark are looked at this often, this far apart, before they are taken for strangers.
const MARK_LOOKS: u32 = 5;
const MARK_LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Whose a session is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// A member is the recorded command or carries the keeper's mark, so all of them are ours.
    Ours,
    /// There is none with this number, or strangers have it.
    NotOurs,
    /// These members cannot be looked at: they run as somebody else, perhaps started by us.
    Unknown(Vec<i32>),
}

/// Sends `signal` to every member of `session` but `spared`.
pub(super) fn signal_all(session: i32, spared: i32, signal: Signal) -> io::Result<()> {
    for pid in members(session, spared)? {
        signal_member(pid, session, signal)?;
    }
    Ok(())
}

/// Kills the members of `session` but `spared` until there are none.
///
/// # Errors
/// [`KeeperError::Unkillable`] when some are still there after ten seconds.
pub(super) fn kill_all(session: i32, spared: i32) -> Result<(), KeeperError> {
    let deadline = Instant::now() + GONE_MAX;
    loop {
        let left = members(session, spared).map_err(KeeperError::Process)?;
        if left.is_empty() {
            return Ok(());
        }
        for pid in &left {
            let dying = match signal_member(*pid, session, Signal::KILL) {
                Ok(Signalled::Sent(dying)) => dying,
                Ok(Signalled::Gone) => continue,
                Ok(Signalled::Refused) => return Err(KeeperError::Unkillable(vec![*pid])),
                Err(why) => return Err(KeeperError::Process(why)),
            };
            let mut dead = [PollFd::new(&dying, PollFlags::IN)];
            let gone = poll_until(&mut dead, Some(deadline)).map_err(KeeperError::Process)?;
            if gone == Outcome::Due {
                return Err(KeeperError::Unkillable(left));
            }
        }
        if Instant::now() >= deadline {
            return Err(KeeperError::Unkillable(left));
        }
    }
}

/// Whether the session numbered by `keeper` is still the one that it made.
pub(super) fn whose(keeper: Identity, command: Identity) -> io::Result<Whose> {
    let mut answer = look(keeper, command)?;
    for _ in 1..MARK_LOOKS {
        if answer != Whose::NotOurs || members(keeper.pid, 0)?.is_empty() {
            break;
        }
        poll_until(&mut [], Some(Instant::now() + MARK_LOOK_PAUSE))?;
        answer = look(keeper, command)?;
    }
    Ok(answer)
}

fn look(keeper: Identity, command: Identity) -> io::Result<Whose> {
    let mut unknown = Vec::new();
    for pid in members(keeper.pid, 0)? {
        let is_command = pid == command.pid
            && identity::stat(pid)?.is_some_and(|stat| stat.start == command.start);
        if is_command {
            return Ok(Whose::Ours);
        }
        match carries_mark(pid, keeper) {
            Ok(true) => return Ok(Whose::Ours),
            Ok(false) => {}
            Err(why) if identity::vanished(&why) => {}
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => unknown.push(pid),
            Err(why) => return Err(why),
        }
    }
    Ok(if unknown.is_empty() { Whose::NotOurs } else { Whose::Unknown(unknown) })
}

fn carries_mark(pid: i32, keeper: Identity) -> io::Result<bool> {
    let mark = format!("{MARK}={keeper}");
    let environ = fs::read(format!("/proc/{pid}/environ"))?;
    Ok(environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
}

fn members(session: i32, spared: i32) -> io::Result<Vec<i32>> {
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
        else {
            continue; // not a process
        };
        if pid != spared && belongs(pid, session)? {
            members.push(pid);
        }
    }
    Ok(members)
}

fn belongs(pid: i32, session: i32) -> io::Result<bool> {
    Ok(identity::stat(pid)?.is_some_and(|stat| stat.session == session && stat.lives))
}

/// What became of one signal.
enum Signalled {
    Sent(OwnedFd),
    Gone,
    /// It runs as somebody else.
    Refused,
}

/// Signals `pid` if it still belongs to `session`.
fn signal_member(pid: i32, session: i32, signal: Signal) -> io::Result<Signalled> {
    let checked = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    let pidfd = match pidfd_open(checked, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(Signalled::Gone),
        Err(why) => return Err(why.into()),
    };
    if !belongs(pid, session)? {
        return Ok(Signalled::Gone);
    }
    match pidfd_send_signal(&pidfd, signal) {
        Ok(()) => Ok(Signalled::Sent(pidfd)),
        Err(rustix::io::Errno::SRCH) => Ok(Signalled::Gone),
        Err(rustix::io::Errno::PERM) => Ok(Signalled::Refused),
        Err(why) => Err(why.into()),
    }
}

//! The keeper process itself: start the command, wait, end it if asked, record its end.
//!
//! Single-threaded: the parent-death signal of the command fires when the *thread* that started it
//! ends. It is the subreaper of all that the command starts, so that once the command has exited
//! one `waitpid` tells whether anything is left at all, and `/proc` is searched only then.
//!
//! ```text
//! running ──► exited                              record Exited, Signalled or NotStarted
//!    │ timeout, or SIGTERM from the runner
//!    ▼
//! ending (SIGTERM to the session) ──► exited      record TimedOut or Stopped
//!    │ grace over                       ▲
//!    └──► SIGKILL to the session ───────┘
//! ```

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open};

use super::KeeperError;
use super::identity::Identity;
use super::record::{self, End};
use super::session;
use super::stage;
use super::wait::{Outcome, poll_until};
use super::watch::SELF;

/// Between two attempts to write the end on a disk that is full.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What one keeper is started for.
pub(super) struct Duty<'a> {
    pub(super) dir: &'a Path,
    pub(super) argv: &'a [OsString],
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
}

/// Runs the command and records its end.
///
/// # Errors
/// Before the command was started: nothing ran. Later: its end could not be recorded, and it and
/// its session are gone or named in the error.
pub(super) fn keep(duty: &Duty<'_>) -> Result<(), KeeperError> {
    let in_dir = |why: io::Error| KeeperError::Directory(duty.dir.to_owned(), why);
    let dir = record::open_dir(duty.dir).map_err(in_dir)?;
    let lock = receive_lock(&dir)?;
    match record::read_status(&dir).map_err(in_dir)? {
        Some(Ok(end)) => return Err(KeeperError::Recorded(end)),
        Some(Err(())) => return Err(KeeperError::Garbled(duty.dir.join(record::STATUS))),
        None => {}
    }
    rustix::process::setsid().map_err(process)?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(process)?;
    let own = Identity::own().map_err(KeeperError::Process)?;
    let stop = StopRequests::listen().map_err(KeeperError::Process)?;

    let mut command = start(duty, own, &lock)?;
    let mut end = wait(duty, own, &stop, &mut command)?;
    session_is_over(own)?;
    if let Some(errno) = refusal(&lock) {
        end = End::NotStarted(errno);
    }
    record_end(&dir, end, &stop).map_err(in_dir)
}

fn process(why: rustix::io::Errno) -> KeeperError {
    KeeperError::Process(why.into())
}

/// The lock that [`spawn`](super::spawn) handed on as standard input, as a file of our own.
fn receive_lock(dir: &OwnedFd) -> Result<OwnedFd, KeeperError> {
    let lock = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3).map_err(process)?;
    let found = rustix::fs::fstat(&lock).map_err(process)?;
    let named = rustix::fs::statat(dir, record::LOCK, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|_| KeeperError::NotHandedOn)?;
    if (found.st_dev, found.st_ino) != (named.st_dev, named.st_ino) {
        return Err(KeeperError::NotHandedOn);
    }
    // Taking it again through the same open file changes nothing; through another one it is Busy.
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| KeeperError::Busy)?;
    Ok(lock)
}

/// SIGTERM, as something to poll. Listening begins before the command is started, so that a keeper
/// which has started it never dies of the request to end it.
struct StopRequests(UnixStream);

impl StopRequests {
    fn listen() -> io::Result<Self> {
        let (listener, handler) = UnixStream::pair()?;
        listener.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, handler)?;
        Ok(Self(listener))
    }

    fn clear(&self) {
        let mut requests = [0; 64];
        // WouldBlock: none is left.
        while matches!((&self.0).read(&mut requests), Ok(count) if count > 0) {}
    }
}

fn start(duty: &Duty<'_>, own: Identity, lock: &OwnedFd) -> Result<Child, KeeperError> {
    let lock = lock.try_clone().map_err(KeeperError::Process)?;
    Command::new(SELF)
        .args(["keeper", "--stage", &own.to_string()])
        .arg(duty.dir)
        .arg("--")
        .args(duty.argv)
        .env(session::MARK, own.to_string())
        .stdin(Stdio::from(lock))
        .process_group(0)
        .spawn()
        .map_err(KeeperError::Spawn)
}

/// Waits until the command has exited, ending it when that is due. What else lives in the session
/// is not waited for.
fn wait(
    duty: &Duty<'_>,
    own: Identity,
    stop: &StopRequests,
    command: &mut Child,
) -> Result<End, KeeperError> {
    let pid = Pid::from_child(command);
    let exited = pidfd_open(pid, PidfdFlags::empty()).map_err(process)?;
    let mut due = duty.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut ended_by_us = None;
    let mut stops = Some(stop.0.as_fd());
    loop {
        match next(exited.as_fd(), stops, due).map_err(KeeperError::Process)? {
            Next::Exited => break,
            Next::Stop | Next::Due if ended_by_us.is_some() => {
                // The grace is over, or the runner has no more of it.
                session::signal_all(own.pid, own.pid, Signal::KILL)
                    .map_err(KeeperError::Process)?;
                due = None;
                stops = None;
            }
            begin => {
                let is_stop = matches!(begin, Next::Stop);
                ended_by_us = Some(if is_stop { End::Stopped } else { End::TimedOut });
                stop.clear();
                session::signal_all(own.pid, own.pid, Signal::TERM)
                    .map_err(KeeperError::Process)?;
                due = Instant::now().checked_add(duty.grace);
            }
        }
    }
    let status = command.wait().map_err(KeeperError::Process)?;
    Ok(ended_by_us.unwrap_or_else(|| end_of(status)))
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.expect("wait answers with an exit or a signal")),
    }
}

/// What the keeper was waiting for.
enum Next {
    Exited,
    Stop,
    Due,
}

fn next(
    exited: BorrowedFd<'_>,
    stops: Option<BorrowedFd<'_>>,
    due: Option<Instant>,
) -> io::Result<Next> {
    let mut fds = [
        PollFd::from_borrowed_fd(exited, PollFlags::IN),
        PollFd::from_borrowed_fd(stops.unwrap_or(exited), PollFlags::IN),
    ];
    let outcome = poll_until(&mut fds, due)?;
    // An exit that has happened comes first: it is not ended once more.
    Ok(match outcome {
        Outcome::Due => Next::Due,
        Outcome::Ready if !fds[0].revents().is_empty() => Next::Exited,
        Outcome::Ready => Next::Stop,
    })
}

/// Kills what the command left behind in its session. Cheap when it left nothing.
fn session_is_over(own: Identity) -> Result<(), KeeperError> {
    if reap() == Left::Some {
        session::kill_all(own.pid, own.pid)?;
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Left {
    None,
    Some,
}

/// Collects the dead. As the subreaper this process is the parent of every orphan, so "no children"
/// means that nothing of what the command started is left anywhere.
fn reap() -> Left {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Left::Some,
            Err(_) => return Left::None, // ECHILD is its only other error
        }
    }
}

fn refusal(lock: &OwnedFd) -> Option<i32> {
    let mut text = [0; 64];
    let count = rustix::io::pread(lock, &mut text, 0).ok()?;
    stage::refusal(std::str::from_utf8(&text[..count]).ok()?)
}

/// Writes the end, again and again while the disk is full, until it works or nobody wants it.
fn record_end(dir: &OwnedFd, end: End, stop: &StopRequests) -> io::Result<()> {
    stop.clear();
    loop {
        match record::write_status(dir, end) {
            Err(full) if is_full(&full) => {}
            written_or_broken => return written_or_broken,
        }
        let mut asked = [PollFd::new(&stop.0, PollFlags::IN)];
        if poll_until(&mut asked, Some(Instant::now() + WRITE_AGAIN))? == Outcome::Ready {
            return Err(io::ErrorKind::StorageFull.into());
        }
    }
}

fn is_full(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

//! The runner's side: start a keeper, find out what became of one, wait for it.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, inotify};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::KeeperError;
use super::identity;
use super::record::{self, End, Running};
use super::session::{self, Whose};
use super::wait::{Outcome, poll_until};

/// This very program, also when its file was replaced or removed since it was started.
pub(super) const SELF: &str = "/proc/self/exe";

/// How long a starting keeper is waited for before it is looked for again without an event.
const STARTING_LOOK: Duration = Duration::from_millis(500);

/// A command to be kept.
pub(crate) struct Order {
    /// The program that answers to `keeper`; [`Order::new`] says: this one.
    pub(crate) program: PathBuf,
    /// The command and its arguments; at least the command.
    pub(crate) argv: Vec<OsString>,
    /// Set on top of the runner's environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Where it runs; `None`: where the runner does.
    pub(crate) cwd: Option<PathBuf>,
    /// Where its output goes: files, which outlive the runner.
    pub(crate) stdout: File,
    /// Likewise. Trouble of the keeper itself is reported here too.
    pub(crate) stderr: File,
    /// When the keeper ends it, counted from its start and also while the runner is dead.
    pub(crate) timeout: Option<Duration>,
    /// Between SIGTERM and SIGKILL, at a timeout and after [`Watch::stop`].
    pub(crate) grace: Duration,
}

impl Order {
    /// `argv`, here, without a timeout, with five seconds of grace.
    pub(crate) fn new(argv: Vec<OsString>, stdout: File, stderr: File) -> Self {
        Self {
            program: PathBuf::from(SELF),
            argv,
            env: Vec::new(),
            cwd: None,
            stdout,
            stderr,
            timeout: None,
            grace: Duration::from_secs(5),
        }
    }
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Found {
    /// It ended like this. Nothing of it runs.
    Recorded(End),
    /// Its keeper lives, or is being started: wait, then probe again.
    Alive(Watch),
    /// It has not ended and never will: nothing of it runs any more, and none may have run ever.
    Gone,
}

/// Starts a keeper that runs `order` and records its end in `dir`, which is made if it is absent;
/// its parent must be there.
///
/// Does not wait for the command. The answer is a handle to wait with; then [`probe`] says how it
/// ended. The keeper works on when the runner, or the [`Watch`], is no more.
///
/// # Errors
/// [`KeeperError::Recorded`] and [`KeeperError::Busy`] when this attempt was made before: probe and
/// take that end instead. Otherwise nothing was started.
pub(crate) fn spawn(dir: &Path, order: Order) -> Result<Watch, KeeperError> {
    let in_dir = |why: io::Error| KeeperError::Directory(dir.to_owned(), why);
    create(dir).map_err(in_dir)?;
    let opened = record::open_dir(dir).map_err(in_dir)?;
    let lock = take_lock(&opened).map_err(in_dir)?.ok_or(KeeperError::Busy)?;
    match settle(dir, &opened)? {
        Found::Recorded(end) => return Err(KeeperError::Recorded(end)),
        Found::Alive(_) => unreachable!("the lock is ours"),
        Found::Gone => {}
    }
    lock.set_len(0).map_err(in_dir)?;
    match rustix::fs::unlinkat(&opened, record::RUNNING, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(why) => return Err(in_dir(why.into())),
    }

    let mut command = Command::new(&order.program);
    command.arg("keeper").arg(format!("--grace-ms={}", order.grace.as_millis()));
    if let Some(timeout) = order.timeout {
        command.arg(format!("--timeout-ms={}", timeout.as_millis()));
    }
    // The keeper may work in another directory.
    command
        .arg(std::path::absolute(dir).map_err(in_dir)?)
        .arg("--")
        .args(&order.argv)
        .envs(order.env);
    if let Some(cwd) = &order.cwd {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::from(lock)).stdout(order.stdout).stderr(order.stderr);
    let child = command.spawn().map_err(KeeperError::Spawn)?;
    // `command` holds this process's copy of the lock: from here on it is the keeper's alone.
    drop(command);
    // A child that was not waited for keeps its pid: this cannot be another process. Without the
    // descriptor (there may be too many) it is known by its record, as after a restart.
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    Ok(Watch { dir: opened, pidfd, child: Some(child) })
}

/// Finds out what became of the attempt in `dir`, ending what a dead keeper left behind.
///
/// Blocks for the time that killed processes need to be gone, usually none.
///
/// # Errors
/// When it cannot be known, or left-overs cannot be ended: do not run the job again then.
pub(crate) fn probe(dir: &Path) -> Result<Found, KeeperError> {
    let in_dir = |why: io::Error| KeeperError::Directory(dir.to_owned(), why);
    let opened = match record::open_dir(dir) {
        Ok(opened) => opened,
        // The directory is made before anything else: without it nothing began.
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Ok(Found::Gone),
        Err(why) => return Err(in_dir(why)),
    };
    let Some(_lock) = take_lock(&opened).map_err(in_dir)? else {
        let pidfd = known_keeper(&opened).map_err(KeeperError::Process)?;
        return Ok(Found::Alive(Watch { dir: opened, pidfd, child: None }));
    };
    settle(dir, &opened)
}

/// Answers for an attempt whose lock is ours: no keeper lives and none will come.
fn settle(dir: &Path, opened: &OwnedFd) -> Result<Found, KeeperError> {
    let in_dir = |why: io::Error| KeeperError::Directory(dir.to_owned(), why);
    match record::read_status(opened).map_err(in_dir)? {
        Some(Ok(end)) => return Ok(Found::Recorded(end)),
        Some(Err(())) => return Err(KeeperError::Garbled(dir.join(record::STATUS))),
        None => {}
    }
    let Some(running) = Running::read(opened).map_err(in_dir)? else { return Ok(Found::Gone) };
    if !running.is_of_this_boot().map_err(KeeperError::Process)? {
        return Ok(Found::Gone);
    }
    match session::whose(running.keeper, running.command).map_err(KeeperError::Process)? {
        Whose::Ours => session::kill_all(running.keeper.pid, 0)?,
        Whose::NotOurs => {}
        Whose::Unknown(pids) => return Err(KeeperError::Unkillable(pids)),
    }
    Ok(Found::Gone)
}

fn create(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => match dir.parent() {
            // A status is worth only as much as the entry that leads to it.
            Some(parent) => record::open_dir(parent).and_then(|dir| Ok(rustix::fs::fsync(dir)?)),
            None => Ok(()),
        },
        Err(there) if there.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(why) => Err(why),
    }
}

/// The lock, or `None` while somebody holds it.
fn take_lock(dir: &OwnedFd) -> io::Result<Option<File>> {
    let lock = record::open_lock(dir)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(why)) => Err(why),
    }
}

/// The keeper that `running` names, if it is written and that process lives.
fn known_keeper(dir: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let Some(running) = Running::read(dir)? else { return Ok(None) };
    if !running.is_of_this_boot()? {
        return Ok(None); // left over from before; the new keeper has not written its own yet
    }
    let pid = Pid::from_raw(running.keeper.pid).expect("a parsed pid is positive");
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(why) => return Err(why.into()),
    };
    // Opened first, compared second: if the start time is right then the pidfd is that process.
    let is_it =
        identity::stat(running.keeper.pid)?.is_some_and(|stat| stat.start == running.keeper.start);
    Ok(is_it.then_some(pidfd))
}

/// A keeper at work. Dropping it changes nothing for the keeper.
#[derive(Debug)]
pub(crate) struct Watch {
    dir: OwnedFd,
    /// `None` while somebody holds the lock and `running` is not written yet.
    pidfd: Option<OwnedFd>,
    /// If this process started it and so has to collect it.
    child: Option<Child>,
}

impl Watch {
    /// Waits until the keeper has ended, at most `timeout`; true when it has. Then [`probe`], which
    /// may yet find somebody who is about to let go of the lock: wait again.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match self.identify(deadline)? {
            Identified::Starting => return Ok(false),
            Identified::Nobody => {}
            Identified::Known(pidfd) => {
                let mut dead = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
                if poll_until(&mut dead, deadline)? == Outcome::Due {
                    return Ok(false);
                }
            }
        }
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(true)
    }

    /// Asks the keeper to end its command: SIGTERM, the grace period, SIGKILL; asked twice, at once.
    /// It then records [`End::Stopped`], unless the command had ended. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock` while the keeper is starting: wait a moment for it, then ask again.
    pub(crate) fn stop(&self) -> io::Result<()> {
        let keeper = self.pidfd.as_ref().ok_or(io::ErrorKind::WouldBlock)?;
        match pidfd_send_signal(keeper, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }

    /// Readable when the keeper has ended: for a poll loop over many. `None` while it is starting.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Finds out which process the keeper is. While it is starting there is nothing to poll but the
    /// directory: `running` is renamed into place, or the last holder closes the lock.
    fn identify(&mut self, deadline: Option<Instant>) -> io::Result<Identified<'_>> {
        if self.pidfd.is_none() {
            let changes = watch_changes(&self.dir)?; // before the first look: none is missed
            loop {
                self.pidfd = known_keeper(&self.dir)?;
                if self.pidfd.is_some() {
                    break;
                }
                if lock_is_free(&self.dir)? {
                    return Ok(Identified::Nobody);
                }
                if await_change(&changes, deadline)? == Outcome::Due {
                    return Ok(Identified::Starting);
                }
            }
        }
        let pidfd = self.pidfd.as_ref().expect("the loop ends with one");
        Ok(Identified::Known(pidfd.as_fd()))
    }
}

enum Identified<'a> {
    Known(BorrowedFd<'a>),
    /// The lock is held, and that is all there is to know.
    Starting,
    /// The lock was let go of before a command was started.
    Nobody,
}

/// True when nobody holds the lock. Looks without leaving a trace: [`watch_changes`] sees nothing.
fn lock_is_free(dir: &OwnedFd) -> io::Result<bool> {
    let Some(lock) = record::open_lock_to_look(dir)? else { return Ok(true) };
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(why)) => Err(why),
    }
}

fn watch_changes(dir: &OwnedFd) -> io::Result<OwnedFd> {
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let kinds = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&changes, path, kinds)?;
    Ok(changes)
}

/// Waits for a change, for `deadline`, or for [`STARTING_LOOK`]: then it is time to look again.
fn await_change(changes: &OwnedFd, deadline: Option<Instant>) -> io::Result<Outcome> {
    let look = Instant::now() + STARTING_LOOK;
    let due = deadline.map_or(look, |deadline| deadline.min(look));
    let outcome = poll_until(&mut [PollFd::new(changes, PollFlags::IN)], Some(due))?;
    if outcome == Outcome::Ready {
        // What changed does not matter: everything is looked at afresh.
        rustix::io::read(changes, &mut [0_u8; 4096])?;
        return Ok(Outcome::Ready);
    }
    Ok(if deadline.is_some_and(|due| due <= look) { Outcome::Due } else { Outcome::Ready })
}

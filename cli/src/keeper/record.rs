//! The files of an attempt: how they are written and read back.
//!
//! `running` is replaced whole but not synced: it names processes, and after a power loss there are
//! none. `status` is synced before and after its rename: there it is, for good, or it is not.
//! Both are single lines of text.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat, renameat};

use super::identity::{self, Identity};

pub(super) const LOCK: &str = "lock";
pub(super) const RUNNING: &str = "running";
pub(super) const STATUS: &str = "status";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, sent by somebody other than its keeper.
    Signalled(i32),
    /// Its timeout had passed: the keeper ended it.
    TimedOut,
    /// The runner asked for it ([`Watch::stop`](super::Watch::stop)): the keeper ended it.
    Stopped,
    /// It never began: exec, or what goes before it, failed with this `errno`.
    NotStarted(i32),
}

impl End {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        let (kind, number) = (words.next()?, words.next());
        if words.next().is_some() {
            return None;
        }
        match (kind, number.map(str::parse)) {
            ("exited", Some(Ok(code))) => Some(Self::Exited(code)),
            ("signalled", Some(Ok(signal))) => Some(Self::Signalled(signal)),
            ("timed-out", None) => Some(Self::TimedOut),
            ("stopped", None) => Some(Self::Stopped),
            ("not-started", Some(Ok(errno))) => Some(Self::NotStarted(errno)),
            _ => None,
        }
    }
}

/// The line of `status`, without its end.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signalled(signal) => write!(f, "signalled {signal}"),
            Self::TimedOut => f.write_str("timed-out"),
            Self::Stopped => f.write_str("stopped"),
            Self::NotStarted(errno) => write!(f, "not-started {errno}"),
        }
    }
}

/// Who runs an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) boot: String,
    /// Its pid is also the number of the session.
    pub(super) keeper: Identity,
    pub(super) command: Identity,
}

impl Running {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        let boot = words.next()?.to_owned();
        let keeper = Identity::parse(words.next()?)?;
        let command = Identity::parse(words.next()?)?;
        words.next().is_none().then_some(Self { boot, keeper, command })
    }

    /// True when the record is of this boot; otherwise nothing that it names can be alive.
    pub(super) fn is_of_this_boot(&self) -> io::Result<bool> {
        Ok(self.boot == identity::boot_id()?)
    }

    /// Replaces `running`: other processes see the old one, none or the new one, never a part.
    pub(super) fn write(&self, dir: &OwnedFd) -> io::Result<()> {
        let line = format!("{} {} {}\n", self.boot, self.keeper, self.command);
        replace(dir, RUNNING, line.as_bytes(), Sync::No)
    }

    /// The record, if there is one. One that cannot be read is from before a power loss (a process
    /// that dies never leaves a part), and then nothing that it named is alive.
    pub(super) fn read(dir: &OwnedFd) -> io::Result<Option<Self>> {
        Ok(read(dir, RUNNING)?.and_then(|line| Self::parse(&line)))
    }
}

/// Records the end, durably. After `Ok` it is there whatever happens next.
pub(super) fn write_status(dir: &OwnedFd, end: End) -> io::Result<()> {
    replace(dir, STATUS, format!("{end}\n").as_bytes(), Sync::Yes)
}

/// The recorded end; `Some(Err(()))` when the file is there and is not a status.
pub(super) fn read_status(dir: &OwnedFd) -> io::Result<Option<Result<End, ()>>> {
    Ok(read(dir, STATUS)?.map(|line| End::parse(&line).ok_or(())))
}

/// Opens an attempt's directory: what happens to its path later does not matter.
pub(super) fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

/// Opens the lock file, making it if need be.
pub(super) fn open_lock(dir: &OwnedFd) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(openat(dir, LOCK, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Opens the lock file for a look at its lock, which makes no event of a written file.
pub(super) fn open_lock_to_look(dir: &OwnedFd) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(dir, LOCK, flags, Mode::empty()) {
        Ok(lock) => Ok(Some(File::from(lock))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// Whether a file must outlive a power loss.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Yes,
    No,
}

fn replace(dir: &OwnedFd, name: &str, line: &[u8], sync: Sync) -> io::Result<()> {
    // One writer at a time by the lock, so one name is enough; a leftover is overwritten.
    let temporary = format!("{name}.tmp");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let mut file = File::from(openat(
        dir,
        temporary.as_str(),
        flags | OFlags::NOFOLLOW,
        Mode::RUSR | Mode::WUSR,
    )?);
    file.write_all(line)?;
    if sync == Sync::Yes {
        file.sync_all()?;
    }
    renameat(dir, temporary.as_str(), dir, name)?;
    if sync == Sync::Yes {
        rustix::fs::fsync(dir.as_fd())?;
    }
    Ok(())
}

fn read(dir: &OwnedFd, name: &str) -> io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(why) => return Err(why.into()),
    };
    let mut bytes = Vec::new();
    // The longest line is well under this; a bound keeps a stranger's file from filling memory.
    file.take(4096).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_reads_back_as_it_was_written() {
        let ends =
            [End::Exited(3), End::Signalled(9), End::TimedOut, End::Stopped, End::NotStarted(2)];
        for end in ends {
            assert_eq!(End::parse(&format!("{end}\n")), Some(end));
        }
    }

    #[test]
    fn a_cut_or_foreign_line_is_no_end() {
        for line in ["", "exited 3", "exited\n", "exited x\n", "stopped 1\n", "exited 1 2\n"] {
            assert_eq!(End::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_running_record_reads_back_as_it_was_written() {
        let line = "0f-1 12.34 13.35\n";
        let running = Running::parse(line).expect("a record");
        assert_eq!(running.keeper, Identity { pid: 12, start: 34 });
        assert_eq!(running.command, Identity { pid: 13, start: 35 });
        assert_eq!(Running::parse("0f-1 12.34\n"), None);
    }
}

//! What can go wrong around a keeper.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::record::End;

/// Why a keeper could not be started, or what became of one could not be found out.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum KeeperError {
    /// The attempt in this directory has ended, and a recorded end is never repeated: record it.
    Recorded(End),
    /// Somebody holds the lock: a keeper that works here, or for a moment a process that is being
    /// started elsewhere and has copies of this one's locks. Probe, and wait or try again.
    Busy,
    /// The directory could not be used; nothing was started.
    Directory(PathBuf, io::Error),
    /// The keeper, or its stage, could not be started.
    Spawn(io::Error),
    /// A system call failed while processes were looked up or ended.
    Process(io::Error),
    /// These processes of the attempt are still there: not ours to end, or stuck in the kernel.
    Unkillable(Vec<i32>),
    /// `status` is there and cannot be read as one: somebody else wrote it.
    Garbled(PathBuf),
    /// The `keeper` sub-command was not started by [`spawn`](super::spawn).
    NotHandedOn,
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(end) => write!(f, "this attempt has ended already ({end})"),
            Self::Busy => f.write_str("another keeper works in this directory"),
            Self::Directory(dir, why) => write!(f, "{}: {why}", dir.display()),
            Self::Spawn(why) => write!(f, "cannot start a process: {why}"),
            Self::Process(why) => write!(f, "cannot look up or end processes: {why}"),
            Self::Unkillable(pids) => write!(f, "processes that cannot be ended: {pids:?}"),
            Self::Garbled(file) => write!(f, "{}: not a status", file.display()),
            Self::NotHandedOn => f.write_str("not started by a runner: no lock on standard input"),
        }
    }
}

impl std::error::Error for KeeperError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory(_, why) | Self::Spawn(why) | Self::Process(why) => Some(why),
            _ => None,
        }
    }
}

//! What can go wrong in a replay.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use laneway::service::TaskError;
use laneway::store::StoreError;

/// Why a replay, or one job of it, failed.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ReplayError {
    /// The repository could not be read.
    Git(git2::Error),
    /// A tree names an entry that must not be written anywhere, such as `..` or `.git`.
    UnsafeName(Vec<u8>),
    /// A tree entry has a mode that git does not know.
    UnknownMode { path: Vec<u8>, mode: i32 },
    /// The directory is not empty, and an earlier replay did not leave it there.
    NotOurs(PathBuf),
    /// Another replay works in the directory.
    Busy(PathBuf),
    /// The repository has an entry with the name that marks a directory as ours.
    MarkTaken,
    /// Something that history did not put there stands in the way of a path.
    InTheWay(Vec<u8>),
    /// Another process keeps removing the directories of a path.
    Unstable(Vec<u8>),
    /// A system call failed on a path of the tree.
    At(Vec<u8>, io::Error),
    /// A system call failed on a directory of the replay itself.
    Directory(PathBuf, io::Error),
    /// The state directory belongs to another repository, plan or version of this command.
    OtherState(PathBuf),
    /// The directory was not written by the replay whose state it is to continue.
    OtherDirectory(PathBuf),
    /// The audit's file could not be written: without it a run would prove nothing.
    Journal(io::Error),
    /// The tasks in the state directory cannot be opened.
    Store(StoreError),
    /// The store, or the service around it, failed.
    Task(TaskError),
    /// The pool could not be built, or took no more jobs.
    Pool(String),
}

impl ReplayError {
    /// False when the arguments, or what they name, did not even let it begin.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(
            self,
            Self::InTheWay(_)
                | Self::Unstable(_)
                | Self::At(..)
                | Self::Journal(_)
                | Self::Task(_)
                | Self::Pool(_)
        )
    }
}

impl From<git2::Error> for ReplayError {
    fn from(why: git2::Error) -> Self {
        Self::Git(why)
    }
}

/// A path of the tree for people: what is not UTF-8 is shown as such.
pub(crate) fn shown(path: &[u8]) -> String {
    OsString::from_vec(path.to_vec()).display().to_string()
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(why) => write!(f, "git: {}", why.message()),
            Self::UnsafeName(path) => write!(f, "{}: not a name to write", shown(path)),
            Self::UnknownMode { path, mode } => write!(f, "{}: mode {mode:o}", shown(path)),
            Self::NotOurs(dir) => {
                write!(f, "{}: not empty, and not left there by a replay", dir.display())
            }
            Self::Busy(dir) => write!(f, "{}: another replay works in there", dir.display()),
            Self::MarkTaken => write!(f, "history contains {}", super::place::MARK),
            Self::InTheWay(path) => write!(f, "{}: something else is there", shown(path)),
            Self::Unstable(path) => write!(f, "{}: its directory keeps vanishing", shown(path)),
            Self::At(path, why) => write!(f, "{}: {why}", shown(path)),
            Self::Directory(dir, why) => write!(f, "{}: {why}", dir.display()),
            Self::OtherState(dir) => {
                write!(f, "{}: the state of another replay", dir.display())
            }
            Self::OtherDirectory(dir) => {
                write!(f, "{}: not what the state directory has been writing", dir.display())
            }
            Self::Journal(why) => write!(f, "the journal: {why}"),
            Self::Store(why) => write!(f, "the state directory: {why}"),
            Self::Task(why) => write!(f, "{why}"),
            Self::Pool(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Git(why) => Some(why),
            Self::At(_, why) | Self::Directory(_, why) | Self::Journal(why) => Some(why),
            Self::Store(why) => Some(why),
            Self::Task(why) => Some(why),
            _ => None,
        }
    }
}

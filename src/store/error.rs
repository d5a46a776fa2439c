//! Why a store cannot be opened, or cannot commit.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Attempt;
use crate::task::Revision;

/// An error of a store. What the caller does next is said with each.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer committed first: load and apply the commands again.
    Conflict {
        /// What the commit was computed from.
        expected: Revision,
        /// The last commit there is.
        found: Revision,
    },
    /// The store cannot be reached now, and what was asked has not happened: try again.
    Unavailable {
        /// Why.
        reason: String,
    },
    /// The answer to a commit was lost: it may have happened, or may yet. Catch up and look for it.
    Unknown {
        /// The commit.
        attempt: Attempt,
    },
    /// Commits that were asked for are forgotten: load the whole again.
    Compacted {
        /// The oldest commit that is still known, if any is.
        oldest: Option<Revision>,
    },
    /// Another process, or another part of this one, has the directory open: wait for its end.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no store in this directory.
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds files that are not a store's: choose an empty or a new one.
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// What is stored is not what was committed: restore a copy.
    Damaged {
        /// Where.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A newer version of this library wrote it: use that one.
    TooNew {
        /// The format that was found.
        found: u32,
        /// The newest that this version reads.
        supported: u32,
    },
    /// The device or the file system failed. During a commit the store is poisoned by it.
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The library that keeps the file failed. During a commit the store is poisoned by it.
    Engine {
        /// What was being done.
        action: &'static str,
        /// What the library said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An earlier commit failed half-way, so it is unknown what is on the disk: drop the store and
    /// open it again.
    Poisoned,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { expected, found } => {
                write!(f, "computed from revision {}, but {} is there", expected.0, found.0)
            }
            Self::Unavailable { reason } => write!(f, "the store cannot be reached: {reason}"),
            Self::Unknown { attempt } => {
                write!(
                    f,
                    "whether commit {}/{} happened is unknown",
                    attempt.writer, attempt.number
                )
            }
            Self::Compacted { oldest: Some(oldest) } => {
                write!(f, "commits before {} are forgotten", oldest.0)
            }
            Self::Compacted { oldest: None } => f.write_str("earlier commits are forgotten"),
            Self::Locked { path } => write!(f, "{} is locked by another opener", path.display()),
            Self::Missing { path } => write!(f, "{} holds no store", path.display()),
            Self::NotEmpty { path } => {
                write!(f, "{} is not empty and holds no store", path.display())
            }
            Self::Damaged { place, reason } => write!(f, "damaged at {place}: {reason}"),
            Self::TooNew { found, supported } => {
                write!(f, "written in format {found}; this version reads up to {supported}")
            }
            Self::Io { action, source } => write!(f, "{action}: {source}"),
            Self::Engine { action, source } => write!(f, "{action}: {source}"),
            Self::Poisoned => f.write_str("an earlier commit failed; open the store again"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Engine { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

//! Why `laneway tasks` did not do what it was asked for.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use laneway::store::StoreError;
use laneway::task::{Outcome, Rejection};

use super::view;

/// The task, or what is known of it, does not allow it.
const REFUSED: u8 = 1;
/// The directory or a file cannot be read or written, or is damaged.
const BROKEN: u8 = 2;
/// Somebody else has the directory open.
const IN_USE: u8 = 3;

#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// There is no record of this id: check the id.
    NoTask { id: String, ended: Option<Outcome> },
    /// The rules refuse the change; the reason says what to do.
    Refused(Rejection),
    /// The directory: see the store's error.
    Store(StoreError),
    /// A file that was named.
    File { path: PathBuf, why: io::Error },
    /// Standard output.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::NoTask { .. } | Self::Refused(_) => REFUSED,
            Self::Store(StoreError::Locked { .. }) => IN_USE,
            Self::Store(StoreError::Missing { .. } | StoreError::NotEmpty { .. }) => {
                crate::EXIT_USAGE
            }
            Self::Store(_) | Self::File { .. } | Self::Output(_) => BROKEN,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTask { id, ended: None } => write!(f, "no task {id}"),
            Self::NoTask { id, ended: Some(outcome) } => {
                write!(f, "task {id} is gone; it ended: {}", view::outcome(*outcome))
            }
            Self::Refused(why) => why.fmt(f),
            Self::Store(why) => why.fmt(f),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Output(why) => write!(f, "standard output: {why}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoTask { .. } => None,
            Self::Refused(why) => Some(why),
            Self::Store(why) => Some(why),
            Self::File { why, .. } | Self::Output(why) => Some(why),
        }
    }
}

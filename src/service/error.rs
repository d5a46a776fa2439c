//! Why a request to the task service failed.

use std::error::Error;
use std::fmt;
use std::io;

use crate::cluster::ClusterError;
use crate::store::StoreError;
use crate::sync::Arc;
use crate::task::Rejection;

/// An error of the task service. Cheap to clone: one failed commit answers a whole batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// The rules refuse the command; nothing changed.
    Rejected(Rejection),
    /// No executor of this name is registered here; nothing was stored.
    UnknownExecutor {
        /// The name.
        name: Arc<str>,
    },
    /// The executor refuses the params; nothing was stored.
    Refused {
        /// Its reason.
        reason: Arc<str>,
    },
    /// An executor of this name is registered already.
    AlreadyRegistered {
        /// The name.
        name: Arc<str>,
    },
    /// Too many starts wait for their commit: wait for some and start again.
    Full,
    /// The command belongs to the service itself.
    NotYours,
    /// The store failed. [`StoreError::Unavailable`]: it could not be reached and nothing happened; the
    /// service goes on, try again. Otherwise whether the change is durable is unknown until the store
    /// is opened again, and every later request fails too.
    Store(Arc<StoreError>),
    /// The cluster could not be joined: try again.
    Cluster(ClusterError),
    /// The service has ended, or ended before the answer was there.
    Closed,
    /// The wait could only end by work of the pool whose last free worker would wait.
    WouldDeadlock,
    /// The committer's thread could not be started.
    Thread(Arc<io::Error>),
}

impl From<StoreError> for TaskError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<Rejection> for TaskError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::UnknownExecutor { name } => write!(f, "no executor {name:?} is registered"),
            Self::Refused { reason } => write!(f, "refused by the executor: {reason}"),
            Self::AlreadyRegistered { name } => write!(f, "an executor {name:?} is registered"),
            Self::Full => f.write_str("too many starts wait for their commit"),
            Self::NotYours => f.write_str("a command of the service itself"),
            Self::Store(error) => write!(f, "the store failed: {error}"),
            Self::Cluster(error) => error.fmt(f),
            Self::Closed => f.write_str("the task service has ended"),
            Self::WouldDeadlock => f.write_str("the wait could never end"),
            Self::Thread(error) => write!(f, "no thread for the store: {error}"),
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Store(error) => Some(&**error),
            Self::Cluster(error) => Some(error),
            Self::Thread(error) => Some(&**error),
            _ => None,
        }
    }
}

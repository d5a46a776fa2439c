//! Why an attempt failed, and why a call was refused.
//!
//! [`JobError`] is the *cause* that outcomes, undos and retry policies look at: data, cheap to
//! clone, the user's own error kept inside. The others answer one call each and hand back what the
//! caller gave, so that nothing is lost by a refusal.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A user's own error, shared because an undo and the outcome both look at it.
pub type SharedError = Arc<dyn Error + Send + Sync + 'static>;

/// Why an attempt of a job (or its undo) failed.
///
/// Bodies make [`Failed`](Self::Failed) and [`Conflict`](Self::Conflict), the latter to say "what
/// I read has changed, run me again"; the other causes are made by the coordinator.
///
/// ```
/// use laneway::JobError;
/// fn parse(text: &str) -> Result<u32, JobError> {
///     text.parse().map_err(JobError::new)
/// }
/// assert!(matches!(parse("seven"), Err(JobError::Failed(_))));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobError {
    /// The body, a token or the undo reported this error.
    Failed(SharedError),
    /// An optimistic lock was lost: the body is run again from its start, on a budget of its own.
    Conflict(SharedError),
    /// The body panicked with this message.
    Panicked(Arc<str>),
    /// A token was dropped unfinished.
    Abandoned,
    /// The attempt took longer than its timeout.
    TimedOut,
    /// The job was cancelled.
    Cancelled,
    /// The coordinator was shut down.
    Shutdown,
    /// An earlier job of the same key failed and took the waiting ones along
    /// ([`OnFailure::FailRest`](super::OnFailure::FailRest)).
    Predecessor,
}

impl JobError {
    /// The body's own failure. Takes any error, a `String` or a `&str`.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(error.into()))
    }

    /// A lost optimistic lock; see [`JobError::Conflict`].
    pub fn conflict(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Conflict(Arc::from(error.into()))
    }

    /// The cause that a caught panic payload stands for.
    pub(crate) fn from_panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(Arc::from(text.unwrap_or("a panic without a message")))
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "{error}"),
            Self::Conflict(error) => write!(f, "conflict: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Abandoned => f.write_str("a token was dropped unfinished"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Shutdown => f.write_str("the coordinator was shut down"),
            Self::Predecessor => f.write_str("an earlier job of the key failed"),
        }
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The display is the inner error's own, so the chain continues below it.
            Self::Failed(error) => error.source(),
            Self::Conflict(error) => Some(&**error),
            Self::Panicked(_)
            | Self::Abandoned
            | Self::TimedOut
            | Self::Cancelled
            | Self::Shutdown
            | Self::Predecessor => None,
        }
    }
}

/// Why a job was not accepted. The job comes back unchanged; see [`into_job`](Self::into_job).
#[non_exhaustive]
pub enum SubmitError<J> {
    /// The coordinator or its pool has been shut down: nothing more is accepted.
    ShuttingDown(J),
    /// Too many jobs wait; try again later. Waiting jobs are not bounded today, so this is not
    /// returned yet.
    Full(J),
    /// The key is longer than [`KEY_MAX`](super::KEY_MAX) bytes.
    KeyTooLong(J),
    /// No key at all, or more than [`KEYS_MAX`](super::KEYS_MAX) different ones.
    KeyCount(J),
}

impl<J> SubmitError<J> {
    /// The job that was not accepted.
    pub fn into_job(self) -> J {
        match self {
            Self::ShuttingDown(job)
            | Self::Full(job)
            | Self::KeyTooLong(job)
            | Self::KeyCount(job) => job,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::ShuttingDown(_) => "the coordinator is shut down",
            Self::Full(_) => "too many jobs wait",
            Self::KeyTooLong(_) => "the key is too long",
            Self::KeyCount(_) => "no key, or too many",
        }
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::ShuttingDown(_) => "ShuttingDown",
            Self::Full(_) => "Full",
            Self::KeyTooLong(_) => "KeyTooLong",
            Self::KeyCount(_) => "KeyCount",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<J> fmt::Display for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl<J> Error for SubmitError<J> {}

/// Why a wait ended without an outcome. The handle comes back, so the wait can be repeated.
#[non_exhaustive]
pub enum WaitError<H> {
    /// Waiting here could never end: the caller is a job of the same key, or the last worker of the
    /// pool that could run the job. Return a token, or use an async body, instead.
    WouldDeadlock(H),
    /// The time was up first.
    TimedOut(H),
}

impl<H> WaitError<H> {
    /// The handle that was waited on.
    pub fn into_handle(self) -> H {
        match self {
            Self::WouldDeadlock(handle) | Self::TimedOut(handle) => handle,
        }
    }

    /// The same answer about another handle.
    pub(crate) fn map<O>(self, change: impl FnOnce(H) -> O) -> WaitError<O> {
        match self {
            Self::WouldDeadlock(handle) => WaitError::WouldDeadlock(change(handle)),
            Self::TimedOut(handle) => WaitError::TimedOut(change(handle)),
        }
    }
}

impl<H> fmt::Debug for WaitError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::WouldDeadlock(_) => "WouldDeadlock",
            Self::TimedOut(_) => "TimedOut",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<H> fmt::Display for WaitError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldDeadlock(_) => "waiting here would never end",
            Self::TimedOut(_) => "the time was up first",
        })
    }
}

impl<H> Error for WaitError<H> {}

/// Why [`Coordinator::drain`](super::Coordinator::drain) or
/// [`shutdown`](super::Coordinator::shutdown) ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainError {
    /// The caller is a worker of the pool that would have to do the work. A shutdown has been
    /// started all the same.
    WouldDeadlock,
    /// Work was left when the deadline was over.
    TimedOut {
        /// The time that was given.
        timeout: Duration,
    },
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldDeadlock => f.write_str("a worker cannot wait for its own pool"),
            Self::TimedOut { timeout } => write!(f, "work was left after {timeout:?}"),
        }
    }
}

impl Error for DrainError {}

//! How a job ended: exactly one of nine ways, exactly once.
//!
//! | what happened | no undo given | undo succeeded | undo failed |
//! |---|---|---|---|
//! | every token succeeded | `Completed` | `Completed` | `Completed` |
//! | error, panic, abandoned token | `Failed` | `RolledBack` | `DoubleFault` |
//! | timeout of the last attempt | `Expired` | `RolledBack` | `DoubleFault` |
//! | cancelled after its start | `Cancelled { started: true }` | `RolledBack` | `DoubleFault` |
//! | shutdown after its start | `Lost` | `RolledBack` | `DoubleFault` |
//!
//! A job that never started has nothing to undo: it ends as `Cancelled { started: false }`, `Lost`
//! or `Failed` by its predecessor. The cause inside `RolledBack` and `DoubleFault` tells the rows
//! apart. The same nine appear in C, in the counters and in the command line's exit codes.

use super::error::JobError;

/// How a job ended.
///
/// ```
/// use laneway::{Coordinator, Job, JobOutcome, Pool};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::new(&Pool::new()?);
/// let handle = coordinator.submit("account-7", Job::once(|_| Ok(6 * 7)))?;
/// assert!(matches!(handle.wait()?, JobOutcome::Completed(42)));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub enum JobOutcome<T> {
    /// The body returned this value and every token succeeded.
    Completed(T),
    /// It failed, and its undo has succeeded.
    RolledBack {
        /// Why it failed.
        cause: JobError,
    },
    /// It failed, and no undo was given (or, for a failed predecessor, it never started).
    Failed {
        /// Why it failed.
        cause: JobError,
    },
    /// It failed, and so did its undo: what it left behind needs somebody's attention.
    DoubleFault {
        /// Why it failed.
        cause: JobError,
        /// Why the undo failed.
        rollback: JobError,
    },
    /// It was cancelled, and there was nothing to undo.
    Cancelled {
        /// Whether an attempt had been started.
        started: bool,
    },
    /// Its time was up, and there was nothing to undo.
    Expired,
    /// Another node owns the entity: it did not run here.
    Skipped,
    /// A later job with the same tag took its place before it started.
    Superseded,
    /// The coordinator or its pool was shut down first. If an attempt had started, what it left
    /// behind was not undone.
    Lost,
}

/// [`JobOutcome`] without its content: what counters and status words carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// See [`JobOutcome::Completed`].
    Completed,
    /// See [`JobOutcome::RolledBack`].
    RolledBack,
    /// See [`JobOutcome::Failed`].
    Failed,
    /// See [`JobOutcome::DoubleFault`].
    DoubleFault,
    /// See [`JobOutcome::Cancelled`].
    Cancelled,
    /// See [`JobOutcome::Expired`].
    Expired,
    /// See [`JobOutcome::Skipped`].
    Skipped,
    /// See [`JobOutcome::Superseded`].
    Superseded,
    /// See [`JobOutcome::Lost`].
    Lost,
}

impl OutcomeKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Completed,
        Self::RolledBack,
        Self::Failed,
        Self::DoubleFault,
        Self::Cancelled,
        Self::Expired,
        Self::Skipped,
        Self::Superseded,
        Self::Lost,
    ];

    /// The name in events and reports: `completed`, `rolled_back`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::DoubleFault => "double_fault",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Skipped => "skipped",
            Self::Superseded => "superseded",
            Self::Lost => "lost",
        }
    }
}

impl<T> JobOutcome<T> {
    /// How a job without an undo ends for `cause`.
    pub(crate) fn without_undo(cause: JobError) -> Self {
        match cause {
            JobError::Cancelled => Self::Cancelled { started: true },
            JobError::TimedOut => Self::Expired,
            JobError::Shutdown => Self::Lost,
            JobError::Failed(_)
            | JobError::Conflict(_)
            | JobError::Panicked(_)
            | JobError::Abandoned
            | JobError::Predecessor => Self::Failed { cause },
        }
    }

    /// Which of the nine it is.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Completed(_) => OutcomeKind::Completed,
            Self::RolledBack { .. } => OutcomeKind::RolledBack,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::DoubleFault { .. } => OutcomeKind::DoubleFault,
            Self::Cancelled { .. } => OutcomeKind::Cancelled,
            Self::Expired => OutcomeKind::Expired,
            Self::Skipped => OutcomeKind::Skipped,
            Self::Superseded => OutcomeKind::Superseded,
            Self::Lost => OutcomeKind::Lost,
        }
    }

    /// True if the job completed.
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed(_))
    }

    /// The value of a completed job.
    pub fn completed(self) -> Option<T> {
        match self {
            Self::Completed(value) => Some(value),
            _ => None,
        }
    }

    /// Why it failed, where a cause was recorded.
    pub fn cause(&self) -> Option<&JobError> {
        match self {
            Self::RolledBack { cause }
            | Self::Failed { cause }
            | Self::DoubleFault { cause, .. } => Some(cause),
            Self::Completed(_)
            | Self::Cancelled { .. }
            | Self::Expired
            | Self::Skipped
            | Self::Superseded
            | Self::Lost => None,
        }
    }
}

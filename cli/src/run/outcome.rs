//! How a job ended, and why: the outcomes of the library with the causes that a command can have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an attempt or an undo did not succeed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The command ended with a code other than 0.
    Exit { code: i32 },
    /// A signal ended the command.
    Signal { signal: i32 },
    /// The command ran for longer than it may; its process group was killed.
    Timeout { timeout_ms: u64 },
    /// The command could not be started, or its end could not be learned.
    System { message: String },
    /// A job of the same key with `on_fail: fail-rest` failed.
    Predecessor { id: String },
    /// The run was stopped while the command ran; its process group was killed.
    Stopped,
}

/// How a job ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Completed,
    Failed { cause: Cause },
    RolledBack { cause: Cause },
    DoubleFault { cause: Cause, rollback: Cause },
    Cancelled { started: bool },
    Expired,
    Skipped,
    Superseded,
    Lost,
}

impl Outcome {
    /// The name of the outcome in events, reports and records.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Failed { .. } => "failed",
            Outcome::RolledBack { .. } => "rolled_back",
            Outcome::DoubleFault { .. } => "double_fault",
            Outcome::Cancelled { .. } => "cancelled",
            Outcome::Expired => "expired",
            Outcome::Skipped => "skipped",
            Outcome::Superseded => "superseded",
            Outcome::Lost => "lost",
        }
    }

    /// Whether a job can end like this without having run.
    pub(crate) fn fits_unstarted(&self) -> bool {
        match self {
            Outcome::Failed { cause: Cause::Predecessor { .. } }
            | Outcome::Cancelled { started: false }
            | Outcome::Skipped
            | Outcome::Superseded
            | Outcome::Lost => true,
            Outcome::Completed
            | Outcome::Failed { .. }
            | Outcome::RolledBack { .. }
            | Outcome::DoubleFault { .. }
            | Outcome::Cancelled { started: true }
            | Outcome::Expired => false,
        }
    }

    /// Why the job did not complete, if a command or a predecessor was the reason.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        match self {
            Outcome::Failed { cause }
            | Outcome::RolledBack { cause }
            | Outcome::DoubleFault { cause, .. } => Some(cause),
            Outcome::Completed
            | Outcome::Cancelled { .. }
            | Outcome::Expired
            | Outcome::Skipped
            | Outcome::Superseded
            | Outcome::Lost => None,
        }
    }

    /// Why the undo did not succeed.
    pub(crate) fn rollback(&self) -> Option<&Cause> {
        match self {
            Outcome::DoubleFault { rollback, .. } => Some(rollback),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Exit { code } => write!(f, "exit code {code}"),
            Cause::Signal { signal } => write!(f, "signal {signal}"),
            Cause::Timeout { timeout_ms } => write!(f, "no end within {timeout_ms} ms"),
            Cause::System { message } => write!(f, "{message}"),
            Cause::Predecessor { id } => write!(f, "job {id:?} of the same key failed"),
            Cause::Stopped => write!(f, "stopped"),
        }
    }
}

impl std::error::Error for Cause {}

//! What happens to jobs, told to an observer as it happens.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::error::JobError;
use super::outcome::OutcomeKind;
use super::owner::Ownership;
use super::timings::Sampling;
use crate::lane::Key;

/// Is told of every event of every job of a coordinator.
///
/// Events come on the thread where they happen: in `submit`, between a job's steps, in a cancel. So
/// an observer must be quick and must not block; a panic in it goes to the pool's panic handler.
/// Events of one job come in order, events of one key in the order of its jobs, except for those of
/// jobs that end without a start.
///
/// ```
/// use laneway::coordinator::{CoordinatorConfig, JobEvent, Observer};
/// use laneway::{Coordinator, Job, Pool};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl Observer for Log {
///     fn event(&self, event: &JobEvent<'_>) {
///         self.0.lock().unwrap().push(event.to_string());
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = Arc::new(Log::default());
/// let config = CoordinatorConfig { observer: Some(log.clone()), ..Default::default() };
/// let coordinator = Coordinator::with_config(&Pool::new()?, config);
/// coordinator.submit("k", Job::once(|_| Ok(())))?.wait()?.is_completed();
/// assert_eq!(*log.0.lock().unwrap(), ["k: submitted", "k: attempt 1", "k: completed"]);
/// # Ok(()) }
/// ```
pub trait Observer: Send + Sync {
    /// Something has happened.
    fn event(&self, event: &JobEvent<'_>);
}

/// Something that has happened to a job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobEvent<'a> {
    /// It was accepted.
    Submitted {
        /// Under this key.
        key: &'a Key,
    },
    /// An attempt begins.
    Started {
        /// The job's key.
        key: &'a Key,
        /// Its number, from 1.
        attempt: u32,
    },
    /// An attempt has failed.
    AttemptFailed {
        /// The job's key.
        key: &'a Key,
        /// Its number, from 1.
        attempt: u32,
        /// Why.
        error: &'a JobError,
        /// How long until the next one begins; nothing if there is none.
        again: Option<Duration>,
    },
    /// An undo begins.
    RollingBack {
        /// The job's key.
        key: &'a Key,
        /// Why the job is undone.
        cause: &'a JobError,
    },
    /// An undo has failed.
    UndoFailed {
        /// The job's key.
        key: &'a Key,
        /// Why.
        error: &'a JobError,
        /// How long until it is tried again; nothing if it is not: a double fault.
        again: Option<Duration>,
    },
    /// It takes longer than its watchdog allows, and goes on.
    Overdue {
        /// The job's key.
        key: &'a Key,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// How long since the attempt began.
        time: Duration,
        /// What it is doing.
        doing: Doing<'a>,
    },
    /// It has its outcome.
    Ended {
        /// The job's key.
        key: &'a Key,
        /// Which.
        outcome: OutcomeKind,
        /// Why, where a cause was recorded.
        cause: Option<&'a JobError>,
    },
}

/// What an overdue job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing<'a> {
    /// Its body or its undo is on a worker.
    Running,
    /// Its async body is not ready.
    Awaiting,
    /// These tokens are open: the places where they were taken.
    WaitingFor(&'a [&'static Location<'static>]),
}

impl JobEvent<'_> {
    /// The job's key.
    pub fn key(&self) -> &Key {
        match self {
            Self::Submitted { key }
            | Self::Started { key, .. }
            | Self::AttemptFailed { key, .. }
            | Self::RollingBack { key, .. }
            | Self::UndoFailed { key, .. }
            | Self::Overdue { key, .. }
            | Self::Ended { key, .. } => key,
        }
    }
}

impl fmt::Display for JobEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submitted { key } => write!(f, "{key}: submitted"),
            Self::Started { key, attempt } => write!(f, "{key}: attempt {attempt}"),
            Self::AttemptFailed { key, attempt, error, again } => {
                write!(f, "{key}: attempt {attempt} failed: {error}")?;
                again.iter().try_for_each(|again| write!(f, "; again in {again:?}"))
            }
            Self::RollingBack { key, cause } => write!(f, "{key}: rolling back: {cause}"),
            Self::UndoFailed { key, error, again } => {
                write!(f, "{key}: undo failed: {error}")?;
                again.iter().try_for_each(|again| write!(f, "; again in {again:?}"))
            }
            Self::Overdue { key, attempt, time, doing } => {
                write!(f, "{key}: attempt {attempt} takes {time:?}: ")?;
                match doing {
                    Doing::Running => f.write_str("running"),
                    Doing::Awaiting => f.write_str("awaiting"),
                    Doing::WaitingFor(tokens) => {
                        f.write_str("waiting for tokens taken at")?;
                        tokens.iter().try_for_each(|place| write!(f, " {place}"))
                    }
                }
            }
            Self::Ended { key, outcome, cause } => {
                write!(f, "{key}: {}", outcome.name())?;
                cause.iter().try_for_each(|cause| write!(f, ": {cause}"))
            }
        }
    }
}

/// How a coordinator is built; see [`Coordinator::with_config`](super::Coordinator::with_config).
#[derive(Clone, Default)]
pub struct CoordinatorConfig {
    /// Is told of every event. With one, a plain job costs as much as one with options.
    pub observer: Option<Arc<dyn Observer>>,
    /// How long an attempt may take before the observer is told that it is
    /// overdue ([`JobEvent::Overdue`]), for jobs that do not say so themselves ([`Job::watch`]). Default:
    /// for ever.
    ///
    /// [`Job::watch`]: super::Job::watch
    pub watchdog: Option<Duration>,
    /// Which jobs are measured, for [`timings`](super::Coordinator::timings). Default: one in 64.
    pub sampling: Sampling,
    /// Who knows which entities this node owns, for jobs that name one ([`Job::owned_by`]). Default:
    /// nobody; every entity is owned.
    ///
    /// [`Job::owned_by`]: super::Job::owned_by
    pub ownership: Option<Arc<dyn Ownership>>,
}

impl fmt::Debug for CoordinatorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorConfig")
            .field("observer", &self.observer.is_some())
            .field("watchdog", &self.watchdog)
            .field("sampling", &self.sampling)
            .field("ownership", &self.ownership.is_some())
            .finish()
    }
}

//! One step of the replay: an attempt at one event, with what is injected around it.

use std::fmt;

use super::ReplayError;
use super::blobs::Blobs;
use super::faults::{FailAt, Faults};
use super::journal::{Entry, Journal};
use super::place::Place;
use super::plan::Plan;

/// Everything that a job needs, shared by all of them.
pub(crate) struct Steps {
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) blobs: Blobs,
    pub(crate) faults: Faults,
    /// With a state directory: what the jobs say of themselves.
    pub(crate) journal: Option<Journal>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum StepError {
    /// `--fail-percent` had its turn: to be tried again.
    Injected(FailAt),
    /// Trying again would not help.
    Replay(ReplayError),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Injected(FailAt::Start) => f.write_str("injected before the work"),
            Self::Injected(FailAt::End) => f.write_str("injected after the work"),
            Self::Replay(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Injected(_) => None,
            Self::Replay(why) => Some(why),
        }
    }
}

impl From<ReplayError> for StepError {
    fn from(why: ReplayError) -> Self {
        Self::Replay(why)
    }
}

impl Steps {
    /// Brings the path of event `index` to its version, unless this attempt is one that fails.
    /// May be repeated, as long as no later event of its key has begun.
    pub(crate) fn attempt(&self, index: usize, fail: Option<FailAt>) -> Result<(), StepError> {
        self.note(Entry::Ran, index)?;
        let done = self.attempt_unnoted(index, fail);
        if done.is_ok() {
            self.note(Entry::Did, index)?;
        }
        self.note(Entry::Left, index)?;
        done
    }

    fn attempt_unnoted(&self, index: usize, fail: Option<FailAt>) -> Result<(), StepError> {
        if let Some(FailAt::Start) = fail {
            return Err(StepError::Injected(FailAt::Start));
        }
        self.perform(index)?;
        match fail {
            Some(at) => Err(StepError::Injected(at)),
            None => Ok(()),
        }
    }

    /// Appends to the journal, if there is one.
    pub(crate) fn note(&self, entry: Entry, index: usize) -> Result<(), ReplayError> {
        self.journal
            .as_ref()
            .map_or(Ok(()), |journal| journal.note(entry, index))
            .map_err(ReplayError::Journal)
    }

    fn perform(&self, index: usize) -> Result<(), ReplayError> {
        let event = &self.plan.events[index];
        let path = self.plan.path(event);
        match event.to {
            Some(version) => {
                let bytes = self.blobs.read(version.blob)?;
                self.place.write(index, path, version.kind, &bytes)
            }
            None => self.place.remove(path),
        }
    }
}

//! One step of the replay: an attempt at one event, with what is injected around it.

use std::fmt;

use super::ReplayError;
use super::blobs::Blobs;
use super::faults::{FailAt, Faults};
use super::place::Place;
use super::plan::Plan;

/// Everything that a job needs, shared by all of them.
pub(crate) struct Steps {
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) blobs: Blobs,
    pub(crate) faults: Faults,
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

impl Steps {
    /// Brings the path of event `index` to its version, unless this attempt is one that fails.
    /// May be repeated, as long as no later event of its key has begun.
    pub(crate) fn attempt(&self, index: usize, fail: Option<FailAt>) -> Result<(), StepError> {
        if let Some(FailAt::Start) = fail {
            return Err(StepError::Injected(FailAt::Start));
        }
        self.perform(index).map_err(StepError::Replay)?;
        match fail {
            Some(at) => Err(StepError::Injected(at)),
            None => Ok(()),
        }
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

//! The last runs of a task: where, when, and how each ended.

use std::sync::Arc;

use super::ident::{AllocationId, NodeId, Timestamp};
use super::record::{Failure, FailureKind};

/// How many runs are remembered; the oldest go first.
pub(super) const RUNS_MAX: usize = 8;

/// The longest error that is remembered with a run, in bytes; longer ones are cut.
const ERROR_MAX: usize = 256;

/// One run: one allocation, on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The allocation.
    pub allocation: AllocationId,
    /// Where.
    pub node: NodeId,
    /// When it was assigned.
    pub since: Timestamp,
    /// How it ended; `None` while it is in force.
    pub end: Option<RunEnd>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// In one word.
    pub how: RunOutcome,
    /// What the executor said, at most 256 bytes of it.
    pub error: Option<Arc<str>>,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunOutcome {
    /// The task is complete.
    Completed,
    /// It failed.
    Failed(FailureKind),
    /// It was given back without a failure.
    HandedBack,
    /// Its node is gone.
    NodeLost,
    /// It was cancelled.
    Cancelled,
}

/// The last runs, oldest first. Only the last one can be in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History(Arc<[Run]>);

impl Default for History {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl From<Vec<Run>> for History {
    fn from(mut runs: Vec<Run>) -> Self {
        runs.drain(..runs.len().saturating_sub(RUNS_MAX));
        Self(runs.into())
    }
}

impl History {
    /// The runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.0
    }

    /// How often the task failed on `node`, as far as is remembered.
    pub fn failures_on(&self, node: &NodeId) -> usize {
        let failed = |run: &&Run| {
            let end = run.end.as_ref();
            end.is_some_and(|end| matches!(end.how, RunOutcome::Failed(_))) && run.node == *node
        };
        self.0.iter().filter(failed).count()
    }

    /// One more run, in force from `since` on.
    pub(super) fn begun(&self, allocation: AllocationId, node: NodeId, since: Timestamp) -> Self {
        let skip = (self.0.len() + 1).saturating_sub(RUNS_MAX);
        let run = Run { allocation, node, since, end: None };
        Self(self.0.iter().skip(skip).cloned().chain([run]).collect())
    }

    /// The run in force has ended.
    pub(super) fn ended(&self, at: Timestamp, how: RunOutcome, failure: Option<&Failure>) -> Self {
        let error = failure.map(|failure| cut(&failure.message, ERROR_MAX));
        let mut runs: Vec<Run> = self.0.to_vec();
        if let Some(run) = runs.last_mut().filter(|run| run.end.is_none()) {
            run.end = Some(RunEnd { at, how, error });
        }
        Self(runs.into())
    }
}

/// The text, or as much of it as is allowed.
pub(super) fn cut(text: &Arc<str>, max: usize) -> Arc<str> {
    if text.len() <= max { text.clone() } else { text[..text.floor_char_boundary(max)].into() }
}

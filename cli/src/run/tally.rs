//! The counts of a run: one per outcome, and what has not ended.

use serde::Serialize;

use super::outcome::Outcome;

/// How many jobs stand where. Every job of the file is in exactly one of the first twelve counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Tally {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) rolled_back: u64,
    pub(crate) double_fault: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) skipped: u64,
    pub(crate) superseded: u64,
    pub(crate) lost: u64,
    /// Behind a failed job with `on_fail: hold`.
    pub(crate) held: u64,
    pub(crate) running: u64,
    pub(crate) waiting: u64,
    /// Attempts that failed and were followed by another.
    pub(crate) retries: u64,
    /// Jobs that had ended before this run; they stand in the counts above too.
    pub(crate) recorded: u64,
    /// Keys that keep jobs behind a failed one.
    pub(crate) keys_held: u64,
    /// Whether the run ended before everything that can run had ended.
    pub(crate) stopped_early: bool,
}

impl Tally {
    /// Counts one more end.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::RolledBack { .. } => &mut self.rolled_back,
            Outcome::DoubleFault { .. } => &mut self.double_fault,
            Outcome::Cancelled { .. } => &mut self.cancelled,
            Outcome::Expired => &mut self.expired,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Lost => &mut self.lost,
        } += 1;
    }

    /// The jobs that have ended, however they did.
    pub(crate) fn ended(&self) -> u64 {
        self.completed
            + self.failed
            + self.rolled_back
            + self.double_fault
            + self.cancelled
            + self.expired
            + self.skipped
            + self.superseded
            + self.lost
    }
}

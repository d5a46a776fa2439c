//! The exit code: one pure rule over the counts of a finished run.
//!
//! The codes are a ladder: the worst thing that happened names the code, and only one code says
//! that there is something left to run.

use super::tally::Tally;

/// Every job completed (or there was nothing to run).
pub(crate) const OK: u8 = 0;
/// A job was rolled back, expired or was cancelled; none is worse.
pub(crate) const UNDONE: u8 = 1;
/// A job failed, double-faulted or was lost.
pub(crate) const FAILED: u8 = 2;
/// Stopped early, or keys are still held: run the same command again.
pub(crate) const UNFINISHED: u8 = 3;
/// The job file, the state directory or the command line is wrong; nothing ran.
pub(crate) const USAGE: u8 = crate::EXIT_USAGE;

/// The exit code of a run with these counts.
pub(crate) fn code(tally: &Tally) -> u8 {
    if tally.stopped_early || tally.keys_held > 0 {
        UNFINISHED
    } else if tally.failed + tally.double_fault + tally.lost > 0 {
        FAILED
    } else if tally.rolled_back + tally.expired + tally.cancelled > 0 {
        UNDONE
    } else {
        OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(change: impl FnOnce(&mut Tally)) -> Tally {
        let mut tally = Tally { completed: 7, ..Tally::default() };
        change(&mut tally);
        tally
    }

    #[test]
    fn the_worst_thing_that_happened_names_the_code() {
        let table: [(Tally, u8); 14] = [
            (Tally::default(), OK),
            (tally(|_| ()), OK),
            (tally(|t| t.skipped = 1), OK),
            (tally(|t| t.superseded = 1), OK),
            (tally(|t| t.rolled_back = 1), UNDONE),
            (tally(|t| t.expired = 1), UNDONE),
            (tally(|t| t.cancelled = 1), UNDONE),
            (tally(|t| t.failed = 1), FAILED),
            (tally(|t| t.double_fault = 1), FAILED),
            (tally(|t| t.lost = 1), FAILED),
            (tally(|t| (t.failed, t.rolled_back) = (1, 1)), FAILED),
            (tally(|t| t.stopped_early = true), UNFINISHED),
            (tally(|t| t.keys_held = 1), UNFINISHED),
            (tally(|t| (t.keys_held, t.failed) = (1, 1)), UNFINISHED),
        ];
        for (tally, expected) in table {
            assert_eq!(code(&tally), expected, "{tally:?}");
        }
    }
}

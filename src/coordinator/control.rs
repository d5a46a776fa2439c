//! The part of a job that its handle and its lane share: has it started, is it cancelled.
//!
//! One word decides between a cancel and the first turn:
//!
//! ```text
//!   0 ──start──► STARTED ──cancel──► STARTED | CANCELLED   the job is woken and stops
//!   └──cancel──► CANCELLED ──start──► both                 the canceller ends the job, not the lane
//! ```
//!
//! A job whose first turn was stopped short by a mark is noted as such: its canceller ends it, and
//! wakes the lane to go on without it.
//!
//! Invariant: the lane is set before STARTED or STOPPED_SHORT, so a canceller that finds one of them
//! can wake it.

use std::sync::OnceLock;

use super::entry::Entry;
use crate::lane::LaneRef;
use crate::sync::{AtomicU32, Ordering};

const STARTED: u32 = 1;
const CANCELLED: u32 = 2;
/// The job has had a turn in which it was not to start.
const STOPPED_SHORT: u32 = 4;

/// How a job stands, as far as a glance from outside can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// No attempt has been started.
    Queued,
    /// An attempt is on a worker.
    Running {
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// The body has returned; tokens or its future are awaited.
    Waiting {
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// The attempt has failed; the next one is due later.
    BackingOff {
        /// The number of the failed attempt, from 1.
        attempt: u32,
    },
    /// The undo is at work.
    RollingBack,
    /// The outcome is there.
    Ended,
}

const QUEUED: u32 = 0;
const RUNNING: u32 = 1;
const WAITING: u32 = 2;
const BACKING_OFF: u32 = 3;
const ROLLING_BACK: u32 = 4;
const ENDED: u32 = 5;
const STATUS_BITS: u32 = 3;

impl JobStatus {
    fn packed(self) -> u32 {
        let (status, attempt) = match self {
            Self::Queued => (QUEUED, 0),
            Self::Running { attempt } => (RUNNING, attempt),
            Self::Waiting { attempt } => (WAITING, attempt),
            Self::BackingOff { attempt } => (BACKING_OFF, attempt),
            Self::RollingBack => (ROLLING_BACK, 0),
            Self::Ended => (ENDED, 0),
        };
        // Attempts beyond 2^29 are shown as 2^29 - 1.
        status | attempt.min(u32::MAX >> STATUS_BITS) << STATUS_BITS
    }

    fn unpacked(word: u32) -> Self {
        let attempt = word >> STATUS_BITS;
        match word & ((1 << STATUS_BITS) - 1) {
            RUNNING => Self::Running { attempt },
            WAITING => Self::Waiting { attempt },
            BACKING_OFF => Self::BackingOff { attempt },
            ROLLING_BACK => Self::RollingBack,
            ENDED => Self::Ended,
            _ => Self::Queued,
        }
    }
}

/// What the first turn found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The job is the lane's to run and to end.
    Granted,
    /// It was cancelled first, and the canceller ends it.
    Refused,
}

/// What a cancel owes.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// The job never starts: end it.
    EndUnstarted,
    /// It has started and was woken; it stops when it can.
    Asked,
    /// Somebody did before.
    Nothing,
}

/// Something that has a [`Control`]: a ticket of whatever type.
pub(crate) trait Controlled: Send + Sync {
    fn control(&self) -> &Control;
    /// Cancels the job; false if it has ended.
    fn cancel(&self) -> bool;
    /// Ends the job if it has not started: its time in the queue is up.
    fn expire(&self);
}

/// See the page.
pub(crate) struct Control {
    word: AtomicU32,
    status: AtomicU32,
    lane: OnceLock<LaneRef<Entry>>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            status: AtomicU32::new(JobStatus::Queued.packed()),
            lane: OnceLock::new(),
        }
    }

    /// The lane claims the job at its first turn, or (`None`) to abandon it.
    pub(crate) fn start(&self, lane: Option<&LaneRef<Entry>>) -> Start {
        if let Some(lane) = lane {
            // Cannot fail: a job has one first turn.
            let _ = self.lane.set(lane.clone());
        }
        // AcqRel [job-start]: Release publishes the lane to a canceller that finds STARTED;
        // Acquire sees what a canceller did before.
        match self.word.fetch_or(STARTED, Ordering::AcqRel) & CANCELLED {
            0 => Start::Granted,
            _ => Start::Refused,
        }
    }

    /// The first turn is not to start the job: true if it stays at the head, false if a canceller
    /// has ended it, so that the lane goes on.
    pub(crate) fn stop_short(&self, lane: &LaneRef<Entry>) -> bool {
        let _ = self.lane.set(lane.clone()); // the same at every turn
        // AcqRel [job-start]: as in `start`.
        self.word.fetch_or(STOPPED_SHORT, Ordering::AcqRel) & CANCELLED == 0
    }

    /// Claims a job that has not started, to end it: its time in the queue is up, or another node is
    /// to run it. False if it has started, or somebody else ends it.
    pub(crate) fn expire(&self) -> bool {
        // Relaxed: only the first guess of the exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (STARTED | CANCELLED) == 0 {
            // AcqRel, Relaxed [job-start]: as in `cancel`; a failed guess is only tried again.
            match self.word.compare_exchange(
                word,
                word | CANCELLED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.lane.get().into_iter().for_each(LaneRef::wake);
                    return true;
                }
                Err(now) => word = now,
            }
        }
        false
    }

    /// Asks the job to stop, from any thread.
    pub(crate) fn cancel(&self) -> Cancel {
        // AcqRel [job-start]: Acquire sees the lane if STARTED is found; Release orders what the
        // canceller did before the job's look at the flag.
        let before = self.word.fetch_or(CANCELLED, Ordering::AcqRel);
        if before & CANCELLED != 0 {
            return Cancel::Nothing;
        }
        if let Some(lane) = self.lane.get().filter(|_| before & (STARTED | STOPPED_SHORT) != 0) {
            lane.wake();
        }
        if before & STARTED == 0 { Cancel::EndUnstarted } else { Cancel::Asked }
    }

    /// True once somebody asked.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Relaxed: a request, it carries nothing.
        self.word.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Shows `status` to whoever looks.
    pub(crate) fn show(&self, status: JobStatus) {
        // Relaxed: a figure; the outcome has its own hand-over.
        self.status.store(status.packed(), Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> JobStatus {
        // Relaxed: as above.
        JobStatus::unpacked(self.status.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_before_the_first_turn_makes_the_canceller_end_the_job() {
        let control = Control::new();
        assert_eq!(control.cancel(), Cancel::EndUnstarted);
        assert_eq!(control.cancel(), Cancel::Nothing);
        assert_eq!(control.start(None), Start::Refused);
    }

    #[test]
    fn a_cancel_after_the_first_turn_only_asks() {
        let control = Control::new();
        assert_eq!(control.start(None), Start::Granted);
        assert_eq!(control.cancel(), Cancel::Asked);
        assert!(control.is_cancelled());
    }

    #[test]
    fn only_a_job_that_has_not_started_and_is_not_cancelled_expires() {
        let [queued, started, cancelled] = [(); 3].map(|()| Control::new());
        assert_eq!(started.start(None), Start::Granted);
        assert_eq!(cancelled.cancel(), Cancel::EndUnstarted);
        assert!(queued.expire() && !started.expire() && !cancelled.expire());
        assert_eq!(queued.start(None), Start::Refused);
        assert!(!started.is_cancelled());
    }

    #[test]
    fn a_status_survives_its_word() {
        for status in [
            JobStatus::Queued,
            JobStatus::Running { attempt: 1 },
            JobStatus::Waiting { attempt: 7 },
            JobStatus::BackingOff { attempt: 1 << 20 },
            JobStatus::RollingBack,
            JobStatus::Ended,
        ] {
            assert_eq!(JobStatus::unpacked(status.packed()), status);
        }
    }
}

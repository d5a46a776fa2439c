//! How a run ends: what the lane does next, and the one outcome.

use super::Run;
use crate::coordinator::control::{Controlled, Start};
use crate::coordinator::job::{Body, OnDoubleFault, OnFailure};
use crate::coordinator::marks::Hold;
use crate::coordinator::outcome::JobOutcome;
use crate::coordinator::state::{Ending, State};
use crate::lane::Next;

impl<T: Send + 'static> Run<T> {
    /// What the lane does next. A hold is a mark: the job behind asks for it at its first turn, so it
    /// is there before anybody hears of the outcome.
    pub(super) fn next(&self, ending: Ending) -> Next {
        let hold = |how| {
            let address = self.ticket.address();
            let marks = self.ticket.inner().marks();
            marks.hold(address.key(), address.group(), how);
            self.other_keys.iter().for_each(|(key, group)| marks.hold(key, *group, how));
            Next::Continue
        };
        let quarantine = self.rules().on_double_fault == OnDoubleFault::Quarantine;
        match ending {
            Ending::Completed | Ending::NotStarted | Ending::Lost => Next::Continue,
            Ending::DoubleFault if quarantine => hold(Hold::Quarantine),
            Ending::DoubleFault | Ending::RolledBack | Ending::Unsuccessful => {
                match self.rules().on_failure {
                    OnFailure::Continue => Next::Continue,
                    OnFailure::Hold => hold(Hold::Failure),
                    OnFailure::FailRest => Next::FailRest,
                }
            }
        }
    }

    pub(super) fn outcome(&mut self) -> JobOutcome<T> {
        let failed = "an attempt has failed";
        match self.ending.expect("the machine has ended") {
            Ending::Completed => {
                JobOutcome::Completed(self.value.take().expect("the body has returned"))
            }
            Ending::RolledBack => {
                JobOutcome::RolledBack { cause: self.cause.take().expect(failed) }
            }
            Ending::Unsuccessful => JobOutcome::without_undo(self.cause.take().expect(failed)),
            Ending::DoubleFault => JobOutcome::DoubleFault {
                cause: self.cause.take().expect(failed),
                rollback: self.rollback.take().expect("the undo has failed"),
            },
            Ending::NotStarted | Ending::Lost => JobOutcome::Lost,
        }
    }

    /// It ends after its start.
    fn note_end(&self) {
        if let Some(started) = self.moments.and_then(|moments| moments.started) {
            let inner = self.ticket.inner();
            inner.timings().ran(inner.pool().clock().now().saturating_duration_since(started));
        }
    }

    /// Drops what the user gave, then stores the outcome; once.
    pub(super) fn publish(&mut self, outcome: JobOutcome<T>) {
        self.span.clone().within(|| self.publish_inside(outcome));
    }

    fn publish_inside(&mut self, outcome: JobOutcome<T>) {
        self.give_up_attempt();
        self.leave_queue();
        let body = std::mem::replace(&mut self.body, Body::Once(None));
        self.ticket.inner().discard((body, self.options.take()));
        if self.state == State::Queued {
            // No turn has claimed it: if a canceller has, the outcome is published.
            self.published |= self.ticket.control().start(None) == Start::Refused;
        }
        if !std::mem::replace(&mut self.published, true) {
            if self.of_body.attempts > 0 {
                self.ticket.inner().stats().started_ended();
                self.note_end();
            }
            self.ticket.publish(outcome);
        }
    }
}

/// A run that is dropped without an end, whatever the reason, still ends its job.
impl<T: Send + 'static> Drop for Run<T> {
    fn drop(&mut self) {
        if !self.published {
            self.publish(JobOutcome::Lost);
        }
    }
}

//! What a run tells the observer on its way.

use std::time::Instant;

use super::Run;
use crate::coordinator::entry::Entry;
use crate::coordinator::error::JobError;
use crate::coordinator::observe::{Doing, JobEvent};
use crate::coordinator::state::Part;
use crate::coordinator::watch::{Watch, report};
use crate::lane::LaneRef;

impl<T: Send + 'static> Run<T> {
    /// An attempt of `part` is about to begin; it is counted already for an undo's first run.
    pub(super) fn tell_start(&self, part: Part) {
        let (inner, key) = (self.ticket.inner(), self.ticket.key());
        match (part, &self.cause) {
            (Part::Body, _) => {
                inner.observe(&JobEvent::Started { key, attempt: self.of_body.attempts + 1 });
            }
            (Part::Undo, Some(cause)) => inner.observe(&JobEvent::RollingBack { key, cause }),
            (Part::Undo, None) => {}
        }
    }

    /// An attempt of `part` has failed.
    pub(super) fn tell_failure(&self, part: Part, error: &JobError, again: bool) {
        let again = again.then_some(self.attempt.delay);
        let key = self.ticket.key();
        self.ticket.inner().observe(&match part {
            Part::Body => {
                JobEvent::AttemptFailed { key, attempt: self.of_body.attempts, error, again }
            }
            Part::Undo => JobEvent::UndoFailed { key, error, again },
        });
    }

    /// Watches the attempt that begins now.
    pub(super) fn watch(&mut self, lane: &LaneRef<Entry>, since: Instant) {
        let config = self.ticket.inner().config();
        let after = self.rules().watch.or(config.watchdog);
        if let (Some(after), true) = (after, config.observer.is_some()) {
            self.attempt.watch = Some(Watch::arm(self.ticket.clone(), lane, since, after));
        }
    }

    /// Watches on, if the body was reported and its tokens are waited for now.
    pub(super) fn watch_again(&mut self, lane: &LaneRef<Entry>) {
        let reported = self.attempt.watch.as_ref().is_some_and(Watch::is_reported);
        if let (true, Some(since)) = (reported, self.attempt.since) {
            self.watch(lane, since);
        }
    }

    /// Reports what an attempt waits for that takes too long.
    pub(super) fn look_at_watch(&self, lane: &LaneRef<Entry>) {
        let (Some(watch), Some(since)) = (&self.attempt.watch, self.attempt.since) else { return };
        if !watch.take() {
            return;
        }
        let attempt = self.of_body.attempts;
        let places = self.attempt.tokens.as_ref().map(|tokens| tokens.open_places());
        let doing = match &places {
            _ if self.attempt.is_on_its_own() => Doing::Running,
            Some(places) if !places.is_empty() => Doing::WaitingFor(places),
            _ => Doing::Awaiting,
        };
        report(self.ticket.inner(), lane, attempt, since, doing);
    }
}

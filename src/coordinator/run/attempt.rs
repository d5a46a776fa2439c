//! One attempt of a job's body or undo: how it starts, what it leaves open, how it ends.
//!
//! Each function here turns what user code did into an [`Event`] for the machine.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Run;
use crate::coordinator::alarm::Alarm;
use crate::coordinator::context::{JobContext, UndoContext, Whose};
use crate::coordinator::entry::Entry;
use crate::coordinator::error::JobError;
use crate::coordinator::job::{Body, BodyFuture, OpenTokens, Overrun, Rules, Undo};
use crate::coordinator::retry::{Again, Spent, Verdict};
use crate::coordinator::running;
use crate::coordinator::state::{Event, Part, State};
use crate::coordinator::stray::Stray;
use crate::coordinator::token::{TokenEnd, Tokens};
use crate::coordinator::token_group::Finished;
use crate::coordinator::waker::TurnWaker;
use crate::coordinator::watch::Watch;
use crate::lane::LaneRef;
use crate::pool::unwind;
use crate::sync::Arc;

/// An async body that has been started: its future and its waker.
struct Polled<T> {
    future: BodyFuture<T>,
    turn: Arc<TurnWaker>,
    waker: Waker,
}

/// The attempt (of the body or of the undo) that is under way.
pub(super) struct Attempt<T> {
    pub(super) tokens: Option<Arc<Tokens>>,
    future: Option<Polled<T>>,
    /// The timeout of the attempt, or the end of the backoff.
    pub(super) alarm: Option<Alarm>,
    /// Why it failed, while its other tokens are awaited.
    error: Option<JobError>,
    /// When its timeout is over, if it has one.
    pub(super) expires: Option<Instant>,
    /// How long to back off after it.
    pub(super) delay: Duration,
    /// When the backoff is over.
    pub(super) due: Option<Instant>,
    /// When it began.
    pub(super) since: Option<Instant>,
    pub(super) watch: Option<Watch>,
    /// A body that runs beside its lane.
    stray: Option<Stray<T>>,
}

impl<T> Attempt<T> {
    pub(super) const NONE: Self = Self {
        tokens: None,
        future: None,
        alarm: None,
        error: None,
        expires: None,
        delay: Duration::ZERO,
        due: None,
        since: None,
        watch: None,
        stray: None,
    };

    /// True while a body runs beside its lane.
    pub(super) fn is_on_its_own(&self) -> bool {
        self.stray.is_some()
    }

    /// True while an async body has not returned.
    pub(super) fn has_future(&self) -> bool {
        self.future.is_some()
    }
}

/// What one part has used so far.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) attempts: u32,
    spent: Spent,
}

impl<T> Polled<T> {
    fn new(future: BodyFuture<T>, lane: &LaneRef<Entry>) -> Self {
        let turn = Arc::new(TurnWaker::new(lane.clone()));
        Self { future, waker: Waker::from(turn.clone()), turn }
    }
}

impl<T: Send + 'static> Run<T> {
    pub(super) fn start_attempt(&mut self, part: Part, lane: &LaneRef<Entry>) -> Event {
        let clock = self.ticket.inner().pool().clock();
        let (now, origin) = (clock.now(), self.ticket.inner().origin());
        let timeout = self.rules().attempt_timeout.map(|timeout| clock.after(timeout));
        let deadline = self.deadline.filter(|_| part == Part::Body);
        let expires = timeout.into_iter().chain(deadline).min();
        self.attempt = Attempt { expires, since: Some(now), ..Attempt::NONE };
        self.watch(lane, now);
        self.tell_start(part);
        match part {
            Part::Body => {
                self.of_body.attempts += 1;
                running::begun(self.of_body.attempts, false, origin, now);
                self.ends.clear();
                self.show();
                match self.run_body(lane) {
                    Some(result) => self.returned(part, result),
                    None => Event::Pending,
                }
            }
            Part::Undo => {
                self.of_undo.attempts += 1;
                running::begun(self.of_undo.attempts, true, origin, now);
                let result = self.run_undo(lane);
                self.returned_unit(part, result)
            }
        }
    }

    /// Calls the body; `None` if it is a future that waits.
    fn run_body(&mut self, lane: &LaneRef<Entry>) -> Option<Result<T, JobError>> {
        let attempt = self.of_body.attempts;
        let until = self.attempt.expires;
        let is_future = matches!(self.body, Body::Future(_));
        if self.rules().overrun == Overrun::Abandon && until.is_some() && !is_future {
            let body = std::mem::replace(&mut self.body, Body::Once(None));
            let (stray, tokens) = Stray::send(body, lane, self.ticket.clone(), attempt, until);
            self.attempt.stray = Some(stray);
            self.attempt.tokens = Some(tokens);
            return None;
        }
        let whose = Whose::Borrowed(&*self.ticket);
        let mut context = JobContext::borrowed(lane, whose, attempt, until);
        let result = match &mut self.body {
            Body::Future(body) => {
                let job = self.ticket.clone();
                let (context, tokens) = JobContext::owned(lane, job, attempt, until);
                self.attempt.tokens = Some(tokens);
                return match unwind::halt(|| body(context)) {
                    Ok(future) => {
                        self.attempt.future = Some(Polled::new(future, lane));
                        self.poll()
                    }
                    Err(payload) => Some(Err(self.panicked(payload))),
                };
            }
            Body::Repeatable(body) => unwind::halt(|| body(&mut context)),
            Body::Once(body) => {
                let body = body.take().expect("it is not run again");
                unwind::halt(|| body.call(&mut context))
            }
        };
        self.attempt.tokens = context.into_tokens();
        Some(result.unwrap_or_else(|payload| Err(self.panicked(payload))))
    }

    fn run_undo(&mut self, lane: &LaneRef<Entry>) -> Result<(), JobError> {
        let undo = self.options.as_mut().and_then(|options| options.undo.as_mut());
        let mut context = UndoContext {
            job: JobContext::borrowed(lane, Whose::Nobody, self.of_undo.attempts, None),
            cause: self.cause.as_ref().expect("what is undone has failed"),
            attempts: self.of_body.attempts,
            ends: &self.ends,
        };
        let result = match undo.expect("the machine was told of an undo") {
            Undo::Repeatable(undo) => unwind::halt(|| undo(&mut context)),
            Undo::Once(undo) => {
                let undo = undo.take().expect("it is not run again");
                unwind::halt(|| undo(&mut context))
            }
        };
        self.attempt.tokens = context.job.into_tokens();
        result.unwrap_or_else(|payload| Err(self.panicked(payload)))
    }

    /// Polls the future if it was woken; takes what a body brought back that ran beside its lane.
    pub(super) fn poll(&mut self) -> Option<Result<T, JobError>> {
        if let Some(returned) = self.attempt.stray.as_ref().and_then(Stray::take) {
            self.attempt.stray = None;
            self.body = returned.body;
            return Some(returned.result.unwrap_or_else(|payload| Err(self.panicked(payload))));
        }
        let polled = self.attempt.future.as_mut()?;
        if !polled.turn.take() {
            return None;
        }
        let result = {
            let mut context = Context::from_waker(&polled.waker);
            unwind::halt(|| polled.future.as_mut().poll(&mut context))
        };
        let result = match result {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(result)) => result,
            Err(payload) => Err(self.panicked(payload)),
        };
        self.ticket.inner().discard(self.attempt.future.take());
        Some(result)
    }

    pub(super) fn returned(&mut self, part: Part, result: Result<T, JobError>) -> Event {
        let result = result.map(|value| self.value = Some(value));
        self.returned_unit(part, result)
    }

    /// The part has returned: gives back its hold on the tokens.
    pub(super) fn returned_unit(&mut self, part: Part, result: Result<(), JobError>) -> Event {
        let Some(tokens) = &self.attempt.tokens else {
            return match result {
                Ok(()) => Event::Succeeded,
                Err(error) => self.failed(part, error),
            };
        };
        let settled = tokens.release() == Finished::Settled;
        let error = tokens.first_failure().cloned().or(result.err());
        let ignore = self.rules().open_tokens == OpenTokens::Ignore;
        match error {
            None if settled => Event::Succeeded,
            None => Event::Pending,
            Some(error) if settled || ignore => self.failed(part, error),
            Some(error) => {
                self.attempt.error = Some(error);
                Event::FailedOpen
            }
        }
    }

    pub(super) fn settled(&mut self, part: Part) -> Event {
        match self.attempt.tokens.as_ref().and_then(|tokens| tokens.first_failure().cloned()) {
            None => Event::Succeeded,
            Some(error) => self.failed(part, error),
        }
    }

    pub(super) fn failed_with_kept_error(&mut self, part: Part) -> Event {
        let error = self.attempt.error.take().expect("kept when it failed");
        self.failed(part, error)
    }

    /// The attempt is over and has failed: judges whether there is another one.
    pub(super) fn failed(&mut self, part: Part, error: JobError) -> Event {
        self.give_up_attempt();
        let stop = self.stop_cause().filter(|_| part == Part::Body);
        if let Some(cause) = stop {
            self.tell_failure(part, &error, false);
            self.cause = Some(cause);
            return Event::Failed { again: false };
        }
        let again = self.judge(part, &error);
        self.tell_failure(part, &error, again);
        match part {
            Part::Body => self.cause = Some(error),
            Part::Undo => self.rollback = Some(error),
        }
        Event::Failed { again }
    }

    pub(super) fn judge(&mut self, part: Part, error: &JobError) -> bool {
        let rules = Rules::of(&self.options);
        let undo = self.options.as_ref().and_then(|options| options.undo.as_ref());
        let (policy, progress, can_repeat) = match part {
            Part::Body => (&rules.retry, &mut self.of_body, !matches!(self.body, Body::Once(_))),
            Part::Undo => {
                (&rules.undo_retry, &mut self.of_undo, matches!(undo, Some(Undo::Repeatable(_))))
            }
        };
        if !can_repeat {
            return false;
        }
        let verdict = unwind::halt(|| policy.verdict(error)).unwrap_or_else(|payload| {
            self.ticket.inner().pool().report_panic(payload);
            Verdict::GiveUp
        });
        match progress.spent.draw(policy, verdict, self.ticket.inner().pool().dice().roll()) {
            Again::After { delay, conflict } => {
                let begins = self.ticket.inner().pool().clock().after(delay);
                if part == Part::Body && self.deadline.is_some_and(|deadline| begins >= deadline) {
                    return false;
                }
                self.attempt.delay = delay;
                self.ticket.inner().stats().retried(conflict);
                true
            }
            Again::Never => false,
        }
    }

    /// Nothing of the attempt is awaited any more; notes how its tokens stand.
    pub(super) fn give_up_attempt(&mut self) {
        self.ticket.inner().discard(self.value.take());
        let attempt = std::mem::replace(&mut self.attempt, Attempt::NONE);
        if let Some(tokens) = &attempt.tokens {
            tokens.close();
            if matches!(self.state, State::Active(Part::Body, _)) {
                self.ends = tokens.ends().into_iter().map(TokenEnd::from).collect();
            }
        }
        self.ticket.inner().discard(attempt);
    }

    pub(super) fn panicked(&self, payload: unwind::Payload) -> JobError {
        let error = JobError::from_panic(&*payload);
        match self.detached {
            // Nobody holds a handle, so nobody else would learn of it.
            true => self.ticket.inner().pool().report_panic(payload),
            false => self.ticket.inner().discard(payload),
        }
        error
    }
}

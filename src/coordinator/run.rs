//! A run: a job on its way through its lane, from the first turn to the outcome.
//!
//! The shell around `state.rs`: a step looks for news (tokens settled, a future woken, the alarm, a
//! cancel), asks the machine, performs the action, and so on until the job waits or has ended. All
//! of it happens on the lane's visit, one step at a time; other threads only set words and wake the
//! lane. A turn without news changes nothing.
//!
//! User code (body, undo, judge, drops) runs under `unwind::halt`: a panic becomes a cause.
//!
//! Invariants: the outcome is published once, by [`end`](Steps::end), by
//! [`abandon`](Steps::abandon), by the canceller of a job that never started, or at the latest when
//! the run is dropped; body, undo and future are dropped before that.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::task::{Context, Poll, Waker};

use super::alarm::Alarm;
use super::context::{JobContext, UndoContext, Whose};
use super::control::{Controlled, JobStatus, Start};
use super::current;
use super::entry::{Entry, Steps};
use super::error::JobError;
use super::handle::Ticket;
use super::inner::{Inner, Phase};
use super::job::{Body, BodyFuture, Job, OnDoubleFault, OnFailure, OpenTokens, Options, Undo};
use super::outcome::JobOutcome;
use super::retry::{Again, Spent, Verdict};
use super::state::{Action, Ending, Event, Part, Stage, State};
use super::token::{TokenEnd, Tokens};
use super::token_group::Finished;
use super::waker::TurnWaker;
use crate::lane::{Abandon, Key, LaneRef, Next, Step};
use crate::pool::unwind;
use crate::sync::Arc;
use std::time::Duration;

/// An async body that has been started: its future and its waker.
struct Polled<T> {
    future: BodyFuture<T>,
    turn: Arc<TurnWaker>,
    waker: Waker,
}

/// The attempt (of the body or of the undo) that is under way.
struct Attempt<T> {
    tokens: Option<Arc<Tokens>>,
    future: Option<Polled<T>>,
    /// The timeout of the attempt, or the end of the backoff.
    alarm: Option<Alarm>,
    /// Why it failed, while its other tokens are awaited.
    error: Option<JobError>,
    /// How long to back off after it.
    delay: Duration,
}

impl<T> Attempt<T> {
    const NONE: Self =
        Self { tokens: None, future: None, alarm: None, error: None, delay: Duration::ZERO };
}

/// What one part has used so far.
#[derive(Default)]
struct Progress {
    attempts: u32,
    spent: Spent,
}

/// See the page.
pub(crate) struct Run<T: Send + 'static> {
    inner: Arc<Inner>,
    ticket: Arc<Ticket<T>>,
    body: Body<T>,
    options: Options,
    state: State,
    attempt: Attempt<T>,
    of_body: Progress,
    of_undo: Progress,
    value: Option<T>,
    cause: Option<JobError>,
    rollback: Option<JobError>,
    /// How the tokens of the body's last attempt stood.
    ends: Vec<TokenEnd>,
    ending: Option<Ending>,
    published: bool,
}

impl<T: Send + 'static> Run<T> {
    pub(crate) fn new(inner: Arc<Inner>, ticket: Arc<Ticket<T>>, job: Job<T>) -> Self {
        Self {
            inner,
            ticket,
            body: job.body,
            options: job.options.map(|options| *options).unwrap_or_default(),
            state: State::Queued,
            attempt: Attempt::NONE,
            of_body: Progress::default(),
            of_undo: Progress::default(),
            value: None,
            cause: None,
            rollback: None,
            ends: Vec::new(),
            ending: None,
            published: false,
        }
    }

    fn has_undo(&self) -> bool {
        !matches!(self.options.undo, Undo::None)
    }

    /// Goes on from `event` until the job waits or has ended.
    fn go(&mut self, mut event: Event, lane: &LaneRef<Entry>) -> Step {
        loop {
            let (state, action) = self.state.on(event, self.has_undo());
            self.state = state;
            self.show();
            event = match action {
                Action::Run(part) => self.start_attempt(part, lane),
                Action::BackOff(_) if self.attempt.delay.is_zero() => Event::Turn,
                Action::BackOff(_) => {
                    let delay = self.attempt.delay;
                    self.attempt.alarm = Some(Alarm::arm(&self.inner, lane, delay));
                    return Step::Waiting;
                }
                Action::Wait => {
                    self.arm_timeout(lane);
                    return Step::Waiting;
                }
                Action::Ignore => return Step::Waiting,
                Action::End(ending) => {
                    self.ending = Some(ending);
                    return Step::Ended(self.next(ending));
                }
            };
        }
    }

    /// What has happened since the last step; `None` if nothing has.
    fn news(&mut self, lane: &LaneRef<Entry>) -> Option<Event> {
        match self.state {
            State::Queued => Some(self.first_turn(lane)),
            State::Active(part, stage) => {
                let ready = match stage {
                    Stage::Waiting => self.waited(part),
                    Stage::Failing => self.others_settled(part),
                    Stage::BackingOff | Stage::Running => None,
                };
                ready.or_else(|| self.stopped(part)).or_else(|| self.rung(part, stage))
            }
            State::Ended => None,
        }
    }

    fn first_turn(&mut self, lane: &LaneRef<Entry>) -> Event {
        match self.ticket.control().start(Some(lane)) {
            Start::Refused => {
                // The canceller has published the outcome.
                self.published = true;
                Event::Stop
            }
            Start::Granted if self.inner.is_stopping() => Event::Lost,
            Start::Granted => {
                self.inner.stats().started();
                Event::Turn
            }
        }
    }

    /// News of an attempt that waits: its future, or all of its tokens, or the first failure.
    fn waited(&mut self, part: Part) -> Option<Event> {
        if self.attempt.future.is_some() {
            return self.poll().map(|result| self.returned(part, result));
        }
        let tokens = self.attempt.tokens.as_ref()?;
        if tokens.is_settled() {
            return Some(self.settled(part));
        }
        if self.options.open_tokens == OpenTokens::Ignore {
            let error = tokens.first_failure().cloned()?;
            return Some(self.failed(part, error));
        }
        None
    }

    /// News of an attempt that has failed: its other tokens have ended.
    fn others_settled(&mut self, part: Part) -> Option<Event> {
        let settled = self.attempt.tokens.as_ref().is_none_or(|tokens| tokens.is_settled());
        settled.then(|| self.failed_with_kept_error(part))
    }

    /// A cancel or a shutdown that this part has to obey.
    fn stopped(&mut self, part: Part) -> Option<Event> {
        if self.inner.reached(Phase::Lost) {
            self.give_up_attempt();
            return Some(Event::Lost);
        }
        let cause = self.stop_cause().filter(|_| part == Part::Body)?;
        self.give_up_attempt();
        self.cause = Some(cause);
        Some(Event::Stop)
    }

    /// The alarm: a backoff is over, or the attempt has taken too long.
    fn rung(&mut self, part: Part, stage: Stage) -> Option<Event> {
        if !self.attempt.alarm.as_ref()?.has_rung() {
            return None;
        }
        match stage {
            Stage::BackingOff => Some(Event::Turn),
            Stage::Failing => Some(self.failed_with_kept_error(part)),
            Stage::Waiting | Stage::Running => Some(self.failed(part, JobError::TimedOut)),
        }
    }

    fn stop_cause(&self) -> Option<JobError> {
        if self.ticket.control().is_cancelled() {
            return Some(JobError::Cancelled);
        }
        self.inner.is_stopping().then_some(JobError::Shutdown)
    }

    // Attempts.

    fn start_attempt(&mut self, part: Part, lane: &LaneRef<Entry>) -> Event {
        self.attempt = Attempt::NONE;
        match part {
            Part::Body => {
                self.of_body.attempts += 1;
                self.show();
                match self.run_body(lane) {
                    Some(result) => self.returned(part, result),
                    None => Event::Pending,
                }
            }
            Part::Undo => {
                self.of_undo.attempts += 1;
                let result = self.run_undo(lane);
                self.returned_unit(part, result)
            }
        }
    }

    /// Calls the body; `None` if it is a future that waits.
    fn run_body(&mut self, lane: &LaneRef<Entry>) -> Option<Result<T, JobError>> {
        let attempt = self.of_body.attempts;
        let _current = current::enter(&self.inner, self.ticket.key());
        if let Body::Future(body) = &mut self.body {
            let job = self.ticket.clone();
            let (context, tokens) = JobContext::owned(&self.inner, lane, job, attempt);
            self.attempt.tokens = Some(tokens);
            match unwind::halt(|| body(context)) {
                Ok(future) => self.attempt.future = Some(Polled::new(future, lane)),
                Err(payload) => return Some(Err(self.panicked(payload))),
            }
            return self.poll();
        }
        let whose = Whose::Borrowed(&*self.ticket);
        let mut context = JobContext::borrowed(&self.inner, lane, whose, attempt);
        let result = match &mut self.body {
            Body::Repeatable(body) => unwind::halt(|| body(&mut context)),
            once => match std::mem::replace(once, Body::Spent) {
                Body::Once(body) => unwind::halt(|| body.call(&mut context)),
                _ => Ok(Err(JobError::Abandoned)),
            },
        };
        self.attempt.tokens = context.into_tokens();
        Some(result.unwrap_or_else(|payload| Err(self.panicked(payload))))
    }

    fn run_undo(&mut self, lane: &LaneRef<Entry>) -> Result<(), JobError> {
        let _current = current::enter(&self.inner, self.ticket.key());
        let cause = self.cause.get_or_insert(JobError::Abandoned);
        let job = JobContext::borrowed(&self.inner, lane, Whose::Nobody, self.of_undo.attempts);
        let mut context =
            UndoContext { job, cause, attempts: self.of_body.attempts, ends: &self.ends };
        let result = match &mut self.options.undo {
            Undo::Repeatable(undo) => unwind::halt(|| undo(&mut context)),
            Undo::Spent | Undo::None => Ok(Err(JobError::Abandoned)),
            once => match std::mem::replace(once, Undo::Spent) {
                Undo::Once(undo) => unwind::halt(|| undo(&mut context)),
                _ => Ok(Err(JobError::Abandoned)),
            },
        };
        self.attempt.tokens = context.job.into_tokens();
        result.unwrap_or_else(|payload| Err(self.panicked(payload)))
    }

    /// Polls the future if it was woken.
    fn poll(&mut self) -> Option<Result<T, JobError>> {
        let polled = self.attempt.future.as_mut()?;
        if !polled.turn.take() {
            return None;
        }
        let result = {
            let _current = current::enter(&self.inner, self.ticket.key());
            let mut context = Context::from_waker(&polled.waker);
            unwind::halt(|| polled.future.as_mut().poll(&mut context))
        };
        let result = match result {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(result)) => result,
            Err(payload) => Err(self.panicked(payload)),
        };
        self.inner.discard(self.attempt.future.take());
        Some(result)
    }

    // Ends of attempts.

    fn returned(&mut self, part: Part, result: Result<T, JobError>) -> Event {
        let result = result.map(|value| self.value = Some(value));
        self.returned_unit(part, result)
    }

    /// The part has returned: gives back its hold on the tokens.
    fn returned_unit(&mut self, part: Part, result: Result<(), JobError>) -> Event {
        let Some(tokens) = &self.attempt.tokens else {
            return match result {
                Ok(()) => Event::Succeeded,
                Err(error) => self.failed(part, error),
            };
        };
        let settled = tokens.release() == Finished::Settled;
        let error = tokens.first_failure().cloned().or(result.err());
        let ignore = self.options.open_tokens == OpenTokens::Ignore;
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

    fn settled(&mut self, part: Part) -> Event {
        match self.attempt.tokens.as_ref().and_then(|tokens| tokens.first_failure().cloned()) {
            None => Event::Succeeded,
            Some(error) => self.failed(part, error),
        }
    }

    fn failed_with_kept_error(&mut self, part: Part) -> Event {
        let error = self.attempt.error.take().unwrap_or(JobError::TimedOut);
        self.failed(part, error)
    }

    /// The attempt is over and has failed: judges whether there is another one.
    fn failed(&mut self, part: Part, error: JobError) -> Event {
        self.give_up_attempt();
        let stop = self.stop_cause().filter(|_| part == Part::Body);
        if let Some(cause) = stop {
            self.cause = Some(cause);
            return Event::Failed { again: false };
        }
        let again = self.judge(part, &error);
        match part {
            Part::Body => self.cause = Some(error),
            Part::Undo => self.rollback = Some(error),
        }
        Event::Failed { again }
    }

    fn judge(&mut self, part: Part, error: &JobError) -> bool {
        let (policy, progress, can_repeat) = match part {
            Part::Body => {
                let can = !matches!(self.body, Body::Spent);
                (&self.options.retry, &mut self.of_body, can)
            }
            Part::Undo => {
                let can = matches!(self.options.undo, Undo::Repeatable(_));
                (&self.options.undo_retry, &mut self.of_undo, can)
            }
        };
        if !can_repeat {
            return false;
        }
        let verdict = unwind::halt(|| policy.verdict(error)).unwrap_or_else(|payload| {
            self.inner.pool().report_panic(payload);
            Verdict::GiveUp
        });
        match progress.spent.draw(policy, verdict, random()) {
            Again::After { delay, conflict } => {
                self.attempt.delay = delay;
                self.inner.stats().retried(conflict);
                true
            }
            Again::Never => false,
        }
    }

    /// Nothing of the attempt is awaited any more; notes how its tokens stand.
    fn give_up_attempt(&mut self) {
        self.value = None;
        let attempt = std::mem::replace(&mut self.attempt, Attempt::NONE);
        if let Some(tokens) = &attempt.tokens {
            tokens.close();
            if matches!(self.state, State::Active(Part::Body, _)) {
                self.ends = tokens.ends().into_iter().map(TokenEnd::from).collect();
            }
        } else {
            self.ends.clear();
        }
        self.inner.discard(attempt.future);
    }

    fn arm_timeout(&mut self, lane: &LaneRef<Entry>) {
        if let (Some(timeout), None) = (self.options.attempt_timeout, &self.attempt.alarm) {
            self.attempt.alarm = Some(Alarm::arm(&self.inner, lane, timeout));
        }
    }

    fn panicked(&self, payload: unwind::Payload) -> JobError {
        let error = JobError::from_panic(&*payload);
        self.inner.discard(payload);
        error
    }

    // The end.

    /// What the lane does next.
    fn next(&self, ending: Ending) -> Next {
        let quarantine = self.options.on_double_fault == OnDoubleFault::Quarantine;
        match ending {
            Ending::Completed | Ending::NotStarted | Ending::Lost => Next::Continue,
            Ending::DoubleFault if quarantine => Next::Hold,
            Ending::DoubleFault | Ending::RolledBack | Ending::Unsuccessful => {
                match self.options.on_failure {
                    OnFailure::Continue => Next::Continue,
                    OnFailure::Hold => Next::Hold,
                    OnFailure::FailRest => Next::FailRest,
                }
            }
        }
    }

    fn outcome(&mut self) -> JobOutcome<T> {
        let cause = self.cause.take().unwrap_or(JobError::Abandoned);
        match self.ending {
            Some(Ending::Completed) => match self.value.take() {
                Some(value) => JobOutcome::Completed(value),
                None => JobOutcome::Lost,
            },
            Some(Ending::RolledBack) => JobOutcome::RolledBack { cause },
            Some(Ending::Unsuccessful) => JobOutcome::without_undo(cause),
            Some(Ending::DoubleFault) => {
                let rollback = self.rollback.take().unwrap_or(JobError::Abandoned);
                JobOutcome::DoubleFault { cause, rollback }
            }
            Some(Ending::NotStarted | Ending::Lost) | None => JobOutcome::Lost,
        }
    }

    /// Drops what the user gave, then stores the outcome; once.
    fn publish(&mut self, outcome: JobOutcome<T>) {
        self.give_up_attempt();
        self.inner.discard(std::mem::replace(&mut self.body, Body::Spent));
        self.inner.discard(std::mem::replace(&mut self.options, Options::default()));
        if !std::mem::replace(&mut self.published, true) {
            if self.of_body.attempts > 0 {
                self.inner.stats().started_ended();
            }
            self.ticket.publish(outcome);
        }
    }

    fn show(&self) {
        let attempt = self.of_body.attempts;
        self.ticket.control().show(match self.state {
            State::Active(Part::Body, Stage::Running) => JobStatus::Running { attempt },
            State::Active(Part::Body, Stage::Waiting | Stage::Failing) => {
                JobStatus::Waiting { attempt }
            }
            State::Active(Part::Body, Stage::BackingOff) => JobStatus::BackingOff { attempt },
            State::Active(Part::Undo, _) => JobStatus::RollingBack,
            State::Queued | State::Ended => return,
        });
    }
}

impl<T> Polled<T> {
    fn new(future: BodyFuture<T>, lane: &LaneRef<Entry>) -> Self {
        let turn = Arc::new(TurnWaker::new(lane.clone()));
        Self { future, waker: Waker::from(turn.clone()), turn }
    }
}

impl Run<()> {
    /// The rest of a plain job whose body has returned and left tokens behind.
    pub(crate) fn resumed(inner: Arc<Inner>, key: Key) -> Self {
        let ticket = Arc::new(Ticket::new(&inner, key));
        let mut run = Self::new(inner, ticket, Job { body: Body::Spent, options: None });
        run.state = State::Active(Part::Body, Stage::Running);
        run.of_body.attempts = 1;
        run
    }

    /// Goes on with what the body returned.
    pub(crate) fn resume(
        &mut self,
        tokens: Arc<Tokens>,
        result: Result<(), JobError>,
        lane: &LaneRef<Entry>,
    ) -> Step {
        // Nobody can cancel it, so this is always granted.
        let _granted = self.ticket.control().start(Some(lane));
        self.attempt.tokens = Some(tokens);
        let event = self.returned(Part::Body, result);
        self.go(event, lane)
    }
}

impl<T: Send + 'static> Steps for Run<T> {
    fn step(&mut self, lane: &LaneRef<Entry>) -> Step {
        match self.news(lane) {
            Some(event) => self.go(event, lane),
            None => Step::Waiting,
        }
    }

    fn end(mut self: Box<Self>) {
        let outcome = self.outcome();
        self.publish(outcome);
    }

    fn abandon(mut self: Box<Self>, why: Abandon) {
        let outcome = match (self.state, why) {
            (State::Queued, Abandon::Predecessor) => {
                JobOutcome::Failed { cause: JobError::Predecessor }
            }
            _ => JobOutcome::Lost,
        };
        if self.state == State::Queued && self.ticket.control().start(None) == Start::Refused {
            self.published = true;
        }
        self.publish(outcome);
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

/// A uniformly distributed word, for jitter; drawn on failures only.
fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

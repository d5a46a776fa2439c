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

mod attempt;
mod ending;
mod report;

use std::time::Instant;

use super::alarm::Alarm;
use super::control::{Controlled, JobStatus, Start};
use super::entry::{Entry, Steps};
use super::error::JobError;
use super::explain::Explanation;
use super::handle::Ticket;
use super::inner::Phase;
use super::job::{Body, Job, OpenTokens, Options, Rules};
use super::marks::Pass;
use super::outcome::JobOutcome;
use super::owner::Owner;
use super::span::JobSpan;
use super::state::{Action, Ending, Event, Part, Stage, State};
use super::timings::Moments;
use super::token::{TokenEnd, Tokens};
use crate::lane::{Abandon, Address, Key, LaneRef, Step};
use crate::pool::{Timer, Work, unwind};
use crate::sync::Arc;
use attempt::{Attempt, Progress};

/// See the page.
pub(crate) struct Run<T: Send + 'static> {
    ticket: Arc<Ticket<T>>,
    body: Body<T>,
    options: Option<Box<Options>>,
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
    /// It was submitted without a handle.
    detached: bool,
    /// When it was submitted and started, if it is measured.
    moments: Option<Moments>,
    /// A child of the submitter's span.
    span: JobSpan,
    /// Whether it is measured, if that was decided before.
    is_measured: Option<bool>,
    /// The marks of its key have let it start, and its owner is asked for.
    let_through: bool,
    /// Its other keys, with their groups.
    other_keys: Box<[(Key, u32)]>,
    /// Ends it if it has not started by then.
    expiry: Option<(Instant, Timer)>,
    /// When its time is up, its undo aside.
    deadline: Option<Instant>,
}

impl<T: Send + 'static> Run<T> {
    pub(crate) fn new(ticket: Arc<Ticket<T>>, job: Job<T>) -> Self {
        Self {
            ticket,
            body: job.body,
            options: job.options,
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
            detached: false,
            moments: None,
            span: JobSpan::none(),
            is_measured: None,
            let_through: false,
            other_keys: Box::default(),
            expiry: None,
            deadline: None,
        }
    }

    pub(crate) fn ticket(&self) -> &Arc<Ticket<T>> {
        &self.ticket
    }

    /// The job holds these keys, too.
    pub(crate) fn set_other_keys(&mut self, keys: Box<[(Key, u32)]>) {
        self.other_keys = keys;
    }

    /// It is measured, or not: not for [`begin_to_wait`](Self::begin_to_wait) to decide.
    pub(crate) fn set_measured(&mut self, is_measured: bool) {
        self.is_measured = Some(is_measured);
    }

    /// It is submitted now.
    pub(crate) fn begin_to_wait(&mut self) {
        let inner = self.ticket.inner();
        if self.is_measured.unwrap_or_else(|| inner.config().sampling.takes()) {
            let submitted = inner.pool().clock().now();
            self.moments = Some(Moments { submitted, started: None });
        }
    }

    /// It is submitted in the span of its submitter.
    pub(crate) fn set_span(&mut self) {
        self.span = JobSpan::new(self.ticket.key());
    }

    /// Its first attempt begins: it has waited.
    fn note_start(&mut self) {
        let Some(moments) = &mut self.moments else { return };
        let inner = self.ticket.inner();
        let now = inner.pool().clock().now();
        moments.started = Some(now);
        let wait = now.saturating_duration_since(moments.submitted);
        inner.timings().waited(self.ticket.key(), wait);
    }

    /// Starts the times that run from the submission.
    pub(crate) fn set_deadlines(&mut self) {
        let rules = self.rules();
        let limits = (rules.queue_timeout, rules.deadline);
        if limits == (None, None) {
            return;
        }
        let pool = self.ticket.inner().pool().clone();
        self.deadline = limits.1.map(|limit| pool.clock().after(limit));
        let queue = limits.0.map(|limit| pool.clock().after(limit));
        if let Some(due) = queue.into_iter().chain(self.deadline).min() {
            let ticket = self.ticket.clone();
            let timer = pool.schedule_work_at(due, Work::once(move || ticket.expire()));
            self.expiry = Some((due, timer));
        }
    }

    /// The job starts, or has ended otherwise. False if it has come too late.
    fn leave_queue(&mut self) -> bool {
        let Some((due, timer)) = self.expiry.take() else { return true };
        timer.cancel();
        self.ticket.inner().pool().clock().now() < due
    }

    /// The same, for a job whose handle nobody has.
    pub(crate) fn detached(ticket: Arc<Ticket<T>>, job: Job<T>) -> Self {
        let mut run = Self::new(ticket, job);
        run.detached = true;
        run
    }

    fn has_undo(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.undo.is_some())
    }

    fn rules(&self) -> &Rules {
        Rules::of(&self.options)
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
                    let due = self.ticket.inner().pool().clock().after(self.attempt.delay);
                    self.attempt.due = Some(due);
                    self.attempt.alarm = Some(Alarm::arm(lane, due));
                    return Step::Waiting;
                }
                Action::Wait => {
                    self.arm_timeout(lane);
                    self.watch_again(lane);
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
            State::Queued => {
                let marks = self.ticket.inner().marks();
                let pass = match self.let_through {
                    false => marks.pass(lane),
                    true => marks.ask(lane).of_one_let_through(),
                };
                self.first_turn(lane, pass)
            }
            State::Active(part, stage) => {
                self.look_at_watch(lane);
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

    /// The first turn; nothing if a mark keeps the job from starting.
    fn first_turn(&mut self, lane: &LaneRef<Entry>, pass: Pass) -> Option<Event> {
        if pass == Pass::Wait && self.ticket.control().stop_short(lane) {
            return None;
        }
        if pass == Pass::Cancel {
            self.ticket.cancel();
        }
        if pass == Pass::Go && self.waits_for_owner(lane) {
            return None;
        }
        if !self.leave_queue() {
            self.ticket.expire();
        }
        Some(match self.ticket.control().start(Some(lane)) {
            Start::Refused => {
                // The canceller has published the outcome.
                self.published = true;
                Event::Stop
            }
            Start::Granted if pass == Pass::Lose || self.ticket.inner().is_stopping() => {
                Event::Lost
            }
            Start::Granted => {
                self.ticket.inner().stats().started();
                self.note_start();
                Event::Turn
            }
        })
    }

    /// True if the owner of its entity is being asked for. A job of another node is ended.
    fn waits_for_owner(&mut self, lane: &LaneRef<Entry>) -> bool {
        let inner = self.ticket.inner();
        let Some(entity) = self.rules().owned_by.as_ref().filter(|_| !inner.is_stopping()) else {
            return false;
        };
        match inner.owners().look(inner, entity, lane) {
            Owner::Here => false,
            Owner::Elsewhere => {
                self.ticket.skip();
                false
            }
            Owner::Asked => {
                self.let_through = true;
                self.ticket.control().stop_short(lane)
            }
        }
    }

    /// News of an attempt that waits: its future, or all of its tokens, or the first failure.
    fn waited(&mut self, part: Part) -> Option<Event> {
        if let Some(result) = self.poll() {
            return Some(self.returned(part, result));
        }
        let tokens = self.attempt.tokens.as_ref()?;
        if tokens.is_settled() {
            return Some(self.settled(part));
        }
        if self.rules().open_tokens == OpenTokens::Ignore && !self.attempt.is_on_its_own() {
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
        if self.ticket.inner().reached(Phase::Lost) {
            self.give_up_attempt();
            return Some(Event::Lost);
        }
        let cause = self.stop_cause().filter(|_| part == Part::Body)?;
        if self.attempt.is_on_its_own() {
            return None; // it is told, and its lane waits for it
        }
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
        let address = self.ticket.address();
        let marks = self.ticket.inner().marks();
        if self.ticket.control().is_cancelled() || marks.cancel(address.group(), address.key()) {
            return Some(JobError::Cancelled);
        }
        self.ticket.inner().is_stopping().then_some(JobError::Shutdown)
    }

    fn arm_timeout(&mut self, lane: &LaneRef<Entry>) {
        if let (Some(expires), None) = (self.attempt.expires, &self.attempt.alarm) {
            self.attempt.alarm = Some(Alarm::arm(lane, expires));
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

impl Run<()> {
    /// The rest of a plain job whose body has returned and left tokens behind.
    pub(crate) fn resumed(address: Address<Entry>) -> Self {
        let ticket = Arc::new(Ticket::new(address));
        let mut run = Self::detached(ticket, Job { body: Body::Once(None), options: None });
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

/// Drops the run, and with it the outcome if nobody wants it.
fn discard_run<T: Send + 'static>(run: Box<Run<T>>) {
    // A panic in it has been reported by the panic hook, and there is nobody else to tell.
    let _panicked = unwind::discard(run);
}

impl<T: Send + 'static> Steps for Run<T> {
    fn step(&mut self, lane: &LaneRef<Entry>) -> Step {
        self.span.clone().within(|| match self.news(lane) {
            Some(event) => self.go(event, lane),
            None => Step::Waiting,
        })
    }

    fn enter(&mut self, lane: &LaneRef<Entry>, pass: Pass) -> Step {
        self.span.clone().within(|| match self.first_turn(lane, pass) {
            Some(event) => self.go(event, lane),
            None => Step::Waiting,
        })
    }

    fn supersede(mut self: Box<Self>) {
        self.publish(JobOutcome::Superseded);
        discard_run(self);
    }

    fn end(mut self: Box<Self>) {
        let outcome = self.outcome();
        self.publish(outcome);
        discard_run(self);
    }

    fn abandon(mut self: Box<Self>, why: Abandon) {
        let outcome = match (self.state, why) {
            (State::Queued, Abandon::Predecessor) => {
                JobOutcome::Failed { cause: JobError::Predecessor }
            }
            _ => JobOutcome::Lost,
        };
        self.publish(outcome);
        discard_run(self);
    }

    fn is_over(&self) -> bool {
        self.ticket.control().is_cancelled()
    }

    fn explain(&self) -> Vec<Explanation> {
        let State::Active(part, stage) = self.state else {
            let entity = self.rules().owned_by.clone().filter(|_| self.let_through);
            return entity
                .map(|entity| Explanation::WaitingForOwner { entity })
                .into_iter()
                .collect();
        };
        let attempt = match part {
            Part::Body => self.of_body.attempts,
            Part::Undo => self.of_undo.attempts,
        };
        let stage = match stage {
            // Told by the thread that runs it.
            Stage::Waiting if self.attempt.is_on_its_own() => None,
            Stage::Waiting | Stage::Failing => Some(match &self.attempt.tokens {
                Some(tokens) if !self.attempt.has_future() => {
                    Explanation::WaitingForTokens { attempt, tokens: tokens.open() }
                }
                _ => Explanation::Awaiting { attempt },
            }),
            Stage::BackingOff => {
                self.attempt.due.map(|until| Explanation::BackingOff { attempt, until })
            }
            Stage::Running => None,
        };
        let undo = (part == Part::Undo).then_some(Explanation::RollingBack);
        undo.into_iter().chain(stage).collect()
    }
}

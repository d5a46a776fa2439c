//! What a body and an undo see of their job.
//!
//! A context on the stack borrows everything, so that a plain job costs no reference counts; the
//! context of an async body owns its parts and may travel with the future.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use super::control::Controlled;
use super::delay::Delay;
use super::entry::Entry;
use super::error::JobError;
use super::inner::Inner;
use super::token::{Token, TokenEnd, Tokens};
use super::token_group::TokenGroup;
use crate::lane::LaneRef;
use crate::sync::Arc;

/// Whose cancellation the context watches.
pub(crate) enum Whose<'a> {
    /// A detached plain job: nobody can cancel it, but the coordinator can be shut down.
    Nobody,
    Borrowed(&'a dyn Controlled),
    Shared(Arc<dyn Controlled>),
}

/// The body's view of its job; also the handle to its tokens.
pub struct JobContext<'a> {
    lane: Cow<'a, LaneRef<Entry>>,
    whose: Whose<'a>,
    attempt: u32,
    /// When the time of the attempt, or of the job, is up.
    until: Option<Instant>,
    tokens: Option<Arc<Tokens>>,
}

impl<'a> JobContext<'a> {
    pub(crate) fn borrowed(
        lane: &'a LaneRef<Entry>,
        whose: Whose<'a>,
        attempt: u32,
        until: Option<Instant>,
    ) -> Self {
        Self { lane: Cow::Borrowed(lane), whose, attempt, until, tokens: None }
    }

    /// A context that a future may own, and its tokens, whose body's hold is the future's.
    pub(crate) fn owned(
        lane: &LaneRef<Entry>,
        control: Arc<dyn Controlled>,
        attempt: u32,
        until: Option<Instant>,
    ) -> (JobContext<'static>, Arc<Tokens>) {
        let tokens = Arc::new(TokenGroup::new(lane.clone()));
        let context = JobContext {
            lane: Cow::Owned(lane.clone()),
            whose: Whose::Shared(control),
            attempt,
            until,
            tokens: Some(tokens.clone()),
        };
        (context, tokens)
    }

    /// The tokens that were taken, if any.
    pub(crate) fn into_tokens(self) -> Option<Arc<Tokens>> {
        self.tokens
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Takes a token: when the body returns `Ok`, the job stays pending, without a worker, until
    /// every token has succeeded. The first failure fails the attempt.
    ///
    /// Once the attempt is over, a token is taken in vain: finishing it has no effect. The place of
    /// the call is what a watchdog names ([`JobEvent::Overdue`](super::JobEvent::Overdue)).
    #[track_caller]
    pub fn defer(&mut self) -> Token {
        let lane = &self.lane;
        let tokens =
            self.tokens.get_or_insert_with(|| Arc::new(TokenGroup::new(LaneRef::clone(lane))));
        Token::new(TokenGroup::defer(tokens))
    }

    /// True once the job is cancelled, its time is up or the coordinator is shut down: return soon.
    /// What the body returns still counts.
    pub fn is_cancelled(&self) -> bool {
        self.stopped().is_some()
    }

    /// Sleeps on this worker's thread, which does nothing else meanwhile; ends early, with the
    /// cause, if the job is cancelled, its time is up or the coordinator is shut down.
    ///
    /// Meant for bodies that poll something. A body that only waits should take a token, and an
    /// async body should await [`delay`](Self::delay).
    ///
    /// # Errors
    /// [`JobError::Cancelled`], [`JobError::TimedOut`] or [`JobError::Shutdown`], to be handed on with `?`.
    pub fn sleep(&self, time: Duration) -> Result<(), JobError> {
        let pool = self.inner().pool();
        let deadline = pool.clock().after(time);
        let deadline = self.until.map_or(deadline, |until| until.min(deadline));
        if pool.sleeps_by_hand(deadline) {
            return self.stopped().map_or(Ok(()), Err);
        }
        self.inner().doze().until(deadline, || self.stopped())
    }

    /// A future that is ready after `time`, on the pool's timer. For async bodies, which hold no
    /// worker while they await it; a cancelled attempt is dropped, and its delay with it.
    ///
    /// ```
    /// use laneway::{Coordinator, Job, Pool};
    /// use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// let job = Job::future(|ctx| async move {
    ///     ctx.delay(Duration::from_millis(1)).await;
    ///     Ok("later")
    /// });
    /// assert!(coordinator.submit("k", job)?.wait()?.is_completed());
    /// # Ok(()) }
    /// ```
    pub fn delay(&self, time: Duration) -> Delay {
        Delay::new(self.inner().pool(), time)
    }

    fn inner(&self) -> &Inner {
        self.lane.owner()
    }

    fn stopped(&self) -> Option<JobError> {
        let cancelled = match &self.whose {
            Whose::Nobody => false,
            Whose::Borrowed(job) => job.control().is_cancelled(),
            Whose::Shared(job) => job.control().is_cancelled(),
        };
        let lane = &*self.lane;
        if cancelled || self.inner().marks().cancel(lane.group(), lane.key()) {
            return Some(JobError::Cancelled);
        }
        if self.inner().is_stopping() {
            return Some(JobError::Shutdown);
        }
        let until = self.until?;
        (self.inner().pool().clock().now() >= until).then_some(JobError::TimedOut)
    }
}

impl fmt::Debug for JobContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// The undo's view of its job: what failed, how often, and what the failed attempt left behind.
pub struct UndoContext<'a> {
    pub(crate) job: JobContext<'a>,
    pub(crate) cause: &'a JobError,
    pub(crate) attempts: u32,
    pub(crate) ends: &'a [TokenEnd],
}

impl UndoContext<'_> {
    /// Why the job will not complete.
    pub fn cause(&self) -> &JobError {
        self.cause
    }

    /// How many attempts were started, 1 or more.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How the tokens of the last attempt stood, in the order in which they were taken.
    pub fn tokens(&self) -> &[TokenEnd] {
        self.ends
    }

    /// The number of this run of the undo, from 1.
    pub fn undo_attempt(&self) -> u32 {
        self.job.attempt()
    }

    /// Takes a token, as [`JobContext::defer`] does for the body: the undo has succeeded when it
    /// returned `Ok` and every token has succeeded.
    #[track_caller]
    pub fn defer(&mut self) -> Token {
        self.job.defer()
    }
}

impl fmt::Debug for UndoContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndoContext")
            .field("cause", self.cause)
            .field("attempts", &self.attempts)
            .field("tokens", &self.ends)
            .finish_non_exhaustive()
    }
}

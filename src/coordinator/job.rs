//! A job: a body, and what goes with it.
//!
//! Plain data until it is submitted: `run.rs` executes it. A plain job (a body that runs once, no
//! options) is stored in place; everything else lives in one side allocation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::context::{JobContext, UndoContext};
use super::error::JobError;
use super::inline::InlineOnce;
use super::retry::RetryPolicy;
use crate::lane::Key;

/// What happens to the lane after a job of it ended badly: it had been started and did not
/// complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The next job of the key runs.
    #[default]
    Continue,
    /// The lane stops, its order kept, until
    /// [`Coordinator::release`](super::Coordinator::release).
    Hold,
    /// The jobs of the key that wait at that moment end as `Failed` with
    /// [`JobError::Predecessor`]; later ones run.
    FailRest,
}

/// What happens to the lane after a double fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDoubleFault {
    /// As after any failure: what [`OnFailure`] says.
    #[default]
    Continue,
    /// The lane stops, its order kept, until
    /// [`Coordinator::release`](super::Coordinator::release).
    Quarantine,
}

/// What happens to the other tokens of an attempt when one of them has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenTokens {
    /// They are awaited before the next attempt or the undo starts, so that two attempts never
    /// overlap.
    #[default]
    Await,
    /// They are ignored from then on; what they stand for may overlap with what follows.
    Ignore,
}

/// What happens to a body that is still on a worker when its time is up; see
/// [`Job::attempt_timeout`] and [`Job::deadline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overrun {
    /// It keeps its lane until it returns, and then its result counts: two jobs of one key never
    /// run at once.
    #[default]
    Wait,
    /// The attempt fails with [`JobError::TimedOut`] and the lane goes on *while the body still runs*:
    /// exclusion is given up for this job. What it returns later is dropped; it is not run again. The
    /// body takes a worker of its own instead of the lane's turn, until it returns.
    Abandon,
}

/// The future of an async body.
pub(crate) type BodyFuture<T> = Pin<Box<dyn Future<Output = Result<T, JobError>> + Send>>;

type BodyFn<T> = dyn FnMut(&mut JobContext<'_>) -> Result<T, JobError> + Send;
type FutureFn<T> = dyn FnMut(JobContext<'static>) -> BodyFuture<T> + Send;
type UndoOnceFn = dyn FnOnce(&mut UndoContext<'_>) -> Result<(), JobError> + Send;
type UndoFn = dyn FnMut(&mut UndoContext<'_>) -> Result<(), JobError> + Send;

/// What a job does, by shape.
pub(crate) enum Body<T> {
    /// `None` once it has run.
    Once(Option<InlineOnce<T>>),
    Repeatable(Box<BodyFn<T>>),
    Future(Box<FutureFn<T>>),
}

/// The undo, by shape.
pub(crate) enum Undo {
    /// `None` once it has run.
    Once(Option<Box<UndoOnceFn>>),
    Repeatable(Box<UndoFn>),
}

/// Everything about a job but its body. A job with no options has none of it.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) undo: Option<Undo>,
    rules: Rules,
}

/// What is done when.
pub(crate) struct Rules {
    pub(crate) undo_retry: RetryPolicy,
    pub(crate) retry: RetryPolicy,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_double_fault: OnDoubleFault,
    pub(crate) open_tokens: OpenTokens,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) overrun: Overrun,
    pub(crate) watch: Option<Duration>,
    pub(crate) owned_by: Option<Key>,
}

impl Rules {
    const DEFAULT: Self = Self {
        undo_retry: RetryPolicy { conflicts: 0, ..RetryPolicy::DEFAULT },
        retry: RetryPolicy::DEFAULT,
        on_failure: OnFailure::Continue,
        on_double_fault: OnDoubleFault::Continue,
        open_tokens: OpenTokens::Await,
        attempt_timeout: None,
        queue_timeout: None,
        deadline: None,
        overrun: Overrun::Wait,
        watch: None,
        owned_by: None,
    };

    /// The rules among `options`, or those of a job without any.
    pub(crate) fn of(options: &Option<Box<Options>>) -> &Self {
        static DEFAULT: Rules = Rules::DEFAULT;
        options.as_deref().map_or(&DEFAULT, |options| &options.rules)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A keyed unit of work: a body, perhaps an undo, policies, and one outcome.
///
/// The body returns `Ok(value)`, an error, or is *pending*: if it took tokens with
/// [`JobContext::defer`], its `Ok(value)` becomes the outcome when every token has succeeded. A
/// panic in it is a failure like any other ([`JobError::Panicked`]).
///
/// Dropping a job that was not submitted drops its captures; nothing runs.
///
/// ```
/// use laneway::{Coordinator, Job, JobError, JobOutcome, Pool, RetryPolicy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::new(&Pool::new()?);
/// let job = Job::repeatable(|ctx| match ctx.attempt() {
///     1 => Err(JobError::new("the line was busy")),
///     _ => Ok("delivered"),
/// })
/// .retry(RetryPolicy::with_retries(3));
/// let outcome = coordinator.submit("letter-box", job)?.wait()?;
/// assert!(matches!(outcome, JobOutcome::Completed("delivered")));
/// # Ok(()) }
/// ```
#[must_use = "a job runs only when it is submitted"]
pub struct Job<T> {
    pub(crate) body: Body<T>,
    pub(crate) options: Option<Box<Options>>,
}

impl<T: Send + 'static> Job<T> {
    /// A body that runs once: it is never run again, whatever the retry policy says.
    pub fn once<F>(body: F) -> Self
    where
        F: FnOnce(&mut JobContext<'_>) -> Result<T, JobError> + Send + 'static,
    {
        Self::with(Body::Once(Some(InlineOnce::new(body))))
    }

    /// A body that can be run again, after failures as [`retry`](Self::retry) says and after
    /// conflicts.
    pub fn repeatable<F>(body: F) -> Self
    where
        F: FnMut(&mut JobContext<'_>) -> Result<T, JobError> + Send + 'static,
    {
        Self::with(Body::Repeatable(Box::new(body)))
    }

    /// An async body, called once per attempt. Its future is polled on the pool, by turns of the
    /// job's lane, and holds no worker while it waits. A cancelled or expired attempt drops it.
    ///
    /// ```
    /// use laneway::{Coordinator, Job, JobOutcome, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// let first = coordinator.submit("a", Job::once(|_| Ok(20)))?;
    /// let mut first = Some(first);
    /// let second = coordinator.submit("b", Job::future(move |_ctx| {
    ///     let first = first.take();
    ///     async move {
    ///         let first = first.expect("one attempt only").await;
    ///         Ok(first.completed().unwrap_or(0) + 1)
    ///     }
    /// }))?;
    /// assert!(matches!(second.wait()?, JobOutcome::Completed(21)));
    /// # Ok(()) }
    /// ```
    pub fn future<F, Fut>(mut body: F) -> Self
    where
        F: FnMut(JobContext<'static>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, JobError>> + Send + 'static,
    {
        Self::with(Body::Future(Box::new(move |context| Box::pin(body(context)))))
    }

    fn with(body: Body<T>) -> Self {
        Self { body, options: None }
    }

    fn options(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    /// Gives the job an undo. It runs once, whenever an attempt was started and the job will not
    /// complete: after failure, panic, cancel, expiry and shutdown (until its deadline). It may
    /// take tokens of its own. If it fails, the outcome is a double fault.
    pub fn undo<F>(mut self, undo: F) -> Self
    where
        F: FnOnce(&mut UndoContext<'_>) -> Result<(), JobError> + Send + 'static,
    {
        self.options().undo = Some(Undo::Once(Some(Box::new(undo))));
        self
    }

    /// As [`undo`](Self::undo), run again when it fails, as `policy` says.
    pub fn undo_repeatable<F>(mut self, policy: RetryPolicy, undo: F) -> Self
    where
        F: FnMut(&mut UndoContext<'_>) -> Result<(), JobError> + Send + 'static,
    {
        let options = self.options();
        options.undo = Some(Undo::Repeatable(Box::new(undo)));
        options.rules.undo_retry = policy;
        self
    }

    /// When to run it again. Default: after conflicts only. No effect on a body that runs
    /// [`once`](Self::once).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options().rules.retry = policy;
        self
    }

    /// What becomes of the lane if the job ends badly. Default: it goes on.
    pub fn on_failure(mut self, rule: OnFailure) -> Self {
        self.options().rules.on_failure = rule;
        self
    }

    /// What becomes of the lane after a double fault. Default: as after any failure.
    pub fn on_double_fault(mut self, rule: OnDoubleFault) -> Self {
        self.options().rules.on_double_fault = rule;
        self
    }

    /// What becomes of the other tokens when one has failed. Default: they are awaited.
    pub fn open_tokens(mut self, rule: OpenTokens) -> Self {
        self.options().rules.open_tokens = rule;
        self
    }

    /// How long one attempt, or one run of the undo, may wait for tokens and awaits, from its start.
    /// When the time is up the attempt fails with [`JobError::TimedOut`], open tokens are ignored
    /// and the future is dropped.
    ///
    /// A body on a worker's stack cannot be stopped from outside: it is told
    /// ([`JobContext::is_cancelled`], [`JobContext::sleep`]), keeps its lane until it returns, and
    /// then its result counts; unless [`overrun`](Self::overrun) says otherwise.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.options().rules.attempt_timeout = Some(timeout);
        self
    }

    /// How long it may wait for its start, from its submission. A job that has not started by then
    /// ends as [`Expired`](super::JobOutcome::Expired), also behind a job that runs, a pause or a
    /// hold.
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.options().rules.queue_timeout = Some(timeout);
        self
    }

    /// How long it may take in all, from its submission, its undo not included. When the time is up
    /// a job that has not started ends as [`Expired`](super::JobOutcome::Expired), and one that has
    /// as after the time-out of its last attempt ([`attempt_timeout`](Self::attempt_timeout)). An attempt that could not
    /// begin before the deadline is not waited for: the failure before it counts.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options().rules.deadline = Some(deadline);
        self
    }

    /// What happens if the body is still on a worker when its time is up. Default: it is waited for.
    pub fn overrun(mut self, rule: Overrun) -> Self {
        self.options().rules.overrun = rule;
        self
    }

    /// Runs it only on the node that owns `entity`; elsewhere it ends as
    /// [`Skipped`](super::JobOutcome::Skipped).
    ///
    /// The owner is asked for when the job comes to the head of its lane
    /// ([`Ownership`](super::Ownership)); it keeps that place, without a worker, until the answer is
    /// there. Once started it goes on, whoever becomes the owner.
    pub fn owned_by(mut self, entity: impl Into<Key>) -> Self {
        self.options().rules.owned_by = Some(entity.into());
        self
    }

    /// Tells the [`Observer`](super::Observer) if an attempt takes longer than this, while it goes on;
    /// nothing is ended. Default: what the coordinator's
    /// [`watchdog`](super::CoordinatorConfig::watchdog) says.
    pub fn watch(mut self, after: Duration) -> Self {
        self.options().rules.watch = Some(after);
        self
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match self.body {
            Body::Once(_) => "once",
            Body::Repeatable(_) => "repeatable",
            Body::Future(_) => "future",
        };
        f.debug_struct("Job").field("body", &body).finish_non_exhaustive()
    }
}

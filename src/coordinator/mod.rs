//! Layer coordinator: keyed jobs with retries, undo, tokens and one outcome each.
//!
//! ```text
//!   Job ──submit(key)──► lane of the key ──turns──► Run ──► JobOutcome ──► JobHandle
//!                          (lane/)           state machine      promise
//! ```
//!
//! A [`Coordinator`] accepts [`Job`]s under a [`Key`]. Jobs of one key run one at a time, in the
//! order of submission; the next starts when the one before has its outcome. Jobs of different
//! keys run in parallel on the pool. A job waits for tokens, awaits and backoffs without a worker.
//!
//! Here: the public coordinator. `job` what is submitted; `run` and `state` its life; `entry` its
//! form in a lane; `handle` and `control` the other side; `token_group` the lock-free core.

mod alarm;
mod context;
mod control;
mod current;
mod delay;
mod door;
mod doze;
mod entry;
mod error;
mod explain;
mod handle;
mod inline;
mod inner;
mod job;
mod keys;
mod latest;
mod marks;
#[cfg(feature = "metrics")]
mod metrics;
mod multi;
mod observe;
mod outcome;
mod owner;
mod retry;
mod run;
mod running;
mod span;
mod state;
mod stats;
mod stray;
mod test_coordinator;
mod tickets;
mod timings;
mod token;
mod token_group;
mod waker;
mod watch;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use context::{JobContext, UndoContext};
pub use control::JobStatus;
pub use delay::Delay;
pub use error::{DrainError, JobError, SharedError, SubmitError, WaitError};
pub use explain::Explanation;
pub use handle::{JobControl, JobHandle, Waited};
pub use job::{Job, OnDoubleFault, OnFailure, OpenTokens, Overrun};
pub use keys::Keys;
pub use multi::KEYS_MAX;
pub use observe::{CoordinatorConfig, Doing, JobEvent, Observer};
pub use outcome::{JobOutcome, OutcomeKind};
pub use owner::{OwnedSet, OwnerQuestion, Ownership, Standalone};
pub use retry::{Backoff, Classify, Jitter, RetryPolicy, Verdict};
pub use stats::CoordinatorCounters;
pub use test_coordinator::TestCoordinator;
pub use timings::{Histogram, JobTimings, KeyWait, Sampling};
pub use token::{Token, TokenEnd};

pub use crate::lane::{KEY_MAX, Key};
pub use crate::pool::Shutdown;

use crate::lane::{Lanes, Look};
use crate::pool::Pool;
use crate::sync::Arc;
use door::Door;
use entry::Entry;
use handle::Ticket;
use inner::{Inner, Phase};
use job::Body;
use multi::Part;
use run::Run;
use span::JobSpan;

/// What a [`Coordinator::shutdown`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Every job has its outcome.
    pub complete: bool,
    /// Jobs without an outcome at the return: bodies that are still on a worker, and what is behind
    /// them. Each gets its outcome when its body returns.
    pub left: u64,
    /// Jobs that have ended as [`JobOutcome::Lost`] since the coordinator was made.
    pub lost: u64,
}

/// How long a shutdown whose time is up waits for the turns in which the last jobs learn of it.
const LAST_TURNS: Duration = Duration::from_millis(100);

/// Runs keyed jobs on a pool. Clones are the same coordinator.
///
/// Dropping the last clone stops nothing: jobs that were accepted still run. Lanes that are held
/// (and nobody could release any more) end their jobs as [`JobOutcome::Lost`].
#[derive(Clone)]
pub struct Coordinator {
    door: Arc<Door>,
}

impl Coordinator {
    /// A coordinator on `pool`. One pool can serve many.
    pub fn new(pool: &Pool) -> Self {
        Self::with_config(pool, CoordinatorConfig::default())
    }

    /// As [`new`](Self::new), as `config` says.
    pub fn with_config(pool: &Pool, config: CoordinatorConfig) -> Self {
        Self { door: Arc::new(Door::new(pool, config)) }
    }

    fn inner(&self) -> &Inner {
        &self.door.inner
    }

    fn lanes(&self) -> &Lanes<Entry> {
        &self.door.lanes
    }

    /// The pool that the jobs run on.
    pub fn pool(&self) -> &Pool {
        self.inner().pool()
    }

    /// Appends `job` to the lane of `key` and returns at once.
    ///
    /// Jobs of one key run one at a time. If one `submit` returned before another was called, on
    /// whatever threads, its job runs first. A job may submit to its own key. Lock-free; never
    /// blocks. Dropping the handle detaches the job; it does not cancel it.
    ///
    /// # Errors
    /// [`SubmitError`] hands the job back.
    pub fn submit<T: Send + 'static>(
        &self,
        key: impl Into<Key>,
        job: Job<T>,
    ) -> Result<JobHandle<T>, SubmitError<Job<T>>> {
        let key = key.into();
        if let Some(refuse) = self.refusal(&key) {
            return Err(refuse(job));
        }
        let ticket = Arc::new(Ticket::new(self.lanes().address(key)));
        self.send(Run::new(ticket.clone(), job));
        Ok(JobHandle::new(ticket))
    }

    /// As [`submit`](Self::submit), without a handle. A body that runs [`once`](Job::once), with
    /// captures of at most 48 bytes and no options, costs no allocation of its own.
    ///
    /// Its value is dropped when the body returns; its failure is counted, its panic goes to the
    /// pool's panic handler.
    ///
    /// # Errors
    /// [`SubmitError`] hands the job back.
    pub fn submit_detached<T: Send + 'static>(
        &self,
        key: impl Into<Key>,
        job: Job<T>,
    ) -> Result<(), SubmitError<Job<T>>> {
        let key = key.into();
        if let Some(refuse) = self.refusal(&key) {
            return Err(refuse(job));
        }
        let is_measured = self.inner().config().sampling.takes();
        let is_plain = !is_measured && !self.inner().is_watched() && !JobSpan::is_wanted();
        match job {
            Job { body: Body::Once(Some(body)), options: None } if is_plain => {
                self.inner().stats().created();
                self.lanes().submit(key, Entry::Plain(body.detached()));
            }
            job => {
                let ticket = Arc::new(Ticket::new(self.lanes().address(key)));
                let mut run = Run::detached(ticket, job);
                run.set_measured(is_measured);
                self.send(run);
            }
        }
        Ok(())
    }

    /// Sends a job into its lane.
    fn send<T: Send + 'static>(&self, run: Run<T>) {
        let ticket = run.ticket().clone();
        let run = self.prepare(run);
        ticket.address().submit(Entry::Full(run));
    }

    /// A job is accepted.
    fn prepare<T: Send + 'static>(&self, mut run: Run<T>) -> Box<Run<T>> {
        self.inner().stats().created();
        run.begin_to_wait();
        run.set_span();
        self.inner().observe(&JobEvent::Submitted { key: run.ticket().key() });
        run.set_deadlines();
        Box::new(run)
    }

    /// As [`submit`](Self::submit), for work of which only the latest state counts: while a job
    /// with the same key and tag waits for its start, `job` takes its *place*, and the replaced job
    /// ends as [`Superseded`](JobOutcome::Superseded). A job that has started is never replaced.
    /// So the last job submitted always runs, after its submission, and at most one waits.
    ///
    /// The place is that of the first of them; jobs of the key that were submitted between the two
    /// run after it. Takes a lock that only submissions of this kind share; never blocks for long.
    ///
    /// # Errors
    /// [`SubmitError`] hands the job back.
    ///
    /// ```
    /// use laneway::{Coordinator, Job, JobOutcome, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// coordinator.pause("router-3");
    /// let old = coordinator.submit_latest("router-3", "config", Job::once(|_| Ok(1)))?;
    /// let new = coordinator.submit_latest("router-3", "config", Job::once(|_| Ok(2)))?;
    /// coordinator.resume("router-3");
    /// assert!(matches!(old.wait()?, JobOutcome::Superseded));
    /// assert!(matches!(new.wait()?, JobOutcome::Completed(2)));
    /// # Ok(()) }
    /// ```
    pub fn submit_latest<T: Send + 'static>(
        &self,
        key: impl Into<Key>,
        tag: impl Into<Key>,
        job: Job<T>,
    ) -> Result<JobHandle<T>, SubmitError<Job<T>>> {
        let (key, tag) = (key.into(), tag.into());
        if let Some(refuse) = self.refusal(&key).or_else(|| self.refusal(&tag)) {
            return Err(refuse(job));
        }
        let ticket = Arc::new(Ticket::new(self.lanes().address(key)));
        let run = self.prepare(Run::new(ticket.clone(), job));
        if let Some(cell) = self.inner().latest().put(ticket.address(), tag, run) {
            ticket.address().submit(Entry::Latest(cell));
        }
        Ok(JobHandle::new(ticket))
    }

    /// Submits a job that holds several keys at once: it runs when it has come to the head of the
    /// lane of each, and no other job of any of them runs meanwhile. Keys that are given twice count
    /// once; the first one is the key of the handle.
    ///
    /// While it waits for a key it blocks those that it has, and [`explain`](Self::explain) says so.
    /// Jobs over several keys never deadlock: they take their common keys in one order. A pause or a
    /// hold of any key delays it, a cancel of any key cancels it, and what it does to the lane after
    /// a failure it does to all of them. With one key it is as [`submit`](Self::submit).
    ///
    /// Takes a lock that only such jobs share, for a moment; never blocks for long.
    ///
    /// # Errors
    /// [`SubmitError`] hands the job back; [`SubmitError::KeyCount`] for no key, or more than
    /// [`KEYS_MAX`] different ones.
    ///
    /// ```
    /// use laneway::{Coordinator, Job, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// let transfer = Job::once(|_| Ok("moved 100 from one to the other"));
    /// let transfer = coordinator.submit_multi(["account-1", "account-2"], transfer)?;
    /// assert!(transfer.wait()?.is_completed());
    /// # Ok(()) }
    /// ```
    pub fn submit_multi<T: Send + 'static, K: Into<Key>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        job: Job<T>,
    ) -> Result<JobHandle<T>, SubmitError<Job<T>>> {
        let mut all: Vec<Key> = Vec::new();
        for key in keys {
            let key = key.into();
            if !all.contains(&key) {
                all.push(key);
            }
            if all.len() > KEYS_MAX {
                return Err(SubmitError::KeyCount(job));
            }
        }
        if let Some(refuse) = all.iter().find_map(|key| self.refusal(key)) {
            return Err(refuse(job));
        }
        match &all[..] {
            [] => Err(SubmitError::KeyCount(job)),
            [key] => self.submit(key, job),
            [first, others @ ..] => {
                let address = self.lanes().address(first.clone());
                let ticket = Arc::new(Ticket::over(address, others.into()));
                let mut run = Run::new(ticket.clone(), job);
                let group = |key: &Key| (key.clone(), self.lanes().group(key));
                run.set_other_keys(others.iter().map(group).collect());
                let run = self.prepare(run);
                let number = self.inner().multi().draw(&all, ticket.clone(), run);
                let inner = self.door.inner.clone();
                ticket.when_ended(move || inner.multi().ended(number));
                for key in all {
                    let part = Part::new(number, key.clone());
                    self.lanes().submit(key, Entry::Part(Box::new(part)));
                }
                Ok(JobHandle::new(ticket))
            }
        }
    }

    /// What a job under `key` is answered, if it is not accepted.
    fn refusal<J>(&self, key: &Key) -> Option<fn(J) -> SubmitError<J>> {
        if key.len() > KEY_MAX {
            return Some(SubmitError::KeyTooLong);
        }
        if self.inner().reached(Phase::Draining) || self.pool().is_shutting_down() {
            return Some(SubmitError::ShuttingDown);
        }
        None
    }

    /// Lets a lane go on that a failed job has stopped ([`OnFailure::Hold`],
    /// [`OnDoubleFault::Quarantine`]). Returns at once; no effect on a lane that is not held.
    pub fn release(&self, key: impl Into<Key>) {
        self.inner().marks().release(&key.into());
    }

    /// Lets no further job of these keys start; the order is kept. A job that has started goes on,
    /// its re-tries and its undo included. Holds for every job whose first turn has not begun, also
    /// for those submitted later. Returns at once; false if exactly this pause was set before, or
    /// the coordinator is shut down.
    ///
    /// Pauses of one key, of a prefix and of everything do not replace each other: a job starts
    /// when none of them covers its key. Jobs that wait for a resume are
    /// [`Lost`](JobOutcome::Lost) at a shutdown, and when the last clone of the coordinator is
    /// dropped.
    ///
    /// ```
    /// use laneway::coordinator::{Explanation, Keys};
    /// use laneway::{Coordinator, Job, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// coordinator.pause(Keys::prefix("tenant-7/"));
    /// let job = coordinator.submit("tenant-7/users", Job::once(|_| Ok("migrated")))?;
    /// let why = coordinator.explain("tenant-7/users");
    /// assert!(why.contains(&Explanation::Paused { by: Keys::prefix("tenant-7/") }));
    /// assert!(coordinator.resume(Keys::prefix("tenant-7/")));
    /// assert!(job.wait()?.is_completed());
    /// # Ok(()) }
    /// ```
    pub fn pause(&self, keys: impl Into<Keys>) -> bool {
        let keys = keys.into();
        let group = match &keys {
            Keys::One(key) => self.lanes().group(key),
            Keys::Prefix(_) | Keys::All => 0,
        };
        self.inner().marks().pause(keys, group)
    }

    /// Ends the pause that [`pause`](Self::pause) set with the same keys, and no other; false if it
    /// was not set. Returns at once.
    pub fn resume(&self, keys: impl Into<Keys>) -> bool {
        self.inner().marks().resume(&keys.into())
    }

    /// Lets one more job of a paused key start, the next one. Steps add up, and end with the pause.
    /// Returns at once; false, without effect, if the key is not paused.
    pub fn step(&self, key: impl Into<Key>) -> bool {
        let key = key.into();
        let group = self.lanes().group(&key);
        self.inner().marks().step(&key, group)
    }

    /// The pauses that are set, in no particular order.
    pub fn pauses(&self) -> Vec<Keys> {
        self.inner().marks().pauses()
    }

    /// Asks every job of these keys to stop that was submitted before the call; later ones are not
    /// concerned. Returns at once.
    ///
    /// Jobs that have not started end as `Cancelled { started: false }`, in their order and also
    /// behind a pause or a hold, as soon as the one that has started makes way. That one is asked
    /// as by [`JobHandle::cancel`]. For a prefix, and for all keys, that means the keys that have
    /// jobs at the moment; walks all lanes.
    pub fn cancel(&self, keys: impl Into<Keys>) {
        match keys.into() {
            Keys::One(key) => self.door.cancel(key),
            keys => {
                let door = Arc::downgrade(&self.door);
                let cancel: Look<Entry> = Arc::new(move |view| {
                    if let Some(door) = door.upgrade().filter(|_| keys.cover(view.key())) {
                        door.cancel(view.key().clone());
                    }
                });
                self.lanes().look_at_all(&cancel);
            }
        }
    }

    /// Why the jobs of `key` are where they are; empty if it has none and no mark. Asks the threads,
    /// the marks and the lane one after another: a glance.
    ///
    /// Blocks for a moment where the answer has to come from a worker, and never on a worker; if
    /// none comes because all of them are inside user code, the list says so
    /// ([`Explanation::Unseen`]).
    ///
    /// ```
    /// use laneway::coordinator::Explanation;
    /// use laneway::{Coordinator, Job, Pool};
    /// use std::sync::mpsc;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let coordinator = Coordinator::new(&Pool::new()?);
    /// let (give, tokens) = mpsc::channel();
    /// let job = Job::once(move |ctx| Ok(give.send(ctx.defer())));
    /// let job = coordinator.submit("router-3", job)?;
    /// let token = tokens.recv()?;
    /// while !coordinator.explain("router-3").iter().any(|why| {
    ///     matches!(why, Explanation::WaitingForTokens { attempt: 1, tokens: 1 })
    /// }) {
    ///     std::thread::yield_now(); // the body has not returned yet
    /// }
    /// token.succeed();
    /// assert!(job.wait()?.is_completed());
    /// # Ok(()) }
    /// ```
    pub fn explain(&self, key: impl Into<Key>) -> Vec<Explanation> {
        self.door.explain(key.into())
    }

    /// Blocks until every job submitted before the call has its outcome. Jobs behind a held lane
    /// are waited for like all others. Callbacks may still be under way.
    ///
    /// # Errors
    /// [`DrainError::TimedOut`]; [`DrainError::WouldDeadlock`] on a worker of the pool.
    pub fn drain(&self, timeout: Duration) -> Result<(), DrainError> {
        self.wait(timeout, |lanes, deadline| lanes.drain(deadline))
    }

    /// As [`drain`](Self::drain), for the jobs of one key.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn drain_key(&self, key: impl Into<Key>, timeout: Duration) -> Result<(), DrainError> {
        let key = key.into();
        self.wait(timeout, |lanes, deadline| lanes.drain_key(key, deadline))
    }

    fn wait(
        &self,
        timeout: Duration,
        drained: impl FnOnce(&Lanes<Entry>, std::time::Instant) -> bool,
    ) -> Result<(), DrainError> {
        let pool = self.pool();
        if pool.current_worker().is_some() {
            return Err(DrainError::WouldDeadlock);
        }
        match drained(self.lanes(), pool.clock().after(timeout)) {
            true => Ok(()),
            false => Err(DrainError::TimedOut { timeout }),
        }
    }

    /// The time of the clock that [`explain`](Self::explain) and all waits go by.
    pub fn now(&self) -> std::time::Instant {
        self.pool().clock().now()
    }

    /// A reading of the counters. Stops nothing.
    pub fn counters(&self) -> CoordinatorCounters {
        let lanes = self.lanes().counts();
        CoordinatorCounters { lanes_open: lanes.lanes_open, ..self.inner().stats().read() }
    }

    /// A reading of how long jobs wait and run, of those that are measured
    /// ([`CoordinatorConfig::sampling`]). Stops nothing.
    ///
    /// ```
    /// use laneway::coordinator::{CoordinatorConfig, Sampling};
    /// use laneway::{Coordinator, Job, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = CoordinatorConfig { sampling: Sampling::Exact, ..Default::default() };
    /// let coordinator = Coordinator::with_config(&Pool::new()?, config);
    /// coordinator.submit("k", Job::once(|_| Ok(())))?.wait()?.is_completed();
    /// let timings = coordinator.timings();
    /// println!("half of the jobs start within {:?}", timings.wait.quantile(0.5));
    /// assert_eq!((timings.wait.count(), timings.run.count()), (1, 1));
    /// assert_eq!(timings.keys[0].key, "k".into());
    /// # Ok(()) }
    /// ```
    pub fn timings(&self) -> JobTimings {
        self.inner().timings().read()
    }

    /// Ends the coordinator, not its pool. Blocks for at most `timeout`, and a moment more where
    /// the last jobs have to be told.
    ///
    /// - Nothing is accepted any more, and held lanes end their jobs as [`JobOutcome::Lost`].
    /// - With [`Shutdown::Drain`], what was accepted runs until the time is up; then the waits that
    ///   are left end as `Lost`.
    /// - With [`Shutdown::Cancel`], jobs that have not started end as `Lost`; those that have are
    ///   stopped: bodies are asked to return, waits end, and undos run until the time is up.
    ///
    /// A body on a worker cannot be stopped from outside: it is counted in
    /// [`ShutdownReport::left`], and its job ends when it returns.
    ///
    /// # Errors
    /// [`DrainError::WouldDeadlock`] on a worker of the pool. The shutdown is under way all the
    /// same, but its time is not limited: nobody waits for it.
    pub fn shutdown(&self, how: Shutdown, timeout: Duration) -> Result<ShutdownReport, DrainError> {
        let inner = self.inner();
        let clock = inner.pool().clock();
        let deadline = clock.after(timeout);
        inner.advance(Phase::Draining);
        inner.marks().retire();
        self.lanes().retire();
        if how == Shutdown::Cancel {
            inner.advance(Phase::Stopping);
            inner.doze().wake();
            self.lanes().wake_all();
        }
        if inner.pool().current_worker().is_some() {
            return Err(DrainError::WouldDeadlock);
        }
        let mut complete = self.lanes().drain(deadline);
        if !complete {
            inner.advance(Phase::Lost);
            inner.doze().wake();
            self.lanes().wake_all();
            complete = self.lanes().drain(clock.after(LAST_TURNS));
        }
        self.lanes().close();
        inner.owners().clear();
        let counters = inner.stats().read();
        Ok(ShutdownReport {
            complete,
            left: counters.created.saturating_sub(counters.ended_total()),
            lost: counters.ended(OutcomeKind::Lost),
        })
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

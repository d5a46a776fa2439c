//! The handle: the one who waits for a job's outcome.
//!
//! A [`Ticket`] is shared by the handle and the running job: the outcome's promise and the control
//! word. The outcome is stored and its waiters are woken before the next job of the key starts.
//!
//! Invariant: one handle per ticket and no clones, so the handle is the outcome's only consumer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::control::{Cancel, Control, Controlled, JobStatus};
use super::current;
use super::entry::Entry;
use super::error::WaitError;
use super::inner::Inner;
use super::observe::JobEvent;
use super::outcome::JobOutcome;
use crate::base::promise::{Promise, Registration};
use crate::lane::{Address, Key};
use crate::pool::unwind;
use crate::pool::{Runnable, Work};
use crate::sync::Arc;

/// What a job and its handle share.
pub(crate) struct Ticket<T> {
    control: Control,
    outcome: Promise<JobOutcome<T>>,
    address: Address<Entry>,
    /// Of a job over several keys.
    other_keys: Box<[Key]>,
}

impl<T: Send + 'static> Ticket<T> {
    pub(crate) fn new(address: Address<Entry>) -> Self {
        Self::over(address, Box::default())
    }

    /// As [`new`](Self::new), for a job that has these keys, too.
    pub(crate) fn over(address: Address<Entry>, other_keys: Box<[Key]>) -> Self {
        Self { control: Control::new(), outcome: Promise::new(), address, other_keys }
    }

    /// Calls `then` when the outcome is there: on the thread that ends the job, or here if it has
    /// ended.
    pub(crate) fn when_ended(&self, then: impl FnOnce() + Send + 'static) {
        self.outcome.on_done(then);
    }

    /// Where the job was sent.
    pub(crate) fn address(&self) -> &Address<Entry> {
        &self.address
    }

    pub(crate) fn key(&self) -> &Key {
        self.address.key()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        self.address.owner()
    }

    /// Stores the outcome and wakes whoever waits for it. Never unwinds: a waker that panics is
    /// reported to the pool.
    pub(crate) fn publish(&self, outcome: JobOutcome<T>) {
        let inner = self.inner();
        inner.stats().ended(outcome.kind());
        self.control.show(JobStatus::Ended);
        let (key, kind) = (self.key(), outcome.kind());
        inner.observe(&JobEvent::Ended { key, outcome: kind, cause: outcome.cause() });
        match unwind::halt(|| self.outcome.fulfil(outcome)) {
            Ok(first) => debug_assert!(first.is_ok(), "a job ends once"),
            Err(payload) => self.inner().pool().report_panic(payload),
        }
    }

    /// Another node is to run the job.
    pub(crate) fn skip(&self) {
        if self.control.expire() {
            self.publish(JobOutcome::Skipped);
        }
    }

    /// Calls `callback` once the outcome is there, as work of its own.
    fn on_ended(self: &Arc<Self>, callback: impl FnOnce() + Send + 'static) {
        let ticket = self.clone();
        self.outcome.on_done(move || {
            let called = Box::new(Callback { ticket: ticket.clone(), callback });
            ticket.inner().pool().post(Work::new(called));
        });
    }
}

impl<T: Send + 'static> Controlled for Ticket<T> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn cancel(&self) -> bool {
        if self.outcome.is_done() {
            return false;
        }
        match self.control.cancel() {
            Cancel::EndUnstarted => self.publish(JobOutcome::Cancelled { started: false }),
            Cancel::Asked => self.inner().doze().wake(),
            Cancel::Nothing => {}
        }
        true
    }

    fn expire(&self) {
        if self.control.expire() {
            self.publish(JobOutcome::Expired);
        }
    }
}

/// Waits for the outcome of one job.
///
/// Dropping it detaches: the job runs on, its value is dropped when it ends. As a future it is
/// ready when the outcome is there; it needs no particular runtime.
#[must_use = "dropping the handle detaches the job; use `submit_detached` for that"]
pub struct JobHandle<T: Send + 'static> {
    ticket: Arc<Ticket<T>>,
    place: Registration,
}

/// The outcome, or why the wait ended without it, with the handle to try again.
pub type Waited<T> = Result<JobOutcome<T>, WaitError<JobHandle<T>>>;

impl<T: Send + 'static> JobHandle<T> {
    pub(crate) fn new(ticket: Arc<Ticket<T>>) -> Self {
        Self { ticket, place: Registration::default() }
    }

    /// Blocks until the job has ended.
    ///
    /// On a worker of the same pool it runs no other work meanwhile; the worker counts as blocked.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] inside a job of the same key, and on a worker once every other
    /// worker is blocked too.
    pub fn wait(mut self) -> Waited<T> {
        match self.wait_done(None) {
            Ok(()) => Ok(self.taken()),
            Err(error) => Err(error.map(|()| self)),
        }
    }

    /// As [`wait`](Self::wait), at most for `timeout`.
    ///
    /// # Errors
    /// Also [`WaitError::TimedOut`], with the handle.
    pub fn wait_timeout(mut self, timeout: Duration) -> Waited<T> {
        match self.wait_done(Some(timeout)) {
            Ok(()) => Ok(self.taken()),
            Err(error) => Err(error.map(|()| self)),
        }
    }

    /// Blocks until the job has ended, at most for `timeout`, and leaves the outcome where it is:
    /// for waiters that share the handle.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_done(&self, timeout: Option<Duration>) -> Result<(), WaitError<()>> {
        let ticket = &*self.ticket;
        if ticket.outcome.is_done() {
            return Ok(());
        }
        let mut keys = ticket.other_keys.iter().chain([ticket.key()]);
        if keys.any(|key| current::runs(ticket.inner(), key)) {
            return Err(WaitError::WouldDeadlock(()));
        }
        let pool = ticket.inner().pool();
        let deadline = timeout.map(|timeout| pool.clock().after(timeout));
        match pool.wait_for(&ticket.outcome, deadline) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WaitError::TimedOut(())),
            Err(_) => Err(WaitError::WouldDeadlock(())),
        }
    }

    /// True once the outcome is there. Never blocks.
    pub fn is_done(&self) -> bool {
        self.ticket.outcome.is_done()
    }

    /// The outcome, if it is there; else the handle again. Never blocks.
    pub fn try_wait(mut self) -> Result<JobOutcome<T>, Self> {
        if self.is_done() { Ok(self.taken()) } else { Err(self) }
    }

    /// Calls `callback` with the outcome, once, as work of its own on the pool: it may block or
    /// submit and never delays the job's lane. A panic in it goes to the pool's panic handler.
    ///
    /// If the pool has ended first, it is called on the thread that ended the job.
    pub fn on_done(mut self, callback: impl FnOnce(JobOutcome<T>) + Send + 'static) {
        let ticket = self.ticket.clone();
        ticket.on_ended(move || callback(self.taken()));
    }

    /// As [`on_done`](Self::on_done), for owners that share the handle: the outcome stays where it
    /// is.
    pub fn on_ended(&self, callback: impl FnOnce() + Send + 'static) {
        self.ticket.on_ended(callback);
    }

    /// Asks the job to stop; false if it has ended. Returns at once.
    ///
    /// A job that has not started ends now, as `Cancelled { started: false }`. One that waits for
    /// tokens, an await or its backoff stops at its next turn: its undo runs, or it ends as
    /// `Cancelled { started: true }`. A body on a worker goes on until it returns; see
    /// [`JobContext::is_cancelled`](super::JobContext::is_cancelled). An undo is not stopped.
    pub fn cancel(&self) -> bool {
        self.ticket.cancel()
    }

    /// How the job stands; a glance that may be outdated at once.
    pub fn status(&self) -> JobStatus {
        self.ticket.control.status()
    }

    /// The key it was submitted under.
    pub fn key(&self) -> &Key {
        self.ticket.key()
    }

    /// Something to cancel the job with after this handle is gone.
    pub fn control(&self) -> JobControl {
        JobControl { job: self.ticket.clone() }
    }

    fn taken(&mut self) -> JobOutcome<T> {
        // SAFETY: one handle per ticket, borrowed mutably here, so this is the only consumer; a
        // shared reference from `outcome` would keep it borrowed.
        unsafe { self.ticket.outcome.take() }.expect("it is done, and taken once")
    }
}

impl<T: Send + Sync + 'static> JobHandle<T> {
    /// The outcome, if it is there and the future has not given it out. Never blocks.
    pub fn outcome(&self) -> Option<&JobOutcome<T>> {
        self.ticket.outcome.get()
    }
}

impl<T: Send + 'static> Future for JobHandle<T> {
    type Output = JobOutcome<T>;

    /// # Panics
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<JobOutcome<T>> {
        let this = self.get_mut();
        match this.ticket.outcome.poll(&mut this.place, context) {
            Poll::Ready(()) => Poll::Ready(this.taken()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("key", self.ticket.key())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Cancels and looks at a job; does not wait for it. Clones are controls of the same job.
#[derive(Clone)]
pub struct JobControl {
    job: Arc<dyn Controlled>,
}

impl JobControl {
    /// As [`JobHandle::cancel`].
    pub fn cancel(&self) -> bool {
        self.job.cancel()
    }

    /// As [`JobHandle::status`].
    pub fn status(&self) -> JobStatus {
        self.job.control().status()
    }
}

impl fmt::Debug for JobControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobControl").field("status", &self.status()).finish()
    }
}

/// A callback on its way to a worker.
struct Callback<T, F> {
    ticket: Arc<Ticket<T>>,
    callback: F,
}

impl<T, F> Runnable for Box<Callback<T, F>>
where
    T: Send + 'static,
    F: FnOnce() + Send + 'static,
{
    fn run(self) {
        let Callback { callback, .. } = *self;
        callback();
    }

    /// The pool has ended: the callback is called here, as nobody else would.
    fn abandon(self) {
        let Callback { ticket, callback } = *self;
        if let Err(payload) = unwind::halt(callback) {
            ticket.inner().pool().report_panic(payload);
        }
    }
}

//! An answer that comes with a commit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::error::TaskError;
use crate::base::promise::{Promise, Registration};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{Answer, Ended, Record};

/// What the committer says, before it is read as what was asked for.
#[derive(Debug)]
pub(super) enum Reply {
    /// To a command.
    Answer(Answer),
    /// To a wait that was over by the task's end.
    Ended(Ended),
    /// To a wait for something before the end.
    Seen(Arc<Record>),
    /// To a shutdown: how many bodies were left.
    Left(usize),
    /// To a registration.
    Registered,
}

/// Where a reply goes. Dropped without one, it says that the service has ended: whoever waits is
/// always answered.
pub(super) struct Sender(Arc<Promise<Result<Reply, TaskError>>>);

impl Sender {
    /// Sends the answer.
    pub(super) fn answer(self, answer: Result<Reply, TaskError>) {
        let first = self.0.fulfil(answer);
        debug_assert!(first.is_ok(), "a request is answered once");
    }

    /// Whether somebody still waits for it, or may come to.
    pub(super) fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Refused if it was answered.
        let _ = self.0.fulfil(Err(TaskError::Closed));
    }
}

/// An answer of the task service that is sent after its commit. Wait for it, poll it, have it
/// handed to a callback, or drop it: the request stands either way.
#[must_use = "a request is only known to be durable once its answer is there"]
pub struct Pending<T> {
    pool: Pool,
    promise: Arc<Promise<Result<Reply, TaskError>>>,
    read: fn(&Reply) -> T,
    /// Whether the answer takes work of the pool.
    by_pool: bool,
    place: Registration,
}

/// Both sides of one answer, which `read` makes out of the reply.
pub(super) fn request<T>(pool: &Pool, read: fn(&Reply) -> T) -> (Sender, Pending<T>) {
    let promise = Arc::new(Promise::new());
    let pending = Pending {
        pool: pool.clone(),
        promise: promise.clone(),
        read,
        by_pool: false,
        place: Registration::default(),
    };
    (Sender(promise), pending)
}

impl<T> Pending<T> {
    /// An answer that is there already.
    pub(super) fn failed(pool: &Pool, error: TaskError) -> Self {
        let (sender, pending) = request(pool, |_| unreachable!("an error is not read"));
        sender.answer(Err(error));
        pending
    }

    /// Marks that the answer takes work of the pool: waiting for it on the last free worker would
    /// be waiting for itself.
    pub(super) fn by_pool(mut self) -> Self {
        self.by_pool = true;
        self
    }

    /// Blocks until the answer is there. On a worker of the pool this counts as blocking.
    ///
    /// # Errors
    /// Those of the request.
    pub fn wait(self) -> Result<T, TaskError> {
        self.block(None)?;
        self.answer()
    }

    /// As [`wait`](Self::wait), at most for `timeout`; `None` if the answer is not there by then.
    ///
    /// # Errors
    /// Those of the request.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<T, TaskError>> {
        let deadline = self.pool.clock().after(timeout);
        match self.block(Some(deadline)) {
            Ok(is_there) => is_there.then(|| self.answer()),
            Err(error) => Some(Err(error)),
        }
    }

    /// Whether the answer is there.
    pub fn is_done(&self) -> bool {
        self.promise.is_done()
    }

    /// Calls `call` with the answer, on a worker of the pool, as work of its own. If the pool has
    /// ended by then, `call` is dropped.
    pub fn on_done(self, call: impl FnOnce(Result<T, TaskError>) + Send + 'static)
    where
        T: 'static,
    {
        let Self { pool, promise, read, .. } = self;
        let answered = promise.clone();
        promise.on_done(move || pool.spawn(move || call(answer_of(&answered, read))));
    }

    /// True once the answer is there.
    fn block(&self, deadline: Option<Instant>) -> Result<bool, TaskError> {
        if self.promise.is_done() {
            return Ok(true);
        }
        let blocking = self.pool.enter_blocking();
        if self.by_pool {
            let waited = blocking.and_then(|blocking| blocking.wait_for(&self.promise, deadline));
            return waited.map_err(|_| TaskError::WouldDeadlock);
        }
        // The committer answers without the pool: waiting is slow for the pool, not endless.
        match deadline {
            Some(deadline) => Ok(self.promise.wait_until(deadline)),
            None => {
                self.promise.wait();
                Ok(true)
            }
        }
    }

    fn answer(&self) -> Result<T, TaskError> {
        answer_of(&self.promise, self.read)
    }
}

fn answer_of<T>(
    promise: &Promise<Result<Reply, TaskError>>,
    read: fn(&Reply) -> T,
) -> Result<T, TaskError> {
    promise.get().expect("the promise is fulfilled").as_ref().map(read).map_err(Clone::clone)
}

impl<T> Future for Pending<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.promise.poll(&mut this.place, context) {
            Poll::Ready(()) => Poll::Ready(this.answer()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

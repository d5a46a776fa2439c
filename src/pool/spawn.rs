//! Detached and awaited work: `spawn`, `submit` and its [`Handle`].
//!
//! Submitted work is one shared allocation: the closure, which goes to whoever takes it first
//! (`claim.rs`), and the promise of its outcome. Takers are the worker that runs the ticket in the
//! pool's queue, a waiter on a worker of the same pool (the work is then its own subtree, P4, so a
//! pool with one worker does not deadlock on nested waits), and whoever cancels.
//!
//! A panic goes to the one who waits. If the handle is dropped with the panic in it, nobody joins
//! the work, and the pool's panic handler has it (P9).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::claim::Claim;
use super::registry::Registry;
use super::station::{Station, thread_token};
use super::unwind::{self, Payload};
use super::work::{Runnable, Work};
use super::{Pool, PoolError};
use crate::base::promise::{Promise, Registration};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// How submitted work ended without a value.
enum Failure {
    Panicked(Payload),
    Cancelled,
}

/// Submitted work: `F` is its closure.
struct Submitted<F, T> {
    body: Claim<F>,
    shared: Shared<T>,
}

/// The part that does not know the closure.
struct Shared<T> {
    registry: Arc<Registry>,
    /// The thread that runs the closure, or 0.
    runner: AtomicUsize,
    promise: Promise<Result<T, Failure>>,
}

/// Submitted work, as its handle sees it.
trait Awaited<T>: Send + Sync {
    fn shared(&self) -> &Shared<T>;
    /// Runs the closure on this thread if nobody took it.
    fn run_here(&self);
    /// Drops the closure if nobody took it; true if it did.
    fn cancel(&self) -> bool;
}

impl<F, T> Awaited<T> for Submitted<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    fn run_here(&self) {
        let Some(body) = self.body.take() else { return };
        // Relaxed: only the same thread ever recognises its own number.
        self.shared.runner.store(thread_token(), Ordering::Relaxed);
        self.shared.fulfil(unwind::halt(body).map_err(Failure::Panicked));
    }

    fn cancel(&self) -> bool {
        let Some(body) = self.body.take() else { return false };
        self.shared.fulfil(Err(Failure::Cancelled));
        drop(body);
        true
    }
}

/// The ticket in the pool's queue.
impl<F, T> Runnable for Arc<Submitted<F, T>>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn run(self) {
        self.run_here();
    }
    fn abandon(self) {
        self.cancel();
    }
}

impl<T> Shared<T> {
    fn fulfil(&self, outcome: Result<T, Failure>) {
        let first = self.promise.fulfil(outcome);
        debug_assert!(first.is_ok(), "the closure went to two takers");
    }

    /// # Safety
    /// The caller is the handle, or the last owner.
    unsafe fn take(&self) -> Option<Result<T, Failure>> {
        // SAFETY: one handle, used exclusively, and `get` is never called.
        unsafe { self.promise.take() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the last owner.
        if let Some(Err(Failure::Panicked(panic))) = unsafe { self.take() } {
            self.registry.report_panic(panic);
        }
    }
}

impl Pool {
    /// Runs `f` on a worker. Returns at once; never blocks.
    ///
    /// A panic of `f` goes to the pool's panic handler. If the pool ends before `f` has started,
    /// `f` is dropped.
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.post(Work::once(f));
    }

    /// Runs `f` on a worker and keeps what it returns. Returns at once; never blocks.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let answer = pool.submit(|| 6 * 7);
    /// assert_eq!(answer.wait()?, 42);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn submit<F, T>(&self, f: F) -> Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (handle, ticket) = self.prepare(f);
        self.post(ticket);
        handle
    }

    /// Work that is to be posted, and its handle.
    pub(super) fn prepare<F, T>(&self, f: F) -> (Handle<T>, Work)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = Arc::new(Submitted {
            body: Claim::new(f),
            shared: Shared {
                registry: Arc::clone(&self.registry),
                runner: AtomicUsize::new(0),
                promise: Promise::new(),
            },
        });
        let ticket = Work::new(Arc::clone(&work));
        (Handle { work, registration: Registration::default() }, ticket)
    }
}

/// The one who waits for submitted work; see [`Pool::submit`].
///
/// A future of the same answer as [`wait`](Self::wait). Dropping the handle detaches: the work
/// still runs, its value is dropped, and its panic goes to the pool's panic handler.
#[must_use = "dropping the handle detaches the work; `spawn` says that better"]
pub struct Handle<T> {
    registration: Registration,
    work: Arc<dyn Awaited<T>>,
}

impl<T: Send + 'static> Handle<T> {
    /// Waits for the value. Blocks the thread.
    ///
    /// On a worker of the same pool, work that has not started runs here and now; if it runs
    /// elsewhere the worker blocks, and runs nothing else meanwhile.
    ///
    /// # Errors
    /// [`PoolError::Cancelled`] if the work never ran, [`PoolError::Taken`] if
    /// [`try_take`](Self::try_take) had its outcome. [`PoolError::WouldDeadlock`] if the wait is
    /// inside the work itself, or on a worker once every other worker waits too; the work is
    /// detached then.
    ///
    /// # Panics
    /// With the panic of the work.
    pub fn wait(self) -> Result<T, PoolError> {
        let shared = self.work.shared();
        shared.registry.check_fork()?;
        if !shared.promise.is_done() && Station::worker_below(&shared.registry).is_some() {
            self.work.run_here();
        }
        if !shared.promise.is_done() {
            self.wait_for(None)?;
        }
        self.outcome().unwrap_or(Err(PoolError::Taken))
    }

    /// Waits at most `timeout`; true if the work has ended, in whatever way. Blocks the thread.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] as for [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, PoolError> {
        let shared = self.work.shared();
        shared.registry.check_fork()?;
        if shared.promise.is_done() {
            return Ok(true);
        }
        let deadline = shared.registry.clock.after(timeout);
        self.wait_for(Some(deadline))
    }

    /// The outcome, if the work has ended and nobody took it before. Does not block.
    ///
    /// # Panics
    /// With the panic of the work.
    pub fn try_take(&mut self) -> Option<Result<T, PoolError>> {
        self.outcome()
    }

    /// True once the work has ended, in whatever way.
    pub fn is_done(&self) -> bool {
        self.work.shared().promise.is_done()
    }

    /// Cancels the work if it has not started; true if it never will run because of this call.
    /// Its closure is dropped here.
    pub fn cancel(&self) -> bool {
        self.work.cancel()
    }

    fn wait_for(&self, deadline: Option<Instant>) -> Result<bool, PoolError> {
        let shared = self.work.shared();
        // Relaxed: only the own number matters, and this thread wrote that itself.
        if shared.runner.load(Ordering::Relaxed) == thread_token() && !shared.promise.is_done() {
            return Err(PoolError::WouldDeadlock);
        }
        shared.registry.wait_for(&shared.promise, deadline)
    }

    fn outcome(&self) -> Option<Result<T, PoolError>> {
        // SAFETY: private, and called by methods that own the handle or borrow it exclusively.
        match unsafe { self.work.shared().take() }? {
            Ok(value) => Some(Ok(value)),
            Err(Failure::Cancelled) => Some(Err(PoolError::Cancelled)),
            Err(Failure::Panicked(panic)) => unwind::resume(panic),
        }
    }
}

impl<T: Send + 'static> Future for Handle<T> {
    type Output = Result<T, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.work.shared().promise.poll(&mut this.registration, context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(this.outcome().unwrap_or(Err(PoolError::Taken)))
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_done = self.work.shared().promise.is_done();
        f.debug_struct("Handle").field("is_done", &is_done).finish_non_exhaustive()
    }
}

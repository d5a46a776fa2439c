//! Detached and awaited work: `spawn`, `submit` and its [`Handle`].

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Pool, PoolError};

/// The one who waits for a submitted closure.
///
/// Dropping it detaches: the work still runs.
#[must_use = "dropping the handle detaches the work; use `spawn` for that"]
pub struct Handle<T> {
    marker: PhantomData<fn() -> T>,
}

impl Pool {
    /// Runs `f` on a worker, some time.
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, f: F) {
        let _ = f;
        unimplemented!()
    }

    /// Runs `f` on a worker; the handle waits for its value.
    pub fn submit<F, T>(&self, f: F) -> Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let _ = f;
        unimplemented!()
    }
}

impl<T: Send + 'static> Handle<T> {
    /// Waits for the value. Resumes the panic of the work.
    pub fn wait(self) -> Result<T, PoolError> {
        unimplemented!()
    }

    /// Waits at most `timeout`; true if the work has ended.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, PoolError> {
        let _ = timeout;
        unimplemented!()
    }

    /// The value, if the work has ended and it was not taken yet.
    pub fn try_take(&mut self) -> Option<Result<T, PoolError>> {
        unimplemented!()
    }

    /// True once the work has ended, in whatever way.
    pub fn is_done(&self) -> bool {
        unimplemented!()
    }

    /// Cancels the work if it has not started; true if it never will.
    pub fn cancel(&self) -> bool {
        unimplemented!()
    }
}

impl<T: Send + 'static> Future for Handle<T> {
    type Output = Result<T, PoolError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = context;
        unimplemented!()
    }
}

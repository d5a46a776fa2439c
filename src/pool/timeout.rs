//! A future with a deadline, kept by the pool's timers (P7).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::work::Work;
use super::{Pool, Timer};
use crate::base::promise::{Promise, Registration};
use crate::sync::Arc;

/// The time was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before the future was ready")
    }
}

impl Error for Elapsed {}

/// See [`Pool::with_timeout`].
#[must_use = "a future does nothing until it is polled"]
pub struct Timeout<F> {
    future: Pin<Box<F>>,
    over: Arc<Promise<()>>,
    registration: Registration,
    timer: Timer,
}

impl Pool {
    /// `future`, or [`Elapsed`] if it is not ready `timeout` from now. The time runs from this call
    /// on. Dropping it cancels the timer and drops the future. If the pool ends, the time never is
    /// over.
    ///
    /// # Examples
    /// ```
    /// use std::future;
    /// use std::time::Duration;
    /// use laneway::pool::{Elapsed, Pool};
    ///
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     use std::task::{Context, Poll, Wake, Waker};
    /// #     struct Unpark(std::thread::Thread);
    /// #     impl Wake for Unpark {
    /// #         fn wake(self: std::sync::Arc<Self>) { self.0.unpark(); }
    /// #     }
    /// #     let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    /// #     let mut future = std::pin::pin!(future);
    /// #     loop {
    /// #         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
    /// #             Poll::Ready(output) => return output,
    /// #             Poll::Pending => std::thread::park(),
    /// #         }
    /// #     }
    /// # }
    /// let pool = Pool::new()?;
    /// let never = pool.with_timeout(Duration::from_millis(1), future::pending::<()>());
    /// assert_eq!(block_on(never), Err(Elapsed));
    /// let soon = pool.with_timeout(Duration::from_secs(60), pool.submit(|| 7));
    /// assert_eq!(block_on(soon).expect("in time")?, 7);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn with_timeout<F: Future>(&self, timeout: Duration, future: F) -> Timeout<F> {
        let over = Arc::new(Promise::new());
        let told = Arc::clone(&over);
        let tell = Work::once(move || {
            let first = told.fulfil(());
            debug_assert!(first.is_ok(), "a timer fires once");
        });
        let timer = self.schedule_work_at(self.registry.clock.after(timeout), tell);
        Timeout { future: Box::pin(future), over, registration: Registration::default(), timer }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(output) = this.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        this.over.poll(&mut this.registration, context).map(|()| Err(Elapsed))
    }
}

impl<F> Drop for Timeout<F> {
    fn drop(&mut self) {
        let _fired_already = !self.timer.cancel();
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("is_over", &self.over.is_done()).finish_non_exhaustive()
    }
}

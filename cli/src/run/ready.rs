//! Calls back with what a future becomes, on the thread that makes it ready.
//!
//! The library wakes wakers before it goes on (before the next job of the key starts, before the
//! next task of the lane begins), while its callbacks are work of their own, which may run later.
//! What must be told in order therefore listens here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Calls `then` with the output of `future`, here if it is ready already.
pub(crate) fn when_ready<F, T>(future: F, then: T)
where
    F: Future + Unpin + Send + 'static,
    T: FnOnce(F::Output) + Send + 'static,
{
    Arc::new(Listener(Mutex::new(Some((future, then))))).look();
}

/// `None` once the future was ready.
struct Listener<F, T>(Mutex<Option<(F, T)>>);

impl<F, T> Listener<F, T>
where
    F: Future + Unpin + Send + 'static,
    T: FnOnce(F::Output) + Send + 'static,
{
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((future, _)) = slot.as_mut() else { return };
        if let Poll::Ready(output) = Pin::new(future).poll(&mut Context::from_waker(&waker)) {
            let taken = slot.take();
            drop(slot);
            if let Some((_, then)) = taken {
                then(output);
            }
        }
    }
}

impl<F, T> Wake for Listener<F, T>
where
    F: Future + Unpin + Send + 'static,
    T: FnOnce(F::Output) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

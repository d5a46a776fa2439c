//! A delay that an async body can await.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::base::promise::{Promise, Registration};
use crate::pool::{Pool, Timer};
use crate::sync::Arc;

/// Ready after its time; see [`JobContext::delay`](super::JobContext::delay). The time runs from its
/// creation. Dropping it cancels its timer.
#[must_use = "a delay does nothing unless it is awaited"]
pub struct Delay {
    over: Arc<Promise<()>>,
    place: Registration,
    timer: Timer,
}

impl Delay {
    pub(crate) fn new(pool: &Pool, time: Duration) -> Self {
        let over = Arc::new(Promise::new());
        let promise = over.clone();
        let timer = pool.schedule_after(time, move || {
            promise.fulfil(()).expect("the timer is the only one to fulfil it");
        });
        Self { over, place: Registration::default(), timer }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.over.poll(&mut this.place, context)
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.timer.cancel();
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").field("over", &self.over.is_done()).finish()
    }
}

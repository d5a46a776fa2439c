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
/// creation. If the pool ends first it is ready then, so that nobody waits for ever. Dropping it
/// cancels its timer.
#[must_use = "a delay does nothing unless it is awaited"]
pub struct Delay {
    over: Arc<Promise<()>>,
    place: Registration,
    timer: Timer,
}

impl Delay {
    pub(crate) fn new(pool: &Pool, time: Duration) -> Self {
        let over = Arc::new(Promise::new());
        let end = End(over.clone());
        let timer = pool.schedule_after(time, move || drop(end));
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
        self.place = Registration::default(); // nobody is to be woken by the cancelled timer
        self.timer.cancel();
    }
}

/// Ends the delay when it is dropped: by the timer's closure, or with it.
struct End(Arc<Promise<()>>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.fulfil(()).expect("a delay ends once");
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").field("over", &self.over.is_done()).finish()
    }
}

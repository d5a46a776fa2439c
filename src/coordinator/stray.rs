//! A stray body: it runs beside its lane, so that its lane can go on without it.
//!
//! A body on a stack keeps its lane until it returns, because exclusion is what lanes are for. A job
//! that declares [`Overrun::Abandon`](super::Overrun::Abandon) gives that up for when its time is
//! over. Its body is not run by the lane's visit but as work of its own; the lane waits for it as it
//! waits for a future, and after the time-out goes on. The body is then on its own: what it returns
//! is dropped, and it is never run again.

use parking_lot::Mutex;

use super::context::JobContext;
use super::control::Controlled;
use super::current;
use super::entry::Entry;
use super::error::JobError;
use super::job::Body;
use super::running::{self, Shown};
use super::span::JobSpan;
use super::token::Tokens;
use crate::lane::LaneRef;
use crate::pool::Work;
use crate::pool::unwind;
use crate::sync::Arc;
use std::time::Instant;

/// What comes back: the body, to be run again, and what it answered.
pub(crate) struct Returned<T> {
    pub(crate) body: Body<T>,
    pub(crate) result: Result<Result<T, JobError>, unwind::Payload>,
}

/// A body that is out. Dropping it lets the body go astray.
pub(crate) struct Stray<T> {
    slot: Arc<Mutex<Option<Returned<T>>>>,
}

impl<T: Send + 'static> Stray<T> {
    /// Sends `body` out. When it returns, the lane gets a turn.
    pub(crate) fn send(
        mut body: Body<T>,
        lane: &LaneRef<Entry>,
        job: Arc<dyn Controlled>,
        attempt: u32,
        until: Option<Instant>,
    ) -> (Self, Arc<Tokens>) {
        let (mut context, tokens) = JobContext::owned(lane, job, attempt, until);
        let slot = Arc::new(Mutex::new(None));
        let (back, lane) = (slot.clone(), lane.clone());
        let inner = lane.owner().clone();
        let span = JobSpan::current();
        let run = move || {
            let shown = Shown::new(lane.hash());
            let now = lane.owner().pool().clock().now();
            running::begun(attempt, false, lane.owner().origin(), now);
            let call = || match &mut body {
                Body::Once(once) => {
                    let once = once.take().expect("it is sent out once");
                    unwind::halt(|| once.call(&mut context))
                }
                Body::Repeatable(body) => unwind::halt(|| body(&mut context)),
                Body::Future(_) => unreachable!("a future is polled by its lane"),
            };
            let result = current::within(&lane, || span.within(call));
            drop(shown);
            drop(context);
            let returned = Returned { body, result };
            let unwanted = {
                let mut slot = back.lock();
                // The run's side is gone: nobody would take it.
                if Arc::strong_count(&back) == 1 { Some(returned) } else { slot.replace(returned) }
            };
            lane.owner().discard(unwanted);
            lane.wake();
        };
        inner.pool().post(Work::once(run));
        (Self { slot }, tokens)
    }

    /// What came back, if it did.
    pub(crate) fn take(&self) -> Option<Returned<T>> {
        self.slot.lock().take()
    }
}

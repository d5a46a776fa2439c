//! The way in: requests from any thread, taken by the committer.
//!
//! A lock-free queue and the committer's parking spot. `send` pushes, then leaves a token;
//! the committer takes what is there, and parks only after it found the queue empty. A push
//! before that look is found; a push after it leaves a token, which ends the park at once. So no
//! request waits for a committer that sleeps.
//!
//! At its end the committer says so and then refuses what is in the queue; a sender that pushed too
//! late for that sees that it has ended and does the same. So no request waits for a committer that
//! is gone.

use std::sync::OnceLock;
use std::time::Instant;

use super::config::Assignment;
use super::error::TaskError;
use super::executor::Registration;
use super::pending::Sender;
use super::waits::Until;
use crate::sync::deque::{Injector, Steal};
use crate::sync::{AtomicBool, AtomicUsize, Ordering, Parker, fence};
use crate::task::{AllocationId, Command, TaskId};

/// What the committer is asked to do.
pub(super) enum Request {
    /// A command for the state.
    Apply { command: Command, reply: Sender },
    /// The end of a run, to be sent until it is answered.
    Report { id: TaskId, allocation: AllocationId, command: Command, reply: Sender },
    /// Wait for a task.
    Wait { id: TaskId, until: Until, reply: Sender },
    /// One more executor.
    Register { registration: Registration, reply: Sender },
    /// Assignment on or off.
    Assignment(Assignment),
    /// Look again at what waits for a node.
    Recheck,
    /// The store or the cluster may have something new.
    News,
    /// The last hold on a body is gone.
    Left { id: TaskId, allocation: AllocationId, begun: bool },
    /// End in order.
    Shutdown { deadline: Instant, reply: Sender },
}

pub(super) struct Mailbox {
    queue: Injector<Request>,
    /// Set by the committer before anybody else sees the mailbox.
    committer: OnceLock<Parker>,
    /// The last handle is gone.
    closed: AtomicBool,
    /// The committer takes no more.
    ended: AtomicBool,
    /// Starts on their way, and how many there may be.
    starts: AtomicUsize,
    starts_max: usize,
}

impl Mailbox {
    pub(super) fn new(starts_max: usize) -> Self {
        Self {
            queue: Injector::new(),
            committer: OnceLock::new(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            starts: AtomicUsize::new(0),
            starts_max,
        }
    }

    /// Makes the calling thread the committer. Once, before the mailbox is shared.
    pub(super) fn adopt(&self) {
        let first = self.committer.set(Parker::new());
        assert!(first.is_ok(), "a mailbox has one committer");
    }

    /// Counts one start, if there is room for it.
    pub(super) fn admit(&self) -> Result<(), TaskError> {
        // Relaxed: a count; nothing is published by it.
        if self.starts.fetch_add(1, Ordering::Relaxed) < self.starts_max {
            return Ok(());
        }
        self.started();
        Err(TaskError::Full)
    }

    /// One admitted start has been taken.
    pub(super) fn started(&self) {
        // Relaxed: a count, as in `admit`.
        self.starts.fetch_sub(1, Ordering::Relaxed);
    }

    /// Puts `request` in the queue. Never blocks.
    pub(super) fn send(&self, request: Request) {
        self.queue.push(request);
        // SeqCst fence [mailbox-send]: pairs with [mailbox-end] in `end`. If this one is first, the
        // committer's last look finds the request; if that one is, this load sees the end.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence above.
        if self.ended.load(Ordering::Relaxed) {
            return self.refuse_all();
        }
        self.wake();
    }

    /// Takes no more: what is in the queue, now or later, is refused. For the committer.
    pub(super) fn end(&self) {
        // Relaxed: ordered by the fence below.
        self.ended.store(true, Ordering::Relaxed);
        // SeqCst fence [mailbox-end]: pairs with [mailbox-send] in `send`.
        fence(Ordering::SeqCst);
        self.refuse_all();
    }

    /// Drops what is in the queue, which answers that the service has ended.
    fn refuse_all(&self) {
        while let Some(request) = self.take() {
            drop(request);
        }
    }

    /// Says that no handle is left.
    pub(super) fn close(&self) {
        // Release [mailbox-close]: pairs with the Acquire in `is_closed`: requests of handles that
        // are gone are in the queue by then.
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether no handle is left; what handles sent is then in the queue.
    pub(super) fn is_closed(&self) -> bool {
        // Acquire [mailbox-close]: pairs with the Release in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// The next request, if there is one. For the committer.
    pub(super) fn take(&self) -> Option<Request> {
        loop {
            match self.queue.steal() {
                Steal::Success(request) => return Some(request),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Sleeps until something was sent since the last sleep, or until `deadline`. For the committer.
    pub(super) fn sleep(&self, deadline: Option<Instant>) {
        let parker = self.committer.get().expect("the committer adopted the mailbox");
        match deadline {
            Some(deadline) => drop(parker.park_until(deadline)),
            None => parker.park(),
        }
    }

    fn wake(&self) {
        if let Some(parker) = self.committer.get() {
            parker.unpark();
        }
    }
}

//! The gate of a station: those who leapfrog pass it one after another with its owner's news.
//!
//! Who waits for a stolen frame may take frames from the thief's deque (leapfrogging; Wagner and
//! Calder, 1993): as long as the frame has not ended, whatever lies there was spawned since the
//! theft. For when a thief stole, its own deque was empty: it either had nothing on its stack, or
//! waited itself for a stolen frame, and thieves take the oldest first, so all older ones were taken.
//!
//! What has to be ruled out is that the thief ends the frame, goes on to something else and shows a
//! frame of that, all between the waiter's look at its latch and its steal. So:
//!
//! - the waiter counts itself in, fences, looks at its latch, and steals only if that is not set;
//! - the thief, before it shows frames, fences and looks whether somebody is counted; then it keeps
//!   its frames to itself this time.
//!
//! Nobody waits for anybody here: a waiter that is stopped inside costs the thief help, not progress.

use crate::sync::{AtomicUsize, Ordering, fence};

/// See the page.
pub(super) struct Gate {
    inside: AtomicUsize,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { inside: AtomicUsize::new(0) }
    }

    /// The waiter's part: `steal`s unless what it waits for `has_ended`.
    pub(super) fn pass<T>(
        &self,
        has_ended: impl FnOnce() -> bool,
        steal: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        // Relaxed: published by the fence.
        self.inside.fetch_add(1, Ordering::Relaxed);
        // SeqCst fence [leap-in]: pairs with [leap-show]. If [leap-show] is first, the thief has ended
        // the frame before it, and the look below sees that; if it is last, it sees this waiter.
        fence(Ordering::SeqCst);
        let stolen = if has_ended() { None } else { steal() };
        // Release [leap-out]: pairs with the Acquire in `is_free`: the steal is over.
        self.inside.fetch_sub(1, Ordering::Release);
        stolen
    }

    /// The thief's part: whether it may show frames, which are not those of what it ended before.
    pub(super) fn is_free(&self) -> bool {
        // SeqCst fence [leap-show]: pairs with [leap-in]. See there.
        fence(Ordering::SeqCst);
        // Acquire [leap-out]: pairs with the Release in `pass`.
        self.inside.load(Ordering::Acquire) == 0
    }
}

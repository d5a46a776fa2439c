//! A seat: the place of one waiter in the list of a [`Promise`](super::promise::Promise).
//!
//! Seats are never unlinked while the promise lives; a waiter that gives up leaves its seat, and
//! the next waiter sits down on it. So the list is as long as the largest number of waiters that
//! ever waited at the same time, however often they time out or are polled.
//!
//! ```text
//!             claim              arm
//!   IDLE ───────────► CLAIMED ───────► ARMED
//!     ▲                 │  ▲             │
//!     └──────leave──────┘  └───reclaim───┘        fire: any of them ──► FIRED
//! ```
//!
//! Who may touch the cell `waiter`: in CLAIMED whoever made that transition (it holds a
//! [`Claimed`]); the thread that swaps FIRED over ARMED; nobody in IDLE. FIRED is final. A claimant
//! that finds FIRED when it wants to go on learns that the promise is fulfilled, and the firing
//! thread leaves the cell to it: neither ever waits for the other.

use std::task::Waker;

use crate::sync::{Arc, AtomicU32, Ordering, Parker, UnsafeCell};

/// Nobody sits here; the cell is empty.
const IDLE: u32 = 0;
/// One thread is changing the cell.
const CLAIMED: u32 = 1;
/// A waiter sits here.
const ARMED: u32 = 2;
/// The promise is fulfilled.
const FIRED: u32 = 3;

/// What is woken when a promise is fulfilled.
pub(crate) enum Waiter {
    /// A parked thread.
    Thread(Arc<Parker>),
    /// A future's task.
    Task(Waker),
    /// Called on the fulfilling thread: it must be short and must not block.
    Call(Box<dyn FnOnce() + Send>),
}

impl Waiter {
    /// Wakes it, on this thread.
    pub(super) fn rouse(self) {
        match self {
            Self::Thread(parker) => parker.unpark(),
            Self::Task(waker) => waker.wake(),
            Self::Call(call) => call(),
        }
    }
}

/// See the page.
pub(super) struct Seat {
    state: AtomicU32,
    waiter: UnsafeCell<Option<Waiter>>,
    /// The seat pushed before this one; fixed when this one is published.
    next: UnsafeCell<*const Seat>,
}

// SAFETY: the content of `waiter` is Send and is accessed by one thread at a time (see the page);
// `next` is written before the seat is shared and only read after.
unsafe impl Send for Seat {}
// SAFETY: as above.
unsafe impl Sync for Seat {}

impl Seat {
    /// A seat with `waiter` on it, not yet in a list.
    pub(super) fn armed(waiter: Waiter) -> Self {
        Self {
            state: AtomicU32::new(ARMED),
            waiter: UnsafeCell::new(Some(waiter)),
            next: UnsafeCell::new(std::ptr::null()),
        }
    }

    /// Sets the seat behind this one.
    ///
    /// # Safety
    /// This seat is not in a list yet: no other thread knows it.
    pub(super) unsafe fn link(&self, next: *const Seat) {
        // SAFETY: not shared, by the caller's contract.
        self.next.with_mut(|cell| unsafe { *cell = next });
    }

    /// The seat behind this one, or null.
    pub(super) fn next(&self) -> *const Seat {
        // SAFETY: never written once the seat is shared.
        self.next.with(|cell| unsafe { *cell })
    }

    /// Sits down on a seat that somebody left.
    pub(super) fn claim(&self) -> Option<Claimed<'_>> {
        self.state
            // Acquire [seat-left]: pairs with the Release in `leave`; its empty cell is ours.
            // Relaxed: not idle, so the cell is not touched.
            .compare_exchange(IDLE, CLAIMED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(Claimed(self))
    }

    /// Takes the own waiter's seat back to change or leave it; `None`: the promise is fulfilled.
    ///
    /// Only for the one who armed it: seats of others are not to be reclaimed.
    pub(super) fn reclaim(&self) -> Option<Claimed<'_>> {
        self.state
            // Relaxed: the caller itself wrote the cell when it armed the seat.
            // Acquire [seat-fired]: pairs with `fire`; the caller will see the promise fulfilled.
            .compare_exchange(ARMED, CLAIMED, Ordering::Relaxed, Ordering::Acquire)
            .is_ok()
            .then_some(Claimed(self))
    }

    /// Marks the promise as fulfilled and takes the waiter, who is the caller's to rouse.
    ///
    /// `None`: nobody sits here, or somebody is just sitting down or getting up, and will notice.
    pub(super) fn fire(&self) -> Option<Waiter> {
        // AcqRel [seat-armed]: the Acquire pairs with the Release in `arm`, so the waiter is
        // visible. AcqRel [seat-fired]: the Release pairs with the Acquire of `arm` and `reclaim`
        // where these fail: whoever finds FIRED also finds the promise fulfilled.
        match self.state.swap(FIRED, Ordering::AcqRel) {
            // SAFETY: FIRED over ARMED gives this thread the cell, for good.
            ARMED => self.waiter.with_mut(|cell| unsafe { (*cell).take() }),
            state => {
                debug_assert_ne!(state, FIRED, "a promise is fulfilled once");
                None
            }
        }
    }
}

/// The right to change a seat's waiter: proof of the state CLAIMED.
#[must_use = "a claimed seat is armed or left"]
pub(super) struct Claimed<'s>(&'s Seat);

impl Claimed<'_> {
    /// Puts `waiter` on the seat, or hands it back because the promise was fulfilled meanwhile.
    pub(super) fn arm(self, waiter: Waiter) -> Result<(), Waiter> {
        let old = self.replace(Some(waiter));
        let armed =
            // Release [seat-armed]: pairs with the Acquire in `fire`, which reads the cell.
            // Acquire [seat-fired]: as in `reclaim`.
            self.0.state.compare_exchange(CLAIMED, ARMED, Ordering::Release, Ordering::Acquire);
        let answer = match armed {
            Ok(_) => Ok(()),
            Err(_) => Err(self.replace(None).expect("fired while claimed: the cell stays ours")),
        };
        drop(old); // a waker's drop is user code: after the seat is in order
        answer
    }

    /// Gets up.
    pub(super) fn leave(self) {
        let old = self.replace(None);
        // Release [seat-left]: pairs with the Acquire in `claim`.
        // Relaxed: fired meanwhile; nobody will sit here again.
        let _ = self.0.state.compare_exchange(CLAIMED, IDLE, Ordering::Release, Ordering::Relaxed);
        drop(old); // as in `arm`
    }

    fn replace(&self, waiter: Option<Waiter>) -> Option<Waiter> {
        // SAFETY: CLAIMED by us, so the cell is ours.
        self.0.waiter.with_mut(|cell| unsafe { std::mem::replace(&mut *cell, waiter) })
    }
}

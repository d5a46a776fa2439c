//! A latch: set once, waited for by one thread, in whose frame it lives.
//!
//! ```text
//!   UNSET ──wait──► WAITING ──set──► SET
//!     └────────────set────────────────▲
//! ```
//!
//! The frame dies as soon as its owner sees SET. So the setter's last touch of the latch is the
//! transition itself: if somebody waits, it takes its own reference to the owner's parker *before*
//! the transition, and wakes through that. `owner` is written by the owner before WAITING and read
//! by the setter only when it saw WAITING and before it set SET.
//!
//! Not here: the value that the latch announces (the frame's; ordered by the latch), and spinning.

use std::ptr;

use crate::sync::{Arc, AtomicU32, Ordering, Parker, UnsafeCell};

const UNSET: u32 = 0;
const WAITING: u32 = 1;
const SET: u32 = 2;

/// See the page.
pub(crate) struct Latch {
    state: AtomicU32,
    /// The parker of the waiting owner, which outlives its wait.
    owner: UnsafeCell<*const Arc<Parker>>,
}

impl Latch {
    /// Not set.
    #[inline]
    pub(crate) fn new() -> Self {
        Self { state: AtomicU32::new(UNSET), owner: UnsafeCell::new(ptr::null()) }
    }

    /// True once the latch is set; then what the setter did before is visible.
    pub(crate) fn is_set(&self) -> bool {
        // Acquire [latch-set]: pairs with the Release in `set`.
        self.state.load(Ordering::Acquire) == SET
    }

    /// Parks the calling thread, the owner, until the latch is set. `parker` is its own.
    pub(crate) fn wait(&self, parker: &Arc<Parker>) {
        if self.is_set() {
            return;
        }
        // SAFETY: only the owner writes, once; the setter reads only after WAITING.
        self.owner.with_mut(|cell| unsafe { *cell = parker });
        // Release [latch-owner]: pairs with the Acquire in `set`, which reads `owner`.
        // Acquire [latch-set]: on failure the latch is set; as in `is_set`.
        let waiting =
            self.state.compare_exchange(UNSET, WAITING, Ordering::Release, Ordering::Acquire);
        if waiting.is_ok() {
            while !self.is_set() {
                parker.park();
            }
        }
    }

    /// Sets the latch and wakes its owner if it waits.
    ///
    /// # Safety
    /// `this` is alive when called, and this is the only call. `*this` may be gone when it returns:
    /// the caller touches neither it nor the frame around it afterwards.
    pub(crate) unsafe fn set(this: *const Self) {
        // SAFETY: alive until the transition below; not used after it.
        let latch = unsafe { &*this };
        // Acquire [latch-owner]: pairs with the Release in `wait`; if it waits, `owner` is there.
        let mut state = latch.state.load(Ordering::Acquire);
        loop {
            let owner = (state == WAITING).then(|| {
                latch.owner.with(|cell| {
                    // SAFETY: WAITING, so `owner` points to the parker of a thread that stays in
                    // `wait` at least until the transition below.
                    Arc::clone(unsafe { &**cell })
                })
            });
            // Release [latch-set]: pairs with the Acquire in `is_set`.
            // Acquire [latch-owner]: as above, when the owner came meanwhile.
            match latch.state.compare_exchange(state, SET, Ordering::Release, Ordering::Acquire) {
                Ok(_) => {
                    if let Some(parker) = owner {
                        parker.unpark();
                    }
                    return;
                }
                Err(now) => state = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latch_that_is_set_does_not_park() {
        let latch = Latch::new();
        assert!(!latch.is_set());
        // SAFETY: alive, set once.
        unsafe { Latch::set(&latch) };
        latch.wait(&Arc::new(Parker::new()));
        assert!(latch.is_set());
    }

    #[test]
    fn the_setter_wakes_the_owner_whose_frame_then_dies() {
        for _ in 0..100 {
            let latch = Latch::new();
            let place = &raw const latch as usize;
            std::thread::scope(|threads| {
                threads.spawn(move || {
                    // SAFETY: the owner waits below, so the latch is alive; set once.
                    unsafe { Latch::set(std::ptr::with_exposed_provenance(place)) }
                });
                latch.wait(&Arc::new(Parker::new()));
            });
        }
    }
}

//! A value that goes to whoever asks first.
//!
//! The body of submitted work (run here, run there, or cancelled) and the work of a timer (fired
//! or cancelled) are wanted by several threads and had by one. One swap decides; nobody waits.

use crate::sync::{AtomicBool, Ordering, UnsafeCell};

/// See the page.
pub(super) struct Claim<T> {
    taken: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is moved out by one thread, the first in `take`; it is never shared.
unsafe impl<T: Send> Sync for Claim<T> {}

impl<T> Claim<T> {
    pub(super) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(Some(value)) }
    }

    /// The value, for the first caller.
    pub(super) fn take(&self) -> Option<T> {
        // Relaxed: the value was there before `self` was shared, so however the caller got `self`
        // it sees it; the swap only decides who is first.
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: first and only: nobody else touches the cell after this swap.
        self.value.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// True once somebody has taken the value.
    pub(super) fn is_taken(&self) -> bool {
        // Relaxed: nothing is read because of it.
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gets_the_value_and_nobody_else() {
        let claim = Claim::new(7);
        assert!(!claim.is_taken());
        assert_eq!(claim.take(), Some(7));
        assert_eq!(claim.take(), None);
        assert!(claim.is_taken());
    }
}

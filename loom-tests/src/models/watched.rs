//! A value whose every use, its drop included, the checker sees.

use loom::alloc::Track;

use crate::sync::UnsafeCell;

/// A number in a checked cell; one that is never dropped is reported as leaked.
pub(crate) struct Watched {
    number: UnsafeCell<u32>,
    _leak: Track<()>,
}

// SAFETY: what the models check.
unsafe impl Send for Watched {}
// SAFETY: as above.
unsafe impl Sync for Watched {}

impl Watched {
    pub(crate) fn new(number: u32) -> Self {
        Self { number: UnsafeCell::new(number), _leak: Track::new(()) }
    }

    /// Reads the number; a write at the same time is reported.
    pub(crate) fn number(&self) -> u32 {
        // SAFETY: checked by the model.
        self.number.with(|number| unsafe { *number })
    }

    /// Writes the number; any other access at the same time is reported.
    pub(crate) fn set(&self, number: u32) {
        // SAFETY: checked by the model.
        self.number.with_mut(|cell| unsafe { *cell = number });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.set(u32::MAX);
    }
}

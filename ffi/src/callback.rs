//! The caller's `user_data`, owned for as long as a callback may run.
//!
//! A consuming function builds a [`UserData`] in its first line, before any check: from then on
//! the caller's `drop` runs exactly once, wherever the function or the work it starts may end.
//! Callbacks are `extern "C-unwind"`: an exception that leaves one reaches a catch of ours and
//! aborts the process, which is defined; with `extern "C"` it would pass through.

use std::ffi::c_void;

/// Ends the life of a `user_data`; called exactly once, on any thread; may be NULL.
pub type laneway_drop_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A `user_data` pointer and what is owed to it.
#[derive(Debug)]
pub(crate) struct UserData {
    pointer: *mut c_void,
    drop: laneway_drop_fn,
}

// SAFETY: the pointer is only handed back to the caller's functions, which the header requires to
// accept it on any thread.
unsafe impl Send for UserData {}
// SAFETY: as above; the library calls the functions of one job, token or watch one at a time, and
// the header names the functions that may be called at the same time.
unsafe impl Sync for UserData {}

impl UserData {
    /// Owns `pointer`: `drop`, if there is one, will run exactly once.
    ///
    /// # Safety
    /// `drop` is NULL or may be called with `pointer` once, on any thread.
    pub(crate) unsafe fn owned(pointer: *mut c_void, drop: laneway_drop_fn) -> Self {
        Self { pointer, drop }
    }

    /// Borrows `pointer`: nothing is owed.
    pub(crate) fn borrowed(pointer: *mut c_void) -> Self {
        Self { pointer, drop: None }
    }

    /// The pointer, to be passed to the caller's functions.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: called once, as `owned` was promised: this is the only place.
            unsafe { drop(self.pointer) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C-unwind" fn count(user_data: *mut c_void) {
        // SAFETY: the tests pass a live counter.
        unsafe { *user_data.cast::<u32>() += 1 };
    }

    #[test]
    fn drop_runs_once() {
        let mut dropped = 0_u32;
        let pointer = (&raw mut dropped).cast();
        // SAFETY: the counter outlives its owner.
        let owned = unsafe { UserData::owned(pointer, Some(count)) };
        assert_eq!(owned.pointer(), pointer);
        drop(owned);
        assert_eq!(dropped, 1);
    }

    #[test]
    fn nothing_is_owed_for_what_is_borrowed() {
        let mut dropped = 0_u32;
        drop(UserData::borrowed((&raw mut dropped).cast()));
        assert_eq!(dropped, 0);
    }
}

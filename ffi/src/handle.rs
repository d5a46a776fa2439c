//! Handles: who owns the value behind a pointer that C holds.
//!
//! Two kinds only. A *unique* handle is a box: made by `give`, ended by `free` or `take`. A
//! *counted* one is a reference count: made by `share`, changed by `retain` and `release`.
//! The C types are opaque markers, cast to and from the private value, so that no layout leaks
//! into the debug information of the library. NULL is refused by `borrow` and ignored by
//! `free`, `take` and `release`.

use std::marker::{PhantomData, PhantomPinned};
use std::sync::Arc;

use crate::error::Failure;

/// Makes a handle type neither `Send`, `Sync` nor `Unpin`: only its pointers exist.
pub(crate) type Opaque = PhantomData<(*mut u8, PhantomPinned)>;

/// A C handle type and the value its pointers stand for.
pub(crate) trait Handle: Sized {
    type Inner;
}

/// Handles with one owner.
pub(crate) trait Unique: Handle {}

/// Handles with a reference count.
pub(crate) trait Counted: Handle {}

/// The value behind a handle that C still owns; NULL is refused.
///
/// # Safety
/// `handle` is NULL or a handle of this type that stays owned for `'a`.
pub(crate) unsafe fn borrow<'a, H: Handle>(handle: *const H) -> Result<&'a H::Inner, Failure> {
    // SAFETY: a live value of the inner type, by the caller's contract.
    unsafe { handle.cast::<H::Inner>().as_ref() }.ok_or_else(|| Failure::invalid("handle is NULL"))
}

/// The value behind a unique handle, for the one thread that uses it; NULL is refused.
///
/// # Safety
/// As for [`borrow`], and nothing else uses the handle for `'a`.
pub(crate) unsafe fn borrow_mut<'a, H: Unique>(
    handle: *mut H,
) -> Result<&'a mut H::Inner, Failure> {
    // SAFETY: a live value of the inner type that nothing else uses, by the caller's contract.
    unsafe { handle.cast::<H::Inner>().as_mut() }.ok_or_else(|| Failure::invalid("handle is NULL"))
}

/// Gives `value` to C as a unique handle.
pub(crate) fn give<H: Unique>(value: H::Inner) -> *mut H {
    Box::into_raw(Box::new(value)).cast()
}

/// Takes the value of a unique handle back; NULL has none.
///
/// # Safety
/// `handle` is NULL or came from [`give`] and is not used again.
pub(crate) unsafe fn take<H: Unique>(handle: *mut H) -> Option<H::Inner> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: made by `give`, and not used again, by the caller's contract.
    Some(*unsafe { Box::from_raw(handle.cast::<H::Inner>()) })
}

/// Frees a unique handle; NULL is ignored.
///
/// # Safety
/// As for [`take`].
pub(crate) unsafe fn free<H: Unique>(handle: *mut H) {
    // SAFETY: the caller's contract.
    drop(unsafe { take(handle) });
}

/// Gives `value` to C as the first reference of a counted handle.
pub(crate) fn share<H: Counted>(value: H::Inner) -> *mut H {
    share_arc(Arc::new(value))
}

/// Gives one more reference to a value that is counted already.
pub(crate) fn share_arc<H: Counted>(value: Arc<H::Inner>) -> *mut H {
    Arc::into_raw(value).cast_mut().cast()
}

/// Adds a reference and returns the handle; NULL stays NULL.
///
/// # Safety
/// `handle` is NULL or a counted handle that the caller holds a reference to.
pub(crate) unsafe fn retain<H: Counted>(handle: *mut H) -> *mut H {
    if !handle.is_null() {
        // SAFETY: made by `share`, and the count is not zero, by the caller's contract.
        unsafe { Arc::increment_strong_count(handle.cast::<H::Inner>()) };
    }
    handle
}

/// Gives a reference back; NULL is ignored.
///
/// # Safety
/// `handle` is NULL or a reference that the caller holds and does not use again.
pub(crate) unsafe fn release<H: Counted>(handle: *mut H) {
    if !handle.is_null() {
        // SAFETY: made by `share`, and this reference is given up, by the caller's contract.
        unsafe { Arc::decrement_strong_count(handle.cast::<H::Inner>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct laneway_counted;
    impl Handle for laneway_counted {
        type Inner = Arc<()>;
    }
    impl Counted for laneway_counted {}

    struct laneway_unique;
    impl Handle for laneway_unique {
        type Inner = Arc<()>;
    }
    impl Unique for laneway_unique {}

    #[test]
    fn a_counted_value_lives_until_its_last_reference() {
        let watched = Arc::new(());
        let handle = share::<laneway_counted>(Arc::clone(&watched));
        // SAFETY: two references are made and given back.
        unsafe {
            assert_eq!(retain(handle), handle);
            release(handle);
            assert_eq!(Arc::strong_count(&watched), 2);
            release(handle);
        }
        assert_eq!(Arc::strong_count(&watched), 1);
    }

    #[test]
    fn a_unique_value_ends_with_free() {
        let watched = Arc::new(());
        let handle = give::<laneway_unique>(Arc::clone(&watched));
        // SAFETY: freed once.
        unsafe { free(handle) };
        assert_eq!(Arc::strong_count(&watched), 1);
    }

    #[test]
    fn null_is_refused_by_borrow_and_ignored_by_the_rest() {
        // SAFETY: null is allowed by all of them.
        unsafe {
            assert!(borrow::<laneway_counted>(std::ptr::null()).is_err());
            assert!(borrow_mut::<laneway_unique>(std::ptr::null_mut()).is_err());
            assert!(retain::<laneway_counted>(std::ptr::null_mut()).is_null());
            release::<laneway_counted>(std::ptr::null_mut());
            free::<laneway_unique>(std::ptr::null_mut());
        }
    }
}

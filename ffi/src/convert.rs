//! Bytes, text, times and out parameters on their way in and out.

use std::ffi::c_void;
use std::time::Duration;

use crate::error::Failure;

/// Wait without a limit.
pub const LANEWAY_NO_TIMEOUT: u64 = 0xffff_ffff_ffff_ffff;

/// Bytes that somebody else owns; each function that gives some names the owner.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct laneway_bytes {
    /// The first byte; not NULL when `len` is above 0.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl laneway_bytes {
    /// A view of `bytes`; how long it is valid is the caller's to document.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// No bytes at all.
    pub(crate) const NONE: Self = Self { ptr: std::ptr::null(), len: 0 };
}

/// The bytes at `ptr`; NULL with length 0 is no bytes.
///
/// # Safety
/// `len` bytes at `ptr` are readable and unchanged for `'a`, unless `ptr` is NULL.
pub(crate) unsafe fn bytes<'a>(ptr: *const c_void, len: usize) -> Result<&'a [u8], Failure> {
    match (ptr.is_null(), isize::try_from(len)) {
        (true, Ok(0)) => Ok(&[]),
        (true, _) => Err(Failure::invalid("pointer is NULL, but its length is not 0")),
        (false, Err(_)) => Err(Failure::invalid("length is beyond the address space")),
        // SAFETY: readable by the caller's contract, not null and short enough by the checks.
        (false, Ok(_)) => Ok(unsafe { std::slice::from_raw_parts(ptr.cast(), len) }),
    }
}

/// The UTF-8 text at `ptr`; NULL with length 0 is the empty text.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn text<'a>(ptr: *const c_void, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller's contract.
    let bytes = unsafe { bytes(ptr, len) }?;
    std::str::from_utf8(bytes).map_err(|_| Failure::invalid("text is not UTF-8"))
}

/// Longer than any wait, and short enough to be added to any clock reading.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A time limit: none for [`LANEWAY_NO_TIMEOUT`].
pub(crate) fn limit(timeout_ns: u64) -> Option<Duration> {
    (timeout_ns != LANEWAY_NO_TIMEOUT).then(|| Duration::from_nanos(timeout_ns).min(AGES))
}

/// A time limit for calls that must have one.
pub(crate) fn limit_or_ages(timeout_ns: u64) -> Duration {
    limit(timeout_ns).unwrap_or(AGES)
}

/// An option in nanoseconds: 0 means that it is not given.
pub(crate) fn given(time_ns: u64) -> Option<Duration> {
    (time_ns != 0).then(|| Duration::from_nanos(time_ns))
}

/// A function that the caller must give.
pub(crate) fn required<F>(function: Option<F>) -> Result<F, Failure> {
    function.ok_or_else(|| Failure::invalid("function is NULL"))
}

/// An out parameter: cleared when it is taken, written once, on success only.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// An out parameter that must be there.
    ///
    /// # Safety
    /// `out` is NULL or valid for writes as long as the result is used.
    pub(crate) unsafe fn required(out: *mut T, cleared: T) -> Result<Self, Failure> {
        if out.is_null() {
            return Err(Failure::invalid("out parameter is NULL"));
        }
        // SAFETY: the caller's contract.
        Ok(unsafe { Self::optional(out, cleared) })
    }

    /// An out parameter that the caller may leave out.
    ///
    /// # Safety
    /// As for [`Out::required`].
    pub(crate) unsafe fn optional(out: *mut T, cleared: T) -> Self {
        if !out.is_null() {
            // SAFETY: valid for writes by the caller's contract.
            unsafe { out.write(cleared) };
        }
        Self(out)
    }

    /// Whether the caller wants the value.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_null()
    }

    /// Writes the value, unless the caller left the parameter out.
    pub(crate) fn set(self, value: T) {
        if self.is_wanted() {
            // SAFETY: valid for writes by the contract under which it was taken.
            unsafe { self.0.write(value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_no_bytes_only_without_a_length() {
        // SAFETY: null is allowed.
        unsafe {
            assert_eq!(bytes(std::ptr::null(), 0).expect("no bytes"), b"");
            assert!(bytes(std::ptr::null(), 1).is_err());
            assert!(bytes(std::ptr::dangling(), usize::MAX).is_err());
        }
    }

    #[test]
    fn text_must_be_utf8_and_may_hold_nul() {
        // SAFETY: literals of the lengths given.
        unsafe {
            assert_eq!(text(b"ab".as_ptr().cast(), 1).expect("UTF-8"), "a");
            assert_eq!(text(b"a\0b".as_ptr().cast(), 3).expect("UTF-8"), "a\0b");
            assert!(text(b"\xff".as_ptr().cast(), 1).is_err());
        }
    }

    #[test]
    fn times_have_their_special_values() {
        assert_eq!(limit(LANEWAY_NO_TIMEOUT), None);
        assert_eq!(limit(0), Some(Duration::ZERO));
        assert_eq!(limit_or_ages(LANEWAY_NO_TIMEOUT), AGES);
        assert_eq!(limit_or_ages(LANEWAY_NO_TIMEOUT - 1), AGES);
        assert_eq!(given(0), None);
    }

    #[test]
    fn an_out_parameter_is_cleared_first_and_may_be_left_out() {
        let mut value = 9;
        // SAFETY: a live local.
        let taken = unsafe { Out::required(&raw mut value, 0) };
        assert!(taken.is_ok());
        assert_eq!(value, 0);
        // SAFETY: null is allowed.
        unsafe {
            assert!(Out::required(std::ptr::null_mut(), 0).is_err());
            Out::optional(std::ptr::null_mut(), 0).set(1);
        }
    }
}

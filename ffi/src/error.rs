//! Errors: a status with its text, owned by whoever received it.
//!
//! There is no thread-local last error: completions and coroutines change threads. A function
//! whose failures need more than a status takes a trailing `laneway_error **`, which may be NULL.
//! Inside, `Failure` is the error type of every conversion, so that `?` works up to the
//! boundary; it becomes a [`laneway_error`] only if the caller asked for one.

use std::borrow::Cow;
use std::ffi::c_char;
use std::fmt::Display;

use crate::boundary::boundary_or;
use crate::handle::{Handle, Opaque, Unique, borrow, free, give};
use crate::status::{laneway_code, laneway_status};

/// Why a call failed: a status and a text. Unique: freed once, by `laneway_error_free`.
pub struct laneway_error {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_error {
    type Inner = Failure;
}

impl Unique for laneway_error {}

/// A failure on its way to the boundary.
#[derive(Debug)]
pub(crate) struct Failure {
    status: laneway_status,
    /// UTF-8 followed by one NUL.
    message: Cow<'static, str>,
}

impl Failure {
    /// A failure with a text of our own.
    pub(crate) fn new(code: laneway_code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_status(code.status(), message)
    }

    /// An argument that breaks the contract.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(laneway_code::LANEWAY_EINVAL, message)
    }

    /// The failure of a Rust call, with the text it has for people.
    pub(crate) fn from_error(code: laneway_code, error: &dyn Display) -> Self {
        Self::new(code, error.to_string())
    }

    /// A failure with a status that may be the caller's own.
    pub(crate) fn with_status(
        status: laneway_status,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut message = message.into();
        message.to_mut().push('\0');
        Self { status, message }
    }

    /// What crosses the boundary.
    pub(crate) fn status(&self) -> laneway_status {
        self.status
    }

    /// The text without its NUL.
    pub(crate) fn message(&self) -> &str {
        self.message.strip_suffix('\0').expect("ends in NUL since it was made")
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Failure {}

/// Where a failure is reported: the `err` parameter of a function, or nowhere.
pub(crate) struct Report(*mut *mut laneway_error);

impl Report {
    /// For functions without an `err` parameter.
    pub(crate) const NONE: Self = Self(std::ptr::null_mut());

    /// The caller's `err`, cleared; NULL is allowed.
    ///
    /// # Safety
    /// `err` is NULL or valid for writes until the boundary has returned.
    pub(crate) unsafe fn to(err: *mut *mut laneway_error) -> Self {
        if !err.is_null() {
            // SAFETY: valid for writes by the caller's contract.
            unsafe { err.write(std::ptr::null_mut()) };
        }
        Self(err)
    }

    /// Hands `failure` over and says its status.
    pub(crate) fn fail(self, failure: Failure) -> laneway_status {
        let status = failure.status();
        if !self.0.is_null() {
            // SAFETY: valid for writes until the boundary has returned, by the contract of `to`.
            unsafe { self.0.write(give(failure)) };
        }
        status
    }
}

/// The status of `error`; `LANEWAY_OK` for NULL.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `error`.
///
/// # Safety
///
/// `error` is NULL or not yet freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_error_status(error: *const laneway_error) -> laneway_status {
    boundary_or(laneway_code::LANEWAY_EINVAL.status(), || {
        // SAFETY: not freed, by the caller's contract.
        match unsafe { borrow(error) } {
            Ok(failure) => failure.status(),
            Err(_) => laneway_code::LANEWAY_OK.status(),
        }
    })
}

/// The text of `error` in UTF-8, ended by NUL; `""` for NULL.
///
/// @param[out] len  bytes before the NUL; may be NULL.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `error`; the text lives as long as it.
///
/// # Safety
///
/// `error` is NULL or not yet freed; `len` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_error_message(
    error: *const laneway_error,
    len: *mut usize,
) -> *const c_char {
    boundary_or(c"".as_ptr(), || {
        // SAFETY: not freed, by the caller's contract.
        let message = match unsafe { borrow(error) } {
            Ok(failure) => failure.message.as_ref(),
            Err(_) => "\0",
        };
        if !len.is_null() {
            // SAFETY: writable by the caller's contract.
            unsafe { len.write(message.len() - 1) };
        }
        message.as_ptr().cast()
    })
}

/// Frees `error`; NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `error`.
///
/// # Safety
///
/// `error` is NULL or not yet freed, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_error_free(error: *mut laneway_error) {
    // SAFETY: ours to free, by the caller's contract.
    boundary_or((), || unsafe { free(error) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_status_and_text_and_is_freed_once() {
        let mut error = std::ptr::null_mut();
        // SAFETY: a live local.
        let report = unsafe { Report::to(&raw mut error) };
        assert_eq!(report.fail(Failure::with_status(-1234, "no paper")), -1234);
        let mut len = 0;
        // SAFETY: just handed out; the text is read before it is freed.
        let (status, text) = unsafe {
            let text = laneway_error_message(error, &raw mut len);
            (laneway_error_status(error), std::ffi::CStr::from_ptr(text).to_owned())
        };
        assert_eq!((status, text.as_c_str(), len), (-1234, c"no paper", 8));
        // SAFETY: freed once.
        unsafe { laneway_error_free(error) };
    }

    #[test]
    fn null_is_an_error_that_did_not_happen() {
        let mut len = 9;
        // SAFETY: null is allowed by all three.
        let (status, text) = unsafe {
            let text = laneway_error_message(std::ptr::null(), &raw mut len);
            laneway_error_free(std::ptr::null_mut());
            (laneway_error_status(std::ptr::null()), std::ffi::CStr::from_ptr(text))
        };
        assert_eq!((status, text, len), (0, c"", 0));
    }

    #[test]
    fn a_report_clears_what_it_points_at() {
        let mut error = std::ptr::dangling_mut();
        // SAFETY: a live local; the dangling value is overwritten, never read.
        let _report = unsafe { Report::to(&raw mut error) };
        assert!(error.is_null());
    }
}

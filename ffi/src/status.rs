//! Statuses: what a call, a callback and a job's cause are answered with.
//!
//! A status crosses as a plain `int32_t`; the enum only names constants, so that a value unknown
//! to either side is never undefined behaviour. Values are never renumbered or reused. Zero is
//! success, positive values are other successful answers, negative ones failures, and everything
//! at or below `LANEWAY_EUSER` belongs to the caller and comes
//! back unchanged.

use std::ffi::{CStr, c_char};

use crate::boundary::boundary_or;

/// A status: 0 is success, above 0 another successful answer, below 0 a failure.
///
/// Callers keep a `default:`: later versions add values of either sign.
pub type laneway_status = i32;

/// The statuses the library gives; -1000 and below are the caller's own.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_code {
    /// Done.
    LANEWAY_OK = 0,
    /// From a body: its tokens decide; it deferred at least one.
    LANEWAY_PENDING = 1,
    /// Nothing more to come.
    LANEWAY_END = 2,
    /// An argument breaks the function's contract.
    LANEWAY_EINVAL = -1,
    /// A panic was contained. The message has its text.
    LANEWAY_EPANIC = -2,
    /// The time ran out.
    LANEWAY_ETIMEDOUT = -3,
    /// Cancelled by request.
    LANEWAY_ECANCELED = -4,
    /// A token was given up without an answer.
    LANEWAY_EABANDONED = -5,
    /// The pool, coordinator or service is shutting down.
    LANEWAY_ESHUTDOWN = -6,
    /// In use, or not ready; try again later.
    LANEWAY_EBUSY = -7,
    /// The call could only have waited for itself.
    LANEWAY_EDEADLK = -8,
    /// Called in the child of a fork.
    LANEWAY_EFORKED = -9,
    /// There is no such thing.
    LANEWAY_ENOTFOUND = -10,
    /// Somebody else changed it first; read again and retry.
    LANEWAY_ECONFLICT = -11,
    /// The system refused or failed an operation.
    LANEWAY_EIO = -12,
    /// Stored data is damaged.
    LANEWAY_ECORRUPT = -13,
    /// This build or version cannot do it.
    LANEWAY_EUNSUPPORTED = -14,
    /// No memory, threads or other resource.
    LANEWAY_ENOMEM = -15,
    /// It has been done or has ended already.
    LANEWAY_EALREADY = -16,
    /// The bound on waiting work is reached.
    LANEWAY_EFULL = -17,
    /// A key, name or payload is longer than allowed.
    LANEWAY_ETOOLONG = -18,
    /// The allocation is no longer the valid one; nothing was changed.
    LANEWAY_EFENCED = -19,
    /// The id is taken by something different.
    LANEWAY_EEXISTS = -20,
    /// The job before it in its lane failed, and the lane ends its followers.
    LANEWAY_EPREDECESSOR = -21,
    /// The first value of the caller's own range, which grows downwards.
    LANEWAY_EUSER = -1000,
}

impl laneway_code {
    /// The number that crosses the boundary.
    pub const fn status(self) -> laneway_status {
        self as laneway_status
    }
}

use laneway_code::*;

const NAMES: [(laneway_code, &CStr); 25] = [
    (LANEWAY_OK, c"LANEWAY_OK"),
    (LANEWAY_PENDING, c"LANEWAY_PENDING"),
    (LANEWAY_END, c"LANEWAY_END"),
    (LANEWAY_EINVAL, c"LANEWAY_EINVAL"),
    (LANEWAY_EPANIC, c"LANEWAY_EPANIC"),
    (LANEWAY_ETIMEDOUT, c"LANEWAY_ETIMEDOUT"),
    (LANEWAY_ECANCELED, c"LANEWAY_ECANCELED"),
    (LANEWAY_EABANDONED, c"LANEWAY_EABANDONED"),
    (LANEWAY_ESHUTDOWN, c"LANEWAY_ESHUTDOWN"),
    (LANEWAY_EBUSY, c"LANEWAY_EBUSY"),
    (LANEWAY_EDEADLK, c"LANEWAY_EDEADLK"),
    (LANEWAY_EFORKED, c"LANEWAY_EFORKED"),
    (LANEWAY_ENOTFOUND, c"LANEWAY_ENOTFOUND"),
    (LANEWAY_ECONFLICT, c"LANEWAY_ECONFLICT"),
    (LANEWAY_EIO, c"LANEWAY_EIO"),
    (LANEWAY_ECORRUPT, c"LANEWAY_ECORRUPT"),
    (LANEWAY_EUNSUPPORTED, c"LANEWAY_EUNSUPPORTED"),
    (LANEWAY_ENOMEM, c"LANEWAY_ENOMEM"),
    (LANEWAY_EALREADY, c"LANEWAY_EALREADY"),
    (LANEWAY_EFULL, c"LANEWAY_EFULL"),
    (LANEWAY_ETOOLONG, c"LANEWAY_ETOOLONG"),
    (LANEWAY_EFENCED, c"LANEWAY_EFENCED"),
    (LANEWAY_EEXISTS, c"LANEWAY_EEXISTS"),
    (LANEWAY_EPREDECESSOR, c"LANEWAY_EPREDECESSOR"),
    (LANEWAY_EUSER, c"LANEWAY_EUSER"),
];

pub(crate) fn name_of(status: laneway_status) -> &'static CStr {
    let known = NAMES.iter().find(|(code, _)| code.status() == status);
    match known {
        Some((_, name)) => name,
        None if status < LANEWAY_EUSER.status() => c"(user failure)",
        None if status < 0 => c"(unknown failure)",
        None => c"(unknown success)",
    }
}

/// The name of a status, for messages: `"LANEWAY_EINVAL"`; never NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the text is static.
#[unsafe(no_mangle)]
pub extern "C" fn laneway_status_name(status: laneway_status) -> *const c_char {
    boundary_or(c"".as_ptr(), || name_of(status).as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_named_as_it_is_spelled() {
        for (code, name) in NAMES {
            assert_eq!(format!("{code:?}"), name.to_str().expect("ASCII"));
            assert_eq!(name_of(code.status()), name);
        }
        let declared = include_str!("status.rs")
            .lines()
            .filter(|line| line.trim_start().starts_with("LANEWAY_") && line.contains(" = "))
            .count();
        assert_eq!(declared, NAMES.len());
    }

    #[test]
    fn no_value_is_used_twice() {
        for (place, (code, _)) in NAMES.iter().enumerate() {
            assert!(NAMES[..place].iter().all(|(other, _)| other.status() != code.status()));
        }
    }

    #[test]
    fn unknown_values_keep_their_sign() {
        assert_eq!(name_of(77), c"(unknown success)");
        assert_eq!(name_of(-77), c"(unknown failure)");
        assert_eq!(name_of(-1001), c"(user failure)");
    }
}

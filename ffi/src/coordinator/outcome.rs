//! Outcomes: the nine ways in which a job ends, one to one with Rust, and why.

use std::ffi::c_char;

use laneway::coordinator::{JobError, JobOutcome, OutcomeKind};

use crate::boundary::boundary_or;
use crate::error::Failure;
use crate::options::{self, Versioned};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// How a job ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_outcome_kind {
    /// It has not ended.
    LANEWAY_OUTCOME_NONE = 0,
    /// The body and every token succeeded.
    LANEWAY_OUTCOME_COMPLETED = 1,
    /// It failed, and its undo has succeeded.
    LANEWAY_OUTCOME_ROLLED_BACK = 2,
    /// It failed, and no undo was given, or a predecessor took it along before it started.
    LANEWAY_OUTCOME_FAILED = 3,
    /// It failed, and so did its undo.
    LANEWAY_OUTCOME_DOUBLE_FAULT = 4,
    /// It was cancelled, and there was nothing to undo.
    LANEWAY_OUTCOME_CANCELLED = 5,
    /// Its time was up, and there was nothing to undo.
    LANEWAY_OUTCOME_EXPIRED = 6,
    /// Another node owns the entity.
    LANEWAY_OUTCOME_SKIPPED = 7,
    /// A later job took its place before it started.
    LANEWAY_OUTCOME_SUPERSEDED = 8,
    /// The coordinator or its pool was shut down first.
    LANEWAY_OUTCOME_LOST = 9,
}

use laneway_outcome_kind::*;

/// How a job ended, and why.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_outcome {
    /// Set by `laneway_outcome_init`.
    pub struct_size: usize,
    /// One of `enum laneway_outcome_kind`.
    pub kind: u32,
    /// 1 if an attempt had been started when it was cancelled, else 0.
    pub started: u32,
    /// Why it failed, where a cause is recorded; else `LANEWAY_OK`. A status that a body or a token
    /// gave comes back unchanged.
    pub cause: laneway_status,
    /// Why the undo failed; else `LANEWAY_OK`.
    pub rollback: laneway_status,
}

// SAFETY: a word and four half words, without padding; integers accept any bytes.
unsafe impl Versioned for laneway_outcome {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// The number that a kind of outcome has in C.
fn kind_of(kind: OutcomeKind) -> laneway_outcome_kind {
    match kind {
        OutcomeKind::Completed => LANEWAY_OUTCOME_COMPLETED,
        OutcomeKind::RolledBack => LANEWAY_OUTCOME_ROLLED_BACK,
        OutcomeKind::Failed => LANEWAY_OUTCOME_FAILED,
        OutcomeKind::DoubleFault => LANEWAY_OUTCOME_DOUBLE_FAULT,
        OutcomeKind::Cancelled => LANEWAY_OUTCOME_CANCELLED,
        OutcomeKind::Expired => LANEWAY_OUTCOME_EXPIRED,
        OutcomeKind::Skipped => LANEWAY_OUTCOME_SKIPPED,
        OutcomeKind::Superseded => LANEWAY_OUTCOME_SUPERSEDED,
        OutcomeKind::Lost => LANEWAY_OUTCOME_LOST,
    }
}

/// What crosses of an outcome; `None` is a job that has not ended.
pub(super) fn outcome_of<T>(outcome: Option<&JobOutcome<T>>) -> laneway_outcome {
    let kind = outcome.map_or(LANEWAY_OUTCOME_NONE, |outcome| kind_of(outcome.kind()));
    let cause = outcome.and_then(JobOutcome::cause);
    laneway_outcome {
        struct_size: size_of::<laneway_outcome>(),
        kind: kind as u32,
        started: u32::from(matches!(outcome, Some(JobOutcome::Cancelled { started: true }))),
        cause: cause.map_or(LANEWAY_OK.status(), status_of),
        rollback: outcome.and_then(rollback_of).map_or(LANEWAY_OK.status(), status_of),
    }
}

/// Why the undo failed, where it did.
pub(super) fn rollback_of<T>(outcome: &JobOutcome<T>) -> Option<&JobError> {
    match outcome {
        JobOutcome::DoubleFault { rollback, .. } => Some(rollback),
        _ => None,
    }
}

/// The status of a cause: the body's own, if it came from C.
pub(super) fn status_of(cause: &JobError) -> laneway_status {
    match cause {
        JobError::Failed(error) => {
            error.downcast_ref::<Failure>().map_or(LANEWAY_EUSER.status(), Failure::status)
        }
        JobError::Conflict(_) => LANEWAY_ECONFLICT.status(),
        JobError::Panicked(_) => LANEWAY_EPANIC.status(),
        JobError::Abandoned => LANEWAY_EABANDONED.status(),
        JobError::TimedOut => LANEWAY_ETIMEDOUT.status(),
        JobError::Cancelled => LANEWAY_ECANCELED.status(),
        JobError::Shutdown => LANEWAY_ESHUTDOWN.status(),
        JobError::Predecessor => LANEWAY_EPREDECESSOR.status(),
        _ => LANEWAY_EUNSUPPORTED.status(),
    }
}

/// A cause with its text.
pub(super) fn failure_of(cause: &JobError) -> Failure {
    Failure::with_status(status_of(cause), cause.to_string())
}

/// The cause that a failure reported from C stands for.
pub(super) fn cause_of(failure: Failure) -> JobError {
    if failure.status() == LANEWAY_ECONFLICT.status() {
        JobError::conflict(failure)
    } else {
        JobError::new(failure)
    }
}

/// Clears `outcome` and sets its size.
///
/// @param struct_size  `sizeof *outcome`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `outcome`.
///
/// # Safety
///
/// `outcome` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_outcome_init(outcome: *mut laneway_outcome, struct_size: usize) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(outcome, struct_size) });
}

/// The name of a kind of outcome, as events and reports have it: `"rolled_back"`; never NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the text is static.
#[unsafe(no_mangle)]
pub extern "C" fn laneway_outcome_name(kind: u32) -> *const c_char {
    boundary_or(c"".as_ptr(), || {
        let name = match kind {
            k if k == LANEWAY_OUTCOME_NONE as u32 => c"none",
            k if k == LANEWAY_OUTCOME_COMPLETED as u32 => c"completed",
            k if k == LANEWAY_OUTCOME_ROLLED_BACK as u32 => c"rolled_back",
            k if k == LANEWAY_OUTCOME_FAILED as u32 => c"failed",
            k if k == LANEWAY_OUTCOME_DOUBLE_FAULT as u32 => c"double_fault",
            k if k == LANEWAY_OUTCOME_CANCELLED as u32 => c"cancelled",
            k if k == LANEWAY_OUTCOME_EXPIRED as u32 => c"expired",
            k if k == LANEWAY_OUTCOME_SKIPPED as u32 => c"skipped",
            k if k == LANEWAY_OUTCOME_SUPERSEDED as u32 => c"superseded",
            k if k == LANEWAY_OUTCOME_LOST as u32 => c"lost",
            _ => c"(unknown)",
        };
        name.as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn every_kind_keeps_its_name_and_has_its_own_number() {
        let mut seen = vec![LANEWAY_OUTCOME_NONE as u32];
        for kind in OutcomeKind::ALL {
            let number = kind_of(kind) as u32;
            assert!(!seen.contains(&number));
            seen.push(number);
            // SAFETY: static and ended by NUL.
            let name = unsafe { CStr::from_ptr(laneway_outcome_name(number)) };
            assert_eq!(name.to_str(), Ok(kind.name()));
        }
    }

    #[test]
    fn a_status_of_the_caller_comes_back_unchanged() {
        let cause = cause_of(Failure::with_status(-1234, "no paper"));
        let seen = outcome_of(Some(&JobOutcome::<()>::Failed { cause: cause.clone() }));
        assert_eq!((seen.kind, seen.cause), (LANEWAY_OUTCOME_FAILED as u32, -1234));
        assert_eq!(failure_of(&cause).message(), "no paper");
    }

    #[test]
    fn a_conflict_from_c_is_a_conflict_in_rust() {
        let cause = cause_of(Failure::new(LANEWAY_ECONFLICT, "changed"));
        assert!(matches!(cause, JobError::Conflict(_)));
        assert_eq!(status_of(&cause), LANEWAY_ECONFLICT.status());
    }

    #[test]
    fn a_double_fault_has_both_reasons() {
        let cause = cause_of(Failure::with_status(-1001, "body"));
        let fault = JobOutcome::<()>::DoubleFault { cause, rollback: JobError::Abandoned };
        let seen = outcome_of(Some(&fault));
        assert_eq!((seen.cause, seen.rollback), (-1001, LANEWAY_EABANDONED.status()));
    }

    #[test]
    fn a_job_that_has_not_ended_has_no_outcome() {
        let seen = outcome_of::<()>(None);
        assert_eq!((seen.kind, seen.cause), (LANEWAY_OUTCOME_NONE as u32, LANEWAY_OK.status()));
    }
}

//! The boundary: every exported function runs inside, and no panic leaves.
//!
//! The only `catch_unwind` of this crate. A contained panic is answered as `LANEWAY_EPANIC` with
//! its text; its payload is dropped under a second catch, because a payload may panic in turn.
//! A C++ exception that tries to cross aborts the process: callbacks are `extern "C-unwind"`.
//! With `panic = "abort"` none of this happens.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Failure, Report};
use crate::status::{laneway_code, laneway_status};

/// Runs the body of a fallible function; its failure goes to `report`.
pub(crate) fn boundary(
    report: Report,
    body: impl FnOnce() -> Result<laneway_status, Failure>,
) -> laneway_status {
    let failure = match contain(body) {
        Ok(Ok(status)) => return status,
        Ok(Err(failure)) => failure,
        Err(said) => Failure::new(laneway_code::LANEWAY_EPANIC, said),
    };
    report.fail(failure)
}

/// Runs the body of a function that cannot say that it failed; a panic gives `fallback`.
pub(crate) fn boundary_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    contain(body).unwrap_or(fallback)
}

fn contain<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let said = text_of(payload.as_ref());
        if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            // Its destructor panicked too: there is nobody left to tell.
            let _leaked = ManuallyDrop::new(second);
        }
        said
    })
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    said.unwrap_or("a panic without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::{laneway_error_free, laneway_error_message};
    use crate::status::laneway_code::{LANEWAY_EINVAL, LANEWAY_EPANIC, LANEWAY_OK};

    #[test]
    fn an_answer_passes_unchanged() {
        assert_eq!(boundary(Report::NONE, || Ok(LANEWAY_OK.status())), 0);
        assert_eq!(boundary(Report::NONE, || Ok(-1001)), -1001);
    }

    #[test]
    fn a_failure_becomes_its_status() {
        let status = boundary(Report::NONE, || Err(Failure::invalid("no")));
        assert_eq!(status, LANEWAY_EINVAL.status());
    }

    #[test]
    fn a_panic_becomes_a_status_and_its_text() {
        let mut error = std::ptr::null_mut();
        // SAFETY: a live local.
        let report = unsafe { Report::to(&raw mut error) };
        let status = boundary(report, || panic!("seven of {}", 9));
        assert_eq!(status, LANEWAY_EPANIC.status());
        // SAFETY: just handed out, freed after its last use.
        unsafe {
            let text = laneway_error_message(error, std::ptr::null_mut());
            assert_eq!(CStr::from_ptr(text), c"seven of 9");
            laneway_error_free(error);
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let answer = boundary_or(7, || std::panic::panic_any(Bomb));
        assert_eq!(answer, 7);
    }
}

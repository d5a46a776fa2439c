//! Panics as values: the pool's only `catch_unwind`.
//!
//! With `panic = "abort"` nothing here ever runs: the process ends at the panic.
//!
//! Not here: what is done with a caught panic. It goes to whoever joins the work, or to the pool's
//! panic handler (P9).

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Runs `f`; a panic becomes a value.
///
/// Unwind safety is the caller's: the panic must reach somebody who can judge, or the state that
/// `f` touched must not be looked at again.
pub(crate) fn halt<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// Goes on with a panic that was halted. The panic hook is not called a second time.
#[cold]
pub(crate) fn resume(payload: Payload) -> ! {
    panic::resume_unwind(payload)
}

/// Drops `value`, whose destructor may be user code that panics; true if it did.
///
/// A payload that panics while it is dropped is leaked: there is nobody left to tell.
pub(crate) fn discard<T>(value: T) -> bool {
    let Err(payload) = halt(|| drop(value)) else { return false };
    if let Err(again) = halt(|| drop(payload)) {
        let _leaked = ManuallyDrop::new(again);
    }
    true
}

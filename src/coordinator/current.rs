//! Which job's user code is on this thread's stack: so that a wait for its own key is refused.

use std::cell::RefCell;
use std::ptr;

use super::inner::Inner;
use crate::lane::Key;
use crate::sync::Arc;

struct Current {
    /// Compared by address only; the job on the stack keeps it alive.
    inner: *const Inner,
    key: Key,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Restores what was there before.
pub(crate) struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Until the answer is dropped, this thread runs user code of a job of `key`.
pub(crate) fn enter(inner: &Arc<Inner>, key: &Key) -> Entered {
    let current = Current { inner: Arc::as_ptr(inner), key: key.clone() };
    Entered(CURRENT.replace(Some(current)))
}

/// True inside a job of `key`. A thread that is past its thread-locals runs no job.
pub(crate) fn runs(inner: &Arc<Inner>, key: &Key) -> bool {
    let is_inner = |current: &Current| ptr::eq(current.inner, Arc::as_ptr(inner));
    let runs = CURRENT.try_with(|current| {
        current.borrow().as_ref().is_some_and(|current| is_inner(current) && current.key == *key)
    });
    runs.unwrap_or(false)
}

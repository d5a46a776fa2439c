//! Waits on a worker: counted, and refused where nobody would be left to end them.

use super::{Pool, PoolError};

/// Proof that the calling thread may block; while it lives, a worker counts as blocked.
#[must_use = "the worker counts as blocked while this lives"]
pub(crate) struct Blocking {}

impl Pool {
    /// Announces that this thread is about to wait for something that only the pool can bring.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker of this pool when every other worker waits too.
    pub(crate) fn enter_blocking(&self) -> Result<Blocking, PoolError> {
        unimplemented!()
    }

    /// True on a worker of this pool when every other worker is blocked.
    pub(crate) fn would_block_last_worker(&self) -> bool {
        unimplemented!()
    }
}

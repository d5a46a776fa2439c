//! A gate: opens when the last of its copies is dropped.
//!
//! A drain leaves one copy behind the jobs it waits for in every lane and waits for the gate. A
//! copy that is lost on the way (the pool ends, a lane is dropped) opens its part of the gate, too:
//! nobody waits for ever.

use std::time::Instant;

use crate::base::promise::Promise;
use crate::pool::Pool;
use crate::sync::Arc;

/// A copy of the gate.
#[derive(Clone)]
pub(super) struct Gate {
    _open: Arc<Open>,
}

/// Waits for a gate.
pub(super) struct Waiter(Arc<Promise<()>>);

/// Opens on drop.
struct Open(Arc<Promise<()>>);

impl Gate {
    /// The first copy, and who waits.
    pub(super) fn new() -> (Self, Waiter) {
        let promise = Arc::new(Promise::new());
        (Self { _open: Arc::new(Open(promise.clone())) }, Waiter(promise))
    }
}

impl Waiter {
    /// Blocks until every copy is dropped; false at the deadline.
    pub(super) fn wait_until(&self, pool: &Pool, deadline: Instant) -> bool {
        pool.wait_until(&self.0, deadline)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fulfil(()).expect("a gate opens once");
    }
}

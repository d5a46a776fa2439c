//! Farewells: who wants to be told that the pool has ended.
//!
//! Work that is queued when the pool ends is abandoned, and so its owner learns of it. An owner with
//! nothing queued, such as lanes whose jobs all wait for something outside, would not: it leaves a
//! farewell. Farewells are called once, when no worker will take work any more (`shutdown.rs`) and
//! the queues were swept, on the thread that found that out; taking one back is O(log n).
//!
//! Cold: one per coordinator.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::registry::Registry;
use super::{Pool, unwind};
use crate::sync::Arc;

type Call = Box<dyn FnOnce() + Send>;

/// The farewells of one pool.
#[derive(Default)]
pub(super) struct Farewells(Mutex<Left>);

#[derive(Default)]
struct Left {
    next: u64,
    calls: BTreeMap<u64, Call>,
}

/// A farewell that was left. Dropping it takes it back, if it was not called yet.
#[must_use = "dropping a farewell takes it back"]
pub(crate) struct Farewell {
    registry: Arc<Registry>,
    number: u64,
}

impl Pool {
    /// Calls `call` when no worker will take work any more; now, if the pool has ended. It must not block, and must not hold
    /// a handle of this pool, or the pool would not end by itself.
    pub(crate) fn on_ended(&self, call: impl FnOnce() + Send + 'static) -> Farewell {
        let registry = self.registry.clone();
        let mut left = registry.farewells.0.lock();
        let number = left.next;
        left.next += 1;
        left.calls.insert(number, Box::new(call));
        drop(left);
        // After the insertion: either `call_all` finds it, or ENDED is seen here, as both take the
        // lock. Called twice, `call_all` finds nothing.
        if registry.phase.is_ended() {
            registry.farewells.call_all();
        }
        Farewell { registry, number }
    }
}

impl Farewells {
    /// The pool has ended.
    pub(super) fn call_all(&self) {
        let calls = std::mem::take(&mut self.0.lock().calls);
        for call in calls.into_values() {
            if let Err(payload) = unwind::halt(call) {
                unwind::discard(payload);
            }
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let call = self.registry.farewells.0.lock().calls.remove(&self.number);
        drop(call); // what it holds is not dropped under the lock
    }
}

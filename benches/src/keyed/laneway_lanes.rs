//! laneway's lanes: a coordinator, jobs submitted detached.

use laneway::{Coordinator, Job, Pool};

use super::{Key, Keyed};

/// A coordinator on a pool.
pub struct LanewayLanes {
    coordinator: Coordinator,
}

impl LanewayLanes {
    /// On `pool`, with default settings.
    pub fn new(pool: &Pool) -> Self {
        Self { coordinator: Coordinator::new(pool) }
    }
}

impl Keyed for LanewayLanes {
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) {
        let job = Job::once(move |_| {
            job();
            Ok(())
        });
        self.coordinator.submit_detached(&key[..], job).expect("not shutting down");
    }
}

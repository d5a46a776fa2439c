//! The door: what the clones of one [`Coordinator`](super::Coordinator) share, and its jobs do not.
//!
//! Behind it the lanes go on: dropping the door retires them and their marks, and each shard goes with its last job.
//! Should the pool end before, the farewell, which lives as long as any shard, closes those that
//! are left. It refers to them weakly, so nothing keeps itself alive.

use std::sync::Weak;

use super::entry::Entry;
use super::inner::Inner;
use super::observe::CoordinatorConfig;
use crate::lane::{Key, Lanes, Shard};
use crate::pool::Pool;
use crate::sync::Arc;

/// See the page.
pub(crate) struct Door {
    pub(crate) inner: Arc<Inner>,
    pub(crate) lanes: Lanes<Entry>,
}

impl Door {
    pub(crate) fn new(pool: &Pool, config: CoordinatorConfig) -> Self {
        let inner = Arc::new(Inner::new(pool, config));
        let lanes = Lanes::new(pool, &inner);
        let shards: Box<[Weak<Shard<Entry>>]> = lanes.shards().map(Arc::downgrade).collect();
        let same = Arc::downgrade(&inner);
        inner.keep(pool.on_ended(move || {
            shards.iter().filter_map(Weak::upgrade).for_each(|shard| Shard::close(&shard));
            same.upgrade().iter().for_each(|inner| inner.owners().clear());
        }));
        Self { inner, lanes }
    }
}

impl Door {
    /// See [`Coordinator::cancel`](super::Coordinator::cancel).
    pub(crate) fn cancel(&self, key: Key) {
        let address = self.lanes.address(key.clone());
        self.inner.marks().begin_cancel(&key, address.group());
        address.submit(Entry::Fence(key.clone()));
        // Behind the fence: whoever has started by now is told.
        self.lanes.wake(key);
        self.inner.doze().wake();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.inner.marks().retire();
    }
}

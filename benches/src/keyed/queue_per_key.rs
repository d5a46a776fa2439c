//! The textbook: a lock-free queue per key in a concurrent table, its lane put on a stealing pool.
//!
//! The queue is a one-word inbox (a chain of nodes pushed by compare-and-swap and taken whole); the
//! pusher that finds it idle schedules the key. Kept as the form that laneway departs from: see
//! `docs/decisions/`. Entries stay in the table, which favours this variant.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use dashmap::DashMap;
use laneway::Pool;

use super::{BoxedJob, Key, Keyed};

struct Node {
    next: *mut Node,
    job: BoxedJob,
}

/// Null: idle. `active()`: empty, and somebody drains. Else: the newest node of a chain.
struct Inbox {
    head: AtomicPtr<Node>,
}

fn active() -> *mut Node {
    ptr::without_provenance_mut(1)
}

impl Inbox {
    /// True if the caller must schedule the drain.
    fn push(&self, job: BoxedJob) -> bool {
        let node = Box::into_raw(Box::new(Node { next: ptr::null_mut(), job }));
        // Relaxed: a guess for the exchange below.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: `node` is ours until the exchange succeeds.
            unsafe { (*node).next = if head.is_null() { active() } else { head } };
            // AcqRel: publishes the node; on the idle edge sees what the last drain did.
            match self.head.compare_exchange_weak(head, node, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return head.is_null(),
                Err(found) => head = found,
            }
        }
    }

    fn drain(&self) {
        loop {
            // Acquire: sees the nodes that `push` published.
            let mut newest = self.head.swap(active(), Ordering::Acquire);
            let mut oldest = active();
            while newest != active() {
                // SAFETY: the chain was taken whole, so its nodes are ours.
                let next = unsafe { std::mem::replace(&mut (*newest).next, oldest) };
                oldest = newest;
                newest = next;
            }
            while oldest != active() {
                // SAFETY: made by `Box::into_raw` in `push`, taken once.
                let node = unsafe { Box::from_raw(oldest) };
                oldest = node.next;
                (node.job)();
            }
            // Release: the next owner of the key sees what this one did.
            let idle = self.head.compare_exchange(
                active(),
                ptr::null_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if idle.is_ok() {
                return;
            }
        }
    }
}

/// `DashMap<key, inbox>` with the drains on laneway's own pool.
pub struct QueuePerKey {
    inboxes: DashMap<Key, Arc<Inbox>, foldhash::fast::FixedState>,
    pool: Pool,
}

impl QueuePerKey {
    /// With the drains on `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { inboxes: DashMap::default(), pool }
    }
}

impl Keyed for QueuePerKey {
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) {
        let known = self.inboxes.get(&key).map(|inbox| Arc::clone(&inbox));
        let inbox = known.unwrap_or_else(|| {
            let fresh = || Arc::new(Inbox { head: AtomicPtr::new(ptr::null_mut()) });
            Arc::clone(&self.inboxes.entry(key).or_insert_with(fresh))
        });
        if inbox.push(Box::new(job)) {
            self.pool.spawn(move || inbox.drain());
        }
    }
}

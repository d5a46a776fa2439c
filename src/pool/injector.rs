//! The injector: work from outside, on its way to a worker.
//!
//! A list with one end (Treiber's stack, 1986) that is never popped: producers push a node by
//! compare-and-swap, a consumer swaps the whole list out and turns it round, so that the oldest
//! comes first. A node is complete before it is pushed, so there is no moment in which a stopped
//! producer holds up a consumer or another producer; queues that claim a slot and then write it
//! have one. That nobody pops single nodes leaves nothing to reclaim, and an ABA that does no harm:
//! if the newest node was taken, freed and made anew in the same place since a producer looked, the
//! place is again that of the newest node. It is another node all the same, so nodes are linked by
//! their *addresses*: a pointer to the one before would not be a pointer to this one.
//!
//! Invariant: a node belongs to its producer until pushed, and to the one who swapped the list out
//! from then on.
//!
//! Not here: waking anybody, and spreading a batch over workers (`worker.rs`).

use std::ptr;

use crate::sync::{AtomicPtr, AtomicUsize, CachePadded, Ordering};

/// See the page.
pub(crate) struct Injector<T>(CachePadded<List<T>>);

struct List<T> {
    newest: AtomicPtr<Node<T>>,
    len: AtomicUsize,
}

struct Node<T> {
    value: T,
    /// The address of the one pushed before this one, or 0; turned round by the consumer.
    next: usize,
}

// SAFETY: values go from the producer to the consumer or to who drops the injector: `T: Send`.
// Nodes are never shared.
unsafe impl<T: Send> Send for Injector<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Injector<T> {}

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        let newest = AtomicPtr::new(ptr::null_mut());
        Self(CachePadded::new(List { newest, len: AtomicUsize::new(0) }))
    }

    /// Adds `value`. Lock-free.
    pub(crate) fn push(&self, value: T) {
        // Relaxed: a figure; counted before it can be taken, so the count never falls below zero.
        self.0.len.fetch_add(1, Ordering::Relaxed);
        // Relaxed: the node behind is never looked at from here.
        let mut newest = self.0.newest.load(Ordering::Relaxed);
        let node = Box::into_raw(Box::new(Node { value, next: newest.addr() }));
        node.expose_provenance(); // for the one that follows the address in the next node
        loop {
            // Release [inject]: pairs with the Acquire in `take_all`; later pushes are
            // read-modify-writes and carry it on. Relaxed: as above.
            match self.0.newest.compare_exchange(newest, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(newer) => {
                    newest = newer;
                    // SAFETY: not pushed yet, so still the producer's.
                    unsafe { (*node).next = newest.addr() };
                }
            }
        }
    }

    /// True if there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: a look; the sleep protocol's fences order it where it matters.
        self.0.newest.load(Ordering::Relaxed).is_null()
    }

    /// How many values wait.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: a figure.
        self.0.len.load(Ordering::Relaxed)
    }

    /// Takes everything, the oldest first. Does not block and does not retry.
    pub(crate) fn take_all(&self) -> Batch<T> {
        // AcqRel [inject]: the Acquire pairs with the Release in `push`: the nodes are complete.
        // AcqRel [emptied]: the Release pairs with the fence after a look that finds nothing, in
        // `Sleep::is_quiet`: who sees the list emptied sees that a worker is up.
        let mut newest = self.0.newest.swap(ptr::null_mut(), Ordering::AcqRel);
        let mut oldest: *mut Node<T> = ptr::null_mut();
        let mut len = 0;
        while !newest.is_null() {
            // SAFETY: swapped out, so the whole list is this thread's.
            let older = unsafe { std::mem::replace(&mut (*newest).next, oldest.addr()) };
            oldest = newest;
            newest = ptr::with_exposed_provenance_mut(older);
            len += 1;
        }
        // Relaxed: a figure.
        self.0.len.fetch_sub(len, Ordering::Relaxed);
        Batch { oldest }
    }
}

impl<T> Drop for Injector<T> {
    fn drop(&mut self) {
        self.take_all().for_each(drop);
    }
}

/// Values that were taken out, the oldest first. Dropping it drops what is left.
pub(crate) struct Batch<T> {
    oldest: *mut Node<T>,
}

impl<T> Iterator for Batch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.oldest.is_null() {
            return None;
        }
        // SAFETY: a node of a list that is this thread's; made by `Box::into_raw`, and unlinked
        // by the next line.
        let node = *unsafe { Box::from_raw(self.oldest) };
        self.oldest = ptr::with_exposed_provenance_mut(node.next);
        Some(node.value)
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Arc;

    #[test]
    fn what_one_thread_pushed_comes_out_in_that_order() {
        let injector = Injector::new();
        assert!(injector.is_empty());
        (0..5).for_each(|n| injector.push(n));
        assert_eq!(injector.len(), 5);
        assert_eq!(injector.take_all().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(injector.is_empty());
        assert_eq!((injector.len(), injector.take_all().count()), (0, 0));
    }

    #[test]
    fn whatever_is_left_is_dropped() {
        let held = Arc::new(());
        let injector = Injector::new();
        (0..3).for_each(|_| injector.push(Arc::clone(&held)));
        let mut batch = injector.take_all();
        drop(batch.next());
        injector.push(Arc::clone(&held));
        drop((batch, injector));
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn nothing_is_lost_or_had_twice_between_several_threads() {
        let injector = Injector::new();
        let taken = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|threads| {
            for thread in 0..4_u32 {
                let (injector, taken) = (&injector, &taken);
                threads.spawn(move || {
                    for n in 0..200 {
                        injector.push(thread * 200 + n);
                        if n % 7 == 0 {
                            taken.lock().expect("nobody panics").extend(injector.take_all());
                        }
                    }
                });
            }
        });
        let mut taken = taken.into_inner().expect("nobody panics");
        taken.extend(injector.take_all());
        taken.sort_unstable();
        assert_eq!(taken, (0..800).collect::<Vec<_>>());
    }
}

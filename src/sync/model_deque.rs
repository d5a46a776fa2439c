//! The work-stealing deque for the model checker: Chase and Lev's, bounded, with the orderings of
//! the real one, so that it orders nothing that the real one does not; and an injector likewise.
//!
//! One end is its owner's, who pushes and pops there (last in, first out); thieves take from the
//! other. Values travel in boxes, so that a slot is one word as the algorithm wants it. A deque with
//! a lock inside would hide missing fences of those who use it.

use super::{Arc, AtomicPtr, AtomicUsize, checked};
use checked::Ordering;

/// More than any model pushes at a time.
const CAPACITY: usize = 4;

struct Ring<T> {
    /// The thieves' end.
    top: AtomicUsize,
    /// The owner's end.
    bottom: AtomicUsize,
    slots: [AtomicPtr<T>; CAPACITY],
}

/// The owner's side.
pub(crate) struct Worker<T>(Arc<Ring<T>>);

/// A thief's side.
pub(crate) struct Stealer<T>(Arc<Ring<T>>);

/// What a thief got.
pub(crate) enum Steal<T> {
    /// Nothing was there.
    Empty,
    /// The value is the thief's.
    Success(T),
    /// Somebody else was quicker.
    Retry,
}

impl<T> Worker<T> {
    /// Empty.
    pub(crate) fn new_lifo() -> Self {
        Self(Arc::new(Ring {
            top: AtomicUsize::new(1),
            bottom: AtomicUsize::new(1),
            slots: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }))
    }

    /// The other side.
    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(Arc::clone(&self.0))
    }

    /// True if there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value at the owner's end.
    pub(crate) fn push(&self, value: T) {
        let ring = &*self.0;
        // Relaxed: only the owner writes it.
        let bottom = ring.bottom.load(Ordering::Relaxed);
        // Acquire: from the thieves, who are done with the slot.
        assert!(bottom - ring.top.load(Ordering::Acquire) < CAPACITY, "the model's deque is full");
        let value = Box::into_raw(Box::new(value));
        // Relaxed: published by the next store.
        ring.slots[bottom % CAPACITY].store(value, Ordering::Relaxed);
        // Release: to the thieves.
        ring.bottom.store(bottom + 1, Ordering::Release);
    }

    /// Takes the newest value.
    pub(crate) fn pop(&self) -> Option<T> {
        let ring = &*self.0;
        // Relaxed: only the owner writes it.
        let bottom = ring.bottom.load(Ordering::Relaxed) - 1;
        // Relaxed: ordered by the fence.
        ring.bottom.store(bottom, Ordering::Relaxed);
        // SeqCst: either a thief sees the lowered end, or this sees the thief's.
        checked::fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        let top = ring.top.load(Ordering::Relaxed);
        if top < bottom {
            return Some(ring.take(bottom));
        }
        // SeqCst: as in crossbeam; the last value goes to whoever moves `top`.
        let order = (Ordering::SeqCst, Ordering::Relaxed);
        let last =
            top == bottom && ring.top.compare_exchange(top, top + 1, order.0, order.1).is_ok();
        let value = last.then(|| ring.take(bottom));
        // Relaxed: as above.
        ring.bottom.store(bottom + 1, Ordering::Relaxed);
        value
    }
}

impl<T> Stealer<T> {
    /// True if there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the oldest value.
    pub(crate) fn steal(&self) -> Steal<T> {
        let ring = &*self.0;
        // Acquire: from whoever moved it.
        let top = ring.top.load(Ordering::Acquire);
        // SeqCst: the other end of the fence in `pop`.
        checked::fence(Ordering::SeqCst);
        // Acquire: from the push of what is there.
        let bottom = ring.bottom.load(Ordering::Acquire);
        if bottom <= top {
            return Steal::Empty;
        }
        // Relaxed: ordered by the load of `bottom`; only used if the exchange succeeds.
        let value = ring.slots[top % CAPACITY].load(Ordering::Relaxed);
        // SeqCst: as in `pop`.
        let order = (Ordering::SeqCst, Ordering::Relaxed);
        match ring.top.compare_exchange(top, top + 1, order.0, order.1) {
            // SAFETY: moving `top` over the slot makes its box ours.
            Ok(_) => Steal::Success(*unsafe { Box::from_raw(value) }),
            Err(_) => Steal::Retry,
        }
    }
}

impl<T> Ring<T> {
    fn is_empty(&self) -> bool {
        // Acquire: as crossbeam's.
        let top = self.top.load(Ordering::Acquire);
        // SeqCst: as crossbeam's.
        checked::fence(Ordering::SeqCst);
        // Acquire: as crossbeam's.
        self.bottom.load(Ordering::Acquire) <= top
    }

    /// The value of a slot that is the owner's.
    fn take(&self, index: usize) -> T {
        // Relaxed: the owner wrote it.
        let value = self.slots[index % CAPACITY].load(Ordering::Relaxed);
        // SAFETY: nobody else can have moved `top` over it.
        *unsafe { Box::from_raw(value) }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Relaxed: exclusive access.
        let (top, bottom) = (self.top.load(Ordering::Relaxed), self.bottom.load(Ordering::Relaxed));
        (top..bottom).for_each(|index| drop(self.take(index)));
    }
}

/// A queue for several at both ends: a producer claims a slot and then writes it.
pub(crate) struct Injector<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    /// Each is used once.
    slots: [AtomicPtr<T>; CAPACITY],
}

impl<T> Injector<T> {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    /// Adds a value.
    pub(crate) fn push(&self, value: T) {
        // Relaxed: weaker than the real one, which is SeqCst.
        let claimed = self.tail.fetch_add(1, Ordering::Relaxed);
        assert!(claimed < CAPACITY, "the model's injector is used up");
        // Release: to whoever takes the value.
        self.slots[claimed].store(Box::into_raw(Box::new(value)), Ordering::Release);
    }

    /// True if nothing is claimed that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: as in `push`.
        let head = self.head.load(Ordering::Relaxed);
        // Relaxed: as in `push`.
        self.tail.load(Ordering::Relaxed) <= head
    }

    /// Takes the oldest value.
    pub(crate) fn steal(&self) -> Steal<T> {
        // Relaxed: as in `push`.
        let head = self.head.load(Ordering::Relaxed);
        // Relaxed: as in `push`.
        if self.tail.load(Ordering::Relaxed) <= head {
            return Steal::Empty;
        }
        // Acquire: from the producer.
        let value = self.slots[head].load(Ordering::Acquire);
        let order = Ordering::Relaxed;
        if value.is_null() || self.head.compare_exchange(head, head + 1, order, order).is_err() {
            return Steal::Retry;
        }
        // SAFETY: moving `head` over the slot makes its box ours.
        Steal::Success(*unsafe { Box::from_raw(value) })
    }
}

impl<T> Drop for Injector<T> {
    fn drop(&mut self) {
        while let Steal::Success(value) = self.steal() {
            drop(value);
        }
    }
}

//! A cell whose readers see one consistent, immutable version and never wait (rule S1).
//!
//! ```text
//!   current ──► version n        load: pin, one Acquire load
//!                  ▲
//!   publish: swap ─┘  version n-1 ──when no guard can see it──► retired list ──► freed
//! ```
//!
//! Epoch-based reclamation runs deferred functions on whichever thread collects, and every 128th
//! `pin` collects, so readers would free what writers replaced. Here the deferred function only
//! pushes the old version on a lock-free list; [`EpochCell::publish`] and [`EpochCell::collect`]
//! drop what is on it. A reader thus pays for a push at most, and never runs a `drop` of `T`.
//!
//! Invariants: a version is unreachable from `current` before it is deferred, deferred once, and on
//! the list once. The list only grows at its head and is only taken whole. So if a version was freed
//! and another made in its place since a push looked at the head, the exchange may still succeed:
//! the place is again that of the head. The list is linked by addresses for that reason, as a
//! pointer to the one is not a pointer to the other.
//!
//! Not here: batching of writers (the service's combiner) and maps that share structure between
//! versions (the task state).

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use crate::sync::{Arc, AtomicPtr, Ordering, UnsafeCell, epoch};

/// Keeps every version that is current while it lives from being freed, in every [`EpochCell`].
///
/// Cheap to take and to hold, but while it lives memory piles up: never hold it across user code,
/// blocking or input and output. For that, keep an `Arc` in the cell and use
/// [`EpochCell::snapshot`].
pub struct Guard(epoch::Guard);

/// Takes a [`Guard`] for the calling thread. Never blocks; guards nest.
#[must_use = "versions stay alive as long as the guard does"]
pub fn pin() -> Guard {
    Guard(epoch::pin())
}

impl Guard {
    /// Lets go of the versions seen so far and starts anew, as if dropped and taken again.
    pub fn repin(&mut self) {
        // Not the `repin` of crossbeam-epoch: it moves to the new epoch without a fence, so the
        // next load may still be of a version that was retired before that epoch began.
        self.0.repin_after(|| ());
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// A shared value that is replaced as a whole; readers never block, retry, lock or free.
///
/// A read is a pin and one load, a publication one swap. Old versions are dropped by writers: by
/// the next [`publish`](Self::publish), by [`collect`](Self::collect), or with the cell. Only
/// versions that are still deferred when the cell is dropped may be dropped by whichever thread
/// collects them.
///
/// ```
/// use laneway::snapshot::{EpochCell, pin};
///
/// let limits = EpochCell::new(vec![10, 20]);
/// let guard = pin();
/// let before = limits.load(&guard);
/// limits.publish(vec![30]);
/// assert_eq!(*before, [10, 20], "a version does not change under its reader");
/// assert_eq!(limits.read(|now| now.len()), 1);
/// ```
pub struct EpochCell<T> {
    current: AtomicPtr<Version<T>>,
    retired: Arc<Retired<T>>,
    owns: PhantomData<T>,
}

impl<T: Send + Sync + 'static> EpochCell<T> {
    /// A cell whose first version is `value`.
    pub fn new(value: T) -> Self {
        Self {
            current: AtomicPtr::new(Version::boxed(value)),
            retired: Arc::new(Retired { head: AtomicPtr::new(ptr::null_mut()) }),
            owns: PhantomData,
        }
    }

    /// The current version, which stays as it is and alive while `guard` does.
    pub fn load<'g>(&'g self, _guard: &'g Guard) -> &'g T {
        // Acquire [epoch-publish]: pairs with the swap in `publish`; the version is visible whole.
        let version = self.current.load(Ordering::Acquire);
        // SAFETY: the guard was taken before this load, so the version is not retired before the
        // guard goes; and the cell, which owns it otherwise, is borrowed.
        unsafe { &(*version).value }
    }

    /// Calls `look` with the current version under a guard of its own. Keep it short: see
    /// [`Guard`].
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(self.load(&pin()))
    }

    /// Makes `value` the current version and drops those that no reader can see any more.
    ///
    /// Never blocks. Of several concurrent calls the last swap wins: what has to be derived from
    /// the version before needs one writer at a time.
    pub fn publish(&self, value: T) {
        let version = Version::boxed(value);
        let guard = epoch::pin();
        // AcqRel [epoch-publish]: the Release pairs with the Acquire in `load`, the Acquire with
        // the Release of the publication that is replaced, whose version this thread now owns.
        let old = self.current.swap(version, Ordering::AcqRel);
        let leaving = Leaving { version: old, list: Arc::clone(&self.retired) };
        guard.defer(move || leaving.retire());
        guard.flush();
        drop(guard);
        self.retired.drop_all();
    }

    /// Drops old versions that no reader can see any more; for a writer that has become idle.
    ///
    /// Never blocks, and needs a few calls, apart in time, to get at everything: each may find
    /// readers under way.
    pub fn collect(&self) {
        epoch::pin().flush();
        self.retired.drop_all();
    }
}

impl<T: Send + Sync + 'static> EpochCell<Arc<T>> {
    /// A version to keep: as long as wanted, across blocking and user code. Costs one shared
    /// counter, which [`load`](Self::load) does not.
    pub fn snapshot(&self) -> Arc<T> {
        self.read(Arc::clone)
    }
}

impl<T> Drop for EpochCell<T> {
    fn drop(&mut self) {
        // Relaxed: exclusive access.
        let version = self.current.load(Ordering::Relaxed);
        // SAFETY: loads borrow the cell, so nobody looks; a current version is not deferred.
        drop(unsafe { Box::from_raw(version) });
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for EpochCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|value| f.debug_tuple("EpochCell").field(value).finish())
    }
}

struct Version<T> {
    value: T,
    /// The address of the version retired before this one, or 0.
    next: UnsafeCell<usize>,
}

impl<T> Version<T> {
    fn boxed(value: T) -> *mut Self {
        let version = Box::into_raw(Box::new(Self { value, next: UnsafeCell::new(0) }));
        version.expose_provenance(); // for who follows the address in the next version
        version
    }
}

/// A version on its way from `current` to the list.
struct Leaving<T> {
    version: *mut Version<T>,
    list: Arc<Retired<T>>,
}

// SAFETY: an owned version and a shared list of owned versions: as good as `T`s.
unsafe impl<T: Send + Sync> Send for Leaving<T> {}

impl<T> Leaving<T> {
    /// Called once no guard can see the version.
    fn retire(self) {
        self.list.push(self.version);
    }
}

/// Versions that nobody can see: pushed by whoever collects, dropped by writers.
struct Retired<T> {
    head: AtomicPtr<Version<T>>,
}

impl<T> Retired<T> {
    fn push(&self, version: *mut Version<T>) {
        // Relaxed: only a guess for the exchange; what is behind it is not looked at.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: alive, and owned by the caller until the exchange succeeds.
            let owned = unsafe { &*version };
            // SAFETY: as above; nobody else looks at it.
            owned.next.with_mut(|next| unsafe { *next = head.addr() });
            // Release [epoch-retire]: pairs with the Acquire in `drop_all`; the reads of the
            // version that happened before its retirement happen before its drop.
            // Relaxed: as above.
            match self.head.compare_exchange_weak(
                head,
                version,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(newer) => head = newer,
            }
        }
    }

    fn drop_all(&self) {
        // Acquire [epoch-retire]: pairs with every push of the list that is taken.
        let mut version = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        while !version.is_null() {
            // SAFETY: on the list once, and the list was taken whole: ours alone.
            let owned = unsafe { Box::from_raw(version) };
            // SAFETY: as above.
            let next = owned.next.with(|next| unsafe { *next });
            version = ptr::with_exposed_provenance_mut(next);
        }
    }
}

impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        self.drop_all();
    }
}

#[cfg(test)]
mod tests;

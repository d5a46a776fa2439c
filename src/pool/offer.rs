//! An offer: the rest of a visit, left open to thieves while its worker is inside user code.
//!
//! A visitor that runs a job on its own stack has more to do behind it: the rest of its visit. As
//! long as the job is short, nobody else has to know. If it runs long, or blocks, the rest must not
//! wait for it. So the worker leaves the rest, as work, in a place of its own before the job, and
//! takes it back after. One word decides who has it:
//!
//! ```text
//!   CLOSED(n) ──leave──► OPEN(n) ──take_back (the worker) or take (a thief)──► CLOSED(n + 1)
//! ```
//!
//! The word is one number, `2n` while closed and `2n + 1` while open. It only grows, so an exchange
//! that succeeds on `OPEN(n)` is the only one, and what was read of the work between the thief's
//! look at the word and its exchange belongs to that word: nobody writes while it is open.
//!
//! A worker that does not get the rest back has lost whatever right came with it. `n` also tells a
//! watcher whether the worker is still inside the same job as at its last look.
//!
//! Not here: when a thief should take an offer (`watch.rs`).

use std::ptr;

use super::work::{Work, WorkVtable};
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The bit of the word that says that the offer is open.
const OPEN: u64 = 1;

/// See the page. Belongs to one worker; thieves look and take.
pub(crate) struct Offer {
    word: AtomicU64,
    raw: AtomicPtr<()>,
    vtable: AtomicPtr<WorkVtable>,
}

/// What a thief saw: an open offer, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Never seen on any offer.
    pub(crate) const NOTHING: u64 = 0;

    /// A number that no other offer of the same worker has.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl Offer {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            raw: AtomicPtr::new(ptr::null_mut()),
            vtable: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Leaves `rest` open. Only the worker calls this, with no offer open.
    #[inline]
    pub(crate) fn leave(&self, rest: Work) {
        // Relaxed: the worker closed it, or saw it closed by a failed exchange: the newest value.
        let closed = self.word.load(Ordering::Relaxed);
        debug_assert_eq!(closed & OPEN, 0, "one offer at a time");
        let (raw, vtable) = rest.into_parts();
        // Relaxed, both: published by the word.
        self.raw.store(raw, Ordering::Relaxed);
        // Relaxed: as above.
        self.vtable.store(ptr::from_ref(vtable).cast_mut(), Ordering::Relaxed);
        // Release [offer]: pairs with the Acquire in `look`: the work, and what the worker did
        // before, is visible to the thief.
        self.word.store(closed | OPEN, Ordering::Release);
    }

    /// Takes the rest back; `None` if a thief has it. Only the worker calls this, after `leave`.
    #[inline]
    pub(crate) fn take_back(&self) -> Option<Work> {
        // Relaxed: the worker's own store, unless a thief closed it.
        let word = self.word.load(Ordering::Relaxed);
        if word & OPEN == 0 {
            return self.lost();
        }
        // Relaxed on success: nobody else wrote anything. Acquire [offer-lost]: see `lost`.
        match self.word.compare_exchange(word, word + 1, Ordering::Relaxed, Ordering::Acquire) {
            Ok(_) => Some(self.work()),
            Err(_) => None,
        }
    }

    #[cold]
    fn lost(&self) -> Option<Work> {
        // Acquire [offer-lost]: pairs with the Release in `take`: the thief's reads of the work come
        // before the next `leave`.
        let _closed = self.word.load(Ordering::Acquire);
        None
    }

    /// The offer that is open now.
    #[inline]
    pub(crate) fn look(&self) -> Option<Seen> {
        // Acquire [offer]: pairs with the Release in `leave`.
        let word = self.word.load(Ordering::Acquire);
        (word & OPEN != 0).then_some(Seen(word))
    }

    /// Takes the offer that was seen; `None` if it is not open any more.
    pub(crate) fn take(&self, seen: Seen) -> Option<Work> {
        // Read before the exchange: after it the worker may write again.
        // Relaxed, both: published by the word that was seen.
        let raw = self.raw.load(Ordering::Relaxed);
        // Relaxed: as above.
        let vtable = self.vtable.load(Ordering::Relaxed);
        // Release [offer-lost]: pairs with the Acquire of the worker that finds its offer closed: the
        // reads above come before its next `leave`. Nothing to acquire: the word is still the one
        // that `look` has acquired. Relaxed on failure: nothing is read because of it.
        self.word
            .compare_exchange(seen.0, seen.0 + 1, Ordering::Release, Ordering::Relaxed)
            .ok()
            // SAFETY: the offer was open from the look to the exchange, so both parts are of the
            // work that was left; the exchange succeeds once.
            .map(|_| unsafe { Work::from_parts(raw, &*vtable) })
    }

    /// Takes the offer if it is open and its work carries `raw`.
    pub(crate) fn take_carrying(&self, raw: *const ()) -> Option<Work> {
        let seen = self.look()?;
        // Relaxed: published by the word that was seen. It is compared before the exchange, which
        // succeeds only while the word, and so the work, is the same.
        let is_wanted = ptr::eq(self.raw.load(Ordering::Relaxed), raw);
        if is_wanted { self.take(seen) } else { None }
    }

    /// The work that the worker left and has back.
    fn work(&self) -> Work {
        // Relaxed, both: the worker's own stores.
        let raw = self.raw.load(Ordering::Relaxed);
        // Relaxed: as above.
        let vtable = self.vtable.load(Ordering::Relaxed);
        // SAFETY: left by this worker, and taken back by the exchange, which succeeds once.
        unsafe { Work::from_parts(raw, &*vtable) }
    }
}

/// Work that nobody took back is abandoned.
impl Drop for Offer {
    fn drop(&mut self) {
        drop(self.look().and_then(|seen| self.take(seen)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Arc;

    #[test]
    fn what_is_left_is_had_once() {
        let offer = Offer::new();
        let held = Arc::new(());
        let left = || {
            let held = Arc::clone(&held);
            Work::once(move || drop(held))
        };
        assert_eq!(offer.look(), None);
        offer.leave(left());
        let seen = offer.look().expect("it is open");
        assert!(offer.take_back().is_some(), "nobody took it");
        assert!(offer.take(seen).is_none(), "it is not open any more");
        offer.leave(left());
        assert!(offer.take(seen).is_none(), "another one is open");
        // Relaxed: one thread.
        let (raw, another) = (offer.raw.load(Ordering::Relaxed), ptr::from_ref(&offer).cast());
        assert!(offer.take_carrying(another).is_none(), "it is not that work");
        assert!(offer.take_carrying(raw).is_some());
        assert!(offer.take_carrying(raw).is_none(), "it is not open any more");
        assert!(offer.take_back().is_none(), "a thief has it");
        offer.leave(left());
        drop(offer);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

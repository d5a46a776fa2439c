//! A promise: one value, written once, and everybody who waits for it, in one word.
//!
//! ```text
//!   head:  null ──register──► seat ──register──► seat → seat … ──fulfil──► DONE
//! ```
//!
//! [`fulfil`](Promise::fulfil) writes the value, swaps DONE into the word and then rouses every
//! seat of the list it got. Registering pushes a seat by compare-and-swap, or sits down on a seat
//! that was left (`seat.rs`); whoever finds DONE does not wait. Lock-free: a waiter stopped
//! anywhere never delays the fulfiller or another waiter, and a fulfiller stopped anywhere delays
//! only those who wait for it. Registering walks the list: a promise has few waiters.
//!
//! Invariants: the value is written before DONE and by one thread only; a waiter that was
//! registered is roused exactly once or has seen the value; seats live as long as the promise.
//!
//! Not here: what blocking a worker means (the pool's `blocking`), and who runs callbacks as work
//! of their own (the job handle posts them).

use std::mem;
use std::ptr;
use std::task::{Context, Poll};
use std::time::Instant;

use super::seat::{Seat, Waiter};
use crate::sync::{Arc, AtomicBool, AtomicPtr, Ordering, Parker, UnsafeCell};

/// The word of a fulfilled promise: no address of a seat.
const DONE: *mut Seat = ptr::without_provenance_mut(1);
const _: () = assert!(mem::align_of::<Seat>() > 1, "DONE is not the address of a seat");

/// A value that arrives once, and its waiters. Shared by `Arc` between both sides.
pub(crate) struct Promise<T> {
    /// Null, the newest seat, or [`DONE`].
    head: AtomicPtr<Seat>,
    /// Set by the one who may fulfil.
    claimed: AtomicBool,
    /// Written before DONE; after that shared for reading, or taken by the only consumer.
    value: UnsafeCell<Option<T>>,
    /// The list, moved here by the fulfiller; read only when the promise is dropped.
    fired: UnsafeCell<*const Seat>,
}

// SAFETY: the value goes from the fulfilling thread to whoever takes or drops it, so `T: Send`.
unsafe impl<T: Send> Send for Promise<T> {}
// SAFETY: as above; shared references to the value are given out only for `T: Sync` (`get`).
// `fired` has one writer, the fulfiller, and is read under exclusive access.
unsafe impl<T: Send> Sync for Promise<T> {}

/// Where a future that is polled again and again keeps its seat. Dropping it gets up.
///
/// Belongs to the promise that it was first polled with.
#[derive(Default)]
pub(crate) struct Registration(Option<Arc<Seat>>);

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(claimed) = self.0.as_deref().and_then(Seat::reclaim) {
            claimed.leave();
        }
    }
}

impl<T> Promise<T> {
    /// Without a value.
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            claimed: AtomicBool::new(false),
            value: UnsafeCell::new(None),
            fired: UnsafeCell::new(ptr::null()),
        }
    }

    /// Stores the value and rouses every waiter, callbacks included, on this thread. The first
    /// call wins; a later one gets its value back.
    ///
    /// Never blocks. If a callback or a waker panics, the others are still roused and the panic
    /// goes on to the caller.
    pub(crate) fn fulfil(&self, value: T) -> Result<(), T> {
        // Relaxed: only decides who is first; the value is published by the swap below.
        if self.claimed.swap(true, Ordering::Relaxed) {
            return Err(value);
        }
        // SAFETY: only the claimant writes the value, and nobody reads it before DONE.
        self.value.with_mut(|cell| unsafe { *cell = Some(value) });
        // AcqRel [promise-done]: the Release pairs with the Acquire in `is_done`, publishing the
        // value. AcqRel [promise-seat]: the Acquire pairs with the Release of every push.
        let list = self.head.swap(DONE, Ordering::AcqRel).cast_const();
        // SAFETY: one fulfiller; the next access is in `drop`.
        self.fired.with_mut(|cell| unsafe { *cell = list });
        Rouse { next: list, owner: self }.all();
        Ok(())
    }

    /// True once the value is there, and then for ever.
    pub(crate) fn is_done(&self) -> bool {
        // Acquire [promise-done]: pairs with the swap in `fulfil`; the value is visible.
        self.head.load(Ordering::Acquire) == DONE
    }

    /// Blocks the thread until the value is there.
    pub(crate) fn wait(&self) {
        self.park(|parker| {
            parker.park();
            true
        });
    }

    /// Blocks the thread until the value is there, at most until `deadline`; true if it is there.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        self.park(|parker| parker.park_until(deadline));
        self.is_done()
    }

    /// Ready once the value is there. Until then the context's task is woken when it arrives;
    /// `place` holds its seat between polls.
    pub(crate) fn poll(&self, place: &mut Registration, context: &Context<'_>) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        let waiter = Waiter::Task(context.waker().clone());
        let waits = match &place.0 {
            Some(seat) => seat.reclaim().is_some_and(|claimed| claimed.arm(waiter).is_ok()),
            None => {
                place.0 = self.register(waiter).ok();
                place.0.is_some()
            }
        };
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Calls `call` on the fulfilling thread, or now if the value is already there. The call must
    /// be short and must not block: it delays the waiters behind it.
    pub(crate) fn on_done(&self, call: impl FnOnce() + Send + 'static) {
        if self.is_done() {
            return call();
        }
        if let Err(waiter) = self.register(Waiter::Call(Box::new(call))) {
            waiter.rouse();
        }
    }

    /// Moves the value out, if it is there and nobody took it.
    ///
    /// # Safety
    /// The caller is the only consumer: nobody else is in `take`, and no reference from
    /// [`get`](Self::get) is alive.
    pub(crate) unsafe fn take(&self) -> Option<T> {
        if !self.is_done() {
            return None;
        }
        // SAFETY: DONE, so the fulfiller is past the value; no other consumer by the contract.
        self.value.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// Seats `waiter`, or hands it back because the promise is fulfilled.
    fn register(&self, waiter: Waiter) -> Result<Arc<Seat>, Waiter> {
        // Acquire [promise-seat]: pairs with the pushes below, for the walk over their seats.
        // Acquire [promise-done]: as in `is_done`.
        let mut head = self.head.load(Ordering::Acquire);
        if head == DONE {
            return Err(waiter);
        }
        for seat in self.seats(head) {
            if let Some(claimed) = seat.claim() {
                return claimed.arm(waiter).map(|()| share(seat));
            }
        }
        let seat = Arc::new(Seat::armed(waiter));
        let raw = Arc::into_raw(Arc::clone(&seat)).cast_mut();
        loop {
            // SAFETY: not pushed yet.
            unsafe { seat.link(head) };
            // Release [promise-seat]: pairs with the swap in `fulfil` and the walk above; later
            // pushes are read-modify-writes and carry it on.
            // Acquire [promise-done]: as in `is_done`.
            match self.head.compare_exchange(head, raw, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Ok(seat),
                Err(DONE) => {
                    // SAFETY: the reference that was meant for the list.
                    drop(unsafe { Arc::from_raw(raw.cast_const()) });
                    return Err(seat.fire().expect("this seat was armed and never shared"));
                }
                Err(newer) => head = newer,
            }
        }
    }

    /// Runs `block` until the value is there or `block` answers that its time is up.
    fn park(&self, block: impl Fn(&Parker) -> bool) {
        if !self.is_done() {
            self.park_on(&Arc::new(Parker::new()), block);
        }
    }

    /// Runs `block`, which may park on `parker` (the calling thread's), until the value is there or
    /// `block` answers false. A token that somebody else leaves there makes it look again.
    pub(crate) fn park_on(&self, parker: &Arc<Parker>, block: impl Fn(&Parker) -> bool) {
        let Ok(seat) = self.register(Waiter::Thread(Arc::clone(parker))) else { return };
        let _place = Registration(Some(seat));
        while !self.is_done() && block(parker) {}
    }

    /// The seats from `first` on, which this promise keeps alive.
    fn seats(&self, first: *const Seat) -> impl Iterator<Item = &Seat> {
        // SAFETY: `first` came from the list (not DONE): a live seat, published to this thread.
        let first = unsafe { first.as_ref() };
        std::iter::successors(first, |seat| {
            // SAFETY: as above; what is behind a published seat was published before it.
            unsafe { seat.next().as_ref() }
        })
    }
}

impl<T: Sync> Promise<T> {
    /// The value, if it is there and nobody took it.
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.is_done() {
            return None;
        }
        // SAFETY: DONE, so nobody writes any more; `take` forbids a living reference.
        self.value.with(|cell| unsafe { (*cell).as_ref() })
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        // Relaxed: exclusive access.
        let mut seat = match self.head.load(Ordering::Relaxed) {
            // SAFETY: exclusive access, and the fulfiller is done.
            DONE => self.fired.with(|cell| unsafe { *cell }),
            head => head.cast_const(),
        };
        while !seat.is_null() {
            // SAFETY: the list's own reference, given up here, once.
            let owned = unsafe { Arc::from_raw(seat) };
            seat = owned.next();
        }
    }
}

/// One more owner of a seat in a list.
fn share(seat: &Seat) -> Arc<Seat> {
    let raw = ptr::from_ref(seat);
    // SAFETY: every seat in a list came from `Arc::into_raw`, and the list owns a reference.
    unsafe {
        Arc::increment_strong_count(raw);
        Arc::from_raw(raw)
    }
}

/// The seats still to be fired; goes on while a panic unwinds.
struct Rouse<'p, T> {
    next: *const Seat,
    owner: &'p Promise<T>,
}

impl<T> Rouse<'_, T> {
    fn all(&mut self) {
        while let Some(seat) = self.owner.seats(self.next).next() {
            self.next = seat.next();
            if let Some(waiter) = seat.fire() {
                waiter.rouse();
            }
        }
    }
}

impl<T> Drop for Rouse<'_, T> {
    fn drop(&mut self) {
        self.all();
    }
}

#[cfg(test)]
mod tests;

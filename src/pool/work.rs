//! Work: two words that the pool can queue, steal and run.
//!
//! A raw pointer and a table of the two things that can happen to it: it is run, or it is
//! abandoned because the pool ends first. Exactly one of both happens, exactly once: dropping a
//! `Work` abandons it. What the pointer means belongs to the [`Runnable`] that made it: a box, or
//! a shared object that schedules itself again and again without an allocation.

use std::mem::ManuallyDrop;

use crate::sync::Arc;

/// A pointer that can be carried as one raw word.
///
/// # Safety
/// `from_raw` of what `into_raw` returned gives the same value back, on any thread.
pub(crate) unsafe trait Carrier: Sized {
    /// The word.
    fn into_raw(self) -> *mut ();
    /// The value again.
    ///
    /// # Safety
    /// `raw` came from `into_raw` of the same type and is given back once.
    unsafe fn from_raw(raw: *mut ()) -> Self;
}

// SAFETY: `Box::into_raw` and `Box::from_raw` are inverse to each other.
unsafe impl<T> Carrier for Box<T> {
    fn into_raw(self) -> *mut () {
        Box::into_raw(self).cast()
    }
    // # Safety: the trait's.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by the caller's contract this came from `Box::<T>::into_raw`, once.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

// SAFETY: `Arc::into_raw` and `Arc::from_raw` are inverse to each other.
unsafe impl<T> Carrier for Arc<T> {
    fn into_raw(self) -> *mut () {
        Arc::into_raw(self).cast_mut().cast()
    }
    // # Safety: the trait's.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by the caller's contract this came from `Arc::<T>::into_raw`, once.
        unsafe { Arc::from_raw(raw.cast_const().cast()) }
    }
}

/// What a worker can run. It ends in one of two ways.
pub(crate) trait Runnable: Carrier + Send {
    /// Does the work, on a worker, with no frame of a stranger below it. A panic goes to the
    /// pool's panic handler.
    fn run(self);
    /// The pool has ended and `run` never will be called. Any thread; must not block.
    fn abandon(self);
}

pub(super) struct WorkVtable {
    run: unsafe fn(*mut ()),
    abandon: unsafe fn(*mut ()),
}

struct Table<R>(R);

impl<R: Runnable> Table<R> {
    const VTABLE: &'static WorkVtable = &WorkVtable {
        // SAFETY: `Work` calls one of both, once, with the word that `R::into_raw` made.
        run: |raw| unsafe { R::from_raw(raw) }.run(),
        // SAFETY: as above.
        abandon: |raw| unsafe { R::from_raw(raw) }.abandon(),
    };
}

/// See the page.
#[must_use = "dropping work abandons it"]
pub(crate) struct Work {
    raw: *mut (),
    vtable: &'static WorkVtable,
}

// SAFETY: a `Runnable` is Send, and this is one, erased.
unsafe impl Send for Work {}

impl Work {
    /// Erases `runnable`.
    pub(crate) fn new<R: Runnable + 'static>(runnable: R) -> Self {
        Self { raw: runnable.into_raw(), vtable: Table::<R>::VTABLE }
    }

    /// Work that runs `f` once; dropping it drops `f`.
    pub(crate) fn once<F: FnOnce() + Send + 'static>(f: F) -> Self {
        Self::new(Box::new(Once(f)))
    }

    /// As [`once`](Self::once), for a closure that borrows.
    ///
    /// # Safety
    /// The work is run or dropped before anything that `f` borrows ends.
    pub(super) unsafe fn once_borrowing<F: FnOnce() + Send>(f: F) -> Self {
        Self { raw: Box::new(Once(f)).into_raw(), vtable: Table::<Box<Once<F>>>::VTABLE }
    }

    /// The two words, for a place that holds them apart. Without `from_parts` the work is lost.
    pub(super) fn into_parts(self) -> (*mut (), &'static WorkVtable) {
        let this = ManuallyDrop::new(self);
        (this.raw, this.vtable)
    }

    /// The work again.
    ///
    /// # Safety
    /// Both came from one call of `into_parts`, and are used once.
    pub(super) unsafe fn from_parts(raw: *mut (), vtable: &'static WorkVtable) -> Self {
        Self { raw, vtable }
    }

    /// What it was made of.
    ///
    /// # Safety
    /// It was made by [`new`](Self::new) of an `R`.
    pub(crate) unsafe fn carried<R: Runnable>(self) -> R {
        let this = ManuallyDrop::new(self);
        // SAFETY: by the caller's contract `R::into_raw` made the word, and `self` is consumed.
        unsafe { R::from_raw(this.raw) }
    }

    /// Runs it on this thread.
    pub(crate) fn run(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: `self` is consumed and not dropped, so this is the one call.
        unsafe { (this.vtable.run)(this.raw) }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: not run, or it would not be dropped: this is the one call.
        unsafe { (self.vtable.abandon)(self.raw) }
    }
}

/// A closure that is run once.
struct Once<F>(F);

impl<F: FnOnce() + Send> Runnable for Box<Once<F>> {
    fn run(self) {
        let Once(f) = *self;
        f();
    }
    fn abandon(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{AtomicUsize, Ordering};

    struct Counted {
        run: AtomicUsize,
        abandoned: AtomicUsize,
    }

    impl Runnable for Arc<Counted> {
        fn run(self) {
            // Relaxed: one thread.
            self.run.fetch_add(1, Ordering::Relaxed);
        }
        fn abandon(self) {
            // Relaxed: one thread.
            self.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn work_ends_in_one_of_two_ways() {
        let counted =
            Arc::new(Counted { run: AtomicUsize::new(0), abandoned: AtomicUsize::new(0) });
        Work::new(Arc::clone(&counted)).run();
        drop(Work::new(Arc::clone(&counted)));
        // Relaxed: one thread.
        assert_eq!(counted.run.load(Ordering::Relaxed), 1);
        // Relaxed: one thread.
        assert_eq!(counted.abandoned.load(Ordering::Relaxed), 1);
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn abandoned_work_drops_its_closure_without_running_it() {
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        drop(Work::once(move || panic!("ran with {kept:?}")));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

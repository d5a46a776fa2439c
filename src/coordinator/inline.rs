//! A body that runs once, stored in place.
//!
//! A closure whose captures fit into six words lies inside the job itself, so that a plain job
//! allocates nothing on its way through a lane; a bigger one is boxed, and the box lies there
//! instead. Next to the captures stand the functions that know their type.
//!
//! Invariant: `words` holds a live `F` until `call`, `call_detached` or the drop consumes it; each of
//! them consumes `self`, so that is once.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::ptr;

use super::context::JobContext;
use super::error::JobError;

/// What is stored in place: 48 bytes on 64-bit machines.
type Words = [usize; 6];

/// The functions that know the type of the captures and nothing of the value.
struct Table {
    call_detached: unsafe fn(*mut (), &mut JobContext<'_>) -> Result<(), JobError>,
    drop: unsafe fn(*mut ()),
}

/// A `FnOnce(&mut JobContext) -> Result<T, JobError>` with room for six words of captures.
pub(crate) struct InlineOnce<T> {
    words: MaybeUninit<Words>,
    call: unsafe fn(*mut (), &mut JobContext<'_>) -> Result<T, JobError>,
    table: &'static Table,
}

// SAFETY: made from closures that are `Send` only; see `new`.
unsafe impl<T> Send for InlineOnce<T> {}

/// An [`InlineOnce`] whose value nobody wants: one type for every `T`.
pub(crate) struct InlineDetached {
    words: MaybeUninit<Words>,
    table: &'static Table,
}

// SAFETY: made from an `InlineOnce`, which is `Send`.
unsafe impl Send for InlineDetached {}

/// The functions for captures of type `F`.
struct Captures<F, T>(PhantomData<fn(F) -> T>);

impl<F, T> Captures<F, T>
where
    F: FnOnce(&mut JobContext<'_>) -> Result<T, JobError>,
{
    const TABLE: Table = Table { call_detached: Self::call_detached, drop: Self::drop };

    /// # Safety
    /// `at` points at a live `F`, which this call consumes.
    unsafe fn call(at: *mut (), context: &mut JobContext<'_>) -> Result<T, JobError> {
        // SAFETY: by the caller's contract.
        let body = unsafe { ptr::read(at.cast::<F>()) };
        body(context)
    }

    /// # Safety
    /// As for `call`.
    unsafe fn call_detached(at: *mut (), context: &mut JobContext<'_>) -> Result<(), JobError> {
        // SAFETY: by the caller's contract.
        unsafe { Self::call(at, context) }.map(drop)
    }

    /// # Safety
    /// As for `call`.
    unsafe fn drop(at: *mut ()) {
        // SAFETY: by the caller's contract.
        unsafe { ptr::drop_in_place(at.cast::<F>()) }
    }
}

impl<T> InlineOnce<T> {
    pub(crate) fn new<F>(body: F) -> Self
    where
        F: FnOnce(&mut JobContext<'_>) -> Result<T, JobError> + Send + 'static,
        T: 'static,
    {
        if fits::<F>() { Self::store(body) } else { Self::store(Box::new(body)) }
    }

    fn store<F>(body: F) -> Self
    where
        F: FnOnce(&mut JobContext<'_>) -> Result<T, JobError> + Send + 'static,
        T: 'static,
    {
        const { assert!(fits::<Box<()>>(), "a box always fits") };
        assert!(fits::<F>(), "`new` boxes what does not fit");
        let mut words = MaybeUninit::<Words>::uninit();
        // SAFETY: checked above: `F` is neither bigger nor more aligned than the words.
        unsafe { ptr::write(words.as_mut_ptr().cast::<F>(), body) };
        Self { words, call: Captures::<F, T>::call, table: &Captures::<F, T>::TABLE }
    }

    /// Runs the body.
    pub(crate) fn call(self, context: &mut JobContext<'_>) -> Result<T, JobError> {
        let mut this = ManuallyDrop::new(self);
        let call = this.call;
        // SAFETY: the captures are live, and `this` is never dropped: consumed here, once.
        unsafe { call(this.words.as_mut_ptr().cast(), context) }
    }

    /// The same body, its value dropped as soon as it returns.
    pub(crate) fn detached(self) -> InlineDetached {
        let this = ManuallyDrop::new(self);
        InlineDetached { words: this.words, table: this.table }
    }
}

impl<T> Drop for InlineOnce<T> {
    fn drop(&mut self) {
        // SAFETY: the captures are live, as nothing consumed `self`.
        unsafe { (self.table.drop)(self.words.as_mut_ptr().cast()) }
    }
}

impl InlineDetached {
    /// Runs the body.
    pub(crate) fn call(self, context: &mut JobContext<'_>) -> Result<(), JobError> {
        let mut this = ManuallyDrop::new(self);
        let call = this.table.call_detached;
        // SAFETY: the captures are live, and `this` is never dropped: consumed here, once.
        unsafe { call(this.words.as_mut_ptr().cast(), context) }
    }
}

impl Drop for InlineDetached {
    fn drop(&mut self) {
        // SAFETY: the captures are live, as nothing consumed `self`.
        unsafe { (self.table.drop)(self.words.as_mut_ptr().cast()) }
    }
}

const fn fits<F>() -> bool {
    size_of::<F>() <= size_of::<Words>() && align_of::<F>() <= align_of::<Words>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Arc;

    #[repr(align(16))]
    struct Wide;

    #[test]
    fn six_words_lie_in_place_and_more_are_boxed() {
        assert!(fits::<[u8; 48]>());
        assert!(!fits::<[u8; 49]>());
        assert!(!fits::<Wide>());
    }

    #[test]
    fn captures_of_a_body_that_never_runs_are_dropped_once() {
        fn held(padding: [u64; 8]) -> [Arc<[u64; 8]>; 3] {
            [Arc::new(padding), Arc::new(padding), Arc::new(padding)]
        }
        let kept = held([7; 8]);
        let [small, big, detached] = kept.each_ref().map(Arc::clone);
        let copy = *big;
        drop(InlineOnce::new(move |_| Ok(small[0])));
        drop(InlineOnce::new(move |_| Ok(big[0] + copy[0])));
        drop(InlineOnce::new(move |_| Ok(detached[0])).detached());
        assert!(kept.iter().all(|held| Arc::strong_count(held) == 1));
    }
}

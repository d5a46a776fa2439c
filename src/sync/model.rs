//! The facade inside the model checker (loom 0.7), with the cure for its skipped interleavings.
//!
//! loom keeps only the *last* access of an atomic as a race point: when a thread loads X and then
//! writes X, an earlier load of X by another thread is no longer a backtrack point, and orders are
//! silently skipped. Here every access first does a Relaxed read-modify-write on a private *shadow*
//! variable, which makes all accesses of one atomic mutually dependent. The shadow carries no
//! ordering, so the weak behaviour of the real variable stays. The canary in `loom-tests` fails if
//! somebody goes around this.
//!
//! Limits to know when writing a model: SeqCst loads and stores are modelled as AcqRel, so
//! store-buffering handshakes use `fence(SeqCst)`; only [`UnsafeCell`] content is watched; the
//! stand-ins below are never stronger than what they stand for.
//!
//! Every access asks `crate::mutation`, a module of `loom-tests`, which ordering it is to have: that
//! is how the mutants are made.

use loom::sync::atomic as checked;

use crate::mutation::{self, Exchange};

#[path = "model_deque.rs"]
pub(crate) mod deque;
#[path = "model_epoch.rs"]
pub(crate) mod epoch;

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::Ordering;

/// A fence of the checker.
#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if let Some(order) = mutation::fence(order) {
        checked::fence(order);
    }
}

/// True: code sizes its blocks and rings for the checker.
pub(crate) const MODEL: bool = true;

/// A spinning thread lets the others run.
pub(crate) fn spin_loop() {
    loom::thread::yield_now();
}

/// loom's cell; one that dies after an access that did not happen before is reported.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }
    #[track_caller]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        self.0.with(read)
    }
    #[track_caller]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(write)
    }
}

impl<T> Drop for UnsafeCell<T> {
    #[track_caller]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

/// Padding means nothing to the checker.
#[derive(Debug, Default)]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

macro_rules! shadowed {
    ($name:ident [$($generics:tt)*] $real:ty, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name $($generics)* {
            real: $real,
            shadow: checked::AtomicUsize,
            leak: loom::alloc::Track<()>,
        }

        #[allow(dead_code)] // not every width is used by every model
        impl $($generics)* $name $($generics)* {
            #[track_caller]
            pub(crate) fn new(value: $value) -> Self {
                Self {
                    real: <$real>::new(value),
                    shadow: checked::AtomicUsize::new(0),
                    leak: loom::alloc::Track::new(()),
                }
            }
            fn touch(&self) {
                // Relaxed: only there to be a dependency.
                self.shadow.fetch_add(1, Ordering::Relaxed);
            }
            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.touch();
                self.real.load(mutation::order(order))
            }
            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.touch();
                self.real.store(value, mutation::order(order))
            }
            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                self.real.swap(value, mutation::order(order))
            }
            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.touch();
                match mutation::exchange(success, failure) {
                    Exchange::Orders(success, failure) => {
                        self.real.compare_exchange(current, new, success, failure)
                    }
                    Exchange::Store(order) => {
                        self.real.store(new, order);
                        Ok(current)
                    }
                }
            }
            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    };
}

/// An atomic that never dies is reported as a leak, by its `Track`, and so is what it is a part of.
/// One that dies (with its frame, its block, its node) after an access that did not happen
/// before is reported: whoever made that access could have come too late.
macro_rules! mortal {
    ($($name:ident [$($generics:tt)*]),*) => {$(
        impl $($generics)* Drop for $name $($generics)* {
            #[track_caller]
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    self.real.with_mut(|_| ());
                }
            }
        }
    )*};
}

macro_rules! counted {
    ($($name:ident: $value:ty),*) => {$(
        #[allow(dead_code)] // as above
        impl $name {
            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                self.real.fetch_add(value, mutation::order(order))
            }
            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                self.real.fetch_sub(value, mutation::order(order))
            }
            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                self.real.fetch_or(value, mutation::order(order))
            }
        }
    )*};
}

shadowed!(AtomicBool [] checked::AtomicBool, bool);
shadowed!(AtomicU32 [] checked::AtomicU32, u32);
shadowed!(AtomicU64 [] checked::AtomicU64, u64);
shadowed!(AtomicUsize [] checked::AtomicUsize, usize);
shadowed!(AtomicPtr [<T>] checked::AtomicPtr<T>, *mut T);
mortal!(AtomicU32 [], AtomicU64 [], AtomicUsize [], AtomicPtr [<T>]);
counted!(AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);

/// A parking spot on loom's `Notify`, which also explores a spurious wake-up
/// (`loom::thread::park` never wakes spuriously).
#[derive(Debug)]
pub(crate) struct Parker(loom::sync::Notify);

#[allow(dead_code)] // as above
impl Parker {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Notify::new())
    }
    pub(crate) fn park(&self) {
        self.0.wait();
    }
    /// The deadline may always have passed: returns at once, having taken no token.
    pub(crate) fn park_until(&self, _deadline: std::time::Instant) -> bool {
        loom::thread::yield_now();
        false
    }
    pub(crate) fn unpark(&self) {
        self.0.notify();
    }
}

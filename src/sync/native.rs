//! The facade on the machine: std atomics, crossbeam, and a futex-backed parker.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

pub(crate) use crossbeam_utils::CachePadded;

/// The work-stealing deque and the injector.
pub(crate) mod deque {
    pub(crate) use crossbeam_deque::{Injector, Steal, Stealer, Worker};
}

/// Epoch-based reclamation.
pub(crate) mod epoch {
    pub(crate) use crossbeam_epoch::{Guard, pin};
}

/// False: this is the real thing.
pub(crate) const MODEL: bool = false;

/// Tells the processor that this thread spins.
pub(crate) fn spin_loop() {
    std::hint::spin_loop();
}

/// A cell whose content is reached through closures, as in loom, where accesses are checked.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `read` with a pointer that is good for reading while nobody writes.
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Calls `write` with a pointer that is good for writing while nobody else looks.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// One thread's parking spot. A token: [`unpark`](Self::unpark) before or during
/// [`park`](Self::park) ends that park; two unparks before a park count once.
///
/// `park` also returns on a timeout and never spuriously, but callers re-check their condition
/// anyway, as the model's parker does wake spuriously.
#[derive(Debug)]
pub(crate) struct Parker {
    thread: std::thread::Thread,
    state: AtomicU32,
}

const EMPTY: u32 = 0;
const TOKEN: u32 = 1;

impl Parker {
    /// The parker of the calling thread; only this thread may park on it.
    pub(crate) fn new() -> Self {
        Self { thread: std::thread::current(), state: AtomicU32::new(EMPTY) }
    }

    /// Blocks until a token is there and takes it.
    pub(crate) fn park(&self) {
        debug_assert_eq!(
            std::thread::current().id(),
            self.thread.id(),
            "parked on a stranger's spot"
        );
        // Acquire [parker]: pairs with the Release in `unpark`, so what the waker did is visible.
        while self.state.swap(EMPTY, Ordering::Acquire) == EMPTY {
            std::thread::park();
        }
    }

    /// As [`park`](Self::park), at most until `deadline`; true if a token was taken.
    pub(crate) fn park_until(&self, deadline: std::time::Instant) -> bool {
        // Acquire [parker]: as in `park`.
        while self.state.swap(EMPTY, Ordering::Acquire) == EMPTY {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
        true
    }

    /// Leaves a token and wakes the thread if it is parked. Any thread; never blocks.
    pub(crate) fn unpark(&self) {
        // Release [parker]: pairs with the Acquire in `park`.
        if self.state.swap(TOKEN, Ordering::Release) == EMPTY {
            self.thread.unpark();
        }
    }
}

//! Epoch-based reclamation for the model checker: three stand-ins, none stronger than the real one.
//!
//! - [`Mode::Eager`] runs what was deferred as soon as no guard is alive: finds a version that is
//!   freed under its reader.
//! - [`Mode::Leaky`] pins without a trace and runs what was deferred only at the end: finds an
//!   ordering that the fence in `pin` would hide.
//! - [`Mode::Alone`] pins without a trace and runs what was deferred when its own guard goes: legal
//!   where no thread reads, and finds missing order between writers.
//!
//! The book-keeping is plain memory that the checker cannot see (all threads of a model share one
//! thread of the machine), so that it adds no happens-before edge of its own.

use std::cell::{Cell, RefCell};

use loom::sync::atomic::{AtomicUsize, Ordering, fence};

/// See the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Frees as early as it may.
    Eager,
    /// Frees nothing before the end.
    Leaky,
    /// Frees when the guard that deferred it goes.
    Alone,
}

type Deferred = Box<dyn FnOnce()>;

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Eager) };
    static DEFERRED: RefCell<Vec<Deferred>> = const { RefCell::new(Vec::new()) };
}

loom::lazy_static! {
    static ref PINNED: AtomicUsize = AtomicUsize::new(0);
}

/// First in every model body that uses epochs.
pub(crate) fn start(mode: Mode) {
    MODE.set(mode);
    DEFERRED.with_borrow_mut(Vec::clear);
}

/// Last in every model body that uses epochs, after all joins.
pub(crate) fn finish() {
    run(DEFERRED.with_borrow_mut(std::mem::take));
}

fn run(deferred: Vec<Deferred>) {
    for call in deferred {
        call();
    }
}

/// Keeps what was deferred after its start from running while it lives.
pub(crate) struct Guard {
    own: RefCell<Vec<Deferred>>,
}

/// A guard for the calling thread.
pub(crate) fn pin() -> Guard {
    enter();
    Guard { own: RefCell::new(Vec::new()) }
}

fn enter() {
    if MODE.get() == Mode::Eager {
        // Relaxed: ordered by the fence, as in crossbeam.
        PINNED.fetch_add(1, Ordering::Relaxed);
        // SeqCst: the loads of a reader come after its pin.
        fence(Ordering::SeqCst);
    }
}

fn leave() {
    if MODE.get() == Mode::Eager {
        // SeqCst: the other end of the fence in `enter`.
        fence(Ordering::SeqCst);
        // AcqRel: the last one out has seen what all others did.
        if PINNED.fetch_sub(1, Ordering::AcqRel) == 1 {
            run(DEFERRED.with_borrow_mut(std::mem::take));
        }
    }
}

impl Guard {
    /// Runs `call` when no guard of now is alive.
    pub(crate) fn defer<R>(&self, call: impl FnOnce() -> R + Send + 'static) {
        let call = move || drop(call());
        match MODE.get() {
            Mode::Alone => self.own.borrow_mut().push(Box::new(call)),
            Mode::Eager | Mode::Leaky => {
                DEFERRED.with_borrow_mut(|deferred| deferred.push(Box::new(call)));
            }
        }
    }

    /// Nothing is cached here.
    pub(crate) fn flush(&self) {}

    /// Drops the guard, calls `between`, and takes the guard again.
    pub(crate) fn repin_after<R>(&mut self, between: impl FnOnce() -> R) -> R {
        leave();
        let result = between();
        enter();
        result
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        run(self.own.take());
        leave();
    }
}

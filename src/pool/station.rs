//! A station: the place from which a thread takes part in fork-join.
//!
//! Workers have one each; a foreign thread that calls `join` or `scope` gets one of a few guest
//! stations for that call (`guest.rs`). A station holds the frames of the joins that are under way
//! on its thread, as one stack:
//!
//! ```text
//!   oldest                                  newest
//!   ┌──────────────────────┬──────────────────────┐
//!   │ shown: in the deque, │ private: in the ring,│
//!   │ may be stolen        │ plain memory         │
//!   └──────────────────────┴──────────────────────┘
//!   0                     shown                 depth
//! ```
//!
//! A join pushes its frame and pops it again, so the newest frame is always the caller's. A private
//! frame costs plain loads and stores. Frames are shown oldest first, because the oldest holds the
//! most work: the outermost at once, with a wake-up; others while a worker is hungry and has
//! nothing of ours to steal; and one, with a wake-up, after every [`JOINS_PER_WAKE`] joins, which
//! is what a wake-up costs.
//!
//! Invariants: `shown <= depth`; frames at `shown..depth` are in the ring; of those below `shown`
//! the ones that were not stolen are in the deque, in the same order. Only the own thread touches
//! a station; thieves have the deque's other end.
//!
//! Not here: running anything.

use std::cell::Cell;
use std::ptr;

use super::frame::{Frame, FramePtr};
use super::registry::Registry;
use super::work::Work;
use crate::sync::{Arc, Parker, deque};

/// Private frames that a station holds; joins that are nested deeper than that run in sequence,
/// with this many above them for thieves.
const RING: usize = 256;
const _: () = assert!(RING.is_power_of_two(), "indices wrap by a mask");

/// Joins after which a sleeper is woken for a frame: a wake-up costs the waker 5 to 7 µs.
const JOINS_PER_WAKE: u32 = 2048;

/// See the page.
pub(super) struct Station {
    registry: Cell<*const Registry>,
    /// The station that this thread had before, of another pool.
    outer: Cell<*const Station>,
    /// Its row in the registry.
    row: usize,
    depth: Cell<usize>,
    shown: Cell<usize>,
    joins_left: Cell<u32>,
    ring: [Cell<*const Frame>; RING],
    frames: deque::Worker<FramePtr>,
    /// Detached work that this worker posted; guests have none.
    visits: Option<deque::Worker<Work>>,
    /// Where the occupying thread parks; made when it first wants to.
    parker: Cell<Option<Arc<Parker>>>,
}

thread_local! {
    static CURRENT: Cell<*const Station> = const { Cell::new(ptr::null()) };
    static TOKEN: Cell<u8> = const { Cell::new(0) };
}

/// A number that no other living thread has.
pub(super) fn thread_token() -> usize {
    TOKEN.with(|token| ptr::from_ref(token).addr())
}

/// Gives the thread back the station that it had before.
pub(super) struct Occupied<'s>(&'s Station);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        debug_assert_eq!(self.0.depth.get(), 0, "a station is left with joins under way");
        CURRENT.set(self.0.outer.get());
        self.0.parker.take();
    }
}

impl Station {
    /// An empty station; `visits` makes it a worker's.
    pub(super) fn new(
        row: usize,
        frames: deque::Worker<FramePtr>,
        visits: Option<deque::Worker<Work>>,
    ) -> Self {
        Self {
            registry: Cell::new(ptr::null()),
            outer: Cell::new(ptr::null()),
            row,
            depth: Cell::new(0),
            shown: Cell::new(0),
            joins_left: Cell::new(JOINS_PER_WAKE),
            ring: [const { Cell::new(ptr::null()) }; RING],
            frames,
            visits,
            parker: Cell::new(None),
        }
    }

    /// Makes this the calling thread's station until the answer is dropped.
    pub(super) fn occupy<'s>(&'s self, registry: &'s Registry) -> Occupied<'s> {
        self.registry.set(registry);
        self.outer.set(CURRENT.replace(self));
        Occupied(self)
    }

    /// The calling thread's station, if it is one of `registry`.
    #[inline(always)]
    pub(super) fn current(registry: &Registry) -> Option<&Station> {
        let current = CURRENT.get();
        // SAFETY: a station is current only between `occupy` and the drop of its answer, during
        // which it and its registry are borrowed; this thread is inside that time, and whoever
        // calls this on it returns before its end.
        let station = unsafe { current.as_ref() }?;
        ptr::eq(station.registry.get(), registry).then_some(station)
    }

    /// The worker of `registry` on whose stack the caller runs, however many guest visits to other
    /// pools lie between.
    pub(super) fn worker_below(registry: &Registry) -> Option<&Station> {
        let mut station = CURRENT.get();
        loop {
            // SAFETY: as in `current`; `outer` was current when this one was occupied and is so
            // again when it is left.
            let here = unsafe { station.as_ref() }?;
            if here.visits.is_some() && ptr::eq(here.registry.get(), registry) {
                return Some(here);
            }
            station = here.outer.get();
        }
    }

    #[inline(always)]
    pub(super) fn registry(&self) -> &Registry {
        // SAFETY: the page: only the thread that occupies the station calls this, and `occupy`
        // borrows the registry for that time.
        unsafe { &*self.registry.get() }
    }

    /// Its row in the registry: a worker's index, or behind those.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// The worker's own queue of detached work.
    pub(super) fn visits(&self) -> Option<&deque::Worker<Work>> {
        self.visits.as_ref()
    }

    /// Where this thread parks.
    pub(super) fn parker(&self) -> Arc<Parker> {
        let parker = self.parker.take().unwrap_or_else(|| Arc::new(Parker::new()));
        self.parker.set(Some(Arc::clone(&parker)));
        parker
    }

    /// Puts the caller's frame on the stack, and tells its place; `None`: too deep.
    #[inline(always)]
    pub(super) fn push(&self, frame: *const Frame) -> Option<usize> {
        let place = self.depth.get();
        if place - self.shown.get() == RING {
            return None;
        }
        self.ring[place % RING].set(frame);
        self.depth.set(place + 1);
        let joins_left = self.joins_left.get() - 1;
        self.joins_left.set(joins_left);
        if (place == 0) | (joins_left == 0) | self.registry().sleep.is_hungry() {
            self.attend(place);
        }
        Some(place)
    }

    /// Takes the newest frame off the stack; true if it was private, and so the caller's.
    #[inline(always)]
    pub(super) fn pop_private(&self, place: usize) -> bool {
        debug_assert_eq!(self.depth.get(), place + 1, "joins end in the order of a stack");
        self.depth.set(place);
        self.shown.get() <= place
    }

    /// After `pop_private` said no: takes `frame`, which was shown, back; false if it was stolen.
    pub(super) fn pop_shown(&self, place: usize, frame: *const Frame) -> bool {
        self.shown.set(place);
        let popped = self.frames.pop();
        let is_own = popped.is_none_or(|popped| popped == FramePtr(frame));
        debug_assert!(is_own, "the newest shown frame is the caller's");
        popped.is_some()
    }

    /// Shows a frame, and wakes a worker for it, where that pays (the page).
    #[cold]
    #[inline(never)]
    fn attend(&self, place: usize) {
        let wakes = place == 0 || self.joins_left.get() == 0;
        if wakes {
            self.joins_left.set(JOINS_PER_WAKE);
        }
        if place == 0 || self.frames.is_empty() {
            self.show_oldest();
        }
        if wakes {
            self.registry().sleep.posted();
        }
    }

    /// Between two pieces of a long closure: has a frame shown, and a worker that looks for one, if
    /// somebody could take it.
    #[inline]
    pub(super) fn offer(&self) {
        let sleep = &self.registry().sleep;
        if self.depth.get() > 0 && (sleep.is_hungry() || sleep.sleeping() > 0) {
            self.offer_oldest();
        }
    }

    #[cold]
    fn offer_oldest(&self) {
        if self.frames.is_empty() {
            if self.shown.get() == self.depth.get() {
                return; // all stolen
            }
            self.show_oldest();
        }
        self.registry().sleep.posted();
    }

    /// Makes the oldest private frame stealable. There is one: the caller's own.
    fn show_oldest(&self) {
        let oldest = self.shown.get();
        debug_assert!(oldest < self.depth.get(), "no private frame");
        self.frames.push(FramePtr(self.ring[oldest % RING].get()));
        self.shown.set(oldest + 1);
        self.registry().rows[self.row].tally.promotions.add_one();
    }
}

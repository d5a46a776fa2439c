//! A station: the place from which a thread takes part in fork-join.
//!
//! Workers have one each; a foreign thread that calls `join` or `scope` gets one of a few guest
//! stations for that call (`guest.rs`). The frames of the joins that are under way on its thread are
//! one stack, linked from the newest down (`frame.rs`):
//!
//! ```text
//!   oldest                                  newest
//!   ┌──────────────────────┬──────────────────────┐
//!   │ shown: in the deque, │ private: known only  │
//!   │ may be stolen        │ through their links  │
//!   └──────────────────────┴──────────────────────┘
//! ```
//!
//! A join links its frame to the one below and passes the way to it on to what it calls; so a
//! private frame costs two stores, and the station is not written. Frames are shown oldest first,
//! because the oldest holds the most work: those of the outermost levels at once, the first with a
//! wake-up; others while a worker is hungry and has nothing of ours to steal.
//!
//! Joins that get no [`Worker`](super::Worker) passed find the frame below in `top`: the newest frame
//! of that kind. Frames of the two kinds that are nested in each other may so be linked past one
//! another; such a frame stays private until what lies inside has ended.
//!
//! Invariants: of two shown frames the one nested inside the other was shown later; those that
//! were not stolen are in the deque, in that order; `top` is alive. Only the own thread touches a
//! station; thieves have the deque's other end.
//!
//! Not here: running anything.

use std::cell::Cell;
use std::ptr;

use super::frame::{EAGER_MAX, Frame, FramePtr, Link};
use super::registry::{Registry, taken};
use super::work::Work;
use crate::sync::{self, Arc, Parker, deque};

/// The row of a station whose frames nobody can steal.
pub(super) const NO_ROW: usize = usize::MAX;

/// How often the owner of a stolen frame looks before it parks: about what parking and a wake-up
/// cost.
const SPINS: usize = sync::sized(512, 1);

/// Of so many private frames one more is shown at a time: each time they are walked through.
const WALKED_PER_SHOWN: usize = 16;

/// See the page.
pub(super) struct Station {
    registry: Cell<*const Registry>,
    /// The station that this thread had before, of another pool.
    outer: Cell<*const Station>,
    /// Its row in the registry; see [`row`](Self::row).
    row: usize,
    /// See the page.
    top: Cell<Link>,
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
        debug_assert!(self.0.top.get().frame().is_null(), "a station is left with joins under way");
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
            top: Cell::new(Link::bottom(1)),
            frames,
            visits,
            parker: Cell::new(None),
        }
    }

    /// The queues of a worker that ends: frames and visits.
    pub(super) fn into_queues(self) -> (deque::Worker<FramePtr>, deque::Worker<Work>) {
        (self.frames, self.visits.expect("a worker has visits"))
    }

    /// Makes this the calling thread's station until the answer is dropped.
    pub(super) fn occupy<'s>(&'s self, registry: &'s Registry) -> Occupied<'s> {
        self.registry.set(registry);
        // So many levels that each worker, and the caller, can have a frame of its own.
        let levels = (registry.workers() + 1).ilog2() as usize;
        self.top.set(Link::bottom(levels.clamp(1, EAGER_MAX)));
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

    /// The worker, of whatever pool, on whose stack the caller runs.
    pub(super) fn any_worker<'s>() -> Option<&'s Self> {
        let mut station = CURRENT.get();
        loop {
            // SAFETY: as in `worker_below`.
            let here = unsafe { station.as_ref() }?;
            if here.visits.is_some() {
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

    /// Its row in the registry: a worker's index, or behind those; [`NO_ROW`]: none.
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

    /// The newest frame of the joins that find it here.
    #[inline(always)]
    pub(super) fn top(&self) -> Link {
        self.top.get()
    }

    /// To be called with frames of this station that are alive, or the link below the oldest.
    #[inline(always)]
    pub(super) fn set_top(&self, top: Link) {
        self.top.set(top);
    }

    /// True while somebody asks for frames.
    #[inline(always)]
    pub(super) fn is_asked(&self) -> bool {
        self.registry().sleep.is_hungry()
    }

    /// The caller's join is about to begin, and its `frame` has to be shown, or a frame is asked
    /// for. Answers the link for what it calls.
    #[cold]
    #[inline(never)]
    pub(super) fn attend(&self, frame: *const Frame) -> Link {
        // SAFETY: the frame of the caller's join.
        let below = unsafe { &*frame }.link();
        if self.row == NO_ROW {
            return Link::to(frame, 0);
        }
        if below.is_eager() {
            self.show(frame, |private| private);
            if below.frame().is_null() {
                self.registry().sleep.posted();
            }
            return Link::to(frame, below.eager() - 1);
        }
        if self.frames.is_empty() {
            self.show(frame, |private| private.div_ceil(WALKED_PER_SHOWN));
        }
        Link::to(frame, 0)
    }

    /// Between two pieces of a long closure, inside the join of `newest`: has a frame shown, and a
    /// worker that looks for one, if somebody could take it.
    #[inline]
    pub(super) fn offer(&self, newest: Link) {
        let sleep = &self.registry().sleep;
        if !newest.frame().is_null() && (sleep.is_hungry() || sleep.sleeping() > 0) {
            self.offer_oldest(newest.frame());
        }
    }

    #[cold]
    fn offer_oldest(&self, newest: *const Frame) {
        if self.row == NO_ROW {
            return;
        }
        if self.frames.is_empty() {
            self.show(newest, |private| private.div_ceil(WALKED_PER_SHOWN));
        }
        if !self.frames.is_empty() {
            self.registry().sleep.posted();
        }
    }

    /// Puts the oldest private frames into the deque, oldest first, as many as `count` says of the
    /// number of those that lead down from `newest`.
    fn show(&self, newest: *const Frame, count: impl FnOnce(usize) -> usize) {
        // Turn the links round on the way down, and back on the way up.
        let gate = self.registry().rows.get(self.row).map(|row| &row.gate);
        if !gate.is_some_and(|gate| gate.is_free()) {
            return;
        }
        let (mut walked, mut above, mut at) = (0, ptr::null(), newest);
        // SAFETY: frames of this thread's joins that are under way; here and below.
        while let Some(frame) = unsafe { at.as_ref() }.filter(|frame| !frame.link().is_shown()) {
            let below = frame.link();
            frame.set_link(below.with_frame(above));
            (walked, above, at) = (walked + 1, at, below.frame());
        }
        let (mut below, mut at) = (at, above);
        let mut left = count(walked);
        // SAFETY: as above.
        while let Some(frame) = unsafe { at.as_ref() } {
            let link = frame.link();
            frame.set_link(link.with_frame(below));
            if left > 0 {
                left -= 1;
                // SAFETY: alive, and not shown before.
                self.frames.push(unsafe { Frame::show(at) });
                self.registry().promoted(self.row);
            }
            (below, at) = (at, link.frame());
        }
    }

    /// While the caller waits for a frame that the thread at row `thief` has stolen: takes a frame
    /// that was spawned since the theft, unless the wait `has_ended`.
    pub(super) fn leap(&self, thief: usize, has_ended: impl FnOnce() -> bool) -> Option<FramePtr> {
        let row = self.registry().rows.get(thief)?;
        if row.frames.is_empty() {
            return None;
        }
        let frame = row.gate.pass(has_ended, || taken(|| row.frames.steal()))?;
        self.registry().stole(self.row);
        Some(frame)
    }

    /// Looks for a while for a frame by `leap`; `None`: the wait `has_ended`, or it is time to park.
    /// Meanwhile the caller is counted as searching, so that the thief shows frames.
    pub(super) fn seek(
        &self,
        has_ended: impl Fn() -> bool,
        leap: impl Fn() -> Option<FramePtr>,
    ) -> Option<FramePtr> {
        let registry = self.registry();
        if registry.is_forked() {
            return None; // there is no thief
        }
        let search = registry.sleep.begin_search();
        let mut found = None;
        for _ in 0..SPINS {
            if has_ended() {
                break;
            }
            found = leap();
            if found.is_some() {
                break;
            }
            sync::spin_loop();
        }
        if let Some(search) = search {
            registry.sleep.end_search(search, || registry.work_waits());
            registry.see_to_strength();
        }
        found
    }

    /// Takes `frame`, the newest that was shown, back; false if it was stolen.
    pub(super) fn take_back(&self, frame: *const Frame) -> bool {
        let popped = self.frames.pop();
        if popped.is_some_and(|popped| !popped.is(frame)) {
            std::process::abort(); // frames end in the order of a stack, or nothing here holds
        }
        popped.is_some()
    }
}

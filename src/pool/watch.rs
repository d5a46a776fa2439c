//! The watch: nobody stays stuck behind user code while a worker sleeps.
//!
//! A visitor runs jobs on its own stack and leaves the rest of its visit open to thieves
//! (`offer.rs`). Most often it takes the rest back after a fraction of a microsecond. Somebody has to
//! notice when it does not: whoever looks for work looks at the offers, too, and takes one that has
//! been open for [`OVERDUE`]; and while a worker is at work, one that sleeps does not sleep for good.
//!
//! **The sentinel** is the sleeper at the bottom of the stack: the first to lie down, the last to be
//! woken. When it leaves nobody sleeps, so the role needs no hand-over. While the watch is *on* its
//! naps are timed: [`NAP_MIN`], doubling to [`NAP_MAX`]. After each it looks round; if it sees an
//! overdue offer, or work that nobody looks after, it acts as the poster of that, which wakes
//! the newest sleeper.
//!
//! **Off.** A pool that does nothing costs nothing: when all workers sleep and nothing is open the
//! sentinel turns the watch off and sleeps for good. It stays off for work that comes alone: whoever
//! is about to leave an offer looks ([`Stand::is_watched`]), and either does without, or turns the
//! watch on, which costs a wake-up of the sentinel.
//!
//! Turning off is safe without a fence in every visit: the sentinel stores *off* and then passes
//! through the sleepers' word by a read-modify-write. If that says that all sleep, whoever is at
//! work later was popped by a later change of that word, and so sees *off*. If it does not, the
//! watch is turned on again.
//!
//! Not here: how a worker sleeps (`sleep/`).

use std::marker::PhantomData;
use std::time::Duration;

use super::Pool;
use super::offer::{Offer, Seen};
use super::registry::Registry;
use super::rows::Row;
use super::sleep::Bed;
use super::station::Station;
use super::work::Work;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, Parker};

/// An offer that is open for so long is taken.
const OVERDUE: Duration = Duration::from_micros(50);

/// The naps of a sentinel. Two looks find an overdue offer, so twice the longest one, and a wake-up,
/// is how long a worker sleeps beside it: less than a millisecond.
const NAP_MIN: Duration = Duration::from_micros(50);
const NAP_MAX: Duration = Duration::from_micros(400);

/// No worker has lain down yet.
const NOBODY: usize = usize::MAX;

/// Who watches; see the page.
pub(super) struct Watch {
    on: AtomicBool,
    /// The worker that was the last to lie down at the bottom of the stack.
    sentinel: AtomicUsize,
}

/// When an offer was first seen open.
pub(super) struct Noted {
    /// [`Seen::number`].
    number: AtomicU64,
    /// In nanoseconds since the pool began.
    since: AtomicU64,
}

/// How a sleeper naps.
pub(super) struct Nap<'r> {
    registry: &'r Registry,
    worker: usize,
    time: Duration,
}

/// The calling worker's place at its pool, with its offer.
pub(crate) struct Stand<'p> {
    registry: &'p Registry,
    row: &'p Row,
    /// The offer belongs to one thread.
    here: PhantomData<*const ()>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { on: AtomicBool::new(false), sentinel: AtomicUsize::new(NOBODY) }
    }
}

impl Noted {
    pub(super) fn new() -> Self {
        Self { number: AtomicU64::new(Seen::NOTHING), since: AtomicU64::new(0) }
    }

    /// Whether what is seen `now` was seen before, and how long ago. Several may note at once: what
    /// they mix up makes one of them take an offer too early or too late, no more.
    fn is_overdue(&self, seen: Seen, now: u64) -> bool {
        // Relaxed, all: a note decides nothing but when to try.
        if self.number.load(Ordering::Relaxed) != seen.number() {
            // Relaxed: as above.
            self.since.store(now, Ordering::Relaxed);
            // Relaxed: as above.
            self.number.store(seen.number(), Ordering::Relaxed);
            return false;
        }
        // Relaxed: as above.
        now.saturating_sub(self.since.load(Ordering::Relaxed)) >= OVERDUE.as_nanos() as u64
    }
}

impl<'r> Nap<'r> {
    /// For `worker`, which is about to lie down.
    pub(super) fn new(registry: &'r Registry, worker: usize) -> Self {
        Self { registry, worker, time: NAP_MIN }
    }
}

impl Bed for Nap<'_> {
    /// It is the sentinel.
    fn lowest(&self) {
        let watch = &self.registry.watch;
        // Release [sentinel]: pairs with the Acquire in `turn_watch_on`: the worker is registered.
        watch.sentinel.store(self.worker, Ordering::Release);
        // Relaxed: turning on is never too early.
        watch.on.store(true, Ordering::Relaxed);
    }

    fn park(&mut self, parker: &Parker, is_sentinel: bool) {
        let registry = self.registry;
        // Relaxed: turned off by this thread; whoever turns it on unparks it.
        if !is_sentinel || !registry.watch.on.load(Ordering::Relaxed) {
            self.time = NAP_MIN;
            return parker.park();
        }
        if parker.park_until(registry.clock.after(self.time)) {
            return;
        }
        self.time = (self.time * 2).min(NAP_MAX);
        if registry.work_waits() || registry.has_overdue() {
            registry.sleep.posted();
        } else {
            registry.try_turn_off();
        }
    }
}

impl Registry {
    /// Takes the rest of a visit whose worker has been inside user code for long.
    pub(super) fn take_overdue(&self) -> Option<Work> {
        let mut now = None;
        self.rows.workers().find_map(|row| {
            let seen = row.offer.look()?;
            let now = *now.get_or_insert_with(|| self.nanos());
            if row.noted.is_overdue(seen, now) { row.offer.take(seen) } else { None }
        })
    }

    /// The calling worker is about to block inside user code: the rest of its visit is posted.
    pub(super) fn hand_over_rest(&self, worker: &Station) {
        if let Some(rest) = self.rows.at(worker.row()).offer.take_back() {
            self.post(rest);
        }
    }

    /// Takes the rest of a visit, however long its worker has been away.
    pub(super) fn take_offer(&self) -> Option<Work> {
        self.rows.workers().find_map(|row| row.offer.look().and_then(|seen| row.offer.take(seen)))
    }

    /// True if there is an offer to take.
    fn has_overdue(&self) -> bool {
        let now = self.nanos();
        let is_overdue =
            |row: &Row| row.offer.look().is_some_and(|seen| row.noted.is_overdue(seen, now));
        self.rows.workers().any(is_overdue)
    }

    fn try_turn_off(&self) {
        // Relaxed: published by the read-modify-write [settled] in `Sleep::settled`; whoever gets up
        // after it sees this, by [wake].
        self.watch.on.store(false, Ordering::Relaxed);
        let all_sleep = self.sleep.settled() >= self.crew.counts().at_work();
        let is_open = |row: &Row| row.offer.look().is_some();
        if !all_sleep || self.rows.workers().any(is_open) {
            // Relaxed: turning on is never too early.
            self.watch.on.store(true, Ordering::Relaxed);
        }
    }

    /// Nanoseconds since the pool began.
    fn nanos(&self) -> u64 {
        self.clock.now().duration_since(self.began).as_nanos() as u64
    }
}

impl Pool {
    /// The calling worker's stand; `None` on a thread that is no worker of this pool, or is in the
    /// middle of another pool's work.
    pub(crate) fn stand(&self) -> Option<Stand<'_>> {
        let station = Station::current(&self.registry).filter(|at| at.visits().is_some())?;
        let row = self.registry.rows.at(station.row());
        Some(Stand { registry: &self.registry, row, here: PhantomData })
    }

    /// Takes the rest of a visit that carries `raw`, if a worker is inside user code with that
    /// left open. Any thread; after a fork there is no such worker.
    pub(crate) fn take_rest(&self, raw: *const ()) -> Option<Work> {
        if self.registry.is_forked() {
            return None;
        }
        self.registry.rows.workers().find_map(|row| row.offer.take_carrying(raw))
    }
}

impl Stand<'_> {
    /// The worker's offer.
    #[inline]
    pub(crate) fn offer(&self) -> &Offer {
        &self.row.offer
    }

    /// True if an offer that is left open now will be looked at while a worker sleeps.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        if self.is_alone() {
            return false;
        }
        // Relaxed: see the page.
        self.registry.watch.on.load(Ordering::Relaxed) || self.registry.sleep.sleeping() == 0
    }

    /// True while a worker looks for work: what is posted now is taken soon.
    #[inline]
    pub(crate) fn is_hungry(&self) -> bool {
        self.registry.sleep.is_hungry()
    }

    /// True without threads: nobody takes anything over; and lanes are what the dice order.
    #[inline]
    fn is_alone(&self) -> bool {
        self.registry.manual.is_some()
    }

    /// Turns the watch on: it costs a wake-up. False where nobody can watch.
    #[cold]
    pub(crate) fn turn_watch_on(&self) -> bool {
        if self.is_alone() {
            return false;
        }
        let watch = &self.registry.watch;
        // Relaxed: the sentinel looks at everything with its own orderings.
        if !watch.on.swap(true, Ordering::Relaxed) {
            // Acquire [sentinel]: pairs with the Release in `lowest`. If that worker is no sentinel
            // any more it looks and parks again; whoever lay down since began with the watch on.
            let sentinel = watch.sentinel.load(Ordering::Acquire);
            if sentinel != NOBODY {
                self.registry.sleep.nudge(sentinel);
            }
        }
        true
    }
}

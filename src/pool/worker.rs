//! A worker: looks for work, runs it, sleeps.
//!
//! Where it looks, in this order: its own visits (oldest first), the injector, the oldest shown
//! frame of every other station, the visits of other workers, the rests of visits that have waited
//! for long (`watch.rs`). Every [`FAIR_EVERY`]th time frames
//! and the injector come first, so that a queue which refills itself cannot starve them.
//!
//! Classes that are not normal are looked for before or after all that (`priority.rs`).
//!
//! A worker that finds nothing becomes the searcher if there is none, and looks again for a while,
//! longer if that paid lately; then it lies down. Frames and visits are taken only here, with
//! nothing but this loop below them on the stack (P4).

use std::cell::Cell;

use super::bench::Called;
use super::frame::FramePtr;
use super::priority::{BACKGROUND_EVERY, NORMAL_EVERY, Tray};
use super::registry::{Registry, taken};
use super::rows::Row;
use super::seats::Desk;
use super::sleep::{LastLook, Searching};
use super::station::Station;
use super::trace::Event;
use super::unwind;
use super::watch::Nap;
use super::work::Work;
use crate::sync::{self, Arc, deque};

/// Work that a worker found.
enum Found {
    Visit(Work),
    Frame(FramePtr),
    /// Notices for this worker alone.
    Notices,
}

/// How often a worker looks at the shared queues before its own.
const FAIR_EVERY: u32 = 61;

/// Rounds that a searcher looks before it lies down, at least and at most.
const ROUNDS_MIN: u32 = 2;
const ROUNDS_MAX: u32 = 32;

/// Pauses between two rounds: about a microsecond.
const PAUSES: u32 = 48;

/// The life of worker thread `index`.
pub(super) fn run(registry: Arc<Registry>, index: usize, desk: Desk) {
    let Desk { frames, visits, tray } = desk;
    let station = Station::new(index, frames, Some(visits));
    {
        let _occupied = station.occupy(&registry);
        // SAFETY: this thread is that worker, and begins here; the one before left its seat.
        unsafe { registry.sleep.register(index, station.parker()) };
        let visits = station.visits().expect("a worker has visits");
        let worker = Worker {
            registry: &registry,
            row: registry.rows.at(index),
            station: &station,
            visits,
            tray: &tray,
            fresh: Cell::new(true),
            rounds_max: Cell::new(ROUNDS_MIN),
            tick: Cell::new(0),
            seed: Cell::new(index as u32 + 1),
        };
        registry.config.place(index);
        registry.call_hook(registry.config.thread_start.as_ref(), index);
        let called = worker.work_until_the_end();
        if called == Called::Up {
            registry.leave_roll(index);
        }
        // Still at its station: what user code does while the last worker clears up, a worker does.
        registry.worker_leaves(called);
    }
    registry.call_hook(registry.config.thread_exit.as_ref(), index);
    let (frames, visits) = station.into_queues();
    registry.worker_gone(index, Desk { frames, visits, tray });
}

struct Worker<'r> {
    registry: &'r Arc<Registry>,
    row: &'r Row,
    station: &'r Station,
    visits: &'r deque::Worker<Work>,
    tray: &'r Tray,
    /// Just started or called up, and perhaps for timed work only.
    fresh: Cell<bool>,
    rounds_max: Cell<u32>,
    tick: Cell<u32>,
    seed: Cell<u32>,
}

impl Worker<'_> {
    /// Whether it still counts as active.
    fn work_until_the_end(&self) -> Called {
        let mut search: Option<Searching> = None;
        let mut rounds = 0;
        let mut called = Called::Up;
        while called == Called::Up && !self.registry.phase.is_ending() {
            let surplus = self.registry.crew.counts().has_surplus();
            let has_errand = self.has_errand(); // also without a surplus: it takes the mark down
            if surplus && self.row.notices.is_empty() && !has_errand {
                self.stop_searching(search.take(), 0);
                called = self.registry.sit_down(self.station);
                self.fresh.set(true);
                continue;
            }
            if let Some(found) = self.find() {
                self.stop_searching(search.take(), rounds);
                rounds = 0;
                self.run(found);
                continue;
            }
            search = search.or_else(|| self.registry.sleep.begin_search());
            if search.is_some() && rounds < self.rounds_max.get() {
                rounds += 1;
                (0..PAUSES).for_each(|_| sync::spin_loop());
                continue;
            }
            search = Some(self.lie_down(search));
            rounds = 0;
        }
        if let Some(search) = search {
            self.registry.sleep.retire(search);
        }
        called
    }

    /// Whether this thread, though one too many, is to look for work: it was hired for what timers
    /// brought, and has not done that yet.
    fn has_errand(&self) -> bool {
        if self.fresh.get() {
            self.registry.begin_errand();
            self.fresh.set(!self.visits.is_empty() || !self.registry.timed.is_empty());
        }
        self.fresh.get()
    }

    fn run(&self, found: Found) {
        self.row.tally.run.add_one();
        self.registry.trace.note(self.station.row(), Event::RunBegin);
        match found {
            Found::Visit(work) => {
                if let Err(panic) = unwind::halt(|| work.run()) {
                    self.registry.report_panic(panic);
                }
            }
            // SAFETY: stolen from a deque, by `find`.
            Found::Frame(frame) => unsafe { frame.execute(self.station) },
            Found::Notices => {
                for notice in self.row.notices.take_all() {
                    if let Err(panic) = unwind::halt(|| notice.run()) {
                        self.registry.report_panic(panic);
                    }
                }
            }
        }
        self.registry.trace.note(self.station.row(), Event::RunEnd);
    }

    /// Work was found after `rounds` of searching: the next search may be as patient again.
    fn stop_searching(&self, search: Option<Searching>, rounds: u32) {
        let Some(search) = search else { return };
        if rounds > 0 {
            self.rounds_max.set((self.rounds_max.get() * 2).min(ROUNDS_MAX));
        }
        self.registry.sleep.end_search(search, || self.registry.work_waits());
        self.registry.see_to_strength();
    }

    /// Sleeps until woken.
    fn lie_down(&self, search: Option<Searching>) -> Searching {
        self.rounds_max.set((self.rounds_max.get() / 2).max(ROUNDS_MIN));
        self.row.tally.parks.add_one();
        self.registry.trace.note(self.station.row(), Event::Park);
        let worker = self.station.row();
        let mut nap = Nap::new(self.registry, worker);
        let woken = self.registry.sleep.lie_down(worker, search, || self.last_look(), &mut nap);
        self.row.tally.wakes.add_one();
        self.registry.trace.note(self.station.row(), Event::Wake);
        woken
    }

    /// The end comes before the work: work could be left to a searcher who, at the end, leaves
    /// without a look.
    fn last_look(&self) -> LastLook {
        if self.registry.phase.is_ending() {
            return LastLook::End;
        }
        if !self.row.notices.is_empty() {
            return LastLook::End; // for this worker alone, and any other may be the newest sleeper
        }
        // A surplus is seen to as if it were work: somebody gets up and sits down on the bench.
        if self.registry.work_waits() || self.registry.crew.counts().has_surplus() {
            return LastLook::Work;
        }
        self.registry.timers.see_to_keeper(self.registry);
        self.registry.notice_quiet()
    }

    fn find(&self) -> Option<Found> {
        if !self.row.notices.is_empty() {
            return Some(Found::Notices);
        }
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let classed = self.registry.classes.are_used();
        if classed && tick.is_multiple_of(BACKGROUND_EVERY) {
            let background = self.take_classed(false);
            if background.is_some() {
                return background;
            }
        }
        if classed && !tick.is_multiple_of(NORMAL_EVERY) {
            let urgent = self.take_classed(true);
            if urgent.is_some() {
                return urgent;
            }
        }
        let normal = self.find_normal(tick);
        if normal.is_some() || !classed {
            return normal;
        }
        self.take_classed(true).or_else(|| self.take_classed(false))
    }

    fn find_normal(&self, tick: u32) -> Option<Found> {
        if tick.is_multiple_of(FAIR_EVERY) {
            let fair = self.steal_frame().or_else(|| self.take_injected(false));
            if fair.is_some() {
                return fair;
            }
        }
        let own = || self.visits.pop().map(Found::Visit);
        own()
            .or_else(|| self.take_injected(true))
            .or_else(|| self.steal_frame())
            .or_else(|| self.steal_visit())
            .or_else(|| self.take_over())
    }

    /// Work of a class that is not normal.
    fn take_classed(&self, urgent: bool) -> Option<Found> {
        let (work, left) = self.registry.classes.find(urgent, self.tray, self.others())?;
        if left {
            self.registry.sleep.posted(); // as in `announce_rest`
        }
        Some(Found::Visit(work))
    }

    /// Takes all that came from outside, so that the oldest comes first, or all that timers brought;
    /// others steal from here.
    fn take_injected(&self, timed_first: bool) -> Option<Found> {
        let (timed, injector) = (&self.registry.timed, &self.registry.injector);
        let (one, other) = if timed_first { (timed, injector) } else { (injector, timed) };
        let shared = if one.is_empty() { other } else { one };
        if shared.is_empty() {
            return None;
        }
        let mut batch = shared.take_all();
        let first = batch.next()?;
        batch.for_each(|work| self.visits.push(work));
        self.announce_rest();
        Some(Found::Visit(first))
    }

    /// After work was moved to the own queue: while it was on the way nobody saw it, so whoever
    /// lay down meanwhile has to be told as if it were posted.
    fn announce_rest(&self) {
        if !self.visits.is_empty() {
            self.registry.sleep.posted();
        }
    }

    fn steal_frame(&self) -> Option<Found> {
        let frame = self.others().find_map(|row| {
            if row.frames.is_empty() { None } else { taken(|| row.frames.steal()) }
        })?;
        self.row.tally.steals.add_one();
        self.registry.trace.note(self.station.row(), Event::Steal);
        Some(Found::Frame(frame))
    }

    fn steal_visit(&self) -> Option<Found> {
        let visit = self.others().filter_map(|row| row.visits.as_ref()).find_map(|visits| {
            if visits.is_empty() {
                return None;
            }
            taken(|| visits.steal_batch_and_pop(self.visits))
        })?;
        self.announce_rest();
        self.row.tally.steals.add_one();
        self.registry.trace.note(self.station.row(), Event::Steal);
        Some(Found::Visit(visit))
    }

    /// The rest of a visit whose worker has been inside user code for long.
    fn take_over(&self) -> Option<Found> {
        let rest = self.registry.take_overdue()?;
        self.row.tally.steals.add_one();
        Some(Found::Visit(rest))
    }

    /// All rows but the own, from a random one on.
    fn others(&self) -> impl Iterator<Item = &Row> {
        let rows = self.registry.rows.from(self.random() as usize);
        rows.filter(|row| !std::ptr::eq(*row, self.row))
    }

    /// Marsaglia's xorshift, 2003: spreads thieves, decides nothing.
    fn random(&self) -> u32 {
        let mut seed = self.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        self.seed.set(seed);
        seed
    }
}

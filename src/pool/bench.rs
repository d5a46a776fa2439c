//! The bench: threads that are not needed now, and how one more is had.
//!
//! A thread that finds, between two pieces of work, that too many are active sits down here. It is
//! called up when another one blocks, the newest first, as its cache is the warmest; after
//! `keep_alive` on the bench it ends. The counts are the crew's (`crew.rs`); the list has a lock,
//! under which the counts of the bench change too, so that both agree.
//!
//! The lock is taken by threads that are about to block, or have nothing to do, never by one that
//! submits, forks or completes; and not across the start of a thread, which takes locks of the
//! system's own.

use parking_lot::Mutex;

use super::crew::{Counts, Hire};
use super::priority::Tray;
use super::registry::Registry;
use super::seats::{Desk, Taken};
use super::sleep::LastLook;
use super::station::Station;
use super::thread::Thread;
use super::{frame::FramePtr, rows::Row, worker};
use crate::sync::deque::Worker as Deque;
use crate::sync::{Arc, Ordering, Parker, fence};

/// See the page.
#[derive(Default)]
pub(super) struct Bench(Mutex<Vec<Sitter>>);

struct Sitter {
    index: usize,
    parker: Arc<Parker>,
}

/// What becomes of a thread that sat down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// It is active again.
    Up,
    /// It has waited long enough, and is counted no more.
    Home,
    /// As `Home`, while the pool ends, and all others had left.
    Last,
}

/// Whether another thread was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hired {
    /// Enough are active, now or already.
    Yes,
    /// As many threads are there as may be, or the pool ends.
    Full,
}

impl Registry {
    /// Gets one more thread to work if fewer are active than should be.
    ///
    /// # Errors
    /// What the system said when it refused the thread; it is counted.
    pub(super) fn hire(&self) -> std::io::Result<Hired> {
        self.hire_one(false)
    }

    /// To be called after timed work was posted: if nobody is idle, one thread more runs that, and
    /// nothing else (`Worker::has_errand`).
    pub(super) fn see_to_timed(&self) {
        // Relaxed: ordered by the fence [post] after the work was posted; see `begin_errand`.
        if !self.sleep.has_idle() && !self.errand.swap(true, Ordering::Relaxed) {
            let hired = self.hire_one(true);
            if !matches!(hired, Ok(Hired::Yes)) {
                // Relaxed: as above; there is nobody on an errand.
                self.errand.store(false, Ordering::Relaxed);
            }
        }
    }

    /// To be called by a thread that may be on an errand, before it looks for timed work.
    pub(super) fn begin_errand(&self) {
        // Relaxed: ordered by the fence.
        if self.errand.load(Ordering::Relaxed) {
            // Relaxed: as above.
            self.errand.store(false, Ordering::Relaxed);
            // SeqCst fence [post]: a poster that found the mark set is before it, and its work is
            // seen by the look that follows; one that comes later hires another thread.
            fence(Ordering::SeqCst);
        }
    }

    fn hire_one(&self, over: bool) -> std::io::Result<Hired> {
        let mut bench = self.bench.0.lock();
        if self.phase.is_ending() {
            return Ok(Hired::Full);
        }
        match self.crew.hire(over) {
            Hire::Enough => Ok(Hired::Yes),
            Hire::Full => Ok(Hired::Full),
            Hire::Bench => {
                let sitter = bench.pop().expect("the crew's count and the list agree");
                self.roll.enter(sitter.index);
                drop(bench);
                self.sleep.joined();
                sitter.parker.unpark();
                Ok(Hired::Yes)
            }
            Hire::Start => {
                drop(bench);
                self.sleep.joined();
                self.start_worker().map(|_| Hired::Yes).inspect_err(|_| {
                    // Relaxed: a count.
                    self.threads_refused.fetch_add(1, Ordering::Relaxed);
                    self.worker_missing();
                })
            }
        }
    }

    /// Starts a thread that is counted as active already; its number.
    pub(super) fn start_worker(&self) -> Result<usize, std::io::Error> {
        // It holds a reference as long as its workers, or its handles, are there: the caller does.
        let Some(registry) = self.this.upgrade() else { return Err(gone()) };
        if self.manual.is_some() {
            return Err(std::io::ErrorKind::Unsupported.into());
        }
        let mut threads = self.threads.lock();
        threads.reap(&self.clock);
        let (index, desk) = match threads.take() {
            Taken::Again(index, desk) => (index, desk),
            Taken::New(index) => (index, self.new_desk(index)),
        };
        drop(threads);
        self.roll.enter(index);
        // The desk waits where it can be had back if the thread cannot be started.
        let place = Arc::new(Mutex::new(Some(desk)));
        let desk = Arc::clone(&place);
        let started = Thread::start(&self.config, self.config.thread_name(index), move || {
            let desk = desk.lock().take().expect("taken once, by this thread");
            worker::run(registry, index, desk);
        });
        if started.is_err() {
            self.leave_roll(index);
        }
        let mut threads = self.threads.lock();
        let result = match started {
            Ok(thread) => {
                threads.seated(index, thread);
                Ok(index)
            }
            Err(refused) => {
                let desk = place.lock().take().expect("there is no thread that took it");
                threads.failed(index, desk);
                Err(refused)
            }
        };
        drop(threads);
        self.changed.notify_all(); // a shutdown may wait for the note
        result
    }

    pub(super) fn new_desk(&self, index: usize) -> Desk {
        let (frames, visits): (Deque<FramePtr>, _) = (Deque::new_lifo(), Deque::new_fifo());
        let tray = Tray::new();
        let row = Row::new(frames.stealer(), Some(visits.stealer()), Some(tray.stealers()));
        self.rows.add(index, row);
        Desk { frames, visits, tray }
    }

    /// The calling worker sits down, if too many are active, until it is called. It holds no work
    /// but what is in its queues, for others.
    pub(super) fn sit_down(&self, station: &Station) -> Called {
        let index = station.row();
        let parker = station.parker();
        let mut bench = self.bench.0.lock();
        let sits = || !self.phase.is_ending() && self.crew.sit_down();
        if !self.roll.leave(index, || self.rows.at(index).notices.is_empty() && sits()) {
            return Called::Up;
        }
        bench.push(Sitter { index, parker: Arc::clone(&parker) });
        drop(bench);
        // SeqCst fence [park]: as in `Sleep::lie_down`: this thread no longer counts. Whoever looks
        // for quiescence sees that, or this sees that he waits, or that all others sleep.
        fence(Ordering::SeqCst);
        if matches!(self.notice_quiet(), LastLook::End) {
            self.sleep.wake_all();
        } else if self.work_waits() {
            // Others that run may lie down without a look at what this one leaves: as if posted.
            self.sleep.posted();
        }
        let until = self.clock.after(self.config.keep_alive);
        loop {
            let in_time = parker.park_until(until);
            let mut bench = self.bench.0.lock();
            let Some(place) = bench.iter().position(|sitter| sitter.index == index) else {
                return Called::Up;
            };
            if !in_time {
                bench.remove(place);
                return if self.crew.dismiss().threads() == 0 {
                    Called::Last
                } else {
                    Called::Home
                };
            }
        }
    }

    /// Calls everybody up: the pool ends, and nobody sits down any more.
    pub(super) fn clear_bench(&self) {
        for sitter in self.bench.0.lock().drain(..) {
            self.crew.call_up();
            sitter.parker.unpark();
        }
    }

    /// To be called by a thread that is counted as blocked, with the counts after that: gets another
    /// one to work, if that is wanted and can be.
    pub(super) fn replace(&self, counts: Counts) {
        // SeqCst fence [strength]: pairs with the one in `see_to_strength`; see `crew.rs`.
        fence(Ordering::SeqCst);
        if !counts.lacks() || (counts.active() > 0 && self.sleep.has_idle()) {
            return;
        }
        if !matches!(self.hire(), Ok(Hired::Yes)) {
            // Relaxed: a count.
            self.uncompensated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// To be called by a worker that stops searching because it found work.
    pub(super) fn see_to_strength(&self) {
        // SeqCst fence [strength]: pairs with the one in `replace`; see `crew.rs`.
        fence(Ordering::SeqCst);
        if self.crew.counts().lacks() && !self.sleep.has_idle() {
            let _refused_is_counted = self.hire();
        }
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("the pool is gone")
}

//! The registry: what all threads of a pool share.
//!
//! One row per station with the thieves' ends of its deques and its counters (`rows.rs`); how many
//! threads there are and what they do (`crew.rs`); the injector for work from outside; who sleeps (`sleep/`); how far the pool's life
//! has come (`shutdown.rs`); the timers.
//!
//! Handles of the pool are counted apart from references to the registry: workers, timers and
//! waiting work hold references, users hold handles, and the last handle begins the drain.
//!
//! Not here: what workers do with work (`worker.rs`), and how the pool ends (`shutdown.rs`).

use std::sync::Weak;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::PoolError;
use super::bench::Bench;
use super::broadcast::Roll;
use super::config::{PoolConfig, ThreadHook};
use super::crew::Crew;
use super::farewell::Farewells;
use super::forked::ForkWord;
use super::guest::{GUESTS, Guest};
use super::injector::Injector;
use super::manual::Manual;
use super::priority::Classes;
use super::rows::{Row, Rows};
use super::seats::Seats;
use super::shutdown::Phase;
use super::sleep::Sleep;
use super::station::Station;
use super::timer::Timers;
use super::trace::{Event, Trace};
use super::unwind::{self, Payload};
use super::watch::Watch;
use super::work::Work;
use crate::base::clock::Clock;
use crate::base::dice::Dice;
use crate::sync::deque::{Steal, Worker};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Parker, epoch};

/// See the page.
pub(super) struct Registry {
    pub(super) config: PoolConfig,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    pub(super) began: Instant,
    pub(super) sleep: Sleep,
    pub(super) watch: Watch,
    pub(super) rows: Rows,
    /// How many threads work, wait, and sit on the bench.
    pub(super) crew: Crew,
    pub(super) bench: Bench,
    pub(super) guests: Box<[Guest]>,
    pub(super) roll: Roll,
    pub(super) trace: Trace,
    pub(super) injector: Injector<Work>,
    /// Work of timers that have fired.
    pub(super) timed: Injector<Work>,
    /// A thread is on its way to that, over the target.
    pub(super) errand: AtomicBool,
    pub(super) classes: Classes,
    pub(super) fork: ForkWord,
    pub(super) phase: Phase,
    pub(super) timers: Timers,
    pub(super) farewells: Farewells,
    /// Handles that users hold.
    pub(super) handles: AtomicUsize,
    /// Times that a worker blocked and nobody could take its place.
    pub(super) uncompensated: AtomicUsize,
    /// Times that the system refused a worker thread.
    pub(super) threads_refused: AtomicUsize,
    /// Cold: where workers park that wait for what a free worker has to bring.
    pub(super) waits: Mutex<Vec<Arc<Parker>>>,
    /// Threads in `wait_quiescent`.
    pub(super) quiet_waiters: AtomicUsize,
    pub(super) abandoned: AtomicUsize,
    pub(super) panics: AtomicUsize,
    /// Cold: who waits for the pool's threads, or for quiescence.
    pub(super) threads: Mutex<Seats>,
    pub(super) changed: Condvar,
    /// Instead of threads, in tests.
    pub(super) manual: Option<Manual>,
    /// Itself, for the threads that it starts.
    pub(super) this: Weak<Registry>,
}

impl Registry {
    /// Builds the registry and starts its workers. On an error no thread is left.
    pub(super) fn start(config: PoolConfig) -> Result<Arc<Self>, PoolError> {
        config.check()?;
        let workers = config.workers;
        // What all deques of the process share is there before a fork can meet its making half done:
        // pools of the child would wait for it.
        drop(epoch::pin());
        let registry = Self::build(config, Clock::system(), Dice::system(), None);
        for worker in 0..workers {
            if let Err(source) = registry.start_worker() {
                registry.give_up_start(worker);
                return Err(PoolError::Spawn { worker, source });
            }
        }
        Ok(registry)
    }

    /// Everything but the threads.
    pub(super) fn build(
        config: PoolConfig,
        clock: Clock,
        dice: Dice,
        manual: Option<Manual>,
    ) -> Arc<Self> {
        let workers = config.workers;
        let limit = config.threads_max();
        let mut guest_rows = Vec::with_capacity(GUESTS);
        let mut guests = Vec::with_capacity(GUESTS);
        for row in limit..limit + GUESTS {
            let frames = Worker::new_lifo();
            guest_rows.push(Row::new(frames.stealer(), None, None));
            guests.push(Guest::new(row, frames));
        }
        Arc::new_cyclic(|this| Self {
            began: clock.now(),
            clock,
            dice,
            sleep: Sleep::new(limit),
            watch: Watch::new(),
            rows: Rows::new(limit, guest_rows),
            crew: Crew::new(workers, config.max_blocking, limit),
            bench: Bench::default(),
            guests: guests.into(),
            roll: Roll::default(),
            trace: Trace::new(config.trace_events, limit + GUESTS, Clock::system()),
            injector: Injector::new(),
            timed: Injector::new(),
            errand: AtomicBool::new(false),
            classes: Classes::new(),
            fork: ForkWord::new(),
            phase: Phase::open(),
            timers: Timers::new(manual.is_some()),
            farewells: Farewells::default(),
            handles: AtomicUsize::new(1),
            uncompensated: AtomicUsize::new(0),
            threads_refused: AtomicUsize::new(0),
            waits: Mutex::new(Vec::new()),
            quiet_waiters: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            threads: Mutex::new(Seats::new()),
            changed: Condvar::new(),
            manual,
            this: this.clone(),
            config,
        })
    }

    /// Worker `failed` and those after it do not exist: ends the others.
    fn give_up_start(&self, failed: usize) {
        for _ in failed..self.config.workers {
            self.worker_missing();
        }
        self.begin_end();
        self.join_all();
    }

    /// How many workers it has.
    pub(super) fn workers(&self) -> usize {
        self.config.workers
    }

    /// What the thread at the station of that row is called.
    pub(super) fn station_name(&self, row: usize) -> String {
        match row.checked_sub(self.config.threads_max()) {
            None => self.config.thread_name(row),
            Some(guest) => format!("{}-guest-{guest}", self.config.name),
        }
    }

    /// See [`Pool::post`](super::Pool::post).
    pub(super) fn post(&self, work: Work) {
        if self.is_forked() {
            return self.discard(work);
        }
        match Station::current(self).and_then(Station::visits) {
            Some(visits) => visits.push(work),
            None => self.injector.push(work),
        }
        self.announce();
    }

    /// As [`post`](Self::post), behind all that has come from outside so far: for work that has had
    /// a long turn and goes to the back of the queue.
    pub(super) fn post_last(&self, work: Work) {
        match Station::current(self).and_then(Station::visits) {
            Some(visits) => {
                if !self.injector.is_empty() {
                    self.injector.take_all().for_each(|work| visits.push(work));
                }
                visits.push(work);
            }
            None => self.injector.push(work),
        }
        self.announce();
    }

    /// Posts work whose time has come.
    pub(super) fn post_timed(&self, work: Work) {
        self.timed.push(work);
        self.announce();
        self.see_to_timed();
    }

    /// True if a worker that looks now may find something.
    pub(super) fn work_waits(&self) -> bool {
        self.detached_waits() || self.rows.iter().any(|row| !row.frames.is_empty())
    }

    /// True if detached work is queued.
    pub(super) fn detached_waits(&self) -> bool {
        !self.injector.is_empty()
            || !self.timed.is_empty()
            || !self.classes.is_empty()
            || self.rows.workers().any(|row| row.queued() > 0)
    }

    /// How much detached work is queued.
    pub(super) fn queued(&self) -> usize {
        let shared = self.injector.len() + self.timed.len() + self.classes.len();
        shared + self.rows.workers().map(Row::queued).sum::<usize>()
    }

    /// Abandons what is queued, when no worker is left to run it. Any thread.
    pub(super) fn sweep(&self) {
        self.injector.take_all().for_each(|work| self.abandon(work));
        self.timed.take_all().for_each(|work| self.abandon(work));
        self.classes.take_all().for_each(|work| self.abandon(work));
        let trays = self.rows.workers().filter_map(|row| row.tray.as_ref());
        let visits = self.rows.workers().filter_map(|row| row.visits.as_ref());
        for visits in visits.chain(trays.flat_map(|tray| [&tray.urgent, &tray.background])) {
            while let Some(work) = taken(|| visits.steal()) {
                self.abandon(work);
            }
        }
        while let Some(work) = self.take_offer() {
            self.abandon(work);
        }
    }

    fn abandon(&self, work: Work) {
        // Relaxed: a count.
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.discard(work);
    }

    /// Drops `work` without running it, which user code may answer with a panic.
    pub(super) fn discard(&self, work: Work) {
        if let Err(panic) = unwind::halt(|| drop(work)) {
            self.report_panic(panic);
        }
    }

    /// The thread at the station of that row has shown a frame.
    pub(super) fn promoted(&self, row: usize) {
        if let Some(row) = self.rows.get(row) {
            row.tally.promotions.add_one();
        }
        self.trace.note(row, Event::Promote);
    }

    /// The thread at the station of that row has stolen a frame.
    pub(super) fn stole(&self, row: usize) {
        if let Some(row) = self.rows.get(row) {
            row.tally.steals.add_one();
        }
        self.trace.note(row, Event::Steal);
    }

    /// Calls a hook for worker `index`, on its thread.
    pub(super) fn call_hook(&self, hook: Option<&ThreadHook>, index: usize) {
        let called = unwind::halt(|| hook.map(|hook| hook(index)));
        if let Err(panic) = called {
            self.report_panic(panic);
        }
    }

    /// Gives a panic that nobody joins to the panic handler.
    pub(super) fn report_panic(&self, panic: Payload) {
        // Relaxed: a count.
        self.panics.fetch_add(1, Ordering::Relaxed);
        let told = unwind::halt(|| match &self.config.panic_handler {
            Some(handler) => handler(panic),
            None => drop(panic),
        });
        if let Err(panic) = told {
            unwind::discard(panic);
        }
    }
}

/// Steals until it is decided: something, or nothing there.
pub(super) fn taken<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(found) => return Some(found),
            Steal::Empty => return None,
            Steal::Retry => crate::sync::spin_loop(),
        }
    }
}

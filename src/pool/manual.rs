//! A pool without threads: whoever holds it runs its work, in an order drawn from a seed.
//!
//! For tests. Everything above is the code that runs on threads: work lies in the same queues,
//! timers on the same heap, and a [`TestPool`] sits down at the seat of the only worker to run one
//! piece of work after another, each drawn from all that are ready. The clock stands still until
//! somebody moves it; jitter and the seeds of hashes come from the same dice. So one seed gives one
//! order, and a test that fails fails again.
//!
//! Inside its work the pool is one with a single busy worker: waits for others are refused there.
//! Outside, a wait does what it waits for: it runs what is ready, and moves the clock from timer to
//! timer, up to its own deadline.
//!
//! Invariant: one thread at a time is at the seat, and whoever is there has the desk.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::priority::Tray;
use super::registry::Registry;
use super::seats::Desk;
use super::shutdown::Shutdown;
use super::station::Station;
use super::{Pool, PoolConfig, PoolError, unwind};
use crate::base::clock::Clock;
use crate::base::dice::Dice;
use crate::base::promise::Promise;
use crate::sync::Arc;

/// The seat of the worker that is not there.
#[derive(Default)]
pub(super) struct Manual {
    /// Here while nobody sits.
    desk: Mutex<Option<Desk>>,
}

/// Somebody sits at the seat; dropping it leaves the desk.
struct Sitting<'r> {
    registry: &'r Registry,
    /// `None` only while it is dropped.
    station: Option<Station>,
    /// As `station`.
    tray: Option<Tray>,
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        let station = self.station.take().expect("dropped once");
        let tray = self.tray.take().expect("dropped once");
        let (frames, visits) = station.into_queues();
        self.registry.leave_desk(Desk { frames, visits, tray });
    }
}

impl Registry {
    /// A registry without threads.
    fn by_hand(seed: u64) -> Arc<Self> {
        let config = PoolConfig {
            workers: 1,
            max_blocking: 0,
            name: "laneway-test".to_owned(),
            ..PoolConfig::default()
        };
        let manual = Some(Manual::default());
        let registry = Self::build(config, Clock::manual(), Dice::seeded(seed), manual);
        registry.leave_desk(registry.new_desk(0));
        registry
    }

    fn leave_desk(&self, desk: Desk) {
        let manual = self.manual.as_ref().expect("only pools without threads are run by hand");
        *manual.desk.lock() = Some(desk);
    }

    /// Runs ready work while `more` says so; how much. `None` on a pool with threads, and while
    /// somebody else runs it.
    fn drive(&self, mut more: impl FnMut() -> bool) -> Option<usize> {
        let desk = self.manual.as_ref()?.desk.lock().take()?;
        let station = Some(Station::new(0, desk.frames, Some(desk.visits)));
        let sitting = Sitting { registry: self, station, tray: Some(desk.tray) };
        let station = sitting.station.as_ref().expect("sat down above");
        let _occupied = station.occupy(self);
        let visits = station.visits().expect("a worker has visits");
        let mut ready = Vec::new();
        let mut ran = 0;
        while more() {
            ready.extend(self.injector.take_all());
            ready.extend(self.timed.take_all());
            ready.extend(self.classes.take_all());
            ready.extend(std::iter::from_fn(|| visits.pop()));
            if ready.is_empty() {
                break;
            }
            let work = ready.swap_remove(self.dice.below(ready.len()));
            ran += 1;
            self.rows.at(0).tally.run.add_one();
            if let Err(panic) = unwind::halt(|| work.run()) {
                self.report_panic(panic);
            }
        }
        ready.into_iter().for_each(|work| visits.push(work));
        Some(ran)
    }

    /// A wait of the calling thread, on a pool without threads: does the work until it is over,
    /// true, or cannot be before `deadline`, false. `None` if the caller has to wait as on any pool.
    fn attend(&self, is_over: impl Fn() -> bool, deadline: Option<Instant>) -> Option<bool> {
        self.manual.as_ref()?;
        loop {
            self.drive(|| !is_over())?;
            if is_over() {
                return Some(true);
            }
            let due = self.timers.next_due();
            match due.filter(|due| deadline.is_none_or(|deadline| *due <= deadline)) {
                Some(due) => self.pass_to(due),
                None => {
                    deadline.inspect(|deadline| self.pass_to(*deadline));
                    return Some(false);
                }
            }
        }
    }

    /// The wait for what only this pool can bring, on whatever thread; true if it came.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] where nobody is left to bring it.
    pub(super) fn wait_for<T>(
        &self,
        promise: &Promise<T>,
        deadline: Option<Instant>,
    ) -> Result<bool, PoolError> {
        match self.attend(|| promise.is_done(), deadline) {
            None => self.enter_blocking()?.wait_for(promise, deadline),
            Some(false) if deadline.is_none() => Err(PoolError::WouldDeadlock),
            Some(is_done) => Ok(is_done),
        }
    }

    /// It is `time` now.
    fn pass_to(&self, time: Instant) {
        self.clock.move_to(time);
        self.timers.fire_due(self);
    }

    /// Nobody will run its work any more: abandons what is left.
    fn end_by_hand(&self) {
        self.begin_end();
        if !self.phase.is_ended() {
            self.worker_missing();
        }
    }

    /// See [`Pool::shutdown`]; `None` on a pool with threads.
    pub(super) fn shut_down_by_hand(&self, how: Shutdown) -> Option<Result<(), PoolError>> {
        self.manual.as_ref()?;
        if how == Shutdown::Drain && self.drive(|| true).is_none() {
            self.begin_drain();
            return Some(Err(PoolError::WouldDeadlock));
        }
        self.end_by_hand();
        Some(Ok(()))
    }

    /// See [`Pool::wait_quiescent`]; `None` on a pool with threads.
    pub(super) fn settle_by_hand(&self) -> Option<bool> {
        self.drive(|| true).map(|_| true)
    }
}

impl Pool {
    /// Blocks a thread that is no worker until the promise is fulfilled, at most until `deadline`;
    /// true if it is.
    pub(crate) fn wait_until<T>(&self, promise: &Promise<T>, deadline: Instant) -> bool {
        let attended = self.registry.attend(|| promise.is_done(), Some(deadline));
        attended.unwrap_or_else(|| promise.wait_until(deadline))
    }

    /// As [`Registry::wait_for`].
    pub(crate) fn wait_for<T>(
        &self,
        promise: &Promise<T>,
        deadline: Option<Instant>,
    ) -> Result<bool, PoolError> {
        self.registry.wait_for(promise, deadline)
    }

    /// A body sleeps on the only worker there is: the time passes. False on a pool with threads.
    pub(crate) fn sleeps_by_hand(&self, until: Instant) -> bool {
        self.registry.clock.move_to(until)
    }
}

/// A pool without threads, for tests: its work runs when the test says so, in an order drawn from
/// a seed, on a clock that the test moves.
///
/// Two pools of one seed whose users do the same run the same work in the same order. What runs is
/// the code that runs on threads, one piece of work at a time: races between threads, and work that
/// foreign threads post while it runs, are beyond a seed.
///
/// Calls that wait (a handle's `wait`, `drain`, `shutdown`) do the work themselves: they run what
/// is ready and let the time pass, from timer to timer, up to their time-out. What nothing ready and
/// no timer can bring is refused (`WouldDeadlock`) or times out, without a delay.
///
/// Dropping it ends its pool: what has not run is abandoned.
///
/// ```
/// use laneway::pool::TestPool;
/// use std::time::Duration;
///
/// let test = TestPool::new(7);
/// let greeting = test.pool().submit(|| "ready");
/// assert!(!greeting.is_done(), "nothing runs by itself");
/// assert_eq!(test.run_until_idle(), 1);
/// assert_eq!(greeting.wait()?, "ready");
///
/// let timer = test.pool().schedule_after(Duration::from_secs(3600), || {});
/// test.advance(Duration::from_secs(3599));
/// assert!(!timer.is_over());
/// test.advance(Duration::from_secs(1));
/// assert!(timer.is_over());
/// # Ok::<(), laneway::pool::PoolError>(())
/// ```
pub struct TestPool {
    pool: Pool,
    start: Instant,
    seed: u64,
}

impl TestPool {
    /// A pool whose order is drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let registry = Registry::by_hand(seed);
        Self { start: registry.clock.now(), pool: Pool { registry }, seed }
    }

    /// The pool, for whatever is to run on it.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The seed that it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Runs one piece of the work that is ready; false if none is.
    ///
    /// # Panics
    /// If called inside its own work, or while another thread runs it.
    pub fn run_one(&self) -> bool {
        let mut turns = 0..1;
        self.drive(|| turns.next().is_some()) == 1
    }

    /// Runs work until none is ready; how many pieces. Work that posts itself again for ever runs
    /// for ever.
    ///
    /// # Panics
    /// As [`run_one`](Self::run_one).
    pub fn run_until_idle(&self) -> usize {
        self.drive(|| true)
    }

    /// Lets `time` pass: runs what is ready, moves the clock to the next timer, runs what that
    /// makes ready, and so on until the time is over.
    ///
    /// # Panics
    /// As [`run_one`](Self::run_one).
    pub fn advance(&self, time: Duration) {
        let registry = &self.pool.registry;
        let end = registry.clock.after(time);
        self.run_until_idle();
        while let Some(due) = registry.timers.next_due().filter(|due| *due <= end) {
            registry.pass_to(due);
            self.run_until_idle();
        }
        registry.clock.move_to(end);
    }

    /// How long after now the next timer fires; `None` if none is armed.
    pub fn next_timer(&self) -> Option<Duration> {
        let registry = &self.pool.registry;
        let due = registry.timers.next_due()?;
        Some(due.saturating_duration_since(registry.clock.now()))
    }

    /// How much time has passed since the pool was made.
    pub fn elapsed(&self) -> Duration {
        self.pool.registry.clock.now() - self.start
    }

    fn drive(&self, more: impl FnMut() -> bool) -> usize {
        self.pool.registry.drive(more).expect("a test pool is run from outside, by one thread")
    }
}

impl Drop for TestPool {
    fn drop(&mut self) {
        self.pool.registry.end_by_hand();
    }
}

impl fmt::Debug for TestPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPool")
            .field("seed", &self.seed)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

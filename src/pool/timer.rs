//! Timers: work that is posted when its time has come (P7).
//!
//! One heap for the pool, under a lock that no job's way crosses but its own backoff's. While
//! timers are armed a *timekeeper* thread waits for the earliest and posts what is due; it runs no
//! user code. If every worker is inside work when a timer fires, a spare thread is had for it (P5)
//! and runs nothing else, so timers fire in time also then. The timekeeper is started by the first
//! timer and ends when none was armed for `keep_alive`: a pool without timers has no such thread.
//!
//! The work of a timer is had by one of two: the timekeeper that fires it, or who cancels it
//! (`claim.rs`). A cancelled entry stays in the heap until it is due or until half of the heap is
//! such entries, which pays for clearing them: cancelling is O(1) amortised.
//!
//! Not here: reading the clock (`base/clock.rs`), repetitions (`repeat.rs`).

use std::cmp::Ordering as Cmp;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Pool;
use super::claim::Claim;
use super::config::PoolConfig;
use super::registry::Registry;
use super::thread::{Patience, Thread};
use super::work::Work;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering};

/// Work that waits for its time.
///
/// Dropping it changes nothing: the work still runs when its time has come.
#[must_use = "without its timer the work cannot be cancelled; drop it if that is meant"]
pub struct Timer {
    registry: Arc<Registry>,
    work: Arc<Claim<Work>>,
}

impl Timer {
    /// Takes the work back before its time: true if it never will run, false if it has been fired
    /// or cancelled before. The work, and what it holds, is dropped here. Does not block.
    pub fn cancel(&self) -> bool {
        let Some(work) = self.work.take() else { return false };
        self.registry.discard(work);
        if self.registry.is_forked() {
            return true; // the heap, and who has its lock, stayed with the parent
        }
        self.registry.timers.cancelled();
        true
    }

    /// True once the work was handed to the workers, or was cancelled.
    pub fn is_over(&self) -> bool {
        self.work.is_taken()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("is_over", &self.is_over()).finish()
    }
}

impl Pool {
    /// Runs `f` on a worker after `delay`, or somewhat later. Returns at once.
    ///
    /// If the pool ends first, `f` is dropped without being run. A panic of `f` goes to the pool's
    /// panic handler. If the system refuses the thread that keeps the time, the timer waits until
    /// one can be started: each further timer and each worker that goes to sleep tries again.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let (tell, told) = mpsc::channel();
    /// let soon = pool.schedule_after(Duration::from_millis(1), move || tell.send("now").unwrap());
    /// assert_eq!(told.recv(), Ok("now"));
    /// assert!(!soon.cancel(), "it has fired");
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn schedule_after<F: FnOnce() + Send + 'static>(&self, delay: Duration, f: F) -> Timer {
        self.schedule_work_at(self.registry.clock.after(delay), Work::once(f))
    }

    /// Posts `work` at `at`. If the timer is cancelled or the pool ends first, it is abandoned.
    pub(crate) fn schedule_work_at(&self, at: Instant, work: Work) -> Timer {
        schedule(&self.registry, at, work)
    }
}

/// See [`Pool::schedule_work_at`].
pub(super) fn schedule(registry: &Arc<Registry>, at: Instant, work: Work) -> Timer {
    let work = Arc::new(Claim::new(work));
    let timer = Timer { registry: Arc::clone(registry), work: Arc::clone(&work) };
    if registry.is_forked() {
        work.take().into_iter().for_each(|work| registry.discard(work));
    } else if at <= registry.clock.now() {
        fire(registry, &work);
    } else if !registry.timers.arm(registry, at, Arc::clone(&work)) {
        registry.timers.abandon(registry, &work);
    }
    timer
}

/// Posts the work if nobody took it.
fn fire(registry: &Registry, work: &Claim<Work>) {
    if let Some(work) = work.take() {
        registry.post_timed(work);
    }
}

fn keeper_name(config: &PoolConfig) -> String {
    format!("{}-timekeeper", config.name)
}

/// A pool's timers.
pub(super) struct Timers {
    state: Mutex<State>,
    /// An earlier timer was armed, or the pool ends.
    changed: Condvar,
    /// Timers are armed and nobody keeps the time.
    unattended: AtomicBool,
    refused: AtomicUsize,
    abandoned: AtomicUsize,
}

struct State {
    heap: BinaryHeap<Armed>,
    armed_ever: u64,
    cancelled: usize,
    /// A timekeeper runs.
    kept: bool,
    keeper: Option<Thread>,
    ended: bool,
}

/// An entry of the heap; the greatest is the one that is due first.
struct Armed {
    at: Instant,
    /// The earlier armed first, at equal times.
    turn: u64,
    work: Arc<Claim<Work>>,
}

impl Ord for Armed {
    fn cmp(&self, other: &Self) -> Cmp {
        (other.at, other.turn).cmp(&(self.at, self.turn))
    }
}

impl PartialOrd for Armed {
    fn partial_cmp(&self, other: &Self) -> Option<Cmp> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Armed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Armed {}

impl Timers {
    /// `kept`: somebody keeps the time without a thread.
    pub(super) fn new(kept: bool) -> Self {
        let state = State {
            heap: BinaryHeap::new(),
            armed_ever: 0,
            cancelled: 0,
            kept,
            keeper: None,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            unattended: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        }
    }

    /// False if the pool has ended.
    fn arm(&self, registry: &Arc<Registry>, at: Instant, work: Arc<Claim<Work>>) -> bool {
        let mut state = self.state.lock();
        if state.ended {
            return false;
        }
        let turn = state.armed_ever;
        state.armed_ever += 1;
        let first = state.heap.peek().is_none_or(|first| at < first.at);
        state.heap.push(Armed { at, turn, work });
        if !state.kept {
            self.start_keeper(&mut state, registry);
        } else if first {
            self.changed.notify_one();
        }
        true
    }

    /// An entry of the heap has lost its work.
    fn cancelled(&self) {
        let mut state = self.state.lock();
        state.cancelled += 1;
        if state.cancelled * 2 > state.heap.len() {
            state.cancelled = 0;
            state.heap.retain(|armed| !armed.work.is_taken());
        }
    }

    /// Starts a timekeeper if one is missing. Called by workers that go to sleep.
    pub(super) fn see_to_keeper(&self, registry: &Arc<Registry>) {
        // Relaxed: a hint; the lock decides.
        if self.unattended.load(Ordering::Relaxed) {
            let mut state = self.state.lock();
            if !state.kept && !state.ended && !state.heap.is_empty() {
                self.start_keeper(&mut state, registry);
            }
        }
    }

    fn start_keeper(&self, state: &mut State, registry: &Arc<Registry>) {
        let keeper = Arc::clone(registry);
        let config = &registry.config;
        let started =
            Thread::start(config, keeper_name(config), move || keeper.timers.keep(&keeper));
        state.kept = started.is_ok();
        if started.is_err() {
            // Relaxed: a count.
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        // Relaxed: a hint, as above.
        self.unattended.store(started.is_err(), Ordering::Relaxed);
        // The one before has left its loop, or it would be keeping; it ends by itself.
        state.keeper = started.ok();
    }

    /// The life of a timekeeper.
    fn keep(&self, registry: &Registry) {
        let mut state = self.state.lock();
        while !state.ended {
            let now = registry.clock.now();
            let due = state.heap.peek().map(|first| first.at);
            match due {
                Some(at) if at <= now => {
                    let armed = state.heap.pop().expect("it was peeked at, under this lock");
                    drop(state); // posting may wake a worker, and dropping runs user code
                    fire(registry, &armed.work);
                    drop(armed);
                    state = self.state.lock();
                }
                Some(at) => drop(self.changed.wait_until(&mut state, at)),
                None => {
                    let idle = registry.config.keep_alive;
                    let waited = self.changed.wait_for(&mut state, idle);
                    if waited.timed_out() && state.heap.is_empty() {
                        break;
                    }
                }
            }
        }
        state.kept = false;
    }

    /// When the next timer is due, for who keeps the time by hand.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        while state.heap.peek()?.work.is_taken() {
            state.heap.pop();
            state.cancelled = state.cancelled.saturating_sub(1);
        }
        state.heap.peek().map(|first| first.at)
    }

    /// Posts what is due, for who keeps the time by hand.
    pub(super) fn fire_due(&self, registry: &Registry) {
        while self.next_due().is_some_and(|due| due <= registry.clock.now()) {
            let armed = self.state.lock().heap.pop();
            if let Some(armed) = armed {
                fire(registry, &armed.work);
            }
        }
    }

    /// The pool has ended: abandons all timers and sends the timekeeper home.
    pub(super) fn end(&self, registry: &Registry) {
        let mut state = self.state.lock();
        state.ended = true;
        let left = std::mem::take(&mut state.heap);
        drop(state);
        self.changed.notify_all();
        for armed in left {
            self.abandon(registry, &armed.work);
        }
    }

    fn abandon(&self, registry: &Registry, work: &Claim<Work>) {
        if let Some(work) = work.take() {
            // Relaxed: a count.
            self.abandoned.fetch_add(1, Ordering::Relaxed);
            registry.discard(work);
        }
    }

    /// Waits for a timekeeper that was sent home, if the pool has ended; its name if it is still
    /// there then.
    pub(super) fn join_keeper(
        &self,
        patience: Patience<'_>,
        config: &PoolConfig,
    ) -> Option<String> {
        let mut state = self.state.lock();
        let keeper = if state.ended { state.keeper.take() } else { None }?;
        drop(state);
        let deaf = keeper.join(patience).err()?;
        self.state.lock().keeper = Some(deaf);
        Some(keeper_name(config))
    }

    /// Timers that the end of the pool abandoned.
    pub(super) fn abandoned(&self) -> usize {
        // Relaxed: a figure.
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Times that no timekeeper could be started.
    pub(super) fn refused(&self) -> usize {
        // Relaxed: a figure.
        self.refused.load(Ordering::Relaxed)
    }
}

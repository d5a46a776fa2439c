//! The end of a pool: quiescence, drain, cancel, and what is left (P8).
//!
//! ```text
//!   OPEN ──drain──► DRAINING ──quiet──► ENDING ──last worker──► ENDED
//!     └────────────────cancel─────────────▲
//! ```
//!
//! 1. A drain only marks the pool. The worker that lies down last, and sees that all sleep and no
//!    detached work is queued, goes on to ENDING. So nobody has to wait for a drain to end.
//! 2. ENDING wakes everybody; each worker ends after what it is running.
//! 3. The last worker marks ENDED, abandons what is still queued, and the timers, and says farewell.
//!    Whoever posts after that abandons it itself: nothing is ever left in a queue.
//!    Neither is it before that, once every worker that is left waits inside its work: it may wait
//!    for what is queued, which nobody would take. Whoever brings that about clears up.
//! 4. `shutdown` waits for that, joins the threads that ended, and names the others.
//!
//! Fork-join does not depend on the phase: a region that is under way is finished by its owner.

use std::time::{Duration, Instant};

use super::bench::Called;
use super::registry::Registry;
use super::seats::{Desk, Ended};
use super::sleep::LastLook;
use super::station::Station;
use super::thread::Patience;
use super::{Pool, PoolError};
use crate::sync::{AtomicU32, Ordering, fence};

/// How a pool ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Run what was posted, and what that posts; then end. Timers that have not fired are
    /// abandoned.
    Drain,
    /// Finish what is running; abandon the rest. Handles of abandoned work answer
    /// [`PoolError::Cancelled`].
    Cancel,
}

/// What a shutdown left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Worker threads that have ended in the pool's life; all of them are joined.
    pub joined: usize,
    /// The names of the threads that had not ended at the deadline, or had ended their part and were
    /// still running destructors of thread-locals.
    pub running: Vec<String>,
    /// Posted work that no worker took: it was abandoned or, while threads are running, it waits.
    /// Counts what had become moot too, such as work that its waiter ran.
    pub left: usize,
    /// Timers that were abandoned and never will fire.
    pub timers: usize,
}

const OPEN: u32 = 0;
const DRAINING: u32 = 1;
const ENDING: u32 = 2;
const ENDED: u32 = 3;

/// How far the pool's life has come. It only moves forward.
pub(super) struct Phase(AtomicU32);

impl Phase {
    pub(super) fn open() -> Self {
        Self(AtomicU32::new(OPEN))
    }

    /// Workers stop after what they are running.
    pub(super) fn is_ending(&self) -> bool {
        // Relaxed: a worker that misses it now sees it before it parks, by [post] and [park].
        self.0.load(Ordering::Relaxed) >= ENDING
    }

    /// No worker is left.
    pub(super) fn is_ended(&self) -> bool {
        // Relaxed: ordered by the caller's fence or lock.
        self.0.load(Ordering::Relaxed) == ENDED
    }

    fn is_draining(&self) -> bool {
        // Relaxed: as in `is_ending`.
        self.0.load(Ordering::Relaxed) == DRAINING
    }

    /// Moves on to `next`; false if the pool was there already.
    fn advance(&self, next: u32) -> bool {
        // Relaxed: who has to see it is ordered by fences: [post] and [end] with [park], [ended]
        // with [post].
        let mut now = self.0.load(Ordering::Relaxed);
        while now < next {
            // Relaxed: as above.
            let order = Ordering::Relaxed;
            match self.0.compare_exchange(now, next, order, order) {
                Ok(_) => return true,
                Err(later) => now = later,
            }
        }
        false
    }
}

impl Pool {
    /// Waits until all detached work that was posted before the call has ended, and what that
    /// posted; true if that was reached within `timeout`. Blocks the calling thread.
    ///
    /// Quiescence is a moment in which every worker slept and nothing was queued; work that others
    /// post all the time can put it off for ever. Timers that have not fired do not count.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker of this pool.
    pub fn wait_quiescent(&self, timeout: Duration) -> Result<bool, PoolError> {
        self.registry.wait_quiet(timeout)
    }

    /// Ends the pool and waits until its threads have ended, at most `timeout`. Blocks.
    ///
    /// Threads that have ended are joined, the others are named in the report; they end by
    /// themselves as soon as what they run returns. May be called again, also with
    /// [`Shutdown::Cancel`] after [`Shutdown::Drain`]: a pool only moves towards its end.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker of this pool; the shutdown has begun all the same.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use laneway::pool::{Pool, Shutdown};
    ///
    /// let pool = Pool::new()?;
    /// let seven = pool.submit(|| 7);
    /// let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(60))?;
    /// assert_eq!((report.joined, report.left), (pool.workers(), 0));
    /// assert_eq!(seven.wait()?, 7);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown, timeout: Duration) -> Result<Report, PoolError> {
        self.registry.check_fork()?;
        self.registry.shut_down_by_hand(how).unwrap_or(Ok(()))?;
        match how {
            Shutdown::Drain => self.registry.begin_drain(),
            Shutdown::Cancel => self.registry.begin_end(),
        }
        self.registry.wait_ended(timeout)
    }

    /// True once the pool has begun to end. What is posted from then on may be abandoned.
    pub fn is_shutting_down(&self) -> bool {
        // Relaxed: a question about this moment.
        self.registry.phase.0.load(Ordering::Relaxed) != OPEN
    }
}

impl Registry {
    /// Marks the pool; it ends when nothing is left to do.
    pub(super) fn begin_drain(&self) {
        if !self.is_forked() && self.phase.advance(DRAINING) {
            // As if the mark were work: a searcher, or the one that this wakes, sees it when it
            // lies down.
            self.sleep.posted();
        }
    }

    /// Every worker ends after what it is running.
    pub(super) fn begin_end(&self) {
        if self.phase.advance(ENDING) {
            self.clear_bench();
            self.sleep.wake_all();
            self.see_to_rest();
        }
    }

    /// The pool ends, and every worker that is left waits inside its work: nobody will take what is
    /// queued, or what is posted.
    pub(super) fn is_unattended(&self) -> bool {
        self.phase.is_ending() && self.crew.counts().active() == 0
    }

    /// To be called after a step towards the end: the mark, a worker that left, one that waits.
    pub(super) fn see_to_rest(&self) {
        // SeqCst fence [ended]: pairs with itself, so that the last of those steps sees the others,
        // and with [post] in `post`: either the sweep below sees the work, or its poster sees that
        // there is nobody to take it.
        fence(Ordering::SeqCst);
        if self.is_unattended() {
            self.clear_up();
        }
    }

    /// Abandons what is queued, and tells those who have nothing queued. Any thread.
    pub(super) fn clear_up(&self) {
        self.sweep();
        self.farewells.call_all();
    }

    /// The last look of a worker that found no work: does anybody wait for that?
    pub(super) fn notice_quiet(&self) -> LastLook {
        // Relaxed: ordered by [park] here and [quiet] in `wait_quiet`: either this sees the
        // waiter, or the waiter's look sees this worker asleep.
        if self.quiet_waiters.load(Ordering::Relaxed) > 0 {
            drop(self.threads.lock()); // the waiter is before its look, or it waits
            self.changed.notify_all();
        }
        if self.phase.is_draining() && self.is_quiet() && self.phase.advance(ENDING) {
            self.clear_bench();
            return LastLook::End;
        }
        LastLook::Nothing
    }

    fn is_quiet(&self) -> bool {
        self.sleep.is_quiet(
            || self.crew.counts().at_work(),
            || !self.detached_waits() && !self.notices_wait(),
        )
    }

    fn wait_quiet(&self, timeout: Duration) -> Result<bool, PoolError> {
        self.check_fork()?;
        if Station::worker_below(self).is_some() {
            return Err(PoolError::WouldDeadlock);
        }
        if let Some(quiet) = self.settle_by_hand() {
            return Ok(quiet);
        }
        let deadline = self.clock.after(timeout);
        let mut threads = self.threads.lock();
        // Relaxed: published by the fence.
        self.quiet_waiters.fetch_add(1, Ordering::Relaxed);
        // SeqCst fence [quiet]: pairs with [park]; see `notice_quiet`.
        fence(Ordering::SeqCst);
        let is_quiet = || self.is_quiet() || self.phase.is_ended();
        while !is_quiet() && !self.changed.wait_until(&mut threads, deadline).timed_out() {}
        let quiet = is_quiet();
        // Relaxed: at worst a worker notifies nobody.
        self.quiet_waiters.fetch_sub(1, Ordering::Relaxed);
        Ok(quiet)
    }

    /// The calling worker ends its part; the last one clears up. `called` as it last was.
    pub(super) fn worker_leaves(&self, called: Called) {
        match called {
            Called::Up => self.worker_missing(),
            Called::Home => {}
            Called::Last => self.all_have_left(),
        }
    }

    /// A worker that was counted as active has ended, or was never there. The last one clears up.
    pub(super) fn worker_missing(&self) {
        if self.crew.leave_for_good().threads() == 0 {
            return self.all_have_left();
        }
        self.see_to_rest();
    }

    fn all_have_left(&self) {
        self.phase.advance(ENDED);
        self.timers.end(self);
        self.see_to_rest();
    }

    /// The thread of worker `index` is about to end.
    pub(super) fn worker_gone(&self, index: usize, desk: Desk) {
        self.threads.lock().vacate(index, desk);
        self.changed.notify_all();
    }

    /// Joins every thread that was started, whose pool ends.
    pub(super) fn join_all(&self) {
        let mut threads = self.threads.lock();
        while threads.running().next().is_some() {
            self.changed.wait(&mut threads);
        }
        let ended = threads.take_ended();
        drop(threads);
        for (_, thread) in ended {
            let _gone = thread.join(Patience::Unbounded);
        }
    }

    fn wait_ended(&self, timeout: Duration) -> Result<Report, PoolError> {
        if Station::worker_below(self).is_some() {
            return Err(PoolError::WouldDeadlock);
        }
        let deadline = self.clock.after(timeout);
        let mut threads = self.threads.lock();
        while threads.running().next().is_some()
            && !self.changed.wait_until(&mut threads, deadline).timed_out()
        {}
        let ended = threads.take_ended();
        let mut running: Vec<String> =
            threads.running().map(|index| self.config.thread_name(index)).collect();
        drop(threads);
        let (joined, deaf) = self.join_until(ended, deadline);
        let mut threads = self.threads.lock();
        threads.joined += joined;
        for (seat, thread) in deaf {
            running.extend(seat.map(|index| self.config.thread_name(index)));
            threads.put_back(thread);
        }
        let joined = threads.joined;
        drop(threads);
        if let Some(keeper) = self.timers.join_keeper(self.patience(deadline), &self.config) {
            running.push(keeper);
        }
        Ok(Report {
            joined,
            running,
            // Relaxed: a worker that abandoned something was joined, or is named as running.
            left: self.abandoned.load(Ordering::Relaxed) + self.queued(),
            timers: self.timers.abandoned(),
        })
    }

    /// Joins threads that said that they end. User code may still run there, in destructors of
    /// thread-locals: those that are not gone at the deadline come back.
    fn join_until(&self, ended: Vec<Ended>, deadline: Instant) -> (usize, Vec<Ended>) {
        let all = ended.len();
        let deaf: Vec<Ended> = ended
            .into_iter()
            .filter_map(|(seat, thread)| {
                thread.join(self.patience(deadline)).err().map(|deaf| (seat, deaf))
            })
            .collect();
        (all - deaf.len(), deaf)
    }

    fn patience(&self, deadline: Instant) -> Patience<'_> {
        Patience::AtMost(deadline.saturating_duration_since(self.clock.now()), &self.clock)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::pool::PoolConfig;

    #[test]
    fn the_last_thread_of_a_pool_that_ends_may_leave_from_the_bench() {
        let keep_alive = Duration::from_millis(100);
        let config = PoolConfig { workers: 1, keep_alive, ..PoolConfig::default() };
        let pool = Pool::with_config(config).expect("a pool");
        let (registry, same) = (&pool.registry, pool.clone());
        let blocked = pool.submit(move || {
            let (tell, told) = mpsc::channel();
            same.spawn(move || tell.send(()).expect("it waits"));
            same.blocking(|| told.recv())
        });
        assert_eq!(blocked.wait().expect("it ran"), Ok(()));
        let sits = || registry.crew.counts().benched() > 0 || registry.crew.counts().threads() == 1;
        while !sits() {
            std::thread::yield_now();
        }
        // The end begins, and nobody has come to call up the bench.
        assert!(registry.phase.advance(ENDING));
        registry.sleep.wake_all();
        let report = pool.shutdown(Shutdown::Cancel, Duration::from_secs(60)).expect("no worker");
        assert_eq!(report.running.len(), 0);
        assert!(registry.phase.is_ended(), "nobody was the last one");
    }
}

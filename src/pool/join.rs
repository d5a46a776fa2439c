//! `join`: two closures, perhaps in parallel.
//!
//! The second closure goes into a frame on the caller's stack (`frame.rs`), linked to the frame
//! below, and the first one runs. If nobody asked for work meanwhile, the frame is still private: the
//! second one runs in place, and all it took was plain loads and stores. If it was shown it is taken
//! back, or, when a thief has it, waited for.
//!
//! The joins themselves are functions that are not inlined into their callers: a recursive caller is
//! then inlined into *them*, its test for the end of the recursion included, and there is one call a
//! join. What is rare is outlined once more.
//!
//! A waiter runs what its thief has spawned since the theft (leapfrogging, `gate.rs`), and else
//! nothing (P4): no stranger's work ever lies on top of a waiting stack.

use std::fmt;
use std::mem::ManuallyDrop;

use super::frame::{JoinFrame, Link};
use super::latch::Latch;
use super::station::Station;
use super::{Pool, guest, unwind};

/// The calling thread's place in fork-join: a worker of a pool, or a thread that helps as one for
/// the time of a region.
///
/// What [`Pool::join`] has to look up each time, this brings along: it is passed from each join to
/// the two closures, and joins called on it cost about half. It belongs to the call that it was
/// passed to, and cannot leave it or its thread.
///
/// # Examples
/// ```
/// use laneway::pool::{Pool, Worker};
///
/// fn fib(worker: Worker<'_>, n: u32) -> u64 {
///     if n < 2 {
///         return n.into();
///     }
///     let (a, b) = worker.join(|worker| fib(worker, n - 1), |worker| fib(worker, n - 2));
///     a + b
/// }
///
/// let pool = Pool::new()?;
/// assert_eq!(pool.enter(|worker| fib(worker, 20)), 6765);
/// # Ok::<(), laneway::pool::PoolError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Worker<'s> {
    // Neither Send nor Sync: with that a join cannot be called past the frames that lie between.
    station: &'s Station,
    /// The way to the newest frame.
    link: Link,
}

impl Pool {
    /// Runs both closures, perhaps in parallel, and returns both results.
    ///
    /// `a` runs on the calling thread; `b` runs there too, after `a`, unless another worker has
    /// taken it by then. In that case the call blocks until that worker is done with it, and runs
    /// nothing in the meantime but what that half has itself put off: no stranger's work enters a
    /// lock that is held across a join.
    ///
    /// On a thread that is no worker of this pool the caller helps as a temporary worker; when too
    /// many foreign threads do so at once, both closures run on the calling thread.
    ///
    /// What it costs while nobody asks for work: no allocation, no atomic read-modify-write, no
    /// fence. A recursion that passes a [`Worker`] along saves the look-up of the calling thread's.
    ///
    /// The work of a join is not *posted*: it does not depend on the pool's being alive.
    ///
    /// # Panics
    /// With the panic of `a` or `b`. If `a` panics, `b` does not start if it has not; if it was
    /// taken, the panic goes on only when `b` has ended. If both panic, `a`'s is the one.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// fn sum(pool: &Pool, numbers: &[u64]) -> u64 {
    ///     if numbers.len() <= 1024 {
    ///         return numbers.iter().sum();
    ///     }
    ///     let (left, right) = numbers.split_at(numbers.len() / 2);
    ///     let (left, right) = pool.join(|| sum(pool, left), || sum(pool, right));
    ///     left + right
    /// }
    ///
    /// let pool = Pool::new()?;
    /// let numbers: Vec<u64> = (0..100_000).collect();
    /// assert_eq!(sum(&pool, &numbers), 4_999_950_000);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let (a, b) = (|_: Worker<'_>| a(), |_: Worker<'_>| b());
        if let Some(station) = Station::current(&self.registry) {
            return join_at::<true, _, _, _, _>(Worker::at(station), a, b);
        }
        guest::visit(&self.registry, |station| {
            join_at::<true, _, _, _, _>(Worker::at(station), a, b)
        })
    }

    /// Calls `region` on this thread with the thread's place in this pool: the start for joins that
    /// pass it along, see [`Worker`]. Off the pool the caller helps as a temporary worker for the
    /// time of the call.
    #[inline]
    pub fn enter<R>(&self, region: impl FnOnce(Worker<'_>) -> R) -> R {
        match Station::current(&self.registry) {
            Some(station) => region(Worker::at(station)),
            None => guest::visit(&self.registry, |station| region(Worker::at(station))),
        }
    }
}

impl<'s> Worker<'s> {
    /// The calling thread's, at its station.
    #[inline(always)]
    pub(super) fn at(station: &'s Station) -> Self {
        Self { station, link: station.top() }
    }

    /// Runs both closures, perhaps in parallel, and returns both results: [`Pool::join`] without a
    /// look-up. Each closure gets the place of the thread that it runs on.
    ///
    /// # Panics
    /// As [`Pool::join`].
    #[inline(always)]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Worker<'_>) -> RA + Send,
        B: FnOnce(Worker<'_>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        join_at::<false, _, _, _, _>(self, a, b)
    }

    /// As [`Pool::tick`], for long closures of joins that pass the worker along.
    #[inline]
    pub fn tick(self) {
        self.station.offer(self.link);
    }

    /// The index of the worker, from 0; `None` for a foreign thread that helps.
    pub fn index(self) -> Option<usize> {
        self.station.visits().map(|_| self.station.row())
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index()).finish_non_exhaustive()
    }
}

/// `TOPPED`: what the closures call finds the newest frame in the station's `top`.
#[inline(never)]
fn join_at<const TOPPED: bool, A, B, RA, RB>(worker: Worker<'_>, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(Worker<'_>) -> RA + Send,
    B: FnOnce(Worker<'_>) -> RB + Send,
    RA: Send,
    RB: Send,
{
    let Worker { station, link } = worker;
    let frame = JoinFrame::new(b, link);
    let mut inside = Link::to(frame.as_ptr(), 0);
    if link.is_eager() || station.is_asked() {
        inside = station.attend(frame.as_ptr());
    }
    if TOPPED {
        station.set_top(inside);
    }
    let unwinding = Unwinding::<TOPPED, B, RB> { station, frame: &frame };
    let ra = a(Worker { station, link: inside });
    let _defused = ManuallyDrop::new(unwinding);
    let link = frame.link();
    if link.is_shown() {
        return (ra, finish_shown::<TOPPED, B, RB>(station, &frame));
    }
    if TOPPED {
        station.set_top(link);
    }
    // SAFETY: private until now, and from here on no link leads to it.
    let b = unsafe { frame.take_body() };
    (ra, b(Worker { station, link }))
}

/// The result of a frame that was shown.
#[cold]
#[inline(never)]
fn finish_shown<const TOPPED: bool, B, R>(station: &Station, frame: &JoinFrame<B, R>) -> R
where
    B: FnOnce(Worker<'_>) -> R + Send,
    R: Send,
{
    let link = frame.link().unshown();
    if TOPPED {
        station.set_top(link);
    }
    let is_back = station.take_back(frame.as_ptr());
    if !is_back {
        await_thief(station, frame);
    }
    // SAFETY: taken back, or the latch is set.
    unsafe { frame.end_shown() };
    if is_back {
        // SAFETY: taken out of the deque by us.
        let body = unsafe { frame.take_body() };
        return body(Worker { station, link });
    }
    // SAFETY: the latch is set; once.
    unsafe { frame.take_result() }.unwrap_or_else(|panic| unwind::resume(panic))
}

/// Waits until the thief is done with the frame, which was shown, and helps with it meanwhile.
fn await_thief<B, R>(station: &Station, frame: &JoinFrame<B, R>)
where
    B: FnOnce(Worker<'_>) -> R + Send,
    R: Send,
{
    // SAFETY: shown.
    let latch: &Latch = unsafe { frame.latch() };
    let leap = || {
        // SAFETY: shown.
        let thief = unsafe { frame.thief() }?;
        station.leap(thief, || latch.is_set())
    };
    while let Some(found) = station.seek(|| latch.is_set(), leap) {
        // SAFETY: stolen, by `leap`.
        unsafe { found.execute(station) };
    }
    if !latch.is_set() {
        station.block(|parker| latch.wait(parker));
    }
}

/// While the first closure runs: gets the frame back if that unwinds.
struct Unwinding<'f, const TOPPED: bool, B, R>
where
    B: FnOnce(Worker<'_>) -> R + Send,
    R: Send,
{
    station: &'f Station,
    frame: &'f JoinFrame<B, R>,
}

impl<const TOPPED: bool, B, R> Drop for Unwinding<'_, TOPPED, B, R>
where
    B: FnOnce(Worker<'_>) -> R + Send,
    R: Send,
{
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        let Self { station, frame } = *self;
        let link = frame.link();
        if TOPPED {
            station.set_top(link.unshown());
        }
        let is_back = !link.is_shown() || station.take_back(frame.as_ptr());
        if !is_back {
            await_thief(station, frame);
        }
        if link.is_shown() {
            // SAFETY: taken back, or the latch is set.
            unsafe { frame.end_shown() };
        }
        if is_back {
            // SAFETY: private, or taken out of the deque by us.
            unwind::discard(unsafe { frame.take_body() });
        } else {
            // SAFETY: the latch is set; once. The panic under way is the one that is told.
            unwind::discard(unsafe { frame.take_result() });
        }
    }
}

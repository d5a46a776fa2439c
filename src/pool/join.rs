//! `join`: two closures, perhaps in parallel.
//!
//! The second closure goes into a frame on the caller's stack, the frame on the station's stack of
//! frames (`station.rs`), and the first one runs. If nobody was hungry meanwhile, the frame is
//! still private: it is popped and run in place, with plain loads and stores only. If it was shown
//! it is taken back, or, when a thief has it, waited for.
//!
//! A waiter runs nothing else (P4): no stranger's work ever lies on top of a waiting stack.

use std::mem::ManuallyDrop;

use super::frame::JoinFrame;
use super::latch::Latch;
use super::station::Station;
use super::{Pool, guest, unwind};
use crate::sync;

/// How often the owner of a stolen frame looks at its latch before it parks.
const SPINS: usize = sync::sized(128, 1);

impl Pool {
    /// Runs both closures, perhaps in parallel, and returns both results.
    ///
    /// `a` runs on the calling thread; `b` runs there too, after `a`, unless another worker has
    /// taken it by then. In that case the call blocks until that worker is done with it, and runs
    /// nothing else in the meantime: a lock that is held across a join is not entered again.
    ///
    /// On a thread that is no worker of this pool the caller helps as a temporary worker; when too
    /// many foreign threads do so at once, both closures run on the calling thread.
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
        if let Some(station) = Station::current(&self.registry) {
            return join_at(station, a, b);
        }
        guest::visit(&self.registry, |station| match station {
            Some(station) => join_at(station, a, b),
            None => (a(), b()),
        })
    }
}

#[inline]
fn join_at<A, B, RA, RB>(station: &Station, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let frame = JoinFrame::new(b);
    let Some(place) = station.push(frame.as_ptr()) else {
        // SAFETY: never pushed, so private.
        let b = unsafe { frame.take_body() };
        return (a(), b());
    };
    let unwinding = Unwinding { station, frame: &frame, place };
    let ra = a();
    let _defused = ManuallyDrop::new(unwinding);
    if station.pop_private(place) {
        // SAFETY: private until now, and off the stack.
        let b = unsafe { frame.take_body() };
        return (ra, b());
    }
    (ra, finish_shown(station, &frame, place))
}

/// The result of a frame that was shown.
#[cold]
#[inline(never)]
fn finish_shown<B, R>(station: &Station, frame: &JoinFrame<B, R>, place: usize) -> R
where
    B: FnOnce() -> R + Send,
    R: Send,
{
    if station.pop_shown(place, frame.as_ptr()) {
        // SAFETY: taken out of the deque by us.
        let body = unsafe { frame.take_body() };
        return body();
    }
    await_thief(station, frame.latch());
    // SAFETY: the latch is set; once.
    unsafe { frame.take_result() }.unwrap_or_else(|panic| unwind::resume(panic))
}

/// Waits until the thief is done with the frame.
fn await_thief(station: &Station, latch: &Latch) {
    for _ in 0..SPINS {
        if latch.is_set() {
            return;
        }
        sync::spin_loop();
    }
    station.block(|parker| latch.wait(parker));
}

/// While the first closure runs: gets the frame back if that unwinds.
struct Unwinding<'f, B, R>
where
    B: FnOnce() -> R + Send,
    R: Send,
{
    station: &'f Station,
    frame: &'f JoinFrame<B, R>,
    place: usize,
}

impl<B, R> Drop for Unwinding<'_, B, R>
where
    B: FnOnce() -> R + Send,
    R: Send,
{
    #[cold]
    fn drop(&mut self) {
        let Self { station, frame, place } = *self;
        if station.pop_private(place) || station.pop_shown(place, frame.as_ptr()) {
            // SAFETY: private, or taken out of the deque by us.
            unwind::discard(unsafe { frame.take_body() });
            return;
        }
        await_thief(station, frame.latch());
        // SAFETY: the latch is set; once. The panic under way is the one that is told.
        unwind::discard(unsafe { frame.take_result() });
    }
}

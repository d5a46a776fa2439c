//! Work that is run again and again (P7).
//!
//! A repetition is one box that travels: armed as a timer, posted when it is due, run by a worker,
//! and armed again by that worker. So it never runs twice at one time, and each run happens after
//! the one before. Cancelling takes the box out of the timer, or leaves a mark for the worker that
//! has it.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::registry::Registry;
use super::work::{Runnable, Work};
use super::{Pool, Timer, timer, unwind};
use crate::sync::Arc;

/// Work that is run again and again, until it is cancelled or its pool ends.
///
/// Dropping it changes nothing: the work goes on.
#[must_use = "without it the repetition cannot be cancelled; drop it if that is meant"]
pub struct Repetition {
    shared: Arc<Mutex<State>>,
}

/// Cold: once per run.
enum State {
    Armed(Timer),
    /// A worker has it, or it is being armed.
    Out,
    Over,
}

struct Repeated<F> {
    body: F,
    registry: Arc<Registry>,
    shared: Arc<Mutex<State>>,
    period: Duration,
    beat: Beat,
}

#[derive(Clone, Copy)]
enum Beat {
    /// Due at this moment and at every period after it.
    Rate(Instant),
    /// A period lies between the end of a run and the next.
    Delay,
}

impl Repetition {
    /// Ends the repetition: true if this call did. A run that is under way ends as it would have;
    /// no other begins. Does not block.
    pub fn cancel(&self) -> bool {
        let before = std::mem::replace(&mut *self.shared.lock(), State::Over);
        match before {
            State::Armed(timer) => {
                let _fired_already = !timer.cancel();
                true
            }
            State::Out => true,
            State::Over => false,
        }
    }

    /// True once nothing more will be run: cancelled, or ended by a panic or with its pool.
    pub fn is_over(&self) -> bool {
        matches!(*self.shared.lock(), State::Over)
    }
}

impl fmt::Debug for Repetition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repetition").field("is_over", &self.is_over()).finish()
    }
}

impl Pool {
    /// Runs `f` on a worker after `delay`, and from then on once in every `period`, counted from the
    /// first time it was due. Returns at once.
    ///
    /// Runs never overlap. Beats that pass while `f` runs, or while no worker is free, are left out:
    /// the next run is at the next beat. A zero `period` counts as a nanosecond. A panic of `f` ends
    /// the repetition and goes to the pool's panic handler.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let (tell, told) = mpsc::channel();
    /// let millisecond = Duration::from_millis(1);
    /// let ticking = pool.schedule_at_fixed_rate(millisecond, millisecond, move || {
    ///     let _nobody_listens_any_more = tell.send("tick");
    /// });
    /// assert_eq!(told.iter().take(3).count(), 3);
    /// assert!(ticking.cancel());
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn schedule_at_fixed_rate<F: FnMut() + Send + 'static>(
        &self,
        delay: Duration,
        period: Duration,
        f: F,
    ) -> Repetition {
        let first = self.registry.clock.after(delay);
        self.repeat(first, period, Beat::Rate(first), f)
    }

    /// Runs `f` on a worker after `delay`, and again `pause` after each run has ended. Otherwise as
    /// [`schedule_at_fixed_rate`](Self::schedule_at_fixed_rate).
    pub fn schedule_with_fixed_delay<F: FnMut() + Send + 'static>(
        &self,
        delay: Duration,
        pause: Duration,
        f: F,
    ) -> Repetition {
        self.repeat(self.registry.clock.after(delay), pause, Beat::Delay, f)
    }

    fn repeat<F: FnMut() + Send + 'static>(
        &self,
        first: Instant,
        period: Duration,
        beat: Beat,
        body: F,
    ) -> Repetition {
        let shared = Arc::new(Mutex::new(State::Out));
        let period = period.max(Duration::from_nanos(1));
        let registry = Arc::clone(&self.registry);
        Box::new(Repeated { body, registry, shared: Arc::clone(&shared), period, beat }).arm(first);
        Repetition { shared }
    }
}

impl<F: FnMut() + Send + 'static> Repeated<F> {
    /// Waits for the next time, unless the repetition is over.
    fn arm(self: Box<Self>, at: Instant) {
        let (registry, shared) = (Arc::clone(&self.registry), Arc::clone(&self.shared));
        if matches!(*shared.lock(), State::Over) {
            return;
        }
        // Not under the lock: a pool that has ended drops the work here and now.
        let timer = timer::schedule(&registry, at, Work::new(self));
        let mut state = shared.lock();
        match *state {
            State::Out if !timer.is_over() => *state = State::Armed(timer),
            // It has fired meanwhile, and whoever has it arms it; or the pool ended.
            State::Out | State::Armed(_) => {}
            State::Over => {
                drop(state);
                let _fired_already = !timer.cancel();
            }
        }
    }

    fn next(&self) -> Instant {
        let now = self.registry.clock.now();
        match self.beat {
            Beat::Delay => self.registry.clock.after(self.period),
            Beat::Rate(first) => next_beat(first, self.period, now),
        }
    }
}

/// The first beat after `now`.
fn next_beat(first: Instant, period: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(first).as_nanos() / period.as_nanos();
    let beats = period.as_nanos().saturating_mul(passed + 1);
    let until = u64::try_from(beats).map_or(Duration::MAX, Duration::from_nanos);
    first.checked_add(until).unwrap_or(now + period)
}

impl<F: FnMut() + Send + 'static> Runnable for Box<Repeated<F>> {
    fn run(mut self) {
        {
            let mut state = self.shared.lock();
            if matches!(*state, State::Over) {
                return;
            }
            *state = State::Out;
        }
        if let Err(panic) = unwind::halt(&mut self.body) {
            *self.shared.lock() = State::Over;
            self.registry.report_panic(panic);
            return;
        }
        let next = self.next();
        self.arm(next);
    }

    fn abandon(self) {
        *self.shared.lock() = State::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_that_have_passed_are_left_out() {
        let first = Instant::now();
        let period = Duration::from_millis(10);
        let at = |ms| first + Duration::from_millis(ms);
        assert_eq!(next_beat(first, period, first), at(10));
        assert_eq!(next_beat(first, period, at(9)), at(10));
        assert_eq!(next_beat(first, period, at(10)), at(20));
        assert_eq!(next_beat(first, period, at(95)), at(100));
    }
}

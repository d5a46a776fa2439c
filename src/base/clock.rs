//! The clock: the only place that reads it.
//!
//! Everything else is handed the time or a [`Clock`]: the system's monotonic clock, or one that
//! stands still until somebody moves it. A manual clock only moves forward.

use std::time::{Duration, Instant, SystemTime};

use crate::sync::{Arc, AtomicU64, Ordering};

/// Where the time comes from. Cheap to clone; clones of a manual clock are moved together.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    origin: Instant,
    /// Nanoseconds since then; 584 years fit.
    elapsed: AtomicU64,
}

/// The time of day at which manual clocks begin: 2000-01-01, so that runs are equal.
const MANUAL_EPOCH_MS: u64 = 946_684_800_000;

impl Clock {
    /// The system's monotonic clock.
    pub(crate) const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`move_to`](Self::move_to).
    pub(crate) fn manual() -> Self {
        Self(Source::Manual(Arc::new(Manual {
            origin: Instant::now(),
            elapsed: AtomicU64::new(0),
        })))
    }

    /// The time now. Monotonic.
    pub(crate) fn now(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(manual) => manual.origin + manual.elapsed(),
        }
    }

    /// The time of day: milliseconds since 1970, zero before that. Not monotonic; for times that
    /// are stored.
    pub(crate) fn unix_ms(&self) -> u64 {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match &self.0 {
            Source::System => {
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
            }
            Source::Manual(manual) => MANUAL_EPOCH_MS + milliseconds(manual.elapsed()),
        }
    }

    /// The time of day in nanoseconds since 1970: for numbers that two openers hardly share.
    pub(crate) fn unix_ns(&self) -> u64 {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match &self.0 {
            Source::System => {
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
            }
            Source::Manual(manual) => MANUAL_EPOCH_MS * 1_000_000 + nanoseconds(manual.elapsed()),
        }
    }

    /// The moment `delay` from now; a delay that no clock can reach becomes the farthest moment
    /// that is certainly representable (about a century).
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + CENTURY)
    }

    /// Moves a manual clock on to `time`, unless it is there. False, without effect, for the
    /// system's clock: its time passes by itself.
    pub(crate) fn move_to(&self, time: Instant) -> bool {
        let Source::Manual(manual) = &self.0 else { return false };
        let elapsed = time.saturating_duration_since(manual.origin).as_nanos();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        // Relaxed: the time is read for itself; nothing else is seen through it.
        manual.elapsed.fetch_max(elapsed, Ordering::Relaxed);
        true
    }
}

impl Manual {
    fn elapsed(&self) -> Duration {
        // Relaxed: as in `move_to`.
        Duration::from_nanos(self.elapsed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_forward_only_and_with_its_clones() {
        let clock = Clock::manual();
        let (start, day) = (clock.now(), clock.unix_ms());
        assert!(clock.clone().move_to(start + Duration::from_millis(5)));
        clock.move_to(start);
        assert_eq!(clock.now() - start, Duration::from_millis(5));
        assert_eq!(clock.unix_ms() - day, 5);
        assert!(!Clock::system().move_to(start));
    }
}

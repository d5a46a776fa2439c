//! The clock: the only place that reads it.
//!
//! Everything else is handed the time or a [`Clock`]. Today there is one kind, the system's
//! monotonic clock; the type is the seam for one that tests move by hand.

use std::time::{Duration, Instant, SystemTime};

/// Where the time comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
}

impl Clock {
    /// The system's monotonic clock.
    pub(crate) const fn system() -> Self {
        Self(Source::System)
    }

    /// The time now. Monotonic.
    pub(crate) fn now(&self) -> Instant {
        match self.0 {
            Source::System => Instant::now(),
        }
    }

    /// The time of day: milliseconds since 1970, zero before that. Not monotonic; for times that
    /// are stored.
    pub(crate) fn unix_ms(&self) -> u64 {
        match self.0 {
            Source::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// The moment `delay` from now; a delay that no clock can reach becomes the farthest moment
    /// that is certainly representable (about a century).
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + CENTURY)
    }
}

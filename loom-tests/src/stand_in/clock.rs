//! A clock that stands still: time must not decide what an execution does.

use std::sync::OnceLock;
use std::time::Instant;

/// As `base/clock.rs`.
#[derive(Clone, Debug)]
pub(crate) struct Clock;

impl Clock {
    /// Always the same.
    pub(crate) fn now(&self) -> Instant {
        static NOW: OnceLock<Instant> = OnceLock::new();
        *NOW.get_or_init(Instant::now)
    }
}

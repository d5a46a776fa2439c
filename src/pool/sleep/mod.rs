//! Who sleeps, who searches, who is woken. See `README.md` beside this file.

/// The most workers that a pool can have.
pub(crate) const WORKERS_MAX: usize = 2047;

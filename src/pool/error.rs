//! What can go wrong with the pool.

use std::error::Error;
use std::fmt;
use std::io;

/// Why the pool did not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// A setting is out of the range that [`PoolConfig`](super::PoolConfig) states; nothing was
    /// started.
    Config {
        /// The field that is wrong.
        field: &'static str,
    },
    /// A worker thread could not be started. Those that had been started have ended again.
    Spawn {
        /// The worker that failed, from 0.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The work was cancelled before it started: by its handle, or because the pool shut down.
    Cancelled,
    /// The outcome of the work was taken before.
    Taken,
    /// The process was forked from the one that built the pool, whose threads are not here.
    Forked,
    /// The wait could only wait for itself: for work that is on the caller's own stack, on a
    /// worker for the end of its own pool, or while every other worker waits too.
    WouldDeadlock,
    /// The default pool of the process was built before; see
    /// [`Pool::build_global`](super::Pool::build_global).
    GlobalExists,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { field } => write!(f, "the pool's `{field}` is out of range"),
            Self::Spawn { worker, source } => {
                write!(f, "worker {worker} could not be started: {source}")
            }
            Self::Cancelled => f.write_str("the work was cancelled before it started"),
            Self::Taken => f.write_str("the outcome of the work was taken before"),
            Self::Forked => {
                f.write_str("the pool belongs to the process that this one was forked from")
            }
            Self::WouldDeadlock => f.write_str("the wait could only wait for itself"),
            Self::GlobalExists => f.write_str("the default pool was built before"),
        }
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn { source, .. } => Some(source),
            Self::Config { .. }
            | Self::Cancelled
            | Self::Taken
            | Self::Forked
            | Self::WouldDeadlock
            | Self::GlobalExists => None,
        }
    }
}

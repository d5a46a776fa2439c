//! How a pool is to be built.

use std::any::Any;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::sleep::WORKERS_MAX;
use super::{PoolError, affinity};

/// Receives the panics of work that nobody joins.
pub type PanicHandler = Arc<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;

/// Called on a worker thread with the worker's index, when it starts or ends.
pub type ThreadHook = Arc<dyn Fn(usize) + Send + Sync>;

const _: () = assert!(WORKERS_MAX == 2047, "the page of `workers` states the range");

/// A small pool may grow to so many workers, whatever it was built with.
const PARALLELISM_ROOM: usize = 256;

/// Events that each worker can keep.
const TRACE_EVENTS_MAX: usize = 1 << 24;

/// Settings of a [`Pool`](super::Pool), checked when it is built.
///
/// ```
/// use laneway::pool::{Pool, PoolConfig};
///
/// let pool = Pool::with_config(PoolConfig { workers: 2, ..PoolConfig::default() })?;
/// assert_eq!(pool.workers(), 2);
/// # Ok::<(), laneway::pool::PoolError>(())
/// ```
#[derive(Clone)]
pub struct PoolConfig {
    /// Worker threads, 1 to 2047. Default: what the CPU affinity and the cgroup quota grant,
    /// whichever is less.
    pub workers: usize,
    /// Threads are called `name-0`, `name-1`, …; no NUL in it. Default: `laneway`.
    pub name: String,
    /// Bytes of stack of each worker; `None` leaves it to the standard library (2 MiB, or
    /// `RUST_MIN_STACK`).
    pub stack_size: Option<usize>,
    /// Threads over `workers` that may be there while workers block
    /// ([`Pool::blocking`](super::Pool::blocking), and waits of the pool's own). Default: 256. All
    /// threads together are at most 2047.
    pub max_blocking: usize,
    /// How long a thread that is not needed stays: one that worked while another was blocked, the
    /// timekeeper. Default: 10 seconds.
    pub keep_alive: Duration,
    /// Pins the workers to processors, one after the other of those that the process may use.
    /// Threads that work while others are blocked are not pinned. Default: false. No effect where
    /// the system has no such call (other than Linux), or refuses it.
    pub pin: bool,
    /// Receives the panic of work that nobody joins, on the thread where it happened.
    ///
    /// `None`: the panic hook has already reported it when it began; the process and the worker
    /// live on. A panic of the handler itself is dropped.
    pub panic_handler: Option<PanicHandler>,
    /// Called on each worker thread before its first piece of work, also on threads that work in
    /// place of blocked ones. A panic goes to the panic handler, and the thread works all the same.
    pub thread_start: Option<ThreadHook>,
    /// Called on each worker thread after its last piece of work, before a shutdown joins it. A
    /// panic goes to the panic handler.
    pub thread_exit: Option<ThreadHook>,
    /// How many events each worker keeps for [`Pool::write_trace`](super::Pool::write_trace), 8
    /// bytes each, at most 16 777 216. Default: 0, and none are written.
    pub trace_events: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS_MAX),
            name: "laneway".to_owned(),
            stack_size: None,
            max_blocking: 256,
            keep_alive: Duration::from_secs(10),
            pin: false,
            panic_handler: None,
            thread_start: None,
            thread_exit: None,
            trace_events: 0,
        }
    }
}

impl PoolConfig {
    pub(super) fn check(&self) -> Result<(), PoolError> {
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            return Err(PoolError::Config { field: "workers" });
        }
        if self.trace_events > TRACE_EVENTS_MAX {
            return Err(PoolError::Config { field: "trace_events" });
        }
        if self.name.contains('\0') {
            return Err(PoolError::Config { field: "name" });
        }
        Ok(())
    }

    /// Worker threads that can be there at the same time, and so be the parallelism.
    pub(super) fn threads_max(&self) -> usize {
        let room = self.workers.max(PARALLELISM_ROOM);
        room.saturating_add(self.max_blocking).min(WORKERS_MAX)
    }

    /// The calling thread is worker `index`, and begins.
    pub(super) fn place(&self, index: usize) {
        if self.pin && index < self.workers {
            affinity::pin(index);
        }
    }

    /// The name of worker `index`.
    pub(super) fn thread_name(&self, index: usize) -> String {
        format!("{}-{index}", self.name)
    }
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("workers", &self.workers)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("max_blocking", &self.max_blocking)
            .field("keep_alive", &self.keep_alive)
            .field("pin", &self.pin)
            .field("panic_handler", &self.panic_handler.is_some())
            .field("thread_start", &self.thread_start.is_some())
            .field("thread_exit", &self.thread_exit.is_some())
            .field("trace_events", &self.trace_events)
            .finish()
    }
}

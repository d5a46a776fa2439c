//! A pool's parallelism, changed while it works (P6).
//!
//! Growing starts threads, or calls them from the bench. Shrinking wakes whoever sleeps; each thread
//! that finds, between two pieces of work, that too many are active sits down on the bench, and ends
//! after `keep_alive`. Nothing that runs is interrupted, nothing that is queued is lost: what a
//! thread leaves in its queues others take.

use super::bench::Hired;
use super::registry::Registry;
use super::{Pool, PoolError};

impl Pool {
    /// How many workers the pool keeps at work: as it was built, or as
    /// [`set_parallelism`](Self::set_parallelism) said last. While workers block there are more
    /// threads, and after that until `keep_alive` is over.
    pub fn workers(&self) -> usize {
        self.registry.crew.counts().target()
    }

    /// Changes how many workers the pool keeps at work; how many that were before. Does not wait for
    /// anybody: workers over the new number end what they are running first.
    ///
    /// # Errors
    /// [`PoolError::Config`] for 0, or for more than the pool has room for: 256 or what it was built
    /// with, whichever is more, plus `max_blocking`, and at most 2047; nothing has changed then.
    /// [`PoolError::Spawn`] if the system refuses a thread: the number is set all the same, and
    /// missing threads are started as soon as they are wanted and can be.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::with_config(PoolConfig { workers: 1, ..PoolConfig::default() })?;
    /// assert_eq!(pool.set_parallelism(3)?, 1);
    /// assert_eq!(pool.workers(), 3);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn set_parallelism(&self, workers: usize) -> Result<usize, PoolError> {
        self.registry.resize(workers)
    }
}

impl Registry {
    fn resize(&self, workers: usize) -> Result<usize, PoolError> {
        self.check_fork()?;
        if !(1..=self.crew.limit()).contains(&workers) {
            return Err(PoolError::Config { field: "workers" });
        }
        let before = self.crew.set_target(workers);
        if workers < before {
            self.sleep.wake_all();
        }
        while self.crew.counts().lacks() {
            match self.hire() {
                Ok(Hired::Yes) => {}
                Ok(Hired::Full) => break, // the pool ends
                Err(source) => {
                    let worker = self.crew.counts().active();
                    return Err(PoolError::Spawn { worker, source });
                }
            }
        }
        Ok(before)
    }
}

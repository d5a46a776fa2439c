//! laneway: work that is fast, in order, and survives.
//!
//! A work-stealing pool for fork-join, *lanes* that run the jobs of one key one after another and
//! all other keys in parallel, and persistent tasks whose records outlive the process.
//!
//! # Fast: fork and join
//!
//! ```
//! use laneway::Pool;
//!
//! fn sum(pool: &Pool, numbers: &[u64]) -> u64 {
//!     if numbers.len() <= 1000 {
//!         return numbers.iter().sum();
//!     }
//!     let (left, right) = numbers.split_at(numbers.len() / 2);
//!     let (left, right) = pool.join(|| sum(pool, left), || sum(pool, right));
//!     left + right
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let numbers: Vec<u64> = (1..=10_000).collect();
//! assert_eq!(sum(&Pool::new()?, &numbers), 50_005_000);
//! # Ok(()) }
//! ```
//!
//! # In order: keyed jobs
//!
//! ```
//! use laneway::{Coordinator, Job, Pool};
//! use std::sync::mpsc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coordinator = Coordinator::new(&Pool::new()?);
//! let (log, ends) = mpsc::channel();
//! for amount in 1..=3 {
//!     let log = log.clone();
//!     // Same key: one at a time, in this order. Other keys would run in parallel.
//!     coordinator.submit_detached("account-7", Job::once(move |_| Ok(log.send(amount))))?;
//! }
//! drop(log);
//! assert_eq!(ends.iter().collect::<Vec<_>>(), [1, 2, 3]);
//! # Ok(()) }
//! ```
//!
//! # And when it fails: retry, then undo
//!
//! ```
//! use laneway::{Coordinator, Job, JobError, JobOutcome, Pool, RetryPolicy};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coordinator = Coordinator::new(&Pool::new()?);
//! let job = Job::repeatable(|_| Err::<(), _>(JobError::new("the seat is taken")))
//!     .retry(RetryPolicy {
//!         retries: 2,
//!         delay_base: Duration::from_millis(1),
//!         ..RetryPolicy::default()
//!     })
//!     .undo(|ctx| {
//!         println!("giving the money back after {} attempts: {}", ctx.attempts(), ctx.cause());
//!         Ok(())
//!     });
//! let outcome = coordinator.submit("seat-12a", job)?.wait()?;
//! assert!(matches!(outcome, JobOutcome::RolledBack { .. }));
//! # Ok(()) }
//! ```
//!
//! # Layers
//!
//! Each imports only from those below it.
//!
//! ```text
//!  service      persistent tasks in this process: start, run, end, recover
//!  cluster      which nodes live, and which of them leads
//!  store        where their records are kept
//!  task         what a command does to the records (pure)
//!  coordinator  jobs: attempts, retries, undo, tokens, one outcome each
//!  lane         one queue per key, one visitor per shard
//!  pool         workers, fork-join, timers
//!  base, sync   promise, snapshot cell, clock; the facade over atomics
//! ```

mod base;
pub mod cluster;
pub mod coordinator;
mod lane;
pub mod pool;
pub mod service;
/// A value that is replaced as a whole, and readers that never wait for its writers.
pub mod snapshot {
    pub use crate::base::epoch_cell::{EpochCell, Guard, pin};
}
pub mod store;
mod sync;
pub mod task;

pub use coordinator::{
    Coordinator, Job, JobContext, JobError, JobHandle, JobOutcome, Key, OnDoubleFault, OnFailure,
    RetryPolicy, Token, UndoContext,
};
pub use pool::{Pool, PoolConfig, Shutdown};

//! What the benchmarks share: the workloads, and the peers that have to be written by hand.
//!
//! A peer is written as its users would write it: same jobs, same keys, same hasher, same number of
//! threads as laneway beside it. Nothing here is tuned down.

pub mod durable;
pub mod forkjoin;
pub mod keyed;
pub mod measure;

/// Threads that every contender gets.
pub const THREADS: usize = 2;

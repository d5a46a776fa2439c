//! What a pool has done so far, readable at any time without stopping it.

/// A reading of a pool's counters. Each figure is exact at some moment during the reading; they
/// fit together only while the pool is quiescent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Worker threads that live.
    pub workers: usize,
    /// Workers that are not asleep.
    pub active: usize,
    /// Workers that wait inside work: for a stolen frame, a scope, a handle.
    pub blocked: usize,
    /// Detached work, visits included, that waits for a worker.
    pub queued: usize,
    /// Work run by workers: detached work, visits and stolen frames.
    pub run: u64,
    /// Frames and detached work taken from another worker.
    pub steals: u64,
    /// Join frames shown to thieves.
    pub promotions: u64,
    /// Times a worker went to sleep.
    pub parks: u64,
    /// Times a worker was woken by another thread.
    pub wakes: u64,
    /// Panics that nobody joined.
    pub panics: u64,
}

//! Keyed jobs: one contract, [`Keyed`], and each contender behind it in a file of its own.
//!
//! Keys are 16 bytes, hashed by the same hasher everywhere. A job captures 32 bytes.

mod dashmap_rayon;
mod kanal_sharded;
mod laneway_lanes;
mod mutex_map_rayon;
mod queue_per_key;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

pub use dashmap_rayon::DashMapRayon;
pub use kanal_sharded::KanalSharded;
pub use laneway_lanes::LanewayLanes;
pub use mutex_map_rayon::MutexMapRayon;
pub use queue_per_key::QueuePerKey;

/// A key as users have them: an identifier of 16 bytes.
pub type Key = [u8; 16];

/// A job as the peers carry it.
pub type BoxedJob = Box<dyn FnOnce() + Send>;

/// Jobs of one key, waiting.
type Queue = VecDeque<BoxedJob>;

/// Runs jobs of one key in order, one at a time, and different keys in parallel.
pub trait Keyed {
    /// Hands over `job`; does not wait for it.
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static);
}

/// The work itself: a cell per key that notices a broken order or two jobs of a key at once, and a
/// count of the jobs still to end.
#[derive(Debug)]
pub struct Ledger {
    next: Box<[AtomicU32]>,
    violations: AtomicU64,
    left: AtomicUsize,
    waiter: std::thread::Thread,
}

impl Ledger {
    /// A ledger of `keys` keys, owned by the calling thread, which alone may wait on it.
    pub fn new(keys: usize) -> Arc<Self> {
        Arc::new(Self {
            next: (0..keys).map(|_| AtomicU32::new(0)).collect(),
            violations: AtomicU64::new(0),
            left: AtomicUsize::new(0),
            waiter: std::thread::current(),
        })
    }

    /// Expects so many jobs.
    fn begin(&self, jobs: usize) {
        for cell in &self.next {
            cell.store(0, Ordering::Relaxed);
        }
        self.left.store(jobs, Ordering::Relaxed);
    }

    /// The work of job number `turn` of key number `key`.
    pub fn enter(&self, key: usize, turn: u32) {
        // Relaxed, load then store: the contender's promise orders them, and this checks it.
        if self.next[key].load(Ordering::Relaxed) != turn {
            self.violations.fetch_add(1, Ordering::Relaxed);
        }
        self.next[key].store(turn + 1, Ordering::Relaxed);
        // Release: pairs with the Acquire in `wait`.
        if self.left.fetch_sub(1, Ordering::Release) == 1 {
            self.waiter.unpark();
        }
    }

    /// Waits until every expected job has ended.
    ///
    /// # Panics
    /// If any job ran out of order.
    fn wait(&self) {
        // Acquire: pairs with the Release in `enter`.
        while self.left.load(Ordering::Acquire) != 0 {
            std::thread::park();
        }
        assert_eq!(self.violations.load(Ordering::Relaxed), 0, "order or exclusion broken");
    }
}

/// Which key each job has, and its turn within its key, in the order of submission.
pub type Plan = Vec<(usize, u32)>;

/// As [`schedule`], with keys by Zipf's law: the key of rank *r* has a weight of 1 / r^exponent.
pub fn zipf(keys: usize, jobs: usize, exponent: f64) -> Plan {
    let mut sum = 0.0;
    let weights = (1..=keys).map(|rank| {
        sum += (rank as f64).powf(-exponent);
        sum
    });
    let sums: Vec<f64> = weights.collect();
    let uniform = schedule(1 << 30, jobs);
    let mut turns = vec![0u32; keys];
    uniform
        .into_iter()
        .map(|(drawn, _)| {
            let at = drawn as f64 / (1u64 << 30) as f64 * sum;
            let key = sums.partition_point(|sum| *sum < at).min(keys - 1);
            turns[key] += 1;
            (key, turns[key] - 1)
        })
        .collect()
}

/// Keys in the order in which jobs are submitted: a fixed pseudo-random sequence over `keys` keys,
/// with each job's turn within its key.
pub fn schedule(keys: usize, jobs: usize) -> Plan {
    let mut turns = vec![0u32; keys];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..jobs)
        .map(|_| {
            // xorshift64 (Marsaglia 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let key = (state % keys as u64) as usize;
            turns[key] += 1;
            (key, turns[key] - 1)
        })
        .collect()
}

/// As [`run`], from several threads, each with the keys that are its own.
pub fn run_from<K: Keyed + Sync>(
    contender: &K,
    ledger: &Arc<Ledger>,
    schedule: &[(usize, u32)],
    producers: usize,
) {
    ledger.begin(schedule.len());
    std::thread::scope(|threads| {
        for producer in 0..producers {
            threads.spawn(move || {
                for &(key, turn) in schedule.iter().filter(|(key, _)| key % producers == producer) {
                    submit(contender, ledger, key, turn);
                }
            });
        }
    });
    ledger.wait();
}

fn submit<K: Keyed>(contender: &K, ledger: &Arc<Ledger>, key: usize, turn: u32) {
    let ledger = Arc::clone(ledger);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(key as u64).to_le_bytes());
    contender.submit(bytes, move || ledger.enter(key, turn));
}

/// Submits the whole schedule from the calling thread and waits for its end.
pub fn run<K: Keyed>(contender: &K, ledger: &Arc<Ledger>, schedule: &[(usize, u32)]) {
    ledger.begin(schedule.len());
    for &(key, turn) in schedule {
        submit(contender, ledger, key, turn);
    }
    ledger.wait();
}

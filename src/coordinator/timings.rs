//! How long jobs wait and run: histograms, and the keys that wait most.
//!
//! One job in [`SPARSELY`] is measured, or every one on request: it carries the moment of its
//! submission, reads the clock at its first start and at its end, and adds to counters that all
//! threads share. The others pay for a thread's own count.
//!
//! A histogram has eight buckets for every doubling, from a nanosecond on: what it says is at most
//! an eighth too long, whatever the size. (The layout of HdrHistogram with three bits; the crate of that
//! name records under a lock, or merges what each thread recorded.) The keys that wait most are kept
//! in a bounded table by Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of
//! Frequent and Top-k Elements in Data Streams, 2005), weighted by the wait.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::lane::Key;
use crate::sync::{AtomicU64, Ordering};

/// One of so many jobs is measured by default.
const SPARSELY: u32 = 64;

/// Keys that are kept.
const KEYS: usize = 64;

/// Bits of a time below its highest that tell its bucket.
const BITS: u32 = 3;
const PER_DOUBLING: usize = 1 << BITS;
const BUCKETS: usize = (64 - BITS as usize + 1) * PER_DOUBLING;

/// Which jobs are measured; see [`CoordinatorConfig::sampling`](super::CoordinatorConfig::sampling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// One in 64 of every submitting thread.
    #[default]
    Sparse,
    /// Every one. A plain job then costs as much as one with options.
    Exact,
    /// None.
    Off,
}

impl Sampling {
    /// Whether the job that this thread submits now is measured.
    #[inline]
    pub(crate) fn takes(self) -> bool {
        thread_local! {
            static SUBMITTED: Cell<u32> = const { Cell::new(0) };
        }
        match self {
            Self::Exact => true,
            Self::Off => false,
            Self::Sparse => {
                let submitted = SUBMITTED.get();
                SUBMITTED.set(submitted.wrapping_add(1));
                submitted.is_multiple_of(SPARSELY)
            }
        }
    }
}

/// The moments of a job that is measured.
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) submitted: Instant,
    pub(crate) started: Option<Instant>,
}

/// The bucket of a time: the place of its highest bit, and the next [`BITS`] bits.
fn bucket(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let Some(above) = nanos.checked_ilog2().and_then(|highest| highest.checked_sub(BITS)) else {
        return nanos as usize;
    };
    let mantissa = (nanos >> above) as usize; // PER_DOUBLING ..= 2 * PER_DOUBLING - 1
    above as usize * PER_DOUBLING + mantissa
}

/// The longest time of a bucket.
fn longest(bucket: usize) -> Duration {
    let Some(above) = (bucket / PER_DOUBLING).checked_sub(1) else {
        return Duration::from_nanos(bucket as u64);
    };
    let mantissa = (bucket % PER_DOUBLING + PER_DOUBLING) as u128;
    let nanos = ((mantissa + 1) << above) - 1;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A histogram that many threads add to.
struct Counts(Box<[AtomicU64; BUCKETS]>);

impl Counts {
    fn new() -> Self {
        Self(Box::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }

    fn add(&self, time: Duration) {
        // Relaxed: a counter; nothing is concluded from it about other memory.
        self.0[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Histogram {
        // Relaxed: as above.
        let counts: Box<[u64]> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Histogram { total: counts.iter().sum(), counts }
    }
}

/// How often which time was measured: a reading.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Histogram {
    /// How many times were measured.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The time that the share `quantile` of those measured did not exceed (0.5 is the median, 1
    /// the longest), at most an eighth too long. `None` if nothing was measured.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = ((quantile.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= rank
        };
        self.counts.iter().position(reaches).map(longest)
    }

    /// The buckets that are not empty, shortest first: the longest time of each, and its count. For
    /// exporters.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(bucket, count)| (longest(bucket), *count))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.total)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.quantile(1.0))
            .finish()
    }
}

/// How long the jobs of one key have waited, among those measured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyWait {
    /// The key.
    pub key: Key,
    /// The sum of the waits, at most `surplus` too long.
    pub wait: Duration,
    /// What `wait` may have inherited from keys that were forgotten.
    pub surplus: Duration,
    /// The longest wait since the key is known here.
    pub longest: Duration,
    /// How many jobs since then.
    pub jobs: u64,
}

/// A reading of how long jobs wait and run; see
/// [`Coordinator::timings`](super::Coordinator::timings).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobTimings {
    /// From the submission to the first start, of jobs that were started.
    pub wait: Histogram,
    /// From the first start to the outcome, with all waits for tokens, re-tries and the undo.
    pub run: Histogram,
    /// The keys whose jobs have waited most, the worst first; at most 64.
    pub keys: Vec<KeyWait>,
}

/// See the page.
pub(crate) struct Timings {
    wait: Counts,
    run: Counts,
    keys: Mutex<Vec<KeyWait>>,
}

impl Timings {
    pub(crate) fn new() -> Self {
        Self { wait: Counts::new(), run: Counts::new(), keys: Mutex::default() }
    }

    /// A job of `key` starts that has waited so long.
    pub(crate) fn waited(&self, key: &Key, wait: Duration) {
        self.wait.add(wait);
        note(&mut self.keys.lock(), key, wait);
    }

    /// A job ends that started so long ago.
    pub(crate) fn ran(&self, run: Duration) {
        self.run.add(run);
    }

    pub(crate) fn read(&self) -> JobTimings {
        let mut keys = self.keys.lock().clone();
        keys.sort_by_key(|key| std::cmp::Reverse(key.wait));
        JobTimings { wait: self.wait.read(), run: self.run.read(), keys }
    }
}

/// Space-Saving: a new key takes the place of the least one, and its weight.
fn note(keys: &mut Vec<KeyWait>, key: &Key, wait: Duration) {
    if let Some(known) = keys.iter_mut().find(|known| known.key == *key) {
        known.wait += wait;
        known.longest = known.longest.max(wait);
        known.jobs += 1;
        return;
    }
    let surplus = match keys.len() < KEYS {
        true => Duration::ZERO,
        false => {
            let least = keys.iter().enumerate().min_by_key(|(_, known)| known.wait);
            let (least, _) = least.expect("the table is full");
            keys.swap_remove(least).wait
        }
    };
    keys.push(KeyWait { key: key.clone(), wait: surplus + wait, surplus, longest: wait, jobs: 1 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_that_it_does_not_exceed_by_an_eighth() {
        let times = (0..64).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power - 1, power, power + 1, power + power / 3, u64::MAX - power]
        });
        for nanos in times {
            let index = bucket(Duration::from_nanos(nanos));
            assert!(index < BUCKETS, "{nanos}");
            let top = longest(index).as_nanos() as u64;
            assert!(top >= nanos, "{nanos} in a bucket up to {top}");
            assert!(top - nanos <= nanos / 8, "{nanos} in a bucket up to {top}");
            assert_eq!(bucket(Duration::from_nanos(top)), index, "{nanos}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_measured() {
        let counts = Counts::new();
        assert_eq!(counts.read().quantile(0.5), None);
        (1..=100).for_each(|ms| counts.add(Duration::from_millis(ms)));
        let histogram = counts.read();
        assert_eq!(histogram.count(), 100);
        for (quantile, ms) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            let (exact, told) = (Duration::from_millis(ms), histogram.quantile(quantile));
            let told = told.expect("something was measured");
            assert!(told >= exact && told <= exact + exact / 8, "{quantile}: {told:?}");
        }
        assert_eq!(histogram.buckets().map(|(_, count)| count).sum::<u64>(), 100);
    }

    #[test]
    fn the_key_that_waits_most_is_kept_among_many_others() {
        let mut keys = Vec::new();
        for round in 0..200_u64 {
            note(&mut keys, &Key::from("slow"), Duration::from_secs(1));
            (0..10).for_each(|i| {
                note(&mut keys, &Key::from(round * 10 + i), Duration::from_millis(1));
            });
        }
        assert_eq!(keys.len(), KEYS);
        let slow = keys.iter().max_by_key(|known| known.wait).expect("there are keys");
        assert_eq!((&slow.key, slow.jobs), (&Key::from("slow"), 200));
        assert_eq!(slow.wait - slow.surplus, Duration::from_secs(200));
    }
}

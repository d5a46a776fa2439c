//! Injected trouble: attempts that fail or are late, at random but repeatably.
//!
//! Pure: what befalls an attempt is a function of the seed, the job and the attempt's number.

use std::time::Duration;

/// What is to be injected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) seed: u64,
    /// Of 100 attempts so many fail; below 100, or nothing would ever end.
    pub(crate) fail_percent: u8,
    pub(crate) jitter_max: Duration,
}

/// When an attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailAt {
    /// Before it has done anything.
    Start,
    /// After it has done everything: the next attempt finds its work done.
    End,
}

/// What befalls one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) fail: Option<FailAt>,
}

impl Faults {
    /// What befalls attempt number `attempt` of job number `job`.
    pub(crate) fn fate(&self, job: usize, attempt: u64) -> Fate {
        let mut random = self.seed ^ mix(job as u64 ^ mix(attempt));
        let mut draw = || {
            random = mix(random);
            random
        };
        let delay = self.jitter_max.mul_f64(draw() as f64 / u64::MAX as f64);
        let fails = draw() % 100 < u64::from(self.fail_percent);
        let at = if draw() % 2 == 0 { FailAt::Start } else { FailAt::End };
        Fate { delay, fail: fails.then_some(at) }
    }
}

/// SplitMix64's step (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(state: u64) -> u64 {
    let mut word = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fail_percent: u8) -> Faults {
        Faults { seed: 7, fail_percent, jitter_max: Duration::from_millis(2) }
    }

    #[test]
    fn none_are_injected_unless_asked_for() {
        let none = Faults { seed: 7, fail_percent: 0, jitter_max: Duration::ZERO };
        let calm = Fate { delay: Duration::ZERO, fail: None };
        assert!((0..1000).all(|job| none.fate(job, 1) == calm));
    }

    #[test]
    fn about_the_asked_share_of_attempts_fails() {
        let failed = (0..10_000).filter(|job| faults(10).fate(*job, 1).fail.is_some()).count();
        assert!((800..1200).contains(&failed), "{failed} of 10000");
    }

    #[test]
    fn the_attempts_of_a_job_have_fates_of_their_own() {
        let fates = (1..=100).filter(|attempt| faults(50).fate(3, *attempt).fail.is_some()).count();
        assert!((20..80).contains(&fates), "{fates} of 100");
    }

    #[test]
    fn no_delay_is_longer_than_asked_for() {
        assert!((0..1000).all(|job| faults(0).fate(job, 1).delay <= Duration::from_millis(2)));
    }
}

//! Dice: the only place that draws random numbers.
//!
//! Jitter and the seeds of hashes come from the system's randomness, or from a seed that a test
//! gives, so that what a test did can be done again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::sync::{Arc, AtomicU64, Ordering};

/// Where randomness comes from. Cheap to clone; clones of seeded dice draw from one sequence.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<AtomicU64>),
}

/// The step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    /// What nobody can guess.
    pub(crate) const fn system() -> Self {
        Self(Source::System)
    }

    /// A sequence that is the same for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(AtomicU64::new(seed))))
    }

    /// A uniformly distributed word.
    pub(crate) fn roll(&self) -> u64 {
        match &self.0 {
            // Each `RandomState` of a thread has other keys.
            Source::System => RandomState::new().hash_one(0_u8),
            // Relaxed: each caller gets a number of its own, and that is all.
            Source::Seeded(state) => mix(state.fetch_add(STEP, Ordering::Relaxed)),
        }
    }

    /// A number below `count`, which is not 0.
    pub(crate) fn below(&self, count: usize) -> usize {
        // The high word of a 64 x 64 bit product is uniform in 0..count, near enough.
        ((u128::from(self.roll()) * count as u128) >> 64) as usize
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// 2014).
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(STEP);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let rolls = |seed| {
            let dice = Dice::seeded(seed);
            [dice.roll(), dice.clone().roll(), dice.roll()]
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        assert_eq!(Dice::seeded(0).roll(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn a_number_below_a_count_reaches_each() {
        let dice = Dice::seeded(1);
        let mut seen = [false; 5];
        (0..1000).for_each(|_| seen[dice.below(5)] = true);
        assert_eq!(seen, [true; 5]);
    }
}

//! The crew: how many threads of a pool work, wait, or sit on the bench, in one word.
//!
//! ```text
//!                    enter                     sit down
//!   waiting ◄───────────────┐          ┌──────────────────► benched
//!      │                    │          │                       │
//!      └──────leave──────► active ─────┘ ◄──────call up────────┤
//!      ┌──────leave──────►  ▲  │                               │
//!     away ◄────────enter───┼──┘                               │
//!                           │ hire                        dismiss
//!                        (nobody) ◄────────────────────────────┘
//! ```
//!
//! *Active* threads run work, look for it, or sleep until there is some (`sleep/`). A thread inside
//! work that waits for something of the pool's is *waiting*; one inside [`Pool::blocking`] is *away*:
//! it comes back by itself. Threads over the target sit on the *bench* (`bench.rs`) until a thread
//! blocks, or until `keep_alive` is over.
//!
//! Invariants: `active` grows over `target` only by threads that come back; whoever makes it so, or
//! meets it so between two pieces of work, sits down. `active` never falls below one by sitting
//! down. Threads, hired ones that are still being started included, are at most `target +
//! spares_max`, and at most `limit`.
//!
//! **Strength.** If fewer are active than the target, somebody must notice while work may come: a
//! thread that blocks while others sleep or search needs no replacement yet, as there is somebody to
//! take what comes; the last of those who goes to work looks again (`sees_to_strength` in
//! `blocking.rs`). Blocking is a change of this word followed by a look at the sleepers' word; going
//! to work a change of that word followed by a look at this one, each with a fence between,
//! `[strength]`: one of both sees the other.
//!
//! Not here: threads. These are the counts; nothing is published by them.

use crate::sync::{AtomicU64, CachePadded, Ordering};

const FIELD_BITS: u32 = 12;
const FIELD_MASK: u64 = (1 << FIELD_BITS) - 1;

const ACTIVE_ONE: u64 = 1;
const WAITING_ONE: u64 = 1 << FIELD_BITS;
const AWAY_ONE: u64 = 1 << (2 * FIELD_BITS);
const BENCHED_ONE: u64 = 1 << (3 * FIELD_BITS);
const TARGET_ONE: u64 = 1 << (4 * FIELD_BITS);

/// See the page.
pub(crate) struct Crew {
    word: CachePadded<AtomicU64>,
    /// Threads over the target, at most.
    spares_max: usize,
    /// Threads in all, at most.
    limit: usize,
}

/// The counts at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts(u64);

/// In what way a thread is not active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It waits for something of the pool's.
    Waiting,
    /// It is inside `Pool::blocking`.
    Away,
}

impl Rest {
    fn one(self) -> u64 {
        match self {
            Self::Waiting => WAITING_ONE,
            Self::Away => AWAY_ONE,
        }
    }
}

/// Where one more active thread comes from; it is counted as active already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread was counted as active"]
pub(crate) enum Hire {
    /// None is wanted.
    Enough,
    /// From the bench.
    Bench,
    /// It has to be started; [`Crew::leave_for_good`] if that fails.
    Start,
    /// There are as many threads as there may be.
    Full,
}

impl Counts {
    fn field(self, one: u64) -> usize {
        ((self.0 / one) & FIELD_MASK) as usize
    }
    pub(crate) fn active(self) -> usize {
        self.field(ACTIVE_ONE)
    }
    pub(crate) fn waiting(self) -> usize {
        self.field(WAITING_ONE)
    }
    pub(crate) fn away(self) -> usize {
        self.field(AWAY_ONE)
    }
    pub(crate) fn benched(self) -> usize {
        self.field(BENCHED_ONE)
    }
    pub(crate) fn target(self) -> usize {
        self.field(TARGET_ONE)
    }
    /// All but the benched: threads that may have work on their stacks, or take some.
    pub(crate) fn at_work(self) -> usize {
        self.active() + self.waiting() + self.away()
    }
    /// Threads that have not ended.
    pub(crate) fn threads(self) -> usize {
        self.at_work() + self.benched()
    }
    /// Fewer are active than should be.
    pub(crate) fn lacks(self) -> bool {
        self.active() < self.target()
    }
    /// More are active than should be.
    pub(crate) fn has_surplus(self) -> bool {
        self.active() > self.target()
    }
}

impl Crew {
    /// With `target` threads, all active, which the caller starts.
    pub(crate) fn new(target: usize, spares_max: usize, limit: usize) -> Self {
        debug_assert!(limit as u64 <= FIELD_MASK && target <= limit, "the fields hold the counts");
        let word = target as u64 * (ACTIVE_ONE + TARGET_ONE);
        Self { word: CachePadded::new(AtomicU64::new(word)), spares_max, limit }
    }

    /// The counts now.
    pub(crate) fn counts(&self) -> Counts {
        // Relaxed: counts; where an order matters the caller has a fence or a lock.
        Counts(self.word.load(Ordering::Relaxed))
    }

    /// The calling thread, active, blocks; the counts after that.
    pub(crate) fn enter(&self, rest: Rest) -> Counts {
        self.add(rest.one().wrapping_sub(ACTIVE_ONE))
    }

    /// The calling thread is active again.
    pub(crate) fn leave(&self, rest: Rest) {
        self.add(ACTIVE_ONE.wrapping_sub(rest.one()));
    }

    /// The calling thread blocks in another way than before; the counts after that.
    pub(crate) fn exchange(&self, before: Rest, now: Rest) -> Counts {
        self.add(now.one().wrapping_sub(before.one()))
    }

    fn add(&self, delta: u64) -> Counts {
        // Relaxed: as in `counts`. Fields do not borrow from each other: the sum never does.
        Counts(self.word.fetch_add(delta, Ordering::Relaxed).wrapping_add(delta))
    }

    /// Counts one more thread as active, if fewer are than should be, or `over` says that it may be
    /// one more than that for an errand, and there may be one.
    pub(crate) fn hire(&self, over: bool) -> Hire {
        let mut hire = Hire::Enough;
        self.update(|now| {
            hire = self.source(now, over);
            match hire {
                Hire::Enough | Hire::Full => None,
                Hire::Bench => Some(now.0 + ACTIVE_ONE - BENCHED_ONE),
                Hire::Start => Some(now.0 + ACTIVE_ONE),
            }
        });
        hire
    }

    fn source(&self, now: Counts, over: bool) -> Hire {
        if !now.lacks() && !over {
            Hire::Enough
        } else if now.benched() > 0 {
            Hire::Bench
        } else if now.threads() < (now.target() + self.spares_max).min(self.limit) {
            Hire::Start
        } else {
            Hire::Full
        }
    }

    /// Moves the calling thread to the bench if too many are active; true if it did.
    pub(crate) fn sit_down(&self) -> bool {
        self.update(|now| now.has_surplus().then(|| now.0 - ACTIVE_ONE + BENCHED_ONE))
    }

    /// A thread on the bench is active again, though nobody blocks: the pool ends.
    pub(crate) fn call_up(&self) {
        self.add(ACTIVE_ONE.wrapping_sub(BENCHED_ONE));
    }

    /// A thread leaves the bench for good; the counts after that.
    pub(crate) fn dismiss(&self) -> Counts {
        // AcqRel: as in `leave_for_good`: it may be the last one of a pool that ends.
        let before = self.word.fetch_sub(BENCHED_ONE, Ordering::AcqRel);
        Counts(before - BENCHED_ONE)
    }

    /// An active thread ends, or was not there; the counts after that.
    pub(crate) fn leave_for_good(&self) -> Counts {
        // AcqRel: the Release of every thread that ends pairs with the Acquire of the last one,
        // which sees what the others left in their queues.
        let before = self.word.fetch_sub(ACTIVE_ONE, Ordering::AcqRel);
        Counts(before - ACTIVE_ONE)
    }

    /// Sets the target; the one before. At least 1, at most the limit.
    pub(crate) fn set_target(&self, target: usize) -> usize {
        debug_assert!((1..=self.limit).contains(&target), "checked by the caller");
        let mut before = 0;
        self.update(|now| {
            before = now.target();
            Some(now.0 % TARGET_ONE + target as u64 * TARGET_ONE)
        });
        before
    }

    /// Most threads that the pool can have, and so the most that can be its target.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the word as `change` says, if it says anything; true if it did.
    fn update(&self, mut change: impl FnMut(Counts) -> Option<u64>) -> bool {
        // Relaxed: as in `counts`.
        let mut now = self.word.load(Ordering::Relaxed);
        while let Some(next) = change(Counts(now)) {
            // Relaxed, both: as in `counts`.
            match self.word.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_blocks_is_replaced_up_to_the_spares() {
        let crew = Crew::new(2, 1, 10);
        assert_eq!(crew.hire(false), Hire::Enough);
        assert!(crew.enter(Rest::Away).lacks());
        assert_eq!(crew.hire(false), Hire::Start);
        assert!(crew.enter(Rest::Waiting).lacks());
        assert_eq!(crew.hire(false), Hire::Full);
        let counts = crew.counts();
        assert_eq!((counts.active(), counts.waiting(), counts.away()), (1, 1, 1));
    }

    #[test]
    fn the_limit_holds_whatever_the_target_is() {
        let crew = Crew::new(2, 256, 3);
        crew.enter(Rest::Away);
        assert_eq!(crew.hire(false), Hire::Start);
        crew.enter(Rest::Away);
        assert_eq!(crew.hire(false), Hire::Full);
    }

    #[test]
    fn who_comes_back_makes_a_surplus_that_sits_down_and_is_called_again() {
        let crew = Crew::new(1, 4, 10);
        crew.enter(Rest::Away);
        assert_eq!(crew.hire(false), Hire::Start);
        crew.leave(Rest::Away);
        assert!(crew.counts().has_surplus());
        assert!(crew.sit_down());
        assert!(!crew.sit_down(), "one stays");
        crew.enter(Rest::Waiting);
        assert_eq!(crew.hire(false), Hire::Bench);
        assert_eq!((crew.counts().threads(), crew.counts().benched()), (2, 0));
    }

    #[test]
    fn a_target_can_be_moved_both_ways() {
        let crew = Crew::new(2, 0, 10);
        assert_eq!(crew.set_target(3), 2);
        assert_eq!(crew.hire(false), Hire::Start);
        assert_eq!(crew.hire(false), Hire::Enough);
        assert_eq!(crew.set_target(1), 3);
        assert!(crew.sit_down() && crew.sit_down() && !crew.sit_down());
        crew.dismiss();
        let counts = crew.counts();
        assert_eq!((counts.active(), counts.benched(), counts.target()), (1, 1, 1));
        crew.call_up();
        assert_eq!(crew.leave_for_good().threads(), 1);
    }
}

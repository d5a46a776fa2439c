//! The idle word: who sleeps, how many search, how many sleep, in one atomic word.
//!
//! ```text
//!   63            33 32       22 21        11 10         0
//!  ┌────────────────┬───────────┬────────────┬────────────┐
//!  │ tag            │ sleeping  │ searching  │ top        │
//!  └────────────────┴───────────┴────────────┴────────────┘
//! ```
//!
//! `top` is the newest sleeper (its index + 1; 0: nobody sleeps), the head of a stack whose links
//! are in the slots. `tag` counts the changes of the stack, so that a compare-and-swap with a stale
//! link fails: it would have to be held up over exactly a multiple of 2^31 of them.
//!
//! Pure: no memory access here. `mod.rs` has the protocol and argues the orderings.

const FIELD_BITS: u32 = 11;
const FIELD_MASK: u64 = (1 << FIELD_BITS) - 1;

const TOP_ONE: u64 = 1;
const SEARCHING_SHIFT: u32 = FIELD_BITS;
const SEARCHING_ONE: u64 = 1 << SEARCHING_SHIFT;
const SLEEPING_SHIFT: u32 = 2 * FIELD_BITS;
const SLEEPING_ONE: u64 = 1 << SLEEPING_SHIFT;
const TAG_ONE: u64 = 1 << (3 * FIELD_BITS);

/// The most workers that the word can count.
pub(crate) const WORKERS_MAX: usize = FIELD_MASK as usize;

/// A value of the idle word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// Nobody sleeps, nobody searches.
    pub(super) const EMPTY: Self = Self(0);

    /// What to subtract when a search ends.
    pub(super) const ONE_SEARCH: u64 = SEARCHING_ONE;

    /// What to add when the stack is as it was, but is to count as changed.
    pub(super) const ONE_CHANGE: u64 = TAG_ONE;

    /// The newest sleeper.
    pub(super) fn top(self) -> Link {
        Link((self.0 & FIELD_MASK) as usize)
    }

    /// Workers that look for work, the woken ones included.
    #[inline]
    pub(super) fn searching(self) -> usize {
        ((self.0 >> SEARCHING_SHIFT) & FIELD_MASK) as usize
    }

    /// Workers on the stack.
    pub(super) fn sleeping(self) -> usize {
        ((self.0 >> SLEEPING_SHIFT) & FIELD_MASK) as usize
    }

    /// One more worker searches.
    pub(super) fn search_begun(self) -> Self {
        Self(self.0 + SEARCHING_ONE)
    }

    /// `worker` lies down on top; if it was counted as searching, it no longer is.
    pub(super) fn pushed(self, worker: usize, searched: bool) -> Self {
        debug_assert!(!searched || self.searching() > 0, "more searches ended than were begun");
        let search = if searched { SEARCHING_ONE } else { 0 };
        let below = self.0 & !FIELD_MASK;
        let counted = (below - search).wrapping_add(SLEEPING_ONE + TAG_ONE);
        Self(counted | Link::to(worker).0 as u64)
    }

    /// The top is taken off and counted as searching; `next` was below it.
    pub(super) fn popped(self, next: Link) -> Self {
        debug_assert!(self.sleeping() > 0, "popped from an empty stack");
        let below = self.0 & !FIELD_MASK;
        let counted = below.wrapping_add(TAG_ONE) - SLEEPING_ONE + SEARCHING_ONE;
        Self(counted | next.0 as u64)
    }
}

/// The index of a worker, or nobody: how the stack is linked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(pub(super) usize);

impl Link {
    pub(super) fn to(worker: usize) -> Self {
        debug_assert!(worker < WORKERS_MAX, "the index does not fit");
        Self(worker + TOP_ONE as usize)
    }

    pub(super) fn worker(self) -> Option<usize> {
        self.0.checked_sub(TOP_ONE as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_found_on_top_and_counted() {
        let word = Word::EMPTY.search_begun().pushed(7, true);
        assert_eq!(word.top().worker(), Some(7));
        assert_eq!((word.sleeping(), word.searching()), (1, 0));
    }

    #[test]
    fn the_woken_counts_as_searching() {
        let word = Word::EMPTY.pushed(3, false).pushed(4, false).popped(Link::to(3));
        assert_eq!(word.top().worker(), Some(3));
        assert_eq!((word.sleeping(), word.searching()), (1, 1));
    }

    #[test]
    fn the_same_stack_later_is_another_word() {
        let before = Word::EMPTY.pushed(0, false);
        let after = before.popped(Link(0)).pushed(0, true);
        assert!(before != after);
    }

    #[test]
    fn the_fields_hold_the_most_workers() {
        let mut word = Word(u64::MAX - (TAG_ONE - 1)); // the tag about to wrap
        for worker in 0..WORKERS_MAX {
            word = word.pushed(worker, false);
        }
        assert_eq!(word.sleeping(), WORKERS_MAX);
        assert_eq!(word.top().worker(), Some(WORKERS_MAX - 1));
        for worker in (0..WORKERS_MAX).rev() {
            word = word.popped(worker.checked_sub(1).map_or(Link(0), Link::to));
        }
        assert_eq!((word.sleeping(), word.searching()), (0, WORKERS_MAX));
        assert_eq!(word.top().worker(), None);
    }
}

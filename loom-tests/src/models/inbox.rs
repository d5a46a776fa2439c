//! The inbox: producers that run the visit themselves when they are told to schedule it.
//!
//! A block has two slots here, so two pushes exhaust it.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::lane_parts::inbox::{Inbox, Pushed};
use crate::sync::{Arc, UnsafeCell};

/// The inbox and what its visits took, in order: two visits at a time, or one that did not happen
/// before the next, are reported as accesses to `log` at the same time.
struct Lane {
    inbox: Inbox<Watched>,
    log: UnsafeCell<Vec<u32>>,
}

// SAFETY: what the models check.
unsafe impl Send for Lane {}
// SAFETY: as above.
unsafe impl Sync for Lane {}

impl Lane {
    fn new() -> Arc<Self> {
        Arc::new(Self { inbox: Inbox::new(), log: UnsafeCell::new(Vec::new()) })
    }

    /// Pushes each number, and visits when told to.
    fn submit(&self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            if self.inbox.push(Watched::new(number)) == Pushed::Schedule {
                self.visit();
            }
        }
    }

    fn visit(&self) {
        loop {
            // SAFETY: told to schedule, and not given up yet.
            while let Some(value) = unsafe { self.inbox.take() } {
                // SAFETY: checked by the model.
                self.log.with_mut(|log| unsafe { (*log).push(value.number()) });
            }
            // SAFETY: as above.
            if unsafe { self.inbox.give_up() } {
                return;
            }
        }
    }

    /// Every number once, and those of one producer (of one ten) in order.
    fn assert_log(&self, numbers: &[u32]) {
        self.log.with(|log| {
            // SAFETY: checked by the model.
            let log = unsafe { &*log };
            let mut sorted = log.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, numbers, "lost or doubled");
            for producer in 0..3 {
                let own: Vec<u32> = log.iter().copied().filter(|n| n / 10 == producer).collect();
                assert!(own.is_sorted(), "out of order: {log:?}");
            }
        });
    }
}

fn producers(numbers: &'static [&'static [u32]]) {
    let lane = Lane::new();
    let others: Vec<_> = numbers[1..]
        .iter()
        .map(|own| {
            let lane = Arc::clone(&lane);
            thread::spawn(move || lane.submit(own.iter().copied()))
        })
        .collect();
    lane.submit(numbers[0].iter().copied());
    others.into_iter().for_each(|other| other.join().expect("no panic"));
    let mut all: Vec<u32> = numbers.concat();
    all.sort_unstable();
    lane.assert_log(&all);
}

/// Breaks if a slot is written or looked at without its orderings, or marked AWAITED by a store.
pub(crate) fn two_producers_over_two_blocks() {
    check(Bound::Preemptions(3), || producers(&[&[0, 1], &[10, 11]]));
}

/// Breaks if a block is brought or given up by a store, or comes back before its slots are left.
pub(crate) fn blocks_come_back_while_another_produces() {
    check(Bound::Preemptions(2), || producers(&[&[0, 1, 2, 3, 4], &[10]]));
}

/// Breaks if of two claims on a full block one is lost.
pub(crate) fn three_producers_meet_at_a_full_block() {
    check(Bound::Preemptions(2), || producers(&[&[0, 1], &[10], &[20]]));
}

/// Breaks if a value that nobody takes is not dropped, or dropped twice.
pub(crate) fn an_inbox_dropped_with_values_inside_drops_them() {
    check(Bound::Preemptions(3), || {
        let lane = Lane::new();
        let other = {
            let lane = Arc::clone(&lane);
            thread::spawn(move || {
                for number in 10..13 {
                    let _ = lane.inbox.push(Watched::new(number));
                }
            })
        };
        let _ = lane.inbox.push(Watched::new(0));
        let _ = lane.inbox.push(Watched::new(1));
        drop(lane);
        other.join().expect("no panic");
    });
}

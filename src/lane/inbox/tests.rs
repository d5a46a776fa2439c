//! Claims about the inbox, on real threads. Small under Miri, where races are seen, not hit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use super::*;

const PRODUCERS: usize = if cfg!(miri) { 3 } else { 4 };
const EACH: usize = if cfg!(miri) { 40 } else { 20_000 };

/// An inbox whose visitor appends what it takes to `seen`, which has no other protection than the
/// protocol: two visitors at once are a data race.
struct Shared<T> {
    inbox: Inbox<T>,
    seen: UnsafeCell<Vec<T>>,
}

// SAFETY: `seen` belongs to the visitor.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn new() -> Self {
        Self { inbox: Inbox::new(), seen: UnsafeCell::new(Vec::new()) }
    }

    /// Pushes, and is the visitor if told so.
    fn push(&self, value: T) {
        if self.inbox.push(value) == Pushed::Schedule {
            self.visit();
        }
    }

    fn visit(&self) {
        loop {
            // SAFETY: told to schedule, and not given up yet.
            while let Some(value) = unsafe { self.inbox.take() } {
                // SAFETY: as above.
                self.seen.with_mut(|seen| unsafe { (*seen).push(value) });
            }
            // SAFETY: as above.
            if unsafe { self.inbox.give_up() } {
                return;
            }
        }
    }

    fn into_seen(self) -> Vec<T> {
        std::mem::take(self.seen.with_mut(|seen| {
            // SAFETY: exclusive.
            unsafe { &mut *seen }
        }))
    }
}

/// Takes all there is; the caller is the visitor.
fn take_all<T>(inbox: &Inbox<T>) -> Vec<T> {
    // SAFETY: every test calls this as the one visitor.
    std::iter::from_fn(|| unsafe { inbox.take() }).collect()
}

fn give_up<T>(inbox: &Inbox<T>) -> bool {
    // SAFETY: as above.
    unsafe { inbox.give_up() }
}

#[test]
fn the_first_push_schedules_and_the_next_ones_do_not() {
    let inbox = Inbox::new();
    assert_eq!(inbox.push(1), Pushed::Schedule);
    assert_eq!(inbox.push(2), Pushed::Queued);
    assert_eq!(take_all(&inbox), [1, 2]);
    assert_eq!(inbox.push(3), Pushed::Queued);
}

#[test]
fn an_inbox_with_something_to_take_is_not_given_up() {
    let inbox = Inbox::new();
    assert_eq!(inbox.push(1), Pushed::Schedule);
    assert!(!give_up(&inbox));
    assert_eq!(take_all(&inbox), [1]);
    assert!(give_up(&inbox));
    assert_eq!(inbox.push(2), Pushed::Schedule);
}

#[test]
fn every_position_in_a_block_can_be_given_up_and_taken_up_again() {
    let inbox = Inbox::new();
    for value in 0..3 * BLOCK {
        assert_eq!(inbox.push(value), Pushed::Schedule);
        assert_eq!(take_all(&inbox), [value]);
        assert!(give_up(&inbox));
    }
}

#[test]
fn values_come_in_order_over_many_blocks() {
    let inbox = Inbox::new();
    for length in [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 2] {
        for value in 0..length {
            let _ = inbox.push(value);
        }
        assert_eq!(take_all(&inbox), (0..length).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_lost_or_doubled_and_each_producer_keeps_its_order() {
    let shared = Shared::new();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let shared = &shared;
            scope.spawn(move || (0..EACH).for_each(|i| shared.push(Box::new((producer, i)))));
        }
    });
    let mut next = [0; PRODUCERS];
    for value in shared.into_seen() {
        let (producer, i) = *value;
        assert_eq!(i, next[producer], "producer {producer} was overtaken");
        next[producer] += 1;
    }
    assert_eq!(next, [EACH; PRODUCERS]);
}

#[test]
fn a_push_that_returned_comes_before_one_that_follows_on_another_thread() {
    let shared = Shared::new();
    let turn = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(|| {
                for _ in 0..EACH / 10 {
                    let mut turn = turn.lock().expect("no test thread panics");
                    shared.push(*turn);
                    *turn += 1;
                }
            });
        }
    });
    let total = PRODUCERS * (EACH / 10);
    assert_eq!(shared.into_seen(), (0..total).collect::<Vec<_>>());
}

#[test]
fn a_stopped_producer_delays_only_what_claimed_after_it() {
    let inbox = Inbox::new();
    assert_eq!(inbox.push(0), Pushed::Schedule);
    let stopped = inbox.claim();
    for value in 2..2 * BLOCK {
        assert_eq!(inbox.push(value), Pushed::Queued);
    }
    assert_eq!(take_all(&inbox), [0]);
    assert!(give_up(&inbox));
    assert_eq!(inbox.push(2 * BLOCK), Pushed::Queued, "the one who is awaited schedules");
    assert_eq!(stopped.write(1), Pushed::Schedule);
    assert_eq!(take_all(&inbox), (1..=2 * BLOCK).collect::<Vec<_>>());
}

#[test]
fn a_producer_stopped_in_the_first_slot_of_its_own_block_is_awaited_too() {
    let inbox = Inbox::new();
    let stopped = inbox.claim();
    assert_eq!(inbox.push(1), Pushed::Queued, "the one who replaced null schedules");
    assert_eq!(stopped.write(0), Pushed::Schedule);
    assert_eq!(take_all(&inbox), [0, 1]);
}

#[test]
fn a_block_that_was_brought_in_vain_is_kept() {
    let inbox = Inbox::<usize>::new();
    let (lost, won) = (Block::new(), Block::new());
    assert!(inbox.append(Word::GIVEN_UP, won));
    assert!(!inbox.append(Word::GIVEN_UP, lost));
    inbox.recycle(lost);
    // SAFETY: appended by us, so its first slot is ours.
    let first = unsafe { &raw const (*won).slots[0] };
    assert_eq!(Claim { slot: first, inbox: PhantomData }.write(7), Pushed::Schedule);
    for value in 0..BLOCK {
        assert_eq!(inbox.push(value), Pushed::Queued);
    }
    assert_eq!(Word(inbox.claim.load(Ordering::Relaxed)).block(), lost);
    assert_eq!(take_all(&inbox).len(), BLOCK + 1);
}

#[test]
fn blocks_are_used_again() {
    for (gives_up, blocks_needed) in [(false, 2), (true, 1)] {
        let inbox = Inbox::new();
        let mut blocks = HashSet::new();
        for value in 0..10 * BLOCK {
            let _ = inbox.push(value);
            blocks.insert(Word(inbox.claim.load(Ordering::Relaxed)).block::<usize>());
            assert_eq!(take_all(&inbox), [value]);
            assert!(!gives_up || give_up(&inbox));
        }
        assert_eq!(blocks.len(), blocks_needed, "for a queue of one; gives up: {gives_up}");
    }
}

#[test]
fn dropping_an_inbox_drops_every_value_in_it_once() {
    let value = Arc::new(());
    for length in [0, 1, BLOCK, 3 * BLOCK + 1] {
        let inbox = Inbox::new();
        for _ in 0..length {
            let _ = inbox.push(value.clone());
        }
        for taken in 0..length.min(BLOCK / 2) {
            // SAFETY: the one visitor.
            assert!(unsafe { inbox.take() }.is_some(), "value {taken}");
        }
        drop(inbox);
        assert_eq!(Arc::strong_count(&value), 1, "of {length}");
    }
}

#[test]
fn dropping_an_inbox_that_was_given_up_frees_it() {
    for length in [1, BLOCK] {
        let inbox = Inbox::new();
        for value in 0..length {
            let _ = inbox.push(vec![value]);
        }
        assert_eq!(take_all(&inbox).len(), length);
        assert!(give_up(&inbox));
    }
}

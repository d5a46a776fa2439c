//! The epoch cell on real threads: versions are whole, move forward, and are freed by writers.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{EpochCell, pin};

const VERSIONS: usize = if cfg!(miri) { 10 } else { 2_000 };
/// For tests with one thread.
const FEW: usize = if cfg!(miri) { 12 } else { 100 };

thread_local! {
    /// The counter of the pairs that this thread only reads.
    static READS: Cell<*const AtomicUsize> = const { Cell::new(ptr::null()) };
}

/// Two equal numbers, counted while alive; never dropped on a reader.
struct Pair<'c> {
    left: usize,
    right: usize,
    alive: &'c AtomicUsize,
}

impl<'c> Pair<'c> {
    fn new(number: usize, alive: &'c AtomicUsize) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self { left: number, right: number, alive }
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        assert!(!ptr::eq(READS.get(), self.alive), "a reader paid for a writer");
        self.left = usize::MAX;
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_whole_versions_in_order_and_free_none() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let alive = &ALIVE;
    let cell = EpochCell::new(Pair::new(0, alive));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                READS.set(alive);
                let mut guard = pin();
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let pair = cell.load(&guard);
                    assert_eq!(pair.left, pair.right, "torn or freed");
                    assert!(pair.left >= last, "went back");
                    last = pair.left;
                    guard.repin();
                }
            });
        }
        for number in 1..=VERSIONS {
            cell.publish(Pair::new(number, alive));
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(cell.read(|pair| pair.left), VERSIONS);
}

#[test]
fn old_versions_are_freed_by_a_writer_that_collects() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let alive = &ALIVE;
    let cell = EpochCell::new(Pair::new(0, alive));
    for number in 1..FEW {
        cell.publish(Pair::new(number, alive));
    }
    // Other tests of the process may hold guards for a while.
    while alive.load(Ordering::SeqCst) > 1 {
        cell.collect();
        thread::yield_now();
    }
    drop(cell);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_version_outlives_its_replacement_while_a_guard_sees_it() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let alive = &ALIVE;
    let cell = EpochCell::new(Pair::new(1, alive));
    let guard = pin();
    let seen = cell.load(&guard);
    for number in 2..FEW {
        cell.publish(Pair::new(number, alive));
    }
    assert_eq!((seen.left, seen.right), (1, 1));
}

#[test]
fn concurrent_publications_all_end_up_freed_or_current() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let alive = &ALIVE;
    let cell = EpochCell::new(Pair::new(0, alive));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..VERSIONS / 10).for_each(|n| cell.publish(Pair::new(n, alive))));
        }
    });
    while alive.load(Ordering::SeqCst) > 1 {
        cell.collect();
        thread::yield_now();
    }
}

#[test]
fn a_snapshot_is_kept_without_a_guard() {
    let cell = EpochCell::new(Arc::new(String::from("old")));
    let kept = cell.snapshot();
    cell.publish(Arc::new(String::from("new")));
    assert_eq!((kept.as_str(), cell.snapshot().as_str()), ("old", "new"));
    assert_eq!(format!("{cell:?}"), "EpochCell(\"new\")");
}

//! A promise on real threads: every kind of waiter, before, during and after the fulfilment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::{Promise, Registration};

/// Rounds of a race; few under an interpreter.
const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn seats<T>(promise: &Promise<T>) -> usize {
    promise.seats(promise.head.load(Ordering::SeqCst)).count()
}

#[test]
fn the_first_fulfilment_wins_and_the_second_gets_its_value_back() {
    let promise = Promise::new();
    assert_eq!(promise.get(), None);
    assert_eq!(promise.fulfil("first"), Ok(()));
    assert_eq!(promise.fulfil("second"), Err("second"));
    assert_eq!(promise.get(), Some(&"first"));
}

#[test]
fn a_fulfilled_promise_lets_nobody_wait() {
    let promise = Promise::new();
    promise.fulfil(7).expect("the first");
    promise.wait();
    assert!(promise.wait_until(Instant::now()));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut place = Registration::default();
    assert_eq!(promise.poll(&mut place, &Context::from_waker(&waker)), Poll::Ready(()));
    let (sender, receiver) = mpsc::channel();
    promise.on_done(move || sender.send(()).expect("the receiver is here"));
    assert_eq!(receiver.try_recv(), Ok(()));
    // SAFETY: the only consumer.
    assert_eq!(unsafe { promise.take() }, Some(7));
    // SAFETY: as above.
    assert_eq!(unsafe { promise.take() }, None);
}

#[test]
fn a_wait_ends_at_its_deadline_and_its_seat_is_used_again() {
    let promise = Promise::<u32>::new();
    for _ in 0..10 {
        assert!(!promise.wait_until(Instant::now()));
    }
    assert_eq!(seats(&promise), 1);
}

#[test]
fn a_future_keeps_one_seat_over_many_polls_and_leaves_it_when_dropped() {
    let promise = Promise::new();
    let woken: Vec<_> = (0..3).map(|_| Arc::new(Woken::default())).collect();
    let mut place = Registration::default();
    for woken in &woken {
        let waker = Waker::from(Arc::clone(woken));
        assert_eq!(promise.poll(&mut place, &Context::from_waker(&waker)), Poll::Pending);
    }
    let waker = Waker::from(Arc::clone(&woken[0]));
    let mut dropped = Registration::default();
    assert_eq!(promise.poll(&mut dropped, &Context::from_waker(&waker)), Poll::Pending);
    drop(dropped);
    assert_eq!(seats(&promise), 2);
    promise.fulfil(()).expect("the first");
    let counts: Vec<_> = woken.iter().map(|woken| woken.0.load(Ordering::SeqCst)).collect();
    assert_eq!(counts, [0, 0, 1], "only the waker of the last poll");
}

#[test]
fn every_kind_of_waiter_is_roused_once_in_a_race_with_the_fulfilment() {
    for round in 0..ROUNDS {
        let promise = Arc::new(Promise::new());
        let calls = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| promise.fulfil(Box::new(round)));
            scope.spawn(|| {
                promise.wait();
                assert_eq!(promise.get().map(|value| **value), Some(round));
            });
            scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_micros(round as u64 % 50);
                while !promise.wait_until(deadline) {
                    thread::yield_now();
                }
                assert!(promise.get().is_some());
            });
            scope.spawn(|| {
                let calls = Arc::clone(&calls);
                promise.on_done(move || {
                    calls.fetch_add(1, Ordering::SeqCst);
                });
            });
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_panicking_callback_leaves_no_waiter_behind() {
    let promise = Promise::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = || {
        let calls = Arc::clone(&calls);
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
        }
    };
    promise.on_done(count());
    promise.on_done(|| panic!("a callback's own fault"));
    promise.on_done(count());
    let unwound = catch_unwind(AssertUnwindSafe(|| promise.fulfil(1)));
    assert!(unwound.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(promise.get(), Some(&1));
}

#[test]
fn a_promise_dropped_with_waiters_and_value_frees_both() {
    let value = Arc::new(());
    let promise = Promise::<u32>::new();
    let held = Arc::clone(&value);
    promise.on_done(move || drop(held));
    drop(promise);
    assert_eq!(Arc::strong_count(&value), 1, "an unfulfilled promise drops its callbacks");
    let promise = Promise::new();
    promise.fulfil(Arc::clone(&value)).expect("the first");
    drop(promise);
    assert_eq!(Arc::strong_count(&value), 1);
}

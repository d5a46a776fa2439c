//! The promise: every kind of waiter against the fulfilment.

use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use loom::thread;

use super::watched::Watched;
use crate::base::promise::{Promise, Registration};
use crate::check::{Bound, check};
use crate::sync::{Arc, Parker};

fn promise() -> Arc<Promise<Watched>> {
    Arc::new(Promise::new())
}

fn spawn(
    promise: &Arc<Promise<Watched>>,
    body: impl FnOnce(&Promise<Watched>) + 'static,
) -> thread::JoinHandle<()> {
    let promise = Arc::clone(promise);
    thread::spawn(move || body(&promise))
}

fn fulfil(promise: &Promise<Watched>) {
    assert!(promise.fulfil(Watched::new(7)).is_ok());
}

fn assert_seen(promise: &Promise<Watched>) {
    assert_eq!(promise.get().map(Watched::number), Some(7));
}

/// Breaks if the word is swapped or looked at without its orderings, or a seat is fired without
/// seeing its waiter.
pub(crate) fn a_waiter_sees_the_value() {
    check(Bound::Full, || {
        let promise = promise();
        let other = spawn(&promise, fulfil);
        promise.wait();
        assert_seen(&promise);
        drop(promise);
        other.join().expect("no panic");
    });
}

/// Breaks if a push loses another push, or the fulfiller does not see all of them.
pub(crate) fn two_waiters_and_a_fulfiller() {
    check(Bound::Preemptions(2), || {
        let promise = promise();
        let waiters = [(); 2].map(|()| {
            spawn(&promise, |promise| {
                promise.wait();
                assert_seen(promise);
            })
        });
        fulfil(&promise);
        drop(promise);
        waiters.into_iter().for_each(|waiter| waiter.join().expect("no panic"));
    });
}

/// A task that is parked between its polls.
struct Task(Parker);

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

fn task() -> (std::sync::Arc<Task>, Waker) {
    let task = std::sync::Arc::new(Task(Parker::new()));
    (std::sync::Arc::clone(&task), Waker::from(task))
}

/// Breaks if a waker that replaced another is not the one that is woken, or is not woken.
pub(crate) fn a_poll_again_while_it_is_fulfilled() {
    check(Bound::Full, || {
        let promise = promise();
        let other = spawn(&promise, fulfil);
        let mut place = Registration::default();
        let (_, first) = task();
        let (task, second) = task();
        let _ = promise.poll(&mut place, &Context::from_waker(&first));
        while promise.poll(&mut place, &Context::from_waker(&second)) == Poll::Pending {
            task.0.park();
        }
        assert_seen(&promise);
        drop((place, promise));
        other.join().expect("no panic");
    });
}

/// Breaks if a seat is left or claimed by a store: its next waiter is not roused.
pub(crate) fn a_seat_left_is_taken_while_it_is_fulfilled() {
    check(Bound::Preemptions(3), || {
        let promise = promise();
        promise.wait_until(Instant::now()); // one idle seat
        let other = spawn(&promise, |promise| {
            if promise.wait_until(Instant::now()) {
                assert_seen(promise);
            }
        });
        let waiter = spawn(&promise, |promise| {
            promise.wait();
            assert_seen(promise);
        });
        fulfil(&promise);
        drop(promise);
        other.join().expect("no panic");
        waiter.join().expect("no panic");
    });
}

/// Breaks if the claim of the value is not one atomic step.
pub(crate) fn one_of_two_fulfillers_wins() {
    check(Bound::Full, || {
        let promise = promise();
        let other = spawn(&promise, |promise| {
            if let Err(back) = promise.fulfil(Watched::new(1)) {
                assert_eq!(back.number(), 1);
            }
        });
        if let Err(back) = promise.fulfil(Watched::new(2)) {
            assert_eq!(back.number(), 2);
        }
        promise.wait();
        let first = promise.get().map(Watched::number);
        other.join().expect("no panic");
        // SAFETY: the only consumer; no reference is alive.
        let taken = unsafe { promise.take() };
        assert_eq!(taken.map(|value| value.number()), first);
    });
}

/// Breaks if a callback that runs at once, or on the fulfiller, does not see what was done before
/// the fulfilment.
pub(crate) fn a_callback_sees_what_the_fulfiller_did() {
    check(Bound::Full, || {
        let promise = promise();
        let effect = Arc::new(Watched::new(0));
        let done = Arc::new(Watched::new(0));
        let other = {
            let effect = Arc::clone(&effect);
            spawn(&promise, move |promise| {
                effect.set(1);
                fulfil(promise);
            })
        };
        let called = Arc::clone(&done);
        promise.on_done(move || {
            assert_eq!(effect.number(), 1);
            called.set(1);
        });
        other.join().expect("no panic");
        assert_eq!(done.number(), 1, "the callback ran");
    });
}

/// Breaks if a seat outlives its list, or a callback that never ran is not dropped.
pub(crate) fn a_promise_dropped_after_its_waiters() {
    check(Bound::Full, || {
        let promise = promise();
        let held = Watched::new(3);
        let other = spawn(&promise, |promise| {
            promise.wait_until(Instant::now());
        });
        promise.on_done(move || assert_eq!(held.number(), 3));
        drop(promise);
        other.join().expect("no panic");
    });
}

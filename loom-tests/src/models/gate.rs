//! The gate: leapfrogging takes nothing but what was spawned since the theft.

use loom::thread;

use super::gate::Gate;
use crate::check::{Bound, check};
use crate::sync::deque::{Steal, Worker};
use crate::sync::{Arc, AtomicBool, Ordering};

/// Breaks without the fences [leap-in] or [leap-show], or if the waiter looks before it is counted:
/// it takes a frame that the thief has shown after the end of what the waiter waits for.
pub(crate) fn a_waiter_takes_nothing_of_what_comes_after() {
    check(Bound::Full, || {
        let (gate, ended) = (Arc::new(Gate::new()), Arc::new(AtomicBool::new(false)));
        let frames = Worker::new_lifo();
        let stealer = frames.stealer();
        let thief = {
            let (gate, ended) = (Arc::clone(&gate), Arc::clone(&ended));
            thread::spawn(move || {
                // Release: as the latch.
                ended.store(true, Ordering::Release);
                if gate.is_free() {
                    frames.push("a stranger's");
                    let _ = frames.pop();
                }
            })
        };
        // Acquire: as the latch.
        let has_ended = || ended.load(Ordering::Acquire);
        let stolen = gate.pass(has_ended, || match stealer.steal() {
            Steal::Success(frame) => Some(frame),
            Steal::Empty | Steal::Retry => None,
        });
        assert_eq!(stolen, None, "there is a stranger's frame and no other");
        thief.join().expect("no panic");
    });
}

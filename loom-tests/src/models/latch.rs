//! The latch: it lives in its owner's frame, which dies as soon as the owner has seen it set.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::pool::latch::Latch;
use crate::sync::{Arc, Parker};

/// A frame: what a thief writes, and the latch that says so.
struct Frame {
    latch: Latch,
    result: Watched,
}

/// The thief's pointer to a frame.
struct Stolen(*const Frame);

// SAFETY: what the models check.
unsafe impl Send for Stolen {}

impl Stolen {
    fn execute(self) {
        // SAFETY: the frame lives until its latch is set; checked by the model.
        unsafe {
            (*self.0).result.set(42);
            Latch::set(&raw const (*self.0).latch);
        }
    }
}

fn frame() -> Box<Frame> {
    Box::new(Frame { latch: Latch::new(), result: Watched::new(0) })
}

/// Breaks if the setter touches the latch after it is set (the frame's cells and atomics die
/// then), or the result is not visible, or the owner is missed.
pub(crate) fn the_frame_dies_when_its_latch_is_seen_set() {
    check(Bound::Full, || {
        let frame = frame();
        let stolen = Stolen(&raw const *frame);
        let thief = thread::spawn(move || stolen.execute());
        frame.latch.wait(&Arc::new(Parker::new()));
        assert_eq!(frame.result.number(), 42);
        drop(frame);
        thief.join().expect("no panic");
    });
}

/// Breaks if the owner takes a stranger's token for the latch, or the setter's token is lost on it.
pub(crate) fn a_strangers_token_does_not_end_the_wait() {
    check(Bound::Preemptions(3), || {
        let frame = frame();
        let stolen = Stolen(&raw const *frame);
        let parker = Arc::new(Parker::new());
        let stranger = {
            let parker = Arc::clone(&parker);
            thread::spawn(move || parker.unpark())
        };
        let thief = thread::spawn(move || stolen.execute());
        frame.latch.wait(&parker);
        assert_eq!(frame.result.number(), 42);
        drop(frame);
        thief.join().expect("no panic");
        stranger.join().expect("no panic");
    });
}

/// Breaks if a look without a wait may miss what the setter did.
pub(crate) fn a_look_that_finds_it_set_sees_the_result() {
    check(Bound::Full, || {
        let frame = frame();
        let stolen = Stolen(&raw const *frame);
        let thief = thread::spawn(move || stolen.execute());
        if frame.latch.is_set() {
            assert_eq!(frame.result.number(), 42);
            drop(frame);
            return thief.join().expect("no panic");
        }
        thief.join().expect("no panic");
    });
}

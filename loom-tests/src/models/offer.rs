//! Offers: a worker that leaves the right to a shard open, and a thief.

use loom::thread;

use super::offer::Offer;
use super::work::{Carrier, Runnable, Work};
use crate::check::{Bound, check};
use crate::models::watched::Watched;
use crate::sync::Arc;

/// What only who has the right may touch; two at a time, or one that did not happen before the
/// next, are reported.
struct Right(Arc<Watched>);

// SAFETY: the carrier of the `Arc` keeps the contract.
unsafe impl Carrier for Right {
    fn into_raw(self) -> *mut () {
        self.0.into_raw()
    }
    /// # Safety
    /// The trait's.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by the caller's contract.
        Self(unsafe { Carrier::from_raw(raw) })
    }
}

impl Runnable for Right {
    fn run(self) {
        self.0.set(self.0.number() + 1);
    }
    fn abandon(self) {
        self.run();
    }
}

/// Breaks if worker and thief both have the right, or neither; if who has it does not see what was
/// done before; or if a thief is still reading when the worker leaves the next one.
pub(crate) fn the_rest_is_had_by_one_and_seen_whole() {
    check(Bound::Preemptions(3), || {
        let offer = Arc::new(Offer::new());
        let rights = [0, 10].map(|number| Arc::new(Watched::new(number)));
        let thief = {
            let offer = Arc::clone(&offer);
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Some(rest) = offer.look().and_then(|seen| offer.take(seen)) {
                        rest.run();
                    }
                }
            })
        };
        for right in &rights {
            right.set(right.number() + 1);
            offer.leave(Work::new(Right(Arc::clone(right))));
            if let Some(rest) = offer.take_back() {
                // SAFETY: it is the one that was left.
                unsafe { rest.carried::<Right>() }.run();
            }
        }
        thief.join().expect("no panic");
        assert_eq!(rights.map(|right| right.number()), [2, 12]);
    });
}

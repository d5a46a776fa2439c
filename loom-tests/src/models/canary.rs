//! Watches the checker itself.

use std::collections::BTreeSet;
use std::sync::Mutex;

use loom::thread;

use crate::check::{Bound, check};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Raw loom explores one execution of this and never lets the main thread see 1. Fails if somebody
/// goes around the facade's shadow variables.
pub(crate) fn a_load_before_an_exchange_sees_both_values() {
    static SEEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    check(Bound::Full, || {
        let word = Arc::new(AtomicUsize::new(0));
        let other = {
            let word = Arc::clone(&word);
            thread::spawn(move || {
                let old = word.load(Ordering::Relaxed);
                let _ = word.compare_exchange(old, 1, Ordering::Relaxed, Ordering::Relaxed);
            })
        };
        SEEN.lock().expect("no panic inside").insert(word.load(Ordering::Relaxed));
        other.join().expect("no panic");
    });
    assert_eq!(SEEN.lock().expect("no panic inside").len(), 2, "an interleaving was skipped");
}

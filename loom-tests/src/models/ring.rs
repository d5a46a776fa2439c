//! The ring: one writer that never looks back, a reader beside it.

use loom::thread;

use crate::check::{Bound, check};
use crate::pool::ring::Ring;
use crate::sync::Arc;

/// Breaks if a word can be seen before it is counted or after it was overwritten.
pub(crate) fn a_reader_sees_a_run_of_the_newest_words() {
    check(Bound::Preemptions(3), || {
        let ring = Arc::new(Ring::new(3));
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (1..=5).for_each(|word| ring.push(word)))
        };
        let words = ring.read();
        assert!(words.iter().all(|word| (1..=5).contains(word)), "a word that was never written");
        assert!(words.windows(2).all(|two| two[0] + 1 == two[1]), "a gap, or a word twice");
        writer.join().expect("no panic");
        assert_eq!(ring.read(), [4, 5]);
    });
}

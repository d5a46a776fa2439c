//! A ring of words with one writer, which anybody may read while it is written.
//!
//! The writer never waits and never looks at a reader; it overwrites the oldest word. A reader
//! copies what is there and then drops what may have been overwritten meanwhile:
//!
//! ```text
//!   written: 7, four places        place:   0   1   2   3
//!                                  word:    4   5   6   3 ← the next one, 7, may be on its way here
//! ```
//!
//! Invariant: word number *n* goes to place *n* modulo the size, before `written` becomes *n* + 1.
//!
//! Not here: what the words mean (`trace.rs`).

use crate::sync::{AtomicU64, AtomicUsize, CachePadded, Ordering};

/// See the page.
pub(crate) struct Ring {
    written: CachePadded<AtomicUsize>,
    places: Box<[AtomicU64]>,
}

impl Ring {
    /// Keeps the newest `places - 1` words, at least one.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            written: CachePadded::new(AtomicUsize::new(0)),
            places: (0..places.max(2)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Writes `word` over the oldest one. One thread at a time.
    pub(crate) fn push(&self, word: u64) {
        // Relaxed: only the writer writes it.
        let number = self.written.load(Ordering::Relaxed);
        // Release [ring-place]: pairs with the Acquire in `read`: who sees this word sees that the
        // ones before it were written, and so what it has replaced.
        self.places[number % self.places.len()].store(word, Ordering::Release);
        // Release [ring-written]: pairs with the Acquire in `read`: the word is there.
        self.written.store(number + 1, Ordering::Release);
    }

    /// The newest words, the oldest of them first.
    pub(crate) fn read(&self) -> Vec<u64> {
        let size = self.places.len();
        // Acquire [ring-written]: pairs with the Release in `push`.
        let end = self.written.load(Ordering::Acquire);
        let begin = end.saturating_sub(size);
        let mut words: Vec<u64> = (begin..end)
            .map(|number| {
                // Acquire [ring-place]: pairs with the Release in `push`; if this is a later word,
                // the look below sees so.
                self.places[number % size].load(Ordering::Acquire)
            })
            .collect();
        // Relaxed: ordered after the looks at the places by their Acquire.
        let now = self.written.load(Ordering::Relaxed);
        let whole = (now + 1).saturating_sub(size).max(begin);
        words.drain(..(whole - begin).min(words.len()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_words_come_back_in_order() {
        let ring = Ring::new(4);
        assert!(ring.read().is_empty());
        (1..=2).for_each(|word| ring.push(word));
        assert_eq!(ring.read(), [1, 2]);
        (3..=9).for_each(|word| ring.push(word));
        assert_eq!(ring.read(), [7, 8, 9]);
    }

    #[test]
    fn a_reader_never_sees_a_gap_or_a_word_twice() {
        let ring = Ring::new(8);
        std::thread::scope(|threads| {
            let writer = threads.spawn(|| (1..=2_000).for_each(|word| ring.push(word)));
            while !writer.is_finished() {
                let words = ring.read();
                assert!(words.windows(2).all(|two| two[0] + 1 == two[1]), "{words:?}");
            }
        });
        assert_eq!(ring.read(), (1994..=2000).collect::<Vec<_>>());
    }
}

//! The epoch cell under the stand-ins of `sync/model_epoch.rs`.

use loom::thread;

use super::watched::Watched;
use crate::base::epoch_cell::{EpochCell, pin};
use crate::check::{Bound, check};
use crate::sync::Arc;
use crate::sync::epoch::{self, Mode};

fn one_writer_one_reader(mode: Mode) {
    epoch::start(mode);
    let cell = Arc::new(EpochCell::new(Watched::new(0)));
    let writer = {
        let cell = Arc::clone(&cell);
        thread::spawn(move || {
            cell.publish(Watched::new(1));
            cell.publish(Watched::new(2));
        })
    };
    let mut guard = pin();
    let first = cell.load(&guard).number();
    assert!(first <= 2, "freed or torn");
    guard.repin();
    let second = cell.load(&guard).number();
    assert!(first <= second, "went back");
    assert!(second <= 2, "freed or torn");
    drop(guard);
    writer.join().expect("no panic");
    assert_eq!(cell.read(Watched::number), 2);
    drop(cell);
    epoch::finish();
}

/// Breaks if `load` or the swap in `publish` is Relaxed.
pub(crate) fn a_version_is_whole_when_it_is_seen() {
    check(Bound::Full, || one_writer_one_reader(Mode::Leaky));
}

/// Breaks if a version is dropped without being deferred, or before the guards of then are gone.
pub(crate) fn a_version_lives_as_long_as_its_guard() {
    check(Bound::Preemptions(3), || one_writer_one_reader(Mode::Eager));
}

/// Breaks if the swap in `publish` does not acquire the version that it takes over, or the retired
/// list does not hand over what is on it.
pub(crate) fn writers_free_what_other_writers_published() {
    check(Bound::Preemptions(3), || {
        epoch::start(Mode::Alone);
        let cell = Arc::new(EpochCell::new(Watched::new(0)));
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                cell.publish(Watched::new(1));
                cell.publish(Watched::new(2));
            })
        };
        cell.publish(Watched::new(3));
        cell.publish(Watched::new(4));
        writer.join().expect("no panic");
        let last = cell.read(Watched::number);
        assert!(last == 2 || last == 4, "the last publication of a writer stays");
        drop(cell);
        epoch::finish();
    });
}

/// Breaks if the push on the retired list loses a version (leak) or publishes it too weakly.
pub(crate) fn readers_and_writers_share_the_retired_list() {
    check(Bound::Preemptions(3), || {
        epoch::start(Mode::Eager);
        let cell = Arc::new(EpochCell::new(Watched::new(0)));
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.publish(Watched::new(1)))
        };
        let reader = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || assert!(cell.read(Watched::number) <= 2))
        };
        cell.publish(Watched::new(2));
        cell.collect();
        writer.join().expect("no panic");
        reader.join().expect("no panic");
        drop(cell);
        epoch::finish();
    });
}

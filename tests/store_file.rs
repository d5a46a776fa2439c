//! The directory of a file store: who may open it, and what happens to damage.
#![cfg(feature = "file-store")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use laneway::store::{Batch, Entry, FileStore, Kind, Store, StoreError, Write, export, import};
use laneway::task::{AllocationId, Revision, Sequence, TaskId};
use tempfile::TempDir;

fn batch(number: u64) -> Batch {
    let write = |sequence: u64| Write {
        kind: Kind::Record,
        sequence: Sequence(sequence),
        id: TaskId::from(format!("t{sequence}")),
        value: Some(format!("commit {number} of task {sequence} ").repeat(12).into_bytes()),
    };
    Batch {
        writes: (1..=8).map(|i| write(number * 4 + i)).collect(),
        last_allocation: AllocationId(number),
        last_sequence: Sequence(number * 4 + 8),
        ..Batch::default()
    }
}

fn commit(store: &mut FileStore, from: u64, to: u64) {
    for number in from..to {
        let revision = store.commit(&batch(number), Revision(number)).expect("the disk works");
        assert_eq!(revision, Revision(number + 1));
    }
}

fn entries_after(count: u64) -> Vec<Entry> {
    let mut entries = std::collections::BTreeMap::new();
    for write in (0..count).flat_map(|number| batch(number).writes) {
        entries.insert(write.sequence, write.value.expect("nothing is removed"));
    }
    let entry = |(sequence, value)| Entry { kind: Kind::Record, sequence, value };
    entries.into_iter().map(entry).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for file in ["state.redb", "witness"] {
        fs::copy(from.join(file), to.join(file)).expect("a copy");
    }
}

#[test]
fn the_directory_is_for_its_owner_alone() {
    let parent = TempDir::new().expect("a directory");
    let path = parent.path().join("a/b");
    drop(FileStore::open(&path).expect("made"));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in ["lock", "state.redb", "witness"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_directory_with_other_files_is_left_alone() {
    let directory = TempDir::new().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    fs::write(directory.path().join("thesis.txt"), "precious").expect("written");
    let refused = FileStore::open(directory.path()).expect_err("not a store's");
    assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused}");
    assert_eq!(fs::read_dir(directory.path()).expect("there").count(), 1, "nothing was added");
    let mode = fs::metadata(directory.path()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "nothing was changed");
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let directory = TempDir::new().expect("a directory");
    let mut store = FileStore::open(directory.path()).expect("new");
    commit(&mut store, 0, 5);
    drop(store);
    let mut store = FileStore::open(directory.path()).expect("opened again");
    let stored = store.load().expect("whole");
    assert_eq!((stored.revision, stored.last_allocation), (Revision(5), AllocationId(4)));
    assert_eq!(stored.entries, entries_after(5));
    let conflict = store.commit(&batch(5), Revision(4)).expect_err("from an older revision");
    assert!(matches!(conflict, StoreError::Conflict { .. }), "{conflict}");
    commit(&mut store, 5, 6);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let directory = TempDir::new().expect("a directory");
    let store = FileStore::open(directory.path()).expect("new");
    let refused = FileStore::open(directory.path()).expect_err("it is open");
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    drop(store);
    FileStore::open(directory.path()).expect("it is free");
}

#[test]
fn a_program_started_meanwhile_does_not_keep_the_lock() {
    let directory = TempDir::new().expect("a directory");
    let store = FileStore::open(directory.path()).expect("new");
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
    drop(store);
    let again = FileStore::open(directory.path());
    drop(child.stdin.take());
    child.wait().expect("cat ends with its input");
    again.expect("the child does not hold it");
}

/// Opens a damaged copy: either it is refused, or it holds exactly what was committed.
#[track_caller]
fn assert_refused_or_whole(path: &Path, commits: u64, damage: &str) -> bool {
    // The engine promises an error, not an unwinding; neither may ever be a wrong answer.
    let opened =
        catch_unwind(AssertUnwindSafe(|| FileStore::open(path).and_then(|mut store| store.load())));
    match opened {
        Ok(Ok(stored)) => {
            assert_eq!(stored.revision, Revision(commits), "{damage}: commits are gone");
            assert!(stored.entries == entries_after(commits), "{damage}: a wrong state");
            false
        }
        Ok(Err(StoreError::Damaged { place, .. })) => {
            assert!(!place.is_empty());
            true
        }
        Ok(Err(StoreError::TooNew { .. } | StoreError::Engine { .. } | StoreError::Io { .. })) => {
            true
        }
        Ok(Err(other)) => panic!("{damage}: refused as {other}"),
        Err(_) => panic!("{damage}: the engine panicked"),
    }
}

#[test]
fn a_flipped_bit_is_refused_or_harmless_never_believed() {
    let parent = TempDir::new().expect("a directory");
    let whole = parent.path().join("whole");
    let mut store = FileStore::open(&whole).expect("new");
    commit(&mut store, 0, 6);
    drop(store);
    let image = fs::read(whole.join("state.redb")).expect("readable");
    // The header, and every page that holds something, at places that are spread out.
    let used = |page: &&usize| image[**page * 4096..][..4096].iter().any(|byte| *byte != 0);
    let pages: Vec<usize> = (0..image.len() / 4096).collect();
    let pages: Vec<usize> = pages.iter().filter(used).copied().collect();
    let mut places: Vec<usize> = (0..400).step_by(3).collect();
    for (index, page) in pages.iter().enumerate() {
        places.extend([0, 1, 5, 97, 1021, 2047, 4095].map(|at| page * 4096 + (at + index) % 4096));
    }
    places.retain(|at| *at < image.len());
    let mut refused = 0;
    for (round, at) in places.iter().enumerate() {
        let path = parent.path().join(format!("flip{round}"));
        copy(&whole, &path);
        let file = OpenOptions::new().write(true).open(path.join("state.redb")).expect("ours");
        file.write_all_at(&[image[*at] ^ 1 << (round % 8)], *at as u64).expect("written");
        refused += usize::from(assert_refused_or_whole(&path, 6, &format!("bit at {at}")));
        fs::remove_dir_all(&path).expect("ours");
    }
    assert!(refused > 20, "only {refused} of {} flips hit something", places.len());
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let parent = TempDir::new().expect("a directory");
    let whole = parent.path().join("whole");
    let mut store = FileStore::open(&whole).expect("new");
    commit(&mut store, 0, 6);
    drop(store);
    let length = fs::metadata(whole.join("state.redb")).expect("there").len();
    for round in 0..40 {
        let path = parent.path().join(format!("cut{round}"));
        copy(&whole, &path);
        let file = OpenOptions::new().write(true).open(path.join("state.redb")).expect("ours");
        let left = length * round / 40 + round % 7;
        file.set_len(left).expect("cut");
        assert_refused_or_whole(&path, 6, &format!("cut to {left}"));
        fs::remove_dir_all(&path).expect("ours");
    }
}

#[test]
fn an_older_file_beside_a_newer_witness_is_refused_with_its_place() {
    let parent = TempDir::new().expect("a directory");
    let (path, old) = (parent.path().join("store"), parent.path().join("old"));
    let mut store = FileStore::open(&path).expect("new");
    commit(&mut store, 0, 3);
    drop(store);
    copy(&path, &old);
    let mut store = FileStore::open(&path).expect("opened again");
    commit(&mut store, 3, 5);
    drop(store);
    fs::copy(old.join("state.redb"), path.join("state.redb")).expect("put back");
    let refused = FileStore::open(&path).expect_err("two commits are gone");
    let StoreError::Damaged { place, reason } = &refused else { panic!("{refused}") };
    assert_eq!(place, "revision 3 of state.redb");
    assert!(reason.contains("witness says 5"), "{reason}");

    fs::remove_file(path.join("state.redb")).expect("ours");
    let refused = FileStore::open(&path).expect_err("all commits are gone");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn a_witness_that_cannot_be_read_proves_nothing() {
    let directory = TempDir::new().expect("a directory");
    let mut store = FileStore::open(directory.path()).expect("new");
    commit(&mut store, 0, 3);
    drop(store);
    fs::write(directory.path().join("witness"), [7; 100]).expect("ours");
    let mut store = FileStore::open(directory.path()).expect("the file itself is whole");
    assert_eq!(store.load().expect("whole").entries, entries_after(3));
}

/// Commits that put or remove the records `from..to`, a thousand a commit; answers the revision.
fn sweep(store: &mut FileStore, mut revision: Revision, from: u64, to: u64, put: bool) -> Revision {
    for start in (from..to).step_by(1000) {
        let write = |sequence: u64| Write {
            kind: Kind::Record,
            sequence: Sequence(sequence),
            id: TaskId::from(format!("t{sequence}")),
            value: put.then(|| vec![(sequence + revision.0) as u8; 500]),
        };
        let writes = (start..to.min(start + 1000)).map(write).collect();
        let batch = Batch { writes, last_sequence: Sequence(to), ..Batch::default() };
        revision = store.commit(&batch, revision).expect("the disk works");
    }
    revision
}

#[test]
fn the_file_follows_what_is_alive_and_not_what_was_written() {
    const RECORDS: u64 = 8_000;
    let directory = TempDir::new().expect("a directory");
    let mut store = FileStore::open(directory.path()).expect("new");
    let size = || fs::metadata(directory.path().join("state.redb")).expect("there").len();
    let mut revision = sweep(&mut store, Revision(0), 1, RECORDS, true);
    let filled = size();
    for _ in 0..6 {
        revision = sweep(&mut store, revision, 1, RECORDS, true);
    }
    assert!(size() <= filled * 3 / 2, "rewriting all six times: from {filled} to {}", size());
    revision = sweep(&mut store, revision, 10, RECORDS, false);
    for _ in 0..3 {
        revision = sweep(&mut store, revision, 1, 10, true);
    }
    assert!(size() <= filled * 2 / 3, "with all but ten removed: from {filled} to {}", size());
    assert_eq!(store.load().expect("whole").entries.len(), 9);
}

fn dumped(store: &mut FileStore) -> Vec<u8> {
    let mut text = Vec::new();
    export(&store.load().expect("whole"), &mut text).expect("memory does not fail");
    text
}

#[test]
fn a_dump_makes_an_equal_store_whose_history_goes_on() {
    let parent = TempDir::new().expect("a directory");
    let mut store = FileStore::open(parent.path().join("a")).expect("new");
    commit(&mut store, 0, 4);
    let text = dumped(&mut store);
    let stored = import(&text[..]).expect("whole");
    let path = parent.path().join("b");
    let mut copy = FileStore::restore(&path, &stored).expect("new");
    assert_eq!(copy.load().expect("whole"), store.load().expect("whole"));
    commit(&mut copy, 4, 6);
    drop(copy);
    let mut copy = FileStore::open(&path).expect("whole");
    assert_eq!(copy.load().expect("whole").entries, entries_after(6));
    drop(copy);
    let refused = FileStore::restore(&path, &stored).expect_err("a store is there");
    assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused}");
}

#[test]
fn a_dump_that_was_cut_or_changed_is_refused_with_its_line() {
    let directory = TempDir::new().expect("a directory");
    let mut store = FileStore::open(directory.path()).expect("new");
    commit(&mut store, 0, 2);
    let text = dumped(&mut store);
    for length in 0..text.len() {
        let refused = import(&text[..length]);
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "cut to {length}: {refused:?}");
    }
    for at in (0..text.len()).step_by(3) {
        let mut changed = text.clone();
        changed[at] ^= 1 << (at % 7);
        let refused = import(&changed[..]).map(|stored| stored.revision);
        let refused = refused.expect_err("a changed byte is noticed");
        let known = matches!(
            refused,
            StoreError::Damaged { .. } | StoreError::TooNew { .. } | StoreError::Io { .. }
        );
        assert!(known, "byte {at}: {refused}");
    }
    let newer = import(&b"laneway-tasks 2 what comes\n"[..]);
    assert!(matches!(newer, Err(StoreError::TooNew { found: 2, supported: 1 })), "{newer:?}");
}

#[test]
fn looking_for_a_store_makes_none() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("state");
    let missing = FileStore::open_existing(&path).expect_err("none is there");
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    assert!(!path.exists(), "and none was made");
    drop(FileStore::open(&path).expect("new"));
    FileStore::open_existing(&path).expect("now there is one");
}

//! The table on a disk in memory: what a history leaves, and what is refused.
//!
//! `disk.rs` is the disk, `crash.rs` cuts histories short, `damage.rs` changes what was left.

use std::collections::BTreeMap;

use super::*;
use crate::store::file::verified;
use crate::task::TaskId;

mod crash;
mod damage;
mod disk;

use disk::{Disk, Op};

fn open(disk: Disk) -> Result<Table, StoreError> {
    Table::open(verified().create_with_backend(disk).map_err(engine("open"))?)
}

/// Commit number `number`: some entries are new, one changes, one goes.
fn batch(number: u64) -> Batch {
    let write = |kind, sequence, value: Option<Vec<u8>>| Write {
        kind,
        sequence: Sequence(sequence),
        id: TaskId::from(format!("t{sequence}")),
        value,
    };
    let bytes = |sequence: u64| Some(format!("{number}/{sequence} ").repeat(20).into_bytes());
    let mut writes: Vec<Write> =
        (0..4).map(|i| number * 4 + i + 1).map(|s| write(Kind::Record, s, bytes(s))).collect();
    if number > 0 {
        writes.push(write(Kind::Record, number * 4, None));
        writes.push(write(Kind::Tombstone, number * 4, bytes(number)));
        writes.push(write(Kind::Record, number * 4 - 1, bytes(number * 4 - 1)));
    }
    let (last_allocation, last_sequence) = (AllocationId(number * 10), Sequence(number * 4 + 4));
    Batch { writes, last_allocation, last_sequence, ..Batch::default() }
}

/// What must be stored after the first `count` commits.
fn expected(count: u64) -> Stored {
    let mut entries = BTreeMap::new();
    let mut stored = Stored { revision: Revision(count), ..Stored::default() };
    for number in 0..count {
        let batch = batch(number);
        for Write { kind, sequence, value, .. } in batch.writes {
            match value {
                Some(value) => entries.insert((sequence, kind), value),
                None => entries.remove(&(sequence, kind)),
            };
        }
        stored.last_allocation = batch.last_allocation;
        stored.last_sequence = batch.last_sequence;
    }
    stored.entries = entries
        .into_iter()
        .map(|((sequence, kind), value)| Entry { kind, sequence, value })
        .collect();
    stored
}

/// One commit of a history.
struct Recorded {
    /// The image before it, whole and synced.
    before: Vec<u8>,
    /// What it did to the disk.
    ops: Vec<Op>,
    /// The head that it made.
    mark: Mark,
}

fn new_table(disk: &Disk) -> Result<Table, StoreError> {
    Table::create(
        verified().create_with_backend(disk.clone()).map_err(engine("open"))?,
        &Stored::default(),
    )
}

/// A history of `count` commits, and the disk after them.
fn history(count: u64) -> (Vec<Recorded>, Disk) {
    let disk = Disk::default();
    let mut table = new_table(&disk).expect("a new table");
    let mut commits = Vec::new();
    for number in 0..count {
        disk.take_ops();
        let before = disk.image();
        table.commit(&batch(number), Revision(number)).expect("the disk works");
        commits.push(Recorded { before, ops: disk.take_ops(), mark: table.mark().0 });
    }
    // The process is killed: whatever closing would write is not written.
    let killed = Disk::of(disk.image());
    drop(table);
    (commits, killed)
}

#[test]
fn a_history_is_there_after_a_kill() {
    let (_, disk) = history(6);
    let table = open(disk).expect("opens");
    assert_eq!(table.load().expect("loads"), expected(6));
}

#[test]
fn an_entry_that_went_missing_is_noticed() {
    let (_, disk) = history(3);
    let database = verified().create_with_backend(disk.clone()).expect("opens");
    let transaction = database.begin_write().expect("writes");
    let mut table = transaction.open_table(TABLE).expect("the table is there");
    assert!(table.remove(key_of(Kind::Record, Sequence(2))).expect("removes").is_some());
    drop(table);
    transaction.commit().expect("commits");
    drop(database);
    let error = open(disk).expect("the pages are whole").load().expect_err("an entry is missing");
    assert!(
        matches!(&error, StoreError::Damaged { place, .. } if place == "revision 3"),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_named_and_not_misread() {
    let mut head = vec![0; 10];
    head[..4].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    let error = Head::decode(&head).expect_err("newer");
    assert!(matches!(error, StoreError::TooNew { found: 2, supported: 1 }), "{error}");
}

#[test]
fn a_commit_from_an_older_revision_conflicts() {
    let (_, disk) = history(2);
    let mut table = open(disk).expect("opens");
    let conflict = table.commit(&batch(2), Revision(1)).expect_err("computed from revision 1");
    assert!(
        matches!(conflict, StoreError::Conflict { expected: Revision(1), found: Revision(2) }),
        "{conflict}"
    );
    assert_eq!(table.commit(&batch(2), Revision(2)).expect("from the last"), Revision(3));
}

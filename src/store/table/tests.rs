//! Every crash point of a short history, on a disk in memory that remembers what was synced.
//!
//! The disk records every operation. A crash image is what was synced, plus some of what was not:
//! a prefix, a prefix whose last write is torn, or any subset (a device may reorder what no sync has
//! ordered). Whatever is left must open as the last acknowledged commit or as the one under way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::*;
use crate::store::file::verified;
use crate::task::TaskId;

/// One operation on the disk.
#[derive(Clone, Debug)]
enum Op {
    Write { at: usize, bytes: Vec<u8> },
    Resize { to: usize },
    Sync,
}

impl Op {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => image[*at..at + bytes.len()].copy_from_slice(bytes),
            Self::Resize { to } => image.resize(*to, 0),
            Self::Sync => {}
        }
    }
}

#[derive(Debug, Default)]
struct Content {
    image: Vec<u8>,
    ops: Vec<Op>,
    /// Operations still to succeed; the one after them fails, and all later ones.
    budget: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Content>>);

impl Disk {
    fn of(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Content { image, ..Content::default() })))
    }

    fn act(&self, op: Op) -> io::Result<()> {
        let mut content = self.0.lock();
        if let Some(budget) = &mut content.budget {
            *budget = budget.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(28))?;
        }
        op.apply(&mut content.image);
        content.ops.push(op);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (content, at) = (self.0.lock(), offset as usize);
        let end = at.checked_add(out.len()).ok_or(io::ErrorKind::InvalidInput)?;
        let bytes = content.image.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(Op::Resize { to: len as usize })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(Op::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act(Op::Write { at: offset as usize, bytes: data.to_vec() })
    }
}

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

/// The image before a commit, whole and synced, and what the commit did.
type Recorded = (Vec<u8>, Vec<Op>);

/// A history of `count` commits, and the disk after them.
fn history(count: u64) -> (Vec<Recorded>, Disk) {
    let disk = Disk::default();
    let database = verified().create_with_backend(disk.clone()).expect("a new database");
    let mut table = Table::create(database).expect("a new table");
    let mut commits = Vec::new();
    for number in 0..count {
        disk.0.lock().ops.clear();
        let before = disk.0.lock().image.clone();
        table.commit(&batch(number), Revision(number)).expect("the disk works");
        commits.push((before, disk.0.lock().ops.clone()));
    }
    // The process is killed: whatever closing would write is not written.
    let killed = Disk::of(disk.0.lock().image.clone());
    drop(table);
    (commits, killed)
}

#[track_caller]
fn assert_whole(image: Vec<u8>, acknowledged: u64, crash: &str) {
    let table = open(Disk::of(image)).unwrap_or_else(|e| panic!("{crash}: does not open: {e}"));
    let found = table.load().unwrap_or_else(|e| panic!("{crash}: does not load: {e}"));
    let revision = found.revision.0;
    assert!(
        revision == acknowledged || revision == acknowledged + 1,
        "{crash}: opened at {revision}, acknowledged was {acknowledged}"
    );
    assert!(found == expected(revision), "{crash}: half a commit");
}

#[test]
fn a_history_is_there_after_a_kill() {
    let (_, disk) = history(6);
    let table = open(disk).expect("opens");
    assert_eq!(table.load().expect("loads"), expected(6));
}

#[test]
fn a_commit_cut_anywhere_is_all_there_or_not_at_all() {
    const STEP: usize = 13; // odd, so that cuts fall on no boundary, and on each of them too
    let (commits, _) = history(5);
    let (before, ops) = commits.last().expect("five commits");
    let mut image = before.clone();
    for (index, op) in ops.iter().enumerate() {
        if let Op::Write { at, bytes } = op {
            for cut in (0..bytes.len()).step_by(STEP) {
                let mut torn = image.clone();
                Op::Write { at: *at, bytes: bytes[..cut].to_vec() }.apply(&mut torn);
                assert_whole(torn, 4, &format!("operation {index} cut at {cut}"));
            }
        }
        op.apply(&mut image);
        assert_whole(image.clone(), 4, &format!("after operation {index}"));
    }
}

#[test]
fn any_subset_of_what_was_not_synced_leaves_a_whole_commit() {
    let (commits, _) = history(4);
    for (number, (before, ops)) in commits.iter().enumerate() {
        let unsynced: Vec<&Op> = ops.iter().take_while(|op| !matches!(op, Op::Sync)).collect();
        let writes = unsynced.iter().filter(|op| matches!(op, Op::Write { .. })).count();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..60 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // First each write missing alone, then random subsets.
            let missing = |write: usize| match round < writes {
                true => write == round,
                false => random >> (write % 64) & 1 == 1,
            };
            let mut image = before.clone();
            let mut write = 0;
            for op in &unsynced {
                let skip = matches!(op, Op::Write { .. }) && {
                    write += 1;
                    missing(write - 1)
                };
                if !skip {
                    op.apply(&mut image);
                }
            }
            assert_whole(image, number as u64, &format!("commit {number}, subset {round}"));
        }
    }
}

#[test]
fn a_full_disk_fails_the_commit_and_loses_nothing_acknowledged() {
    for budget in 0.. {
        let disk = Disk::default();
        let database = verified().create_with_backend(disk.clone()).expect("a new database");
        let mut table = Table::create(database).expect("a new table");
        table.commit(&batch(0), Revision(0)).expect("the disk works");
        disk.0.lock().budget = Some(budget);
        let Err(error) = table.commit(&batch(1), Revision(1)) else {
            assert!(budget > 2, "a commit writes and syncs");
            return;
        };
        assert!(matches!(error, StoreError::Io { .. } | StoreError::Poisoned), "{error:?}");
        let again = table.commit(&batch(1), Revision(1));
        assert!(matches!(again, Err(StoreError::Poisoned)), "it takes no more: {again:?}");
        drop(table);
        let image = disk.0.lock().image.clone();
        assert_whole(image, 1, &format!("full after {budget} operations"));
    }
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

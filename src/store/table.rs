//! Entries and the chain of commits, in one table of a redb database.
//!
//! ```text
//!   key 0                       the head: format, revision, hash of the predecessor, own hash,
//!                               counters, number and sum of the entries, check
//!   key 2 x sequence + kind     check of key and value (16 bytes), value; kind: 0 record, 1 tombstone
//!   key 2^63 + the same         kind: 0 node, 1 settings
//! ```
//!
//! redb makes a commit atomic and checks its pages. On top of that the head makes *lost* changes
//! visible: it counts the entries and keeps the sum of their checks, so that a missing, an old or a
//! foreign entry is found at load, and each entry's own check says which one it is. Every commit's
//! hash covers its writes and the hash before it: two histories never have the same head.
//!
//! Keys follow the order of starts, because tasks that change together were mostly started together:
//! their entries share pages, and a commit writes few of them (see docs/decisions/embedded-store.md).
//!
//! Not here: files, locks and permissions (`file.rs`).

use redb::{Database, ReadableDatabase, TableDefinition};

use super::{Batch, Entry, Kind, StoreError, Stored, Write};
use crate::task::{AllocationId, Revision, Sequence};

/// The format that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

const TABLE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("laneway");
const HEAD_KEY: u64 = 0;
/// Keys from here on are those of nodes and settings.
const UPPER: u64 = 1 << 63;
const CHECK_LEN: usize = 16;

/// A commit's place in history and its fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) revision: Revision,
    pub(super) hash: [u8; 32],
}

/// The open database.
pub(super) struct Table {
    database: Database,
    head: Head,
    /// A commit failed: what is on the disk is unknown.
    poisoned: bool,
}

/// What the last commit says about the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    mark: Mark,
    /// The hash of the commit before.
    previous: [u8; 32],
    last_allocation: AllocationId,
    last_sequence: Sequence,
    /// How many entries there are.
    count: u64,
    /// The wrapping sum of their checks.
    sum: u128,
}

impl Table {
    /// Begins a history with `stored`, in one commit of the database.
    pub(super) fn create(database: Database, stored: &Stored) -> Result<Self, StoreError> {
        let mark = Mark { revision: stored.revision, hash: [0; 32] };
        let Stored { last_allocation, last_sequence, .. } = *stored;
        let mut head =
            Head { mark, previous: [0; 32], last_allocation, last_sequence, count: 0, sum: 0 };
        let mut hash = blake3::Hasher::new();
        let transaction = database.begin_write().map_err(engine("create"))?;
        let mut table = transaction.open_table(TABLE).map_err(engine("create"))?;
        for Entry { kind, sequence, value } in &stored.entries {
            let key = key_of(*kind, *sequence);
            let check = check_of(key, value);
            let bytes = [&check, value.as_slice()].concat();
            if table.insert(key, bytes.as_slice()).map_err(engine("create"))?.is_some() {
                return Err(damaged(format!("{kind:?} {}", sequence.0), "it is there twice"));
            }
            hash.update(&check);
            head.add(&check);
        }
        // The hash of an empty history is zero; any other begins with what it begins with.
        if head.count > 0 || stored.revision > Revision(0) {
            hash.update(&head.numbers());
            head.mark.hash = *hash.finalize().as_bytes();
        }
        table.insert(HEAD_KEY, head.encode().as_slice()).map_err(engine("create"))?;
        drop(table);
        transaction.commit().map_err(engine("create"))?;
        Ok(Self { database, head, poisoned: false })
    }

    /// Takes an existing history over.
    pub(super) fn open(database: Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(engine("open"))?;
        let table = transaction.open_table(TABLE).map_err(engine("open"))?;
        let head = table.get(HEAD_KEY).map_err(engine("open"))?;
        let head = head.ok_or_else(|| damaged("the head", "it is missing"))?;
        let head = Head::decode(head.value())?;
        drop((table, transaction));
        Ok(Self { database, head, poisoned: false })
    }

    /// The last commit, and the hash of the one before.
    pub(super) fn mark(&self) -> (Mark, [u8; 32]) {
        (self.head.mark, self.head.previous)
    }

    /// Everything, checked.
    pub(super) fn load(&self) -> Result<Stored, StoreError> {
        let transaction = self.database.begin_read().map_err(engine("load"))?;
        let table = transaction.open_table(TABLE).map_err(engine("load"))?;
        let mut entries = Vec::new();
        let mut sum = 0_u128;
        for item in table.range(HEAD_KEY + 1..).map_err(engine("load"))? {
            let (key, stored) = item.map_err(engine("load"))?;
            let (key, stored) = (key.value(), stored.value());
            let (kind, sequence) = place_of(key);
            let place = || format!("{kind:?} {}", sequence.0);
            let (check, value) = stored
                .split_at_checked(CHECK_LEN)
                .ok_or_else(|| damaged(place(), "it is too short"))?;
            if check_of(key, value) != check {
                return Err(damaged(place(), "its check does not fit"));
            }
            sum = sum.wrapping_add(number_of(check));
            entries.push(Entry { kind, sequence, value: value.to_vec() });
        }
        let Head { mark, last_allocation, last_sequence, .. } = self.head;
        if (entries.len() as u64, sum) != (self.head.count, self.head.sum) {
            let place = format!("revision {}", mark.revision.0);
            return Err(damaged(place, "an entry is missing, or is not of this commit"));
        }
        Ok(Stored { revision: mark.revision, last_allocation, last_sequence, entries })
    }

    /// One commit. After a failure the table takes no more.
    pub(super) fn commit(
        &mut self,
        batch: &Batch,
        expected: Revision,
    ) -> Result<Revision, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let found = self.head.mark.revision;
        if found != expected {
            return Err(StoreError::Conflict { expected, found });
        }
        // Until it is known to have succeeded, it may have happened or not.
        self.poisoned = true;
        self.head = self.write(batch)?;
        self.poisoned = false;
        Ok(self.head.mark.revision)
    }

    /// Takes no more commits.
    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    fn write(&self, batch: &Batch) -> Result<Head, StoreError> {
        let mut head = self.head.successor(batch);
        let mut hash = blake3::Hasher::new();
        hash.update(&self.head.mark.hash);
        let transaction = self.database.begin_write().map_err(engine("commit"))?;
        let mut table = transaction.open_table(TABLE).map_err(engine("commit"))?;
        for Write { kind, sequence, value, .. } in &batch.writes {
            let key = key_of(*kind, *sequence);
            hash.update(&key.to_le_bytes());
            let old = match value {
                Some(value) => {
                    let check = check_of(key, value);
                    hash.update(&check);
                    head.add(&check);
                    let stored = [&check, value.as_slice()].concat();
                    table.insert(key, stored.as_slice()).map_err(engine("commit"))?
                }
                None => table.remove(key).map_err(engine("commit"))?,
            };
            if let Some(check) = old.as_ref().and_then(|old| old.value().get(..CHECK_LEN)) {
                head.subtract(check);
            }
        }
        hash.update(&head.numbers());
        head.mark.hash = *hash.finalize().as_bytes();
        table.insert(HEAD_KEY, head.encode().as_slice()).map_err(engine("commit"))?;
        drop(table);
        transaction.commit().map_err(engine("commit"))?;
        Ok(head)
    }
}

impl Head {
    const LEN: usize = 4 + 8 + 32 + 32 + 8 + 8 + 8 + 16 + CHECK_LEN;

    /// The head of the next commit, still without its writes and its hash.
    fn successor(&self, batch: &Batch) -> Self {
        Self {
            mark: Mark { revision: self.mark.revision.next(), hash: [0; 32] },
            previous: self.mark.hash,
            last_allocation: batch.last_allocation,
            last_sequence: batch.last_sequence,
            ..*self
        }
    }

    fn add(&mut self, check: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number_of(check));
    }

    fn subtract(&mut self, check: &[u8]) {
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(number_of(check));
    }

    fn numbers(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(self.mark.revision.0.to_le_bytes());
        bytes.extend(self.last_allocation.0.to_le_bytes());
        bytes.extend(self.last_sequence.0.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.sum.to_le_bytes());
        bytes
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.numbers();
        bytes.extend(self.previous);
        bytes.extend(self.mark.hash);
        bytes.extend(check_of(HEAD_KEY, &bytes));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        // The format comes first in every version, so that a newer one is named, not misread.
        if let Some(format) = bytes.first_chunk().map(|format| u32::from_le_bytes(*format))
            && format > FORMAT
        {
            return Err(StoreError::TooNew { found: format, supported: FORMAT });
        }
        let body = bytes.len().checked_sub(CHECK_LEN).filter(|_| bytes.len() == Self::LEN);
        let body = body.ok_or_else(|| damaged("the head", "it has another length"))?;
        let (body, check) = bytes.split_at(body);
        if check_of(HEAD_KEY, body) != check {
            return Err(damaged("the head", "its check does not fit"));
        }
        let mut from = body.get(4..).unwrap_or_default();
        let revision = Revision(u64::from_le_bytes(take(&mut from)));
        let last_allocation = AllocationId(u64::from_le_bytes(take(&mut from)));
        let last_sequence = Sequence(u64::from_le_bytes(take(&mut from)));
        let count = u64::from_le_bytes(take(&mut from));
        let sum = u128::from_le_bytes(take(&mut from));
        let previous = take(&mut from);
        let mark = Mark { revision, hash: take(&mut from) };
        Ok(Self { mark, previous, last_allocation, last_sequence, count, sum })
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = from.split_first_chunk().expect("the length was checked");
    *from = rest;
    *taken
}

fn key_of(kind: Kind, sequence: Sequence) -> u64 {
    assert!(sequence.0 < UPPER / 2, "2^62 starts take longer than the hardware lasts");
    let kind = match kind {
        Kind::Record => 0,
        Kind::Tombstone => 1,
        Kind::Node => UPPER,
        Kind::Settings => UPPER + 1,
    };
    let key = sequence.0 * 2 + kind;
    assert!(key != HEAD_KEY, "the first start has sequence 1");
    key
}

fn place_of(key: u64) -> (Kind, Sequence) {
    let kind = match (key < UPPER, key.is_multiple_of(2)) {
        (true, true) => Kind::Record,
        (true, false) => Kind::Tombstone,
        (false, true) => Kind::Node,
        (false, false) => Kind::Settings,
    };
    (kind, Sequence((key % UPPER) / 2))
}

fn check_of(key: u64, value: &[u8]) -> [u8; CHECK_LEN] {
    let hash = blake3::Hasher::new().update(&key.to_le_bytes()).update(value).finalize();
    *hash.as_bytes().first_chunk().expect("a hash is longer than a check")
}

fn number_of(check: &[u8]) -> u128 {
    u128::from_le_bytes(check.try_into().expect("checks have one length"))
}

fn damaged(place: impl Into<String>, reason: &str) -> StoreError {
    StoreError::Damaged { place: place.into(), reason: reason.into() }
}

/// Sorts what redb says into what callers can act on.
pub(super) fn engine<E: Into<redb::Error>>(action: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| match error.into() {
        redb::Error::Corrupted(reason) => damaged("state.redb", &reason),
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::InvalidData => {
            damaged("state.redb", &source.to_string())
        }
        redb::Error::Io(source) => StoreError::Io { action, source },
        redb::Error::PreviousIo => StoreError::Poisoned,
        redb::Error::UpgradeRequired(found) => {
            damaged("state.redb", &format!("its file format {found} is not ours"))
        }
        missing @ redb::Error::TableDoesNotExist(_) => damaged("state.redb", &missing.to_string()),
        other => StoreError::Engine { action, source: Box::new(other) },
    }
}

#[cfg(test)]
mod tests;

//! Records and tombstones as bytes, with a version in front.
//!
//! ```text
//!   entry   := version u8, id text, payload
//!   text    := length u32, UTF-8        bytes := length u32, bytes        numbers little-endian
//! ```
//!
//! Every version, also a future one, begins with the version and the id, so that a record that only
//! a newer version can read is still known by its name: it is kept as it is and never dropped.
//! Decoding checks everything it reads and never panics: what it refuses is damage, since the store
//! vouches for the bytes.

use std::sync::Arc;

use super::{Attempt, Batch, Entry, Kind, StoreError, Stored, Write};
use crate::task::{
    AllocationId, Attempts, Bytes, Changes, Checkpoint, Ending, Failure, FailureKind, NodeId,
    Opaque, Outcome, Phase, Policies, Record, Revision, Saved, Sequence, State, TaskId, Timestamp,
    Tombstone,
};

/// The version that is written.
const VERSION: u8 = 1;

/// The batch that brings a store to `after`, given what changed.
pub(crate) fn encode(changes: &Changes, after: &State) -> Batch {
    let mut writes = Vec::with_capacity(changes.records.len() + changes.tombstones.len());
    for change in &changes.records {
        let old = change.before.as_ref().map(|r| (r.sequence, &r.id));
        let new = change.after.as_ref().map(|r| (r.sequence, &r.id));
        replace(&mut writes, Kind::Record, old, new, || {
            change.after.as_ref().map(|record| encode_record(record))
        });
    }
    for change in &changes.tombstones {
        let old = change.before.as_ref().map(|t| (t.sequence, &t.id));
        let new = change.after.as_ref().map(|t| (t.sequence, &t.id));
        replace(&mut writes, Kind::Tombstone, old, new, || {
            change.after.as_ref().map(|tombstone| encode_tombstone(tombstone))
        });
    }
    let (last_allocation, last_sequence) = (after.last_allocation(), after.last_sequence());
    Batch { attempt: Attempt::default(), writes, last_allocation, last_sequence }
}

/// One id may change its place (removed and started anew): the old place is then cleared.
fn replace(
    writes: &mut Vec<Write>,
    kind: Kind,
    old: Option<(Sequence, &TaskId)>,
    new: Option<(Sequence, &TaskId)>,
    value: impl FnOnce() -> Option<Vec<u8>>,
) {
    if let Some((sequence, id)) = old.filter(|old| new.is_none_or(|new| new.0 != old.0)) {
        writes.push(Write { kind, sequence, id: id.clone(), value: None });
    }
    if let Some((sequence, id)) = new {
        writes.push(Write { kind, sequence, id: id.clone(), value: value() });
    }
}

/// What was stored, as the task layer knows it.
pub(crate) fn decode(stored: Stored) -> Result<Saved, StoreError> {
    let mut saved = Saved {
        revision: stored.revision,
        last_allocation: stored.last_allocation,
        last_sequence: stored.last_sequence,
        ..Saved::default()
    };
    for entry in stored.entries {
        let damaged = |what: &'static str| StoreError::Damaged {
            place: format!("{:?} {}", entry.kind, entry.sequence.0),
            reason: format!("{what} cannot be decoded"),
        };
        decode_entry(&entry, &mut saved).map_err(|Malformed(what)| damaged(what))?;
    }
    Ok(saved)
}

fn decode_entry(entry: &Entry, saved: &mut Saved) -> Result<(), Malformed> {
    let mut from = Reader(&entry.value);
    let version = from.byte("version")?;
    let id = TaskId::from(from.text("id")?);
    match (entry.kind, version) {
        (Kind::Record, VERSION) => {
            let record = decode_record(&mut from, id, entry.sequence)?;
            saved.records.push(Arc::new(record));
        }
        (Kind::Tombstone, VERSION) => {
            let tombstone = decode_tombstone(&mut from, id, entry.sequence)?;
            saved.tombstones.push(Arc::new(tombstone));
        }
        (Kind::Record, newer) if newer > VERSION => {
            let bytes = Bytes::from(entry.value.as_slice());
            saved.opaque.push(Arc::new(Opaque { id, sequence: entry.sequence, bytes }));
            return Ok(());
        }
        // Written by a newer version, which a later commit may make readable again.
        (Kind::Node | Kind::Settings, newer) if newer > VERSION => return Ok(()),
        // Forgetting a tombstone early costs an answer to a late request, nothing else.
        (Kind::Tombstone, newer) if newer > VERSION => return Ok(()),
        _ => return Err(Malformed("version")),
    }
    from.end()
}

fn encode_record(record: &Record) -> Vec<u8> {
    let mut to = Writer::new(&record.id);
    to.text(&record.name);
    to.bytes(&record.params);
    to.option(record.lane.as_ref(), |to, lane| to.bytes(lane));
    for word in record.policies.to_words() {
        to.u64(word);
    }
    encode_phase(&mut to, &record.phase);
    to.u64(record.allocation.0);
    to.option(record.state.as_ref(), |to, state| {
        to.bytes(&state.value);
        to.u64(state.written_by.0);
    });
    to.u32(record.attempts.start_failures);
    to.u32(record.attempts.run_failures);
    to.option(record.last_error.as_ref(), |to, failure| {
        to.byte(match failure.kind {
            FailureKind::Start => 0,
            FailureKind::Run => 1,
        });
        to.text(&failure.message);
    });
    to.u64(record.created.0);
    to.u64(record.updated.0);
    to.0
}

fn decode_record(
    from: &mut Reader<'_>,
    id: TaskId,
    sequence: Sequence,
) -> Result<Record, Malformed> {
    Ok(Record {
        id,
        sequence,
        name: from.text("name")?.into(),
        params: from.bytes("params")?.into(),
        lane: from.option("lane", |from| Ok(from.bytes("lane")?.into()))?,
        policies: Arc::new(decode_policies(from)?),
        phase: decode_phase(from)?,
        allocation: AllocationId(from.u64("allocation")?),
        state: from.option("state", |from| {
            let value = from.bytes("state")?.into();
            Ok(Checkpoint { value, written_by: AllocationId(from.u64("state writer")?) })
        })?,
        attempts: Attempts {
            start_failures: from.u32("start failures")?,
            run_failures: from.u32("run failures")?,
        },
        last_error: from.option("last error", decode_failure)?,
        created: Revision(from.u64("created")?),
        updated: Revision(from.u64("updated")?),
    })
}

fn decode_policies(from: &mut Reader<'_>) -> Result<Policies, Malformed> {
    let mut words = [0; 6];
    for word in &mut words {
        *word = from.u64("policies")?;
    }
    Policies::from_words(words).ok_or(Malformed("policies"))
}

fn decode_failure(from: &mut Reader<'_>) -> Result<Failure, Malformed> {
    let kind = match from.byte("failure kind")? {
        0 => FailureKind::Start,
        1 => FailureKind::Run,
        _ => return Err(Malformed("failure kind")),
    };
    Ok(Failure { kind, message: from.text("failure message")?.into() })
}

fn encode_phase(to: &mut Writer, phase: &Phase) {
    match phase {
        Phase::Unassigned { not_before } => {
            to.byte(0);
            to.option(not_before.as_ref(), |to, at| to.u64(at.0));
        }
        Phase::Assigned { node, cancel_by } => {
            to.byte(1);
            to.text(node.as_str());
            to.option(cancel_by.as_ref(), |to, at| to.u64(at.0));
        }
        Phase::Parked => to.byte(2),
        Phase::Ended(ending) => {
            to.byte(3);
            to.byte(outcome_byte(ending.outcome));
            to.bytes(&ending.result);
            to.u64(ending.at.0);
        }
    }
}

fn decode_phase(from: &mut Reader<'_>) -> Result<Phase, Malformed> {
    let time = |from: &mut Reader<'_>| Ok(Timestamp(from.u64("time")?));
    Ok(match from.byte("phase")? {
        0 => Phase::Unassigned { not_before: from.option("pause", time)? },
        1 => Phase::Assigned {
            node: NodeId::from(from.text("node")?),
            cancel_by: from.option("grace", time)?,
        },
        2 => Phase::Parked,
        3 => Phase::Ended(Ending {
            outcome: decode_outcome(from)?,
            result: from.bytes("result")?.into(),
            at: time(from)?,
        }),
        _ => return Err(Malformed("phase")),
    })
}

fn outcome_byte(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Failed => 1,
        Outcome::Cancelled => 2,
        Outcome::Removed => 3,
    }
}

fn decode_outcome(from: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    match from.byte("outcome")? {
        0 => Ok(Outcome::Completed),
        1 => Ok(Outcome::Failed),
        2 => Ok(Outcome::Cancelled),
        3 => Ok(Outcome::Removed),
        _ => Err(Malformed("outcome")),
    }
}

fn encode_tombstone(tombstone: &Tombstone) -> Vec<u8> {
    let mut to = Writer::new(&tombstone.id);
    to.u64(tombstone.allocation.0);
    to.0.extend(tombstone.digest.to_le_bytes());
    to.byte(outcome_byte(tombstone.outcome));
    to.u64(tombstone.at.0);
    to.0
}

fn decode_tombstone(
    from: &mut Reader<'_>,
    id: TaskId,
    sequence: Sequence,
) -> Result<Tombstone, Malformed> {
    Ok(Tombstone {
        id,
        sequence,
        allocation: AllocationId(from.u64("allocation")?),
        digest: u128::from_le_bytes(from.array("digest")?),
        outcome: decode_outcome(from)?,
        at: Timestamp(from.u64("time")?),
    })
}

/// The field that cannot be decoded.
struct Malformed(&'static str);

struct Writer(Vec<u8>);

impl Writer {
    fn new(id: &TaskId) -> Self {
        let mut to = Self(Vec::with_capacity(256));
        to.byte(VERSION);
        to.text(id.as_str());
        to
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("fields are limited to less than 4 GiB"));
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        Ok(self.take(N, what)?.try_into().expect("`take` gives as many as asked"))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(what)?[0])
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.u32(what)?;
        self.take(usize::try_from(length).map_err(|_| Malformed(what))?, what)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(what)?).map_err(|_| Malformed(what))
    }

    fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.byte(what)? {
            0 => Ok(None),
            1 => Ok(Some(read(self)?)),
            _ => Err(Malformed(what)),
        }
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("length")) }
    }
}

#[cfg(test)]
mod tests;

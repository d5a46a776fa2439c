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

use super::{Attempt, Batch, Commit, Entry, Kind, StoreError, Stored, Write};
use crate::task::{
    AllocationId, Attempts, Bytes, Capacity, Changes, Checkpoint, Enable, Ending, Failure,
    FailureKind, History, Incarnation, Member, NodeId, Opaque, Outcome, Patch, Phase, Placement,
    Policies, Record, Revision, Run, RunEnd, RunOutcome, Saved, Sequence, Settings, State, TaskId,
    Timestamp, Tombstone,
};

/// The version that is written.
const VERSION: u8 = 2;

/// The first version: records without placement and history. Nodes and settings had none.
const FIRST: u8 = 1;

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
    for change in &changes.members {
        let place = |member: &Arc<Member>| (member.sequence, TaskId::from(member.id.as_str()));
        let (old, new) = (change.before.as_ref().map(place), change.after.as_ref().map(place));
        let (old, new) =
            (old.as_ref().map(|it| (it.0, &it.1)), new.as_ref().map(|it| (it.0, &it.1)));
        replace(&mut writes, Kind::Node, old, new, || {
            change.after.as_ref().map(|member| encode_member(member))
        });
    }
    if changes.settings {
        let value = Some(encode_settings(after.settings()));
        let (kind, sequence) = (Kind::Settings, Sequence(0));
        writes.push(Write { kind, sequence, id: TaskId::from(""), value });
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

/// `base` with one more commit of the store that it came from.
pub(crate) fn patched(base: State, commit: &Commit) -> Result<State, StoreError> {
    let batch = &commit.batch;
    let mut patches = Vec::with_capacity(batch.writes.len());
    for write in &batch.writes {
        let patch = match &write.value {
            Some(value) => decode_value(write.kind, write.sequence, value),
            None => Ok(removal(write)),
        };
        let patch = patch.map_err(|Malformed(what)| StoreError::Damaged {
            place: format!("{:?} {} of commit {}", write.kind, write.sequence.0, commit.revision.0),
            reason: format!("{what} cannot be decoded"),
        })?;
        patches.extend(patch);
    }
    let counters = (batch.last_allocation, batch.last_sequence);
    Ok(base.patched(commit.revision, counters, patches))
}

fn removal(write: &Write) -> Option<Patch> {
    let (id, sequence) = (write.id.clone(), write.sequence);
    match write.kind {
        Kind::Record => Some(Patch::NoRecord(id, sequence)),
        Kind::Tombstone => Some(Patch::NoTombstone(id, sequence)),
        Kind::Node => Some(Patch::NoMember(id, sequence)),
        Kind::Settings => Some(Patch::Settings(Settings::default())),
    }
}

fn decode_entry(entry: &Entry, saved: &mut Saved) -> Result<(), Malformed> {
    match decode_value(entry.kind, entry.sequence, &entry.value)? {
        Some(Patch::Record(record)) => saved.records.push(record),
        Some(Patch::Opaque(opaque)) => saved.opaque.push(opaque),
        Some(Patch::Tombstone(tombstone)) => saved.tombstones.push(tombstone),
        Some(Patch::Member(member)) => saved.members.push(member),
        Some(Patch::Settings(settings)) => saved.settings = settings,
        _ => {}
    }
    Ok(())
}

/// One entry; `None` if only a newer version can read it and this one needs not know of it.
fn decode_value(kind: Kind, sequence: Sequence, value: &[u8]) -> Result<Option<Patch>, Malformed> {
    let mut from = Reader(value);
    let version = from.byte("version")?;
    let id = TaskId::from(from.text("id")?);
    let patch = match (kind, version) {
        (Kind::Record, FIRST | VERSION) => {
            Patch::Record(Arc::new(decode_record(&mut from, id, sequence, version)?))
        }
        (Kind::Tombstone, FIRST | VERSION) => {
            Patch::Tombstone(Arc::new(decode_tombstone(&mut from, id, sequence)?))
        }
        (Kind::Node, VERSION) => Patch::Member(Arc::new(decode_member(&mut from, &id, sequence)?)),
        (Kind::Settings, VERSION) => Patch::Settings(decode_settings(&mut from)?),
        (Kind::Record, newer) if newer > VERSION => {
            let bytes = Bytes::from(value);
            return Ok(Some(Patch::Opaque(Arc::new(Opaque { id, sequence, bytes }))));
        }
        // Forgetting a tombstone early costs an answer to a late request; an unknown node gets no
        // tasks from here; settings that are not understood are left to those who do.
        (Kind::Tombstone | Kind::Node | Kind::Settings, newer) if newer > VERSION => {
            return Ok(None);
        }
        _ => return Err(Malformed("version")),
    };
    from.end()?;
    Ok(Some(patch))
}

fn encode_member(member: &Member) -> Vec<u8> {
    let mut to = Writer::new(&TaskId::from(member.id.as_str()));
    to.u64(member.incarnation.0);
    to.list(&member.executors, |to, (name, capacity)| {
        to.text(name);
        to.u32(capacity.room);
        to.u32(capacity.weight);
    });
    to.list(&member.labels, |to, (name, value)| {
        to.text(name);
        to.text(value);
    });
    to.option(member.draining.as_ref(), |to, by| to.u64(by.0));
    to.0
}

fn decode_member(
    from: &mut Reader<'_>,
    id: &TaskId,
    sequence: Sequence,
) -> Result<Member, Malformed> {
    Ok(Member {
        id: NodeId::from(id.as_str()),
        incarnation: Incarnation(from.u64("incarnation")?),
        sequence,
        executors: from.list("executors", |from| {
            let name = from.text("executor")?.into();
            let (room, weight) = (from.u32("room")?, from.u32("weight")?);
            Ok((name, Capacity { room, weight }))
        })?,
        labels: from.list("labels", decode_label)?,
        draining: from.option("draining", |from| Ok(Timestamp(from.u64("time")?)))?,
    })
}

fn decode_label(from: &mut Reader<'_>) -> Result<(Arc<str>, Arc<str>), Malformed> {
    Ok((from.text("label")?.into(), from.text("label")?.into()))
}

fn encode_settings(settings: Settings) -> Vec<u8> {
    let mut to = Writer::new(&TaskId::from(""));
    to.byte(match settings.assignment {
        Enable::All => 0,
        Enable::None => 1,
    });
    to.0
}

fn decode_settings(from: &mut Reader<'_>) -> Result<Settings, Malformed> {
    let assignment = match from.byte("assignment")? {
        0 => Enable::All,
        1 => Enable::None,
        _ => return Err(Malformed("assignment")),
    };
    Ok(Settings { assignment })
}

fn encode_history(to: &mut Writer, history: &History) {
    to.list(history.runs(), |to, run| {
        to.u64(run.allocation.0);
        to.text(run.node.as_str());
        to.u64(run.since.0);
        to.option(run.end.as_ref(), |to, end| {
            to.u64(end.at.0);
            to.byte(match end.how {
                RunOutcome::Completed => 0,
                RunOutcome::Failed(FailureKind::Start) => 1,
                RunOutcome::Failed(FailureKind::Run) => 2,
                RunOutcome::HandedBack => 3,
                RunOutcome::NodeLost => 4,
                RunOutcome::Cancelled => 5,
            });
            to.option(end.error.as_ref(), |to, error| to.text(error));
        });
    });
}

fn decode_run(from: &mut Reader<'_>) -> Result<Run, Malformed> {
    Ok(Run {
        allocation: AllocationId(from.u64("allocation")?),
        node: NodeId::from(from.text("node")?),
        since: Timestamp(from.u64("time")?),
        end: from.option("end of a run", |from| {
            Ok(RunEnd {
                at: Timestamp(from.u64("time")?),
                how: match from.byte("end of a run")? {
                    0 => RunOutcome::Completed,
                    1 => RunOutcome::Failed(FailureKind::Start),
                    2 => RunOutcome::Failed(FailureKind::Run),
                    3 => RunOutcome::HandedBack,
                    4 => RunOutcome::NodeLost,
                    5 => RunOutcome::Cancelled,
                    _ => return Err(Malformed("end of a run")),
                },
                error: from.option("error", |from| Ok(from.text("error")?.into()))?,
            })
        })?,
    })
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
    let Placement { requires, prefers } = &record.policies.placement;
    for labels in [requires, prefers] {
        to.list(labels, |to, (name, value)| {
            to.text(name);
            to.text(value);
        });
    }
    encode_history(&mut to, &record.history);
    to.0
}

fn decode_record(
    from: &mut Reader<'_>,
    id: TaskId,
    sequence: Sequence,
    version: u8,
) -> Result<Record, Malformed> {
    let mut record = decode_first(from, id, sequence)?;
    if version > FIRST {
        let requires = from.list("labels", decode_label)?;
        let prefers = from.list("labels", decode_label)?;
        let policies = Policies::clone(&record.policies);
        let placement = Placement { requires, prefers };
        record.policies = Arc::new(Policies { placement, ..policies });
        record.history = from.list::<Vec<Run>, _>("history", decode_run)?.into();
    }
    Ok(record)
}

/// The fields that every version has.
fn decode_first(
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
        history: History::default(),
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

    fn list<I: IntoIterator>(&mut self, items: I, mut write: impl FnMut(&mut Self, I::Item))
    where
        I::IntoIter: ExactSizeIterator,
    {
        let items = items.into_iter();
        self.u32(u32::try_from(items.len()).expect("lists are limited to less than 2^32"));
        items.for_each(|item| write(self, item));
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

    fn list<C: FromIterator<T>, T>(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<C, Malformed> {
        let count = self.u32(what)?;
        (0..count).map(|_| read(self)).collect()
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

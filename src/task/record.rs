//! What is stored of one task, while it lives and shortly after.

use std::sync::Arc;

use super::history::History;
use super::ident::{AllocationId, Bytes, NodeId, Revision, Sequence, TaskId, Timestamp};
use super::policy::{Placement, Policies};

/// Everything that is stored of one task. Immutable: a change is a new record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Chosen by the caller.
    pub id: TaskId,
    /// Chooses the executor.
    pub name: Arc<str>,
    /// What the caller asked for, opaque here.
    pub params: Bytes,
    /// Tasks of one lane run one at a time, in the order of their starts.
    pub lane: Option<Bytes>,
    /// What happens at failures and at the end.
    pub policies: Arc<Policies>,
    /// The place among all starts.
    pub sequence: Sequence,
    /// Where in its life the task is.
    pub phase: Phase,
    /// The last allocation, in force or not; [`AllocationId::NONE`] if there never was one.
    pub allocation: AllocationId,
    /// The last checkpoint. Survives reassignment and restart.
    pub state: Option<Checkpoint>,
    /// Failures so far.
    pub attempts: Attempts,
    /// The last failure, kept also after a later success.
    pub last_error: Option<Failure>,
    /// The last runs.
    pub history: History,
    /// The commit that created it.
    pub created: Revision,
    /// The commit that changed it last.
    pub updated: Revision,
}

/// Where in its life a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Waits for an assignment; why is answered by [`State::explain`](super::State::explain).
    Unassigned {
        /// Not before this time, after a failure.
        not_before: Option<Timestamp>,
    },
    /// Belongs to a node, under the record's allocation.
    Assigned {
        /// The node.
        node: NodeId,
        /// Asked to stop; ends as cancelled at this time at the latest.
        cancel_by: Option<Timestamp>,
    },
    /// Failed too often: waits for [`Command::Resume`](super::Command::Resume) or its removal.
    Parked,
    /// Over, and kept.
    Ended(Ending),
}

/// How a kept task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// In one word.
    pub outcome: Outcome,
    /// What the executor handed over, empty unless completed.
    pub result: Bytes,
    /// When.
    pub at: Timestamp,
}

/// How a task ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its executor completed it.
    Completed,
    /// It failed, and its policy was to remove it then.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its record was removed by request before it had ended.
    Removed,
}

/// The last state that an executor left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The bytes.
    pub value: Bytes,
    /// The allocation that wrote them; an older one than the record's means that the current
    /// executor has not written yet.
    pub written_by: AllocationId,
}

/// Failures of one task, counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The executor could not start.
    pub start_failures: u32,
    /// It started and failed later.
    pub run_failures: u32,
}

/// One failure of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which count it goes to.
    pub kind: FailureKind,
    /// In words, for people.
    pub message: Arc<str>,
}

/// Whether an attempt failed before or after it had started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The executor could not start.
    Start,
    /// It started and failed later.
    Run,
}

/// What is left of a task that is gone, so that late and repeated requests get a right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The id it had.
    pub id: TaskId,
    /// Its place among all starts.
    pub sequence: Sequence,
    /// Its last allocation.
    pub allocation: AllocationId,
    /// A digest of name, params, lane and policies: tells a repeated start from a new one.
    pub digest: u128,
    /// How it ended.
    pub outcome: Outcome,
    /// When it went.
    pub at: Timestamp,
}

/// A record written by a newer version: kept as it is, never assigned here, never an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The id, which every version writes in the same place.
    pub id: TaskId,
    /// Its place among all starts.
    pub sequence: Sequence,
    /// The stored bytes.
    pub bytes: Bytes,
}

impl Failure {
    /// The executor could not start.
    pub fn start(message: impl Into<Arc<str>>) -> Self {
        Self { kind: FailureKind::Start, message: message.into() }
    }

    /// It started and failed later.
    pub fn run(message: impl Into<Arc<str>>) -> Self {
        Self { kind: FailureKind::Run, message: message.into() }
    }
}

impl Record {
    /// Whether the task is over.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The node and allocation that may write to this record now.
    pub fn assigned_to(&self) -> Option<(&NodeId, AllocationId)> {
        match &self.phase {
            Phase::Assigned { node, .. } => Some((node, self.allocation)),
            _ => None,
        }
    }

    /// Whether it may be assigned as far as the record alone can tell.
    pub(crate) fn wants_node(&self) -> bool {
        matches!(self.phase, Phase::Unassigned { not_before: None })
    }
}

impl Tombstone {
    /// The tombstone of `record`, gone at `at` with `outcome`.
    pub(crate) fn of(record: &Record, outcome: Outcome, at: Timestamp) -> Self {
        Self {
            id: record.id.clone(),
            sequence: record.sequence,
            allocation: record.allocation,
            digest: digest(&record.name, &record.params, record.lane.as_ref(), &record.policies),
            outcome,
            at,
        }
    }
}

/// A digest of what makes two starts of one id the same request.
///
/// FNV-1a in 128 bits (Fowler, Noll, Vo): the same on every machine and in every release, which
/// `std`'s hasher does not promise. Not meant to stand against forgery: whoever may start tasks
/// under an id may also remove them.
pub(crate) fn digest(name: &str, params: &[u8], lane: Option<&Bytes>, policies: &Policies) -> u128 {
    let mut hash = Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    hash.field(name.as_bytes());
    hash.field(params);
    match lane {
        Some(lane) => hash.field(lane),
        None => hash.word(u64::MAX),
    }
    for word in policies.to_words() {
        hash.word(word);
    }
    // Nothing for tasks that ask for no place: their digests are those of the first version.
    let Placement { requires, prefers } = &policies.placement;
    for (kind, (name, value)) in
        requires.iter().map(|it| (1, it)).chain(prefers.iter().map(|it| (2, it)))
    {
        hash.word(kind);
        hash.field(name.as_bytes());
        hash.field(value.as_bytes());
    }
    hash.0
}

struct Fnv(u128);

impl Fnv {
    fn field(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        self.bytes(bytes);
    }

    fn word(&mut self, word: u64) {
        self.bytes(&word.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 =
                (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

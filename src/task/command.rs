//! What can be asked of the state, what is answered, and why it is refused.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ident::{AllocationId, Bytes, Incarnation, NodeId, TaskId};
use super::member::{Member, Unfit};
use super::policy::Policies;
use super::record::{Failure, Outcome, Record};
use super::state::Settings;

/// The longest id, in bytes.
pub(crate) const ID_MAX: usize = 512;
/// The longest executor name, in bytes.
pub(crate) const NAME_MAX: usize = 256;
/// The longest lane name, in bytes.
pub(crate) const LANE_MAX: usize = 32 * 1024;
/// The longest params, state or result, in bytes.
pub(crate) const VALUE_MAX: usize = 1024 * 1024;
/// The longest name of a node, a label or its value, in bytes.
pub(crate) const LABEL_MAX: usize = 256;
/// The most labels that a task may ask for, and that a node may have.
pub(crate) const LABELS_MAX: usize = 64;
/// The most executors that a node may offer.
pub(crate) const EXECUTORS_MAX: usize = 4096;
/// The longest failure message, in bytes; longer ones are cut.
pub(crate) const MESSAGE_MAX: usize = 4 * 1024;

/// A task to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Unique among the tasks that live; at most 512 bytes, not empty.
    pub id: TaskId,
    /// The executor; at most 256 bytes, not empty.
    pub name: Arc<str>,
    /// Handed to the executor as they are; at most 1 MiB.
    pub params: Bytes,
    /// Tasks of one lane run one at a time, in the order of their starts; at most 32 KiB.
    pub lane: Option<Bytes>,
    /// What happens at failures and at the end.
    pub policies: Arc<Policies>,
}

impl NewTask {
    /// A task without params and lane, with the default policies.
    pub fn new(id: impl Into<TaskId>, name: &str) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            params: Bytes::from([]),
            lane: None,
            policies: Arc::default(),
        }
    }

    /// With these params.
    pub fn params(mut self, params: impl Into<Bytes>) -> Self {
        self.params = params.into();
        self
    }

    /// In this lane.
    pub fn lane(mut self, lane: impl Into<Bytes>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// Under these policies; one `Arc` can serve many tasks.
    pub fn policies(mut self, policies: impl Into<Arc<Policies>>) -> Self {
        self.policies = policies.into();
        self
    }
}

/// One change that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Creates a record, or finds the one that the same request created before.
    Start(NewTask),
    /// Gives a waiting task to a node, under a new allocation.
    Assign {
        /// The task.
        id: TaskId,
        /// The node.
        node: NodeId,
    },
    /// Takes the task from its node without counting a failure.
    Unassign {
        /// The task.
        id: TaskId,
        /// The allocation that ends.
        allocation: AllocationId,
    },
    /// Stores a checkpoint.
    UpdateState {
        /// The task.
        id: TaskId,
        /// The allocation that writes.
        allocation: AllocationId,
        /// The checkpoint.
        value: Bytes,
    },
    /// Replaces the params of a task that has not ended. A run that is under way keeps those it began
    /// with.
    UpdateParams {
        /// The task.
        id: TaskId,
        /// Only if the params are these; `None`: whatever they are.
        expected: Option<Bytes>,
        /// The new params.
        params: Bytes,
    },
    /// Ends the task with success.
    Complete {
        /// The task.
        id: TaskId,
        /// The allocation that writes.
        allocation: AllocationId,
        /// Kept with the record if the policies keep it.
        result: Bytes,
    },
    /// Reports a failed attempt; the task's policy decides what follows.
    Fail {
        /// The task.
        id: TaskId,
        /// The allocation that writes.
        allocation: AllocationId,
        /// What happened.
        failure: Failure,
    },
    /// Removes the record, in whatever phase it is.
    Remove {
        /// The task.
        id: TaskId,
    },
    /// Ends a task that has not ended: at once if it is on no node, else when its executor stops,
    /// and after `grace` in any case.
    Cancel {
        /// The task.
        id: TaskId,
        /// How long its executor may take.
        grace: Duration,
    },
    /// Lets a parked task, or one that pauses after a failure, be assigned again now, with its
    /// failures forgotten.
    Resume {
        /// The task.
        id: TaskId,
    },
    /// A node lives, or offers something else than before. If an earlier life of it held tasks, they
    /// wait for a node again. `sequence` and `draining` of the member are set by the rules.
    NodeJoined {
        /// The node.
        member: Arc<Member>,
    },
    /// This life of the node is over: its tasks wait for another node. Accepted also if it is not
    /// known, or is not any more.
    NodeLeft {
        /// The node.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// The node gets no new tasks and gives those it has back, after `grace` in any case.
    Drain {
        /// The node.
        node: NodeId,
        /// How long its tasks may take, but for those that must not overlap, which take as long as
        /// they need; `None`: it takes tasks again.
        grace: Option<Duration>,
    },
    /// Changes the settings.
    Configure {
        /// The new settings.
        settings: Settings,
    },
    /// Voids every allocation and forgets every node: the process that held them is gone. Ids given
    /// from now on are greater than `floor`.
    Recover {
        /// See [`AllocationId::floor`].
        floor: AllocationId,
    },
    /// Does what is due: pauses that are over, grace periods, kept records past their time.
    Tick,
}

/// What an accepted command led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    /// For whoever sent it.
    pub answer: Answer,
    /// The tasks that ended by it.
    pub ended: Vec<Ended>,
}

/// The answer to an accepted command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Command::Start`].
    Started(Started),
    /// To a command about one task: its record afterwards, or the last one if it is gone; `None` if
    /// it was gone before (a repeated request).
    Record(Option<Arc<Record>>),
    /// To a command about no task in particular.
    Done,
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// False: the same request was accepted before.
    pub created: bool,
    /// How the task has ended, if it has.
    pub ended: Option<Outcome>,
    /// The record; `None` if only a tombstone is left of it.
    pub record: Option<Arc<Record>>,
}

/// A task that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The task.
    pub id: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// The last record; `None` if only a tombstone was left when this was asked for.
    pub record: Option<Arc<Record>>,
    /// What the executor handed over; empty unless completed, and if only a tombstone was left.
    pub result: Bytes,
}

/// Why a command is refused. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The id is taken by another request (other name, params, lane or policies).
    AlreadyExists {
        /// The id.
        id: TaskId,
    },
    /// No record and no tombstone has this id.
    NotFound {
        /// The id.
        id: TaskId,
    },
    /// The allocation is no longer in force: whoever holds it stops and forgets the task.
    Fenced {
        /// The id.
        id: TaskId,
        /// The allocation that the record has.
        current: AllocationId,
    },
    /// The task is not in a phase that this command can act on.
    WrongPhase {
        /// The id.
        id: TaskId,
    },
    /// The node cannot have the task.
    Unfit {
        /// The task.
        id: TaskId,
        /// Why.
        why: Unfit,
    },
    /// Assignment is switched off.
    Disabled,
    /// The params are not the expected ones.
    ParamsChanged {
        /// The id.
        id: TaskId,
    },
    /// No living node has this name, or a later life of it has begun.
    NodeGone {
        /// The name.
        node: NodeId,
    },
    /// A field is empty that must not be, or too long.
    BadLength {
        /// Which field.
        field: &'static str,
        /// The longest that is accepted, in bytes.
        max: usize,
    },
    /// The record was written by a newer version and cannot be changed here.
    Opaque {
        /// The id.
        id: TaskId,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExists { id } => write!(f, "task {id} exists with another request"),
            Self::NotFound { id } => write!(f, "no task {id}"),
            Self::Fenced { id, current } => {
                write!(f, "task {id} now belongs to allocation {}", current.0)
            }
            Self::WrongPhase { id } => write!(f, "task {id} is in another phase"),
            Self::Unfit { id, why } => write!(f, "task {id} cannot go there: the node {why}"),
            Self::Disabled => f.write_str("assignment is switched off"),
            Self::ParamsChanged { id } => write!(f, "the params of task {id} are not as expected"),
            Self::NodeGone { node } => write!(f, "node {node} is gone"),
            Self::BadLength { field, max } => {
                write!(f, "{field} must have 1 to {max} bytes (params may be empty)")
            }
            Self::Opaque { id } => write!(f, "task {id} was stored by a newer version"),
        }
    }
}

impl std::error::Error for Rejection {}

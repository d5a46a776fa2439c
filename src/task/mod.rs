//! Persistent tasks as plain data: records, commands, and one pure function between them.
//!
//! [`apply`] turns a [`State`] and a [`Command`] into the next state and its [`Effects`], or into a
//! [`Rejection`] that has changed nothing. It does no I/O, reads no clock, draws no random number
//! and spawns nothing, so the same code runs under the embedded store, under a cluster and under a
//! test that replays a million histories. What depends on the world (the time, an executor's
//! opinion, the nodes that live) is asked for beforehand and handed in.
//!
//! | file | noun |
//! |---|---|
//! | `ident.rs` | names and numbers: [`TaskId`], [`AllocationId`], [`Revision`], [`Timestamp`] |
//! | `record.rs` | what is stored of one task: [`Record`], [`Tombstone`], [`Opaque`] |
//! | `policy.rs` | what a task asks for: [`Policies`], [`OnFailure`] |
//! | `member.rs` | a node and what it offers: [`Member`], [`Unfit`] |
//! | `history.rs` | the last runs of a task: [`Run`] |
//! | `state.rs` | all records, with the indexes that keep every command O(log n) |
//! | `command.rs` | what can be asked, what is answered, why it is refused |
//! | `apply.rs` | the function |
//! | `assignment.rs` | which waiting tasks go where now: [`plan`], [`Placing`] |
//! | `fold.rs` | what a batch makes of a state: commands, duties, assignments |
//! | `ledger.rs` | what runs on a node and what should: [`Ledger`] |
//! | `replica.rs` | one node's part in the state, sans I/O: [`Replica`] |
//! | `invariants.rs` | what holds of every state and every step |
//! | `diff.rs` | what changed between two states, in O(changes) |
//!
//! Invariants, checked after every step of the property tests:
//! - An allocation id is given to one allocation of one task, once, ever.
//! - Of the tasks of one lane at most one is assigned: the one that was started first.
//! - A record is in exactly the indexes that its phase asks for.
//! - A rejected command leaves the state equal to what it was.
//!
//! Not here: bytes on a disk (`store`), threads and waiting (`service`).

mod apply;
mod assignment;
mod command;
mod diff;
mod fold;
mod history;
mod ident;
mod invariants;
mod ledger;
mod member;
mod policy;
mod record;
mod replica;
mod state;

pub use apply::{apply, apply_to};
pub use assignment::{Candidate, Choice, LeastLoaded, Placing, plan};
pub(crate) use command::VALUE_MAX;
pub use command::{Answer, Command, Effects, Ended, NewTask, Rejection, Started};
pub use diff::{Change, Changes, diff};
pub use fold::{Duties, Folded, fold};
pub use history::{History, Run, RunEnd, RunOutcome};
pub use ident::{AllocationId, Bytes, Incarnation, NodeId, Revision, Sequence, TaskId, Timestamp};
pub use invariants::{Broken, broken, broken_by_step};
pub use ledger::{Ledger, StopReason, Work};
pub use member::{Capacity, Member, Unfit};
pub use policy::{Backoff, OnFailure, Placement, Policies};
pub use record::{
    Attempts, Checkpoint, Ending, Failure, FailureKind, Opaque, Outcome, Phase, Record, Tombstone,
};
pub use replica::{Out, Proposal, Refused, Replica, Ticket};
pub(crate) use state::Patch;
pub use state::{Enable, Explanation, Limits, Saved, Settings, State};

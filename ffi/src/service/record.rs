//! Records: what is known of one task at one moment, and the view of it that crosses.
//!
//! An answer is about one task; what it knows of it may be a record, the end that it came to, or
//! only that it is gone. Views are borrowed from the handle or context that was read.

use std::sync::Arc;

use laneway::task::{
    AllocationId, Answer, Bytes, Ended, Failure as Fault, Outcome, Phase, Record, Started, TaskId,
};

use crate::boundary::{boundary, boundary_or};
use crate::convert::laneway_bytes;
use crate::error::Report;
use crate::handle::{Handle, Opaque, Unique, borrow, free, give};
use crate::options::{self, Versioned};
use crate::status::laneway_code::LANEWAY_OK;
use crate::status::laneway_status;

/// What is known of one task at one moment. Unique: freed once, by `laneway_task_free`.
pub struct laneway_task {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_task {
    type Inner = Known;
}

impl Unique for laneway_task {}

/// Where in its life a task is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_task_phase {
    /// There is no record any more.
    LANEWAY_TASK_GONE = 0,
    /// Waits for an assignment.
    LANEWAY_TASK_UNASSIGNED = 1,
    /// Belongs to a node.
    LANEWAY_TASK_ASSIGNED = 2,
    /// Failed too often: waits to be resumed or removed.
    LANEWAY_TASK_PARKED = 3,
    /// Over, and kept.
    LANEWAY_TASK_ENDED = 4,
    /// Something that this version of the header has no name for.
    LANEWAY_TASK_OTHER = 5,
}

/// How a task ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_task_outcome {
    /// It has not ended.
    LANEWAY_TASK_OUTCOME_NONE = 0,
    /// Its executor completed it.
    LANEWAY_TASK_OUTCOME_COMPLETED = 1,
    /// It failed, and its policy was to remove it then.
    LANEWAY_TASK_OUTCOME_FAILED = 2,
    /// It was cancelled.
    LANEWAY_TASK_OUTCOME_CANCELLED = 3,
    /// Its record was removed before it had ended.
    LANEWAY_TASK_OUTCOME_REMOVED = 4,
    /// Something that this version of the header has no name for.
    LANEWAY_TASK_OUTCOME_OTHER = 5,
}

use laneway_task_outcome::*;
use laneway_task_phase::*;

/// What is known of a task. The views belong to the handle or context that was read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_task_view {
    /// Set by `laneway_task_view_init`.
    pub struct_size: usize,
    /// The id.
    pub id: laneway_bytes,
    /// The executor.
    pub name: laneway_bytes,
    /// What the task was started with.
    pub params: laneway_bytes,
    /// The lane; NULL if it is in none.
    pub lane: laneway_bytes,
    /// The last checkpoint; NULL if there is none.
    pub state: laneway_bytes,
    /// What the executor handed over at the end.
    pub result: laneway_bytes,
    /// The text of the last failure.
    pub last_error: laneway_bytes,
    /// The last allocation, in force or not: the fencing token. 0 if there never was one.
    pub allocation: u64,
    /// The allocation that wrote `state`.
    pub state_written_by: u64,
    /// The place among all starts, from 1.
    pub sequence: u64,
    /// The commit that created the record.
    pub created_revision: u64,
    /// The commit that changed it last.
    pub updated_revision: u64,
    /// One of `enum laneway_task_phase`.
    pub phase: u32,
    /// One of `enum laneway_task_outcome`.
    pub outcome: u32,
    /// Times the executor could not start.
    pub start_failures: u32,
    /// Times it started and failed later.
    pub run_failures: u32,
    /// In the answer to a start: 0 if the same request was accepted before, else 1.
    pub created: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: words, pairs of words and pairs of half words, without padding; integers and pointers
// accept any bytes.
unsafe impl Versioned for laneway_task_view {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// What an answer says about a task.
#[derive(Clone, Default)]
pub(crate) struct Known {
    id: Option<TaskId>,
    record: Option<Arc<Record>>,
    outcome: Option<Outcome>,
    result: Option<Bytes>,
    created: bool,
}

impl From<Option<Arc<Record>>> for Known {
    fn from(record: Option<Arc<Record>>) -> Self {
        Self { record, ..Self::default() }
    }
}

impl From<Started> for Known {
    fn from(started: Started) -> Self {
        let Started { created, ended, record } = started;
        Self { record, outcome: ended, created, ..Self::default() }
    }
}

impl From<Ended> for Known {
    fn from(ended: Ended) -> Self {
        let Ended { id, outcome, record, result } = ended;
        let (id, outcome, result) = (Some(id), Some(outcome), Some(result));
        Self { id, record, outcome, result, created: false }
    }
}

impl From<Answer> for Known {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Started(started) => started.into(),
            Answer::Record(record) => record.into(),
            _ => Self::default(),
        }
    }
}

impl From<()> for Known {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// Hands out what is known of a task.
pub(super) fn known(record: Arc<Record>) -> *mut laneway_task {
    give(Known::from(Some(record)))
}

/// Hands out a task of which only the id is known.
pub(super) fn of_id(id: TaskId) -> *mut laneway_task {
    give(Known { id: Some(id), ..Known::default() })
}

/// What crosses of a record.
pub(super) fn view_of_record(record: &Record) -> laneway_task_view {
    let mut view = view_of(&Known::default());
    fill(&mut view, record);
    view
}

fn view_of(known: &Known) -> laneway_task_view {
    let none = laneway_bytes::NONE;
    let mut view = laneway_task_view {
        struct_size: size_of::<laneway_task_view>(),
        id: known.id.as_ref().map_or(none, |id| laneway_bytes::of(id.as_str().as_bytes())),
        name: none,
        params: none,
        lane: none,
        state: none,
        result: none,
        last_error: none,
        allocation: AllocationId::NONE.0,
        state_written_by: AllocationId::NONE.0,
        sequence: 0,
        created_revision: 0,
        updated_revision: 0,
        phase: LANEWAY_TASK_GONE as u32,
        outcome: LANEWAY_TASK_OUTCOME_NONE as u32,
        start_failures: 0,
        run_failures: 0,
        created: u32::from(known.created),
        reserved: 0,
    };
    if let Some(record) = &known.record {
        fill(&mut view, record);
    }
    if let Some(outcome) = known.outcome {
        view.outcome = outcome_of(outcome) as u32;
    }
    if let Some(result) = &known.result {
        view.result = laneway_bytes::of(result);
    }
    view
}

fn fill(view: &mut laneway_task_view, record: &Record) {
    let none = laneway_bytes::NONE;
    let error = |fault: &Fault| laneway_bytes::of(fault.message.as_bytes());
    view.id = laneway_bytes::of(record.id.as_str().as_bytes());
    view.name = laneway_bytes::of(record.name.as_bytes());
    view.params = laneway_bytes::of(&record.params);
    view.lane = record.lane.as_deref().map_or(none, laneway_bytes::of);
    view.last_error = record.last_error.as_ref().map_or(none, error);
    view.allocation = record.allocation.0;
    view.sequence = record.sequence.0;
    view.created_revision = record.created.0;
    view.updated_revision = record.updated.0;
    view.start_failures = record.attempts.start_failures;
    view.run_failures = record.attempts.run_failures;
    if let Some(state) = &record.state {
        view.state = laneway_bytes::of(&state.value);
        view.state_written_by = state.written_by.0;
    }
    view.phase = match &record.phase {
        Phase::Unassigned { .. } => LANEWAY_TASK_UNASSIGNED,
        Phase::Assigned { .. } => LANEWAY_TASK_ASSIGNED,
        Phase::Parked => LANEWAY_TASK_PARKED,
        Phase::Ended(ending) => {
            view.outcome = outcome_of(ending.outcome) as u32;
            view.result = laneway_bytes::of(&ending.result);
            LANEWAY_TASK_ENDED
        }
        _ => LANEWAY_TASK_OTHER,
    } as u32;
}

pub(super) fn outcome_of(outcome: Outcome) -> laneway_task_outcome {
    match outcome {
        Outcome::Completed => LANEWAY_TASK_OUTCOME_COMPLETED,
        Outcome::Failed => LANEWAY_TASK_OUTCOME_FAILED,
        Outcome::Cancelled => LANEWAY_TASK_OUTCOME_CANCELLED,
        Outcome::Removed => LANEWAY_TASK_OUTCOME_REMOVED,
        _ => LANEWAY_TASK_OUTCOME_OTHER,
    }
}

/// Clears `view` and sets its size.
///
/// @param struct_size  `sizeof *view`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `view`.
///
/// # Safety
///
/// `view` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_view_init(view: *mut laneway_task_view, struct_size: usize) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(view, struct_size) });
}

/// Reads what is known of a task.
///
/// Threads: any, also at the same time.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows both; the views in `*view` live as long as `task`.
///
/// # Safety
///
/// `task` is not freed; `view` was filled by `laneway_task_view_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_read(
    task: *const laneway_task,
    view: *mut laneway_task_view,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let known = unsafe { borrow(task) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(view, &view_of(known)) }?;
        Ok(LANEWAY_OK.status())
    })
}

/// Frees `task`; NULL is allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `task`, and with it the views that were read from it.
///
/// # Safety
///
/// `task` is NULL or not yet freed, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_free(task: *mut laneway_task) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(task) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_gone_shows_how_it_ended() {
        let result = Bytes::from(*b"HELLO");
        let ended =
            Ended { id: "greeting".into(), outcome: Outcome::Completed, record: None, result };
        let known = Known::from(ended);
        let view = view_of(&known);
        assert_eq!(view.phase, LANEWAY_TASK_GONE as u32);
        assert_eq!(view.outcome, LANEWAY_TASK_OUTCOME_COMPLETED as u32);
        assert_eq!((view.id.len, view.result.len), (8, 5));
        assert!(view.params.ptr.is_null());
    }

    #[test]
    fn an_answer_without_a_record_is_about_nothing() {
        let view = view_of(&Known::from(()));
        assert_eq!((view.phase, view.outcome), (0, 0));
        assert_eq!((view.id.len, view.allocation, view.created), (0, 0, 0));
    }

    #[test]
    fn a_start_says_whether_it_was_the_first() {
        let started = Started { created: true, ended: None, record: None };
        assert_eq!(view_of(&Known::from(started)).created, 1);
    }
}

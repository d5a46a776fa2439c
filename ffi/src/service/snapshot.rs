//! Looking at the tasks as of the last commit. Nothing here waits for anybody.

use std::ffi::c_void;

use laneway::task::Explanation;

use super::laneway_task_service;
use super::record::{
    known, laneway_task, laneway_task_outcome, laneway_task_view, of_id, outcome_of, view_of_record,
};
use crate::boundary::{boundary, boundary_or};
use crate::convert::{Out, required, text};
use crate::error::Report;
use crate::handle::borrow;
use crate::options::{self, Versioned};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// Looks at one record: 0 or above to go on, below 0 to stop. The view and what it points at are
/// borrowed: valid during the call.
pub type laneway_visit_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        view: *const laneway_task_view,
    ) -> laneway_status,
>;

/// Why a task is where it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_explanation_kind {
    /// Something that this version of the header has no name for.
    LANEWAY_EXPLANATION_OTHER = 0,
    /// A node has it: `allocation`, `cancelling`.
    LANEWAY_EXPLANATION_ASSIGNED = 1,
    /// No node offers its executor, or those that do have no room.
    LANEWAY_EXPLANATION_NO_SUITABLE_NODE = 2,
    /// An earlier task of its lane has not ended: `*head`.
    LANEWAY_EXPLANATION_BEHIND_IN_LANE = 3,
    /// Pauses after a failure: `until_ms`.
    LANEWAY_EXPLANATION_BACKING_OFF = 4,
    /// Failed too often; waits to be resumed or removed.
    LANEWAY_EXPLANATION_PARKED = 5,
    /// Over: `outcome`.
    LANEWAY_EXPLANATION_ENDED = 6,
    /// Written by a newer version.
    LANEWAY_EXPLANATION_OPAQUE = 7,
}

use laneway_explanation_kind::*;

/// Why a task is where it is. A field that does not belong to its kind is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_explanation {
    /// Set by `laneway_explanation_init`.
    pub struct_size: usize,
    /// One of `enum laneway_explanation_kind`.
    pub kind: u32,
    /// 1 once a cancel was accepted.
    pub cancelling: u32,
    /// The fencing token of the run.
    pub allocation: u64,
    /// When the pause is over, in milliseconds since 1970.
    pub until_ms: u64,
    /// One of `enum laneway_task_outcome`.
    pub outcome: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: words and pairs of half words, without padding; integers accept any bytes.
unsafe impl Versioned for laneway_explanation {
    const SIZE_FIRST: usize = size_of::<Self>();
}

fn explained(why: &Explanation) -> laneway_explanation {
    let mut said = laneway_explanation {
        struct_size: size_of::<laneway_explanation>(),
        kind: LANEWAY_EXPLANATION_OTHER as u32,
        cancelling: 0,
        allocation: 0,
        until_ms: 0,
        outcome: laneway_task_outcome::LANEWAY_TASK_OUTCOME_NONE as u32,
        reserved: 0,
    };
    said.kind = match why {
        Explanation::Assigned { allocation, cancelling, .. } => {
            said.allocation = allocation.0;
            said.cancelling = u32::from(*cancelling);
            LANEWAY_EXPLANATION_ASSIGNED
        }
        Explanation::NoSuitableNode => LANEWAY_EXPLANATION_NO_SUITABLE_NODE,
        Explanation::BehindInLane { .. } => LANEWAY_EXPLANATION_BEHIND_IN_LANE,
        Explanation::BackingOff { until } => {
            said.until_ms = until.0;
            LANEWAY_EXPLANATION_BACKING_OFF
        }
        Explanation::Parked => LANEWAY_EXPLANATION_PARKED,
        Explanation::Ended { outcome } => {
            said.outcome = outcome_of(*outcome) as u32;
            LANEWAY_EXPLANATION_ENDED
        }
        Explanation::Opaque => LANEWAY_EXPLANATION_OPAQUE,
        _ => LANEWAY_EXPLANATION_OTHER,
    } as u32;
    said
}

/// The record of a task as of the last commit.
///
/// @return `LANEWAY_ENOTFOUND` if there is none.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes; `out`
/// is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_get(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    out: *mut *mut laneway_task,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let (service, id) = unsafe { (borrow(service)?, text(id, id_len)?) };
        let Some(record) = service.tasks.get(id) else { return Ok(LANEWAY_ENOTFOUND.status()) };
        out.set(known(record));
        Ok(LANEWAY_OK.status())
    })
}

/// Clears `explanation` and sets its size.
///
/// @param struct_size  `sizeof *explanation`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `explanation`.
///
/// # Safety
///
/// `explanation` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_explanation_init(
    explanation: *mut laneway_explanation,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(explanation, struct_size) });
}

/// Why a task is where it is, as of the last commit.
///
/// @param[out] head  the task that it waits for, if it waits for one: read its `id`; may be NULL.
/// @return `LANEWAY_ENOTFOUND` if there is no record of it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*head`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `id` is UTF-8 of `id_len` bytes;
/// `explanation` was filled by `laneway_explanation_init`; `head` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_explain(
    service: *mut laneway_task_service,
    id: *const c_void,
    id_len: usize,
    explanation: *mut laneway_explanation,
    head: *mut *mut laneway_task,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(head, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let (service, id) = unsafe { (borrow(service)?, text(id, id_len)?) };
        let Some(why) = service.tasks.snapshot().explain(id) else {
            return Ok(LANEWAY_ENOTFOUND.status());
        };
        // SAFETY: the caller's contract.
        unsafe { options::write(explanation, &explained(&why)) }?;
        if let Explanation::BehindInLane { head } = why
            && out.is_wanted()
        {
            out.set(of_id(head));
        }
        Ok(LANEWAY_OK.status())
    })
}

/// Calls `function` with every record as of the last commit, in the order of their ids.
///
/// @param[out] revision  that of the commit; may be NULL.
/// @return what `function` returned when it stopped, else `LANEWAY_OK`.
///
/// Threads: any.
/// Blocks: no; changes meanwhile are not seen.
/// In callbacks: allowed.
/// Ownership: borrows `user_data`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `function` may be called with
/// `user_data`; `revision` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_visit(
    service: *mut laneway_task_service,
    function: laneway_visit_fn,
    user_data: *mut c_void,
    revision: *mut u64,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(revision, 0) };
        // SAFETY: the caller's contract.
        let service = unsafe { borrow(service) }?;
        let function = required(function)?;
        let snapshot = service.tasks.snapshot();
        for record in snapshot.records() {
            let view = view_of_record(record);
            // SAFETY: the caller's contract; the view lives as long as the snapshot.
            let said = unsafe { function(user_data, &raw const view) };
            if said < LANEWAY_OK.status() {
                return Ok(said);
            }
        }
        out.set(snapshot.revision().0);
        Ok(LANEWAY_OK.status())
    })
}

//! What a coordinator has done so far.

use laneway::coordinator::{CoordinatorCounters, OutcomeKind};

use super::laneway_coordinator;
use crate::boundary::{boundary, boundary_or};
use crate::error::Report;
use crate::handle::borrow;
use crate::options::{self, Versioned};
use crate::status::laneway_code::LANEWAY_OK;
use crate::status::laneway_status;

/// What a coordinator has done so far. At quiescence `created` is the sum of the nine outcomes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_coordinator_counters {
    /// Set by `laneway_coordinator_counters_init`.
    pub struct_size: usize,
    /// Jobs accepted.
    pub created: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_COMPLETED`.
    pub completed: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_ROLLED_BACK`.
    pub rolled_back: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_FAILED`.
    pub failed: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_DOUBLE_FAULT`.
    pub double_fault: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_CANCELLED`.
    pub cancelled: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_EXPIRED`.
    pub expired: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_SKIPPED`.
    pub skipped: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_SUPERSEDED`.
    pub superseded: u64,
    /// Jobs ended as `LANEWAY_OUTCOME_LOST`.
    pub lost: u64,
    /// Attempts started again after a failure.
    pub retries: u64,
    /// Attempts started again after a conflict.
    pub conflicts: u64,
    /// Jobs that have not had their first turn.
    pub queued: u64,
    /// Jobs that were started and have not ended.
    pub running: u64,
    /// Lanes that exist.
    pub lanes_open: u64,
    /// Times that a watchdog reported an attempt.
    pub overdue: u64,
}

// SAFETY: words without padding; integers accept any bytes.
unsafe impl Versioned for laneway_coordinator_counters {
    const SIZE_FIRST: usize = std::mem::offset_of!(Self, overdue);
}

fn counters(of: &CoordinatorCounters) -> laneway_coordinator_counters {
    laneway_coordinator_counters {
        struct_size: size_of::<laneway_coordinator_counters>(),
        created: of.created,
        completed: of.ended(OutcomeKind::Completed),
        rolled_back: of.ended(OutcomeKind::RolledBack),
        failed: of.ended(OutcomeKind::Failed),
        double_fault: of.ended(OutcomeKind::DoubleFault),
        cancelled: of.ended(OutcomeKind::Cancelled),
        expired: of.ended(OutcomeKind::Expired),
        skipped: of.ended(OutcomeKind::Skipped),
        superseded: of.ended(OutcomeKind::Superseded),
        lost: of.ended(OutcomeKind::Lost),
        retries: of.retries,
        conflicts: of.conflicts,
        queued: of.queued,
        running: of.running,
        lanes_open: of.lanes_open,
        overdue: of.overdue,
    }
}

/// Clears `counters` and sets its size.
///
/// @param struct_size  `sizeof *counters`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `counters`.
///
/// # Safety
///
/// `counters` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_counters_init(
    counters: *mut laneway_coordinator_counters,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(counters, struct_size) });
}

/// Reads the counters, without stopping anything.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows both.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `out` was filled by
/// `laneway_coordinator_counters_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_counters_read(
    coordinator: *const laneway_coordinator,
    out: *mut laneway_coordinator_counters,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let coordinator = unsafe { borrow(coordinator) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(out, &counters(&coordinator.counters())) }?;
        Ok(LANEWAY_OK.status())
    })
}

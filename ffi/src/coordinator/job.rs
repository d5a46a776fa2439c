//! Jobs after their submission: wait, cancel, look, be called.

use std::ffi::c_void;
use std::sync::Arc;

use laneway::coordinator::{JobError, JobHandle, JobOutcome, JobStatus, WaitError};

use super::outcome::{failure_of, laneway_outcome, outcome_of, rollback_of};
use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, laneway_bytes, limit, required};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::{Counted, Handle, Opaque, borrow, give, release, retain, share_arc};
use crate::options;
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// Called once when a job has ended, on a worker, as work of its own. `job` is borrowed.
pub type laneway_done_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, job: *mut laneway_job)>;

/// A submitted job. Counted: `laneway_job_retain`, `laneway_job_release`. Releasing it detaches the
/// job and does not cancel it.
pub struct laneway_job {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_job {
    type Inner = JobHandle<()>;
}

impl Counted for laneway_job {}

/// How a job stands.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_job_state {
    /// No attempt has been started.
    LANEWAY_JOB_QUEUED = 0,
    /// An attempt is on a worker.
    LANEWAY_JOB_RUNNING = 1,
    /// The body has returned; tokens are awaited.
    LANEWAY_JOB_WAITING = 2,
    /// The attempt has failed; the next one is due later.
    LANEWAY_JOB_BACKING_OFF = 3,
    /// The undo is at work.
    LANEWAY_JOB_ROLLING_BACK = 4,
    /// The outcome is there.
    LANEWAY_JOB_ENDED = 5,
    /// Something that this version of the header has no name for.
    LANEWAY_JOB_OTHER = 6,
}

use laneway_job_state::*;

/// The state and the number of the attempt, where there is one.
fn state_of(status: JobStatus) -> (laneway_job_state, u32) {
    match status {
        JobStatus::Queued => (LANEWAY_JOB_QUEUED, 0),
        JobStatus::Running { attempt } => (LANEWAY_JOB_RUNNING, attempt),
        JobStatus::Waiting { attempt } => (LANEWAY_JOB_WAITING, attempt),
        JobStatus::BackingOff { attempt } => (LANEWAY_JOB_BACKING_OFF, attempt),
        JobStatus::RollingBack => (LANEWAY_JOB_ROLLING_BACK, 0),
        JobStatus::Ended => (LANEWAY_JOB_ENDED, 0),
        _ => (LANEWAY_JOB_OTHER, 0),
    }
}

impl<H> From<WaitError<H>> for Failure {
    fn from(error: WaitError<H>) -> Self {
        let code = match error {
            WaitError::WouldDeadlock(_) => LANEWAY_EDEADLK,
            WaitError::TimedOut(_) => LANEWAY_ETIMEDOUT,
            _ => LANEWAY_EUNSUPPORTED,
        };
        Self::from_error(code, &error)
    }
}

/// Adds a reference and returns `job`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns one reference more.
///
/// # Safety
///
/// `job` is NULL or a job that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_retain(job: *mut laneway_job) -> *mut laneway_job {
    // SAFETY: the caller's contract.
    boundary_or(job, || unsafe { retain(job) })
}

/// Gives a reference back. The job runs on.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes one reference.
///
/// # Safety
///
/// `job` is NULL or a reference that the caller owns and does not use again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_release(job: *mut laneway_job) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { release(job) });
}

/// Waits until the job has ended. May be called again and by several threads.
///
/// @param[out] outcome  how it ended; may be NULL.
/// @return `LANEWAY_ETIMEDOUT`; `LANEWAY_EDEADLK` inside a job of the same key, and on a worker when
///         every other worker waits too. `LANEWAY_OK` says that it has ended, in whatever way.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`.
/// In callbacks: allowed; the worker runs nothing else meanwhile. Better take a token.
/// Ownership: borrows `job`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `outcome` is NULL or was filled by
/// `laneway_outcome_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_wait(
    job: *const laneway_job,
    timeout_ns: u64,
    outcome: *mut laneway_outcome,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let job = unsafe { borrow(job) }?;
        job.wait_done(limit(timeout_ns))?;
        if !outcome.is_null() {
            // SAFETY: the caller's contract.
            unsafe { options::write(outcome, &outcome_of(job.outcome())) }?;
        }
        Ok(LANEWAY_OK.status())
    })
}

/// How the job has ended, without waiting: kind `LANEWAY_OUTCOME_NONE` if it has not.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `job`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `outcome` was filled by
/// `laneway_outcome_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_outcome(
    job: *const laneway_job,
    outcome: *mut laneway_outcome,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let job = unsafe { borrow(job) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(outcome, &outcome_of(job.outcome())) }?;
        Ok(LANEWAY_OK.status())
    })
}

/// Why the job failed, with its text.
///
/// @param[out] out  NULL if no cause is recorded: it completed, or has not ended.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_cause(
    job: *const laneway_job,
    out: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    boundary(Report::NONE, || unsafe { why(job, out, JobOutcome::cause) })
}

/// Why the undo of the job failed, with its text.
///
/// @param[out] out  NULL if it did not.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_rollback_cause(
    job: *const laneway_job,
    out: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    boundary(Report::NONE, || unsafe { why(job, out, rollback_of) })
}

/// Hands out the cause that `of` finds in the outcome of `job`.
///
/// # Safety
/// As for [`laneway_job_cause`].
unsafe fn why(
    job: *const laneway_job,
    out: *mut *mut laneway_error,
    of: impl Fn(&JobOutcome<()>) -> Option<&JobError>,
) -> Result<laneway_status, Failure> {
    // SAFETY: the caller's contract.
    let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
    // SAFETY: the caller's contract.
    let job = unsafe { borrow(job) }?;
    if let Some(cause) = job.outcome().and_then(of) {
        out.set(give(failure_of(cause)));
    }
    Ok(LANEWAY_OK.status())
}

/// The key that the job was submitted under; no bytes for NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `job`; the view lives as long as the reference.
///
/// # Safety
///
/// `job` is NULL or a job that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_key(job: *const laneway_job) -> laneway_bytes {
    boundary_or(laneway_bytes::NONE, || {
        // SAFETY: the caller's contract.
        let job = unsafe { borrow(job) };
        job.map_or(laneway_bytes::NONE, |job| laneway_bytes::of(job.key().as_bytes()))
    })
}

/// Asks the job to stop. One that has not started ends now; one that waits for tokens or its backoff
/// stops at its next turn; a body on a worker goes on until it returns.
///
/// @return `LANEWAY_EALREADY` if it has ended.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `job`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_cancel(job: *const laneway_job) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let job = unsafe { borrow(job) }?;
        Ok(if job.cancel() { LANEWAY_OK } else { LANEWAY_EALREADY }.status())
    })
}

/// How the job stands, at a glance that may be outdated at once: one of `enum laneway_job_state`.
///
/// @param[out] attempt  the number of the attempt, from 1; 0 where there is none; may be NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `job`.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `attempt` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_status(job: *const laneway_job, attempt: *mut u32) -> u32 {
    boundary_or(LANEWAY_JOB_OTHER as u32, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(attempt, 0) };
        // SAFETY: the caller's contract.
        let Ok(job) = (unsafe { borrow(job) }) else { return LANEWAY_JOB_OTHER as u32 };
        let (state, attempt) = state_of(job.status());
        out.set(attempt);
        state as u32
    })
}

/// Calls `function` once when the job has ended, or soon if it has: on a worker, as work of its own
/// that never delays the job's lane; if the pool has ended first, on the thread that ended the job.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `user_data` on every path: `drop` runs once, after `function` or instead.
///
/// # Safety
///
/// `job` is a job that the caller has a reference to; `function` may be called once with
/// `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_on_done(
    job: *const laneway_job,
    function: laneway_done_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        let function = required(function)?;
        // SAFETY: the caller's contract.
        let job = unsafe { shared(job) }?;
        let kept = Arc::clone(&job);
        job.on_ended(move || {
            let borrowed: *mut laneway_job = share_arc(kept);
            // SAFETY: called once, by the caller's contract; the reference is given back after.
            unsafe {
                function(user_data.pointer(), borrowed);
                release(borrowed);
            }
        });
        Ok(LANEWAY_OK.status())
    })
}

/// A reference of our own to a counted job.
///
/// # Safety
/// `job` is NULL or a job that the caller has a reference to.
unsafe fn shared(job: *const laneway_job) -> Result<Arc<JobHandle<()>>, Failure> {
    if job.is_null() {
        return Err(Failure::invalid("handle is NULL"));
    }
    // SAFETY: counted, and the caller's reference keeps the count above zero; the one added here is
    // the one that the result gives back.
    unsafe {
        retain(job.cast_mut());
        Ok(Arc::from_raw(job.cast()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_number_and_its_attempt() {
        let states = [
            (JobStatus::Queued, (LANEWAY_JOB_QUEUED, 0)),
            (JobStatus::Running { attempt: 2 }, (LANEWAY_JOB_RUNNING, 2)),
            (JobStatus::Waiting { attempt: 3 }, (LANEWAY_JOB_WAITING, 3)),
            (JobStatus::BackingOff { attempt: 4 }, (LANEWAY_JOB_BACKING_OFF, 4)),
            (JobStatus::RollingBack, (LANEWAY_JOB_ROLLING_BACK, 0)),
            (JobStatus::Ended, (LANEWAY_JOB_ENDED, 0)),
        ];
        for (status, expected) in states {
            assert_eq!(state_of(status), expected);
        }
    }

    #[test]
    fn a_wait_that_ends_early_says_why() {
        let status = |error: WaitError<()>| Failure::from(error).status();
        assert_eq!(status(WaitError::TimedOut(())), LANEWAY_ETIMEDOUT.status());
        assert_eq!(status(WaitError::WouldDeadlock(())), LANEWAY_EDEADLK.status());
    }
}

//! Jobs on their way in: body, undo and everything that goes with them.

use std::ffi::c_void;
use std::sync::Arc;

use laneway::coordinator::{
    Backoff, Jitter, Job, JobContext, JobError, OnDoubleFault, OnFailure, OpenTokens, Overrun,
    RetryPolicy, UndoContext, Verdict,
};

use super::context::{Attempt, laneway_job_context, laneway_undo_context};
use super::outcome::status_of;
use crate::boundary::boundary_or;
use crate::callback::UserData;
use crate::convert::{given, required};
use crate::error::Failure;
use crate::options::{self, Versioned};
use crate::status::laneway_status;

/// The body of a job: answers 0 or above for success, `LANEWAY_PENDING` to wait for its tokens,
/// below 0 for failure; `LANEWAY_ECONFLICT` says that an optimistic lock was lost.
///
/// Runs on a worker. No exception, `longjmp` or `pthread_exit` may leave it.
pub type laneway_job_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        context: *mut laneway_job_context,
    ) -> laneway_status,
>;

/// The undo of a job: answers as a body does.
pub type laneway_undo_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        context: *mut laneway_undo_context,
    ) -> laneway_status,
>;

/// Decides what a failure means: one of `enum laneway_verdict`. Must not block.
pub type laneway_classify_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, cause: laneway_status) -> u32>;

/// Flags of a job.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_job_flags {
    /// The body is never run again, whatever the other options say.
    LANEWAY_JOB_ONCE = 1,
}

/// How delays between attempts are spread.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_jitter {
    /// Uniform between zero and the computed delay.
    LANEWAY_JITTER_FULL = 0,
    /// Exactly the computed delay.
    LANEWAY_JITTER_NONE = 1,
}

/// What becomes of the lane after a job of it ended badly.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_on_failure {
    /// The next job of the key runs.
    LANEWAY_ON_FAILURE_CONTINUE = 0,
    /// The lane stops, its order kept, until `laneway_coordinator_release_key`.
    LANEWAY_ON_FAILURE_HOLD = 1,
    /// The jobs that wait at that moment end as failed, with `LANEWAY_EPREDECESSOR`.
    LANEWAY_ON_FAILURE_FAIL_REST = 2,
}

/// What becomes of the lane after a double fault.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_on_double_fault {
    /// As after any failure.
    LANEWAY_ON_DOUBLE_FAULT_CONTINUE = 0,
    /// The lane stops, its order kept, until `laneway_coordinator_release_key`.
    LANEWAY_ON_DOUBLE_FAULT_QUARANTINE = 1,
}

/// What becomes of the other tokens of an attempt when one of them has failed.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_open_tokens {
    /// They are awaited before the next attempt or the undo starts.
    LANEWAY_OPEN_TOKENS_AWAIT = 0,
    /// They are ignored from then on.
    LANEWAY_OPEN_TOKENS_IGNORE = 1,
}

/// What happens to a body that is still on a worker when its time is up.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_overrun {
    /// It keeps its lane until it returns, and then its result counts.
    LANEWAY_OVERRUN_WAIT = 0,
    /// The lane goes on while the body still runs: exclusion is given up for this job.
    LANEWAY_OVERRUN_ABANDON = 1,
}

/// How the delay grows from re-try to re-try.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_backoff {
    /// By `factor`, from `delay_base_ns` on.
    LANEWAY_BACKOFF_EXPONENTIAL = 0,
    /// One second divided by the tries that are left, without jitter; a conflict is a failure like
    /// any other. The schedule of OpenDaylight's job coordinator, whose number of tries is
    /// `retries` + 1. The other delays and `conflicts` have no effect.
    LANEWAY_BACKOFF_ODL = 1,
}

/// What a failure means for the job.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_verdict {
    /// It may pass: draw on the re-tries.
    LANEWAY_VERDICT_RETRY = 0,
    /// A lost optimistic lock: draw on the conflicts.
    LANEWAY_VERDICT_CONFLICT = 1,
    /// It will not pass: no further attempt.
    LANEWAY_VERDICT_GIVE_UP = 2,
}

use laneway_job_flags::*;
use laneway_verdict::*;

/// Everything about a job but its body. Zero and NULL mean the default in every field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_job_options {
    /// Set by `laneway_job_options_init`.
    pub struct_size: usize,
    /// Of `enum laneway_job_flags`.
    pub flags: u64,
    /// How many times the body is run again after a failure. Default: 0.
    pub retries: u32,
    /// What each further delay is multiplied by. Default: 2.
    pub factor: u32,
    /// The delay before the first re-try. Default: 10 ms.
    pub delay_base_ns: u64,
    /// The longest delay. Default: 10 s.
    pub delay_max_ns: u64,
    /// One of `enum laneway_jitter`.
    pub jitter: u32,
    /// How many times the body is run again after a conflict. Default: 16.
    pub conflicts: u32,
    /// One of `enum laneway_on_failure`.
    pub on_failure: u32,
    /// One of `enum laneway_on_double_fault`.
    pub on_double_fault: u32,
    /// One of `enum laneway_open_tokens`.
    pub open_tokens: u32,
    /// How many times the undo is run again after a failure, with the same delays. Default: 0.
    pub undo_retries: u32,
    /// How long one attempt may wait for its tokens. Default: without limit.
    pub attempt_timeout_ns: u64,
    /// Runs once, whenever an attempt was started and the job will not complete; with the body's
    /// `user_data`. Default: none.
    pub undo: laneway_undo_fn,
    /// Judges failures, with the body's `user_data`. Default: conflicts are conflicts; failures,
    /// abandoned tokens and time-outs are retried, everything else is given up.
    pub classify: laneway_classify_fn,
    /// How long it may wait for its start, from its submission; then it ends as expired. Default:
    /// without limit.
    pub queue_timeout_ns: u64,
    /// How long it may take in all, from its submission, its undo not included. Default: without
    /// limit.
    pub deadline_ns: u64,
    /// One of `enum laneway_overrun`.
    pub overrun: u32,
    /// One of `enum laneway_backoff`.
    pub backoff: u32,
}

// SAFETY: words and pairs of half words, without padding; integers and nullable functions accept
// any bytes that C may put there.
unsafe impl Versioned for laneway_job_options {
    const SIZE_FIRST: usize = std::mem::offset_of!(Self, queue_timeout_ns);
}

/// A job with the body and the options that C gave.
pub(super) fn job(
    body: laneway_job_fn,
    user_data: UserData,
    options: &laneway_job_options,
) -> Result<Job<()>, Failure> {
    let body = required(body)?;
    let on_failure = on_failure(options.on_failure)?;
    let on_double_fault = on_double_fault(options.on_double_fault)?;
    let open_tokens = open_tokens(options.open_tokens)?;
    let user_data = Arc::new(user_data);
    let retry = retry(options, &user_data)?;
    let undo_retry = RetryPolicy { retries: options.undo_retries, conflicts: 0, ..retry.clone() };
    let for_undo = Arc::clone(&user_data);
    let mut job = Job::repeatable(move |context| run_body(body, &user_data, context))
        .retry(retry)
        .on_failure(on_failure)
        .on_double_fault(on_double_fault)
        .open_tokens(open_tokens);
    if let Some(undo) = options.undo {
        job = job.undo_repeatable(undo_retry, move |context| run_undo(undo, &for_undo, context));
    }
    if let Some(timeout) = given(options.attempt_timeout_ns) {
        job = job.attempt_timeout(timeout);
    }
    if let Some(timeout) = given(options.queue_timeout_ns) {
        job = job.queue_timeout(timeout);
    }
    if let Some(deadline) = given(options.deadline_ns) {
        job = job.deadline(deadline);
    }
    job = job.overrun(nth(&[Overrun::Wait, Overrun::Abandon], options.overrun, "overrun")?);
    Ok(job)
}

type BodyFn = unsafe extern "C-unwind" fn(*mut c_void, *mut laneway_job_context) -> laneway_status;
type UndoFn = unsafe extern "C-unwind" fn(*mut c_void, *mut laneway_undo_context) -> laneway_status;

fn run_body(
    body: BodyFn,
    user_data: &UserData,
    context: &mut JobContext<'_>,
) -> Result<(), JobError> {
    let mut attempt = Attempt::new(context);
    // SAFETY: the contract of `laneway_coordinator_submit`; the context is valid during the call.
    let said = unsafe { body(user_data.pointer(), (&raw mut attempt).cast()) };
    attempt.end(said)
}

fn run_undo(
    undo: UndoFn,
    user_data: &UserData,
    context: &mut UndoContext<'_>,
) -> Result<(), JobError> {
    let mut attempt = Attempt::new(context);
    // SAFETY: the contract of `laneway_coordinator_submit`; the context is valid during the call.
    let said = unsafe { undo(user_data.pointer(), (&raw mut attempt).cast()) };
    attempt.end(said)
}

fn retry(options: &laneway_job_options, user_data: &Arc<UserData>) -> Result<RetryPolicy, Failure> {
    let backoff = nth(&[Backoff::Exponential, Backoff::Odl], options.backoff, "backoff")?;
    let mut policy = match backoff {
        Backoff::Odl => RetryPolicy::odl(options.retries.saturating_add(1)),
        _ => exponential(options)?,
    };
    match options.flags {
        0 => {}
        flags if flags == LANEWAY_JOB_ONCE as u64 => {
            policy.retries = 0;
            policy.conflicts = 0;
        }
        _ => return Err(Failure::invalid("job options: unknown flags")),
    }
    if let Some(classify) = options.classify {
        let user_data = Arc::clone(user_data);
        policy.classify = Some(Arc::new(move |cause: &JobError| {
            // SAFETY: the contract of `laneway_coordinator_submit`.
            verdict(unsafe { classify(user_data.pointer(), status_of(cause)) })
        }));
    }
    Ok(policy)
}

fn exponential(options: &laneway_job_options) -> Result<RetryPolicy, Failure> {
    let mut policy = RetryPolicy::with_retries(options.retries);
    policy.delay_base = given(options.delay_base_ns).unwrap_or(policy.delay_base);
    policy.delay_max = given(options.delay_max_ns).unwrap_or(policy.delay_max);
    policy.jitter = jitter(options.jitter)?;
    if options.factor != 0 {
        policy.factor = options.factor;
    }
    if options.conflicts != 0 {
        policy.conflicts = options.conflicts;
    }
    Ok(policy)
}

/// An answer that this version does not know gives up: the careful choice.
fn verdict(said: u32) -> Verdict {
    match said {
        said if said == LANEWAY_VERDICT_RETRY as u32 => Verdict::Retry,
        said if said == LANEWAY_VERDICT_CONFLICT as u32 => Verdict::Conflict,
        _ => Verdict::GiveUp,
    }
}

/// The variant with this number, of those listed in the order of their numbers from 0.
fn nth<T: Copy>(variants: &[T], number: u32, name: &'static str) -> Result<T, Failure> {
    let found = usize::try_from(number).ok().and_then(|at| variants.get(at));
    found.copied().ok_or_else(|| Failure::invalid(format!("job options: no such {name}: {number}")))
}

fn jitter(number: u32) -> Result<Jitter, Failure> {
    nth(&[Jitter::Full, Jitter::None], number, "jitter")
}

fn on_failure(number: u32) -> Result<OnFailure, Failure> {
    nth(&[OnFailure::Continue, OnFailure::Hold, OnFailure::FailRest], number, "on_failure")
}

fn on_double_fault(number: u32) -> Result<OnDoubleFault, Failure> {
    nth(&[OnDoubleFault::Continue, OnDoubleFault::Quarantine], number, "on_double_fault")
}

fn open_tokens(number: u32) -> Result<OpenTokens, Failure> {
    nth(&[OpenTokens::Await, OpenTokens::Ignore], number, "open_tokens")
}

/// Fills `options` with the defaults.
///
/// @param struct_size  `sizeof *options`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `options`.
///
/// # Safety
///
/// `options` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_options_init(
    options: *mut laneway_job_options,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(options, struct_size) });
}

#[cfg(test)]
mod tests;

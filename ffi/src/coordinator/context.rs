//! What a body and an undo see of their job.
//!
//! A context is borrowed: it is on the stack of the call and valid until the call returns, on its
//! thread. Not here: what becomes of the tokens it gives (`token.rs`).

use std::cell::OnceCell;
use std::ffi::c_void;

use laneway::coordinator::{JobContext, JobError, Token, TokenEnd, UndoContext};

use super::outcome::{cause_of, status_of};
use super::token::{failed, laneway_token, reported};
use crate::boundary::{boundary, boundary_or};
use crate::convert::{Out, limit_or_ages};
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, Unique, borrow, borrow_mut, give};
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// The body's view of its job. Borrowed: valid until the body returns, on its thread.
pub struct laneway_job_context {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_job_context {
    type Inner = Attempt<'static, JobContext<'static>>;
}

impl Unique for laneway_job_context {}

/// The undo's view of its job. Borrowed: valid until the undo returns, on its thread.
pub struct laneway_undo_context {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_undo_context {
    type Inner = Attempt<'static, UndoContext<'static>>;
}

impl Unique for laneway_undo_context {}

/// Contexts that give tokens.
pub(super) trait Deferring {
    fn token(&mut self) -> Token;
}

impl Deferring for JobContext<'_> {
    fn token(&mut self) -> Token {
        self.defer()
    }
}

impl Deferring for UndoContext<'_> {
    fn token(&mut self) -> Token {
        self.defer()
    }
}

/// One call of a body or an undo.
pub(crate) struct Attempt<'a, C> {
    context: &'a mut C,
    deferred: bool,
    explained: Option<Failure>,
    /// What a sleep was ended with, so that the body can hand it on.
    stopped: OnceCell<JobError>,
}

impl<'a, C> Attempt<'a, C> {
    pub(super) fn new(context: &'a mut C) -> Self {
        Self { context, deferred: false, explained: None, stopped: OnceCell::new() }
    }

    /// What the call is answered with, once it has returned `said`.
    pub(super) fn end(self, said: laneway_status) -> Result<(), JobError> {
        if said == LANEWAY_PENDING.status() && !self.deferred {
            return Err(cause_of(Failure::invalid("pending without a token")));
        }
        if said >= LANEWAY_OK.status() {
            return Ok(());
        }
        if let Some(stopped) = self.stopped.into_inner().filter(|cause| status_of(cause) == said) {
            return Err(stopped);
        }
        let explained = self.explained.filter(|failure| failure.status() == said);
        Err(cause_of(explained.unwrap_or_else(|| failed(said))))
    }
}

/// Takes a token from the attempt behind `context`.
///
/// # Safety
/// As for [`borrow_mut`].
unsafe fn defer<H, C>(context: *mut H) -> *mut laneway_token
where
    H: Unique<Inner = Attempt<'static, C>>,
    C: Deferring + 'static,
{
    // SAFETY: the caller's contract.
    let Ok(attempt) = (unsafe { borrow_mut(context) }) else { return std::ptr::null_mut() };
    attempt.deferred = true;
    give(attempt.context.token())
}

/// Keeps the text of a failure in the attempt behind `context`.
///
/// # Safety
/// As for [`borrow_mut`] and [`text`].
unsafe fn explain<H, C>(
    context: *mut H,
    status: laneway_status,
    message: *const c_void,
    len: usize,
) -> Result<laneway_status, Failure>
where
    H: Unique<Inner = Attempt<'static, C>>,
    C: 'static,
{
    // SAFETY: the caller's contract.
    let attempt = unsafe { borrow_mut(context) }?;
    // SAFETY: the caller's contract.
    attempt.explained = Some(unsafe { reported(status, message, len) }?);
    Ok(status)
}

/// The number of this attempt, from 1.
///
/// Threads: that of the body.
/// Blocks: no.
/// In callbacks: in the body.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the body was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_context_attempt(context: *const laneway_job_context) -> u32 {
    boundary_or(0, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(context) }.map_or(0, |attempt| attempt.context.attempt())
    })
}

/// Whether the job was cancelled or the coordinator is shutting down: return soon. What the body
/// returns still counts.
///
/// Threads: that of the body.
/// Blocks: no.
/// In callbacks: in the body.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the body was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_context_is_cancelled(
    context: *const laneway_job_context,
) -> bool {
    boundary_or(false, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(context) }.is_ok_and(|attempt| attempt.context.is_cancelled())
    })
}

/// Sleeps on this worker; ends early if the job is cancelled, its time is up or the coordinator is
/// shut down.
///
/// @return `LANEWAY_ECANCELED`, `LANEWAY_ETIMEDOUT` or `LANEWAY_ESHUTDOWN`, for the body to return.
///
/// Threads: that of the body.
/// Blocks: up to `time_ns`.
/// In callbacks: in the body.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the body was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_context_sleep(
    context: *const laneway_job_context,
    time_ns: u64,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let attempt = unsafe { borrow(context) }?;
        match attempt.context.sleep(limit_or_ages(time_ns)) {
            Ok(()) => Ok(LANEWAY_OK.status()),
            Err(cause) => Ok(status_of(attempt.stopped.get_or_init(|| cause))),
        }
    })
}

/// Takes a token: when the body returns `LANEWAY_PENDING`, the job stays pending, without a worker,
/// until every token has succeeded. The first failure fails the attempt.
///
/// @return the token; NULL only for a `context` that is NULL.
///
/// Threads: that of the body.
/// Blocks: no.
/// In callbacks: in the body.
/// Ownership: the caller owns the token and must end it.
///
/// # Safety
///
/// `context` is the one that the body was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_context_defer(
    context: *mut laneway_job_context,
) -> *mut laneway_token {
    // SAFETY: the caller's contract.
    boundary_or(std::ptr::null_mut(), || unsafe { defer(context) })
}

/// Keeps a text for the failure that the body is about to return, and returns `status`:
/// `return laneway_job_context_fail(context, MY_STATUS, text, len);`
///
/// Threads: that of the body.
/// Blocks: no.
/// In callbacks: in the body.
/// Ownership: copies `message`.
///
/// # Safety
///
/// `context` is the one that the body was called with, and it has not returned; `message` is UTF-8
/// of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_job_context_fail(
    context: *mut laneway_job_context,
    status: laneway_status,
    message: *const c_void,
    len: usize,
) -> laneway_status {
    // SAFETY: the caller's contract.
    boundary(Report::NONE, || unsafe { explain(context, status, message, len) })
}

/// Why the job will not complete: the status of the failed attempt.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_cause(
    context: *const laneway_undo_context,
) -> laneway_status {
    boundary_or(LANEWAY_EINVAL.status(), || {
        // SAFETY: the caller's contract.
        match unsafe { borrow(context) } {
            Ok(attempt) => status_of(attempt.context.cause()),
            Err(failure) => failure.status(),
        }
    })
}

/// How many attempts were started, 1 or more.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_attempts(
    context: *const laneway_undo_context,
) -> u32 {
    boundary_or(0, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(context) }.map_or(0, |attempt| attempt.context.attempts())
    })
}

/// The number of this run of the undo, from 1.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_undo_attempt(
    context: *const laneway_undo_context,
) -> u32 {
    boundary_or(0, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(context) }.map_or(0, |attempt| attempt.context.undo_attempt())
    })
}

/// How many tokens the last attempt took.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_token_count(
    context: *const laneway_undo_context,
) -> usize {
    boundary_or(0, || {
        // SAFETY: the caller's contract.
        unsafe { borrow(context) }.map_or(0, |attempt| attempt.context.tokens().len())
    })
}

/// How a token of the last attempt stood.
///
/// @param index     in the order in which they were taken, from 0.
/// @param[out] end  `LANEWAY_OK`, `LANEWAY_PENDING` if nobody had ended it, or its failure.
/// @return `LANEWAY_ENOTFOUND` if there are not that many.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: borrows `context`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned; `end` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_token(
    context: *const laneway_undo_context,
    index: usize,
    end: *mut laneway_status,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(end, LANEWAY_OK.status()) }?;
        // SAFETY: the caller's contract.
        let attempt = unsafe { borrow(context) }?;
        let Some(end) = attempt.context.tokens().get(index) else {
            return Ok(LANEWAY_ENOTFOUND.status());
        };
        out.set(match end {
            TokenEnd::Open => LANEWAY_PENDING.status(),
            TokenEnd::Succeeded => LANEWAY_OK.status(),
            TokenEnd::Failed(cause) => status_of(cause),
        });
        Ok(LANEWAY_OK.status())
    })
}

/// Takes a token for the undo, as `laneway_job_context_defer` does for the body.
///
/// @return the token; NULL only for a `context` that is NULL.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: the caller owns the token and must end it.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_defer(
    context: *mut laneway_undo_context,
) -> *mut laneway_token {
    // SAFETY: the caller's contract.
    boundary_or(std::ptr::null_mut(), || unsafe { defer(context) })
}

/// Keeps a text for the failure that the undo is about to return, and returns `status`.
///
/// Threads: that of the undo.
/// Blocks: no.
/// In callbacks: in the undo.
/// Ownership: copies `message`.
///
/// # Safety
///
/// `context` is the one that the undo was called with, and it has not returned; `message` is UTF-8
/// of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_undo_context_fail(
    context: *mut laneway_undo_context,
    status: laneway_status,
    message: *const c_void,
    len: usize,
) -> laneway_status {
    // SAFETY: the caller's contract.
    boundary(Report::NONE, || unsafe { explain(context, status, message, len) })
}

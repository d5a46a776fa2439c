//! Tokens: what a job waits for after its body has returned.
//!
//! A token is unique and may travel to any thread. C cannot drop it by accident, but its wrapper
//! can: freeing it unfinished fails the attempt as abandoned, so that no lane is stuck.

use std::ffi::c_void;

use laneway::coordinator::{JobError, Token};

use super::outcome::cause_of;
use crate::boundary::{boundary, boundary_or};
use crate::convert::text;
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, Unique, borrow, free, take};
use crate::status::laneway_code::*;
use crate::status::{laneway_status, name_of};

/// Something that a job waits for after its body has returned. Unique: ended once, by
/// `laneway_token_succeed`, `laneway_token_fail` or `laneway_token_free`.
pub struct laneway_token {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_token {
    type Inner = Token;
}

impl Unique for laneway_token {}

/// A failure whose text is the name of its status.
pub(super) fn failed(status: laneway_status) -> Failure {
    Failure::with_status(status, name_of(status).to_string_lossy().into_owned())
}

/// A failure as C reports it: a status below 0 and perhaps a text.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn reported(
    status: laneway_status,
    message: *const c_void,
    len: usize,
) -> Result<Failure, Failure> {
    if status >= LANEWAY_OK.status() {
        return Err(Failure::invalid("a failure has a status below 0"));
    }
    // SAFETY: the caller's contract.
    let message = unsafe { text(message, len) }?;
    Ok(match message {
        "" => failed(status),
        said => Failure::with_status(status, said.to_owned()),
    })
}

/// What `token` stands for has ended well.
///
/// @return `LANEWAY_EALREADY` if nobody waits for it any more; `token` is gone all the same.
///
/// Threads: any; before or after the body has returned.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `token`.
///
/// # Safety
///
/// `token` is NULL or was not ended yet, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_token_succeed(token: *mut laneway_token) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let token = unsafe { take(token) }.ok_or_else(|| Failure::invalid("token is NULL"))?;
        Ok(finish(&token, Ok(())))
    })
}

/// What `token` stands for has failed, and with it the attempt.
///
/// @param status  below 0; `LANEWAY_ECONFLICT` draws on the conflicts. Anything else is taken as
///                `LANEWAY_EINVAL`.
/// @return `LANEWAY_EALREADY` if nobody waits for it any more; `LANEWAY_EINVAL` for a status that
///         is no failure or a text that is not UTF-8. `token` is gone all the same.
///
/// Threads: any; before or after the body has returned.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `token`, copies `message`.
///
/// # Safety
///
/// `token` is NULL or was not ended yet, and is not used again; `message` is UTF-8 of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_token_fail(
    token: *mut laneway_token,
    status: laneway_status,
    message: *const c_void,
    len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let token = unsafe { take(token) }.ok_or_else(|| Failure::invalid("token is NULL"))?;
        // SAFETY: the caller's contract.
        match unsafe { reported(status, message, len) } {
            Ok(failure) => Ok(finish(&token, Err(cause_of(failure)))),
            Err(refused) => {
                let said = refused.status();
                finish(&token, Err(cause_of(refused)));
                Ok(said)
            }
        }
    })
}

fn finish(token: &Token, end: Result<(), JobError>) -> laneway_status {
    let wanted = token.is_wanted();
    token.finish(end);
    if wanted { LANEWAY_OK } else { LANEWAY_EALREADY }.status()
}

/// Whether somebody still waits for `token`; whoever works for it may stop if not.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `token`.
///
/// # Safety
///
/// `token` is NULL or was not ended yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_token_is_wanted(token: *const laneway_token) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(token) }.is_ok_and(Token::is_wanted))
}

/// Gives `token` up without an answer: the attempt fails with `LANEWAY_EABANDONED`. NULL is
/// allowed.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes `token`.
///
/// # Safety
///
/// `token` is NULL or was not ended yet, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_token_free(token: *mut laneway_token) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { free(token) });
}

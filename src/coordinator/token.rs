//! A token: a promise, made by a job's attempt, that something outside it will end.
//!
//! The counting is `token_group.rs`; here it meets the lane that waits.

use std::fmt;

use super::entry::Entry;
use super::error::JobError;
use super::span::{self, JobSpan};
use super::token_group::{End, Finished, Hold, TokenGroup};
use crate::lane::LaneRef;

/// The tokens of one attempt, and the lane that waits for them.
pub(crate) type Tokens = TokenGroup<JobError, LaneRef<Entry>>;

/// How one token of a failed attempt stood when the undo started.
#[derive(Debug, Clone)]
pub enum TokenEnd {
    /// Nobody had finished it; whatever it stands for may still be going on.
    Open,
    /// It had succeeded.
    Succeeded,
    /// It had failed.
    Failed(JobError),
}

impl From<End<&JobError>> for TokenEnd {
    fn from(end: End<&JobError>) -> Self {
        match end {
            End::Open => Self::Open,
            End::Succeeded => Self::Succeeded,
            End::Failed(error) => Self::Failed(error.clone()),
        }
    }
}

/// Something that a job waits for after its body has returned; see
/// [`JobContext::defer`](super::JobContext::defer).
///
/// Finish it on any thread, before or after the body returns. Never blocks. Dropping it unfinished
/// fails the attempt with [`JobError::Abandoned`], so a lost token cannot stop a lane.
///
/// ```
/// use laneway::{Coordinator, Job, JobOutcome, Pool};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::new(&Pool::new()?);
/// let job = Job::once(|ctx| {
///     let token = ctx.defer();
///     std::thread::spawn(move || token.succeed()); // say, when the answer arrives
///     Ok("sent and acknowledged")
/// });
/// assert!(coordinator.submit("mail", job)?.wait()?.is_completed());
/// # Ok(()) }
/// ```
#[must_use = "dropping a token fails the attempt as abandoned"]
pub struct Token {
    /// `None` if it was taken when nobody waited any more.
    hold: Option<Hold<JobError, LaneRef<Entry>>>,
    span: JobSpan,
}

impl Token {
    pub(crate) fn new(hold: Option<Hold<JobError, LaneRef<Entry>>>) -> Self {
        Self { hold, span: JobSpan::current() }
    }

    /// What it stands for has ended well.
    pub fn succeed(self) {
        self.finish(Ok(()));
    }

    /// What it stands for has failed, and with it the attempt.
    pub fn fail(self, error: JobError) {
        self.finish(Err(error));
    }

    /// Finishes it without giving it up, for owners that share it: the first call wins, on whatever
    /// thread. False if it was finished before; then nothing has changed.
    pub fn finish(&self, end: Result<(), JobError>) -> bool {
        let Some(hold) = &self.hold else { return true };
        let told = span::of_token(&end);
        let finished = hold.finish(end);
        if finished == Finished::Twice {
            return false;
        }
        self.span.within(|| span::tell_token(told));
        if finished != Finished::Nothing {
            hold.group().context().wake();
        }
        true
    }

    /// False once nobody waits for it: the attempt was cancelled, timed out or has been given up.
    /// Whoever works for it may stop.
    pub fn is_wanted(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| !hold.group().is_closed())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // Answers false, without effect, if it was finished.
        self.finish(Err(JobError::Abandoned));
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("wanted", &self.is_wanted()).finish()
    }
}

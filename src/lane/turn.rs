//! What lanes know of a job: it gets turns, and at last it ends.
//!
//! ```text
//!   submit ──► step ──► Waiting ──wake──► step ──► … ──► Ended(next) ──► end
//!     └──────────┴─────────┴── abandon(why): it never gets (another) turn
//! ```
//!
//! Exactly one of [`end`](Turn::end) and [`abandon`](Turn::abandon) is called for every job, once.
//! All calls for one key happen one after another, each seeing the effects of those before.
//!
//! Jobs do not carry what they have in common: each shard keeps a copy of the [`Turn::Owner`] and
//! lends it, so that a job's way touches no reference count that all threads share.
//!
//! Not here: retries, tokens, outcomes. The coordinator implements this trait.

use super::lane_ref::LaneRef;

/// A job, as a lane sees it.
pub(crate) trait Turn: Send + Sized + 'static {
    /// What the jobs of one set of lanes have in common. It must not lead back to the lanes, or
    /// they would keep themselves alive.
    type Owner: Clone + Send + Sync + 'static;

    /// Runs the job's next step now, on this thread.
    ///
    /// A step that answers [`Step::Waiting`] keeps the head of its lane and gets its next turn
    /// after [`LaneRef::wake`], also if that was called during the step. A turn may come without
    /// news: a wake-up that was meant for an earlier wait of the same job.
    ///
    /// Must not unwind. If it does, the job is dropped and the lane goes on.
    fn step(&mut self, lane: &LaneRef<Self>) -> Step;

    /// Called once, straight after `step` answered [`Step::Ended`], when the lane has taken note
    /// of what follows and before the next job's first step.
    ///
    /// This is the place to publish an outcome: whoever sees it may count on `Hold` and `FailRest`.
    /// A release that he sends comes after the hold, and a job that he submits is not among those
    /// that fail with this one. With an outcome published in `step` neither is certain.
    ///
    /// Must not unwind.
    fn end(self, _owner: &Self::Owner) {}

    /// It will not get a turn any more. Called in the order of submission, on a thread of the
    /// pool; once the pool has ended, on the thread that found out. Must not unwind.
    fn abandon(self, owner: &Self::Owner, why: Abandon);
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The job has ended.
    Ended(Next),
    /// The job keeps the head of the lane until somebody wakes it.
    Waiting,
}

/// How the lane goes on behind a job that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// With the next job.
    Continue,
    /// Not before it is released; the order is kept.
    Hold,
    /// The jobs that wait now are abandoned; later ones run.
    FailRest,
}

/// Why a job gets no turn any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Abandon {
    /// A job before it ended with [`Next::FailRest`].
    Predecessor,
    /// The lanes were closed, or the pool has ended. The job may have started and be waiting.
    Shutdown,
}

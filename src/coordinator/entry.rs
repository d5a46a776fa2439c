//! An entry: a job as it lies in a lane.
//!
//! A detached plain job (a body that runs once, no options, no handle) lies in the lane itself and
//! allocates nothing. Every other job is one box, a [`Run`] whose value type is erased here; a
//! plain job becomes one if it takes tokens.

use super::context::{JobContext, Whose};
use super::current;
use super::error::JobError;
use super::inline::InlineDetached;
use super::inner::Inner;
use super::outcome::{JobOutcome, OutcomeKind};
use super::run::Run;
use crate::lane::{Abandon, LaneRef, Next, Step, Turn};
use crate::pool::unwind;
use crate::sync::Arc;

/// The steps of a job of whatever value.
pub(crate) trait Steps: Send {
    fn step(&mut self, lane: &LaneRef<Entry>) -> Step;
    fn end(self: Box<Self>);
    fn abandon(self: Box<Self>, why: Abandon);
}

/// See the page.
pub(crate) enum Entry {
    Plain(InlineDetached),
    Full(Box<dyn Steps>),
    /// A plain job that has run.
    Ended(OutcomeKind),
    /// Only while a step moves a plain job on.
    Moving,
}

// Each job in an inbox or a lane takes this much, and is moved a few times.
const _: () = assert!(size_of::<Entry>() <= 64, "an entry stays small");

impl Turn for Entry {
    type Owner = Arc<Inner>;

    fn step(&mut self, lane: &LaneRef<Self>) -> Step {
        current::within(lane, || self.turn(lane))
    }

    fn end(self, inner: &Arc<Inner>) {
        match self {
            Self::Full(run) => run.end(),
            Self::Ended(outcome) => inner.stats().ended(outcome),
            Self::Plain(..) | Self::Moving => debug_assert!(false, "ended without a step"),
        }
    }

    fn abandon(self, inner: &Arc<Inner>, why: Abandon) {
        match self {
            Self::Full(run) => run.abandon(why),
            Self::Plain(body) => {
                inner.discard(body);
                inner.stats().ended(match why {
                    Abandon::Predecessor => OutcomeKind::Failed,
                    Abandon::Shutdown => OutcomeKind::Lost,
                });
            }
            Self::Ended(..) | Self::Moving => debug_assert!(false, "abandoned after its end"),
        }
    }
}

impl Entry {
    fn turn(&mut self, lane: &LaneRef<Self>) -> Step {
        if let Self::Full(run) = self {
            return run.step(lane);
        }
        if let Self::Plain(body) = std::mem::replace(self, Self::Moving) {
            let (entry, step) = run_plain(body, lane);
            *self = entry;
            return step;
        }
        debug_assert!(false, "an ended job got a turn");
        Step::Ended(Next::Continue)
    }
}

/// Runs a plain job: it ends here, unless it took tokens.
fn run_plain(body: InlineDetached, lane: &LaneRef<Entry>) -> (Entry, Step) {
    let inner = lane.owner();
    if inner.is_stopping() {
        inner.discard(body);
        return (Entry::Ended(OutcomeKind::Lost), Step::Ended(Next::Continue));
    }
    inner.stats().started();
    let mut context = JobContext::borrowed(lane, Whose::Nobody, 1);
    let result = unwind::halt(|| body.call(&mut context));
    let tokens = context.into_tokens();
    let result = result.unwrap_or_else(|payload| {
        let error = JobError::from_panic(&*payload);
        // Nobody holds a handle, so nobody else would learn of it.
        inner.pool().report_panic(payload);
        Err(error)
    });
    if let Some(tokens) = tokens {
        let mut run = Run::resumed(lane.address());
        let step = run.resume(tokens, result, lane);
        return (Entry::Full(Box::new(run)), step);
    }
    inner.stats().started_ended();
    let outcome = match result {
        Ok(()) => OutcomeKind::Completed,
        Err(error) => JobOutcome::<()>::without_undo(error).kind(),
    };
    (Entry::Ended(outcome), Step::Ended(Next::Continue))
}

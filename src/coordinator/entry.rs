//! An entry: a job as it lies in a lane.
//!
//! A detached plain job (a body that runs once, no options, no handle) lies in the lane itself and
//! allocates nothing. Every other job is one box, a [`Run`] whose value type is erased here; a
//! plain job becomes one if it takes tokens.
//!
//! A fence is no job: it marks the place in a lane up to which a cancel goes (`marks.rs`).

use super::context::{JobContext, Whose};
use super::current;
use super::error::JobError;
use super::explain::Explanation;
use super::inline::InlineDetached;
use super::inner::Inner;
use super::latest::Cell;
use super::marks::Pass;
use super::multi::Part;
use super::outcome::{JobOutcome, OutcomeKind};
use super::run::Run;
use super::running::Shown;
use crate::lane::{Abandon, Key, LaneRef, Next, Step, Turn};
use crate::pool::unwind;
use crate::sync::Arc;

/// The steps of a job of whatever value.
pub(crate) trait Steps: Send {
    fn step(&mut self, lane: &LaneRef<Entry>) -> Step;
    fn end(self: Box<Self>);
    /// As the first [`step`](Self::step), by somebody who has asked the marks.
    fn enter(&mut self, lane: &LaneRef<Entry>, pass: Pass) -> Step;
    fn abandon(self: Box<Self>, why: Abandon);
    /// It has not started, and a later job has taken its place.
    fn supersede(self: Box<Self>);
    /// It has its outcome, though it has not started: cancelled, or expired.
    fn is_over(&self) -> bool;
    /// Why it waits; asked between steps.
    fn explain(&self) -> Vec<Explanation>;
}

/// See the page.
pub(crate) enum Entry {
    Plain(InlineDetached),
    Full(Box<dyn Steps>),
    /// The place of a job that later ones may replace.
    Latest(Arc<Cell>),
    /// One of the places of a job over several keys.
    Part(Box<Part>),
    /// The end of what a cancel of this key concerns.
    Fence(Key),
    /// A plain job that has run, or a fence that was passed.
    Ended(Option<OutcomeKind>),
    /// Only while a step moves a plain job on.
    Moving,
}

// Each job in an inbox or a lane takes this much, and is moved a few times.
const _: () = assert!(size_of::<Entry>() <= 64, "an entry stays small");

impl Turn for Entry {
    type Owner = Arc<Inner>;

    fn step(&mut self, lane: &LaneRef<Self>) -> Step {
        let _shown = Shown::new(lane.hash());
        current::within(lane, || self.turn(lane))
    }

    fn end(self, inner: &Arc<Inner>) {
        match self {
            Self::Full(run) => run.end(),
            Self::Ended(outcome) => {
                outcome.into_iter().for_each(|outcome| inner.stats().ended(outcome));
            }
            Self::Plain(..)
            | Self::Latest(..)
            | Self::Part(..)
            | Self::Fence(..)
            | Self::Moving => {
                debug_assert!(false, "ended without a step")
            }
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
            Self::Latest(cell) => cell.abandon(inner, why),
            Self::Part(part) => part.abandon(inner, why),
            Self::Fence(key) => inner.marks().end_cancel(&key),
            Self::Ended(..) | Self::Moving => debug_assert!(false, "abandoned after its end"),
        }
    }
}

impl Entry {
    fn turn(&mut self, lane: &LaneRef<Self>) -> Step {
        match self {
            Self::Full(run) => return run.step(lane),
            Self::Part(part) => {
                let step = part.step(lane);
                if matches!(step, Step::Ended(_)) {
                    *self = Self::Ended(None);
                }
                return step;
            }
            _ => {}
        }
        let marks = lane.owner().marks();
        let pass = match self {
            Self::Plain(_) | Self::Latest(_) => marks.pass(lane),
            _ => Pass::Go,
        };
        if pass == Pass::Wait {
            return Step::Waiting;
        }
        let (entry, step) = match std::mem::replace(self, Self::Moving) {
            Self::Plain(body) => match pass {
                Pass::Go | Pass::Wait => run_plain(body, lane),
                Pass::Cancel => (drop_plain(body, lane, OutcomeKind::Cancelled), END),
                Pass::Lose => (drop_plain(body, lane, OutcomeKind::Lost), END),
            },
            Self::Latest(cell) => {
                let Some(mut run) = cell.take(lane.owner()) else {
                    *self = Self::Ended(None);
                    return END;
                };
                let step = run.enter(lane, pass);
                (Self::Full(run), step)
            }
            Self::Fence(key) => {
                marks.end_cancel(&key);
                (Self::Ended(None), END)
            }
            other => {
                debug_assert!(false, "an ended job got a turn");
                (other, END)
            }
        };
        *self = entry;
        step
    }

    /// Why the first job of a lane waits.
    pub(crate) fn explain(&self, inner: &Inner) -> Vec<Explanation> {
        match self {
            Self::Full(run) => run.explain(),
            Self::Part(part) => part.explain(inner),
            Self::Plain(..)
            | Self::Latest(..)
            | Self::Fence(..)
            | Self::Ended(..)
            | Self::Moving => Vec::new(),
        }
    }
}

const END: Step = Step::Ended(Next::Continue);

/// Ends a plain job that has not started.
fn drop_plain(body: InlineDetached, lane: &LaneRef<Entry>, outcome: OutcomeKind) -> Entry {
    lane.owner().discard(body);
    Entry::Ended(Some(outcome))
}

/// Runs a plain job: it ends here, unless it took tokens.
fn run_plain(body: InlineDetached, lane: &LaneRef<Entry>) -> (Entry, Step) {
    let inner = lane.owner();
    if inner.is_stopping() {
        return (drop_plain(body, lane, OutcomeKind::Lost), END);
    }
    inner.stats().started();
    let mut context = JobContext::borrowed(lane, Whose::Nobody, 1, None);
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
    (Entry::Ended(Some(outcome)), END)
}

//! The rule that chooses nodes, guarded: one that panics leaves its task alone and no other.

use crate::pool::unwind;
use crate::sync::Arc;
use crate::task::{Candidate, Choice, LeastLoaded, Placing, Record};

/// A rule of one's own for where tasks go. Called on the master's committer thread, for each task
/// that may be assigned, with the living nodes that suit it: it must not block.
///
/// A call that panics counts as [`Choice::Leave`]: the task stays where it is and all others are
/// assigned.
pub trait Rule: Send + Sync + 'static {
    /// Chooses one of `candidates`, which are in the order of their names and never empty.
    fn choose(&self, record: &Record, candidates: &[Candidate<'_>]) -> Choice;
}

impl<F> Rule for F
where
    F: Fn(&Record, &[Candidate<'_>]) -> Choice + Send + Sync + 'static,
{
    fn choose(&self, record: &Record, candidates: &[Candidate<'_>]) -> Choice {
        self(record, candidates)
    }
}

/// The rule in force.
pub(super) struct Guarded {
    rule: Option<Arc<dyn Rule>>,
    default: LeastLoaded,
}

impl Guarded {
    pub(super) fn new(rule: Option<Arc<dyn Rule>>, seed: u64) -> Self {
        Self { rule, default: LeastLoaded { seed } }
    }
}

impl Placing for Guarded {
    fn choose(&mut self, record: &Record, candidates: &[Candidate<'_>]) -> Choice {
        let Some(rule) = &self.rule else { return self.default.choose(record, candidates) };
        match unwind::halt(|| rule.choose(record, candidates)) {
            Ok(choice) => choice,
            Err(_) => Choice::Leave("the rule panicked".into()),
        }
    }
}

//! Who waits for what of a task, until it is so.
//!
//! A wait is looked at when it is asked for, after the batch it came with, and whenever its task
//! changes. An end is told from the commit itself, with the record and the result, so it is never
//! missed, however short-lived the record was.

use std::collections::HashMap;
use std::mem;

use super::error::TaskError;
use super::pending::{Reply, Sender};
use crate::task::{Ended, Phase, Record, Rejection, State, TaskId};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// A node has it, or it has ended.
    Assigned,
    /// It needs somebody: it is parked, or has ended.
    Settled,
    /// It has ended.
    Ended,
}

#[derive(Default)]
pub(super) struct Waits {
    waiting: HashMap<TaskId, Vec<(Until, Sender)>>,
    /// Tasks whose waits were not looked at yet.
    asked: Vec<TaskId>,
}

impl Waits {
    /// One more wait.
    pub(super) fn ask(&mut self, id: TaskId, until: Until, reply: Sender) {
        let others = self.waiting.entry(id.clone()).or_default();
        // Who dropped the pending answer waits no more.
        others.retain(|(_, reply)| reply.is_wanted());
        others.push((until, reply));
        self.asked.push(id);
    }

    /// Looks at new waits, and at all others that are not for an end.
    pub(super) fn look(&mut self, state: &State) {
        let asked = mem::take(&mut self.asked);
        for id in asked {
            self.look_at(&id, state);
        }
        let early = |waits: &Vec<(Until, Sender)>| waits.iter().any(|(it, _)| *it != Until::Ended);
        let ids: Vec<TaskId> =
            self.waiting.iter().filter(|(_, it)| early(it)).map(|(id, _)| id.clone()).collect();
        ids.iter().for_each(|id| self.look_at(id, state));
    }

    fn look_at(&mut self, id: &TaskId, state: &State) {
        if let Some(known) = known_end(state, id) {
            return self.tell(id, &known);
        }
        let Some(record) = state.get(id.as_str()) else { return };
        let Some(waits) = self.waiting.get_mut(id) else { return };
        let (now, later): (Vec<_>, Vec<_>) =
            mem::take(waits).into_iter().partition(|(until, _)| is_so(*until, record));
        if later.is_empty() {
            self.waiting.remove(id);
        } else {
            *waits = later;
        }
        for (_, reply) in now {
            reply.answer(Ok(Reply::Seen(record.clone())));
        }
    }

    /// A task has ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        self.tell(&ended.id, &Ok(ended.clone()));
    }

    fn tell(&mut self, id: &TaskId, end: &Result<Ended, Rejection>) {
        for (_, reply) in self.waiting.remove(id).into_iter().flatten() {
            reply.answer(end.clone().map(Reply::Ended).map_err(TaskError::Rejected));
        }
    }

    /// Everybody who waits.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Sender> + use<> {
        mem::take(&mut self.waiting).into_values().flatten().map(|(_, reply)| reply)
    }
}

fn is_so(until: Until, record: &Record) -> bool {
    match until {
        Until::Assigned => record.assigned_to().is_some(),
        Until::Settled => matches!(record.phase, Phase::Parked),
        Until::Ended => false,
    }
}

/// The end of `id` as `state` knows it; `None` while it is still to come.
fn known_end(state: &State, id: &TaskId) -> Option<Result<Ended, Rejection>> {
    if let Some(record) = state.get(id.as_str()) {
        let Phase::Ended(ending) = &record.phase else { return None };
        return Some(Ok(Ended::of(record, ending.outcome)));
    }
    Some(match state.tombstone(id.as_str()) {
        Some(tombstone) => Ok(Ended {
            id: id.clone(),
            outcome: tombstone.outcome,
            record: None,
            result: [].into(),
        }),
        None => Err(Rejection::NotFound { id: id.clone() }),
    })
}

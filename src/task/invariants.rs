//! What holds of every state, and of every step from one to the next.
//!
//! Functions for tests, model checkers and whoever verifies a state directory. They look at
//! everything, so their cost is that of the whole state.

use std::collections::{BTreeMap, BTreeSet};

use super::ident::{AllocationId, TaskId};
use super::record::{Phase, Record};
use super::state::State;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Two tasks were given the same allocation.
    AllocationTwice(AllocationId),
    /// An allocation is beyond the counter.
    AllocationAhead(TaskId),
    /// A task is assigned to a node that is not known.
    NodeUnknown(TaskId),
    /// Two tasks of one lane are assigned, or one before its turn.
    LaneOrder(TaskId),
    /// An index does not follow from the records.
    Index,
    /// A counter went back.
    CounterBack,
    /// A new allocation is not beyond the counter before it.
    AllocationReused(TaskId),
    /// A task was assigned to a node that did not offer its executor, or drains.
    NodeUnfit(TaskId),
    /// A task that had ended is something else now.
    EndUndone(TaskId),
}

/// What is broken in `state`.
pub fn broken(state: &State) -> Vec<Broken> {
    let mut found = Vec::new();
    let mut given = BTreeSet::new();
    let mut lanes: BTreeMap<&[u8], Vec<&Record>> = BTreeMap::new();
    for record in state.records() {
        if record.allocation > state.last_allocation() {
            found.push(Broken::AllocationAhead(record.id.clone()));
        }
        if record.allocation != AllocationId::NONE && !given.insert(record.allocation) {
            found.push(Broken::AllocationTwice(record.allocation));
        }
        if record.assigned_to().is_some_and(|(node, _)| state.member(node.as_str()).is_none()) {
            found.push(Broken::NodeUnknown(record.id.clone()));
        }
        if let Some(lane) = record.lane.as_ref().filter(|_| !record.has_ended()) {
            lanes.entry(lane).or_default().push(record);
        }
    }
    for lane in lanes.values_mut() {
        lane.sort_by_key(|record| record.sequence);
        let behind = lane.iter().skip(1).filter(|record| record.assigned_to().is_some());
        found.extend(behind.map(|record| Broken::LaneOrder(record.id.clone())));
    }
    let rebuilt = State::restore(state.save(), state.limits());
    if rebuilt != *state {
        found.push(Broken::Index);
    }
    found
}

/// What is broken by the step from `before` to `after`, both of which are whole in themselves.
pub fn broken_by_step(before: &State, after: &State) -> Vec<Broken> {
    let mut found = Vec::new();
    if after.last_allocation() < before.last_allocation()
        || after.last_sequence() < before.last_sequence()
    {
        found.push(Broken::CounterBack);
    }
    for change in super::diff(before, after).records {
        let Some(new) = &change.after else { continue };
        let old = change.before.as_ref().filter(|old| old.sequence == new.sequence);
        let held = old.map_or(AllocationId::NONE, |old| old.allocation);
        if new.allocation != held {
            if new.allocation <= before.last_allocation() {
                found.push(Broken::AllocationReused(new.id.clone()));
            }
            let fits = |id: &str| {
                let member = after.member(id)?;
                let offers = member.executors.contains_key(&new.name);
                (offers && member.draining.is_none()).then_some(())
            };
            if new.assigned_to().is_some_and(|(node, _)| fits(node.as_str()).is_none()) {
                found.push(Broken::NodeUnfit(new.id.clone()));
            }
        }
        if let Some(Phase::Ended(ending)) = old.map(|old| &old.phase)
            && new.phase != Phase::Ended(ending.clone())
        {
            found.push(Broken::EndUndone(new.id.clone()));
        }
    }
    found
}

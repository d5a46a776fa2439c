//! Which waiting tasks go where: one pass over what may be assigned now.
//!
//! A pass only proposes; [`apply`](super::apply) checks every assignment again. Whoever runs it may
//! bring a rule of its own ([`Placing`]); the one given here is [`LeastLoaded`]. The cost is that of
//! the tasks looked at, times the nodes that offer their executor: executors without room are passed
//! over as a whole, and so are those that no living node offers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::command::Command;
use super::ident::NodeId;
use super::member::{Capacity, Member};
use super::record::Record;
use super::state::{Enable, State};

/// A node that suits a task.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The node.
    pub member: &'a Member,
    /// How much of this kind of task it takes.
    pub capacity: Capacity,
    /// How many tasks of this name it has, those of this pass included.
    pub assigned: usize,
    /// How often this task failed there, as far as is remembered.
    pub failures: usize,
    /// How many of the labels that the task would like it has.
    pub liked: usize,
}

/// What a rule says about one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The candidate with this index. One that is out of bounds means none.
    Take(usize),
    /// None now; why, for people. Asked again at the next pass that finds something new, and when
    /// somebody asks for it.
    Leave(Arc<str>),
}

/// A rule that chooses among the nodes that suit a task.
pub trait Placing {
    /// Chooses one of `candidates`, which are in the order of their names and never empty.
    fn choose(&mut self, record: &Record, candidates: &[Candidate<'_>]) -> Choice;
}

/// The default: away from where the task failed, to where it would like to be, to where the fewest
/// tasks of its name are for the node's weight; then by `seed`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastLoaded {
    /// Decides between equals, so that not every master begins with the same node.
    pub seed: u64,
}

impl Placing for LeastLoaded {
    fn choose(&mut self, _record: &Record, candidates: &[Candidate<'_>]) -> Choice {
        let first = (self.seed % candidates.len() as u64) as usize;
        let order = (first..candidates.len()).chain(0..first);
        let best = order.min_by(|a, b| {
            let (a, b) = (&candidates[*a], &candidates[*b]);
            (a.failures.cmp(&b.failures))
                .then(b.liked.cmp(&a.liked))
                .then_with(|| load(a, b.capacity).cmp(&load(b, a.capacity)))
        });
        best.map_or(Choice::Leave("no candidate".into()), Choice::Take)
    }
}

/// The load of `a` times the weight of the other, so that two shares compare without division.
fn load(a: &Candidate<'_>, other: Capacity) -> u128 {
    a.assigned as u128 * u128::from(other.weight.max(1))
}

/// What one node can still take of one name, while the pass runs.
struct Place<'a> {
    member: &'a Member,
    capacity: Capacity,
    assigned: usize,
}

/// The assignments for the tasks that wait now, at most `count` of them, those that were started
/// first before others of their name; for each name only while some node has room.
pub fn plan(state: &State, count: usize, placing: &mut dyn Placing) -> Vec<Command> {
    if state.settings().assignment == Enable::None {
        return Vec::new();
    }
    let offered: BTreeSet<&Arc<str>> =
        state.members().flat_map(|member| member.executors.keys()).collect();
    let mut commands = Vec::new();
    for name in offered {
        let mut places = places(state, name);
        let mut room: usize = places.iter().map(Place::room).sum();
        if room == 0 {
            continue;
        }
        for record in state.ready_of(name) {
            if commands.len() == count || room == 0 {
                break;
            }
            let Some(index) = choose(record, &places, placing) else { continue };
            places[index].assigned += 1;
            room -= 1;
            let node: NodeId = places[index].member.id.clone();
            commands.push(Command::Assign { id: record.id.clone(), node });
        }
    }
    commands
}

fn places<'a>(state: &'a State, name: &Arc<str>) -> Vec<Place<'a>> {
    let offering = |member: &'a Arc<Member>| {
        let capacity = *member.executors.get(name)?;
        let assigned = state.load_of(&member.id, name);
        member.draining.is_none().then_some(Place { member, capacity, assigned })
    };
    state.members().filter_map(offering).collect()
}

impl Place<'_> {
    fn room(&self) -> usize {
        (self.capacity.room as usize).saturating_sub(self.assigned)
    }
}

fn choose(record: &Record, places: &[Place<'_>], placing: &mut dyn Placing) -> Option<usize> {
    let placement = &record.policies.placement;
    let mut indexes = Vec::with_capacity(places.len());
    let mut candidates = Vec::with_capacity(places.len());
    for (index, &Place { member, capacity, assigned }) in places.iter().enumerate() {
        if member.unfit(&record.name, placement, assigned).is_none() {
            let failures = record.history.failures_on(&member.id);
            let liked = member.liked(placement);
            indexes.push(index);
            candidates.push(Candidate { member, capacity, assigned, failures, liked });
        }
    }
    if candidates.is_empty() {
        return None;
    }
    match placing.choose(record, &candidates) {
        Choice::Take(chosen) => indexes.get(chosen).copied(),
        Choice::Leave(_) => None,
    }
}

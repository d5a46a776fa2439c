//! Which waiting tasks a node should get now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::Command;
use super::ident::NodeId;
use super::state::State;

/// A node that can be given tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// The executors it offers, each with how many of its tasks the node takes at once.
    pub executors: BTreeMap<Arc<str>, usize>,
}

/// The assignments that give `node` what it has room for, at most `count` of them: for each
/// executor, the tasks that were started first.
///
/// Costs O(executors + answers x log n), however many tasks wait.
pub fn plan(state: &State, node: &Node, count: usize) -> Vec<Command> {
    let mut commands = Vec::new();
    for (name, &room) in &node.executors {
        let room = room.saturating_sub(state.running_of(name)).min(count - commands.len());
        let assign = |id: &_| Command::Assign { id: Clone::clone(id), node: node.id.clone() };
        commands.extend(state.ready_of(name, room).map(assign));
    }
    commands
}

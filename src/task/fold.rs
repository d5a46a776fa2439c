//! What a batch makes of a state: commands, then duties, then assignments; one pure function.
//!
//! Every node folds what its callers ask for. The duties (a node's own entry, and for the master
//! the ends of nodes, what is due and the pass of assignments) come after the commands, so that
//! whatever a batch frees is assigned in the same commit: the tasks of a lost node are taken back and
//! given away in one change.

use std::sync::Arc;

use super::apply::apply_to;
use super::assignment::{Placing, plan};
use super::command::{Answer, Command, Ended, Rejection};
use super::ident::{Incarnation, NodeId, Timestamp};
use super::member::Member;
use super::state::State;

/// What a node owes beside the commands of its callers.
#[derive(Clone, Debug, Default)]
pub struct Duties {
    /// How this node is to be known; `None` if it has no lease.
    pub member: Option<Arc<Member>>,
    /// Whether it is the master.
    pub is_master: bool,
    /// Lives of nodes that are over. For the master.
    pub gone: Vec<(NodeId, Incarnation)>,
    /// Whether it leaves assigning alone for now.
    pub paused: bool,
    /// The most assignments of one pass, those of a lost node's tasks apart.
    pub assign_max: usize,
}

/// What came of a batch.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The state after it, not yet committed.
    pub state: State,
    /// One answer for each command, in order.
    pub answers: Vec<Result<Answer, Rejection>>,
    /// The tasks that ended by it.
    pub ended: Vec<Ended>,
    /// There may be more to assign than this batch had room for.
    pub more: bool,
}

impl Duties {
    /// Whether `state` leaves something to do but assigning.
    pub fn are_owed(&self, state: &State, now: Timestamp) -> bool {
        self.join(state).is_some()
            || self.is_master
                && (state.next_due().is_some_and(|due| due <= now) || self.left(state).is_some())
    }

    /// The command by which this node is known as it wants to be.
    fn join(&self, state: &State) -> Option<Command> {
        let member = self.member.as_ref()?;
        let known = state.member(member.id.as_str());
        let is_known = known.is_some_and(|known| {
            known.incarnation > member.incarnation
                || known.incarnation == member.incarnation
                    && known.executors == member.executors
                    && known.labels == member.labels
        });
        (!is_known).then(|| Command::NodeJoined { member: member.clone() })
    }

    /// A node that the state knows and that is gone.
    fn left<'a>(&'a self, state: &State) -> Option<&'a (NodeId, Incarnation)> {
        self.gone.iter().find(|(node, incarnation)| {
            state.member(node.as_str()).is_some_and(|known| known.incarnation == *incarnation)
        })
    }
}

/// Folds `commands` and `duties` into `base`.
pub fn fold(
    base: &State,
    commands: &[Command],
    duties: &Duties,
    now: Timestamp,
    placing: &mut dyn Placing,
) -> Folded {
    let mut state = base.clone();
    let mut ended = Vec::new();
    let mut send = |state: &mut State, command| {
        let effects = apply_to(state, command, now)?;
        ended.extend(effects.ended);
        Ok(effects.answer)
    };
    let answers = commands.iter().map(|command| send(&mut state, command.clone())).collect();
    if let Some(join) = duties.join(&state) {
        let joined = send(&mut state, join);
        debug_assert!(joined.is_ok(), "a node joins as what it was accepted as");
    }
    let mut more = false;
    if duties.is_master {
        let mut assign_max = duties.assign_max;
        while let Some((node, incarnation)) = duties.left(&state).cloned() {
            assign_max = assign_max.saturating_add(state.held_by(&node).count());
            let left = send(&mut state, Command::NodeLeft { node, incarnation });
            debug_assert!(left.is_ok(), "the end of a node is never refused");
        }
        if state.next_due().is_some_and(|due| due <= now) {
            let ticked = send(&mut state, Command::Tick);
            debug_assert!(ticked.is_ok(), "a tick is never refused");
        }
        let planned = if duties.paused { Vec::new() } else { plan(&state, assign_max, placing) };
        more = !duties.paused && planned.len() == assign_max;
        for command in planned {
            let assigned = send(&mut state, command);
            debug_assert!(assigned.is_ok(), "what is planned fits");
        }
    }
    Folded { state, answers, ended, more }
}

//! How a task service is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::rule::Rule;
use crate::sync::Arc;
use crate::task::{Limits, NodeId, TaskId};

/// The settings of a [`TaskService`](super::TaskService).
#[derive(Clone)]
pub struct TaskConfig {
    /// The name of this node, as records show it.
    pub node: NodeId,
    /// What tasks can ask of this node; its name counts as a label `node`.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Where tasks go, while this node leads; `None`: the least loaded node.
    pub rule: Option<Arc<dyn Rule>>,
    /// How often tasks that no node could be given are looked at again, beside whenever something
    /// changes.
    pub recheck: Duration,
    /// How long before the end of this node's lease `no_overlap` tasks are told to stop. Longer than
    /// they take to stop, and than any pause of the process.
    pub overlap_margin: Duration,
    /// Called if such a task has not stopped when the lease is over: ends the process, unless a test
    /// says otherwise.
    pub on_overrun: fn(&TaskId),
    /// How much is remembered of tasks that are gone.
    pub limits: Limits,
    /// The most commands in one commit.
    pub batch_max: usize,
    /// The most bytes of params, states and results in one commit; one command may exceed it alone.
    pub batch_bytes_max: usize,
    /// The most starts that may wait for their commit; beyond it they fail with
    /// [`TaskError::Full`](super::TaskError::Full).
    pub starts_waiting_max: usize,
    /// Whether tasks are assigned from the beginning.
    pub assignment: Assignment,
}

impl Default for TaskConfig {
    /// Node `local`, commits of at most 4096 commands and 4 MiB, 1 Mi starts waiting, all assigned.
    fn default() -> Self {
        Self {
            node: NodeId::from("local"),
            labels: BTreeMap::new(),
            rule: None,
            recheck: Duration::from_secs(30),
            overlap_margin: Duration::from_secs(2),
            on_overrun: abort,
            limits: Limits::default(),
            batch_max: 4096,
            batch_bytes_max: 4 * 1024 * 1024,
            starts_waiting_max: 1024 * 1024,
            assignment: Assignment::All,
        }
    }
}

/// Which tasks may be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// All whose turn it is.
    All,
    /// None: what runs goes on, and nothing new begins.
    None,
}

/// Two runs of this task could overlap from now on, and it was asked that they never do.
fn abort(id: &TaskId) {
    eprintln!("laneway: task {id} must not overlap and did not stop in time: the process ends");
    std::process::abort();
}

impl fmt::Debug for TaskConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskConfig")
            .field("node", &self.node)
            .field("limits", &self.limits)
            .field("batch_max", &self.batch_max)
            .field("assignment", &self.assignment)
            .finish_non_exhaustive()
    }
}

//! How a task service is set up.

use crate::task::{Limits, NodeId};

/// The settings of a [`TaskService`](super::TaskService).
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// The name of this node, as records show it.
    pub node: NodeId,
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

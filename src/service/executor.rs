//! What runs a task: user code behind a name.

use std::collections::BTreeMap;
use std::sync::Weak;

use super::allocated::TaskContext;
use crate::sync::Arc;
use crate::task::{Bytes, Failure};

/// Runs the tasks of one name. Also implemented by closures `Fn(&TaskContext) -> Result<Progress,
/// Failure>`.
pub trait Executor: Send + Sync + 'static {
    /// Begins one task, on a worker of the pool; called once for each allocation.
    ///
    /// Work that takes long or waits is handed to where it belongs, with a
    /// [`Completion`](super::Completion) from [`TaskContext::defer`], and answered by
    /// [`Progress::Deferred`]. A body that computes in place holds its worker until it returns; one
    /// that blocks in place holds a worker that does nothing, and as many of them as the pool has
    /// workers stop the pool.
    ///
    /// # Errors
    /// The failure is recorded and the task's policy decides what follows. A panic is a failure
    /// too.
    fn start(&self, task: &TaskContext) -> Result<Progress, Failure>;

    /// Looks at the params of a new task, on the caller's thread. What it refuses is not stored.
    ///
    /// # Errors
    /// The reason, for the caller.
    fn validate(&self, params: &[u8]) -> Result<(), Arc<str>> {
        let _ = params;
        Ok(())
    }

    /// How many of its tasks may run at once on this node. Asked once, when it is registered; 65 536
    /// unless said otherwise. The others wait, unassigned.
    fn room(&self) -> usize {
        64 * 1024
    }

    /// This node's share of its tasks beside other nodes. Asked once, when it is registered; 1 unless
    /// said otherwise.
    fn weight(&self) -> u32 {
        1
    }
}

impl<F> Executor for F
where
    F: Fn(&TaskContext) -> Result<Progress, Failure> + Send + Sync + 'static,
{
    fn start(&self, task: &TaskContext) -> Result<Progress, Failure> {
        self(task)
    }
}

/// How far [`Executor::start`] has come when it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The task is complete, with this result of at most 1 MiB; with a longer one the run has failed.
    Done(Bytes),
    /// A [`Completion`](super::Completion) will tell. If none was taken, the attempt has failed.
    Deferred,
    /// The run stops without an end, say because it was told to: see
    /// [`Completion::hand_back`](super::Completion::hand_back).
    HandedBack,
}

/// The executors that a start is checked against, by name.
///
/// Weak: a version of the map that was replaced may be freed long after the service has ended, but
/// an executor goes with the node that runs it.
pub(super) type Offers = BTreeMap<Arc<str>, Weak<dyn Executor>>;

/// An executor as it was registered.
#[derive(Clone)]
pub(super) struct Registration {
    pub(super) name: Arc<str>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) room: usize,
    pub(super) weight: u32,
}

impl Registration {
    pub(super) fn new(name: &str, executor: impl Executor) -> Self {
        let (room, weight) = (executor.room(), executor.weight());
        Self { name: name.into(), room, weight, executor: Arc::new(executor) }
    }
}

//! Which nodes live, and which of them leads.
//!
//! A [`Cluster`] answers two questions and no more: which incarnations hold a lease, and which one of
//! them is the master. It carries no requests: whatever nodes want of each other travels through the
//! [`Store`](crate::store::Store) they share.
//!
//! | file | noun |
//! |---|---|
//! | `solo.rs` | [`Solo`]: one node, alone with its store |
//! | `local.rs` | [`LocalCluster`]: several nodes in one process, with faults by control |
//! | `error.rs` | [`ClusterError`] |
//!
//! Mastership decides who does the work of assigning, not who may: every commit is computed from the
//! whole state and refused if that has moved on, so what a deposed master writes is as right as
//! what the new one does. Liveness is only ever lost: an incarnation that is gone never comes back,
//! so a late word of its end does no harm either.
//!
//! Not here: what follows from a node's end (`task`), requests (`service`).

mod error;
mod local;
mod solo;

pub use error::ClusterError;
pub use local::{LocalCluster, LocalNode, LocalStore};
pub use solo::Solo;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use crate::store::Wake;
use crate::task::{Incarnation, NodeId};

/// One node's way to the cluster. Used by one thread.
pub trait Cluster: Send + 'static {
    /// Begins a new life as `node`: takes a lease under a new incarnation, greater than every one
    /// before. An earlier life of the same node ends with it. May block.
    ///
    /// # Errors
    /// [`ClusterError::Unavailable`]: try again.
    fn join(&mut self, node: &NodeId, now: Instant) -> Result<Incarnation, ClusterError>;

    /// The cluster as last heard of; renews this node's lease where nobody else does. Never blocks.
    fn view(&mut self, now: Instant) -> View;

    /// Gives the lease back, so that nobody has to wait for its end. May block; does nothing if it
    /// is lost.
    fn leave(&mut self);

    /// Calls `wake` from now on whenever [`view`](Self::view) has something new. A later call
    /// replaces an earlier one.
    fn on_change(&mut self, wake: Wake);
}

/// The cluster, as one node last heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// This node's lease certainly lasts until then, by this node's clock; `None` if it is lost:
    /// its incarnation is over, and it may join again.
    pub lease: Option<Instant>,
    /// Every incarnation that holds a lease.
    pub alive: Arc<BTreeMap<NodeId, Incarnation>>,
    /// Of incarnations up to this one, all that live are in `alive`; later ones may be missing.
    pub horizon: Incarnation,
    /// Whether this node is the master.
    pub is_master: bool,
    /// When to ask again at the latest.
    pub look_again: Option<Instant>,
}

impl View {
    /// Whether this incarnation of the node is certainly gone.
    pub fn is_gone(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        incarnation <= self.horizon && self.alive.get(node) != Some(&incarnation)
    }
}

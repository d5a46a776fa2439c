//! One node, alone with its store: it always lives, and always leads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cluster, ClusterError, View, Wake};
use crate::base::clock::Clock;
use crate::task::{Incarnation, NodeId};

/// How far ahead the lease reaches whenever it is asked for.
const LEASE: Duration = Duration::from_secs(24 * 3600);

/// The cluster of one. For a store that nobody else can open.
#[derive(Debug)]
pub struct Solo {
    alive: Arc<BTreeMap<NodeId, Incarnation>>,
    last: Incarnation,
}

impl Solo {
    /// A cluster without a node.
    pub fn new() -> Self {
        Self { alive: Arc::default(), last: first_incarnation() }
    }
}

impl Default for Solo {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster for Solo {
    fn join(&mut self, node: &NodeId, _now: Instant) -> Result<Incarnation, ClusterError> {
        self.last = Incarnation(self.last.0 + 1);
        self.alive = Arc::new(BTreeMap::from([(node.clone(), self.last)]));
        Ok(self.last)
    }

    fn view(&mut self, now: Instant) -> View {
        View {
            lease: (!self.alive.is_empty()).then(|| now + LEASE),
            alive: self.alive.clone(),
            // Nobody else lives, whatever number it had.
            horizon: Incarnation(u64::MAX),
            is_master: true,
            look_again: None,
        }
    }

    fn leave(&mut self) {
        self.alive = Arc::default();
    }

    fn on_change(&mut self, _wake: Wake) {}
}

/// Where a cluster that remembers nothing begins to count: above what every earlier one gave, unless
/// that gave one every nanosecond, or the clock was put back.
pub(super) fn first_incarnation() -> Incarnation {
    Incarnation(Clock::system().unix_ns())
}

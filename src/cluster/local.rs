//! Several nodes in one process around one store, with faults by control.
//!
//! The hub holds the leases, the store and its last commits. A node's two ways into it, a
//! [`Cluster`] and a [`Store`], are cut together: then commits and look-ups fail, the lease is not
//! renewed and the view stays as it was, while the node runs on. A node that asks for nothing any
//! more (stopped, paused) loses its lease in the same way. The oldest living node is the master.
//!
//! A lease lasts `ttl` from its last renewal, as judged by whoever asks next; its owner counts on
//! seven eighths of that, so that it knows of the end before anybody else does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::solo::first_incarnation;
use super::{Cluster, ClusterError, View, Wake};
use crate::store::{Batch, Commit, Store, StoreError, Stored};
use crate::task::{Incarnation, NodeId, Revision};

/// How many commits are remembered for nodes that are behind.
const KEPT: usize = 4096;

/// Nodes of one process around one store. Clones are handles of the same cluster.
///
/// ```
/// use std::time::Duration;
/// use std::time::Instant;
/// use laneway::cluster::{Cluster, ClusterError, LocalCluster};
/// use laneway::store::MemoryStore;
/// use laneway::task::NodeId;
///
/// let cluster = LocalCluster::new(MemoryStore::new(), Duration::from_secs(10));
/// let (mut first, mut second) = (cluster.attach().1, cluster.attach().1);
/// let now = Instant::now();
/// first.join(&NodeId::from("a"), now)?;
/// second.join(&NodeId::from("b"), now)?;
/// assert!(first.view(now).is_master);
///
/// cluster.expire(&NodeId::from("a"));
/// assert!(first.view(now).lease.is_none());
/// assert!(second.view(now).is_master);
/// # Ok::<(), ClusterError>(())
/// ```
#[derive(Clone)]
pub struct LocalCluster {
    hub: Arc<Hub>,
}

/// One node's membership in a [`LocalCluster`].
pub struct LocalNode {
    link: Link,
    /// The node and its incarnation, while it holds its lease as far as it knows.
    own: Option<(NodeId, Incarnation)>,
    /// What it last heard.
    last: View,
}

/// One node's way to the store of a [`LocalCluster`].
pub struct LocalStore {
    link: Link,
}

struct Hub {
    ttl: Duration,
    members: Mutex<Members>,
    shelf: Mutex<Shelf>,
}

struct Members {
    leases: BTreeMap<NodeId, Lease>,
    last: Incarnation,
    links: BTreeMap<u64, Control>,
    links_made: u64,
}

struct Lease {
    incarnation: Incarnation,
    renewed: Instant,
}

/// What the hub knows of one link.
#[derive(Default)]
struct Control {
    node: Option<NodeId>,
    cut: bool,
    /// How many commits from now on happen, but are not answered.
    answers_lost: usize,
    /// How many of the two ways in are there.
    sides: usize,
    of_cluster: Option<Wake>,
    of_store: Option<Wake>,
}

struct Shelf {
    store: Box<dyn Store>,
    commits: VecDeque<Commit>,
    revision: Option<Revision>,
}

/// A number by which the hub knows a node that is attached.
#[derive(Clone)]
struct Link {
    hub: Arc<Hub>,
    number: u64,
}

impl LocalCluster {
    /// A cluster without nodes around `store`. A node that was not heard of for `ttl` is gone.
    pub fn new(store: impl Store, ttl: Duration) -> Self {
        let shelf = Shelf { store: Box::new(store), commits: VecDeque::new(), revision: None };
        let members = Members {
            leases: BTreeMap::new(),
            last: first_incarnation(),
            links: BTreeMap::new(),
            links_made: 0,
        };
        let (members, shelf) = (Mutex::new(members), Mutex::new(shelf));
        Self { hub: Arc::new(Hub { ttl, members, shelf }) }
    }

    /// Both ways into the cluster for one node.
    pub fn attach(&self) -> (LocalStore, LocalNode) {
        let mut members = self.hub.members.lock();
        members.links_made += 1;
        let number = members.links_made;
        members.links.insert(number, Control { sides: 2, ..Control::default() });
        drop(members);
        let link = Link { hub: self.hub.clone(), number };
        let last = View {
            lease: None,
            alive: Arc::default(),
            horizon: Incarnation(0),
            is_master: false,
            look_again: None,
        };
        (LocalStore { link: link.clone() }, LocalNode { link, own: None, last })
    }

    /// Cuts `node` off from the cluster and the store, or joins the cut again.
    pub fn cut(&self, node: &NodeId, cut: bool) {
        self.hub.control(node, |control| control.cut = cut);
        self.hub.wake_all();
    }

    /// Ends the lease of `node` at once, as if it had not been heard of for its time.
    pub fn expire(&self, node: &NodeId) {
        self.hub.members.lock().leases.remove(node);
        self.hub.wake_all();
    }

    /// Lets the next `count` commits of `node` happen without an answer
    /// ([`StoreError::Unknown`]).
    pub fn lose_answers(&self, node: &NodeId, count: usize) {
        self.hub.control(node, |control| control.answers_lost = count);
    }

    /// Forgets all commits but the last `kept`: nodes that are further behind load again.
    pub fn compact(&self, kept: usize) {
        let mut shelf = self.hub.shelf.lock();
        let surplus = shelf.commits.len().saturating_sub(kept);
        shelf.commits.drain(..surplus);
    }
}

impl std::fmt::Debug for LocalCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.hub.members.lock();
        f.debug_struct("LocalCluster").field("nodes", &members.leases.len()).finish_non_exhaustive()
    }
}

impl Hub {
    fn control(&self, node: &NodeId, change: impl Fn(&mut Control)) {
        let mut members = self.members.lock();
        let links = members.links.values_mut();
        links.filter(|control| control.node.as_ref() == Some(node)).for_each(change);
    }

    /// Wakes every node. No lock is held meanwhile.
    fn wake_all(&self) {
        let members = self.members.lock();
        let wakes = members.links.values().flat_map(|it| [&it.of_cluster, &it.of_store]);
        let wakes: Vec<Wake> = wakes.flatten().cloned().collect();
        drop(members);
        wakes.iter().for_each(|wake| wake());
    }

    fn wake_stores(&self, but: u64) {
        let members = self.members.lock();
        let others = members.links.iter().filter(|(number, _)| **number != but);
        let wakes: Vec<Wake> = others.filter_map(|(_, it)| it.of_store.clone()).collect();
        drop(members);
        wakes.iter().for_each(|wake| wake());
    }
}

impl Members {
    /// Ends what was not heard of for too long; true if there was any.
    fn expire(&mut self, now: Instant, ttl: Duration) -> bool {
        let before = self.leases.len();
        self.leases.retain(|_, lease| now.saturating_duration_since(lease.renewed) < ttl);
        before != self.leases.len()
    }
}

impl Link {
    fn is_cut(&self) -> bool {
        self.hub.members.lock().links.get(&self.number).is_none_or(|control| control.cut)
    }

    fn change(&self, change: impl FnOnce(&mut Control)) {
        if let Some(control) = self.hub.members.lock().links.get_mut(&self.number) {
            change(control);
        }
    }
}

impl Link {
    /// Takes a wake back, to be dropped without the lock.
    fn let_go(&self, take: impl FnOnce(&mut Control) -> Option<Wake>) -> Option<Wake> {
        let mut members = self.hub.members.lock();
        let control = members.links.get_mut(&self.number)?;
        control.sides -= 1;
        let gone = control.sides == 0;
        let wake = take(control);
        if gone {
            members.links.remove(&self.number);
        }
        wake
    }
}

impl Cluster for LocalNode {
    fn join(&mut self, node: &NodeId, now: Instant) -> Result<Incarnation, ClusterError> {
        if self.link.is_cut() {
            return Err(ClusterError::Unavailable { reason: "cut off".into() });
        }
        self.link.change(|control| control.node = Some(node.clone()));
        let mut members = self.link.hub.members.lock();
        let incarnation = Incarnation(members.last.0 + 1);
        members.last = incarnation;
        members.leases.insert(node.clone(), Lease { incarnation, renewed: now });
        drop(members);
        self.own = Some((node.clone(), incarnation));
        self.link.hub.wake_all();
        Ok(incarnation)
    }

    fn view(&mut self, now: Instant) -> View {
        let ttl = self.link.hub.ttl;
        let mut members = self.link.hub.members.lock();
        let cut = members.links.get(&self.link.number).is_none_or(|control| control.cut);
        if cut {
            if self.last.lease.is_some_and(|until| until <= now) {
                self.last.lease = None;
            }
            self.last.look_again = self.last.lease;
            return self.last.clone();
        }
        let expired = members.expire(now, ttl);
        let own = self.own.clone().filter(|(node, incarnation)| {
            members.leases.get(node).is_some_and(|lease| lease.incarnation == *incarnation)
        });
        if let Some(lease) = own.as_ref().and_then(|(node, _)| members.leases.get_mut(node)) {
            lease.renewed = now;
        }
        let oldest = members.leases.values().map(|lease| lease.incarnation).min();
        let alive = members.leases.iter().map(|(node, lease)| (node.clone(), lease.incarnation));
        self.last = View {
            lease: own.as_ref().map(|_| now + ttl / 8 * 7),
            alive: Arc::new(alive.collect()),
            horizon: members.last,
            is_master: own.as_ref().is_some_and(|(_, incarnation)| Some(*incarnation) == oldest),
            look_again: Some(now + ttl / 4),
        };
        drop(members);
        if expired {
            self.link.hub.wake_all();
        }
        self.last.clone()
    }

    fn leave(&mut self) {
        let Some((node, incarnation)) = self.own.take() else { return };
        if self.link.is_cut() {
            return;
        }
        let mut members = self.link.hub.members.lock();
        if members.leases.get(&node).is_some_and(|lease| lease.incarnation == incarnation) {
            members.leases.remove(&node);
        }
        drop(members);
        self.link.hub.wake_all();
    }

    fn on_change(&mut self, wake: Wake) {
        self.link.change(|control| control.of_cluster = Some(wake));
    }
}

impl Drop for LocalNode {
    /// Without a word: the lease ends by itself.
    fn drop(&mut self) {
        drop(self.link.let_go(|control| control.of_cluster.take()));
    }
}

impl LocalStore {
    fn reachable(&self) -> Result<(), StoreError> {
        if self.link.is_cut() {
            return Err(StoreError::Unavailable { reason: "cut off".into() });
        }
        Ok(())
    }
}

impl Store for LocalStore {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.reachable()?;
        let mut shelf = self.link.hub.shelf.lock();
        let stored = shelf.store.load()?;
        shelf.revision = Some(stored.revision);
        Ok(stored)
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError> {
        self.reachable()?;
        let mut shelf = self.link.hub.shelf.lock();
        let revision = shelf.store.commit(batch, expected)?;
        if shelf.commits.len() == KEPT {
            shelf.commits.pop_front();
        }
        shelf.commits.push_back(Commit { revision, batch: Arc::new(batch.clone()) });
        shelf.revision = Some(revision);
        drop(shelf);
        self.link.hub.wake_stores(self.link.number);
        let mut lost = false;
        self.link.change(|control| {
            lost = control.answers_lost > 0;
            control.answers_lost = control.answers_lost.saturating_sub(1);
        });
        if lost { Err(StoreError::Unknown { attempt: batch.attempt }) } else { Ok(revision) }
    }

    fn changes(&mut self, after: Revision) -> Result<Vec<Commit>, StoreError> {
        self.reachable()?;
        let shelf = self.link.hub.shelf.lock();
        let oldest = shelf.commits.front().map(|commit| commit.revision);
        let last = shelf.revision.unwrap_or(after);
        if after < last && oldest.is_none_or(|oldest| oldest > after.next()) {
            return Err(StoreError::Compacted { oldest });
        }
        // From the newest: a node is rarely far behind.
        let newer = shelf.commits.iter().rev().take_while(|commit| commit.revision > after);
        let mut newer: Vec<Commit> = newer.cloned().collect();
        newer.reverse();
        Ok(newer)
    }

    fn on_change(&mut self, wake: Wake) {
        self.link.change(|control| control.of_store = Some(wake));
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        drop(self.link.let_go(|control| control.of_store.take()));
    }
}

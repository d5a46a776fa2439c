//! Every store against the one suite (`suite.rs`) that says what a store promises.

mod suite;

use laneway::cluster::{Cluster, LocalCluster, LocalNode, LocalStore};
use laneway::store::MemoryStore;
use laneway::task::NodeId;
use std::time::{Duration, Instant};
use suite::{Bench, conforms};

struct Memory(MemoryStore);

impl Bench for Memory {
    type Store = MemoryStore;
    const SHARED: bool = true;

    fn new() -> Self {
        Self(MemoryStore::new())
    }

    fn attach(&mut self) -> MemoryStore {
        self.0.clone()
    }

    fn compact(&mut self, kept: usize) {
        self.0.compact(kept);
    }

    fn lose_answer(&mut self, _: &mut MemoryStore) -> bool {
        false
    }
}

conforms!(memory, Memory);

/// The store of an in-process cluster: answers are lost on the way.
struct Local {
    cluster: LocalCluster,
    /// The memberships that the stores belong to.
    nodes: Vec<LocalNode>,
}

impl Bench for Local {
    type Store = LocalStore;
    const SHARED: bool = true;

    fn new() -> Self {
        let cluster = LocalCluster::new(MemoryStore::new(), Duration::from_secs(3600));
        Self { cluster, nodes: Vec::new() }
    }

    fn attach(&mut self) -> LocalStore {
        let (store, mut node) = self.cluster.attach();
        let name = NodeId::from(&*format!("n{}", self.nodes.len()));
        node.join(&name, Instant::now()).expect("nothing is cut");
        self.nodes.push(node);
        store
    }

    fn compact(&mut self, kept: usize) {
        self.cluster.compact(kept);
    }

    fn lose_answer(&mut self, _: &mut LocalStore) -> bool {
        let last = format!("n{}", self.nodes.len() - 1);
        self.cluster.lose_answers(&NodeId::from(&*last), 1);
        true
    }
}

conforms!(local_cluster, Local);

#[cfg(feature = "file-store")]
mod directory {
    use laneway::store::{FileStore, StoreError};
    use tempfile::TempDir;

    use crate::suite::{Bench, conforms};

    pub(crate) struct Directory(TempDir);

    impl Bench for Directory {
        type Store = FileStore;
        const SHARED: bool = false;

        fn new() -> Self {
            Self(TempDir::new().expect("a directory"))
        }

        fn attach(&mut self) -> FileStore {
            FileStore::open(self.0.path().join("state")).expect("free, and whole")
        }

        /// It remembers no commit: nobody else makes any.
        fn compact(&mut self, _: usize) {}

        fn lose_answer(&mut self, _: &mut FileStore) -> bool {
            false
        }
    }

    conforms!(promises, Directory);

    #[test]
    fn a_second_way_is_refused() {
        let mut bench = Directory::new();
        let _first = bench.attach();
        let second = FileStore::open(bench.0.path().join("state"));
        assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
    }
}

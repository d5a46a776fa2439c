//! Repositories for tests: a commit is a list of what it writes and removes.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{ObjectType, Oid, Repository, Signature};
use tempfile::TempDir;

/// What stands at a path.
#[derive(Clone, Copy)]
pub(super) enum Leaf<'a> {
    File(&'a [u8]),
    Executable(&'a [u8]),
    Link(&'a [u8]),
    Gitlink(Oid),
    Nothing,
}

/// A repository that grows by commits; its tip is `HEAD`.
pub(super) struct Story {
    pub(super) home: TempDir,
    pub(super) repo: Repository,
    leaves: BTreeMap<Vec<u8>, (i32, Oid)>,
    tip: Option<Oid>,
}

impl Story {
    pub(super) fn new() -> Self {
        let home = TempDir::new().expect("a temporary directory");
        let repo = Repository::init_bare(home.path().join("repo.git")).expect("a new repository");
        Self { home, repo, leaves: BTreeMap::new(), tip: None }
    }

    pub(super) fn path(&self) -> &Path {
        self.repo.path()
    }

    /// Adds a commit with these changes; answers with its id.
    pub(super) fn commit(&mut self, changes: &[(&[u8], Leaf<'_>)]) -> Oid {
        for (path, leaf) in changes {
            let blob = |bytes| self.repo.blob(bytes).expect("a blob is written");
            let entry = match leaf {
                Leaf::File(bytes) => Some((0o100_644, blob(bytes))),
                Leaf::Executable(bytes) => Some((0o100_755, blob(bytes))),
                Leaf::Link(target) => Some((0o120_000, blob(target))),
                Leaf::Gitlink(commit) => Some((0o160_000, *commit)),
                Leaf::Nothing => None,
            };
            match entry {
                Some(entry) => self.leaves.insert(path.to_vec(), entry),
                None => self.leaves.remove(*path),
            };
        }
        let tree = self.tree(b"");
        let parents: Vec<Oid> = self.tip.into_iter().collect();
        self.tip = Some(self.commit_of(tree, &parents));
        self.tip.expect("just set")
    }

    /// Adds a merge of `other` whose tree is the tip's; its first parent is the tip.
    pub(super) fn merge(&mut self, other: Oid) -> Oid {
        let tree = self.tree(b"");
        let tip = self.tip.expect("something to merge into");
        self.tip = Some(self.commit_of(tree, &[tip, other]));
        self.tip.expect("just set")
    }

    /// Adds a commit with a tree of one entry that libgit2 would refuse to build.
    pub(super) fn commit_named(&mut self, name: &[u8]) {
        let blob = self.repo.blob(b"boo").expect("a blob is written");
        let tree = [b"100644 ", name, b"\0", blob.as_bytes()].concat();
        let odb = self.repo.odb().expect("an object database");
        let tree = odb.write(ObjectType::Tree, &tree).expect("a tree is written");
        let parents: Vec<Oid> = self.tip.into_iter().collect();
        self.tip = Some(self.commit_of(tree, &parents));
    }

    fn commit_of(&self, tree: Oid, parents: &[Oid]) -> Oid {
        let tree = self.repo.find_tree(tree).expect("just written");
        let who = Signature::now("nobody", "nobody@example.org").expect("a valid name");
        let parents: Vec<_> =
            parents.iter().map(|id| self.repo.find_commit(*id).expect("a commit")).collect();
        let parents: Vec<_> = parents.iter().collect();
        let commit = self.repo.commit(None, &who, &who, "a commit", &tree, &parents);
        let commit = commit.expect("a commit is written");
        self.repo.set_head_detached(commit).expect("HEAD is ours");
        commit
    }

    /// Writes the tree of the leaves below `prefix` (empty, or with a slash at its end).
    fn tree(&self, prefix: &[u8]) -> Oid {
        let mut builder = self.repo.treebuilder(None).expect("a builder");
        for (path, (mode, id)) in &self.leaves {
            let Some(rest) = path.strip_prefix(prefix) else { continue };
            match rest.iter().position(|byte| *byte == b'/') {
                None => builder.insert(rest, *id, *mode).expect("a plain name"),
                Some(end) => {
                    let below = self.tree(&path[..prefix.len() + end + 1]);
                    builder.insert(&rest[..end], below, 0o040_000).expect("a plain name")
                }
            };
        }
        builder.write().expect("a tree is written")
    }
}

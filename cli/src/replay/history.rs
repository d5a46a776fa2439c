//! Reading a repository: its first-parent history as changes, and the tree at its end.
//!
//! Reads objects only; no index, no work tree, nothing is written. A shallow clone starts at its
//! boundary: the oldest commit that is there counts as a root. Each commit is compared with its
//! first parent, so a merge counts as what it brought in.
//!
//! Trees come from strangers. Names that would lead out of the directory (`..`), nowhere (empty,
//! `.`, with a `/` or a zero byte), or into a repository (`.git`) are refused.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Commit, ErrorCode, Oid, Repository, Tree};

use super::ReplayError;
use super::place::MARK;
use super::plan::{Change, Kind, Version};

/// What a repository has to tell.
#[derive(Debug)]
pub(crate) struct History {
    /// The commit that the tree is compared with in the end; `None` before the first commit.
    pub(crate) head: Option<Oid>,
    pub(crate) commit_count: u32,
    pub(crate) changes: Vec<Change>,
}

/// A tree, flat: everything that is to be in the directory, and what is only listed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leaves {
    pub(crate) versions: BTreeMap<Vec<u8>, Version>,
    /// Submodules: their path and the commit that they are at.
    pub(crate) gitlinks: Vec<(Vec<u8>, Oid)>,
}

/// Opens the repository that `path` is in.
pub(crate) fn open(path: &Path) -> Result<Repository, ReplayError> {
    Ok(Repository::discover(path)?)
}

/// The history that leads to `end`, or to `HEAD`.
pub(crate) fn read(repo: &Repository, end: Option<Oid>) -> Result<History, ReplayError> {
    let Some(head) = end.map_or_else(|| head(repo), |end| Ok(Some(end)))? else {
        return Ok(History { head: None, commit_count: 0, changes: Vec::new() });
    };
    let commits = first_parents(repo, head)?;
    let mut changes = Vec::new();
    let mut before: Option<Tree<'_>> = None;
    for (number, commit) in (0_u32..).zip(&commits) {
        let after = repo.find_commit(*commit)?.tree()?;
        let mut differences = Differences { repo, commit: number, changes: &mut changes };
        differences.of_trees(&mut Vec::new(), before.as_ref(), Some(&after))?;
        before = Some(after);
    }
    let commit_count = u32::try_from(commits.len()).expect("fewer than 4 Gi commits");
    Ok(History { head: Some(head), commit_count, changes })
}

/// The tree of `commit`.
pub(crate) fn leaves(repo: &Repository, commit: Oid) -> Result<Leaves, ReplayError> {
    let mut leaves = Leaves::default();
    collect(repo, &mut Vec::new(), &repo.find_commit(commit)?.tree()?, &mut leaves)?;
    Ok(leaves)
}

fn head(repo: &Repository) -> Result<Option<Oid>, ReplayError> {
    match repo.head() {
        Ok(head) => Ok(Some(head.peel_to_commit()?.id())),
        Err(why) if why.code() == ErrorCode::UnbornBranch => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// From the oldest to `head`.
fn first_parents(repo: &Repository, head: Oid) -> Result<Vec<Oid>, ReplayError> {
    let mut commits = vec![head];
    let mut commit = repo.find_commit(head)?;
    while let Some(parent) = first_parent(repo, &commit)? {
        commits.push(parent.id());
        commit = parent;
    }
    commits.reverse();
    Ok(commits)
}

fn first_parent<'repo>(
    repo: &'repo Repository,
    commit: &Commit<'_>,
) -> Result<Option<Commit<'repo>>, ReplayError> {
    let Ok(parent) = commit.parent_id(0) else { return Ok(None) };
    match repo.find_commit(parent) {
        Ok(parent) => Ok(Some(parent)),
        // Beyond the boundary of a shallow clone; anywhere else it is damage.
        Err(why) if why.code() == ErrorCode::NotFound && repo.is_shallow() => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// What a name in a tree stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Leaf(Version),
    Tree(Oid),
    Gitlink(Oid),
}

/// The entries of a tree by name; an absent tree has none.
fn entries(path: &[u8], tree: Option<&Tree<'_>>) -> Result<BTreeMap<Vec<u8>, Entry>, ReplayError> {
    let mut entries = BTreeMap::new();
    for entry in tree.into_iter().flat_map(Tree::iter) {
        let name = entry.name_bytes();
        let leaf = |kind| Entry::Leaf(Version { blob: entry.id(), kind });
        let what = match entry.filemode() {
            0o100_644 | 0o100_664 => leaf(Kind::File),
            0o100_755 => leaf(Kind::Executable),
            0o120_000 => leaf(Kind::Symlink),
            0o040_000 => Entry::Tree(entry.id()),
            0o160_000 => Entry::Gitlink(entry.id()),
            mode => return Err(ReplayError::UnknownMode { path: below(path, name), mode }),
        };
        if !is_safe(name) {
            return Err(ReplayError::UnsafeName(below(path, name)));
        }
        if path.is_empty() && name == MARK.as_bytes() {
            return Err(ReplayError::MarkTaken);
        }
        entries.insert(name.to_vec(), what);
    }
    Ok(entries)
}

fn is_safe(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
        && !name.eq_ignore_ascii_case(b".git")
}

fn below(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut below = path.to_vec();
    push(&mut below, name);
    below
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn collect(
    repo: &Repository,
    path: &mut Vec<u8>,
    tree: &Tree<'_>,
    leaves: &mut Leaves,
) -> Result<(), ReplayError> {
    let length = path.len();
    for (name, entry) in entries(path, Some(tree))? {
        push(path, &name);
        match entry {
            Entry::Leaf(version) => {
                leaves.versions.insert(path.clone(), version);
            }
            Entry::Gitlink(commit) => leaves.gitlinks.push((path.clone(), commit)),
            Entry::Tree(id) => collect(repo, path, &repo.find_tree(id)?, leaves)?,
        }
        path.truncate(length);
    }
    Ok(())
}

/// Collects what one commit changed.
struct Differences<'a> {
    repo: &'a Repository,
    commit: u32,
    changes: &'a mut Vec<Change>,
}

impl Differences<'_> {
    fn of_trees(
        &mut self,
        path: &mut Vec<u8>,
        before: Option<&Tree<'_>>,
        after: Option<&Tree<'_>>,
    ) -> Result<(), ReplayError> {
        let mut old = entries(path, before)?;
        let length = path.len();
        for (name, new) in entries(path, after)? {
            push(path, &name);
            self.of_entries(path, old.remove(&name), Some(new))?;
            path.truncate(length);
        }
        for (name, gone) in old {
            push(path, &name);
            self.of_entries(path, Some(gone), None)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn of_entries(
        &mut self,
        path: &mut Vec<u8>,
        old: Option<Entry>,
        new: Option<Entry>,
    ) -> Result<(), ReplayError> {
        if old == new {
            return Ok(());
        }
        let tree = |entry| match entry {
            Some(Entry::Tree(id)) => self.repo.find_tree(id).map(Some),
            _ => Ok(None),
        };
        let (old_tree, new_tree) = (tree(old)?, tree(new)?);
        if old_tree.is_some() || new_tree.is_some() {
            self.of_trees(path, old_tree.as_ref(), new_tree.as_ref())?;
        }
        let leaf = |entry| match entry {
            Some(Entry::Leaf(version)) => Some(version),
            _ => None,
        };
        let (old, new) = (leaf(old), leaf(new));
        if old != new {
            self.changes.push(Change { commit: self.commit, path: path.clone(), to: new });
        }
        Ok(())
    }
}

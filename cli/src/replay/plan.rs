//! The plan: history as jobs, each with its key.
//!
//! Pure: changes in, events out. A job is one version of one path: write it, or remove the path.
//!
//! **Keys.** Versions of one path must follow one another, so a path is a key. That alone would let
//! `a` (a file) and `a/b` (from when `a` was a directory) collide, so every path below a name that
//! is *ever* a file or symlink has that name as its key. A path occurs in a change only as a file
//! or symlink; hence: the key of a path is its shortest leading part that occurs in any change.
//! Two paths with different keys then never need the same name as a file and as a directory.
//!
//! **Order.** By commit; within a commit removals come first, because what is removed may stand
//! where something is written (`a` becomes a directory, `a/b` makes room for a file `a`).

use std::collections::{HashMap, HashSet};

/// What kind of leaf a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    File,
    Executable,
    Symlink,
}

/// The contents of a path: an object id, and what to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Version {
    pub(crate) blob: git2::Oid,
    pub(crate) kind: Kind,
}

/// What one commit did to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Counted from the oldest commit.
    pub(crate) commit: u32,
    /// Bytes, components separated by `/`.
    pub(crate) path: Vec<u8>,
    /// `None`: the path is no more.
    pub(crate) to: Option<Version>,
}

/// One job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) commit: u32,
    /// An index into [`Plan::paths`].
    pub(crate) path: u32,
    /// The path that names its key, likewise.
    pub(crate) key: u32,
    pub(crate) to: Option<Version>,
}

/// All jobs, in the order in which they are submitted.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) paths: Vec<Box<[u8]>>,
    pub(crate) events: Vec<Event>,
}

impl Plan {
    pub(crate) fn path(&self, event: &Event) -> &[u8] {
        &self.paths[event.path as usize]
    }

    pub(crate) fn key(&self, event: &Event) -> &[u8] {
        &self.paths[event.key as usize]
    }

    pub(crate) fn key_count(&self) -> usize {
        self.events.iter().map(|event| event.key).collect::<HashSet<_>>().len()
    }
}

/// Makes the plan of `changes`, which come by commit, at most one per commit and path.
pub(crate) fn plan(mut changes: Vec<Change>) -> Plan {
    changes.sort_by(|a, b| {
        let order = |change: &Change| (change.commit, change.to.is_some());
        order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path))
    });
    let mut paths: Vec<Box<[u8]>> = Vec::new();
    let mut numbers: HashMap<Box<[u8]>, u32> = HashMap::new();
    for change in &changes {
        if !numbers.contains_key(change.path.as_slice()) {
            let number = u32::try_from(paths.len()).expect("fewer than 4 Gi paths fit in memory");
            paths.push(change.path.as_slice().into());
            numbers.insert(change.path.as_slice().into(), number);
        }
    }
    let keys: Vec<u32> = paths.iter().map(|path| numbers[key_of(path, &numbers)]).collect();
    let events = changes
        .iter()
        .map(|change| {
            let path = numbers[change.path.as_slice()];
            Event { commit: change.commit, path, key: keys[path as usize], to: change.to }
        })
        .collect();
    Plan { paths, events }
}

/// The shortest leading part of `path`, in whole components, that is ever a leaf.
fn key_of<'a>(path: &'a [u8], leaves: &HashMap<Box<[u8]>, u32>) -> &'a [u8] {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    ends.map(|end| &path[..end]).find(|part| leaves.contains_key(*part)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(commit: u32, path: &str, content: Option<u8>) -> Change {
        let to = content.map(|byte| Version {
            blob: git2::Oid::from_bytes(&[byte; 20]).expect("twenty bytes"),
            kind: Kind::File,
        });
        Change { commit, path: path.into(), to }
    }

    /// The plan as lines: commit, what, path and key.
    fn lines(changes: Vec<Change>) -> Vec<String> {
        let plan = plan(changes);
        let line = |event: &Event| {
            let sign = if event.to.is_some() { '+' } else { '-' };
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            format!("{} {sign}{} [{}]", event.commit, text(plan.path(event)), text(plan.key(event)))
        };
        plan.events.iter().map(line).collect()
    }

    #[test]
    fn a_path_that_is_only_a_file_is_its_own_key() {
        let changes = vec![change(0, "a/b", Some(1)), change(0, "a/c", Some(2))];
        assert_eq!(lines(changes), ["0 +a/b [a/b]", "0 +a/c [a/c]"]);
    }

    #[test]
    fn a_file_that_becomes_a_directory_keeps_one_key_for_all_below() {
        let changes = vec![
            change(0, "a", Some(1)),
            change(1, "a/b/c", Some(2)),
            change(1, "a", None),
            change(1, "ab", Some(3)),
        ];
        assert_eq!(lines(changes), ["0 +a [a]", "1 -a [a]", "1 +a/b/c [a]", "1 +ab [ab]"]);
    }

    #[test]
    fn a_directory_that_becomes_a_file_gives_its_name_to_what_was_below_before() {
        let changes =
            vec![change(0, "a/b", Some(1)), change(1, "a/b", None), change(1, "a", Some(2))];
        assert_eq!(lines(changes), ["0 +a/b [a]", "1 -a/b [a]", "1 +a [a]"]);
    }

    #[test]
    fn the_shortest_name_that_is_ever_a_leaf_is_the_key() {
        let changes = vec![
            change(0, "a/b", Some(1)),
            change(1, "a/b", None),
            change(1, "a/b/c", Some(1)),
            change(2, "a/b/c", None),
            change(2, "a", Some(1)),
        ];
        assert!(lines(changes).iter().all(|line| line.ends_with("[a]")));
    }

    #[test]
    fn removals_of_a_commit_come_before_its_writes() {
        let changes = vec![change(3, "a", Some(1)), change(3, "b", None), change(2, "c", Some(1))];
        assert_eq!(lines(changes), ["2 +c [c]", "3 -b [b]", "3 +a [a]"]);
    }

    #[test]
    fn names_that_differ_in_case_are_different_keys() {
        let changes = vec![change(0, "README", Some(1)), change(1, "README", None)];
        let mut changes = changes;
        changes.push(change(1, "readme", Some(1)));
        assert_eq!(
            lines(changes),
            ["0 +README [README]", "1 -README [README]", "1 +readme [readme]"]
        );
    }

    #[test]
    fn no_changes_make_no_jobs() {
        assert!(plan(Vec::new()).events.is_empty());
    }
}

//! The judge: the directory against a tree, byte by byte.
//!
//! Knows nothing of plans and jobs. Reads the directory by descriptor, following nothing, and each
//! blob from the repository. A file is executable if its owner may execute it, as git sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};

use super::ReplayError;
use super::blobs::Blobs;
use super::error::shown;
use super::place::{MARK, names, open_directory};
use super::plan::{Kind, Version};

/// One place where the directory is not the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Missing(Vec<u8>),
    /// In the directory only: a leaf, or a directory without any.
    Extra(Vec<u8>),
    /// A file, an executable or a symlink where the tree has another of these.
    Kind(Vec<u8>),
    Bytes(Vec<u8>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "missing: {}", shown(path)),
            Self::Extra(path) => write!(f, "extra: {}", shown(path)),
            Self::Kind(path) => write!(f, "kind or mode differs: {}", shown(path)),
            Self::Bytes(path) => write!(f, "bytes differ: {}", shown(path)),
        }
    }
}

/// Compares what is in `root` with `tree`.
pub(crate) fn compare(
    root: &OwnedFd,
    tree: &BTreeMap<Vec<u8>, Version>,
    blobs: &Blobs,
) -> Result<Vec<Difference>, ReplayError> {
    let mut judge = Judge { missing: tree.clone(), blobs, differences: Vec::new() };
    judge.directory(root, &mut Vec::new())?;
    let missing = judge.missing.into_keys().map(Difference::Missing);
    judge.differences.extend(missing);
    Ok(judge.differences)
}

struct Judge<'a> {
    /// What was not met yet.
    missing: BTreeMap<Vec<u8>, Version>,
    blobs: &'a Blobs,
    differences: Vec<Difference>,
}

impl Judge<'_> {
    /// Answers whether there is anything in it.
    fn directory(&mut self, directory: &OwnedFd, path: &mut Vec<u8>) -> Result<bool, ReplayError> {
        let at = |path: &[u8], why: io::Error| ReplayError::At(path.to_owned(), why);
        let mut names = names(directory).map_err(|why| at(path, why))?;
        names.sort();
        let length = path.len();
        let is_root = length == 0;
        names.retain(|name| !(is_root && name == MARK.as_bytes()));
        for name in &names {
            if !is_root {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            match open_directory(directory, name).map_err(|why| at(path, why))? {
                Some(below) => {
                    if !self.directory(&below, path)? {
                        self.differences.push(Difference::Extra(path.clone()));
                    }
                }
                None => self.leaf(directory, name, path)?,
            }
            path.truncate(length);
        }
        Ok(!names.is_empty())
    }

    fn leaf(&mut self, above: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(), ReplayError> {
        let at = |why: io::Error| ReplayError::At(path.to_owned(), why);
        let Some(version) = self.missing.remove(path) else {
            self.differences.push(Difference::Extra(path.to_owned()));
            return Ok(());
        };
        let (kind, bytes) = match read_leaf(above, name).map_err(at)? {
            Some(found) => found,
            None => {
                self.differences.push(Difference::Kind(path.to_owned()));
                return Ok(());
            }
        };
        if kind != version.kind {
            self.differences.push(Difference::Kind(path.to_owned()));
        } else if bytes != self.blobs.read(version.blob)? {
            self.differences.push(Difference::Bytes(path.to_owned()));
        }
        Ok(())
    }
}

/// `None` for what git does not have: sockets, pipes, devices.
fn read_leaf(above: &OwnedFd, name: &[u8]) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let stat = statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = readlinkat(above, name, Vec::new())?;
            Ok(Some((Kind::Symlink, target.into_bytes())))
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut bytes = Vec::new();
            File::from(openat(above, name, flags, Mode::empty())?).read_to_end(&mut bytes)?;
            let is_executable = stat.st_mode & 0o100 != 0;
            Ok(Some((if is_executable { Kind::Executable } else { Kind::File }, bytes)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::place::{Durability, Place};
    use super::super::testing::{Leaf, Story};
    use super::super::{Blobs, history};
    use super::*;

    /// What differs after `change` was made to a directory that was right.
    fn differences(change: impl FnOnce(&std::path::Path)) -> Vec<String> {
        let mut story = Story::new();
        let head = story.commit(&[(b"a/b", Leaf::File(b"bytes")), (b"l", Leaf::Link(b"a"))]);
        let into = story.home.path().join("into");
        let place = Place::take(&into, Durability::Process).expect("it is free");
        place.write(0, b"a/b", Kind::File, b"bytes").expect("written");
        place.write(1, b"l", Kind::Symlink, b"a").expect("written");
        let leaves = history::leaves(&story.repo, head).expect("a tree");
        change(&into);
        let found = compare(place.root(), &leaves.versions, &Blobs::of(&story.repo));
        found.expect("readable").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_right_tree_has_no_differences() {
        assert!(differences(|_| ()).is_empty());
    }

    #[test]
    fn one_wrong_byte_is_seen() {
        let found = differences(|into| fs::write(into.join("a/b"), "bytez").unwrap());
        assert_eq!(found, ["bytes differ: a/b"]);
    }

    #[test]
    fn a_missing_path_is_seen_and_so_is_the_directory_without_it() {
        let found = differences(|into| fs::remove_file(into.join("a/b")).unwrap());
        assert_eq!(found, ["extra: a", "missing: a/b"]);
    }

    #[test]
    fn extra_files_and_empty_directories_are_seen() {
        let found = differences(|into| {
            fs::write(into.join("a/x"), "").unwrap();
            fs::create_dir_all(into.join("e/f")).unwrap();
        });
        assert_eq!(found, ["extra: a/x", "extra: e/f"]);
    }

    #[test]
    fn modes_and_kinds_are_seen() {
        let found = differences(|into| {
            fs::set_permissions(into.join("a/b"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::remove_file(into.join("l")).unwrap();
            fs::write(into.join("l"), "a").unwrap();
        });
        assert_eq!(found, ["kind or mode differs: a/b", "kind or mode differs: l"]);
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let found = differences(|into| {
            fs::rename(into.join("a"), into.join("z")).unwrap();
            symlink("z", into.join("a")).unwrap();
        });
        assert_eq!(found, ["extra: a", "extra: z/b", "missing: a/b"]);
    }
}

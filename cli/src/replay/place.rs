//! The directory that is written: by descriptor, following nothing.
//!
//! ```text
//! DIR/.laneway-replay/        marks DIR as ours
//!                    lock     held (`flock`) while a replay works here
//!                    owner    which replay the contents belong to
//!                    tmp/N    what job N is writing; renamed into place when whole
//! ```
//!
//! Every path is walked from DIR's descriptor, one component at a time, with `O_NOFOLLOW`: what
//! stands in the tree cannot lead a job out of it. A leaf is made under `tmp/` and renamed, so a
//! path has its old version, none, or the new one, never a part. All jobs may be repeated.
//!
//! Directories are nobody's: whoever needs one makes it, whoever empties one removes it. The two
//! race when keys differ. `rmdir` takes empty directories only, so nothing is lost; a job whose
//! directory was taken away between the walk and the rename finds `ENOENT` and walks again.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, fsync, mkdirat, openat, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::ReplayError;
use super::plan::Kind;

/// The name in DIR that marks it as ours. History must not contain it.
pub(crate) const MARK: &str = ".laneway-replay";

const LOCK: &str = "lock";
const OWNER: &str = "owner";
const TEMPORARY: &str = "tmp";

/// How often a job walks again when others remove the directory under it. Each time some other job
/// got on, so one more walk is likely to do.
const WALKS_MAX: u32 = 1000;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether what was written must outlive a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It outlives this process, which is enough to start over.
    Process,
    /// Every job syncs what it wrote before it counts as done.
    Power,
}

/// A directory that a replay writes, and nobody else.
pub(crate) struct Place {
    root: OwnedFd,
    mark: OwnedFd,
    temporary: OwnedFd,
    durability: Durability,
    /// Held for as long as this lives.
    _lock: File,
}

impl Place {
    /// Takes `dir`, which must be absent, empty or marked as ours. Its contents stay.
    pub(crate) fn take(dir: &Path, durability: Durability) -> Result<Self, ReplayError> {
        let in_dir = |why: io::Error| ReplayError::Directory(dir.to_owned(), why);
        fs::create_dir_all(dir).map_err(in_dir)?;
        // DIR itself may be reached through a symlink: that is the caller's word, not history's.
        let root = rustix::fs::open(dir, DIRECTORY - OFlags::NOFOLLOW, Mode::empty())
            .map_err(|why| in_dir(why.into()))?;
        let names = names(&root).map_err(in_dir)?;
        if !names.is_empty() && !names.iter().any(|name| name == MARK.as_bytes()) {
            return Err(ReplayError::NotOurs(dir.to_owned()));
        }
        let mark = make_directory(&root, MARK.as_bytes()).map_err(in_dir)?;
        let lock = openat(&mark, LOCK, write_flags(), Mode::RUSR | Mode::WUSR)
            .map_err(|why| in_dir(why.into()))?;
        let lock = File::from(lock);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ReplayError::Busy(dir.to_owned())),
            Err(TryLockError::Error(why)) => return Err(in_dir(why)),
        }
        let temporary = make_directory(&mark, TEMPORARY.as_bytes()).map_err(in_dir)?;
        clear(&temporary, &[]).map_err(in_dir)?;
        Ok(Self { root, mark, temporary, durability, _lock: lock })
    }

    /// Which replay the contents belong to; `None` when it was never said.
    pub(crate) fn owner(&self) -> io::Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&self.mark, OWNER, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(why) => return Err(why.into()),
        };
        let mut owner = String::new();
        file.take(4096).read_to_string(&mut owner)?;
        Ok(Some(owner))
    }

    /// Empties the directory but for the mark, then says whose it is from now on.
    pub(crate) fn begin(&self, owner: &str) -> io::Result<()> {
        match unlinkat(&self.mark, OWNER, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
        clear(&self.root, &[MARK.as_bytes()])?;
        let made = openat(&self.temporary, OWNER, write_flags(), Mode::RUSR | Mode::WUSR)?;
        let mut made = File::from(made);
        made.write_all(owner.as_bytes())?;
        made.sync_all()?;
        renameat(&self.temporary, OWNER, &self.mark, OWNER)?;
        fsync(&self.mark)?;
        Ok(fsync(&self.root)?)
    }

    /// Makes `path` what `bytes` and `kind` say, whatever leaf it was before. `job` tells jobs that
    /// write at the same time apart.
    pub(crate) fn write(
        &self,
        job: usize,
        path: &[u8],
        kind: Kind,
        bytes: &[u8],
    ) -> Result<(), ReplayError> {
        let at = |why: io::Error| ReplayError::At(path.to_owned(), why);
        let temporary = job.to_string();
        self.prepare(&temporary, kind, bytes).map_err(at)?;
        for _ in 0..WALKS_MAX {
            let (parents, leaf) = match self.walk(path, Absent::Make) {
                Ok(Walked::There(parents, leaf)) => (parents, leaf),
                Ok(Walked::Absent) => continue,
                Err(why) => return Err(self.explain(path, why)),
            };
            let parent = parents.last().unwrap_or(&self.root);
            match renameat(&self.temporary, temporary.as_str(), parent, leaf) {
                Ok(()) => return self.settle(parent).map_err(at),
                Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                    return Err(ReplayError::InTheWay(path.to_owned()));
                }
                Err(why) => return Err(at(why.into())),
            }
        }
        Err(ReplayError::Unstable(path.to_owned()))
    }

    /// Removes `path`, and the directories above it that are empty then. Nothing there: done.
    pub(crate) fn remove(&self, path: &[u8]) -> Result<(), ReplayError> {
        let at = |why: io::Error| ReplayError::At(path.to_owned(), why);
        let (parents, leaf) = match self.walk(path, Absent::Stop) {
            Ok(Walked::There(parents, leaf)) => (parents, leaf),
            Ok(Walked::Absent) => return self.prune(path).map_err(at),
            Err(why) => return Err(self.explain(path, why)),
        };
        let parent = parents.last().unwrap_or(&self.root);
        match unlinkat(parent, leaf, AtFlags::empty()) {
            Ok(()) => self.settle(parent).map_err(at)?,
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => return Err(ReplayError::InTheWay(path.to_owned())),
            Err(why) => return Err(at(why.into())),
        }
        self.prune(path).map_err(at)
    }

    /// The directory itself, for comparing.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    fn prepare(&self, name: &str, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        match unlinkat(&self.temporary, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
        // The process's umask applies, as it does to what git checks out.
        let mode = match kind {
            Kind::Symlink => return Ok(symlinkat(bytes, &self.temporary, name)?),
            Kind::File => Mode::from_raw_mode(0o666),
            Kind::Executable => Mode::from_raw_mode(0o777),
        };
        let flags = write_flags() | OFlags::EXCL;
        let mut file = File::from(openat(&self.temporary, name, flags, mode)?);
        file.write_all(bytes)?;
        if self.durability == Durability::Power {
            file.sync_all()?;
        }
        Ok(())
    }

    /// Makes a change in `directory` last.
    fn settle(&self, directory: &OwnedFd) -> io::Result<()> {
        if self.durability == Durability::Power {
            fsync(directory)?;
        }
        Ok(())
    }

    /// Opens the directories above `path`, outermost first, and names its last component.
    fn walk<'a>(&self, path: &'a [u8], absent: Absent) -> rustix::io::Result<Walked<'a>> {
        let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let leaf = names.pop().expect("splitting yields at least one part");
        let mut parents: Vec<OwnedFd> = Vec::with_capacity(names.len());
        for name in names {
            let above = parents.last().unwrap_or(&self.root);
            let opened = match openat(above, name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) if absent == Absent::Make => {
                    match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        // The directory above was removed meanwhile.
                        Err(Errno::NOENT) => return Ok(Walked::Absent),
                        Err(why) => return Err(why),
                    }
                    if self.durability == Durability::Power {
                        fsync(above)?;
                    }
                    openat(above, name, DIRECTORY, Mode::empty())
                }
                opened => opened,
            };
            match opened {
                Ok(directory) => parents.push(directory),
                Err(Errno::NOENT) => return Ok(Walked::Absent),
                Err(why) => return Err(why),
            }
        }
        Ok(Walked::There(parents, leaf))
    }

    /// Removes the directories above `path` that are empty, innermost first.
    fn prune(&self, path: &[u8]) -> io::Result<()> {
        let mut path = path;
        while let Some(end) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..end];
            let Walked::There(parents, name) = self.walk(path, Absent::Stop)? else {
                continue; // it went with one further out: those are looked at all the same
            };
            let parent = parents.last().unwrap_or(&self.root);
            match unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) => self.settle(parent)?,
                Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => break,
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    fn explain(&self, path: &[u8], why: Errno) -> ReplayError {
        match why {
            Errno::NOTDIR | Errno::LOOP => ReplayError::InTheWay(path.to_owned()),
            why => ReplayError::At(path.to_owned(), why.into()),
        }
    }
}

/// What a walk does about a directory that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Stop,
}

enum Walked<'a> {
    /// The open directories, and the name in the last (or, without any, in DIR).
    There(Vec<OwnedFd>, &'a [u8]),
    Absent,
}

fn write_flags() -> OFlags {
    OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn make_directory(above: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    match mkdirat(above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(why) => return Err(why.into()),
    }
    Ok(openat(above, name, DIRECTORY, Mode::empty())?)
}

/// The names in a directory, without `.` and `..`, in no order.
pub(crate) fn names(directory: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    // A descriptor of its own: the position in the directory belongs to the open file.
    let own = openat(directory, ".", DIRECTORY, Mode::empty())?;
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut entries = RawDir::new(own.as_fd(), buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// Opens the directory `name`; `None` when it is something else.
pub(crate) fn open_directory(above: &OwnedFd, name: &[u8]) -> io::Result<Option<OwnedFd>> {
    match openat(above, name, DIRECTORY, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// Removes everything in a directory but the names in `kept`.
fn clear(directory: &OwnedFd, kept: &[&[u8]]) -> io::Result<()> {
    for name in names(directory)? {
        if kept.contains(&name.as_slice()) {
            continue;
        }
        match open_directory(directory, &name)? {
            Some(below) => {
                clear(&below, &[])?;
                unlinkat(directory, name.as_slice(), AtFlags::REMOVEDIR)?;
            }
            None => unlinkat(directory, name.as_slice(), AtFlags::empty())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn place(home: &TempDir) -> Place {
        with(home, Durability::Power)
    }

    fn with(home: &TempDir, durability: Durability) -> Place {
        Place::take(&home.path().join("into"), durability).expect("it is free")
    }

    #[test]
    fn nothing_is_written_through_a_symlink() {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        fs::create_dir(home.path().join("outside")).expect("a directory");
        symlink("../outside", home.path().join("into/a")).expect("a symlink");
        let refused = place.write(0, b"a/b", Kind::File, b"boo");
        assert!(matches!(refused, Err(ReplayError::InTheWay(_))), "{refused:?}");
        let refused = place.remove(b"a/b");
        assert!(matches!(refused, Err(ReplayError::InTheWay(_))), "{refused:?}");
        assert!(!home.path().join("outside/b").exists());
    }

    #[test]
    fn writing_and_removing_may_be_repeated() {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        for _ in 0..2 {
            place.write(0, b"a/b/c", Kind::Executable, b"one").expect("written");
        }
        assert_eq!(fs::read(home.path().join("into/a/b/c")).expect("a file"), b"one");
        for _ in 0..2 {
            place.remove(b"a/b/c").expect("removed");
        }
        assert!(!home.path().join("into/a").exists());
    }

    #[test]
    fn a_removal_that_was_cut_short_still_removes_the_directories() {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        fs::create_dir_all(home.path().join("into/a/b")).expect("directories");
        place.remove(b"a/b/c").expect("removed");
        assert!(!home.path().join("into/a").exists());
    }

    #[test]
    fn directories_that_come_and_go_lose_no_file() {
        let home = TempDir::new().expect("a directory");
        let place = &with(&home, Durability::Process);
        std::thread::scope(|scope| {
            for job in 0..4_usize {
                scope.spawn(move || {
                    let path = format!("a/b/{job}");
                    for _ in 0..200 {
                        place.write(job, path.as_bytes(), Kind::File, b"x").expect("written");
                        place.remove(path.as_bytes()).expect("removed");
                    }
                    place.write(job, path.as_bytes(), Kind::File, b"end").expect("written");
                });
            }
        });
        for job in 0..4 {
            let bytes = fs::read(home.path().join(format!("into/a/b/{job}")));
            assert_eq!(bytes.expect("it is there"), b"end");
        }
    }

    #[test]
    fn beginning_leaves_nothing_but_the_mark_and_the_owner() {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        place.write(0, b"a/b", Kind::File, b"x").expect("written");
        symlink("/", home.path().join("into/root")).expect("a symlink");
        place.begin("me").expect("cleared");
        assert_eq!(names(place.root()).expect("readable"), [MARK.as_bytes()]);
        assert_eq!(place.owner().expect("readable").as_deref(), Some("me"));
    }
}

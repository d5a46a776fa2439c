//! A disk that is really full, and a power cut in the middle of commits, on file systems of our own.
//!
//! Needs root for its mounts (a small tmpfs; an ext4 in a file). Where they cannot be made, a test
//! says so and has nothing to show; the same faults on a disk in memory are tried everywhere, in
//! `src/store/table/tests`.
#![cfg(feature = "file-store")]

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use laneway::store::{Attempt, Batch, Entry, FileStore, Kind, Store, StoreError, Write};
use laneway::task::{AllocationId, Revision, Sequence, TaskId};
use tempfile::TempDir;

/// A mounted file system, unmounted when dropped.
struct Mount {
    at: PathBuf,
    _folder: TempDir,
}

impl Mount {
    /// None, with the reason said, if this process may not mount.
    fn new(arguments: &[&str]) -> Option<Self> {
        let folder = TempDir::new().expect("a directory");
        let at = folder.path().join("mounted");
        fs::create_dir(&at).expect("a directory");
        let output = Command::new("mount").args(arguments).arg(&at).stdin(Stdio::null()).output();
        let refused = match output {
            Ok(output) if output.status.success() => return Some(Self { at, _folder: folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
            Err(error) => error.to_string(),
        };
        println!("skipped: mount {}: {refused}", arguments.join(" "));
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(&self.at).status();
        let unmounted = status.is_ok_and(|status| status.success());
        assert!(unmounted || std::thread::panicking(), "unmounted");
    }
}

fn write(sequence: u64, number: u64, length: usize) -> Write {
    let text = format!("commit {number} of {sequence} ").bytes().cycle().take(length).collect();
    let id = TaskId::from(format!("t{sequence}"));
    Write { kind: Kind::Record, sequence: Sequence(sequence), id, value: Some(text) }
}

/// Commit `number` adds records of its own and changes one of the commit before.
fn batch(number: u64) -> Batch {
    const RECORDS: u64 = 4;
    let fresh = (1..=RECORDS).map(|i| write(number * RECORDS + i, number, 3000));
    let old = (number > 0).then(|| write(number * RECORDS, number, 500));
    Batch {
        attempt: Attempt::default(),
        writes: fresh.chain(old).collect(),
        last_allocation: AllocationId(number),
        last_sequence: Sequence((number + 1) * RECORDS),
    }
}

#[track_caller]
fn assert_holds(store: &mut FileStore, commits: u64) {
    let stored = store.load().expect("whole");
    assert_eq!(stored.revision, Revision(commits));
    let mut entries = std::collections::BTreeMap::new();
    for write in (0..commits).flat_map(|number| batch(number).writes) {
        entries.insert(write.sequence, write.value.expect("nothing is removed"));
    }
    let entry = |(sequence, value)| Entry { kind: Kind::Record, sequence, value };
    assert!(stored.entries == entries.into_iter().map(entry).collect::<Vec<_>>(), "half a commit");
}

/// Takes all room that is left.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut file = File::create(&path).expect("a name takes no room");
    while file.write_all(&[7; 4096]).is_ok() {}
    path
}

/// Gives the room back, also if a process that is just being started still has the file open.
fn make_room(ballast: &Path) {
    let file = OpenOptions::new().write(true).open(ballast).expect("ours");
    file.set_len(0).expect("ours");
}

#[test]
fn a_full_disk_fails_the_commit_and_the_store_goes_on_once_there_is_room() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"]) else { return };
    let directory = mount.at.join("state");
    let mut commits = 0;
    for round in 0..3 {
        let mut store = FileStore::open(&directory).expect("there is room");
        assert_holds(&mut store, commits);
        for _ in 0..5 {
            store.commit(&batch(commits), Revision(commits)).expect("there is room");
            commits += 1;
        }
        let ballast = fill(&mount.at);
        let error = loop {
            // What the file has allocated already can still be used.
            match store.commit(&batch(commits), Revision(commits)) {
                Ok(_) => commits += 1,
                Err(error) => break error,
            }
        };
        let StoreError::Io { source, .. } = &error else { panic!("round {round}: {error:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{source}");
        make_room(&ballast);
        let again = store.commit(&batch(commits), Revision(commits));
        assert!(matches!(again, Err(StoreError::Poisoned)), "room does not cure it: {again:?}");
    }
    let mut store = FileStore::open(&directory).expect("whole");
    assert_holds(&mut store, commits);
}

#[test]
fn a_disk_that_is_full_from_the_start_refuses_a_new_store_until_there_is_room() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"]) else { return };
    let directory = mount.at.join("state");
    let ballast = fill(&mount.at);
    let error = FileStore::open(&directory).expect_err("there is no room");
    let StoreError::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{source}");
    make_room(&ballast);
    let mut store = FileStore::open(&directory).expect("what was half made is made anew");
    assert_holds(&mut store, 0);
    store.commit(&batch(0), Revision(0)).expect("there is room");
}

/// What a power cut leaves is copied while the writer is stopped, so no write is under way.
const CUTS: u64 = 12;
const CHILD: &str = "LANEWAY_CRASH_DISK_DIRECTORY";
const NOTE: &str = "LANEWAY_CRASH_DISK_NOTE";

/// Commits for ever, noting each acknowledged commit on another file system.
#[test]
fn child() {
    let (Some(directory), Some(note)) = (std::env::var_os(CHILD), std::env::var_os(NOTE)) else {
        return;
    };
    let note = OpenOptions::new().write(true).open(note).expect("the parent made it");
    let mut store = FileStore::open(directory).expect("new");
    for number in 0.. {
        // Few places, so that the disk does not fill up.
        let mut batch = batch(number);
        batch.writes.truncate(4);
        batch.writes.iter_mut().for_each(|write| write.sequence.0 = write.sequence.0 % 64 + 1);
        store.commit(&batch, Revision(number)).expect("the disk works");
        note.write_all_at(&(number + 1).to_le_bytes(), 0).expect("noted");
    }
}

fn entries_of_child(commits: u64) -> Vec<Entry> {
    let mut entries = std::collections::BTreeMap::new();
    for number in commits.saturating_sub(64)..commits {
        for write in batch(number).writes.into_iter().take(4) {
            entries.insert(write.sequence.0 % 64 + 1, write.value.expect("nothing is removed"));
        }
    }
    let entry = |(place, value)| Entry { kind: Kind::Record, sequence: Sequence(place), value };
    entries.into_iter().map(entry).collect()
}

/// A process that is ended when dropped.
struct Writer(Child);

impl Writer {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args([name, &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "{name}");
    }

    /// Stops it and waits until it is stopped: then none of its system calls is under way.
    fn stop(&self) {
        self.signal("-STOP");
        let path = format!("/proc/{}/task", self.0.id());
        let stopped = |thread: fs::DirEntry| {
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
                return true; // it has ended meanwhile
            };
            let state = stat.rsplit(") ").next().expect("a state follows the name").chars().next();
            state == Some('T')
        };
        while !fs::read_dir(&path).expect("it lives").all(|t| stopped(t.expect("it lives"))) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("ours");
    }
}

#[test]
fn a_power_cut_leaves_every_acknowledged_commit() {
    let Some(ram) = Mount::new(&["-t", "tmpfs", "-o", "size=128m", "tmpfs"]) else { return };
    let (disk, copy) = (ram.at.join("disk"), ram.at.join("copy"));
    File::create(&disk).expect("ours").set_len(32 << 20).expect("ours");
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk).status();
    if !made.is_ok_and(|status| status.success()) {
        return println!("skipped: no mkfs.ext4");
    }
    // The journal is written when somebody asks for it, never by the clock.
    let options = ["-o", "loop,commit=900"];
    let Some(live) = Mount::new(&[&options[..], &[disk.to_str().expect("text")]].concat()) else {
        return;
    };
    let note = ram.at.join("note");
    fs::write(&note, 0_u64.to_le_bytes()).expect("ours");
    let noted = || {
        let bytes = fs::read(&note).expect("ours");
        u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
    };
    let writer = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, live.at.join("state"))
        .env(NOTE, &note)
        .stdout(Stdio::null())
        .spawn();
    let mut writer = Writer(writer.expect("this test again"));
    let mut unacknowledged = 0;
    for cut in 0..CUTS {
        let until = noted() + 1 + cut * 5 % 7;
        while noted() < until {
            assert!(writer.0.try_wait().expect("ours").is_none(), "the writer failed");
            std::thread::yield_now();
        }
        writer.stop();
        let acknowledged = noted();
        fs::copy(&disk, &copy).expect("room for a copy");
        writer.signal("-CONT");
        let copy = copy.to_str().expect("text");
        let image = Mount::new(&[&options[..], &[copy]].concat()).expect("as the live one");
        let mut store = FileStore::open(image.at.join("state")).expect("whole after a power cut");
        let stored = store.load().expect("whole");
        let Revision(found) = stored.revision;
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "cut {cut}: {acknowledged} was acknowledged, {found} is there"
        );
        assert!(stored.entries == entries_of_child(found), "cut {cut}: half a commit");
        unacknowledged += found - acknowledged;
    }
    println!("{CUTS} power cuts, {} commits, {unacknowledged} found unacknowledged", noted());
    drop(writer);
}

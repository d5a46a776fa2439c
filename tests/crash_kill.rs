//! A writer killed with `kill -9` a hundred times: what was acknowledged is there, and no half commit.
//!
//! The test starts itself as a child that commits to a directory and acknowledges each commit on a
//! pipe, and kills it at some acknowledgement, while it goes on working. What the directory holds
//! then follows from its revision alone, and the revision from the acknowledgements.
#![cfg(feature = "file-store")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use laneway::store::{Attempt, Batch, Entry, FileStore, Kind, Store, Write};
use laneway::task::{AllocationId, Revision, Sequence, TaskId};

const CHILD: &str = "LANEWAY_CRASH_KILL_DIRECTORY";
const ROUNDS: u64 = 100;

/// Entries that all commits share, so that most commits change, and some remove, what is there.
const PLACES: u64 = 48;
const WRITES: u64 = 8;

/// The value that commit `number` gives to `place`; none removes the entry.
fn value(number: u64, place: u64) -> Option<Vec<u8>> {
    let length = (number * 31 + place * 7) % 700;
    let kept = !(number + place).is_multiple_of(9);
    kept.then(|| format!("{number}/{place} ").bytes().cycle().take(length as usize).collect())
}

fn places(number: u64) -> impl Iterator<Item = u64> {
    (0..WRITES).map(move |index| (number * 5 + index * 3) % PLACES + 1)
}

fn batch(number: u64) -> Batch {
    let write = |place| Write {
        kind: Kind::Record,
        sequence: Sequence(place),
        id: TaskId::from(format!("t{place}")),
        value: value(number, place),
    };
    Batch {
        attempt: Attempt::default(),
        writes: places(number).map(write).collect(),
        last_allocation: AllocationId(number),
        last_sequence: Sequence(PLACES),
    }
}

fn entries_after(commits: u64) -> Vec<Entry> {
    let mut entries = BTreeMap::new();
    for number in commits.saturating_sub(PLACES * 2)..commits {
        for place in places(number) {
            match value(number, place) {
                Some(value) => entries.insert(place, value),
                None => entries.remove(&place),
            };
        }
    }
    let entry = |(place, value)| Entry { kind: Kind::Record, sequence: Sequence(place), value };
    entries.into_iter().map(entry).collect()
}

/// Commits until it is killed, and says so after each.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mut store = FileStore::open(directory).expect("the directory is whole and free");
    let mut revision = store.load().expect("whole").revision;
    let mut out = std::io::stdout().lock();
    loop {
        revision = store.commit(&batch(revision.0), revision).expect("the disk works");
        if writeln!(out, "\n@{}", revision.0).and_then(|()| out.flush()).is_err() {
            return; // the parent is gone
        }
    }
}

/// Runs a child until it has acknowledged `count` commits and kills it; answers the last revision
/// that it acknowledged, with those that were in the pipe.
fn round(directory: &Path, count: u64) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test again");
    let (mut seen, mut last) = (0, None);
    let output = BufReader::new(child.stdout.take().expect("piped"));
    if count == 0 {
        child.kill().expect("SIGKILL"); // while it starts, opens, or makes the directory
    }
    for line in output.lines() {
        let line = line.expect("text");
        let Some(number) = line.strip_prefix('@') else { continue };
        // A line that was cut by the kill says nothing.
        let Ok(number) = number.parse() else { continue };
        (seen, last) = (seen + 1, Some(number));
        if seen == count {
            child.kill().expect("SIGKILL");
        }
    }
    let status = child.wait().expect("it ended");
    assert_eq!(status.code(), None, "it failed by itself");
    last
}

#[test]
fn a_hundred_kills_lose_nothing_acknowledged() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("state");
    let (mut acknowledged, mut unacknowledged) = (0, 0);
    for number in 0..ROUNDS {
        // Many short rounds, a few longer ones, and some that end while the store is opened.
        let last = round(&directory, number * 7 % 11 + number % 10 / 9 * 20);
        let at_least = last.unwrap_or(acknowledged);
        assert!(at_least >= acknowledged, "round {number}: it began before {acknowledged}");
        let mut store =
            FileStore::open(&directory).expect("whole, and free once the child is gone");
        let stored = store.load().expect("whole");
        let Revision(found) = stored.revision;
        assert!(
            found == at_least || found == at_least + 1,
            "round {number}: {at_least} was acknowledged, {found} is there"
        );
        assert!(stored.entries == entries_after(found), "round {number}: half a commit");
        let counter = AllocationId(found.saturating_sub(1));
        assert_eq!(stored.last_allocation, counter, "round {number}: half a commit");
        unacknowledged += found - at_least;
        acknowledged = found;
    }
    println!("{ROUNDS} kills, {acknowledged} commits, {unacknowledged} found unacknowledged");
    assert!(acknowledged > ROUNDS, "the rounds did some work: {acknowledged}");
}

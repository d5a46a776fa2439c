//! A long task with checkpoints that is interrupted, goes on, and verifies itself.
//!
//! ```text
//! cargo run --release --example reindex            # interrupts itself three times
//! cargo run --release --example reindex -- DIR     # state in DIR: kill it, start it again
//! ```
//!
//! The task builds an index of 100 000 documents in batches. After each batch it makes the index
//! durable and then stores how far it came; a run that begins later goes on from there and does the
//! last batch at most once more. At the end the index is compared with what it has to be.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use laneway::Pool;
use laneway::service::{Progress, TaskConfig, TaskContext, TaskService};
use laneway::store::FileStore;
use laneway::task::{Failure, NewTask, Outcome, Policies};

const DOCUMENTS: u64 = 100_000;
const BATCH: u64 = 5_000;

/// The word of a document: what the index is built from.
fn word(document: u64) -> u64 {
    document.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54
}

/// Runs from the last checkpoint on. `stop_after`: gives up after that many batches, as a crash would.
fn reindex(task: &TaskContext, folder: &Path, stop_after: u64) -> Result<Progress, Failure> {
    let failed = |error: std::io::Error| Failure::run(error.to_string());
    let from = task.state().map_or(0, |state| number(state));
    println!("allocation {}: from document {from}", task.allocation().0);
    for (done, first) in (from..DOCUMENTS).step_by(BATCH as usize).enumerate() {
        if task.is_cancelled() || done as u64 == stop_after {
            return Ok(Progress::HandedBack);
        }
        let mut part = fs::File::create(folder.join(format!("{first:08}"))).map_err(failed)?;
        for document in first..(first + BATCH).min(DOCUMENTS) {
            writeln!(part, "{} {document}", word(document)).map_err(failed)?;
        }
        part.sync_all().map_err(failed)?;
        // In order: the part is durable before the checkpoint that vouches for it.
        let next = (first + BATCH).to_le_bytes();
        task.checkpoint(next).wait().map_err(|error| Failure::run(error.to_string()))?;
    }
    Ok(Progress::Done(DOCUMENTS.to_le_bytes().into()))
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("this example writes eight bytes"))
}

/// What the parts say, as the index would be used: the documents of each word.
fn read_index(folder: &Path) -> Result<BTreeMap<u64, Vec<u64>>, Box<dyn Error>> {
    let mut index: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for part in fs::read_dir(folder)? {
        for line in fs::read_to_string(part?.path())?.lines() {
            let (word, document) = line.split_once(' ').ok_or("a line without a document")?;
            index.entry(word.parse()?).or_default().push(document.parse()?);
        }
    }
    index.values_mut().for_each(|documents| documents.sort_unstable());
    Ok(index)
}

/// One life of the process: opens the state, runs until the end or until it stops in the middle.
fn live(state: &Path, index: &Path, stop_after: u64) -> Result<bool, Box<dyn Error>> {
    let pool = Pool::new()?;
    let tasks = TaskService::open(&pool, FileStore::open(state)?, TaskConfig::default())?;
    let (folder, (stopped, hears)) = (index.to_path_buf(), std::sync::mpsc::channel());
    let stopped = std::sync::Mutex::new(stopped);
    tasks.register("reindex", move |task: &TaskContext| {
        let progress = reindex(task, &folder, stop_after);
        if matches!(progress, Ok(Progress::HandedBack)) {
            // Handed back, it would be begun again at once: this life ends instead.
            let _ = stopped.lock().expect("no panic").send(());
            let run = task.defer();
            task.on_cancel(move || drop(run.hand_back()));
            return Ok(Progress::Deferred);
        }
        progress
    })?;
    let keep = Policies { remove_on_completion: false, ..Policies::default() };
    let started = tasks.start(NewTask::new("reindex-all", "reindex").policies(keep)).wait()?;
    println!("{}", if started.created { "started" } else { "found, goes on" });
    let end = tasks.end_of("reindex-all");
    let ended = loop {
        match end.wait_timeout(Duration::from_millis(20)) {
            Some(ended) => break ended?.outcome == Outcome::Completed,
            None if hears.try_recv().is_ok() => break false,
            None => {}
        }
    };
    tasks.shutdown(Duration::from_secs(10));
    Ok(ended)
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let own = std::env::temp_dir().join(format!("laneway-reindex-{}", std::process::id()));
    let root = given.clone().unwrap_or_else(|| own.clone());
    let (state, index) = (root.join("state"), root.join("index"));
    fs::create_dir_all(&index)?;
    // Given a directory, it is for whoever runs this to interrupt it.
    let stop_after = if given.is_some() { u64::MAX } else { 6 };
    let mut lives = 1;
    while !live(&state, &index, stop_after)? {
        lives += 1;
    }
    let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    (0..DOCUMENTS).for_each(|document| expected.entry(word(document)).or_default().push(document));
    if read_index(&index)? != expected {
        return Err("the index is wrong".into());
    }
    println!("verified: {DOCUMENTS} documents, {} words, {lives} lives", expected.len());
    if given.is_none() {
        fs::remove_dir_all(&own)?;
    }
    Ok(())
}

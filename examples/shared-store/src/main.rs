//! One of two nodes that run the same program on one key space.
//!
//! `laneway-shared-store DATABASE NODE JOBS`: increments shared rows, which conflicts with the other
//! node and is retried until it does not; and increments entities as their owner, skipping those of
//! the other node. Ownership moves while it runs: a watcher tells the coordinator.
//!
//! On standard output: `half` when half of the jobs have ended, `resumed` after a line was read on
//! standard input, and at the end `written=… skipped=… fenced=… conflicts=… failed=…`.

use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use laneway::coordinator::{CoordinatorConfig, OutcomeKind, OwnerQuestion, Ownership};
use laneway::{Coordinator, Job, JobError, JobHandle, Key, Pool, RetryPolicy};
use laneway_shared_store::{Store, Written};

type Failure = Box<dyn Error>;

const ROWS: usize = 4;
const ENTITIES: usize = 4;

/// Asks the store, on a thread of its own: a database may take its time.
struct AskStore(mpsc::Sender<(Key, OwnerQuestion)>);

impl AskStore {
    fn start(store: Arc<Store>, node: String) -> Self {
        let (ask, questions) = mpsc::channel::<(Key, OwnerQuestion)>();
        thread::spawn(move || {
            for (entity, question) in questions {
                // A store that does not answer means no: the question is dropped.
                if let Ok(owner) = store.owner(&entity.to_string()) {
                    question.answer(owner == node);
                }
            }
        });
        Self(ask)
    }
}

impl Ownership for AskStore {
    fn ask(&self, entity: &Key, question: OwnerQuestion) {
        let _ended = self.0.send((entity.clone(), question));
    }
}

/// Tells the coordinator of moves, until `stop` is dropped.
fn watch_owners(store: &Store, node: &str, coordinator: &Coordinator, stop: &mpsc::Receiver<()>) {
    let mut known = [None; ENTITIES];
    let every = Duration::from_millis(2);
    while stop.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
        for (entity, known) in known.iter_mut().enumerate() {
            let entity = entity_name(entity);
            let Ok(owner) = store.owner(&entity) else { continue };
            let owned = owner == node;
            if known.replace(owned) != Some(owned) {
                coordinator.set_owned(entity, owned);
            }
        }
    }
}

fn row_name(row: usize) -> String {
    format!("row-{row}")
}

fn entity_name(entity: usize) -> String {
    format!("entity-{entity}")
}

/// Conflicts until it wins: nobody else gives way for ever.
fn policy() -> RetryPolicy {
    RetryPolicy { conflicts: 10_000, ..RetryPolicy::default() }
}

/// Adds one to a row that all nodes write.
fn increment(store: &Arc<Store>, node: &str, row: usize, meets: bool) -> Job<Written> {
    let (store, node) = (store.clone(), node.to_owned());
    Job::repeatable(move |ctx| {
        let key = row_name(row);
        let read = store.read(&key).map_err(JobError::new)?;
        if meets && ctx.attempt() == 1 {
            // Both nodes read before either writes: one of them has to conflict.
            while store.has_read(&node).map_err(JobError::new)? < 2 {
                ctx.sleep(Duration::from_millis(1))?;
            }
        }
        thread::yield_now(); // let the other node read the same
        match store.write(&key, read.value + 1, read.version).map_err(JobError::new)? {
            true => Ok(Written::Yes),
            false => Err(JobError::conflict("the row has changed")),
        }
    })
    .retry(policy())
}

/// Adds one to an entity, on its owner.
fn increment_owned(store: &Arc<Store>, node: &str, entity: usize) -> Job<Written> {
    let (store, node) = (store.clone(), node.to_owned());
    let body = move |_: &mut laneway::JobContext<'_>| {
        let key = entity_name(entity);
        let read = store.read(&key).map_err(JobError::new)?;
        let written = store.write_as_owner(&node, &key, read.value + 1, read.version);
        match written.map_err(JobError::new)? {
            Written::Conflict => Err(JobError::conflict("the entity has changed")),
            written => Ok(written),
        }
    };
    Job::repeatable(body).retry(policy()).owned_by(entity_name(entity))
}

/// Counts, and says when half of the jobs have ended.
fn count(handle: JobHandle<Written>, ended: Arc<AtomicU64>, half: u64, ends: mpsc::Sender<End>) {
    handle.on_done(move |outcome| {
        // Relaxed: a count.
        if ended.fetch_add(1, Ordering::Relaxed) + 1 == half {
            println!("half");
        }
        let kind = outcome.kind();
        let _over = ends.send((kind, outcome.completed()));
    });
}

type End = (OutcomeKind, Option<Written>);

fn run(path: &Path, node: &str, jobs: usize) -> Result<(), Failure> {
    let store = Arc::new(Store::open(path)?);
    let ownership = Arc::new(AskStore::start(store.clone(), node.to_owned()));
    let config = CoordinatorConfig { ownership: Some(ownership), ..Default::default() };
    let coordinator = Coordinator::with_config(&Pool::new()?, config);

    let (stop, stopped) = mpsc::channel();
    let watcher = {
        let (store, node, coordinator) = (store.clone(), node.to_owned(), coordinator.clone());
        thread::spawn(move || watch_owners(&store, &node, &coordinator, &stopped))
    };
    let (ends, all) = mpsc::channel();
    let ended = Arc::new(AtomicU64::new(0));
    let submit = |from: usize, to: usize| -> Result<(), Failure> {
        for job in from..to {
            let row = increment(&store, node, job % ROWS, job == 0);
            let row = coordinator.submit(row_name(job % ROWS), row)?;
            let entity = increment_owned(&store, node, job % ENTITIES);
            let entity = coordinator.submit(entity_name(job % ENTITIES), entity)?;
            count(row, ended.clone(), jobs as u64, ends.clone());
            count(entity, ended.clone(), jobs as u64, ends.clone());
        }
        Ok(())
    };
    // The second half is submitted once the first is over and somebody has moved the entities.
    submit(0, jobs / 2)?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    println!("resumed");
    submit(jobs / 2, jobs)?;

    let (mut written, mut skipped, mut fenced, mut failed) = (0, 0, 0, 0);
    for (kind, value) in all.iter().take(2 * jobs) {
        match (kind, value) {
            (_, Some(Written::Yes)) => written += 1,
            (_, Some(Written::NotOwner)) => fenced += 1,
            (OutcomeKind::Skipped, _) => skipped += 1,
            _ => failed += 1,
        }
    }
    drop(stop);
    watcher.join().expect("the watcher does not panic");
    let conflicts = coordinator.counters().conflicts;
    println!(
        "written={written} skipped={skipped} fenced={fenced} conflicts={conflicts} failed={failed}"
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, node, jobs] = &arguments[..] else {
        return Err("usage: laneway-shared-store DATABASE NODE JOBS".into());
    };
    run(Path::new(path), node, jobs.parse()?)
}

//! The contenders of the durable cycle: this library, and a job table in SQLite written two ways.
//!
//! A cycle is what a caller does with one job: it hands it in and knows that it is on the disk, and
//! then it knows that its end is on the disk. Each takes at least two syncs; of many callers, who
//! shares them is the question.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use laneway::service::{Progress, TaskConfig, TaskContext, TaskService};
use laneway::store::FileStore;
use laneway::task::NewTask;
use laneway::{Pool, PoolConfig};
use rusqlite::{Connection, params};

/// Something that makes jobs durable.
pub trait Contender: Sync {
    /// One job: in, done, both on the disk when this returns.
    fn cycle(&self, id: &str);

    /// How many commits it has made.
    fn commits(&self) -> u64;

    /// Whether a tenth of the cycles says enough.
    fn is_slow(&self) -> bool {
        false
    }
}

/// What a job carries: different for every job, 200 bytes.
fn payload(id: &str) -> Vec<u8> {
    id.bytes().cycle().take(200).collect()
}

/// Persistent tasks in a directory.
pub struct Laneway {
    tasks: TaskService,
    _pool: Pool,
}

impl Laneway {
    /// A new store in `directory`.
    pub fn open(directory: &Path) -> Self {
        let config = PoolConfig { workers: crate::THREADS, ..PoolConfig::default() };
        let pool = Pool::with_config(config).expect("a pool");
        let store = FileStore::open(directory.join("state")).expect("a new store");
        let tasks = TaskService::open(&pool, store, TaskConfig::default()).expect("it loads");
        let body = |task: &TaskContext| Ok(Progress::Done(task.params().clone()));
        tasks.register("job", body).expect("a new name");
        Self { tasks, _pool: pool }
    }
}

impl Contender for Laneway {
    fn cycle(&self, id: &str) {
        let task = NewTask::new(id, "job").params(payload(id));
        self.tasks.start(task).wait().expect("started");
        self.tasks.end_of(id).wait().expect("completed");
    }

    fn commits(&self) -> u64 {
        self.tasks.snapshot().revision().0
    }
}

const SCHEMA: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE job (id TEXT PRIMARY KEY, params BLOB, state INTEGER, result BLOB) WITHOUT ROWID;";
const START: &str = "INSERT INTO job (id, params, state) VALUES (?1, ?2, 0)";
const COMPLETE: &str = "UPDATE job SET state = 1, result = ?2 WHERE id = ?1";

fn database(directory: &Path) -> Connection {
    let connection = Connection::open(directory.join("jobs.sqlite")).expect("a new database");
    connection.execute_batch(SCHEMA).expect("a table");
    connection
}

/// A job table, one commit for each call. All callers share one connection: with one for each they
/// would wait for each other's write lock by sleeping.
pub struct Sqlite(Mutex<(Connection, u64)>);

impl Sqlite {
    /// A new database in `directory`.
    pub fn open(directory: &Path) -> Self {
        Self(Mutex::new((database(directory), 0)))
    }

    fn execute(&self, statement: &str, id: &str) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prepared = shared.0.prepare_cached(statement).expect("it is right");
        assert_eq!(prepared.execute(params![id, payload(id)]).expect("the disk works"), 1);
        drop(prepared);
        shared.1 += 1;
    }
}

impl Contender for Sqlite {
    fn cycle(&self, id: &str) {
        self.execute(START, id);
        self.execute(COMPLETE, id);
    }

    fn commits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn is_slow(&self) -> bool {
        true
    }
}

struct Request {
    statement: &'static str,
    id: String,
    done: mpsc::Sender<()>,
}

/// A job table behind a thread that puts all that waits into one commit.
pub struct SqliteGroup {
    requests: Option<mpsc::Sender<Request>>,
    commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteGroup {
    /// A new database in `directory`, and its thread.
    pub fn open(directory: &Path) -> Self {
        let connection = database(directory);
        let (requests, received) = mpsc::channel();
        let commits = std::sync::Arc::<std::sync::atomic::AtomicU64>::default();
        let counted = commits.clone();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = received.recv() {
                let batch: Vec<Request> =
                    std::iter::once(first).chain(received.try_iter()).collect();
                connection.execute_batch("BEGIN").expect("no transaction is open");
                for request in &batch {
                    let prepared = connection.prepare_cached(request.statement);
                    let values = params![request.id, payload(&request.id)];
                    prepared.expect("it is right").execute(values).expect("the disk works");
                }
                connection.execute_batch("COMMIT").expect("the disk works");
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                for request in batch {
                    // Whoever stopped waiting does not want to know.
                    let _ = request.done.send(());
                }
            }
        });
        Self { requests: Some(requests), commits, thread: Some(thread) }
    }

    fn execute(&self, statement: &'static str, id: &str) {
        let (done, answer) = mpsc::channel();
        let request = Request { statement, id: id.into(), done };
        let requests = self.requests.as_ref().expect("open until dropped");
        requests.send(request).expect("the thread lives");
        answer.recv().expect("the thread answers");
    }
}

impl Contender for SqliteGroup {
    fn cycle(&self, id: &str) {
        self.execute(START, id);
        self.execute(COMPLETE, id);
    }

    fn commits(&self) -> u64 {
        self.commits.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for SqliteGroup {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

/// Two appends, each synced: what a disk asks of one caller that waits for both.
pub struct Raw(Mutex<(File, u64)>);

impl Raw {
    /// A new file in `directory`.
    pub fn open(directory: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(directory.join("raw"));
        Self(Mutex::new((file.expect("a new file"), 0)))
    }
}

impl Contender for Raw {
    fn cycle(&self, id: &str) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            let block: Vec<u8> = id.bytes().cycle().take(4096).collect();
            shared.0.write_all(&block).expect("there is room");
            shared.0.sync_data().expect("the disk works");
            shared.1 += 1;
        }
    }

    fn commits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

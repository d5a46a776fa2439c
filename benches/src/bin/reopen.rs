//! Opening a directory of many tasks: how long, and how much memory beside what lives.
//!
//! `cargo run --release -p laneway-benches --bin reopen [TASKS] [DIR]` (default one million, each with
//! 512 bytes of params). Fills a store if DIR holds none, and opens it in a process of its own; run it
//! again to open the same one. Live data are the bytes of the records as they are stored.

use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Instant;

use laneway::service::{TaskConfig, TaskService};
use laneway::store::{Desk, FileStore, MemoryStore, Store, Stored};
use laneway::task::{Command, Limits, NewTask, Timestamp};
use laneway::{Pool, PoolConfig};

const PARAMS_BYTES: usize = 512;

/// Different records, each started as by a caller.
fn stored(tasks: u64) -> Stored {
    let mut desk = Desk::open(MemoryStore::new(), Limits::default()).expect("empty");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..tasks {
        let params: Vec<u8> = (0..PARAMS_BYTES / 8)
            .flat_map(|_| {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                random.to_le_bytes()
            })
            .collect();
        let task = NewTask::new(format!("task-{number:012}"), "copy").params(params);
        desk.apply(Command::Start(task), Timestamp(0)).expect("memory").expect("a new id");
    }
    desk.into_store().load().expect("memory")
}

fn status(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field of it");
    let kibibytes: f64 =
        line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number");
    kibibytes / 1024.0
}

fn reopen(directory: &PathBuf) {
    let begun = Instant::now();
    let store = FileStore::open_existing(directory).expect("whole");
    let verified = begun.elapsed();
    let config = PoolConfig { workers: 1, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let tasks = TaskService::open(&pool, store, TaskConfig::default()).expect("it loads");
    let opened = begun.elapsed();
    let state = tasks.snapshot();
    let live: usize = state.records().map(|it| it.params.len() + it.id.as_str().len() + 150).sum();
    println!(
        "{} tasks: pages verified after {verified:.2?}, open after {opened:.2?}; live {:.0} MiB, \
         resident {:.0} MiB, at most {:.0} MiB",
        state.len(),
        live as f64 / 1048576.0,
        status("VmRSS:"),
        status("VmHWM:"),
    );
}

fn main() {
    let mut words = std::env::args().skip(1);
    let tasks: u64 = words.next().map_or(1_000_000, |it| it.parse().expect("a number"));
    let directory = words.next().map_or("target/bench-reopen".into(), PathBuf::from);
    if tasks == 0 {
        return reopen(&directory);
    }
    if !directory.exists() {
        drop(FileStore::restore(&directory, &stored(tasks)).expect("a new store"));
    }
    let this = std::env::current_exe().expect("this program");
    for _ in 0..3 {
        let opened = Process::new(&this).arg("0").arg(&directory).status().expect("it runs");
        assert!(opened.success(), "it opens");
    }
}

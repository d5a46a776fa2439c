//! A process full of tasks, killed with `kill -9` again and again: what was acknowledged stays.
//!
//! The test starts itself as a child that works on a directory and writes what happens to a pipe,
//! kills it after some lines, and starts it again on the same directory. Judged is what the lines of
//! all rounds say together.
#![cfg(feature = "file-store")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};

use laneway::pool::{Pool, PoolConfig};
use laneway::service::{Completion, Progress, TaskConfig, TaskContext, TaskService};
use laneway::store::FileStore;
use laneway::task::{NewTask, Policies};

const CHILD: &str = "LANEWAY_TASK_KILL_DIRECTORY";
const TASKS: usize = 160;
const LANES: usize = 8;

/// One line of the child.
#[derive(Debug, PartialEq)]
enum Line {
    Started { task: usize },
    Begun { task: usize, allocation: u64, state: u64 },
    Saved { task: usize, state: u64 },
    Ended { task: usize },
    All,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix('@')?.split(' ');
        let what = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        Some(match what {
            "started" => Self::Started { task: number()? as usize },
            "begun" => {
                Self::Begun { task: number()? as usize, allocation: number()?, state: number()? }
            }
            "saved" => Self::Saved { task: number()? as usize, state: number()? },
            "ended" => Self::Ended { task: number()? as usize },
            "all" => Self::All,
            _ => return None,
        })
    }
}

fn say(line: String) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{line}").expect("the parent reads");
    out.flush().expect("the parent reads");
}

/// Reads the decimal number that a checkpoint is.
fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).expect("text").parse().expect("a number")
}

/// Does the work of one task: a checkpoint, then the end; says each once it is durable.
fn work(body: Completion) {
    let task: usize = body.id().as_str().parse().expect("a number");
    let state = body.state().map_or(0, |state| number(state));
    say(format!("begun {task} {} {state}", body.allocation().0));
    let next = state + 1;
    body.checkpoint(next.to_string().into_bytes()).wait().expect("its run");
    say(format!("saved {task} {next}"));
    body.complete(*b"done").wait().expect("its run");
    say(format!("ended {task}"));
}

#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let pool = Pool::with_config(PoolConfig { workers: 2, ..PoolConfig::default() });
    let pool = pool.expect("a pool of two");
    let store = FileStore::open(directory).expect("the directory is whole and free");
    let tasks = TaskService::open(&pool, store, TaskConfig::default()).expect("it loads");
    let (sender, bodies) = mpsc::channel::<Completion>();
    let bodies = std::sync::Arc::new(Mutex::new(bodies));
    for _ in 0..4 {
        let bodies = bodies.clone();
        std::thread::spawn(move || {
            loop {
                let next = bodies.lock().expect("no panic").recv();
                let Ok(body) = next else { return };
                work(body);
            }
        });
    }
    let sender = Mutex::new(sender);
    tasks
        .register("work", move |task: &TaskContext| {
            sender.lock().expect("no panic").send(task.defer()).expect("workers listen");
            Ok(Progress::Deferred)
        })
        .expect("a new name");
    let kept = std::sync::Arc::new(Policies { remove_on_completion: false, ..Policies::default() });
    let all = (0..TASKS).map(|task| {
        let lane = [(task % LANES) as u8];
        NewTask::new(task.to_string(), "work").lane(lane).policies(kept.clone())
    });
    for (task, started) in tasks.start_many(all).into_iter().enumerate() {
        started.wait().expect("accepted");
        say(format!("started {task}"));
    }
    for task in 0..TASKS {
        tasks.end_of(task.to_string()).wait().expect("it ends");
    }
    say("all".into());
}

/// Runs a child and kills it after `lines` of its lines; answers them all.
fn round(directory: &Path, lines: usize) -> Vec<Line> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test again");
    let mut seen = Vec::new();
    let output = BufReader::new(child.stdout.take().expect("piped"));
    for line in output.lines() {
        seen.extend(Line::parse(&line.expect("text")));
        if seen.len() == lines {
            child.kill().expect("SIGKILL"); // what is in the pipe already is still read
        }
    }
    let status = child.wait().expect("it ended");
    assert!(seen.len() >= lines || status.success(), "the child failed by itself: {status}");
    seen
}

#[test]
fn nothing_acknowledged_is_lost_or_repeated_by_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let mut judge = Judge::default();
    // From the first line on, and at places that fall anywhere in the work.
    for lines in [1, 40, 170, 190, 61, 133, 87, usize::MAX] {
        for line in round(&state, lines) {
            judge.hear(line);
        }
    }
    assert!(judge.all, "the last round finished");
    assert_eq!(judge.started.len(), TASKS);
    assert_eq!(judge.begun.len(), TASKS, "every task ran");
    assert!(judge.begins > TASKS, "some kill hit a running task");
}

#[derive(Default)]
struct Judge {
    started: BTreeSet<usize>,
    ended: BTreeSet<usize>,
    /// The last task begun of each lane.
    begun: BTreeSet<usize>,
    last_of_lane: BTreeMap<usize, usize>,
    saved: BTreeMap<usize, u64>,
    allocations: BTreeSet<u64>,
    begins: usize,
    all: bool,
}

impl Judge {
    fn hear(&mut self, line: Line) {
        match line {
            Line::Started { task } => drop(self.started.insert(task)),
            Line::Ended { task } => drop(self.ended.insert(task)),
            Line::Saved { task, state } => drop(self.saved.insert(task, state)),
            Line::All => self.all = true,
            Line::Begun { task, allocation, state } => {
                self.begins += 1;
                self.begun.insert(task);
                assert!(!self.ended.contains(&task), "{task} ran after its recorded end");
                assert!(self.allocations.insert(allocation), "{allocation} was given twice");
                let saved = self.saved.get(&task).copied().unwrap_or(0);
                assert!(state >= saved, "{task} went back from {saved} to {state}");
                let last = self.last_of_lane.insert(task % LANES, task);
                assert!(last <= Some(task), "{task} ran after {last:?}");
                assert!(last >= task.checked_sub(LANES), "{task} ran without the one before it");
            }
        }
    }
}

//! What the tests of the command share: a folder with a job file, and a run of the real binary.
//!
//! Nothing here waits by sleeping: a test that has to be in the middle of a run reads the event
//! stream up to that point, and commands wait at named pipes until the test opens them.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod journal;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a job file in it; the commands run in the folder.
pub struct Bench {
    folder: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    /// A bench with these lines as `jobs.jsonl`.
    pub fn new(jobs: &[Value]) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().expect("a folder") };
        bench.write_jobs(jobs);
        bench
    }

    /// A bench with this text as `jobs.jsonl`.
    pub fn with_text(text: &str) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().expect("a folder") };
        fs::write(bench.path("jobs.jsonl"), text).expect("written");
        bench
    }

    pub fn write_jobs(&self, jobs: &[Value]) {
        let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
        fs::write(self.path("jobs.jsonl"), lines).expect("written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The lines that the commands wrote to `log`.
    pub fn log(&self) -> Vec<String> {
        self.text("log").lines().map(str::to_owned).collect()
    }

    /// A named pipe that commands wait at: `read _ < NAME`.
    pub fn gate(&self, name: &str) {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, self.path(name), kind, mode, 0).expect("a pipe");
    }

    /// Lets the one command pass that waits, or will wait, at the gate.
    pub fn open_gate(&self, name: &str) {
        let mut gate = OpenOptions::new().write(true).open(self.path(name)).expect("a pipe");
        gate.write_all(b"go\n").expect("a reader");
    }

    /// The command `laneway run jobs.jsonl` with more arguments, in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laneway"));
        command.arg("run").arg("jobs.jsonl").args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the job file to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    /// Starts a run with `--json` to watch and to interrupt.
    pub fn start(&self, arguments: &[&str]) -> Watched {
        let mut command = self.command(arguments);
        let mut runner = command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary");
        let stdout = BufReader::new(runner.stdout.take().expect("a pipe"));
        Watched { runner, stdout, events: Vec::new() }
    }
}

/// Runs a command to its end.
pub fn ran(mut command: Command) -> Ran {
    let output = command.output().expect("the binary");
    Ran {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl Ran {
    /// The events of a run with `--json`, the summary included.
    pub fn events(&self) -> Vec<Value> {
        parse_events(&self.stdout)
    }

    /// `name id attempt` of each event, the summary aside.
    pub fn story(&self) -> Vec<String> {
        story(&self.events())
    }

    pub fn event(&self, name: &str, id: &str) -> Value {
        let found = self.events().into_iter().find(|e| e["event"] == name && e["id"] == id);
        found.unwrap_or_else(|| panic!("no {name} of {id} in {}", self.stdout))
    }

    pub fn summary(&self) -> Value {
        let last = self.events().pop().expect("a summary");
        assert_eq!(last["event"], "summary");
        last
    }
}

pub fn parse_events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

pub fn story(events: &[Value]) -> Vec<String> {
    let of_jobs = events.iter().filter(|event| event["id"].is_string());
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    of_jobs.map(|e| format!("{} {} {}", text(&e["event"]), text(&e["id"]), e["attempt"])).collect()
}

/// A run in progress.
pub struct Watched {
    runner: Child,
    stdout: BufReader<ChildStdout>,
    pub events: Vec<Value>,
}

impl Watched {
    /// Reads on until this event, of this job or of the run itself.
    pub fn until<'a>(&mut self, name: &str, id: impl Into<Option<&'a str>>) -> Value {
        let id = id.into();
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the run ended before {name} {id:?}"));
            if event["event"] == name && event["id"].as_str() == id {
                return event;
            }
        }
    }

    /// The next event, or `None` when the runner is gone.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        if !line.ends_with('\n') {
            return None; // the end, or a line cut by a kill
        }
        let event: Value = serde_json::from_str(&line).expect("a JSON line");
        self.events.push(event.clone());
        Some(event)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.runner), signal).expect("a process");
    }

    /// Kills the runner as a crash would, and reads what it had said.
    pub fn kill(mut self) -> Vec<Value> {
        self.signal(Signal::KILL);
        while self.next().is_some() {}
        self.runner.wait().expect("a status");
        self.events
    }

    /// Reads to the end; the exit code.
    pub fn finish(&mut self) -> i32 {
        while self.next().is_some() {}
        self.runner.wait().expect("a status").code().expect("an exit code")
    }
}

/// Whether a process with this number is there and not a zombie.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| {
        rest.split_whitespace().next().is_some_and(|state| state != "Z" && state != "X")
    })
}

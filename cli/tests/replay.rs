//! `laneway replay` as a program: what it prints, how it ends, and that SIGKILL does not hurt it.

#![allow(missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use git2::{Repository, Signature};
use serde_json::Value;

/// A fresh directory with a repository of a few hundred versions.
struct Bench {
    root: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let repo = Repository::init_bare(root.join("repo.git")).unwrap();
        let who = Signature::now("nobody", "nobody@example.org").unwrap();
        let mut tip = None;
        for commit in 0..40_u32 {
            let mut tree = repo.treebuilder(None).unwrap();
            for file in 0..10_u32 {
                let text = format!("{}", (commit + file) / 2);
                tree.insert(format!("file{file}"), repo.blob(text.as_bytes()).unwrap(), 0o100_644)
                    .unwrap();
            }
            let tree = repo.find_tree(tree.write().unwrap()).unwrap();
            let parent = tip.map(|tip| repo.find_commit(tip).unwrap());
            let parents: Vec<_> = parent.iter().collect();
            tip = Some(repo.commit(None, &who, &who, "a commit", &tree, &parents).unwrap());
        }
        repo.set_head_detached(tip.unwrap()).unwrap();
        Self { root }
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laneway"));
        command.args(["replay", "repo.git", "--into", "into", "--jobs", "4"]).args(options);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    fn output(&self, options: &[&str]) -> Output {
        self.command(options).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it exits by itself")
}

#[test]
fn an_identical_tree_is_said_and_ends_with_0() {
    let bench = Bench::new("identical");
    let output = bench.output(&["--fail-percent", "5"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(text(&output).ends_with("10 paths compared\ntree identical\n"), "{output:?}");
    assert_eq!(fs::read_to_string(bench.root.join("into/file9")).unwrap(), "24");
}

#[test]
fn json_is_one_object_a_line_and_ends_with_a_summary() {
    let bench = Bench::new("json");
    let output = bench.output(&["--json"]);
    let lines: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["event"], "planned");
    let summary = lines.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["tree_identical"], true);
    assert_eq!(summary["completed"], lines[0]["jobs"]);
}

#[test]
fn what_cannot_begin_ends_with_64() {
    let bench = Bench::new("usage");
    assert_eq!(code(&bench.output(&["--fail-percent", "100"])), 64);
    assert_eq!(code(&bench.output(&["--jobs", "0"])), 64);
    fs::create_dir(bench.root.join("into")).unwrap();
    fs::write(bench.root.join("into/mine"), "precious").unwrap();
    assert_eq!(code(&bench.output(&[])), 64);
    assert_eq!(fs::read_to_string(bench.root.join("into/mine")).unwrap(), "precious");
}

/// Lines of the journal that say that a job's end was recorded.
fn recorded(bench: &Bench) -> usize {
    let journal = fs::read_to_string(bench.root.join("state/journal")).unwrap();
    journal.lines().filter(|line| line.starts_with("recorded ")).count()
}

/// Starts a run and kills it when it has reported so many jobs.
fn killed_after(bench: &Bench, options: &[&str], jobs: usize) {
    let mut command = bench.command(options);
    let mut run: Child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(run.stdout.take().unwrap());
    let completed =
        said.lines().filter(|line| line.as_ref().is_ok_and(|line| line.contains("\"completed\"")));
    assert_eq!(completed.take(jobs).count(), jobs, "it ended before it was killed");
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn after_kill_9_the_same_command_goes_on_and_repeats_no_recorded_job() {
    let bench = Bench::new("kill");
    let options = ["--state", "state", "--fail-percent", "10", "--jitter-ms", "1"];
    for jobs in [1, 10, 30] {
        killed_after(&bench, &options, jobs);
    }
    assert!(recorded(&bench) >= 41);
    let output = bench.output(&options);
    assert_eq!(code(&output), 0, "{output:?}");
    let said = text(&output);
    assert!(said.ends_with("\ntree identical\n"), "{said}");
    assert!(said.contains("recorded and that ran again: 0\n"), "{said}");
    assert!(said.contains("\njournal: 4 runs, "), "{said}");
}

#[test]
fn a_state_in_use_is_refused() {
    let bench = Bench::new("in-use");
    let options = ["--state", "state", "--jitter-ms", "20"];
    let mut first = bench.command(&options).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    let second = bench.output(&options);
    assert_eq!(code(&second), 64, "{second:?}");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_damaged_state_is_refused_before_anything_is_written() {
    let bench = Bench::new("damaged");
    assert_eq!(code(&bench.output(&["--state", "state"])), 0);
    fs::write(bench.root.join("state/tasks/state.redb"), "not a store").unwrap();
    let refused = bench.output(&["--state", "state"]);
    assert_eq!(code(&refused), 64, "{refused:?}");
}

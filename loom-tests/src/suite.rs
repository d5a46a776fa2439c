//! Every model, each in a process of its own, and its executions against the record.
//!
//! A model that explores far less than it used to has become empty without becoming red: a drop of
//! more than a fifth fails. `LANEWAY_LOOM_RECORD=1` writes the record anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::models;
use crate::source::root;

/// Far more than any model takes on a loaded machine of two cores.
const LIMIT: Duration = Duration::from_secs(600);

/// How a child process ended.
pub(crate) enum Ended {
    /// Status zero.
    Well,
    /// Any other status or signal.
    Failed,
    /// Killed at its limit.
    TimedOut,
}

/// A model that ran in a process of its own.
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    /// Standard output and error together.
    pub(crate) output: String,
    pub(crate) took: Duration,
}

/// Runs the model in a child process with these variables, for at most `limit`.
pub(crate) fn run_model(name: &str, variables: &[(&str, &str)], limit: Duration) -> Finished {
    let started = Instant::now();
    let program = std::env::current_exe().expect("a program has a path");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = Command::new(program);
    command.args(["model", name]).stdin(Stdio::null());
    command.stdout(writer.try_clone().expect("a second end")).stderr(writer);
    command.envs(variables.iter().copied()).env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().expect("this program starts");
    drop(command); // and with it this side's writing ends
    let (sender, ended) = mpsc::channel();
    let reading = thread::spawn(move || {
        let output = std::io::read_to_string(reader).unwrap_or_default();
        let _ = sender.send(()); // nobody listens any more: it timed out
        output
    });
    // The output ends when the child does.
    let timed_out = ended.recv_timeout(limit).is_err();
    if timed_out {
        child.kill().expect("our own child");
    }
    let status = child.wait().expect("our own child");
    let output = reading.join().expect("reading does not panic");
    let ended = match (timed_out, status.success()) {
        (true, _) => Ended::TimedOut,
        (false, true) => Ended::Well,
        (false, false) => Ended::Failed,
    };
    Finished { ended, output, took: started.elapsed() }
}

/// Calls `work` for every item, on as many threads as there are processors.
pub(crate) fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let count = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(count) {
            let (sender, queue, work) = (sender.clone(), &queue, &work);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().expect("no panic inside").next();
                    let Some((index, item)) = next else { return };
                    sender.send((index, work(item))).expect("the receiver outlives the scope");
                }
            });
        }
        drop(sender);
    });
    let mut results: Vec<(usize, R)> = results.iter().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn record() -> PathBuf {
    root().join("loom-tests/executions.txt")
}

fn recorded() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(record()).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_string(), count.trim().parse().ok()?))
        })
        .collect()
}

/// The count on a model's line.
fn executions(output: &str) -> Option<usize> {
    let (_, after) = output.split_once(" executions=")?;
    after.split(' ').next()?.parse().ok()
}

/// Runs every model and compares; the last line has the totals.
pub(crate) fn run() -> ExitCode {
    let names: Vec<&str> = models::ALL.iter().map(|(name, _)| *name).collect();
    let results = in_parallel(names.clone(), |name| {
        let finished = run_model(name, &[], LIMIT);
        match finished.ended {
            Ended::Well => print!("{}", finished.output),
            Ended::Failed => println!("FAILED {name}\n{}", tail(&finished.output)),
            Ended::TimedOut => println!("TIME-OUT {name} after {LIMIT:?}"),
        }
        matches!(finished.ended, Ended::Well).then(|| executions(&finished.output)).flatten()
    });
    let measured: Vec<(&str, Option<usize>)> = names.into_iter().zip(results).collect();
    let green = measured.iter().filter(|(_, count)| count.is_some()).count();
    let rewrite = std::env::var_os("LANEWAY_LOOM_RECORD").is_some();
    let complaints = if rewrite { write_record(&measured) } else { compare(&measured) };
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    let total: usize = measured.iter().filter_map(|(_, count)| *count).sum();
    let red = measured.len() - green;
    println!("TOTAL {green} models passed, {red} failed, {total} executions");
    if red == 0 && complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

fn compare(measured: &[(&str, Option<usize>)]) -> Vec<String> {
    let mut recorded = recorded();
    let mut complaints = Vec::new();
    for (name, count) in measured {
        match (recorded.remove(*name), count) {
            (None, _) => complaints.push(format!("UNRECORDED {name}: LANEWAY_LOOM_RECORD=1")),
            (Some(before), Some(now)) if now * 5 < before * 4 => {
                complaints.push(format!("DROP {name}: {now} executions, recorded {before}"));
            }
            _ => {}
        }
    }
    complaints.extend(recorded.keys().map(|name| format!("GONE {name}: recorded, no such model")));
    complaints
}

fn write_record(measured: &[(&str, Option<usize>)]) -> Vec<String> {
    let mut text =
        String::from("# Executions of each model; `run.sh` fails on a drop by a fifth.\n");
    for (name, count) in measured {
        if let Some(count) = count {
            writeln!(text, "{name} {count}").expect("a string takes text");
        }
    }
    std::fs::write(record(), text).expect("the record is writable");
    Vec::new()
}

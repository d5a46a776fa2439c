//! Tasks as people and programs read them: lines of a table, or JSON.
//!
//! Bytes that are text are shown as text, others as hexadecimal digits: `{"text": …}`, `{"hex": …}`.

use std::fmt::Write as _;
use std::io::Write;

use laneway::task::{
    Ended, Explanation, Failure as TaskFailure, FailureKind, NodeId, OnFailure, Outcome, Phase,
    Record, RunOutcome, State, Unfit,
};
use serde_json::{Value, json};

use super::failure::Failure;

/// No cell of a table is wider.
const CELL_MAX: usize = 40;

pub(super) fn list(state: &State, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if !json {
        return table(&state.records().map(|it| &**it).collect::<Vec<_>>(), out);
    }
    for task in state.records() {
        writeln!(out, "{}", record(task)).map_err(Failure::Output)?;
    }
    Ok(())
}

pub(super) fn show(task: &Record, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let shown = record(task);
    if json {
        return writeln!(out, "{shown}").map_err(Failure::Output);
    }
    let fields = shown.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{name:<16} {value}").map_err(Failure::Output)?;
    }
    Ok(())
}

pub(super) fn explain(
    state: &State,
    id: &str,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Some(why) = state.explain(id) else { return Ok(()) };
    let unfit = state.unfit(id);
    if json {
        let nodes =
            unfit.iter().map(|(node, why)| json!({"node": node.as_str(), "why": why.to_string()}));
        let nodes: Vec<Value> = nodes.collect();
        let line = json!({"id": id, "why": why_in_words(&why), "unfit_nodes": nodes});
        return writeln!(out, "{line}").map_err(Failure::Output);
    }
    writeln!(out, "{}", why_in_words(&why)).map_err(Failure::Output)?;
    unfit.iter().try_for_each(|(node, why)| not_there(node, *why, out))
}

fn not_there(node: &NodeId, why: Unfit, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "node {}: it {why}", node.as_str()).map_err(Failure::Output)
}

fn why_in_words(why: &Explanation) -> String {
    match why {
        Explanation::Assigned { node, allocation, cancelling } => {
            let cancelling = if *cancelling { ", and is to stop" } else { "" };
            format!("assigned to {} as allocation {}{cancelling}", node.as_str(), allocation.0)
        }
        Explanation::NoSuitableNode => "waits for a node with its executor and room".into(),
        Explanation::BehindInLane { head } => format!("waits for {head}, the head of its lane"),
        Explanation::BackingOff { until } => format!("pauses after a failure until {}", until.0),
        Explanation::Parked => "parked after its last failure: resume or remove it".into(),
        Explanation::Ended { outcome: how } => format!("ended: {}", outcome(*how)),
        Explanation::Opaque => "stored by a newer version".into(),
        other => format!("{other:?}"),
    }
}

pub(super) fn history(task: &Record, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let runs = runs(task);
    if json {
        return writeln!(out, "{}", json!({"id": task.id.as_str(), "runs": runs}))
            .map_err(Failure::Output);
    }
    let head = ["ALLOCATION", "NODE", "SINCE", "UNTIL", "END", "ERROR"].map(String::from);
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let names = ["allocation", "node", "since_ms", "until_ms", "end", "error"];
    let rows = runs.iter().map(|run| names.map(|name| text(&run[name])));
    columns(head, rows, out)
}

/// The whole state in a line.
pub(super) fn verified(state: &State, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let (revision, tasks) = (state.revision().0, state.len());
    let opaque = state.save().opaque.len();
    let line = match json {
        true => json!({"whole": true, "revision": revision, "tasks": tasks, "opaque": opaque})
            .to_string(),
        false => {
            format!("whole: {tasks} tasks at revision {revision}, {opaque} of a newer version")
        }
    };
    writeln!(out, "{line}").map_err(Failure::Output)
}

pub(super) fn table(tasks: &[&Record], out: &mut impl Write) -> Result<(), Failure> {
    let head = ["ID", "NAME", "PHASE", "NODE", "FAILURES", "LANE"].map(String::from);
    let row = |task: &&Record| {
        let Record { attempts, .. } = task;
        let node = task.assigned_to().map_or("-".to_owned(), |(node, _)| node.as_str().to_owned());
        let lane = task.lane.as_ref().map_or("-".to_owned(), |lane| bytes_in_words(lane));
        let failures = attempts.start_failures + attempts.run_failures;
        let name = task.name.to_string();
        [task.id.to_string(), name, phase(task), node, failures.to_string(), lane]
    };
    columns(head, tasks.iter().map(row), out)
}

/// Rows under their heads, each column as wide as its widest cell.
fn columns<const N: usize>(
    head: [String; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let short = |cell: String| match cell.char_indices().nth(CELL_MAX) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell,
    };
    let rows: Vec<[String; N]> =
        std::iter::once(head).chain(rows.map(|row| row.map(short))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  "); // a string takes everything
        }
        writeln!(out, "{}", line.trim_end()).map_err(Failure::Output)?;
    }
    Ok(())
}

/// Everything that is known of a task.
pub(super) fn record(task: &Record) -> Value {
    let ending = match &task.phase {
        Phase::Ended(ending) => Some(ending),
        _ => None,
    };
    let policies = &task.policies;
    json!({
        "id": task.id.as_str(),
        "name": &*task.name,
        "phase": phase(task),
        "node": task.assigned_to().map(|(node, _)| node.as_str()),
        "lane": task.lane.as_ref().map(|lane| bytes(lane)),
        "params": bytes(&task.params),
        "state": task.state.as_ref().map(|state| bytes(&state.value)),
        "state_by": task.state.as_ref().map(|state| state.written_by.0),
        "allocation": task.allocation.0,
        "outcome": ending.map(|ending| outcome(ending.outcome)),
        "result": ending.map(|ending| bytes(&ending.result)),
        "ended_ms": ending.map(|ending| ending.at.0),
        "start_failures": task.attempts.start_failures,
        "run_failures": task.attempts.run_failures,
        "last_error": task.last_error.as_ref().map(failure),
        "on_failure": on_failure(&policies.on_failure),
        "kept_when_ended": !policies.remove_on_completion,
        "sequence": task.sequence.0,
        "created": task.created.0,
        "updated": task.updated.0,
        "runs": runs(task),
    })
}

fn on_failure(policy: &OnFailure) -> Value {
    match policy {
        OnFailure::Reassign { attempts, backoff } => json!({
            "reassign": attempts,
            "backoff_ms": backoff.base.as_millis() as u64,
            "backoff_max_ms": backoff.max.as_millis() as u64,
        }),
        OnFailure::Park => json!("park"),
        OnFailure::Remove => json!("remove"),
        other => json!(format!("{other:?}")),
    }
}

fn failure(failure: &TaskFailure) -> Value {
    let kind = match failure.kind {
        FailureKind::Start => "start",
        FailureKind::Run => "run",
    };
    json!({"kind": kind, "message": &*failure.message})
}

fn runs(task: &Record) -> Vec<Value> {
    let run = |run: &laneway::task::Run| {
        json!({
            "allocation": run.allocation.0,
            "node": run.node.as_str(),
            "since_ms": run.since.0,
            "until_ms": run.end.as_ref().map(|end| end.at.0),
            "end": run.end.as_ref().map(|end| run_end(end.how)),
            "error": run.end.as_ref().and_then(|end| end.error.as_deref()),
        })
    };
    task.history.runs().iter().map(run).collect()
}

fn run_end(how: RunOutcome) -> String {
    match how {
        RunOutcome::Completed => "completed".into(),
        RunOutcome::Failed(FailureKind::Start) => "failed to start".into(),
        RunOutcome::Failed(FailureKind::Run) => "failed".into(),
        RunOutcome::HandedBack => "handed back".into(),
        RunOutcome::NodeLost => "node lost".into(),
        RunOutcome::Cancelled => "cancelled".into(),
        other => format!("{other:?}"),
    }
}

pub(super) fn ended(end: &Ended) -> Value {
    json!({"id": end.id.as_str(), "outcome": outcome(end.outcome)})
}

pub(super) fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Completed => "completed".into(),
        Outcome::Failed => "failed".into(),
        Outcome::Cancelled => "cancelled".into(),
        Outcome::Removed => "removed".into(),
        other => format!("{other:?}"),
    }
}

fn phase(task: &Record) -> String {
    match &task.phase {
        Phase::Unassigned { not_before: None } => "waiting".into(),
        Phase::Unassigned { not_before: Some(_) } => "backing off".into(),
        Phase::Assigned { cancel_by: None, .. } => "assigned".into(),
        Phase::Assigned { cancel_by: Some(_), .. } => "cancelling".into(),
        Phase::Parked => "parked".into(),
        Phase::Ended(ending) => outcome(ending.outcome),
        other => format!("{other:?}"),
    }
}

fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

fn bytes_in_words(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a string takes everything
        text
    })
}

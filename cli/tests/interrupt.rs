//! SIGINT: the first drains a run, the second stops it.

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Bench, is_alive, story};

fn waits_at_a_gate() -> Vec<Value> {
    vec![
        json!({"id": "a", "key": "k", "run": "read _ < gate; echo a >> log"}),
        json!({"id": "b", "key": "k", "run": "echo b >> log"}),
        json!({"id": "c", "key": "other", "run": "read _ < gate-c; false", "retries": 1,
               "undo": "echo undone >> log"}),
    ]
}

#[test]
fn the_first_drains_what_runs_ends_and_nothing_begins() {
    let bench = Bench::new(&waits_at_a_gate()[..2]);
    bench.gate("gate");
    let mut run = bench.start(&[]);
    run.until("started", "a");
    run.signal(Signal::INT);
    run.until("draining", None);
    bench.open_gate("gate");
    assert_eq!(run.finish(), 3);
    assert_eq!(bench.log(), ["a"]);
    assert_eq!(story(&run.events)[1..], ["completed a 1", "cancelled b 0"]);
    let summary = run.events.last().expect("a summary");
    assert_eq!(summary["stopped_early"], true);
    assert_eq!((&summary["completed"], &summary["cancelled"]), (&json!(1), &json!(1)));
}

#[test]
fn a_job_that_runs_keeps_its_retries_and_its_undo_while_draining() {
    let bench = Bench::new(&waits_at_a_gate()[2..]);
    bench.gate("gate-c");
    let mut run = bench.start(&["--jobs", "1"]);
    run.until("started", "c");
    run.signal(Signal::INT);
    run.until("draining", None);
    bench.open_gate("gate-c");
    run.until("retry", "c");
    bench.open_gate("gate-c");
    assert_eq!(run.finish(), 1);
    assert_eq!(bench.log(), ["undone"]);
}

#[test]
fn the_second_stops_and_kills_what_runs() {
    let bench = Bench::new(&waits_at_a_gate());
    bench.gate("gate");
    bench.gate("gate-c");
    let mut run = bench.start(&["--jobs", "2"]);
    let first = run.until("started", "a");
    run.signal(Signal::INT);
    run.signal(Signal::TERM);
    assert_eq!(run.finish(), 3);
    assert!(!is_alive(&first["pid"].to_string()));
    let summary = run.events.last().expect("a summary").clone();
    let ended = summary["lost"].as_u64().expect("a count")
        + summary["cancelled"].as_u64().expect("a count");
    assert_eq!((ended, &summary["completed"]), (3, &json!(0)));
    assert!(!bench.log().iter().any(|line| line == "undone"));
}

#[test]
fn a_run_that_had_nothing_left_to_begin_is_not_stopped_early() {
    let bench = Bench::new(&waits_at_a_gate()[..1]);
    bench.gate("gate");
    let mut run = bench.start(&[]);
    run.until("started", "a");
    run.signal(Signal::INT);
    run.until("draining", None);
    bench.open_gate("gate");
    assert_eq!(run.finish(), 0);
}

//! `laneway run` before anything runs: the file, the command line, and what is refused with 64.

mod support;

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use support::{Bench, ran};

#[test]
fn a_bad_file_is_refused_before_anything_runs() {
    let good = r#"{"key":"k","run":"echo ran >> log"}"#;
    let table = [
        (r#"{"key":"k","run":"x","retry":1}"#, "jobs.jsonl:2: field \"retry\": unknown"),
        (r#"{"key":"k","run":"x""#, "jobs.jsonl:2: column"),
        (r#"{"key":"k","run":7}"#, "jobs.jsonl:2: field \"run\": expected a string or an array"),
        (
            r#"{"key":"k","run":"x","id":"1"}"#,
            "jobs.jsonl:2: field \"id\": \"1\" is the id of line 1",
        ),
        (r#"{"run":"x"}"#, "jobs.jsonl:2: field \"key\": missing"),
    ];
    for (bad, expected) in table {
        let bench = Bench::with_text(&format!("{good}\n{bad}\n{good}\n"));
        let ran = bench.run(&["--json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{bad}");
        assert!(ran.stderr.starts_with(&format!("laneway: {expected}")), "{}", ran.stderr);
        assert_eq!(bench.log(), [""; 0], "{bad}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let bench = Bench::new(&[]);
    for arguments in [&["--jobs", "0"][..], &["--no-such"], &["more"], &["--release", "k"]] {
        assert_eq!(bench.run(arguments).code, 64, "{arguments:?}");
    }
    let mistaken = bench.run(&["--state", "state", "--release", "no such"]);
    assert_eq!(mistaken.code, 64);
    assert!(mistaken.stderr.contains("no job has this key"), "{}", mistaken.stderr);
    std::fs::remove_file(bench.path("jobs.jsonl")).expect("removed");
    let ran = bench.run(&[]);
    assert_eq!(ran.code, 64);
    assert!(ran.stderr.starts_with("laneway: jobs.jsonl: No such file"), "{}", ran.stderr);
}

#[test]
fn an_output_folder_that_cannot_be_is_refused() {
    let bench = Bench::new(&[json!({"key": "k", "run": "echo ran >> log"})]);
    let ran = bench.run(&["--output", "jobs.jsonl/sub"]);
    assert_eq!((ran.code, bench.log().len()), (64, 0), "{ran:?}");
}

#[test]
fn a_dry_run_shows_each_key_in_order_and_runs_nothing() {
    let job = |id: &str, key: &str| json!({"id": id, "key": key, "run": "echo ran >> log"});
    let bench = Bench::new(&[job("1", "a"), job("2", "b"), job("3", "a")]);
    let ran = bench.run(&["--dry-run", "--json", "--state", "state"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.story(), ["planned 1 0", "planned 3 0", "planned 2 0"]);
    let summary = ran.summary();
    assert_eq!((&summary["jobs"], &summary["keys"]), (&json!(3), &json!(2)));
    let ran = bench.run(&["--dry-run"]);
    assert!(ran.stdout.ends_with("3 jobs over 2 keys would run\n"), "{}", ran.stdout);
    assert_eq!(bench.log().len(), 0);
    assert!(!bench.path("state").exists());
}

#[test]
fn a_dash_is_standard_input() {
    let bench = Bench::new(&[]);
    let mut command = bench.command(&["--json"]);
    let program = command.get_program().to_owned();
    command = std::process::Command::new(program);
    command.args(["run", "-"]).current_dir(bench.path(""));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(br#"{"key":"k","run":"echo ran >> log"}"#).expect("a reader");
    drop(stdin);
    assert_eq!(child.wait().expect("a status").code(), Some(0));
    assert_eq!(bench.log(), ["ran"]);
}

#[test]
fn a_refusal_that_nobody_can_be_told_is_still_one() {
    let bench = Bench::with_text("[]");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let mut command = bench.command(&[]);
    assert_eq!(command.stderr(full).status().expect("the binary").code(), Some(64));
}

#[test]
fn help_is_no_error() {
    let bench = Bench::new(&[]);
    let ran = ran({
        let mut command = bench.command(&[]);
        command.arg("--help");
        command
    });
    assert_eq!(ran.code, 0);
    for part in ["--jobs", "on_fail", "Exit codes"] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
}

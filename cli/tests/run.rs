//! `laneway run` in memory: order, attempts, undo, time-outs, what a failure means for a key.

mod support;

use serde_json::{Value, json};
use support::{Bench, is_alive};

/// A job that writes its id and attempt to the log, then runs `rest`.
fn logged(id: &str, key: &str, rest: &str) -> Value {
    let run = format!("echo $LANEWAY_ID $LANEWAY_ATTEMPT >> log; {rest}");
    json!({"id": id, "key": key, "run": run})
}

fn with(mut job: Value, field: &str, value: Value) -> Value {
    job[field] = value;
    job
}

#[test]
fn jobs_of_one_key_run_in_the_order_of_the_file() {
    let jobs: Vec<Value> =
        (0..30).map(|job| logged(&format!("{job}"), &format!("k{}", job % 3), "true")).collect();
    let bench = Bench::new(&jobs);
    let ran = bench.run(&["--json", "--jobs", "3"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for key in 0..3 {
        let of_key = |id: &str| id.parse::<usize>().expect("a number") % 3 == key;
        let order: Vec<String> =
            bench.log().into_iter().filter(|l| of_key(&l[..l.len() - 2])).collect();
        let expected: Vec<String> = (0..10).map(|turn| format!("{} 1", turn * 3 + key)).collect();
        assert_eq!(order, expected);
    }
    assert_eq!((&ran.summary()["completed"], &ran.summary()["jobs"]), (&json!(30), &json!(30)));
}

#[test]
fn the_end_of_a_job_is_told_before_the_start_of_the_next() {
    let jobs: Vec<Value> =
        (0..100).map(|job| json!({"key": format!("k{}", job % 4), "run": ["true"]})).collect();
    let ran = Bench::new(&jobs).run(&["--json", "--jobs", "4"]);
    let mut running = std::collections::HashMap::new();
    for event in ran.events() {
        let key = event["key"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("started") => assert_eq!(running.insert(key, event["id"].clone()), None),
            Some("completed") => assert_eq!(running.remove(&key), Some(event["id"].clone())),
            _ => {}
        }
    }
    assert!(running.is_empty());
}

#[test]
fn different_keys_run_at_the_same_time() {
    // Each side of a pipe waits for the other, so this ends only if both run.
    let bench = Bench::new(&[
        json!({"key": "a", "run": "echo > pipe"}),
        json!({"key": "b", "run": "read _ < pipe"}),
    ]);
    bench.gate("pipe");
    assert_eq!(bench.run(&["--jobs", "2"]).code, 0);
}

#[test]
fn no_more_commands_run_at_once_than_asked_for() {
    let jobs: Vec<Value> = (0..8)
        .map(|job| json!({"key": job.to_string(), "run": "mkdir only && rmdir only"}))
        .collect();
    let ran = Bench::new(&jobs).run(&["--jobs", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_job_is_tried_again_as_often_as_it_says() {
    let flaky = with(logged("f", "k", "[ $LANEWAY_ATTEMPT = 3 ]"), "retries", json!(2));
    let bench = Bench::new(&[flaky, logged("g", "k", "true")]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bench.log(), ["f 1", "f 2", "f 3", "g 1"]);
    let story = "started f 1,retry f 1,started f 2,retry f 2,started f 3,completed f 3,started g 1";
    assert_eq!(ran.story()[..7], *story.split(',').collect::<Vec<_>>());
    assert_eq!(ran.event("retry", "f")["cause"], json!({"kind": "exit", "code": 1}));
    assert_eq!(ran.summary()["retries"], 2);
}

#[test]
fn a_job_that_failed_for_good_makes_the_exit_code_2() {
    let bench = Bench::new(&[
        with(logged("f", "k", "echo why >&2; exit 7"), "retries", json!(1)),
        logged("g", "k", "true"),
    ]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 2);
    assert_eq!(bench.log(), ["f 1", "f 2", "g 1"]);
    let failed = ran.event("failed", "f");
    assert_eq!(failed["cause"], json!({"kind": "exit", "code": 7}));
    assert_eq!((&failed["attempt"], &failed["output_tail"]), (&json!(2), &json!("why\n")));
    assert_eq!(ran.summary()["exit_code"], 2);
}

#[test]
fn an_undo_runs_once_and_before_the_next_job() {
    let undo = json!("echo undo $LANEWAY_ID >> log");
    let bench = Bench::new(&[
        with(with(logged("f", "k", "false"), "undo", undo), "retries", json!(1)),
        logged("g", "k", "true"),
    ]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(bench.log(), ["f 1", "f 2", "undo f", "g 1"]);
    let story = "started f 1,retry f 1,started f 2,undoing f 2,rolled_back f 2,started g 1";
    assert_eq!(ran.story()[..6], *story.split(',').collect::<Vec<_>>());
}

#[test]
fn a_failed_undo_is_a_double_fault_and_the_key_goes_on() {
    let bench = Bench::new(&[
        with(logged("f", "k", "exit 3"), "undo", json!(["sh", "-c", "exit 4"])),
        logged("g", "k", "true"),
    ]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 2);
    let event = ran.event("double_fault", "f");
    assert_eq!(event["cause"], json!({"kind": "exit", "code": 3}));
    assert_eq!(event["rollback"], json!({"kind": "exit", "code": 4}));
    assert_eq!(bench.log(), ["f 1", "g 1"]);
}

#[test]
fn a_timeout_kills_the_whole_group_and_the_job_expires() {
    let line = "sh -c 'sleep 1000 & echo $! >> log; wait' & wait";
    let job = json!({"id": "t", "key": "k", "run": line, "timeout_ms": 200});
    let bench = Bench::new(&[job, json!({"id": "after", "key": "k", "run": "true"})]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.event("expired", "t")["attempt"], 1);
    ran.event("completed", "after");
    let log = bench.log();
    assert_eq!(log.len(), 1);
    assert!(!is_alive(&log[0]), "{log:?} still runs");
}

#[test]
fn a_job_that_timed_out_can_be_undone() {
    let job = json!({"id": "t", "key": "k", "run": "sleep 1000", "timeout_ms": 50, "undo": "true"});
    let ran = Bench::new(&[job]).run(&["--json"]);
    assert_eq!(ran.code, 1);
    let cause = json!({"kind": "timeout", "timeout_ms": 50});
    assert_eq!(ran.event("rolled_back", "t")["cause"], cause);
}

#[test]
fn hold_keeps_the_jobs_behind_a_failed_one() {
    let bench = Bench::new(&[
        with(logged("f", "k", "false"), "on_fail", json!("hold")),
        logged("g", "k", "true"),
        logged("h", "other", "true"),
        logged("i", "k", "true"),
    ]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let mut log = bench.log();
    log.sort();
    assert_eq!(log, ["f 1", "h 1"]);
    ran.event("held", "g");
    let summary = ran.summary();
    assert_eq!((&summary["held"], &summary["held_keys"]), (&json!(2), &json!(["k"])));
    assert_eq!((&summary["failed"], &summary["completed"]), (&json!(1), &json!(1)));
}

#[test]
fn fail_rest_takes_the_jobs_behind_along() {
    let bench = Bench::new(&[
        logged("e", "k", "true"),
        with(logged("f", "k", "false"), "on_fail", json!("fail-rest")),
        logged("g", "k", "true"),
        logged("h", "other", "true"),
        with(logged("i", "k", "true"), "undo", json!("echo no >> log")),
    ]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let mut log = bench.log();
    log.sort();
    assert_eq!(log, ["e 1", "f 1", "h 1"]);
    for id in ["g", "i"] {
        let event = ran.event("failed", id);
        assert_eq!(event["cause"], json!({"kind": "predecessor", "id": "f"}));
        assert_eq!(event["attempt"], 0);
    }
    assert_eq!(ran.summary()["failed"], 3);
}

#[test]
fn a_command_that_cannot_start_has_failed() {
    let ran = Bench::new(&[json!({"id": "x", "key": "k", "run": ["/no/such"]})]).run(&["--json"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.event("failed", "x")["cause"]["kind"], "system");
}

#[test]
fn output_goes_to_files_of_the_job() {
    let bench = Bench::new(&[
        json!({"id": "a/b", "key": "k", "run": "echo out; echo err >&2; [ $LANEWAY_ATTEMPT = 2 ]",
               "retries": 1}),
        json!({"id": "u", "key": "k", "run": "false", "undo": "echo undone"}),
    ]);
    let ran = bench.run(&["--output", "outputs"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stdout.contains("out\n"), "{ran:?}");
    assert_eq!(bench.text("outputs/a%2Fb.out"), "out\nout\n");
    assert_eq!(bench.text("outputs/a%2Fb.err"), "err\nerr\n");
    assert_eq!(bench.text("outputs/u.undo-out"), "undone\n");
}

#[test]
fn environment_and_folder_are_those_of_the_job() {
    let bench = Bench::new(&[json!({"key": "k", "run": "echo $A $LANEWAY_KEY > found",
                                    "env": {"A": "b"}, "cwd": "sub"})]);
    std::fs::create_dir(bench.path("sub")).expect("made");
    assert_eq!(bench.run(&[]).code, 0);
    assert_eq!(bench.text("sub/found"), "b k\n");
}

#[test]
fn plain_lines_and_a_report_are_for_people() {
    let bench = Bench::new(&[json!({"id": "a", "key": "k", "run": "exit 5"})]);
    let ran = bench.run(&[]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "started      a key=\"k\"");
    assert!(lines[1].starts_with("failed       a key=\"k\" after "), "{lines:?}");
    assert!(lines[1].ends_with(" ms: exit code 5"), "{lines:?}");
    assert!(lines[2].starts_with("1 jobs over 1 keys in "), "{lines:?}");
    assert!(lines[2].ends_with(": 1 failed"), "{lines:?}");
}

#[test]
fn an_empty_file_is_a_run_of_nothing() {
    let ran = Bench::with_text("\n").run(&["--json"]);
    assert_eq!((ran.code, &ran.summary()["jobs"]), (0, &json!(0)));
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let jobs: Vec<Value> = (0..20).map(|job| logged(&job.to_string(), "k", "true")).collect();
    let bench = Bench::new(&jobs);
    let mut command = bench.command(&["--json"]);
    let mut runner = command.stdout(std::process::Stdio::piped()).spawn().expect("the binary");
    drop(runner.stdout.take());
    assert_eq!(runner.wait().expect("a status").code(), Some(0));
    assert_eq!(bench.log().len(), 20);
}

//! `laneway run --state`: what a crash, a stop and a second run find.
//!
//! Judged by what the commands themselves wrote: a command that ran twice has two lines.

mod support;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{Bench, is_alive, story};

const STATE: [&str; 2] = ["--state", "state"];

/// Writes its attempt and its keeper's pid to the log, waits at `gate`, writes `end`, runs `rest`.
fn gated(id: &str, key: &str, rest: &str) -> Value {
    let run = format!(
        "echo $LANEWAY_ID $LANEWAY_ATTEMPT $PPID >> log; read _ < gate; \
         echo $LANEWAY_ID end >> log; {rest}"
    );
    json!({"id": id, "key": key, "run": run})
}

fn plain(id: &str, key: &str) -> Value {
    json!({"id": id, "key": key, "run": "echo $LANEWAY_ID >> log"})
}

/// The lines of the log without the pids.
fn log(bench: &Bench) -> Vec<String> {
    bench.log().iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_job_whose_end_is_recorded_never_runs_again() {
    let bench = Bench::new(&[
        plain("a", "k"),
        json!({"id": "b", "key": "k", "run": "echo b >> log; false", "undo": "echo undo >> log"}),
        plain("c", "l"),
    ]);
    assert_eq!(bench.run(&STATE).code, 1);
    assert_eq!(bench.log().len(), 4);
    let again = bench.run(&["--state", "state", "--json"]);
    assert_eq!((again.code, bench.log().len()), (1, 4), "{again:?}");
    assert_eq!(again.story(), ["recorded a 0", "recorded b 0", "recorded c 0"]);
    assert_eq!(again.event("recorded", "b")["outcome"], "rolled_back");
    let summary = again.summary();
    assert_eq!((&summary["recorded"], &summary["completed"]), (&json!(3), &json!(2)));
    let left = std::fs::read_dir(bench.path("state/attempts")).expect("a folder").count();
    assert_eq!(left, 0);
}

#[test]
fn a_command_that_outlives_its_runner_is_waited_for() {
    let bench = Bench::new(&[gated("a", "k", "true"), plain("b", "k")]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    run.kill();
    let mut again = bench.start(&STATE);
    assert_eq!(again.until("started", "a")["resumed"], true);
    bench.open_gate("gate");
    assert_eq!(again.finish(), 0);
    assert_eq!(log(&bench), ["a 1", "a end", "b"]);
    assert_eq!(
        story(&again.events),
        ["started a 1", "completed a 1", "started b 1", "completed b 1"]
    );
}

#[test]
fn a_command_that_ends_while_no_runner_lives_is_recorded() {
    let bench = Bench::new(&[gated("a", "k", "echo done; exit 4"), plain("b", "k")]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    run.kill();
    bench.open_gate("gate");
    // The lock of the attempt is free once the end is written.
    let attempt = bench.path("state/attempts/a.run-1");
    let lock = std::fs::File::open(attempt.join("lock")).expect("a lock");
    lock.lock_shared().expect("let go of");
    assert!(attempt.join("status").exists());
    drop(lock);
    let again = bench.run(&["--state", "state", "--json"]);
    assert_eq!(again.code, 2, "{again:?}");
    assert_eq!(log(&bench), ["a 1", "a end", "b"]);
    let failed = again.event("failed", "a");
    assert_eq!(failed["cause"], json!({"kind": "exit", "code": 4}));
    assert_eq!((&failed["attempt"], &failed["output_tail"]), (&json!(1), &json!("done\n")));
    assert_eq!(again.story(), ["failed a 1", "started b 1", "completed b 1"]);
}

#[test]
fn a_command_whose_keeper_is_killed_too_runs_again() {
    let bench = Bench::new(&[gated("a", "k", "true")]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    // The log tells the keeper's pid; the gate tells that the line is written.
    let mut log_line = String::new();
    while log_line.is_empty() {
        log_line = bench.text("log");
        std::thread::yield_now();
    }
    let keeper: i32 = log_line.split_whitespace().nth(2).expect("a pid").parse().expect("a pid");
    run.kill();
    kill_process(Pid::from_raw(keeper).expect("a pid"), Signal::KILL).expect("a process");
    let mut again = bench.start(&STATE);
    // It may still be dying when it is looked for; then it is first found alive.
    while again.until("started", "a").get("resumed").is_some() {}
    bench.open_gate("gate");
    assert_eq!(again.finish(), 0);
    assert_eq!(log(&bench), ["a 1", "a 1", "a end"]);
}

#[test]
fn attempts_and_the_undo_are_counted_across_a_crash() {
    let mut job = gated("a", "k", "false");
    job["retries"] = json!(1);
    job["undo"] = json!("echo undo; echo undo >> log; read _ < gate");
    let bench = Bench::new(&[job]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    bench.open_gate("gate");
    run.until("started", "a");
    run.kill();
    let mut again = bench.start(&STATE);
    assert_eq!(again.until("started", "a")["attempt"], 2);
    bench.open_gate("gate");
    again.until("undoing", "a");
    again.kill();
    let mut last = bench.start(&STATE);
    assert_eq!(last.until("undoing", "a")["resumed"], true);
    bench.open_gate("gate");
    assert_eq!(last.finish(), 1);
    assert_eq!(log(&bench), ["a 1", "a end", "a 2", "a end", "undo"]);
    assert_eq!(story(&last.events), ["undoing a 2", "rolled_back a 2"]);
}

#[test]
fn a_changed_job_file_is_refused_with_what_differs() {
    let bench = Bench::new(&[plain("a", "k"), plain("b", "k")]);
    assert_eq!(bench.run(&STATE).code, 0);
    bench.write_jobs(&[plain("a", "k"), plain("b", "other")]);
    let ran = bench.run(&STATE);
    assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{ran:?}");
    assert!(ran.stderr.contains("line 2: job \"b\" has another key"), "{ran:?}");
    assert_eq!(bench.log(), ["a", "b"]);
}

#[test]
fn a_second_runner_is_refused_while_the_first_lives() {
    let bench = Bench::new(&[gated("a", "k", "true")]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    let second = bench.run(&STATE);
    assert_eq!(second.code, 64, "{second:?}");
    assert!(second.stderr.contains("another runner uses this state directory"), "{second:?}");
    bench.open_gate("gate");
    assert_eq!(run.finish(), 0);
}

#[test]
fn what_a_drained_run_left_is_run_by_the_next() {
    let bench = Bench::new(&[gated("a", "k", "true"), plain("b", "k"), plain("c", "k")]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    run.signal(Signal::INT);
    run.until("draining", None);
    bench.open_gate("gate");
    assert_eq!(run.finish(), 3);
    let summary = run.events.last().expect("a summary");
    assert_eq!((&summary["completed"], &summary["waiting"]), (&json!(1), &json!(2)));
    let again = bench.run(&["--state", "state", "--json"]);
    assert_eq!((again.code, again.story().len()), (0, 5), "{again:?}");
    assert_eq!(log(&bench), ["a 1", "a end", "b", "c"]);
}

#[test]
fn a_stopped_command_is_killed_and_runs_again_as_the_same_attempt() {
    let mut job = gated("a", "k", "true");
    job["undo"] = json!("echo undo >> log");
    let bench = Bench::new(&[job]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    let mut line = String::new();
    while line.is_empty() {
        line = bench.text("log");
        std::thread::yield_now();
    }
    run.signal(Signal::INT);
    run.signal(Signal::TERM);
    assert_eq!(run.finish(), 3);
    assert!(!is_alive(line.split_whitespace().nth(2).expect("a pid")));
    let mut again = bench.start(&STATE);
    assert_eq!(again.until("started", "a")["attempt"], 1);
    bench.open_gate("gate");
    assert_eq!(again.finish(), 0);
    assert_eq!(log(&bench), ["a 1", "a 1", "a end"]);
}

#[test]
fn a_held_key_stays_held_until_it_is_released() {
    let bench = Bench::new(&[
        json!({"id": "a", "key": "k", "run": "false", "on_fail": "hold"}),
        plain("b", "k"),
        plain("c", "k"),
        plain("d", "l"),
    ]);
    assert_eq!(bench.run(&STATE).code, 3);
    let again = bench.run(&["--state", "state", "--json"]);
    assert_eq!((again.code, &again.summary()["held_keys"]), (3, &json!(["k"])), "{again:?}");
    assert_eq!(log(&bench), ["d"]);
    let released = bench.run(&["--state", "state", "--release", "k"]);
    assert_eq!(released.code, 2, "{released:?}");
    assert_eq!(log(&bench), ["d", "b", "c"]);
}

#[test]
fn the_rest_fails_also_when_it_is_the_next_run_that_finds_it() {
    let bench = Bench::new(&[
        json!({"id": "a", "key": "k", "run": "read _ < gate; false", "on_fail": "fail-rest"}),
        plain("b", "k"),
        plain("c", "k"),
    ]);
    bench.gate("gate");
    let mut run = bench.start(&STATE);
    run.until("started", "a");
    run.kill();
    bench.open_gate("gate");
    let again = bench.run(&["--state", "state", "--json"]);
    assert_eq!(again.code, 2);
    assert_eq!(again.event("failed", "c")["cause"], json!({"kind": "predecessor", "id": "a"}));
    assert_eq!(log(&bench), [""; 0]);
}

#[test]
fn output_goes_to_the_state_directory() {
    let bench = Bench::new(&[json!({"id": "a", "key": "k", "run": "echo out; echo err >&2"})]);
    assert_eq!(bench.run(&STATE).code, 0);
    assert_eq!(bench.text("state/output/a.out"), "out\n");
    assert_eq!(bench.text("state/output/a.err"), "err\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(bench.path("state")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_timeout_holds_under_a_keeper() {
    let bench = Bench::new(&[json!({
        "id": "a", "key": "k", "timeout_ms": 200,
        "run": "sh -c 'sleep 1000 & echo $! >> log; wait' & wait",
    })]);
    let ran = bench.run(&["--state", "state", "--json"]);
    assert_eq!(ran.code, 1);
    ran.event("expired", "a");
    assert!(!is_alive(&bench.log()[0]));
}

#[test]
fn an_end_that_was_told_is_recorded_whatever_happens_next() {
    let jobs: Vec<Value> = (0..8).map(|job| plain(&job.to_string(), "k")).collect();
    let bench = Bench::new(&jobs);
    for job in 0..7 {
        let mut run = bench.start(&STATE);
        run.until("completed", job.to_string().as_str());
        run.kill();
    }
    let last = bench.run(&["--state", "state", "--json"]);
    assert_eq!(last.code, 0, "{last:?}");
    for job in 0..7 {
        assert_eq!(last.event("recorded", &job.to_string())["outcome"], "completed");
    }
    assert_eq!(bench.log(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

/// The last event of each job: its name and the kind of its cause.
fn ends(events: &[Value]) -> std::collections::BTreeMap<String, String> {
    let told = events.iter().filter(|event| event["id"].is_string());
    let end = |e: &Value| format!("{} {} {}", e["event"], e["cause"]["kind"], e["attempt"]);
    told.map(|e| (e["id"].as_str().expect("an id").to_owned(), end(e))).collect()
}

#[test]
fn a_durable_run_ends_its_jobs_as_one_in_memory_does() {
    let kinds = [
        json!({"run": "true"}),
        json!({"run": "[ $LANEWAY_ATTEMPT = 2 ]", "retries": 2}),
        json!({"run": "exit 3", "retries": 1}),
        json!({"run": "kill -9 $$"}),
        json!({"run": ["/no/such/program"]}),
        json!({"run": "sleep 1000", "timeout_ms": 100}),
        json!({"run": "sleep 1000", "timeout_ms": 100, "undo": "true"}),
        json!({"run": "false", "undo": "true"}),
        json!({"run": "false", "undo": "exit 4"}),
        json!({"run": "true", "cwd": "no/such/folder"}),
    ];
    let mut jobs = Vec::new();
    for on_fail in ["continue", "hold", "fail-rest"] {
        for (kind, job) in kinds.iter().enumerate() {
            let key = format!("{on_fail}-{kind}");
            let mut head = job.clone();
            head["id"] = json!(key);
            head["key"] = json!(key);
            head["on_fail"] = json!(on_fail);
            jobs.push(head);
            for turn in 1..3 {
                jobs.push(json!({"id": format!("{key}.{turn}"), "key": key, "run": "true"}));
            }
        }
    }
    let bench = Bench::new(&jobs);
    let in_memory = bench.run(&["--json", "--jobs", "4"]);
    let durable = bench.run(&["--json", "--jobs", "4", "--state", "state"]);
    assert_eq!(ends(&in_memory.events()), ends(&durable.events()));
    assert_eq!((in_memory.code, durable.code), (3, 3));
    for count in
        ["completed", "failed", "rolled_back", "double_fault", "expired", "held", "retries"]
    {
        assert_eq!(in_memory.summary()[count], durable.summary()[count], "{count}");
    }
}

#[test]
fn the_longest_key_and_the_empty_one_run_with_a_state_directory() {
    let longest = "k".repeat(32 * 1024 - 1);
    let bench = Bench::new(&[plain("a", ""), plain("b", &longest), plain("c", "")]);
    let ran = bench.run(&STATE);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let order: Vec<String> = bench.log().into_iter().filter(|line| line != "b").collect();
    assert_eq!(order, ["a", "c"]);
    assert_eq!(bench.log().len(), 3);
}

#[test]
fn a_state_directory_that_is_damaged_is_refused_and_nothing_runs() {
    let bench = Bench::new(&[plain("a", "k")]);
    assert_eq!(bench.run(&STATE).code, 0);
    std::fs::write(bench.path("state/tasks/state.redb"), "not a store").expect("written");
    let ran = bench.run(&STATE);
    assert_eq!((ran.code, bench.log().len()), (64, 1), "{ran:?}");
    assert!(ran.stderr.contains("the state directory"), "{}", ran.stderr);
}

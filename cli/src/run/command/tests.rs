//! How a command ends, alone and with its group.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::*;

fn job(run: &str) -> JobSpec {
    let line = format!("{{\"id\":\"j\",\"key\":\"k\",\"run\":{run},\"env\":{{\"A\":\"b c\"}}}}");
    super::super::job_file::read("jobs", &mut line.as_bytes()).expect("a job").remove(0)
}

fn run(run: &str, timeout: Option<Duration>, stop: &Stop) -> (Result<(), Cause>, String) {
    adopt_orphans().expect("Linux");
    let job = job(run);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let both = file.reopen().expect("a file");
    let command = build(&job.run, &job, 3);
    let end = Process::start(command, both.try_clone().expect("a file"), both)
        .map_err(system)
        .and_then(|process| process.wait(timeout, stop));
    let mut text = String::new();
    file.reopen().expect("a file").read_to_string(&mut text).expect("text");
    (end, text)
}

fn run_on(line: &str) -> (Result<(), Cause>, String) {
    run(line, None, &Stop::new().expect("a counter"))
}

#[test]
fn a_command_sees_its_job_and_its_environment() {
    let (end, text) = run_on(r#""echo $LANEWAY_ID $LANEWAY_KEY $LANEWAY_ATTEMPT \"$A\"""#);
    assert_eq!((end, text.as_str()), (Ok(()), "j k 3 b c\n"));
    let (end, text) = run_on(r#"["printf", "%s|", "a b", "$A"]"#);
    assert_eq!((end, text.as_str()), (Ok(()), "a b|$A|"));
}

#[test]
fn a_status_that_is_not_success_is_a_cause() {
    assert_eq!(run_on(r#""exit 7""#).0, Err(Cause::Exit { code: 7 }));
    assert_eq!(run_on(r#""kill -9 $$""#).0, Err(Cause::Signal { signal: 9 }));
    let (end, _) = run_on(r#"["/no/such/program"]"#);
    assert!(matches!(end, Err(Cause::System { .. })), "{end:?}");
}

#[test]
fn what_the_leader_leaves_running_ends_with_it() {
    let (end, text) = run_on(r#""sleep 1000 & echo $!""#);
    assert_eq!(end, Ok(()));
    assert!(!Path::new("/proc").join(text.trim()).exists(), "{text} still runs");
}

#[test]
fn a_timeout_kills_the_whole_group() {
    let stop = Stop::new().expect("a counter");
    let deadline = Some(Duration::from_millis(50));
    let (end, text) = run(r#""sh -c 'sleep 1000 & echo $!; wait'; echo no""#, deadline, &stop);
    assert_eq!(end, Err(Cause::Timeout { timeout_ms: 50 }));
    assert!(!Path::new("/proc").join(text.trim()).exists(), "{text} still runs");
}

#[test]
fn a_timeout_kills_what_does_not_listen() {
    let stop = Stop::new().expect("a counter");
    let line = r#""trap '' TERM; while :; do sleep 0.05; done""#;
    let (end, _) = run(line, Some(Duration::from_millis(50)), &stop);
    assert_eq!(end, Err(Cause::Timeout { timeout_ms: 50 }));
}

#[test]
fn a_stop_ends_every_wait() {
    let stop = Arc::new(Stop::new().expect("a counter"));
    let waits: Vec<_> = (0..2)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || run(r#""sleep 1000""#, None, &stop).0)
        })
        .collect();
    stop.raise();
    for wait in waits {
        assert_eq!(wait.join().expect("no panic"), Err(Cause::Stopped));
    }
}

//! What the board takes, what it refuses, and what it tells.

use std::io::{self, Write};

use super::super::job_file;
use super::*;

/// What was told so far.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    /// `event id` of each line.
    fn story(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        let line = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let id = event["id"].as_str().unwrap_or("-").to_owned();
            format!("{} {id}", event["event"].as_str().expect("a name"))
        };
        text.lines().map(line).collect()
    }
}

/// Jobs 0, 1, 2 of key `k`, the first with `on_fail: hold`, and job 3 of key `l`.
fn board() -> (Board, Told) {
    let text = r#"{"id":"0","key":"k","run":"x","on_fail":"hold"}
        {"id":"1","key":"k","run":"x"}
        {"id":"2","key":"k","run":"x"}
        {"id":"3","key":"l","run":"x"}"#;
    let jobs = job_file::read("jobs", &mut text.as_bytes()).expect("jobs");
    let told = Told::default();
    let sink = Sink::Json(Box::new(told.clone()));
    (Board::new(Arc::new(Plan::new(jobs)), sink), told)
}

fn start(board: &Board, job: usize) {
    assert_eq!(board.begin(job), Ok(true));
    board.began(job, Phase::Run, 1, Began::Now { pid: None });
}

fn failed() -> Outcome {
    Outcome::Failed { cause: Cause::Exit { code: 1 } }
}

#[test]
fn a_job_does_not_begin_beside_the_one_before_it() {
    let (board, _) = board();
    start(&board, 0);
    let overlap = Overlap { id: "1".into(), previous: "0".into() };
    assert_eq!(board.begin(1), Err(overlap));
    board.end(0, &Outcome::Completed);
    assert_eq!(board.begin(1), Ok(true));
}

#[test]
fn only_the_first_end_counts() {
    let (board, told) = board();
    start(&board, 3);
    board.end(3, &Outcome::Completed);
    board.end(3, &failed());
    assert_eq!(told.story(), ["started 3", "completed 3"]);
}

#[test]
fn a_failed_hold_job_holds_what_is_behind_it_and_nothing_else() {
    let (board, told) = board();
    start(&board, 0);
    start(&board, 3);
    board.end(0, &failed());
    assert_eq!(board.begin(1), Ok(false));
    board.end(3, &Outcome::Completed);
    board.wait();
    assert_eq!(board.finish(Leftovers::End), 3);
    let story = ["started 0", "started 3", "failed 0", "held 1", "held 2", "completed 3"];
    assert_eq!(told.story()[..6], story);
}

#[test]
fn a_job_that_was_refused_while_draining_has_no_end_of_its_own() {
    let (board, told) = board();
    assert_eq!(board.interrupt(), Flow::Draining);
    assert_eq!(board.begin(3), Ok(false));
    board.end(3, &Outcome::Cancelled { started: true });
    board.wait();
    assert_eq!(board.finish(Leftovers::Stay), 3);
    assert_eq!(told.story(), ["draining -", "summary -"]);
}

#[test]
fn a_stopped_run_takes_no_ends_and_loses_what_ran() {
    let (board, told) = board();
    start(&board, 0);
    board.interrupt();
    assert_eq!(board.interrupt(), Flow::Stopped);
    assert!(!board.goes_on(0));
    board.end(0, &Outcome::Completed);
    board.wait();
    assert_eq!(board.finish(Leftovers::End), 3);
    let story = ["lost 0", "cancelled 1", "cancelled 2", "cancelled 3", "summary -"];
    assert_eq!(told.story()[3..], story);
}

#[test]
fn a_recorded_end_is_told_as_such_and_counts() {
    let (board, told) = board();
    board.recorded(0, &failed());
    board.hold_behind(0);
    board.recorded(3, &Outcome::Completed);
    board.wait();
    assert_eq!(board.finish(Leftovers::Stay), 3);
    assert_eq!(told.story()[..4], ["recorded 0", "held 1", "held 2", "recorded 3"]);
}

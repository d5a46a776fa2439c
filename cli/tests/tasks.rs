//! `laneway tasks` on directories that the library made, and what the library makes of its changes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use laneway::store::{Desk, FileStore};
use laneway::task::{Limits, NewTask, Phase, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

fn tasks(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_laneway");
    Command::new(program).arg("tasks").args(arguments).output().expect("it runs")
}

/// Runs to success; answers the lines.
#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = tasks(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs to a failure with this code; answers the complaint.
#[track_caller]
fn failed(code: i32, arguments: &[&str]) -> String {
    let output = tasks(arguments);
    let complaint = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
    assert!(complaint.starts_with("laneway: "), "{complaint}");
    complaint
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

struct Place {
    _parent: TempDir,
    path: PathBuf,
}

impl Place {
    /// A store with the tasks `a` and `b` in one lane, and `c` with params that are no text.
    fn new() -> Self {
        let parent = TempDir::new().expect("a directory");
        let path = parent.path().join("state");
        let mut desk = Place::desk(&path, FileStore::open);
        for (id, params) in [("a", &b"first"[..]), ("b", b"second"), ("c", b"\xff\x00")] {
            let mut task = NewTask::new(id, "copy").params(params);
            if id != "c" {
                task = task.lane(*b"lane 1");
            }
            let started = desk.apply(laneway::task::Command::Start(task), Timestamp(1_000));
            started.expect("the disk works").expect("a new id");
        }
        drop(desk);
        Self { _parent: parent, path }
    }

    fn desk<'p>(
        path: &'p Path,
        open: impl Fn(&'p Path) -> Result<FileStore, laneway::store::StoreError>,
    ) -> Desk<FileStore> {
        Desk::open(open(path).expect("free"), Limits::default()).expect("whole")
    }

    fn text(&self) -> &str {
        self.path.to_str().expect("text")
    }
}

#[test]
fn tasks_are_listed_as_a_table_and_as_json() {
    let place = Place::new();
    let table = done(&["list", place.text()]);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "NAME", "PHASE", "NODE", "FAILURES", "LANE"]);
    assert_eq!(rows[1], ["a", "copy", "waiting", "-", "0", "lane", "1"]);
    assert_eq!(rows.len(), 4);
    let listed = lines(&done(&["list", "--json", place.text()]));
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1]["params"]["text"], "second");
    assert_eq!(listed[2]["params"]["hex"], "ff00");
    assert_eq!(listed[2]["lane"], Value::Null);
}

#[test]
fn one_task_is_shown_and_explained() {
    let place = Place::new();
    let shown = done(&["show", place.text(), "a"]);
    assert!(shown.lines().any(|line| line == "name             copy"), "{shown}");
    let explained = done(&["explain", place.text(), "b"]);
    assert_eq!(explained, "waits for a, the head of its lane\n");
    let why = &lines(&done(&["explain", "--json", place.text(), "a"]))[0];
    assert_eq!(why["why"], "waits for a node with its executor and room");
    let history = &lines(&done(&["history", "--json", place.text(), "a"]))[0];
    assert_eq!(history["runs"], Value::Array(Vec::new()), "it never ran");
    assert_eq!(failed(1, &["show", place.text(), "nobody"]), "laneway: no task nobody\n");
}

#[test]
fn a_start_is_made_once_and_refused_with_other_params() {
    let place = Place::new();
    let start = ["start", "--json", place.text(), "d", "copy", "--params", "x", "--keep"];
    let first = &lines(&done(&start))[0];
    assert_eq!(
        (&first["created"], &first["task"]["kept_when_ended"]),
        (&true.into(), &true.into())
    );
    assert_eq!(lines(&done(&start))[0]["created"], false);
    let other = ["start", place.text(), "d", "copy", "--params", "y"];
    assert_eq!(failed(1, &other), "laneway: task d exists with another request\n");
    let desk = Place::desk(&place.path, FileStore::open_existing);
    assert_eq!(*desk.state().get("d").expect("it is there").params, *b"x");
}

#[test]
fn a_cancelled_task_ends_and_the_next_of_its_lane_heads_it() {
    let place = Place::new();
    let said = done(&["cancel", place.text(), "a"]);
    assert!(said.starts_with("a ended: cancelled\n"), "{said}");
    done(&["remove", place.text(), "c"]);
    let desk = Place::desk(&place.path, FileStore::open_existing);
    let left: Vec<&str> = desk.state().records().map(|it| it.id.as_str()).collect();
    assert_eq!(left, ["b"]);
    assert!(matches!(desk.state().explain("b"), Some(laneway::task::Explanation::NoSuitableNode)));
    drop(desk);
    let gone = failed(1, &["show", place.text(), "a"]);
    assert_eq!(gone, "laneway: task a is gone; it ended: cancelled\n");
}

#[test]
fn an_export_is_imported_and_verified() {
    let place = Place::new();
    let (dump, copy) = (place.path.with_extension("dump"), place.path.with_extension("copy"));
    let (dump, copy) = (dump.to_str().expect("text"), copy.to_str().expect("text"));
    assert_eq!(done(&["export", place.text(), dump]), "");
    assert_eq!(std::fs::read_to_string(dump).expect("written"), done(&["export", place.text()]));
    let whole = "whole: 3 tasks at revision 3, 0 of a newer version\n";
    assert_eq!(done(&["import", copy, dump]), whole);
    assert_eq!(done(&["verify", copy]), whole);
    assert_eq!(done(&["list", "--json", copy]), done(&["list", "--json", place.text()]));
    failed(64, &["import", copy, dump]); // it is taken
    failed(2, &["export", place.text(), dump]); // so is the file
    std::fs::write(dump, "laneway-tasks 1 0 0 0\nrecord 1 zz\n").expect("ours");
    let other = place.path.with_extension("other");
    let refused = failed(2, &["import", other.to_str().expect("text"), dump]);
    assert_eq!(refused, "laneway: damaged at line 2: not hexadecimal\n");
    assert!(!other.exists(), "nothing was made");
}

#[test]
fn damage_is_refused_with_its_place() {
    let place = Place::new();
    let file = place.path.join("state.redb");
    let mut bytes = std::fs::read(&file).expect("there");
    let at = bytes.windows(6).position(|it| it == b"second").expect("it is stored as it is");
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).expect("ours");
    let refused = failed(2, &["verify", place.text()]);
    assert!(refused.starts_with("laneway: damaged at "), "{refused}");
}

#[test]
fn a_directory_that_is_open_elsewhere_or_holds_no_tasks_is_refused() {
    let place = Place::new();
    let open = FileStore::open(&place.path).expect("free");
    assert!(failed(3, &["list", place.text()]).contains("is locked"));
    drop(open);
    let absent = place.path.with_extension("absent");
    failed(64, &["list", absent.to_str().expect("text")]);
    assert!(!absent.exists(), "looking makes nothing");
}

#[test]
fn a_task_that_a_killed_process_left_assigned_is_cancelled_at_once() {
    let place = Place::new();
    let mut desk = Place::desk(&place.path, FileStore::open_existing);
    let node = laneway::task::NodeId::from("n");
    let incarnation = laneway::task::Incarnation(1);
    let member = laneway::task::Member::new("n", incarnation).offer("copy", Default::default());
    let commands = [
        laneway::task::Command::NodeJoined { member: member.into() },
        laneway::task::Command::Assign { id: "a".into(), node },
    ];
    for command in commands {
        desk.apply(command, Timestamp(2_000)).expect("the disk works").expect("accepted");
    }
    let phase = &desk.state().get("a").expect("it is there").phase;
    assert!(matches!(phase, Phase::Assigned { .. }), "{phase:?}");
    drop(desk);
    let shown = &lines(&done(&["show", "--json", place.text(), "a"]))[0];
    assert_eq!((&shown["node"], &shown["runs"][0]["node"]), (&"n".into(), &"n".into()));
    let cancelled = &lines(&done(&["cancel", "--json", place.text(), "a"]))[0];
    assert_eq!(cancelled["ended"][0]["outcome"], "cancelled");
}

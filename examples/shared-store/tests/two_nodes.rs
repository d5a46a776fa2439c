//! Two processes, one key space: conflicts are retried, no update is lost, followers skip, and
//! ownership moves under load.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use laneway_shared_store::Store;

const JOBS: usize = 120;
const NAMES: [&str; 2] = ["one", "two"];

struct Node {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    fn start(database: &Path, name: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_laneway-shared-store"))
            .arg(database)
            .args([name, &JOBS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the node talks");
        line.trim_end().to_owned()
    }

    fn go_on(&mut self) {
        let mut input = self.input.take().expect("it goes on once");
        input.write_all(b"\n").expect("the node listens");
    }

    /// Its counts.
    fn end(mut self) -> BTreeMap<String, usize> {
        let line = self.line();
        assert!(self.process.wait().expect("it ends").success(), "{line}");
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, count)| (name.to_owned(), count.parse().expect("a number"))).collect()
    }
}

#[test]
fn no_update_is_lost_and_followers_skip_while_ownership_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("shared.sqlite");
    let store = Store::open(&database).expect("a store");
    for entity in 0..4 {
        store.give(&format!("entity-{entity}"), NAMES[entity % 2]).expect("given");
    }
    let mut nodes = NAMES.map(|name| Node::start(&database, name));
    for node in &mut nodes {
        assert_eq!(node.line(), "half");
    }
    // The other half comes while the entities move, back and forth and to the other node.
    for node in &mut nodes {
        node.go_on();
        assert_eq!(node.line(), "resumed");
    }
    for turn in 1..=11 {
        for entity in 0..4 {
            let owner = NAMES[(entity + turn) % 2];
            store.give(&format!("entity-{entity}"), owner).expect("given");
        }
    }
    let counts = nodes.map(Node::end);
    let sum = |what: &str| counts.iter().map(|counts| counts[what]).sum::<usize>();
    eprintln!("{counts:?}");

    assert_eq!(sum("failed"), 0, "every conflict is retried until it wins");
    assert!(sum("conflicts") >= 1, "the nodes met at one row");
    assert_eq!(sum("written") + sum("skipped") + sum("fenced"), 4 * JOBS);
    let value = |key: String| store.read(&key).expect("a row").value as usize;
    let rows: usize = (0..4).map(|row| value(format!("row-{row}"))).sum();
    assert_eq!(rows, 2 * JOBS, "both nodes have written each of their increments");
    let entities: usize = (0..4).map(|entity| value(format!("entity-{entity}"))).sum();
    assert_eq!(rows + entities, sum("written"), "an update was lost");
    assert!(
        sum("skipped") >= JOBS / 2,
        "the first half was skipped by the node that did not own it"
    );
    for entity in 0..4 {
        let history = store.history(&format!("entity-{entity}")).expect("a history");
        assert!(history.is_sorted_by_key(|(_, epoch)| *epoch), "{history:?}");
        for (node, epoch) in history {
            let owner = NAMES[(entity + epoch as usize - 1) % 2];
            assert_eq!(node, owner, "a node wrote in an epoch of the other");
        }
    }
}

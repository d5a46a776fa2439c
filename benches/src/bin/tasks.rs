//! What the rules of persistent tasks cost: one command beside many records, a pass, a diff, a node
//! beside many tasks, and all tasks of a lost node given away.
//!
//! `cargo run --release -p laneway-benches --bin tasks [RECORDS]` (default 1 000 000). Times are
//! medians; the last column of the node's rows is counted, not timed.

use std::sync::Arc;
use std::time::Instant;

use laneway::task::{
    Capacity, Change, Command, Duties, Incarnation, LeastLoaded, Ledger, Member, NewTask, NodeId,
    Record, State, TaskId, Timestamp, apply, apply_to, diff, fold, plan,
};

const NOW: Timestamp = Timestamp(1_000);

fn member(name: &str) -> Command {
    let capacity = Capacity { room: u32::MAX, weight: 1 };
    Command::NodeJoined {
        member: Arc::new(Member::new(name, Incarnation(1)).offer("run", capacity)),
    }
}

/// `count` tasks that wait, and these nodes.
fn state(count: usize, nodes: &[&str]) -> State {
    let mut state = State::default();
    for node in nodes {
        apply_to(&mut state, member(node), NOW).expect("a living node");
    }
    for number in 0..count {
        apply_to(&mut state, Command::Start(task(number)), NOW).expect("a new task");
    }
    state
}

fn task(number: usize) -> NewTask {
    NewTask::new(id(number), "run").params([number as u8; 64])
}

fn id(number: usize) -> TaskId {
    TaskId::from(format!("task-{number:08}"))
}

/// The median of what `run` takes, in microseconds.
fn median(times: usize, mut run: impl FnMut(usize)) -> f64 {
    let mut taken: Vec<f64> = (0..times)
        .map(|number| {
            let begun = Instant::now();
            run(number);
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[times / 2]
}

fn row(what: &str, measured: f64, unit: &str, bar: &str) {
    println!("| {what} | {measured:.2} {unit} | {bar} |");
}

fn commands(records: usize) {
    let mut now = state(records, &["a", "b", "c", "d"]);
    let step = 7919;
    let at = |number: usize| (number * step) % records;
    // Each on a state that readers hold too: the path to the record is copied, as in the service.
    let assign = median(1000, |number| {
        let node = NodeId::from(["a", "b", "c", "d"][number % 4]);
        let command = Command::Assign { id: id(at(number)), node };
        now = apply(&now, command, NOW).expect("it fits").0;
    });
    row("apply: assign", assign, "µs", "<= 10 µs");
    let update = median(1000, |number| {
        let allocation = now.get(id(at(number)).as_str()).expect("there").allocation;
        let value = [number as u8].into();
        let command = Command::UpdateState { id: id(at(number)), allocation, value };
        now = apply(&now, command, NOW).expect("in force").0;
    });
    row("apply: update state", update, "µs", "<= 10 µs");
    let before = now.clone();
    let complete = median(1000, |number| {
        let allocation = now.get(id(at(number)).as_str()).expect("there").allocation;
        let command = Command::Complete { id: id(at(number)), allocation, result: [].into() };
        now = apply(&now, command, NOW).expect("in force").0;
    });
    row("apply: complete", complete, "µs", "<= 10 µs");
    assert_eq!(diff(&before, &now).records.len(), 1000);
    let (one, _) = apply(&now, Command::Remove { id: id(1) }, NOW).expect("there");
    let found = median(1000, |_| assert_eq!(diff(&now, &one).records.len(), 1));
    row("diff of 1 change", found, "µs", "<= 50 µs");
}

fn pass(tasks: usize) {
    let waiting = state(tasks, &["a", "b", "c", "d"]);
    let each = median(5, |_| {
        let mut next = waiting.clone();
        let planned = plan(&next, usize::MAX, &mut LeastLoaded::default());
        assert_eq!(planned.len(), tasks);
        for command in planned {
            apply_to(&mut next, command, NOW).expect("what is planned fits");
        }
    });
    row(&format!("a pass over {tasks} tasks, each"), each / tasks as f64, "µs", "<= 4 µs");
}

fn node(tasks: usize) {
    let waiting = state(tasks, &["a"]);
    let duties = Duties { is_master: true, assign_max: usize::MAX, ..Duties::default() };
    let before = State::default();
    let mut now = fold(&waiting, &[], &duties, NOW, &mut LeastLoaded::default()).state;
    let mut ledger = Ledger::new("a".into());
    ledger.joined(Incarnation(1));
    let all: Vec<Change<Record>> = diff(&before, &now).records;
    assert_eq!(ledger.changed(&before, &now, &all).len(), tasks);
    let begun = ledger.visited();
    let taken = median(100, |number| {
        let id = id(number);
        let allocation = now.get(id.as_str()).expect("there").allocation;
        let complete = Command::Complete { id, allocation, result: [].into() };
        let (next, _) = apply(&now, complete, NOW).expect("in force");
        let changes = diff(&now, &next).records;
        ledger.changed(&now, &next, &changes);
        now = next;
    });
    let visited = (ledger.visited() - begun) as f64 / 100.0;
    row(&format!("node with {tasks} tasks, 1 change"), taken, "µs", "");
    row(&format!("node with {tasks} tasks, records visited"), visited, "", "= 1");
}

fn node_lost(tasks: usize) {
    let waiting = state(tasks, &["a"]);
    let duties = Duties { is_master: true, assign_max: usize::MAX, ..Duties::default() };
    let mut held = fold(&waiting, &[], &duties, NOW, &mut LeastLoaded::default()).state;
    for other in ["b", "c"] {
        apply_to(&mut held, member(other), NOW).expect("a living node");
    }
    let gone = vec![(NodeId::from("a"), Incarnation(1))];
    let duties = Duties { gone, ..duties };
    let taken = median(5, |_| {
        let after = fold(&held, &[], &duties, NOW, &mut LeastLoaded::default()).state;
        let moved = ["b", "c"].map(|node| after.held_by(&node.into()).count());
        assert_eq!(moved.iter().sum::<usize>(), tasks);
    });
    row(
        &format!("{tasks} tasks of a lost node given away, the rules alone"),
        taken / 1e6,
        "s",
        "<= 2 s",
    );
}

fn main() {
    let records = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1_000_000);
    println!("{records} records\n\n| workload | measured | bar |\n|---|---|---|");
    commands(records);
    pass(100_000);
    node(1_000);
    node(100_000);
    node_lost(100_000);
}

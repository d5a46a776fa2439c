//! The report at the end of a run, and which keys took longest.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::event::now_ms;
use super::exit;
use super::plan::Plan;
use super::tally::Tally;

/// How many slow keys are remembered.
const SLOWEST_MAX: usize = 5;
/// How many held keys are named.
const HELD_NAMED_MAX: usize = 100;

/// The time that each key was busy, and the keys with the most of it.
#[derive(Debug)]
pub(crate) struct Slowest {
    busy: Vec<Duration>,
    /// At most [`SLOWEST_MAX`] keys, the slowest first.
    top: Vec<usize>,
}

impl Slowest {
    pub(crate) fn new(keys: usize) -> Slowest {
        Slowest { busy: vec![Duration::ZERO; keys], top: Vec::new() }
    }

    /// A job of the key took this long. Times only grow, so who is not at the top now was not cut
    /// off wrongly before.
    pub(crate) fn add(&mut self, key: usize, took: Duration) {
        if took.is_zero() {
            return;
        }
        self.busy[key] += took;
        if !self.top.contains(&key) {
            self.top.push(key);
        }
        self.top.sort_by_key(|&key| std::cmp::Reverse(self.busy[key]));
        self.top.truncate(SLOWEST_MAX);
    }

    /// As [`top`](Self::top), with the time that `running` keys have been busy since then.
    pub(crate) fn top_now(
        &self,
        running: impl Iterator<Item = (usize, Duration)>,
    ) -> Vec<(usize, Duration)> {
        let mut top: Vec<_> = running.map(|(key, since)| (key, self.busy[key] + since)).collect();
        let runs: HashSet<usize> = top.iter().map(|(key, _)| *key).collect();
        top.extend(self.top().filter(|(key, _)| !runs.contains(key)));
        top.sort_by_key(|&(_, busy)| std::cmp::Reverse(busy));
        top.truncate(SLOWEST_MAX);
        top
    }

    /// The slowest keys with their times, the slowest first.
    pub(crate) fn top(&self) -> impl Iterator<Item = (usize, Duration)> {
        self.top.iter().map(|&key| (key, self.busy[key]))
    }
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    event: &'static str,
    at_ms: u64,
    took_ms: u64,
    exit_code: u8,
    jobs: usize,
    keys: usize,
    #[serde(flatten)]
    tally: &'a Tally,
    held_keys: Vec<&'a str>,
    slowest_keys: Vec<SlowKey<'a>>,
}

#[derive(Debug, Serialize)]
struct SlowKey<'a> {
    key: &'a str,
    jobs: usize,
    busy_ms: u64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        tally: &'a Tally,
        slowest: &Slowest,
        held_keys: &[usize],
        took: Duration,
    ) -> Report<'a> {
        let slow = |(key, busy): (usize, Duration)| {
            let key = &plan.keys[key];
            SlowKey { key: &key.name, jobs: key.jobs.len(), busy_ms: busy.as_millis() as u64 }
        };
        Report {
            event: "summary",
            at_ms: now_ms(),
            took_ms: took.as_millis() as u64,
            exit_code: exit::code(tally),
            jobs: plan.jobs.len(),
            keys: plan.keys.len(),
            tally,
            held_keys: held_keys
                .iter()
                .take(HELD_NAMED_MAX)
                .map(|&key| &*plan.keys[key].name)
                .collect(),
            slowest_keys: slowest.top().map(slow).collect(),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The report as one line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers have a JSON form")
    }
}

/// The counts that are not zero, with their names.
pub(crate) fn counts(tally: &Tally) -> String {
    let counts = [
        (tally.completed, "completed"),
        (tally.failed, "failed"),
        (tally.rolled_back, "rolled back"),
        (tally.double_fault, "double fault"),
        (tally.cancelled, "cancelled"),
        (tally.expired, "expired"),
        (tally.skipped, "skipped"),
        (tally.superseded, "superseded"),
        (tally.lost, "lost"),
        (tally.held, "held"),
        (tally.running, "running"),
        (tally.waiting, "waiting"),
        (tally.retries, "retries"),
    ];
    let named: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if named.is_empty() { "nothing to do".to_owned() } else { named.join(", ") }
}

/// The report for people.
impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took_ms as f64 / 1000.0;
        write!(f, "{} jobs over {} keys in {seconds:.1} s: ", self.jobs, self.keys)?;
        write!(f, "{}", counts(self.tally))?;
        if self.tally.recorded > 0 {
            write!(f, "\n{} of them had ended before this run", self.tally.recorded)?;
        }
        for slow in &self.slowest_keys {
            let seconds = slow.busy_ms as f64 / 1000.0;
            write!(f, "\nslow key {:?}: {seconds:.1} s for {} jobs", slow.key, slow.jobs)?;
        }
        for key in &self.held_keys {
            write!(f, "\nheld key {key:?}: its other jobs did not run")?;
        }
        if self.tally.stopped_early {
            write!(f, "\nstopped early")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_keys_stay_in_order_while_their_times_grow() {
        let mut slowest = Slowest::new(10);
        for (key, millis) in [(0, 5), (1, 9), (2, 1), (3, 2), (4, 3), (5, 4), (2, 9), (6, 0)] {
            slowest.add(key, Duration::from_millis(millis));
        }
        let top: Vec<_> = slowest.top().map(|(key, busy)| (key, busy.as_millis())).collect();
        assert_eq!(top, [(2, 10), (1, 9), (0, 5), (5, 4), (4, 3)]);
        let running = [(6, Duration::from_millis(8)), (0, Duration::from_millis(6))].into_iter();
        let now = slowest.top_now(running);
        assert_eq!(now.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 2, 1, 6, 5]);
    }

    #[test]
    fn the_summary_is_one_object_with_a_count_per_outcome() {
        let text = "{\"key\":\"k\",\"run\":\"x\"}\n".repeat(3);
        let jobs = super::super::job_file::read("jobs", &mut text.as_bytes()).expect("jobs");
        let plan = Plan::new(jobs);
        let tally = Tally { failed: 1, held: 2, keys_held: 1, ..Tally::default() };
        let mut slowest = Slowest::new(1);
        slowest.add(0, Duration::from_millis(7));
        let mut report = Report::new(&plan, &tally, &slowest, &[0], Duration::from_millis(9));
        report.at_ms = 5;
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "event": "summary", "at_ms": 5, "took_ms": 9, "exit_code": 3, "jobs": 3, "keys": 1,
                "completed": 0, "failed": 1, "rolled_back": 0, "double_fault": 0, "cancelled": 0,
                "expired": 0, "skipped": 0, "superseded": 0, "lost": 0, "held": 2, "running": 0,
                "waiting": 0, "retries": 0, "recorded": 0, "keys_held": 1, "stopped_early": false,
                "held_keys": ["k"], "slowest_keys": [{"key": "k", "jobs": 3, "busy_ms": 7}],
            })
        );
        assert!(report.to_string().contains("3 jobs over 1 keys in 0.0 s: 1 failed, 2 held\n"));
    }
}

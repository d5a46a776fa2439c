//! The audit: what the jobs themselves say, independent of the store that remembers their ends.
//!
//! A file in the state directory that every run appends to, one line and one `write` each, so that
//! lines of threads do not mix and a killed process leaves whole lines:
//!
//! ```text
//! begin PID         a run has opened the state (it holds the lock: no other run lives)
//! ran N             an attempt at job N begins
//! left N            that attempt is over, failed or not
//! did N             ... and was the one that succeeded (written before `left`)
//! recorded N        the store has answered that the end of job N is durable
//! ```
//!
//! At the start of a run the ends that the store knows are noted too, so that no `recorded` is
//! missing that a kill came between. [`Audit`] reads it all back and counts what must not be.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::plan::Plan;

/// What happened to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Ran,
    Left,
    Did,
    Recorded,
}

impl Entry {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Ran, "ran"),
        (Self::Left, "left"),
        (Self::Did, "did"),
        (Self::Recorded, "recorded"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(entry, _)| *entry == self).expect("all are listed").1
    }
}

/// The file, open for appending; shared by all threads.
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Opens it, and says that a run begins.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let journal = Self { file };
        journal.append(&format!("begin {}\n", std::process::id()))?;
        Ok(journal)
    }

    /// Appends an entry. Without it the audit would prove nothing, so callers fail with it.
    pub(crate) fn note(&self, entry: Entry, job: usize) -> io::Result<()> {
        self.append(&format!("{} {job}\n", entry.word()))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let written = (&self.file).write(line.as_bytes())?;
        if written == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// What a journal shows. All but the counts of runs and attempts must be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) runs: u64,
    pub(crate) attempts: u64,
    /// Jobs that ran after their end had been recorded.
    pub(crate) ran_again: u64,
    /// Attempts that began while another of the same key was under way in the same run.
    pub(crate) overlaps: u64,
    /// Attempts that began before the previous job of the key had succeeded.
    pub(crate) out_of_order: u64,
    /// Lines that are none of these: cut by a power loss, or not ours.
    pub(crate) unreadable: u64,
}

impl Audit {
    /// Reads a journal of jobs of `plan`.
    pub(crate) fn read(path: &Path, plan: &Plan) -> io::Result<Self> {
        let mut reading = Reading::new(plan);
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            reading.line(&String::from_utf8_lossy(&line?));
        }
        Ok(reading.audit)
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.ran_again == 0 && self.overlaps == 0 && self.out_of_order == 0
    }
}

/// What is known of a job.
#[derive(Clone, Copy, Default)]
struct Job {
    did: bool,
    recorded: bool,
    again: bool,
}

struct Reading<'a> {
    plan: &'a Plan,
    /// The job of the same key before each.
    before: Vec<Option<usize>>,
    jobs: Vec<Job>,
    /// Attempts under way, by key.
    under_way: Vec<u32>,
    audit: Audit,
}

impl<'a> Reading<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut last: Vec<Option<usize>> = vec![None; plan.paths.len()];
        let before =
            (0..).zip(&plan.events).map(|(job, event)| last[event.key as usize].replace(job));
        Self {
            before: before.collect(),
            plan,
            jobs: vec![Job::default(); plan.events.len()],
            under_way: vec![0; plan.paths.len()],
            audit: Audit::default(),
        }
    }

    fn line(&mut self, line: &str) {
        match parse(line, self.jobs.len()) {
            Some(Line::Begin) => {
                self.audit.runs += 1;
                self.under_way.fill(0); // with the run before, its attempts are gone
            }
            Some(Line::Entry(entry, job)) => self.entry(entry, job),
            None => self.audit.unreadable += 1,
        }
    }

    fn entry(&mut self, entry: Entry, job: usize) {
        let under_way = &mut self.under_way[self.plan.events[job].key as usize];
        match entry {
            Entry::Ran => {
                self.audit.attempts += 1;
                self.audit.overlaps += u64::from(*under_way > 0);
                *under_way += 1;
                let is_due = self.before[job].is_none_or(|before| self.jobs[before].did);
                self.audit.out_of_order += u64::from(!is_due);
                if self.jobs[job].recorded && !std::mem::replace(&mut self.jobs[job].again, true) {
                    self.audit.ran_again += 1;
                }
            }
            Entry::Left => *under_way = under_way.saturating_sub(1),
            Entry::Did => self.jobs[job].did = true,
            Entry::Recorded => self.jobs[job].recorded = true,
        }
    }
}

enum Line {
    Begin,
    Entry(Entry, usize),
}

fn parse(line: &str, job_count: usize) -> Option<Line> {
    let (word, number) = line.split_once(' ')?;
    let number: usize = number.parse().ok()?;
    if word == "begin" {
        return Some(Line::Begin);
    }
    let (entry, _) = Entry::ALL.iter().find(|(_, it)| *it == word)?;
    (number < job_count).then_some(Line::Entry(*entry, number))
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Change, plan};
    use super::*;

    /// Two jobs of one key (0 and 1), one of another (2).
    fn audit(lines: &[&str]) -> Audit {
        let change = |commit, path: &str| Change { commit, path: path.into(), to: None };
        let plan = plan(vec![change(0, "a"), change(1, "a"), change(2, "b")]);
        let mut reading = Reading::new(&plan);
        for line in lines {
            reading.line(line);
        }
        reading.audit
    }

    #[test]
    fn a_run_in_order_is_clean() {
        let seen = audit(&[
            "begin 1",
            "ran 0",
            "ran 2",
            "left 0",
            "ran 0",
            "did 0",
            "left 0",
            "recorded 0",
            "ran 1",
            "did 2",
            "did 1",
            "left 1",
            "left 2",
            "recorded 1",
            "recorded 2",
        ]);
        assert!(seen.is_clean());
        assert_eq!((seen.runs, seen.attempts, seen.unreadable), (1, 4, 0));
    }

    #[test]
    fn a_job_that_was_killed_before_it_was_recorded_may_run_again() {
        let seen = audit(&["begin 1", "ran 0", "did 0", "left 0", "begin 2", "ran 0"]);
        assert!(seen.is_clean());
    }

    #[test]
    fn a_recorded_job_that_runs_again_is_counted_once() {
        let seen = audit(&[
            "begin 1",
            "ran 0",
            "did 0",
            "left 0",
            "recorded 0",
            "begin 2",
            "ran 0",
            "left 0",
            "ran 0",
        ]);
        assert_eq!(seen.ran_again, 1);
    }

    #[test]
    fn two_attempts_of_a_key_at_once_are_counted() {
        assert_eq!(audit(&["begin 1", "ran 0", "did 0", "ran 1"]).overlaps, 1);
        assert_eq!(audit(&["begin 1", "ran 0", "ran 2"]).overlaps, 0);
    }

    #[test]
    fn a_job_before_its_turn_is_counted() {
        assert_eq!(audit(&["begin 1", "ran 1"]).out_of_order, 1);
        assert_eq!(audit(&["begin 1", "ran 0", "left 0", "ran 1"]).out_of_order, 1);
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        assert_eq!(audit(&["begin 1", "ra", "ran 99", "", "begin"]).unreadable, 4);
    }
}

//! What a replay says: lines for people, or JSON lines.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare::Difference;
use super::error::shown;
use super::history::Leaves;
use super::journal::Audit;
use super::plan::Plan;

/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// So many differences are printed; the rest is counted.
const DIFFERENCES_MAX: usize = 50;

/// What became of the jobs.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) total: usize,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    /// By earlier runs; they are among the completed and the failed as well.
    pub(crate) ended_before: u64,
    /// Beyond the first of each job.
    pub(crate) retries: u64,
    begin: Instant,
}

impl Tally {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, completed: 0, failed: 0, ended_before: 0, retries: 0, begin: Instant::now() }
    }

    /// A job has completed with its `attempts`th attempt.
    pub(crate) fn completed(&mut self, attempts: u64) {
        self.completed += 1;
        self.retries += attempts.saturating_sub(1);
    }

    pub(crate) fn failed(&mut self) {
        self.failed += 1;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    #[cfg(test)]
    Silent,
}

/// Where reports go: results to standard output, progress to standard error.
pub(crate) struct Report {
    form: Form,
    shows_progress: bool,
    last: Cell<Instant>,
}

impl Report {
    pub(crate) fn new(is_json: bool) -> Self {
        let shows_progress = !is_json && std::io::stderr().is_terminal();
        let form = if is_json { Form::Json } else { Form::Text };
        Self { form, shows_progress, last: Cell::new(Instant::now()) }
    }

    /// Says nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { form: Form::Silent, shows_progress: false, last: Cell::new(Instant::now()) }
    }

    pub(crate) fn planned(&self, plan: &Plan, commit_count: u32, seed: u64) {
        let (events, keys) = (plan.events.len(), plan.key_count());
        self.say(
            || format!("{commit_count} commits, {events} events over {keys} keys, seed {seed}"),
            || {
                json!({"event": "planned", "commits": commit_count, "jobs": events,
                      "keys": keys, "seed": seed})
            },
        );
    }

    /// Said only when there is something to resume.
    pub(crate) fn resumed(&self, tally: &Tally) {
        let Tally { ended_before, total, .. } = tally;
        if *ended_before > 0 {
            self.say(
                || format!("resuming: {ended_before} of {total} jobs have ended before"),
                || json!({"event": "resumed", "ended_before": ended_before, "jobs": total}),
            );
        }
    }

    /// What the journal shows of all runs on this state.
    pub(crate) fn audited(&self, audit: &Audit) {
        let Audit { runs, attempts, ran_again, overlaps, out_of_order, unreadable } = audit;
        self.say(
            || {
                format!(
                    "journal: {runs} runs, {attempts} attempts\n\
                     jobs whose end was recorded and that ran again: {ran_again}\n\
                     attempts beside another of their key: {overlaps}\n\
                     attempts before their turn: {out_of_order}"
                )
            },
            || {
                json!({"event": "audit", "runs": runs, "attempts": attempts,
                      "ran_again": ran_again, "overlaps": overlaps,
                      "out_of_order": out_of_order, "unreadable": unreadable})
            },
        );
    }

    /// A line of JSON only: for people the count is enough.
    pub(crate) fn completed(&self, plan: &Plan, index: usize, attempts: u64) {
        if self.form == Form::Json {
            let path = shown(plan.path(&plan.events[index]));
            let json = || {
                json!({"event": "completed", "id": index, "path": path,
                                 "attempts": attempts})
            };
            self.say(String::new, json);
        }
    }

    pub(crate) fn failed(&self, plan: &Plan, index: usize, cause: &str) {
        let path = shown(plan.path(&plan.events[index]));
        self.say(
            || format!("job {index} ({path}) failed: {cause}"),
            || json!({"event": "failed", "id": index, "path": path, "cause": cause}),
        );
    }

    /// At most once a second, on a terminal only.
    pub(crate) fn progress(&self, tally: &Tally) {
        if self.shows_progress && self.last.get().elapsed() >= PROGRESS_EVERY {
            self.last.set(Instant::now());
            eprint!("\r{} of {} jobs ended", tally.completed + tally.failed, tally.total);
        }
    }

    /// What became of the jobs, when all have ended.
    pub(crate) fn ended(&self, tally: &Tally) {
        if self.shows_progress {
            eprint!("\r");
        }
        let Tally { completed, failed, retries, begin, .. } = tally;
        let seconds = begin.elapsed().as_secs_f64();
        self.say(
            || format!("{completed} completed, {failed} failed, {retries} retries, {seconds:.1} s"),
            || {
                json!({"event": "ended", "completed": completed, "failed": failed,
                      "retries": retries, "seconds": seconds})
            },
        );
    }

    /// The last words: submodules, and the comparison.
    pub(crate) fn judged(&self, tally: &Tally, leaves: &Leaves, differences: &[Difference]) {
        let Tally { completed, failed, .. } = tally;
        for (path, commit) in &leaves.gitlinks {
            let path = shown(path);
            self.say(
                || format!("submodule, not written: {path} at {commit}"),
                || json!({"event": "submodule", "path": path, "commit": commit.to_string()}),
            );
        }
        for difference in differences.iter().take(DIFFERENCES_MAX) {
            let text = difference.to_string();
            self.say(|| text.clone(), || json!({"event": "difference", "what": text}));
        }
        let (count, leaf_count) = (differences.len(), leaves.versions.len());
        self.say(
            || match count {
                0 => format!("{leaf_count} paths compared\ntree identical"),
                _ => format!("{leaf_count} paths compared\ntree differs in {count} places"),
            },
            || {
                json!({"event": "summary", "tree_identical": count == 0, "differences": count,
                      "paths": leaf_count, "completed": completed, "failed": failed})
            },
        );
    }

    /// A standard output that nobody reads is no reason to fail.
    fn say(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let line = match self.form {
            Form::Text => text(),
            Form::Json => json().to_string(),
            #[cfg(test)]
            Form::Silent => return,
        };
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

//! `laneway replay`: the history of a git repository, run as keyed jobs, and judged.
//!
//! ```text
//! repository ──► history (changes) ──► plan (events with keys) ──► jobs, one lane a key
//!                                                                     │ write or remove a path
//!        tree of HEAD ──────────────► compare ◄─────────────────── DIR ▼
//! ```
//!
//! Every version that a path ever had on the first-parent history is written by a job of its own;
//! the jobs of a path form a lane. If any ran out of order, twice in a harmful way, at the same
//! time as another of its key, or not at all, then DIR would not be the tree of `HEAD`: the
//! demonstration checks itself, also with failures injected (`--fail-percent`), delays
//! (`--jitter-ms`) and, with `--state`, kills at any moment.
//!
//! Exit codes: 0 the trees are identical; 2 they differ, or a job failed; 64 it could not begin.

mod blobs;
mod compare;
mod delay;
mod durable;
mod error;
mod faults;
mod history;
mod job;
mod journal;
mod memory;
mod place;
mod plan;
mod report;
mod state;
mod step;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use blobs::Blobs;
use error::ReplayError;
use faults::Faults;
use git2::Repository;
use journal::{Audit, Journal};
use laneway::store::FileStore;
use place::{Durability, Place};
use report::{Report, Tally};
use state::State;
use step::Steps;

use crate::EXIT_USAGE;

/// What differing trees and failed jobs end with.
const EXIT_FAILED: u8 = 2;

/// The arguments of `laneway replay`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The repository to read, or a directory in its work tree; it is never written to.
    #[arg(value_name = "REPO")]
    repo: PathBuf,
    /// Where the tree is written: empty, absent, or left there by an earlier replay.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Where the replay keeps its state, to resume after being killed; one replay, one state.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How many jobs run at a time.
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: u16,
    /// Of 100 attempts so many fail, at random, and are made again.
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    fail_percent: u8,
    /// Each attempt is late by up to so many milliseconds, at random.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    jitter_ms: u64,
    /// What the injected failures and delays are drawn from; at random unless given.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Reports as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

fn default_jobs() -> u16 {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(512) as u16)
}

impl Args {
    fn faults(&self) -> Faults {
        // The standard library's hasher is keyed at random: randomness without another dependency.
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Faults {
            seed: self.seed.unwrap_or_else(random),
            fail_percent: self.fail_percent,
            jitter_max: Duration::from_millis(self.jitter_ms),
        }
    }
}

/// Runs the sub-command.
pub(crate) fn main(args: Args) -> ExitCode {
    match replay(&args, &Report::new(args.json)) {
        Ok(verdict) if verdict.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_FAILED),
        Err(why) => {
            crate::complain(&why);
            ExitCode::from(match why.has_begun() {
                true => EXIT_FAILED,
                false => EXIT_USAGE,
            })
        }
    }
}

/// What a replay came to.
struct Verdict {
    failed: u64,
    difference_count: usize,
    /// Of the journal, with a state directory.
    audit: Option<Audit>,
}

impl Verdict {
    fn is_good(&self) -> bool {
        let is_clean = self.audit.is_none_or(|audit| audit.is_clean());
        self.failed == 0 && self.difference_count == 0 && is_clean
    }
}

fn replay(args: &Args, report: &Report) -> Result<Verdict, ReplayError> {
    let repo = history::open(&args.repo)?;
    match &args.state {
        None => replay_in_memory(args, &repo, report),
        Some(state) => replay_with_state(args, &repo, State::open(state)?, report),
    }
}

fn replay_in_memory(
    args: &Args,
    repo: &Repository,
    report: &Report,
) -> Result<Verdict, ReplayError> {
    let history = history::read(repo, None)?;
    let place = Place::take(&args.into, Durability::Process)?;
    place.begin("a replay without a state").map_err(|why| in_dir(&args.into, why))?;
    let (faults, head) = (args.faults(), history.head);
    let plan = plan::plan(history.changes);
    report.planned(&plan, history.commit_count, faults.seed);
    let steps = Steps { plan, place, blobs: Blobs::of(repo), faults, journal: None };
    let steps = Arc::new(steps);
    let tally = memory::run(&steps, args.jobs, report)?;
    report.ended(&tally);
    judge(repo, head, &steps, &tally, report)
}

fn replay_with_state(
    args: &Args,
    repo: &Repository,
    mut state: State,
    report: &Report,
) -> Result<Verdict, ReplayError> {
    let history = history::read(repo, state.about().and_then(|about| about.head))?;
    let (faults, head) = (args.faults(), history.head);
    let plan = plan::plan(history.changes);
    let is_new = !state.tasks().exists();
    let about = state.settle(head, &plan)?;
    let place = Place::take(&args.into, Durability::Power)?;
    let owner = place.owner().map_err(|why| in_dir(&args.into, why))?;
    if owner.as_deref() != Some(&about.id) {
        // Without a task nothing has been written yet: the kill came in between.
        if !is_new {
            return Err(ReplayError::OtherDirectory(args.into.clone()));
        }
        place.begin(&about.id).map_err(|why| in_dir(&args.into, why))?;
    }
    report.planned(&plan, history.commit_count, faults.seed);
    let journal = Journal::open(&state.journal()).map_err(ReplayError::Journal)?;
    let steps = Steps { plan, place, blobs: Blobs::of(repo), faults, journal: Some(journal) };
    let steps = Arc::new(steps);
    let store = FileStore::open(state.tasks()).map_err(ReplayError::Store)?;
    let tally = durable::run(&steps, store, args.jobs, report)?;
    report.ended(&tally);
    let audit = Audit::read(&state.journal(), &steps.plan).map_err(ReplayError::Journal)?;
    report.audited(&audit);
    let verdict = judge(repo, head, &steps, &tally, report)?;
    Ok(Verdict { audit: Some(audit), ..verdict })
}

fn in_dir(dir: &Path, why: io::Error) -> ReplayError {
    ReplayError::Directory(dir.to_owned(), why)
}

/// Compares what was written with what history ends with.
fn judge(
    repo: &Repository,
    head: Option<git2::Oid>,
    steps: &Steps,
    tally: &Tally,
    report: &Report,
) -> Result<Verdict, ReplayError> {
    let leaves = match head {
        Some(head) => history::leaves(repo, head)?,
        None => history::Leaves::default(),
    };
    let differences = compare::compare(steps.place.root(), &leaves.versions, &steps.blobs)?;
    report.judged(tally, &leaves, &differences);
    Ok(Verdict { failed: tally.failed, difference_count: differences.len(), audit: None })
}

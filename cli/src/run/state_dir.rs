//! The state directory: what lets the same command resume.
//!
//! ```text
//! DIR/lock          held by the one runner that uses the directory
//! DIR/plan.jsonl    the jobs, in their canonical form: a later run must have the same
//! DIR/tasks/        the library's persistent tasks: one per job, its record is the job's end
//! DIR/attempts/     one directory per command that a keeper runs or has run; gone with the record
//! DIR/output/       what the commands print, unless the run names another folder
//! ```
//!
//! The directory is made with mode 0700: the job file may hold secrets, and so may outputs.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{Timespec, poll};
use serde_json::Value;

use super::job_file::{self, JobFileError, JobSpec};
use super::output::{Phase, file_name};

const PLAN: &str = "plan.jsonl";
const PLAN_DRAFT: &str = "plan.draft";

/// How many differences are told.
const TOLD_MAX: usize = 10;

/// Longer than any process needs from fork to exec.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// An open state directory; nobody else has it open.
#[derive(Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
    _lock: File,
}

/// Why a state directory cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum StateError {
    /// Another runner uses it: wait for it, or end it.
    InUse { root: PathBuf },
    /// It holds files and no jobs: choose an empty or a new one.
    NotOurs { root: PathBuf },
    /// It belongs to another job file; `differences` is never empty.
    OtherJobs { root: PathBuf, differences: Vec<Difference> },
    /// Its own copy of the jobs cannot be read.
    Plan(JobFileError),
    /// It could not be read or written.
    Io { path: PathBuf, error: io::Error },
}

/// How a job file differs from the one that the state directory knows.
#[derive(Debug, PartialEq)]
pub(crate) enum Difference {
    /// A job is new.
    Added { line: usize, id: String },
    /// A job is no longer there.
    Removed { id: String },
    /// A job asks for something else in these fields.
    Changed { line: usize, id: String, fields: Vec<String> },
    /// The jobs are the same, but their order is not: here for the first time.
    Moved { line: usize, id: String },
}

impl StateDir {
    /// Opens the directory for these jobs, or makes it.
    pub(crate) fn open(root: &Path, jobs: &[JobSpec]) -> Result<StateDir, StateError> {
        let io_at = |path: &Path| {
            let path = path.to_owned();
            move |error| StateError::Io { path, error }
        };
        make_folder(root).map_err(io_at(root))?;
        let root = fs::canonicalize(root).map_err(io_at(root))?;
        if !is_ours(&root).map_err(io_at(&root))? {
            return Err(StateError::NotOurs { root });
        }
        let lock_path = root.join("lock");
        let lock = open_private(&lock_path).map_err(io_at(&lock_path))?;
        if !take(&lock).map_err(io_at(&lock_path))? {
            return Err(StateError::InUse { root });
        }
        for folder in ["attempts", "output"] {
            let folder = root.join(folder);
            make_folder(&folder).map_err(io_at(&folder))?;
        }
        let plan = root.join(PLAN);
        match File::open(&plan) {
            Ok(known) => {
                let name = plan.to_string_lossy();
                let known = job_file::read_canonical(&name, &mut BufReader::new(known));
                let differences = differences(&known.map_err(StateError::Plan)?, jobs);
                if !differences.is_empty() {
                    return Err(StateError::OtherJobs { root, differences });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_plan(&plan, jobs).map_err(io_at(&plan))?;
            }
            Err(error) => return Err(io_at(&plan)(error)),
        }
        Ok(StateDir { root, _lock: lock })
    }

    /// Where the library keeps its tasks.
    pub(crate) fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// Where output goes unless the run says otherwise.
    pub(crate) fn output(&self) -> PathBuf {
        self.root.join("output")
    }

    /// Where the keeper of one command works.
    pub(crate) fn attempt(&self, id: &str, phase: Phase, attempt: u32) -> PathBuf {
        let name = match phase {
            Phase::Run => format!("{}.run-{attempt}", file_name(id)),
            Phase::Undo => format!("{}.undo", file_name(id)),
        };
        self.root.join("attempts").join(name)
    }

    /// Whether the job was begun.
    pub(crate) fn was_begun(&self, id: &str) -> bool {
        self.attempt(id, Phase::Run, 1).exists()
    }

    /// Whether a command of the job that comes after this one was begun.
    pub(crate) fn has_later(&self, id: &str, phase: Phase, attempt: u32) -> bool {
        phase == Phase::Run
            && (self.attempt(id, Phase::Run, attempt.saturating_add(1)).exists()
                || self.attempt(id, Phase::Undo, 0).exists())
    }

    /// Forgets the attempts of a job whose end is recorded.
    pub(crate) fn forget_attempts(&self, id: &str) -> io::Result<()> {
        let mut attempts = (1..).map(|attempt| self.attempt(id, Phase::Run, attempt));
        // From the last to the first, so that a crash in between leaves no gap.
        let made: Vec<PathBuf> = attempts.by_ref().take_while(|folder| folder.exists()).collect();
        let undo = self.attempt(id, Phase::Undo, 0);
        for folder in undo.exists().then_some(undo).iter().chain(made.iter().rev()) {
            fs::remove_dir_all(folder)?;
        }
        Ok(())
    }
}

/// Whether the directory is one of a run, or empty but for what a run makes before it has a plan.
fn is_ours(root: &Path) -> io::Result<bool> {
    if root.join(PLAN).exists() {
        return Ok(true);
    }
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if !["lock", "attempts", "output", PLAN_DRAFT].iter().any(|ours| name == *ours) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the lock; false if somebody has it.
///
/// A runner that was just killed may have left a child between fork and exec, which holds a copy of
/// the lock for that moment. So a lock that is held is asked for once more.
fn take(lock: &File) -> io::Result<bool> {
    let once = || match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    };
    if once()? {
        return Ok(true);
    }
    // No event tells the release of such a lock. An interruption only shortens the moment.
    let _ = poll(&mut [], Some(&MOMENT));
    once()
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

fn open_private(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Writes the jobs so that after a crash they are there whole or not at all.
fn write_plan(path: &Path, jobs: &[JobSpec]) -> io::Result<()> {
    let draft = path.with_file_name(PLAN_DRAFT);
    let mut file = open_private(&draft)?;
    file.set_len(0)?;
    let lines: String = jobs.iter().map(|job| job.line_text() + "\n").collect();
    file.write_all(lines.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(path.parent().expect("the plan is inside of the state directory"))?.sync_all()
}

/// How `jobs` differ from the `known` ones; empty if they are the same in the same order.
fn differences(known: &[JobSpec], jobs: &[JobSpec]) -> Vec<Difference> {
    let known_by_id: HashMap<&str, &JobSpec> = known.iter().map(|job| (&*job.id, job)).collect();
    let ids: BTreeSet<&str> = jobs.iter().map(|job| &*job.id).collect();
    let mut found = Vec::new();
    for job in jobs {
        let (line, id) = (job.line, job.id.clone());
        match known_by_id.get(&*job.id) {
            None => found.push(Difference::Added { line, id }),
            Some(known) => {
                let fields = changed_fields(known, job);
                if !fields.is_empty() {
                    found.push(Difference::Changed { line, id, fields });
                }
            }
        }
    }
    let removed = known.iter().filter(|job| !ids.contains(&*job.id));
    found.extend(removed.map(|job| Difference::Removed { id: job.id.clone() }));
    if found.is_empty()
        && let Some((_, job)) = known.iter().zip(jobs).find(|(known, job)| known.id != job.id)
    {
        found.push(Difference::Moved { line: job.line, id: job.id.clone() });
    }
    found
}

fn changed_fields(known: &JobSpec, job: &JobSpec) -> Vec<String> {
    let fields = |job: &JobSpec| match serde_json::to_value(job) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a job is written as an object"),
    };
    let (known, job) = (fields(known), fields(job));
    let names: BTreeSet<&String> = known.keys().chain(job.keys()).collect();
    names.into_iter().filter(|name| known.get(*name) != job.get(*name)).cloned().collect()
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::InUse { root } => {
                write!(f, "{}: another runner uses this state directory", root.display())
            }
            StateError::NotOurs { root } => {
                write!(f, "{}: not empty, and not the state directory of a run", root.display())
            }
            StateError::OtherJobs { root, differences } => {
                write!(f, "{}: this state directory is of another job file", root.display())?;
                for difference in differences.iter().take(TOLD_MAX) {
                    write!(f, "\n  {difference}")?;
                }
                match differences.len().saturating_sub(TOLD_MAX) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more differences"),
                }
            }
            StateError::Plan(error) => write!(f, "{error}"),
            StateError::Io { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Added { line, id } => write!(f, "line {line}: job {id:?} is new"),
            Difference::Removed { id } => write!(f, "job {id:?} is gone"),
            Difference::Changed { line, id, fields } => {
                write!(f, "line {line}: job {id:?} has another {}", fields.join(", "))
            }
            Difference::Moved { line, id } => {
                write!(f, "line {line}: job {id:?} stands in another place")
            }
        }
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StateError::InUse { .. }
            | StateError::NotOurs { .. }
            | StateError::OtherJobs { .. } => None,
            StateError::Plan(error) => Some(error),
            StateError::Io { error, .. } => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(text: &str) -> Vec<JobSpec> {
        job_file::read("jobs", &mut text.as_bytes()).expect("jobs")
    }

    const TWO: &str =
        "{\"id\":\"a\",\"key\":\"k\",\"run\":\"x\"}\n{\"id\":\"b\",\"key\":\"k\",\"run\":\"y\"}";

    #[test]
    fn the_same_jobs_open_it_again_whatever_their_layout() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("deep/state");
        drop(StateDir::open(&root, &jobs(TWO)).expect("made"));
        let spaced = TWO.replace(',', " , ").replace('\n', "\n\n");
        drop(StateDir::open(&root, &jobs(&spaced)).expect("opened again"));
    }

    #[test]
    fn a_job_of_any_length_that_is_accepted_opens_it_again() {
        let short = r#"{"key":"k","run":""}"#;
        let run = "x".repeat(job_file::LINE_MAX - short.len());
        let longest = short.replace(r#""""#, &format!("{run:?}"));
        assert_eq!(longest.len(), job_file::LINE_MAX);
        let folder = tempfile::tempdir().expect("a folder");
        drop(StateDir::open(folder.path(), &jobs(&longest)).expect("made"));
        StateDir::open(folder.path(), &jobs(&longest)).expect("opened again");
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("notes"), "mine").expect("written");
        let refused = StateDir::open(folder.path(), &jobs(TWO));
        assert!(matches!(refused, Err(StateError::NotOurs { .. })), "{refused:?}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_second_runner_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = StateDir::open(folder.path(), &jobs(TWO)).expect("made");
        let second = StateDir::open(folder.path(), &jobs(TWO));
        assert!(matches!(second, Err(StateError::InUse { .. })), "{second:?}");
        drop(first);
        StateDir::open(folder.path(), &jobs(TWO)).expect("free again");
    }

    #[test]
    fn other_jobs_are_refused_with_what_differs() {
        let table = [
            (
                TWO.replace("\"y\"", "\"z\",\"retries\":1"),
                "line 2: job \"b\" has another retries, run",
            ),
            (TWO.replace("\"b\"", "\"c\""), "line 2: job \"c\" is new\n  job \"b\" is gone"),
            (
                TWO.lines().rev().collect::<Vec<_>>().join("\n"),
                "line 1: job \"b\" stands in another",
            ),
        ];
        let folder = tempfile::tempdir().expect("a folder");
        drop(StateDir::open(folder.path(), &jobs(TWO)).expect("made"));
        for (text, expected) in table {
            let refusal = StateDir::open(folder.path(), &jobs(&text)).expect_err(&text).to_string();
            assert!(refusal.contains(expected), "{refusal}\n  not {expected}");
        }
    }

    #[test]
    fn the_attempts_of_a_job_are_forgotten_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path(), &jobs(TWO)).expect("made");
        for attempt in 1..=3 {
            fs::create_dir(state.attempt("a", Phase::Run, attempt)).expect("made");
        }
        fs::create_dir(state.attempt("a", Phase::Undo, 3)).expect("made");
        fs::create_dir(state.attempt("b", Phase::Run, 1)).expect("made");
        state.forget_attempts("a").expect("removed");
        let left = fs::read_dir(folder.path().join("attempts")).expect("a folder").count();
        assert_eq!(left, 1);
    }
}

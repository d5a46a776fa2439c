//! The job file: one JSON object a line, one keyed command each.
//!
//! Strict on purpose: a field that nobody knows, a second `retries` in one object or a number where
//! a string belongs is a mistake that would otherwise be found half-way through the run. So the
//! whole file is read and judged before the first command starts, and a refusal names file, line
//! and field. Blank lines are allowed; they count as lines.
//!
//! [`JobSpec::line_text`] writes the canonical form of a job: reading it back gives the same job,
//! whatever the layout of the original was. The state directory compares jobs in this form.
//!
//! Not here: anything that looks outside of the file (`cwd` may be made by an earlier job).

mod error;
mod field;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub(crate) use error::{Fault, JobFileError};
use field::Fields;

/// The longest line, in bytes: a bound on what one mistake can make the reader hold, and small
/// enough for the record of a persistent task.
pub(crate) const LINE_MAX: usize = 512 << 10;
/// How much longer the canonical form of a line may be: it names the fields that were left out.
const CANONICAL_MORE: usize = 256;
/// The longest key, in bytes: a byte less than the lane of a persistent task, see [`JobSpec::lane`].
pub(crate) const KEY_MAX: usize = (32 << 10) - 1;
/// The longest job id, in bytes: that of a persistent task.
pub(crate) const ID_MAX: usize = 512;
/// The longest `backoff_ms` and `timeout_ms`: thirty days.
pub(crate) const WAIT_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// One job, as the file asks for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct JobSpec {
    /// Where it stands in the file, counted from 1.
    #[serde(skip)]
    pub(crate) line: usize,
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) run: Script,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<Script>,
    pub(crate) retries: u32,
    #[serde(rename = "backoff_ms", serialize_with = "field::as_millis")]
    pub(crate) backoff: Duration,
    #[serde(rename = "timeout_ms", serialize_with = "field::as_optional_millis")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Duration>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) on_fail: OnFail,
}

/// A command: a line for `sh -c`, or a program with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Script {
    Shell(String),
    Argv(Vec<String>),
}

/// What a failure of the job means for the jobs behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFail {
    #[default]
    Continue,
    Hold,
    FailRest,
}

impl JobSpec {
    /// The job in its canonical form: one line of a job file, without the line feed.
    pub(crate) fn line_text(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and string maps have a JSON form")
    }

    /// The lane of the job's persistent task: its key behind a mark, because a lane has a name and a
    /// key may be empty.
    pub(crate) fn lane(&self) -> Vec<u8> {
        [b"k", self.key.as_bytes()].concat()
    }
}

/// Reads and judges a whole job file; `file` is its name in errors.
///
/// # Errors
/// The first line that is wrong, and the field in it.
pub(crate) fn read(file: &str, input: &mut impl BufRead) -> Result<Vec<JobSpec>, JobFileError> {
    read_lines(file, input, LINE_MAX)
}

/// [`read`] for lines that [`JobSpec::line_text`] wrote.
pub(crate) fn read_canonical(
    file: &str,
    input: &mut impl BufRead,
) -> Result<Vec<JobSpec>, JobFileError> {
    read_lines(file, input, LINE_MAX + CANONICAL_MORE)
}

fn read_lines(
    file: &str,
    input: &mut impl BufRead,
    line_max: usize,
) -> Result<Vec<JobSpec>, JobFileError> {
    let mut jobs: Vec<JobSpec> = Vec::new();
    let mut line_of_id: HashMap<String, usize> = HashMap::new();
    let mut text = Vec::new();
    for line in 1.. {
        let refuse = |fault| JobFileError { file: file.to_owned(), line, fault };
        text.clear();
        let taken = input.by_ref().take(line_max as u64 + 1).read_until(b'\n', &mut text);
        if taken.map_err(|error| refuse(Fault::Io(error)))? == 0 {
            break;
        }
        if text.len() > line_max {
            return Err(refuse(Fault::LineTooLong { max: line_max }));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let job = job(line, &text).map_err(refuse)?;
        if let Some(first) = line_of_id.insert(job.id.clone(), line) {
            return Err(refuse(Fault::DuplicateId { id: job.id, first }));
        }
        jobs.push(job);
    }
    Ok(jobs)
}

/// Reads one line.
fn job(line: usize, text: &[u8]) -> Result<JobSpec, Fault> {
    let mut fields = Fields::read(text)?;
    let job = JobSpec {
        line,
        id: fields.id("id")?.unwrap_or_else(|| line.to_string()),
        key: fields.key("key")?,
        run: fields.script("run")?.ok_or(Fault::Missing { field: "run" })?,
        undo: fields.script("undo")?,
        retries: fields.number("retries", 0, u64::from(u32::MAX))?.unwrap_or(0) as u32,
        backoff: fields.millis("backoff_ms", 0)?.unwrap_or_default(),
        timeout: fields.millis("timeout_ms", 1)?,
        env: fields.env("env")?,
        cwd: fields.path("cwd")?,
        on_fail: fields.on_fail("on_fail")?,
    };
    fields.end()?;
    Ok(job)
}

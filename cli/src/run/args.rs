//! The arguments of `laneway run`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// FILE holds one JSON object a line, blank lines aside. Jobs of one key run one at a time, in the
/// order of the file; different keys run in parallel.
///
/// Fields: `key` (string) and `run` (a string for `sh -c`, or an array: program and arguments) are
/// needed. May be given: `id` (string, default: the line number), `undo` (same forms as `run`),
/// `retries`, `backoff_ms`, `timeout_ms` (for each attempt, and for the undo), `env` (object of
/// strings), `cwd`, and `on_fail`: `continue` (default), `hold` (the jobs of the key behind this
/// one stay) or `fail-rest` (they fail).
#[derive(clap::Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Exit codes: 3 stopped early or keys still held; else 2 if a job failed, double-faulted or was
lost; else 1 if a job was rolled back, expired or was cancelled; else 0. 64 bad file or usage."
)]
pub(crate) struct Args {
    /// The job file; `-` is standard input
    pub(crate) file: PathBuf,

    /// Commands that run at once [default: one per available processor]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Write what each job prints to DIR/ID.out and DIR/ID.err [default with --state: STATE/output]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,

    /// Keep the progress in DIR, so that the same command resumes after a crash
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Run the jobs of KEY that an earlier run left behind a failed `hold` job (may be repeated)
    #[arg(long, value_name = "KEY", requires = "state")]
    pub(crate) release: Vec<String>,

    /// Print one JSON object per event, and a summary
    #[arg(long)]
    pub(crate) json: bool,

    /// Check the file and print what would run; run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

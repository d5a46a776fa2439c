//! The arguments of `laneway run`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What the help says about files and codes.
const AFTER_HELP: &str = "\
FILE holds one JSON object a line. Fields:
  key         string; jobs of one key run one at a time, in the order of the file
  run         string for `sh -c`, or an array: program and arguments
  id          string, different for each job [default: the line number]
  undo        same forms as `run`; runs once if the job was started and does not complete
  retries     how often `run` is run again after a failure [default: 0]
  backoff_ms  wait before the first of them; doubles, up to a minute [default: 0]
  timeout_ms  for each attempt and for the undo; then its process group is killed
  env         object of strings, on top of ours and LANEWAY_ID, _KEY, _ATTEMPT
  cwd         where it runs [default: here]
  on_fail     what a failure does to the key's other jobs: continue (default: they run),
              hold (they stay) or fail-rest (they fail)

Interrupt once to drain (what runs may finish), twice to stop.

Exit codes: 3 stopped early or keys still held; else 2 if a job failed, double-faulted or was
lost; else 1 if a job was rolled back, expired or was cancelled; else 0. 64 bad file or usage.";

/// The arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER_HELP)]
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

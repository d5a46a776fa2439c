//! `laneway replay`: the history of a git repository, run as keyed jobs.

use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `laneway replay`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The repository to read; it is never written to.
    pub(crate) repo: PathBuf,
    /// Where the tree is written: empty, absent, or left there by an earlier replay.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
}

/// Runs the sub-command.
pub(crate) fn main(args: Args) -> ExitCode {
    let _ = (args.repo, args.into);
    unimplemented!("replay lands with the coordinator")
}

//! The keeper: a small process that runs one command and records its end durably.

use std::process::ExitCode;

/// The arguments of `laneway keeper`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the sub-command.
pub(crate) fn main(_args: Args) -> ExitCode {
    unimplemented!("the keeper lands next")
}

//! The `laneway` command: reads its arguments and hands over to one module per sub-command.
//!
//! Each module owns its arguments (`Args`), its work (`main`) and the exit code it answers with.
//! Usage errors end with 64 (`EX_USAGE`), so that they are never taken for a job's failure.

#![forbid(unsafe_code)]

mod keeper;
mod replay;
mod run;
mod tasks;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// What a wrong command line ends with.
pub(crate) const EXIT_USAGE: u8 = 64;

/// Work that is fast, in order, and survives.
#[derive(Parser)]
#[command(name = "laneway", version, about)]
struct Laneway {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Runs a file of keyed commands: in order per key, in parallel across keys.
    Run(run::Args),
    /// Replays the history of a git repository into a directory and compares it with HEAD.
    Replay(replay::Args),
    /// Lists, explains, starts, cancels and removes persistent tasks; copies and verifies them.
    Tasks(tasks::Args),
    /// Runs one command and records its end (started by `run`, not by hand).
    #[command(hide = true)]
    Keeper(keeper::Args),
}

fn main() -> ExitCode {
    let laneway = match Laneway::try_parse() {
        Ok(laneway) => laneway,
        Err(refusal) => return refuse(&refusal),
    };
    match laneway.command {
        Command::Run(args) => run::main(&args),
        Command::Replay(args) => replay::main(args),
        Command::Tasks(args) => tasks::main(&args),
        Command::Keeper(args) => keeper::main(args),
    }
}

/// Says on standard error what went wrong. Somebody who cannot be told is no reason to panic: the
/// exit code still speaks.
pub(crate) fn complain(why: &dyn Display) {
    let _ = writeln!(io::stderr(), "laneway: {why}");
}

/// Prints help and versions as success, everything else as a usage error.
fn refuse(refusal: &clap::Error) -> ExitCode {
    // A closed standard output is no reason to fail: there is nobody left to tell.
    let _ = refusal.print();
    if refusal.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
}

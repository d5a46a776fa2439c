//! The keeper: a small process that runs one command and records its end, whoever dies meanwhile.
//!
//! A runner that ran commands as its own children would lose, with its own life, the only copy of
//! their exit status, and could not tell after a restart what still runs. So each durable command
//! gets a directory, and a process of its own that does nothing else:
//!
//! ```text
//! runner ── spawn(dir) ──► keeper (own session) ── stage (own group) ── exec ──► the command
//!    │   takes `lock`,        waits, ends it at        parent-death signal,
//!    │   hands it on          its timeout, writes      writes `running`,
//!    ▼                        `status`                 refuses or execs
//! probe(dir) ──► Recorded(end) | Alive(watch) | Gone
//! ```
//!
//! The directory of one attempt (0700, on a local file system):
//!
//! | file | written by | says |
//! |---|---|---|
//! | `lock` | nobody (`refused` by the stage) | while it is held (`flock`), the command runs or may yet start |
//! | `running` | the stage, before exec | boot id, and pid and start time of the keeper and of the command |
//! | `status` | the keeper, at the end | how it ended: temporary file, sync, rename, sync of the directory |
//!
//! # Why nothing runs twice at once
//!
//! **The lock is handed on, never taken over.** The runner takes it before it starts the keeper and
//! passes the open file as the keeper's standard input; the keeper passes it to the stage in the
//! same way. An `flock` belongs to the open file, so there is no instant between "the runner has
//! it" and "the keeper has it": a runner killed anywhere leaves it with the keeper, or with nobody
//! and then nothing was started. The kernel drops it when the last holder is gone. The stage holds
//! it until exec, the command never does (its standard input is `/dev/null`; every other descriptor
//! is close-on-exec). Hence, whoever gets the lock knows: no keeper lives, none will come, and no
//! stage is under way; if the command ever started then `running` is there.
//!
//! The other way round it is weaker: any process that the runner is just starting holds copies of
//! all its locks until its exec. A lock that is held may thus be free a moment later, and then
//! [`spawn`] answers `Busy`, or [`probe`] `Alive`, without a keeper: probe again.
//!
//! With the lock in hand [`probe`] looks for `status`, which answers everything, and otherwise ends
//! what is left of the command *before* it answers [`Found::Gone`].
//!
//! | killed with SIGKILL | what the next `probe` finds |
//! |---|---|
//! | runner before the keeper's fork | lock free, no `running`: `Gone`, nothing ever ran |
//! | runner after it | lock held: `Alive`; later `status`: `Recorded` |
//! | keeper before `running` | the stage dies by the parent-death signal or, when the keeper died before that was asked for, sees that its parent is another and refuses: `Gone` |
//! | keeper after `running` | the command dies by the parent-death signal; what it started is ended by `probe`: `Gone` |
//! | keeper between the command's exit and the rename of `status` | `Gone`: the end is lost, the job runs again |
//! | keeper after the rename | `Recorded` |
//! | the command, or one that it started | nothing special: the keeper records the end |
//! | everything, by power loss | another boot id: nothing to end; `status` whole or absent |
//!
//! # Whom `probe` ends
//!
//! The command's *session*, which is numbered by the keeper's pid: a group would miss what shells
//! with job control or `timeout` put into groups of their own. Numbers return, so a session counts
//! as ours only on evidence: the boot id is the one recorded, and a member either has the recorded
//! pid and start time or carries this keeper's mark (`LANEWAY_KEEPER`) in its environment. A number
//! is not given again while a session uses it, so one member that is ours makes all of them ours.
//! Each is signalled through a pidfd that is opened first and checked second. Members that cannot be
//! looked at, because they run as somebody else, are reported and nothing is run beside them.
//!
//! # Ends
//!
//! The *keeper* enforces the timeout (monotonic clock), so it holds while the runner is dead. At the
//! timeout, or when [`Watch::stop`] asks for it, the session gets SIGTERM and after the grace period
//! SIGKILL. What a command leaves running in its session when it exits is killed before its end is
//! recorded: the next job of its key must not meet it. A full disk does not lose an end: the keeper
//! keeps trying to write it, holding the lock, until that works or it is asked to stop.
//!
//! # Limits
//!
//! * What leaves the session (`setsid`, daemons, containers, another laneway) is out of reach.
//! * A set-user-id command drops the parent-death signal, and may not be ours to end: `probe` then
//!   answers [`KeeperError::Unkillable`] and nothing is run beside it.
//! * Orphans of a killed keeper that all wiped their environment are not recognised as ours.
//! * Linux 5.3 or newer, `/proc` mounted.
//!
//! What else was considered, and what this costs: `docs/decisions/keeper.md`.
//!
//! Not here: which jobs there are, what an end means for them, where output goes (files that the
//! caller opens; never pipes, which would die with the runner).

mod error;
mod identity;
mod keep;
mod record;
mod session;
mod stage;
mod wait;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use error::KeeperError;
pub(crate) use record::End;
pub(crate) use watch::{Found, Order, Watch, probe, spawn};

/// The arguments of `laneway keeper`: one command, and where to record its end.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The keeper's identity: run as its stage, one exec away from the command.
    #[arg(long, value_name = "PID.START")]
    stage: Option<String>,
    /// Ends the command after so long.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// How long the command may take to end by itself once it was asked to.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    grace_ms: u64,
    /// The directory of this attempt.
    dir: PathBuf,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    argv: Vec<OsString>,
}

/// Runs the sub-command: the keeper itself, or its stage. What goes wrong here is said on standard
/// error, which is the command's own output file.
pub(crate) fn main(args: Args) -> ExitCode {
    let done = match &args.stage {
        Some(keeper) => stage::refuse_or_exec(&args.dir, keeper, &args.argv),
        None => keep::keep(&keep::Duty {
            dir: &args.dir,
            argv: &args.argv,
            timeout: args.timeout_ms.map(Duration::from_millis),
            grace: Duration::from_millis(args.grace_ms),
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // The disk may be full: the exit code still speaks.
            let _ = writeln!(io::stderr(), "laneway keeper: {why}");
            ExitCode::FAILURE
        }
    }
}

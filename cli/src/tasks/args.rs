//! The arguments of `laneway tasks`.

use std::path::PathBuf;

/// What the help says about directories and codes.
const AFTER_HELP: &str = "\
DIR is a directory of persistent tasks, or the state directory of `laneway run`. It must not be
open elsewhere: what a running program does with its tasks is that program's to say.

Exit codes: 0 done; 1 refused (say no such task); 2 the directory is damaged, or cannot be read or
written; 3 somebody else has it open; 64 usage, or there are no tasks in DIR.";

/// The arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Lists all tasks
    List {
        /// Where the tasks are
        directory: PathBuf,
    },
    /// Shows everything that is known of one task
    Show {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Says why a task is where it is
    Explain {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Lists the last runs of a task
    History {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Starts a task: it runs when a program with its executor opens the directory
    Start(StartArgs),
    /// Ends a task as cancelled
    Cancel {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Lets a parked task be assigned again
    Resume {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Removes a task's record
    Remove {
        /// Where the tasks are
        directory: PathBuf,
        /// The task
        id: String,
    },
    /// Writes everything as text
    Export {
        /// Where the tasks are
        directory: PathBuf,
        /// A new file [default: standard output]
        to: Option<PathBuf>,
    },
    /// Makes a new directory of what `export` wrote
    Import {
        /// Absent or empty
        directory: PathBuf,
        /// What `export` wrote [default: standard input]
        from: Option<PathBuf>,
    },
    /// Reads everything and says whether it is whole
    Verify {
        /// Where the tasks are
        directory: PathBuf,
    },
}

/// A task to be started.
#[derive(clap::Args, Debug)]
pub(crate) struct StartArgs {
    /// Where the tasks are
    pub(crate) directory: PathBuf,
    /// The task: a repeated start with the same request finds it
    pub(crate) id: String,
    /// The executor
    pub(crate) name: String,
    /// What the executor gets
    #[arg(long, value_name = "TEXT", conflicts_with = "params_file")]
    pub(crate) params: Option<String>,
    /// A file with what the executor gets
    #[arg(long, value_name = "FILE")]
    pub(crate) params_file: Option<PathBuf>,
    /// Tasks of one lane run one at a time, in the order of their starts
    #[arg(long)]
    pub(crate) lane: Option<String>,
    /// Keep the record, with its result, when the task has ended
    #[arg(long)]
    pub(crate) keep: bool,
}

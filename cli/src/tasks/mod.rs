//! `laneway tasks`: what persistent tasks a directory holds, and changes of them.
//!
//! The directory is a store's own or the state directory of `laneway run`. Nobody else may have it
//! open: then nothing of it runs, and a change is made here, by the same rules as everywhere.
//!
//! | file | noun |
//! |---|---|
//! | `args.rs` | the command line |
//! | `failure.rs` | why it did not work, and the exit code |
//! | `view.rs` | a task as JSON, and as a line of a table |
//!
//! Exit codes: 0 done; 1 refused (no such task, another request has this id, …); 2 the directory is
//! damaged or cannot be read or written; 3 somebody else has it open; 64 usage, or no tasks there.

mod args;
mod failure;
mod view;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use laneway::store::{Desk, FileStore, Store, export, import};
use laneway::task::{
    Answer, Command, Effects, Limits, NewTask, Policies, Record, State, TaskId, Timestamp,
};
use serde_json::{Value, json};

pub(crate) use args::Args;
use args::{Action, StartArgs};
use failure::Failure;

/// Runs the sub-command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = act(args, &mut out).and_then(|()| out.flush().map_err(Failure::Output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough is no failure.
        Err(Failure::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(why) => {
            crate::complain(&why);
            ExitCode::from(why.code())
        }
    }
}

fn act(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let json = args.json;
    match &args.action {
        Action::List { directory } => view::list(open(directory)?.state(), json, out),
        Action::Show { directory, id } => {
            let desk = open(directory)?;
            view::show(found(desk.state(), id)?, json, out)
        }
        Action::Explain { directory, id } => {
            let desk = open(directory)?;
            found(desk.state(), id)?;
            view::explain(desk.state(), id, json, out)
        }
        Action::History { directory, id } => {
            let desk = open(directory)?;
            view::history(found(desk.state(), id)?, json, out)
        }
        Action::Start(start) => change(&start.directory, new_task(start)?, json, out),
        Action::Cancel { directory, id } => {
            let id = TaskId::from(id.as_str());
            change(directory, Command::Cancel { id, grace: Duration::ZERO }, json, out)
        }
        Action::Resume { directory, id } => {
            change(directory, Command::Resume { id: TaskId::from(id.as_str()) }, json, out)
        }
        Action::Remove { directory, id } => {
            change(directory, Command::Remove { id: TaskId::from(id.as_str()) }, json, out)
        }
        Action::Verify { directory } => {
            let desk = open(directory)?;
            view::verified(desk.state(), json, out)
        }
        Action::Export { directory, to } => export_to(directory, to.as_deref(), out),
        Action::Import { directory, from } => import_from(directory, from.as_deref(), json, out),
    }
}

/// The tasks' own directory in `directory`.
fn place_of(directory: &Path) -> PathBuf {
    let inner = directory.join("tasks");
    if inner.is_dir() { inner } else { directory.to_path_buf() }
}

fn open(directory: &Path) -> Result<Desk<FileStore>, Failure> {
    let store = FileStore::open_existing(place_of(directory)).map_err(Failure::Store)?;
    Desk::open(store, Limits::default()).map_err(Failure::Store)
}

fn found<'s>(state: &'s State, id: &str) -> Result<&'s Record, Failure> {
    state.get(id).map(|record| &**record).ok_or_else(|| Failure::NoTask {
        id: id.to_owned(),
        ended: state.tombstone(id).map(|tombstone| tombstone.outcome),
    })
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis().try_into().unwrap_or(u64::MAX))
}

fn new_task(args: &StartArgs) -> Result<Command, Failure> {
    let params = match (&args.params, &args.params_file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => read(path)?,
        (None, None) => Vec::new(),
    };
    let policies = Policies { remove_on_completion: !args.keep, ..Policies::default() };
    let mut task = NewTask::new(args.id.as_str(), &args.name).params(params).policies(policies);
    if let Some(lane) = &args.lane {
        task = task.lane(lane.clone().into_bytes());
    }
    Ok(Command::Start(task))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|why| Failure::File { path: path.into(), why })
}

/// One command, and what it came to.
fn change(
    directory: &Path,
    command: Command,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut desk = open(directory)?;
    let Effects { answer, ended } =
        desk.apply(command, now()).map_err(Failure::Store)?.map_err(Failure::Refused)?;
    let (record, created) = match answer {
        Answer::Started(started) => (started.record, Some(started.created)),
        Answer::Record(record) => (record, None),
        _ => (None, None),
    };
    if json {
        let ended: Vec<Value> = ended.iter().map(view::ended).collect();
        let record = record.as_deref().map(view::record);
        let line = json!({ "created": created, "task": record, "ended": ended });
        return writeln!(out, "{line}").map_err(Failure::Output);
    }
    if let Some(created) = created {
        let what = if created { "started" } else { "already there" };
        writeln!(out, "{what}").map_err(Failure::Output)?;
    }
    for end in ended {
        writeln!(out, "{} ended: {}", end.id, view::outcome(end.outcome))
            .map_err(Failure::Output)?;
    }
    record.map_or(Ok(()), |record| view::table(&[&record], out))
}

fn export_to(directory: &Path, to: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    let mut store = FileStore::open_existing(place_of(directory)).map_err(Failure::Store)?;
    let stored = store.load().map_err(Failure::Store)?;
    let Some(path) = to else { return export(&stored, out).map_err(Failure::Output) };
    let in_file = |why| Failure::File { path: path.into(), why };
    let file = File::create_new(path).map_err(in_file)?;
    export(&stored, BufWriter::new(&file)).and_then(|()| file.sync_all()).map_err(in_file)
}

fn import_from(
    directory: &Path,
    from: Option<&Path>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stored = match from {
        None => import(io::stdin().lock()),
        Some(path) => {
            let file = File::open(path).map_err(|why| Failure::File { path: path.into(), why })?;
            import(BufReader::new(file))
        }
    };
    let store = FileStore::restore(directory, &stored.map_err(Failure::Store)?);
    let desk = Desk::open(store.map_err(Failure::Store)?, Limits::default());
    view::verified(desk.map_err(Failure::Store)?.state(), json, out)
}

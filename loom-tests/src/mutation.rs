//! Mutations at run time: `sync/model.rs` asks here which ordering an access is to have.
//!
//! Every access of an included file passes the facade, which knows its place in the source by
//! `#[track_caller]`. So one build serves all mutants: the child process is told by
//! `LANEWAY_MUTANT` which place to weaken and how, and no source is ever edited or copied. What
//! places exist is derived from the source text (`source.rs`), not from what happened to run.
//!
//! `LANEWAY_SITES` names a file to which the child writes the places that its model reached.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock};

/// A place in the source, from the root of the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl FromStr for Site {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.rsplitn(3, ':');
        let column = parts.next().and_then(|part| part.parse().ok()).ok_or(())?;
        let line = parts.next().and_then(|part| part.parse().ok()).ok_or(())?;
        Ok(Self { file: parts.next().ok_or(())?.to_string(), line, column })
    }
}

impl Site {
    fn here(caller: &Location<'_>) -> Self {
        let file = caller.file().replace('\\', "/");
        let file = match file.rsplit_once("../") {
            Some((_, file)) => file.to_string(),
            None => file,
        };
        Self { file, line: caller.line(), column: caller.column() }
    }
}

/// What is done to the access at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The ordering of a load, store, swap or fetch, the success ordering of an exchange, or the
    /// ordering of a fence.
    Order(Ordering),
    /// The failure ordering of an exchange.
    Failure(Ordering),
    /// A compare-and-exchange stores without comparing.
    Store,
    /// A fence is not there.
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => write!(f, "order={order:?}"),
            Self::Failure(order) => write!(f, "failure={order:?}"),
            Self::Store => f.write_str("store"),
            Self::Removed => f.write_str("removed"),
        }
    }
}

impl FromStr for Change {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match (text, text.split_once('=')) {
            ("store", _) => Ok(Self::Store),
            ("removed", _) => Ok(Self::Removed),
            (_, Some(("order", order))) => ordering(order).map(Self::Order).ok_or(()),
            (_, Some(("failure", order))) => ordering(order).map(Self::Failure).ok_or(()),
            _ => Err(()),
        }
    }
}

/// The ordering of that name.
pub(crate) fn ordering(name: &str) -> Option<Ordering> {
    Some(match name {
        "Relaxed" => Ordering::Relaxed,
        "Acquire" => Ordering::Acquire,
        "Release" => Ordering::Release,
        "AcqRel" => Ordering::AcqRel,
        "SeqCst" => Ordering::SeqCst,
        _ => return None,
    })
}

/// The mutation of this process, if it has one.
fn plan() -> Option<&'static (Site, Change)> {
    static PLAN: OnceLock<Option<(Site, Change)>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = std::env::var("LANEWAY_MUTANT").ok()?;
        let (site, change) = text.split_once(' ').expect("LANEWAY_MUTANT is `site change`");
        let parsed = site.parse().and_then(|site| Ok((site, change.parse()?)));
        Some(parsed.expect("LANEWAY_MUTANT is a site and a change"))
    })
    .as_ref()
}

static REACHED: Mutex<BTreeSet<(&'static str, u32, u32)>> = Mutex::new(BTreeSet::new());

fn recording() -> Option<&'static str> {
    static FILE: OnceLock<Option<String>> = OnceLock::new();
    FILE.get_or_init(|| std::env::var("LANEWAY_SITES").ok()).as_deref()
}

/// Notes the site and says what is to be done to it.
fn change_at(caller: &'static Location<'static>) -> Option<Change> {
    if recording().is_some() {
        let place = (caller.file(), caller.line(), caller.column());
        REACHED.lock().expect("no panic inside").insert(place);
    }
    let (site, change) = plan()?;
    let same = site.line == caller.line() && site.column == caller.column();
    (same && Site::here(caller) == *site).then_some(*change)
}

/// Writes the reached sites to the file that `LANEWAY_SITES` names.
pub(crate) fn write_sites() {
    let Some(file) = recording() else { return };
    let reached = REACHED.lock().expect("no panic inside");
    let lines: Vec<String> = reached
        .iter()
        .map(|&(path, line, column)| {
            let mut site = Site { file: path.replace('\\', "/"), line, column };
            if let Some((_, relative)) = site.file.rsplit_once("../") {
                site.file = relative.to_string();
            }
            site.to_string()
        })
        .collect();
    std::fs::write(file, lines.join("\n")).expect("LANEWAY_SITES names a writable file");
}

/// The ordering that a load, store, swap or fetch is to have.
#[track_caller]
pub(crate) fn order(given: Ordering) -> Ordering {
    match change_at(Location::caller()) {
        Some(Change::Order(weaker)) => weaker,
        _ => given,
    }
}

/// What a compare-and-exchange is to be.
pub(crate) enum Exchange {
    /// Itself, with these orderings.
    Orders(Ordering, Ordering),
    /// A store that never compares.
    Store(Ordering),
}

/// What the compare-and-exchange of these orderings is to be.
#[track_caller]
pub(crate) fn exchange(success: Ordering, failure: Ordering) -> Exchange {
    match change_at(Location::caller()) {
        Some(Change::Order(weaker)) => Exchange::Orders(weaker, failure),
        Some(Change::Failure(weaker)) => Exchange::Orders(success, weaker),
        Some(Change::Store) => Exchange::Store(match success {
            Ordering::AcqRel => Ordering::Release,
            Ordering::Acquire => Ordering::Relaxed,
            other => other,
        }),
        Some(Change::Removed) | None => Exchange::Orders(success, failure),
    }
}

/// The ordering that a fence is to have; `None`: it is not there.
#[track_caller]
pub(crate) fn fence(given: Ordering) -> Option<Ordering> {
    match change_at(Location::caller()) {
        Some(Change::Order(weaker)) => Some(weaker),
        Some(Change::Removed) => None,
        _ => Some(given),
    }
}

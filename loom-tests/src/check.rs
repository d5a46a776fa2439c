//! Runs one model: explores its executions, counts them, and says so on one line.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::{models, mutation};

/// How far an exploration goes: the most preemptions in one execution, or all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// At most so many.
    Preemptions(usize),
    /// The whole space.
    Full,
}

/// Runs `body` under every schedule and every weak read within `bound`.
///
/// A failed assertion, a data race on a checked cell, a leak or a deadlock (a lost wake-up) ends
/// the process with a panic.
pub(crate) fn check(bound: Bound, body: impl Fn() + Send + Sync + 'static) {
    // SeqCst: a tally outside the model.
    let executions = Arc::new(AtomicUsize::new(0));
    let tally = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = match (std::env::var("LANEWAY_LOOM_BOUND"), bound) {
        (Ok(given), _) => given.parse().ok(),
        (Err(_), Bound::Preemptions(most)) => Some(most),
        (Err(_), Bound::Full) => None,
    };
    let (name, bound) = (models::current(), builder.preemption_bound);
    let started = Instant::now();
    builder.check(move || {
        tally.fetch_add(1, Ordering::SeqCst);
        body();
    });
    let bound = bound.map_or("none".to_string(), |most| most.to_string());
    let executions = executions.load(Ordering::SeqCst);
    let seconds = started.elapsed().as_secs_f64();
    println!("MODEL {name} bound={bound} executions={executions} seconds={seconds:.2}");
}

/// The child's side: runs the named model and leaves the sites it reached where it is told to.
pub(crate) fn run(name: &str) -> ExitCode {
    let Some(model) = models::find(name) else {
        eprintln!("no such model: {name}");
        return ExitCode::from(64);
    };
    model();
    mutation::write_sites();
    ExitCode::SUCCESS
}

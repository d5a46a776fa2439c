//! Every mutant against the models that reach its place; the last line has the totals.
//!
//! First every model runs as it is, which must pass, and leaves the places that it reached. Then
//! each mutant runs under those models, the quickest first, until one notices. A mutant that none
//! notices is missed; it must be explained in `docs/memory-ordering.md`, and an explanation of a
//! mutant that is noticed is out of date.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use crate::explained::Explained;
use crate::models;
use crate::mutation::Site;
use crate::source::{self, Mutant};
use crate::suite::{Ended, in_parallel, run_model};

/// For the run of a model as it is.
const BASELINE_LIMIT: Duration = Duration::from_secs(600);

/// The models that reach a place, the quickest first.
type Reached = BTreeMap<Site, Vec<(Duration, &'static str)>>;

/// What became of a mutant.
enum Verdict {
    /// The model of that name failed, by an assertion, a race, a leak or a deadlock.
    Caught(&'static str),
    /// The model of that name did not end, and no model failed.
    TimedOut(&'static str),
    /// All models passed.
    Missed,
    /// No model reaches the place.
    Unreached,
}

/// Runs all mutants, or every n-th so that `sample` are run.
pub(crate) fn run(sample: Option<usize>) -> ExitCode {
    let Some(reached) = baseline() else { return ExitCode::FAILURE };
    let all = source::mutants();
    let seen = source::sites();
    let ours = |site: &Site| site.file.starts_with("src/") && !site.file.starts_with("src/sync/");
    let unseen = |site: &&Site| ours(site) && !seen.contains(*site);
    if let Some(site) = reached.keys().find(unseen) {
        println!("the scan of the source does not see the access at {site}");
        return ExitCode::FAILURE;
    }
    let derived = all.len();
    let chosen = match sample {
        Some(count) => spread(all, count),
        None => all,
    };
    println!("MUTANTS {derived} derived, {} run", chosen.len());
    let verdicts = in_parallel(chosen.clone(), |mutant| {
        let verdict = judge(&mutant, reached.get(&mutant.site));
        match verdict {
            Verdict::Caught(model) => println!("caught    {mutant} by {model}"),
            Verdict::TimedOut(model) => println!("time-out  {mutant} in {model}"),
            Verdict::Missed => println!("missed    {mutant}"),
            Verdict::Unreached => println!("missed    {mutant}: no model gets there"),
        }
        verdict
    });
    report(&chosen, &verdicts, sample.is_none())
}

/// Runs every model unchanged; the places that each reaches.
fn baseline() -> Option<Reached> {
    let folder = std::env::temp_dir().join(format!("laneway-sites-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let names = models::ALL.iter().map(|(name, _)| *name).collect();
    let runs = in_parallel(names, |name: &'static str| {
        let file = folder.join(name.replace("::", "-"));
        let path = file.to_str().expect("a path of ours");
        let finished = run_model(name, &[("LANEWAY_SITES", path)], BASELINE_LIMIT);
        let green = matches!(finished.ended, Ended::Well);
        if !green {
            println!("FAILED {name} without any mutation\n{}", finished.output);
        }
        let sites = std::fs::read_to_string(&file).unwrap_or_default();
        let sites: Vec<Site> = sites.lines().filter_map(|line| line.parse().ok()).collect();
        (name, green, finished.took, sites)
    });
    std::fs::remove_dir_all(&folder).expect("our own folder");
    let mut reached = Reached::new();
    let mut all_green = true;
    for (name, green, took, sites) in runs {
        all_green &= green;
        for site in sites {
            reached.entry(site).or_default().push((took, name));
        }
    }
    reached.values_mut().for_each(|models| models.sort());
    all_green.then_some(reached)
}

fn judge(mutant: &Mutant, models: Option<&Vec<(Duration, &'static str)>>) -> Verdict {
    let Some(models) = models else { return Verdict::Unreached };
    let text = format!("{} {}", mutant.site, mutant.change);
    let mut verdict = Verdict::Missed;
    for (took, model) in models {
        let limit = Duration::from_secs(10) + *took * 4;
        let finished = run_model(model, &[("LANEWAY_MUTANT", &text)], limit);
        match finished.ended {
            Ended::Well => {}
            Ended::Failed if finished.output.contains("maximum number of branches") => {
                verdict = Verdict::TimedOut(model);
            }
            Ended::Failed => return Verdict::Caught(model),
            Ended::TimedOut => verdict = Verdict::TimedOut(model),
        }
    }
    verdict
}

fn report(mutants: &[Mutant], verdicts: &[Verdict], complete: bool) -> ExitCode {
    let explained = Explained::read();
    let (mut caught, mut timed_out) = (0, 0);
    let mut missed = Vec::new();
    for (mutant, verdict) in mutants.iter().zip(verdicts) {
        match verdict {
            Verdict::Caught(_) => caught += 1,
            Verdict::TimedOut(_) => timed_out += 1,
            Verdict::Missed | Verdict::Unreached => missed.push(mutant.name.clone()),
        }
    }
    let unexplained: Vec<&String> = missed.iter().filter(|name| !explained.covers(name)).collect();
    unexplained.iter().for_each(|name| println!("UNEXPLAINED {name}"));
    let mut stale = 0;
    if complete {
        for pattern in explained.idle(&missed) {
            println!("OUT OF DATE {pattern}: explained, but noticed or not there");
            stale += 1;
        }
    }
    println!(
        "TOTAL {} mutants: {caught} caught, 0 not compiling, {timed_out} timed out, {} missed: {} \
         explained, {} unexplained, {stale} explanations out of date",
        mutants.len(),
        missed.len(),
        missed.len() - unexplained.len(),
        unexplained.len(),
    );
    if unexplained.is_empty() && stale == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `count` of them, evenly spread over the files.
fn spread(all: Vec<Mutant>, count: usize) -> Vec<Mutant> {
    let every = all.len();
    if count >= every || count == 0 {
        return all;
    }
    (0..count).map(|index| all[index * every / count].clone()).collect()
}

//! A long run of random jobs, killed in the middle, judged by what the jobs themselves wrote.
//!
//! Small by default. `tests/soak/run_soak.sh` sets the sizes of the long one.

mod support;

use std::time::Instant;

use support::Bench;
use support::journal::Scenario;

/// A number from the environment.
fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect(variable))
}

fn scenario() -> Scenario {
    Scenario::new(size("LANEWAY_SOAK_JOBS", 120), size("LANEWAY_SOAK_KEYS", 12))
}

#[test]
fn a_run_in_memory_does_each_job_once_and_in_order() {
    let scenario = scenario();
    let bench = Bench::new(&scenario.jobs());
    let ran = bench.run(&["--json", "--jobs", "8"]);
    let verdict = scenario.judge(&bench.text("journal"), &[ran.events()]);
    println!("in memory: {verdict:?}");
    verdict.assert_clean();
    assert_eq!(ran.code, 2);
}

#[test]
fn a_durable_run_that_is_killed_does_each_job_once_and_in_order() {
    let scenario = scenario();
    let bench = Bench::new(&scenario.jobs());
    let begin = Instant::now();
    let kills = size("LANEWAY_SOAK_KILLS", 2);
    let arguments = ["--state", "state", "--jobs", "8"];
    let mut runs = Vec::new();
    for kill in 0..kills {
        let mut run = bench.start(&arguments);
        // About as many ends in each stretch.
        let stretch = size("LANEWAY_SOAK_JOBS", 120) / (kills + 1) + kill;
        let mut ends = 0;
        while ends < stretch {
            let event = run.next().expect("the run goes on");
            ends += usize::from(event["took_ms"].is_u64());
        }
        runs.push(run.kill());
    }
    let mut last = bench.start(&arguments);
    let code = last.finish();
    runs.push(last.events);
    let verdict = scenario.judge(&bench.text("journal"), &runs);
    println!("killed {kills} times, {:.1} s: {verdict:?}", begin.elapsed().as_secs_f64());
    println!("{}", runs.last().and_then(|run| run.last()).expect("a summary"));
    verdict.assert_clean();
    assert_eq!(code, 2);
}

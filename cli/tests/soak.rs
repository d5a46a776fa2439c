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

/// The judge on a journal that is right but for one change.
fn judged(change: impl Fn(&mut Vec<String>)) -> support::journal::Verdict {
    let scenario = Scenario::new(40, 3);
    let bench = Bench::new(&scenario.jobs());
    let ran = bench.run(&["--json", "--jobs", "3"]);
    let mut lines: Vec<String> = bench.text("journal").lines().map(str::to_owned).collect();
    change(&mut lines);
    scenario.judge(&lines.join("\n"), &[ran.events()])
}

#[test]
fn the_judge_sees_what_would_be_wrong() {
    // `ID PHASE ATTEMPT PID WORD TIME`
    let place = |lines: &[String], word: &str| {
        lines.iter().position(|line| line.contains(word)).expect("a line")
    };
    let late = judged(|lines| {
        let first = lines.remove(place(lines, " begin "));
        lines.push(first.replace(" begin ", " tick "));
    });
    assert_eq!((late.overlaps_within_a_key, late.commands_missing), (0, 1), "{late:?}");
    assert!(late.order_violations > 0, "{late:?}");
    let beside = judged(|lines| {
        let end = lines[place(lines, " end ")].clone();
        lines.push(end);
    });
    assert_eq!(beside.overlaps_within_a_key, 1, "{beside:?}");
    let twice = judged(|lines| {
        let begin = place(lines, " begin ");
        lines.insert(begin, lines[begin].clone());
    });
    assert_eq!(twice.commands_run_twice, 1, "{twice:?}");
}

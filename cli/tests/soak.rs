//! A long run of random jobs, killed in the middle, judged by what the jobs themselves wrote.
//!
//! Small by default. `tests/soak/run_soak.sh` sets the sizes of the long one.

mod support;

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use support::Bench;
use support::journal::{Reruns, Scenario, Stretch, Verdict};

const STATE: [&str; 4] = ["--state", "state", "--jobs", "8"];

/// A number from the environment.
fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect(variable))
}

fn jobs() -> usize {
    size("LANEWAY_SOAK_JOBS", 120)
}

fn scenario() -> Scenario {
    Scenario::new(jobs(), size("LANEWAY_SOAK_KEYS", 12))
}

fn journal_len(bench: &Bench) -> usize {
    fs::metadata(bench.path("journal")).map_or(0, |meta| meta.len() as usize)
}

#[test]
fn a_run_in_memory_does_each_job_once_and_in_order() {
    let scenario = scenario();
    let bench = Bench::new(&scenario.jobs());
    let ran = bench.run(&["--json", "--jobs", "8"]);
    let run = Stretch { events: ran.events(), journal_len: journal_len(&bench) };
    let verdict = scenario.judge(&bench.text("journal"), &[run], Reruns::Never);
    println!("in memory: {verdict:?}");
    verdict.assert_clean();
    assert_eq!(ran.code, 2);
}

#[test]
fn a_run_whose_runner_is_killed_does_each_command_once_and_in_order() {
    soak(Reruns::Never);
}

#[test]
fn a_run_that_is_killed_with_its_keepers_repeats_only_what_had_not_ended() {
    soak(Reruns::AfterKills);
}

/// Runs the scenario with kills in the middle and judges it.
fn soak(reruns: Reruns) {
    let scenario = scenario();
    let bench = Bench::new(&scenario.jobs());
    let begin = Instant::now();
    let kills = size("LANEWAY_SOAK_KILLS", 2);
    let mut runs = Vec::new();
    for kill in 0..kills {
        let mut run = bench.start(&STATE);
        // About as many ends in each stretch, and not at the same place in each.
        let mut ends_left = jobs() / (kills + 1) + kill;
        while ends_left > 0 {
            let event = run.next().expect("the run goes on");
            ends_left -= usize::from(event["took_ms"].is_u64());
        }
        let events = run.kill();
        if reruns == Reruns::AfterKills {
            kill_keepers(&bench);
        }
        runs.push(Stretch { events, journal_len: journal_len(&bench) });
    }
    let mut last = bench.start(&STATE);
    assert_eq!(last.finish(), 2);
    let summary = last.events.last().expect("a summary").clone();
    runs.push(Stretch { events: last.events, journal_len: journal_len(&bench) });
    let verdict = scenario.judge(&bench.text("journal"), &runs, reruns);
    let seconds = begin.elapsed().as_secs_f64();
    println!("killed {kills} times ({reruns:?}), {seconds:.1} s: {verdict:?}\n{summary}");
    verdict.assert_clean();
}

/// Kills every keeper that has said who it is: `BOOT KEEPER.START COMMAND.START`.
fn kill_keepers(bench: &Bench) {
    for attempt in fs::read_dir(bench.path("state/attempts")).expect("a folder") {
        let running = attempt.expect("an entry").path().join("running");
        let Ok(line) = fs::read_to_string(running) else { continue };
        let keeper = line.split(' ').nth(1).and_then(|keeper| keeper.split('.').next());
        let pid = keeper.and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a pid");
        let is_keeper = fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        if is_keeper.is_ok_and(|cmdline| cmdline.contains("keeper")) {
            // It may have ended since.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The judge on a journal that is right but for one change.
fn judged(change: impl Fn(&mut Vec<String>)) -> Verdict {
    let scenario = Scenario::new(40, 3);
    let bench = Bench::new(&scenario.jobs());
    let ran = bench.run(&["--json", "--jobs", "3"]);
    let journal = bench.text("journal");
    let mut lines: Vec<String> = journal.lines().map(str::to_owned).collect();
    change(&mut lines);
    let changed: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let [told, after] = [journal.len(), changed.len()];
    let run = Stretch { events: ran.events(), journal_len: told.min(after) };
    let nothing =
        Stretch { events: vec![run.events.last().expect("it").clone()], journal_len: after };
    scenario.judge(&changed, &[run, nothing], Reruns::Never)
}

#[test]
fn the_judge_sees_what_would_be_wrong() {
    // `ID PHASE ATTEMPT PID WORD TIME`
    let place = |lines: &[String], word: &str| {
        lines.iter().position(|line| line.contains(word)).expect("a line")
    };
    judged(|_| {}).assert_clean();
    let late = judged(|lines| {
        let first = lines.remove(place(lines, " begin "));
        lines.push(first.replace(" begin ", " tick "));
    });
    assert_eq!((late.overlaps_within_a_key, late.commands_missing), (0, 1), "{late:?}");
    assert!(late.order_violations > 0, "{late:?}");
    let beside = judged(|lines| lines.push(lines[place(lines, " end ")].clone()));
    assert_eq!(beside.overlaps_within_a_key, 1, "{beside:?}");
    assert_eq!(beside.jobs_run_after_their_end_was_told, 1, "{beside:?}");
    let twice = judged(|lines| {
        let begin = place(lines, " begin ");
        lines.insert(begin, lines[begin].clone());
    });
    assert_eq!(twice.commands_run_twice, 1, "{twice:?}");
}

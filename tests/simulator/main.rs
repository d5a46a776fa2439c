//! The cluster of tasks, simulated: the library's own rules, master and nodes in virtual time, with
//! messages lost, doubled and delayed, nodes cut off, paused, killed and begun anew, leases lost,
//! clocks apart, commits that conflict or whose answer is lost, and stores that forget.
//!
//! Checked: the invariants of the state at every commit; that a task never runs twice on one node;
//! that a `no_overlap` task never runs on two; that nothing acknowledged is lost; and that once the
//! faults stop everything comes to its end.
//!
//! `LANEWAY_SIM_SEEDS=100000` runs that many seeds, `LANEWAY_SIM_SEED=4711` that one alone.

mod chance;
mod world;

use std::time::Instant;

use world::{Faults, World};

const ALL: Faults = Faults { drop: 8, twice: 8, compacted: 10, trouble: 70 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on all cores; says how many a second.
fn run(what: &str, faults: Faults, default: u64) {
    if let Some(seed) = number("LANEWAY_SIM_SEED") {
        let mut world = World::new(seed, faults);
        world.tells = true;
        return world.run();
    }
    let seeds = number("LANEWAY_SIM_SEEDS").unwrap_or(default);
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let begun = Instant::now();
    let totals: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let share = |thread: u64| {
            move || {
                let mut total = (0, 0);
                for seed in (thread..seeds).step_by(threads as usize) {
                    let mut world = World::new(seed, faults);
                    world.run();
                    total = (total.0 + world.events_done, total.1 + world.commits);
                }
                total
            }
        };
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        all.into_iter().map(|it| it.join().expect("a seed failed; its number is above")).collect()
    });
    let (events, commits) = totals.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let rate = seeds as f64 / begun.elapsed().as_secs_f64();
    println!("{what}: {seeds} seeds, {events} events, {commits} commits, {rate:.0} seeds/s");
}

#[test]
fn without_faults_every_task_comes_to_its_end() {
    run("no faults", Faults::NONE, 100);
}

#[test]
fn with_faults_nothing_acknowledged_is_lost_and_everything_ends_once_they_stop() {
    run("all faults", ALL, 400);
}

#[test]
fn a_seed_replays_the_same_run() {
    let ran = |seed| {
        let mut world = World::new(seed, ALL);
        world.run();
        (world.events_done, world.commits)
    };
    for seed in 0..5 {
        assert_eq!(ran(seed), ran(seed));
    }
}

//! Durable cycles a second: a task is started and completed, each acknowledged once it is synced.
//!
//! ```text
//! cargo run --release -p laneway-benches --bin durable [-- --rounds 5] [DIR]   interleaved rounds
//! cargo run --release -p laneway-benches --bin durable -- --only NAME [DIR]    one contender, once
//! ```
//!
//! All contenders use the same disk in the same run, in turns, and medians are compared; every value
//! is different, so that nobody skips a page that did not change. `benches/durable.sh` also counts
//! the syncs of each from outside, with strace.
//!
//! | contender | a cycle is |
//! |---|---|
//! | `laneway` | `start().wait()`, the executor completes it, `end_of().wait()` |
//! | `sqlite` | INSERT in one commit, UPDATE in another: WAL, synchronous=FULL |
//! | `sqlite-group` | the same statements, one commit for all that wait: a thread drains a queue |
//! | `raw` | two appends of 4 KiB, `fdatasync` after each: the bound for one caller |

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use laneway_benches::durable::{Contender, Laneway, Raw, Sqlite, SqliteGroup};

const CALLERS: usize = 64;

struct Arguments {
    directory: PathBuf,
    rounds: usize,
    only: Option<String>,
    callers: usize,
    cycles: usize,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        directory: PathBuf::from("target/bench-durable"),
        rounds: 5,
        only: None,
        callers: CALLERS,
        cycles: 40,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|it| it.parse().ok()).expect("a number");
        match word.as_str() {
            "--rounds" => found.rounds = number(),
            "--callers" => found.callers = number(),
            "--cycles" => found.cycles = number(),
            "--only" => found.only = Some(words.next().expect("a contender's name")),
            directory => found.directory = directory.into(),
        }
    }
    found
}

/// Opens `name` in an empty directory of its own.
fn open(name: &str, directory: &Path) -> Box<dyn Contender> {
    let directory = directory.join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory on the disk to be measured");
    match name {
        "laneway" => Box::new(Laneway::open(&directory)),
        "sqlite" => Box::new(Sqlite::open(&directory)),
        "sqlite-group" => Box::new(SqliteGroup::open(&directory)),
        "raw" => Box::new(Raw::open(&directory)),
        other => panic!("no contender {other}"),
    }
}

/// `cycles` cycles by each of `callers` threads; answers how long they took.
fn measure(contender: &dyn Contender, round: usize, callers: usize, cycles: usize) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..callers {
            scope.spawn(move || {
                for cycle in 0..cycles {
                    contender.cycle(&format!("r{round}-c{caller}-{cycle}"));
                }
            });
        }
    });
    begun.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let Arguments { directory, rounds, only, callers, cycles } = arguments();
    if let Some(name) = only {
        let contender = open(&name, &directory);
        let took = measure(&*contender, 0, callers, cycles);
        let commits = contender.commits();
        drop(contender);
        println!("{name}: {} cycles, {commits} commits, {took:?}", callers * cycles);
        return;
    }
    println!("| callers | contender | cycles/s, median of {rounds} | spread | ratio to laneway |");
    println!("|---|---|---|---|---|");
    for (callers, names) in [
        (1, &["laneway", "sqlite", "raw"][..]),
        (callers, &["laneway", "sqlite", "sqlite-group"][..]),
    ] {
        let contenders: Vec<_> = names.iter().map(|name| open(name, &directory)).collect();
        let mut rates = vec![Vec::new(); names.len()];
        for round in 0..=rounds {
            for (contender, rates) in contenders.iter().zip(&mut rates) {
                let slow = contender.is_slow() && callers > 1;
                let cycles = if callers == 1 { cycles * 4 } else { cycles };
                let cycles = if slow { cycles.div_ceil(10) } else { cycles };
                let took = measure(&**contender, round, callers, cycles);
                // The first round warms up.
                if round > 0 {
                    rates.push((callers * cycles) as f64 / took.as_secs_f64());
                }
            }
        }
        let ours = median(rates[0].clone());
        for (name, rates) in names.iter().zip(rates) {
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let most = rates.iter().copied().fold(0.0, f64::max);
            let median = median(rates);
            println!(
                "| {callers} | {name} | {median:.0} | {least:.0}–{most:.0} | {:.2} |",
                median / ours
            );
        }
    }
}

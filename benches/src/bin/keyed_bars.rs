//! Keyed jobs beside the peers, in interleaved rounds: wall and CPU time a job.
//!
//! `keyed_bars [ROUNDS] [FILTER]` runs every workload whose name contains FILTER. A criterion run
//! measures one contender after the other; on a machine that does something else meanwhile, only
//! rounds that alternate can be compared. Minima and medians are printed, and the ratio of medians
//! to the best peer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laneway::{Pool, PoolConfig};
use laneway_benches::THREADS;
use laneway_benches::keyed::{
    DashMapRayon, KanalSharded, Keyed, LanewayLanes, Ledger, MutexMapRayon, Plan, run, run_from,
    schedule, zipf,
};

struct Workload {
    name: &'static str,
    keys: usize,
    producers: usize,
    plan: Plan,
}

fn workloads() -> Vec<Workload> {
    let uniform = |name, keys, jobs, producers| Workload {
        name,
        keys,
        producers,
        plan: schedule(keys, jobs),
    };
    vec![
        uniform("K=1", 1, 200_000, 1),
        uniform("K=64", 64, 200_000, 1),
        uniform("K=10000", 10_000, 200_000, 1),
        Workload {
            name: "K=10000 zipf 0.99",
            keys: 10_000,
            producers: 1,
            plan: zipf(10_000, 200_000, 0.99),
        },
        uniform("K=10000, 2 producers", 10_000, 200_000, 2),
        uniform("K=10000, 4 producers", 10_000, 200_000, 4),
        uniform("K=1000000", 1_000_000, 1_000_000, 1),
    ]
}

/// User and system time of this process.
fn cpu() -> Duration {
    // SAFETY: a plain structure of numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for the write.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[derive(Default)]
struct Figures {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Figures {
    fn middle(of: &[f64]) -> f64 {
        let mut sorted = of.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
    fn least(of: &[f64]) -> f64 {
        of.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

fn measure<K: Keyed + Sync>(peer: &K, ledger: &Arc<Ledger>, load: &Workload, into: &mut Figures) {
    let (start, before) = (Instant::now(), cpu());
    if load.producers == 1 {
        run(peer, ledger, &load.plan);
    } else {
        run_from(peer, ledger, &load.plan, load.producers);
    }
    let jobs = load.plan.len() as f64;
    into.wall.push(start.elapsed().as_nanos() as f64 / jobs);
    into.cpu.push((cpu() - before).as_nanos() as f64 / jobs);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(11, |text| text.parse().expect("ROUNDS"));
    let filter = arguments.next().unwrap_or_default();
    let only = arguments.next().unwrap_or_default();
    let pool = Pool::with_config(PoolConfig { workers: THREADS, ..PoolConfig::default() })
        .expect("threads can be started");
    let laneway = LanewayLanes::new(&pool);
    let kanal = KanalSharded::new(THREADS);
    let mutex = MutexMapRayon::new(THREADS);
    let dashmap = DashMapRayon::new(THREADS);
    println!(
        "{:<24}{:<20}{:>10}{:>10}{:>10}{:>10}",
        "", "", "wall min", "median", "cpu min", "median"
    );
    for load in workloads().into_iter().filter(|load| load.name.contains(&filter)) {
        let ledger = Ledger::new(load.keys);
        let names = ["laneway", "kanal", "mutex map + rayon", "dashmap + rayon"];
        let mut figures = [(); 4].map(|()| Figures::default());
        for _ in 0..rounds {
            let mut measured = |index: usize| -> Option<()> {
                if !names[index].contains(&only) {
                    return None;
                }
                let into = &mut figures[index];
                match index {
                    0 => measure(&laneway, &ledger, &load, into),
                    1 => measure(&kanal, &ledger, &load, into),
                    2 => measure(&mutex, &ledger, &load, into),
                    _ => measure(&dashmap, &ledger, &load, into),
                }
                Some(())
            };
            (0..names.len()).for_each(|index| {
                let _ = measured(index);
            });
        }
        for (name, figures) in names.iter().zip(&figures) {
            if figures.wall.is_empty() {
                continue;
            }
            println!(
                "{:<24}{:<20}{:>10.0}{:>10.0}{:>10.0}{:>10.0}",
                load.name,
                name,
                Figures::least(&figures.wall),
                Figures::middle(&figures.wall),
                Figures::least(&figures.cpu),
                Figures::middle(&figures.cpu)
            );
        }
    }
}

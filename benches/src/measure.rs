//! Measuring beside peers: interleaved rounds, medians, paired ratios, CPU time by the kernel's
//! accounting, and how busy each worker was.
//!
//! Each round runs every contender once, so that what the machine does meanwhile meets all of them.
//! A ratio is the median over the rounds of laneway's figure divided by the contender's in the same
//! round; its bound is the upper end of the 95 % interval of that median, by order statistics.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// How the workers of laneway's pools are named: as the program, which is the name of its first
/// thread, and something behind.
pub const POOL_NAME: &str = "bars-worker";

/// One contender of a row: its name and what it does, and its figures in ns per operation.
pub struct Contender<'c> {
    name: &'static str,
    round: Box<dyn FnMut() -> Vec<f64> + 'c>,
    wall: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
    busy: BTreeMap<String, u64>,
    elapsed: Duration,
}

impl<'c> Contender<'c> {
    /// A contender whose rounds are timed as a whole: `run` does `operations` of them.
    pub fn timed(name: &'static str, operations: u64, mut run: impl FnMut() + 'c) -> Self {
        Self::sampled(name, move || {
            let begin = Instant::now();
            run();
            vec![begin.elapsed().as_nanos() as f64 / operations as f64]
        })
    }

    /// A contender that measures single operations itself: a round gives their times in ns.
    pub fn sampled(name: &'static str, round: impl FnMut() -> Vec<f64> + 'c) -> Self {
        let (wall, p99, cpu) = (Vec::new(), Vec::new(), Vec::new());
        let (busy, elapsed) = (BTreeMap::new(), Duration::ZERO);
        Self { name, round: Box::new(round), wall, p99, cpu, busy, elapsed }
    }

    fn run(&mut self) {
        let (before, spent, begin) = (ticks(), process_time(), Instant::now());
        let mut samples = (self.round)();
        self.elapsed += begin.elapsed();
        self.cpu.push(process_time() - spent);
        samples.sort_by(f64::total_cmp);
        self.wall.push(quantile(&samples, 0.5));
        self.p99.push(quantile(&samples, 0.99));
        for (thread, (name, now)) in ticks() {
            let spent = now - before.get(&thread).map_or(0, |(_, before)| *before);
            *self.busy.entry(name).or_default() += spent;
        }
    }

    /// The shares of the time that the caller and laneway's workers were on a processor.
    pub fn busy_shares(&self) -> Vec<f64> {
        let ours = self.busy.iter().filter(|(name, _)| name.starts_with("bars-"));
        ours.map(|(_, ticks)| *ticks as f64 / 100.0 / self.elapsed.as_secs_f64()).collect()
    }
}

/// Runs `rounds` of all contenders, the first of which is laneway, and prints a line for each.
pub fn row(title: &str, rounds: usize, contenders: &mut [Contender<'_>]) {
    for contender in &mut *contenders {
        (contender.round)(); // warm
    }
    for _ in 0..rounds {
        contenders.iter_mut().for_each(Contender::run);
    }
    let (ours, cpu) = (contenders[0].wall.clone(), contenders[0].cpu.clone());
    for contender in contenders {
        let median = |values: &[f64]| quantile(&sorted(values.to_vec()), 0.5);
        let ratio = |ours: &[f64], theirs: &[f64]| {
            let pairs = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs.max(1e-9));
            sorted(pairs.collect())
        };
        let (wall, spent) = (ratio(&ours, &contender.wall), ratio(&cpu, &contender.cpu));
        println!(
            "| {title} | {} | {:.2} | {:.2} | {:.2} (<= {:.2}) | {:.2} |",
            contender.name,
            median(&contender.wall),
            median(&contender.p99),
            quantile(&wall, 0.5),
            upper_bound(&wall),
            quantile(&spent, 0.5),
        );
    }
}

/// Sleeps in the kernel, so that everybody else's workers fall asleep too.
pub fn pause(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// The name of each thread of the process and its time on a processor, in the kernel's ticks of
/// 10 ms: coarse, but right in the long run.
fn ticks() -> BTreeMap<String, (String, u64)> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    let times = threads.flatten().filter_map(|thread| {
        let id = thread.file_name().into_string().ok()?;
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        Some((
            id,
            (name.to_owned(), fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?),
        ))
    });
    times.collect()
}

/// The time on a processor of the whole process so far, in ns.
fn process_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the timespec that it is given, and nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], at: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

/// The upper end of the 95 % interval of the median.
fn upper_bound(sorted: &[f64]) -> f64 {
    let count = sorted.len() as f64;
    let index = (count / 2.0 + 0.98 * count.sqrt()).ceil() as usize;
    sorted[index.min(sorted.len() - 1)]
}

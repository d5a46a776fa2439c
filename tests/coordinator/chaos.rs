//! Everything at once: what must hold however submits, cancels, tokens, timeouts and the end of
//! the coordinator or its pool fall together.
//!
//! Each round ends in one of four ways, at a moment that the scheduler picks. After it every job has
//! exactly one outcome, no two jobs of a key ever ran at the same time, and every token can still be
//! finished without harm.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::coordinator::{OutcomeKind, Shutdown};
use laneway::{Coordinator, Job, JobError, JobOutcome, OnFailure, RetryPolicy, Token};

use crate::support::*;

const KEYS: usize = 5;
const JOBS: usize = 60;

/// A generator that is good enough and repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[derive(Default)]
struct Round {
    busy: [AtomicBool; KEYS],
    open: Mutex<Vec<Token>>,
    outcomes: AtomicUsize,
    undone: AtomicUsize,
    overlaps: AtomicUsize,
}

/// What one attempt does, by a throw of the dice; `defer` takes a token.
fn attempt(
    round: &Round,
    key: usize,
    seed: u64,
    number: u32,
    mut defer: impl FnMut() -> Token,
) -> Result<(), JobError> {
    if round.busy[key].swap(true, Ordering::AcqRel) {
        round.overlaps.fetch_add(1, Ordering::Relaxed); // a panic would only be a cause
    }
    let result = match Dice(seed ^ u64::from(number) << 32 | 1).roll(8) {
        0 => Err(JobError::new("fails")),
        1 => Err(JobError::conflict("conflicts")),
        2 => {
            round.open.lock().expect("no panic").push(defer());
            Ok(())
        }
        3 => {
            let token = defer();
            std::thread::spawn(move || token.succeed());
            Ok(())
        }
        4 => {
            let (one, two) = (defer(), defer());
            std::thread::spawn(move || one.fail(JobError::new("token")));
            two.succeed();
            Ok(())
        }
        _ => Ok(()),
    };
    round.busy[key].store(false, Ordering::Release);
    result
}

fn job(round: &Arc<Round>, key: usize, seed: u64, dice: &mut Dice) -> Job<()> {
    let this = round.clone();
    let mut job = if dice.roll(3) == 0 {
        Job::future(move |mut ctx| {
            let this = this.clone();
            async move {
                let number = ctx.attempt();
                attempt(&this, key, seed, number, || ctx.defer())
            }
        })
    } else {
        Job::repeatable(move |ctx| {
            let number = ctx.attempt();
            attempt(&this, key, seed, number, || ctx.defer())
        })
    };
    job = job.retry(RetryPolicy {
        retries: dice.roll(3) as u32,
        delay_base: Duration::from_micros(200 * dice.roll(2)),
        ..RetryPolicy::default()
    });
    if dice.roll(2) == 0 {
        job = job.attempt_timeout(Duration::from_micros(500));
    }
    if dice.roll(2) == 0 {
        let this = round.clone();
        job = job.undo(move |_| {
            this.undone.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
    }
    job.on_failure(match dice.roll(4) {
        0 => OnFailure::Hold,
        1 => OnFailure::FailRest,
        _ => OnFailure::Continue,
    })
}

#[test]
fn every_job_has_one_outcome_however_it_all_ends() {
    for seed in 1..=200_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let pool = pool(3);
        let coordinator = Coordinator::new(&pool);
        let round = Arc::new(Round::default());
        let kinds = run_round(&coordinator, &round, seed, &mut dice, &pool);
        let rolled_back = kinds.iter().filter(|kind| **kind == OutcomeKind::RolledBack).count();
        // An undo that had begun when the time was up may have run for a job that was lost.
        assert!(round.undone.load(Ordering::Relaxed) >= rolled_back);
        for token in round.open.lock().expect("no panic").drain(..) {
            token.finish(Err(JobError::new("late")));
            token.succeed();
        }
    }
}

fn run_round(
    coordinator: &Coordinator,
    round: &Arc<Round>,
    seed: u64,
    dice: &mut Dice,
    pool: &laneway::Pool,
) -> Vec<OutcomeKind> {
    let mut handles = Vec::new();
    let mut called = 0;
    for number in 0..JOBS {
        let key = dice.roll(KEYS as u64) as usize;
        let job = job(round, key, seed * 1000 + number as u64, dice);
        let handle = submit(coordinator, &key.to_string(), job);
        let control = handle.control();
        if dice.roll(4) == 0 {
            let counts = round.clone();
            called += 1;
            handle.on_done(move |_: JobOutcome<()>| {
                counts.outcomes.fetch_add(1, Ordering::Relaxed);
            });
        } else {
            handles.push(handle);
        }
        match dice.roll(10) {
            0 => drop(control.cancel()),
            1 => coordinator.release((number % KEYS).to_string()),
            _ => {}
        }
    }
    match seed % 4 {
        0 => drop(coordinator.shutdown(Shutdown::Drain, Duration::from_millis(5))),
        1 => drop(coordinator.shutdown(Shutdown::Cancel, Duration::from_millis(5))),
        2 => drop(pool.shutdown(Shutdown::Cancel, LONG)),
        _ => drop(pool.shutdown(Shutdown::Drain, LONG)),
    }
    let kinds: Vec<OutcomeKind> = handles.into_iter().map(|handle| end(handle).kind()).collect();
    pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!(round.overlaps.load(Ordering::Relaxed), 0, "two jobs of one key in round {seed}");
    assert_eq!(round.outcomes.load(Ordering::Relaxed), called, "callbacks of round {seed}");
    let counters = coordinator.counters();
    assert_eq!(counters.created, counters.ended_total(), "round {seed}");
    assert_eq!((counters.queued, counters.running), (0, 0), "round {seed}");
    kinds
}

//! What the pool can do, one line for each capability; every line is checked before it is printed.
//!
//! `cargo run --release --example forkjoin_tour`

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use laneway::pool::{Ended, Part, Pool, PoolConfig, PoolError, Race, Shutdown};

type Outcome = Result<String, Box<dyn Error>>;
type Stop = (&'static str, fn(&Pool) -> Outcome);

/// A pool with two workers, whoever runs this.
fn new_pool() -> Result<Pool, PoolError> {
    Pool::with_config(PoolConfig { workers: 2, ..PoolConfig::default() })
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let pool = new_pool()?;
    let stops: &[Stop] = &[
        ("join", join),
        ("join_context", join_context),
        ("lock across a join", lock_across_a_join),
        ("scope", scope),
        ("par_for", par_for),
        ("par_chunks_mut", par_chunks_mut),
        ("invoke_all", invoke_all),
        ("invoke_any", invoke_any),
        ("tick", tick),
        ("completion tree", completion_tree),
        ("spawn", spawn),
        ("submit", submit),
        ("nested waits", nested_waits),
        ("cancel", cancel),
        ("future", future),
        ("timers", timers),
        ("panics", panics),
        ("counters", counters),
        ("default pool", default_pool),
    ];
    for (name, stop) in stops {
        println!("{name:<20} {}", stop(&pool)?);
    }
    println!("{:<20} {}", "shutdown", shutdown(pool)?);
    Ok(())
}

fn fib(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
    a + b
}

fn join(pool: &Pool) -> Outcome {
    let value = fib(pool, 22);
    assert_eq!(value, 17_711);
    Ok(format!("fib(22) = {value}, forked at every call"))
}

fn join_context(pool: &Pool) -> Outcome {
    let together = Barrier::new(2);
    let (first, second) = pool.join_context(
        |context| {
            together.wait();
            context.migrated()
        },
        |context| {
            together.wait();
            context.migrated()
        },
    );
    assert_eq!((first, second), (false, true));
    Ok("the second closure knows that another thread runs it".into())
}

/// Waiters that ran strangers' work could ask for the lock again, on the stack that holds it.
fn lock_across_a_join(pool: &Pool) -> Outcome {
    let lock = Mutex::new(0_u64);
    pool.par_for(0..100, 1, |n| {
        let mut sum = lock.lock().expect("no panic");
        let (a, b) = pool.join(|| fib(pool, 5), || n as u64);
        *sum += a + b;
    });
    let sum = lock.into_inner().expect("no panic");
    assert_eq!(sum, 100 * 5 + 4950);
    Ok(format!("100 regions took turns under one lock, sum {sum}"))
}

fn scope(pool: &Pool) -> Outcome {
    let words = ["forks", "that", "borrow"];
    let letters = AtomicUsize::new(0);
    pool.scope(|s| {
        for word in &words {
            s.spawn(|| {
                letters.fetch_add(word.len(), Ordering::Relaxed);
            });
        }
    });
    let letters = letters.into_inner();
    assert_eq!(letters, 15);
    Ok(format!("{letters} letters counted by closures that borrow them"))
}

fn par_for(pool: &Pool) -> Outcome {
    let sum = AtomicU64::new(0);
    pool.par_pieces(0..1_000_000, 4096, |piece| {
        sum.fetch_add(piece.map(|n| n as u64).sum(), Ordering::Relaxed);
    });
    let sum = sum.into_inner();
    assert_eq!(sum, 499_999_500_000);
    Ok(format!("the numbers below a million sum up to {sum}"))
}

fn par_chunks_mut(pool: &Pool) -> Outcome {
    let mut numbers: Vec<u32> = (0..10_000).rev().collect();
    pool.par_chunks_mut(&mut numbers, 1000, |_, chunk| chunk.sort_unstable());
    assert!(numbers.chunks(1000).all(<[u32]>::is_sorted));
    Ok("ten chunks sorted in place".into())
}

fn invoke_all(pool: &Pool) -> Outcome {
    let squares = pool.invoke_all((1..=5).map(|n| move || n * n));
    assert_eq!(squares, [1, 4, 9, 16, 25]);
    Ok(format!("{squares:?}, in order"))
}

fn invoke_any(pool: &Pool) -> Outcome {
    let answer = pool.invoke_any([30_u32, 20, 10].map(|rounds| {
        move |race: &Race| {
            for _ in 0..rounds * 1000 {
                if race.is_decided() {
                    return Err("another one was faster");
                }
            }
            Ok(rounds)
        }
    }));
    let rounds = answer.map_err(|errors| errors.join(", "))?;
    assert!([10, 20, 30].contains(&rounds));
    let nobody = pool.invoke_any([1, 2].map(|n| move |_: &Race| Err::<(), _>(n)));
    assert_eq!(nobody, Err(vec![1, 2]));
    Ok(format!("the contender with {rounds} rounds won; without a winner, all errors"))
}

/// What a long closure has put off reaches the other thread when it ticks.
fn tick(pool: &Pool) -> Outcome {
    let taken = AtomicBool::new(false);
    let long = || {
        while !taken.load(Ordering::Acquire) {
            pool.yield_now();
        }
    };
    pool.join(|| pool.join(long, || taken.store(true, Ordering::Release)), || ());
    assert!(taken.into_inner());
    Ok("a long loop handed on what it had put off".into())
}

fn completion_tree(pool: &Pool) -> Outcome {
    fn grow(part: &Part, levels: u32, leaves: &Arc<AtomicU64>) {
        if levels == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        for _ in 0..2 {
            let leaves = Arc::clone(leaves);
            part.spawn(move |part| grow(part, levels - 1, &leaves));
        }
    }
    let (tell, told) = mpsc::channel();
    let leaves = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&leaves);
    let root = pool.completion(move |ended| {
        let _ = tell.send((ended, total.load(Ordering::Relaxed)));
    });
    root.spawn(move |part| grow(part, 10, &leaves));
    drop(root);
    let (ended, leaves) = told.recv()?;
    assert_eq!((ended, leaves), (Ended::Completed, 1024));
    Ok(format!("{leaves} leaves ended, and no thread waited for them inside the pool"))
}

fn spawn(pool: &Pool) -> Outcome {
    let (tell, told) = mpsc::channel();
    for n in 0..10 {
        let tell = tell.clone();
        pool.spawn(move || tell.send(n).expect("somebody listens"));
    }
    drop(tell);
    let sum: i32 = told.iter().sum();
    assert_eq!(sum, 45);
    assert!(pool.wait_quiescent(Duration::from_secs(60))?);
    Ok("ten detached closures ran; then the pool was quiet".into())
}

fn submit(pool: &Pool) -> Outcome {
    let mut answer = pool.submit(|| 6 * 7);
    assert!(answer.wait_timeout(Duration::from_secs(60))?);
    let value = answer.try_take().ok_or("taken")??;
    assert_eq!(value, 42);
    Ok(format!("the answer is {value}"))
}

/// Work that waits for work, on as few workers as there are.
fn nested_waits(_: &Pool) -> Outcome {
    fn nest(pool: &Pool, depth: u32) -> Result<u32, PoolError> {
        if depth == 0 {
            return Ok(0);
        }
        let same = pool.clone();
        Ok(1 + pool.submit(move || nest(&same, depth - 1)).wait()??)
    }
    let one = Pool::with_config(PoolConfig { workers: 1, ..PoolConfig::default() })?;
    let depth = nest(&one, 50)?;
    assert_eq!(depth, 50);
    Ok(format!("{depth} waits inside each other on one worker"))
}

fn cancel(pool: &Pool) -> Outcome {
    let occupied = Arc::new(Barrier::new(pool.workers() + 1));
    for _ in 0..pool.workers() {
        let occupied = Arc::clone(&occupied);
        pool.spawn(move || {
            occupied.wait(); // all workers are here
            occupied.wait(); // and stay until the cancel is done
        });
    }
    occupied.wait();
    let waiting = pool.submit(|| "never");
    assert!(waiting.cancel());
    occupied.wait();
    assert!(matches!(waiting.wait(), Err(PoolError::Cancelled)));
    Ok("work that had not started never did".into())
}

fn future(pool: &Pool) -> Outcome {
    let mut answer = pin!(pool.submit(|| "polled"));
    let mut context = Context::from_waker(Waker::noop());
    let value = loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(value) => break value?,
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert_eq!(value, "polled");
    Ok("a handle is a future of any runtime, or of none".into())
}

fn timers(pool: &Pool) -> Outcome {
    let (tell, told) = mpsc::channel();
    let fires = move || tell.send("fired").expect("somebody listens");
    let soon = pool.schedule_after(Duration::from_millis(2), fires);
    let late = pool.schedule_after(Duration::from_secs(3600), || unreachable!("cancelled"));
    assert!(late.cancel());
    assert_eq!(told.recv()?, "fired");
    assert!(soon.is_over());
    Ok("one fired, one was cancelled".into())
}

fn panics(_: &Pool) -> Outcome {
    let (tell, told) = mpsc::channel();
    let handler = move |panic: Box<dyn std::any::Any + Send>| {
        let _ = tell.send(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    };
    let pool = Pool::with_config(PoolConfig {
        workers: 1,
        panic_handler: Some(Arc::new(handler)),
        ..PoolConfig::default()
    })?;
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    pool.spawn(|| panic!("nobody joins this"));
    let said = told.recv()?;
    std::panic::set_hook(quiet);
    assert_eq!(said.as_deref(), Some("nobody joins this"));
    assert_eq!(pool.submit(|| 1).wait()?, 1);
    Ok("the handler was told, the worker lives on".into())
}

fn counters(pool: &Pool) -> Outcome {
    assert!(pool.wait_quiescent(Duration::from_secs(60))?);
    let counters = pool.counters();
    // Two, and a spare if a worker has waited for another one.
    assert!(counters.workers >= 2 && counters.queued == 0);
    assert_eq!(counters.run, counters.per_worker.iter().map(|worker| worker.run).sum());
    assert!(counters.promotions > 0);
    Ok(format!("{} pieces of work run, {} stolen", counters.run, counters.steals))
}

fn default_pool(_: &Pool) -> Outcome {
    let pool = Pool::global()?;
    assert!(std::ptr::eq(pool, Pool::global()?));
    let (a, b) = pool.join(|| 1, || 2);
    Ok(format!("the process has one too: {a} and {b}"))
}

fn shutdown(pool: Pool) -> Outcome {
    let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(60))?;
    assert!(report.running.is_empty());
    assert_eq!(report.left, 0);
    Ok(format!("{} threads joined, nothing left", report.joined))
}

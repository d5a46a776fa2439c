//! `fib` without cutoff with an explicit worker: what `benches/c/fib.c` is compared with.
//!
//! `fib_worker WORKERS ROUNDS` prints the nanoseconds a join took in each round.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use laneway::pool::{Pool, PoolConfig, Worker};

const N: u32 = 30;
/// Joins in `fib(30)`: one for each call with n >= 2.
const JOINS: f64 = 1_346_268.0;

fn fib(worker: Worker<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = worker.join(|worker| fib(worker, n - 1), |worker| fib(worker, n - 2));
    a + b
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workers, rounds] = arguments.as_slice() else {
        return Err("usage: fib_worker WORKERS ROUNDS".into());
    };
    let pool = Pool::with_config(PoolConfig { workers: workers.parse()?, ..Default::default() })?;
    for _ in 0..rounds.parse()? {
        let begin = Instant::now();
        let inside = pool.clone();
        let value = pool.submit(move || inside.enter(|worker| fib(worker, black_box(N)))).wait()?;
        assert_eq!(value, 832_040);
        println!("{:.3}", begin.elapsed().as_nanos() as f64 / JOINS);
    }
    Ok(())
}

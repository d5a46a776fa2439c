//! Orders of several customers: those of one customer one after another, all customers in parallel.
//!
//! `cargo run --example keyed_jobs`

use std::error::Error;
use std::time::Duration;

use laneway::{Coordinator, Job, JobError, JobOutcome, Pool, RetryPolicy, Shutdown};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::new()?;
    let coordinator = Coordinator::new(&pool);
    let mut orders = Vec::new();
    for number in 1..=3 {
        for customer in ["ada", "grace", "barbara"] {
            orders.push(coordinator.submit(customer, order(customer, number))?);
        }
    }
    for handle in orders {
        let customer = handle.key().clone();
        match handle.wait()? {
            JobOutcome::Completed(text) => println!("{customer}: {text}"),
            outcome => println!("{customer}: {}", outcome.kind().name()),
        }
    }
    let report = coordinator.shutdown(Shutdown::Drain, Duration::from_secs(10))?;
    println!("everything ended: {}", report.complete);
    pool.shutdown(Shutdown::Drain, Duration::from_secs(10))?;
    Ok(())
}

/// Every second order fails at first; the third of each customer for good, and is undone.
fn order(customer: &'static str, number: u32) -> Job<String> {
    Job::repeatable(move |ctx| {
        if number == 3 {
            return Err(JobError::new("out of stock"));
        }
        if number == 2 && ctx.attempt() == 1 {
            return Err(JobError::new("the line was busy"));
        }
        Ok(format!("order {number}, attempt {}", ctx.attempt()))
    })
    .retry(RetryPolicy {
        retries: 2,
        delay_base: Duration::from_millis(5),
        ..RetryPolicy::default()
    })
    .undo(move |ctx| {
        println!("{customer}: undoing order {number} after {} attempts", ctx.attempts());
        Ok(())
    })
}

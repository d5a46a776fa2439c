//! Async bodies: they await each other across keys, on the pool, without another runtime.
//!
//! `cargo run --example async_jobs`

use std::error::Error;

use laneway::{Coordinator, Job, JobError, JobOutcome, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = Coordinator::new(&Pool::new()?);
    let fetched = coordinator.submit("source", Job::once(|_| Ok(vec![3, 1, 2])))?;
    let mut fetched = Some(fetched);
    let sorted = coordinator.submit(
        "sink",
        Job::future(move |_ctx| {
            let fetched = fetched.take();
            async move {
                let fetched = fetched.ok_or(JobError::new("only one attempt can await it"))?;
                let JobOutcome::Completed(mut numbers) = fetched.await else {
                    return Err(JobError::new("nothing was fetched"));
                };
                numbers.sort_unstable();
                Ok(numbers)
            }
        }),
    )?;
    println!("{:?}", sorted.wait()?);
    Ok(())
}

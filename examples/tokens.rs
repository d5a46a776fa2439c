//! A job that is done when two answers have arrived from elsewhere, and holds no worker meanwhile.
//!
//! `cargo run --example tokens`

use std::error::Error;
use std::sync::mpsc;
use std::thread;

use laneway::{Coordinator, Job, JobError, JobOutcome, Pool, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = Coordinator::new(&Pool::new()?);

    // A stand-in for a device on the network: it answers on a thread of its own.
    let (requests, device) = mpsc::channel::<(&str, Token)>();
    let device = thread::spawn(move || {
        for (request, token) in device {
            match request {
                "explode" => token.fail(JobError::new("the device refused")),
                _ => token.succeed(),
            }
        }
    });

    let write_both = |first: &'static str, second: &'static str| {
        let requests = requests.clone();
        Job::once(move |ctx| {
            for request in [first, second] {
                // If the device is gone, the token comes back in the error, is dropped there, and
                // the job ends as abandoned.
                let _ = requests.send((request, ctx.defer()));
            }
            Ok(format!("{first} and {second} are done"))
        })
    };
    let good = coordinator.submit("device-1", write_both("flow", "group"))?;
    let bad = coordinator.submit("device-1", write_both("flow", "explode"))?;
    for handle in [good, bad] {
        match handle.wait()? {
            JobOutcome::Completed(text) => println!("{text}"),
            outcome => println!("{}: {:?}", outcome.kind().name(), outcome.cause()),
        }
    }
    drop(requests);
    device.join().map_err(|_| "the device thread panicked")?;
    Ok(())
}

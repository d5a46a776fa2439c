//! Configuring network devices: one change at a time per device, undone when it fails half way.
//!
//! `cargo run --example network_config`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::coordinator::RetryPolicy;
use laneway::{Coordinator, Job, JobError, JobOutcome, OnDoubleFault, Pool};

/// What is configured where.
type Network = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// Applies `lines` to a device; the device refuses those that say so.
fn configure(
    network: &Network,
    device: &'static str,
    lines: &'static [&'static str],
) -> Job<usize> {
    let (apply, undo) = (network.clone(), network.clone());
    let before = network.lock().expect("no panic").get(device).cloned().unwrap_or_default();
    Job::repeatable(move |ctx| {
        let mut network = apply.lock().expect("no panic");
        let config = network.entry(device.to_string()).or_default();
        for line in lines {
            if line.starts_with("bad") {
                return Err(JobError::new(format!("{device} refuses {line:?}")));
            }
            if line.starts_with("busy") && ctx.attempt() == 1 {
                return Err(JobError::conflict("somebody else has the session"));
            }
            if !config.iter().any(|present| present == line) {
                config.push((*line).to_string());
            }
        }
        Ok(config.len())
    })
    .retry(RetryPolicy::constant(1, Duration::from_millis(1)))
    .undo(move |_| {
        undo.lock().expect("no panic").insert(device.to_string(), before);
        Ok(())
    })
    .on_double_fault(OnDoubleFault::Quarantine)
    .deadline(Duration::from_secs(30))
}

fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = Coordinator::new(&Pool::new()?);
    let network = Network::default();
    let good =
        coordinator.submit("spine-1", configure(&network, "spine-1", &["vlan 7", "mtu 9000"]))?;
    let busy = coordinator.submit("leaf-4", configure(&network, "leaf-4", &["busy", "vlan 7"]))?;
    assert!(matches!(good.wait()?, JobOutcome::Completed(2)));
    assert!(matches!(busy.wait()?, JobOutcome::Completed(2)));

    let job = configure(&network, "spine-1", &["vlan 8", "bad route"]);
    match coordinator.submit("spine-1", job)?.wait()? {
        JobOutcome::RolledBack { cause } => println!("rolled back: {cause}"),
        other => panic!("{other:?}"),
    }
    let network = network.lock().expect("no panic");
    assert_eq!(network["spine-1"], ["vlan 7", "mtu 9000"], "as before");
    for (device, config) in &*network {
        println!("{device}: {}", config.join(", "));
    }
    Ok(())
}

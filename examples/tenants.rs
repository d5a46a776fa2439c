//! Work per tenant: in order, with time limits, only the newest state, and one hand on the brake.
//!
//! `cargo run --example tenants`

use std::error::Error;
use std::time::Duration;

use laneway::coordinator::{Explanation, Keys};
use laneway::{Coordinator, Job, JobOutcome, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = Coordinator::new(&Pool::new()?);

    // Everything of one tenant is stopped while it is migrated; the others go on.
    coordinator.pause(Keys::prefix("tenant-7/"));
    let mail = coordinator.submit("tenant-7/mail", Job::once(|_| Ok("sent")))?;
    let other = coordinator.submit("tenant-8/mail", Job::once(|_| Ok("sent")))?;
    assert!(other.wait()?.is_completed());
    let why = coordinator.explain("tenant-7/mail");
    assert!(why.contains(&Explanation::Paused { by: Keys::prefix("tenant-7/") }));

    // Of a burst of changes only the newest counts.
    let reports: Vec<_> = (1..=5)
        .map(|version| {
            let job = Job::once(move |_| Ok(version));
            coordinator.submit_latest("tenant-7/report", "rebuild", job)
        })
        .collect::<Result<_, _>>()?;

    // A reminder is worth nothing later.
    let job = Job::once(|_| Ok("reminded")).queue_timeout(Duration::from_millis(1));
    let reminder = coordinator.submit("tenant-7/mail", job)?;
    assert!(matches!(reminder.wait()?, JobOutcome::Expired));

    coordinator.resume(Keys::prefix("tenant-7/"));
    assert!(mail.wait()?.is_completed());
    let mut built = Vec::new();
    for report in reports {
        built.extend(report.wait()?.completed());
    }
    println!("built the report of version {built:?}");
    assert_eq!(built, [5]);

    let counters = coordinator.counters();
    println!("{} jobs, {} lanes open", counters.created, counters.lanes_open);
    Ok(())
}

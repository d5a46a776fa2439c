//! Events and counters of jobs, for the `metrics` facade.

use std::time::Duration;

use ::metrics::{counter, gauge};

use super::observe::{JobEvent, Observer};
use super::outcome::OutcomeKind;
use super::{Coordinator, Histogram};

/// An [`Observer`] that counts every event with the `metrics` facade, in whatever recorder the
/// program has installed. Only with the feature `metrics`.
///
/// Counters: `laneway_jobs_submitted_total`, `laneway_attempts_started_total`,
/// `laneway_attempts_failed_total`, `laneway_attempts_repeated_total`,
/// `laneway_rollbacks_started_total`, `laneway_jobs_overdue_total`, and
/// `laneway_jobs_ended_total` with the label `outcome`. Keys are no labels: there are too many.
///
/// ```
/// use laneway::coordinator::{CoordinatorConfig, MetricsObserver};
/// use laneway::{Coordinator, Job, Pool};
/// use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = CoordinatorConfig { observer: Some(Arc::new(MetricsObserver)), ..Default::default() };
/// let coordinator = Coordinator::with_config(&Pool::new()?, config);
/// coordinator.submit("k", Job::once(|_| Ok(())))?.wait()?.is_completed();
/// MetricsObserver::report(&coordinator); // now and then: gauges
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsObserver;

impl Observer for MetricsObserver {
    fn event(&self, event: &JobEvent<'_>) {
        match event {
            JobEvent::Submitted { .. } => counter!("laneway_jobs_submitted_total").increment(1),
            JobEvent::Started { .. } => counter!("laneway_attempts_started_total").increment(1),
            JobEvent::AttemptFailed { again, .. } => {
                counter!("laneway_attempts_failed_total").increment(1);
                if again.is_some() {
                    counter!("laneway_attempts_repeated_total").increment(1);
                }
            }
            JobEvent::RollingBack { .. } => {
                counter!("laneway_rollbacks_started_total").increment(1);
            }
            JobEvent::UndoFailed { .. } => {}
            JobEvent::Overdue { .. } => counter!("laneway_jobs_overdue_total").increment(1),
            JobEvent::Ended { outcome, .. } => ended(*outcome),
        }
    }
}

fn ended(outcome: OutcomeKind) {
    counter!("laneway_jobs_ended_total", "outcome" => outcome.name()).increment(1);
}

impl MetricsObserver {
    /// Sets the gauges of a coordinator: `laneway_jobs_queued`, `laneway_jobs_running`,
    /// `laneway_lanes_open`, and of the jobs that are measured `laneway_wait_seconds` and
    /// `laneway_run_seconds`, with the label `quantile`. To be called at the recorder's pace.
    pub fn report(coordinator: &Coordinator) {
        let (counters, timings) = (coordinator.counters(), coordinator.timings());
        gauge!("laneway_jobs_queued").set(counters.queued as f64);
        gauge!("laneway_jobs_running").set(counters.running as f64);
        gauge!("laneway_lanes_open").set(counters.lanes_open as f64);
        for (label, quantile) in [("0.5", 0.5), ("0.99", 0.99), ("1", 1.0)] {
            let told = |times: &Histogram| times.quantile(quantile).unwrap_or(Duration::ZERO);
            let (wait, run) = (told(&timings.wait), told(&timings.run));
            gauge!("laneway_wait_seconds", "quantile" => label).set(wait.as_secs_f64());
            gauge!("laneway_run_seconds", "quantile" => label).set(run.as_secs_f64());
        }
    }
}

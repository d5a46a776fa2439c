//! A run that lives and dies with its process: every job is submitted to a coordinator at once.
//!
//! The crew begins when all of them are: so a `fail-rest` job takes along every job behind it in
//! the file, however fast it fails.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use laneway::{Coordinator, JobHandle};

use super::RunError;
use super::jobs::Jobs;

/// Submits every job of the plan; their ends are told to the board.
pub(crate) fn submit_all(coordinator: &Coordinator, jobs: &Arc<Jobs>) -> Result<(), RunError> {
    for (job, spec) in jobs.plan.jobs.iter().enumerate() {
        let submitted = coordinator.submit(spec.key.as_str(), jobs.job(job));
        let handle = submitted.map_err(|error| RunError::Submit {
            id: spec.id.clone(),
            message: error.to_string(),
        })?;
        let jobs = Arc::clone(jobs);
        Arc::new(Ending { job, jobs, handle: Mutex::new(Some(handle)) }).look();
    }
    Ok(())
}

/// The end of one job, once it is there.
///
/// A waker, because wakers are woken before the next job of the key starts, and callbacks are not:
/// so the board hears of an end before it hears of the next start.
struct Ending {
    job: usize,
    jobs: Arc<Jobs>,
    /// `None` once the outcome was taken.
    handle: Mutex<Option<JobHandle<()>>>,
}

impl Ending {
    /// Tells the board if the job has ended, and asks to be woken if not.
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = slot.as_mut() else { return };
        if let Poll::Ready(outcome) = Pin::new(handle).poll(&mut Context::from_waker(&waker)) {
            *slot = None;
            drop(slot);
            self.jobs.board.end(self.job, &self.jobs.outcome(self.job, &outcome));
        }
    }
}

impl Wake for Ending {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

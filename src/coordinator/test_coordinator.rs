//! A coordinator for tests: without threads, on a clock that the test moves.
//!
//! The coordinator is the same as everywhere; what is different is its pool ([`TestPool`]).

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::{Coordinator, CoordinatorConfig};
use crate::pool::TestPool;

/// A [`Coordinator`] without threads: jobs run when the test says so, in an order drawn from a
/// seed, on a clock that the test moves. See [`Coordinator::for_test`].
///
/// It is the coordinator by dereference, so that a test submits, cancels and looks as everybody
/// does. Nothing runs by itself: [`run_until_idle`](Self::run_until_idle) runs what is ready;
/// [`advance`](Self::advance) lets time pass, for backoffs, time-outs and delays. Calls that wait
/// (`wait`, `drain`, `shutdown`) do both, as far as their own time-out reaches, and are refused as
/// `WouldDeadlock` where nothing that is ready and no timer could end them.
///
/// Jobs of different keys interleave in the order that the seed gives, so a test may run under many
/// seeds; [`seed`](Self::seed) names the one under which it failed.
/// [`JobContext::sleep`](super::JobContext::sleep) lets the time pass at once. Threads that the test
/// starts itself, to end tokens, are not under the seed.
///
/// Dropping it ends every job that has no outcome yet as `Lost`.
pub struct TestCoordinator {
    // In the order of their drops.
    coordinator: Coordinator,
    pool: TestPool,
}

impl Coordinator {
    /// A coordinator for tests, without threads; jobs interleave as `seed` says.
    ///
    /// ```
    /// use laneway::{Coordinator, Job, JobError, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let test = Coordinator::for_test(42);
    /// let job = Job::repeatable(|ctx| match ctx.attempt() {
    ///     1 => Err(JobError::new("busy")),
    ///     _ => Ok("delivered"),
    /// });
    /// let in_a_minute = RetryPolicy { delay_base: Duration::from_secs(60), ..RetryPolicy::with_retries(1) };
    /// let letter = test.submit("box", job.retry(in_a_minute))?;
    ///
    /// test.run_until_idle();
    /// assert!(!letter.is_done(), "it backs off");
    /// test.advance(Duration::from_secs(60)); // takes no time
    /// assert_eq!(letter.wait()?.completed(), Some("delivered"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_test(seed: u64) -> TestCoordinator {
        TestCoordinator::with_config(seed, CoordinatorConfig::default())
    }
}

impl TestCoordinator {
    /// As [`Coordinator::for_test`], configured.
    pub fn with_config(seed: u64, config: CoordinatorConfig) -> Self {
        let pool = TestPool::new(seed);
        Self { coordinator: Coordinator::with_config(pool.pool(), config), pool }
    }

    /// The coordinator, to be cloned into what is under test.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The pool without threads that its jobs run on.
    pub fn test_pool(&self) -> &TestPool {
        &self.pool
    }

    /// The seed that it was made with.
    pub fn seed(&self) -> u64 {
        self.pool.seed()
    }

    /// As [`TestPool::run_one`].
    ///
    /// # Panics
    /// If called inside a job, or while another thread runs the jobs.
    pub fn run_one(&self) -> bool {
        self.pool.run_one()
    }

    /// As [`TestPool::run_until_idle`].
    ///
    /// # Panics
    /// As [`run_one`](Self::run_one).
    pub fn run_until_idle(&self) -> usize {
        self.pool.run_until_idle()
    }

    /// As [`TestPool::advance`].
    ///
    /// # Panics
    /// As [`run_one`](Self::run_one).
    pub fn advance(&self, time: Duration) {
        self.pool.advance(time);
    }
}

impl Deref for TestCoordinator {
    type Target = Coordinator;

    fn deref(&self) -> &Coordinator {
        &self.coordinator
    }
}

impl fmt::Debug for TestCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCoordinator")
            .field("pool", &self.pool)
            .field("counters", &self.coordinator.counters())
            .finish()
    }
}

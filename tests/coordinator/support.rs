//! Gates, logs and bounded waits.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use laneway::coordinator::WaitError;
use laneway::{Coordinator, Job, JobHandle, JobOutcome, Pool, PoolConfig, RetryPolicy};

/// How long a wait may last before a test fails.
pub const LONG: Duration = Duration::from_secs(30);

/// Longer than any test: what is due then never happens unless something ends the wait.
pub const NEVER: Duration = Duration::from_secs(3600);

pub fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("threads start")
}

/// One that has no threads but these, whoever blocks.
pub fn pool_without_spares(workers: usize) -> Pool {
    let config = PoolConfig { workers, max_blocking: 0, ..PoolConfig::default() };
    Pool::with_config(config).expect("threads start")
}

pub fn coordinator(workers: usize) -> Coordinator {
    Coordinator::new(&pool(workers))
}

/// The outcome, which must come.
pub fn end<T: Send + 'static>(handle: JobHandle<T>) -> JobOutcome<T> {
    match handle.wait_timeout(LONG) {
        Ok(outcome) => outcome,
        Err(WaitError::TimedOut(handle)) => panic!("no outcome: {handle:?}"),
        Err(other) => panic!("{other}"),
    }
}

/// The value of a job that must complete.
pub fn value<T: Send + Debug + 'static>(handle: JobHandle<T>) -> T {
    match end(handle) {
        JobOutcome::Completed(value) => value,
        other => panic!("not completed: {other:?}"),
    }
}

pub fn submit<T: Send + 'static>(
    coordinator: &Coordinator,
    key: &str,
    job: Job<T>,
) -> JobHandle<T> {
    coordinator.submit(key, job).expect("accepted")
}

/// Retries at once.
pub fn retries(retries: u32) -> RetryPolicy {
    RetryPolicy { retries, delay_base: Duration::ZERO, ..RetryPolicy::default() }
}

/// A door that is shut until somebody opens it; then it stays open.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn shut() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        *self.0.0.lock().expect("nobody panics at the gate") = true;
        self.0.1.notify_all();
    }

    /// Blocks until it is open.
    pub fn pass(&self) {
        let open = self.0.0.lock().expect("nobody panics at the gate");
        let (_open, timeout) = self
            .0
            .1
            .wait_timeout_while(open, LONG, |open| !*open)
            .expect("nobody panics at the gate");
        assert!(!timeout.timed_out(), "the gate stayed shut");
    }
}

/// Occupies the lane of `key` until the gate opens; returns once the job is running.
pub fn block_lane(coordinator: &Coordinator, key: &str) -> Gate {
    let (running, gate) = (Gate::shut(), Gate::shut());
    let (tell, wait) = (running.clone(), gate.clone());
    let job = Job::once(move |_| {
        tell.open();
        wait.pass();
        Ok(())
    });
    coordinator.submit_detached(key, job).expect("accepted");
    running.pass();
    gate
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, entry: impl Into<String>) {
        self.0.lock().expect("nobody panics with the log").push(entry.into());
    }

    pub fn entries(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with the log").clone()
    }
}

/// A job that only writes `entry` into the log.
pub fn writes(log: &Log, entry: &str) -> Job<()> {
    let (log, entry) = (log.clone(), entry.to_string());
    Job::once(move |_| {
        log.add(entry);
        Ok(())
    })
}

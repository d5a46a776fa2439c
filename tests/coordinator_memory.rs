//! What jobs cost in allocations. Alone in its process, because it counts all of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use laneway::{Coordinator, Job, JobError, Pool, PoolConfig};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is done by the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: by the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: by the caller's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LONG: Duration = Duration::from_secs(60);
const JOBS: usize = 20_000;
const WORKERS: usize = 2;

/// All jobs are submitted before the first one runs: the count does not depend on who is faster.
fn submit_round(coordinator: &Coordinator) {
    let shut = Arc::new(Mutex::new(()));
    let held = shut.lock().expect("nobody panics");
    let (began, begins) = mpsc::channel();
    for _ in 0..WORKERS {
        let (shut, began) = (Arc::clone(&shut), began.clone());
        coordinator.pool().spawn(move || {
            began.send(()).expect("the test waits");
            drop(shut.lock());
        });
    }
    (0..WORKERS).for_each(|_| begins.recv_timeout(LONG).expect("a worker is held"));
    for job in 0..JOBS {
        let captures = [job; 6]; // 48 bytes
        let body = Job::once(move |_| Ok(captures[5]));
        coordinator.submit_detached((job % 64) as u64, body).expect("accepted");
    }
    drop(held);
    coordinator.drain(LONG).expect("drained");
}

/// What is left of a coordinator that has had jobs of all kinds, when all of it is gone.
fn left_of_a_coordinator(pool: &Pool) -> usize {
    let settled = || pool.wait_quiescent(LONG).expect("not on a worker");
    assert!(settled(), "nothing is left to do");
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let coordinator = Coordinator::new(pool);
    submit_round(&coordinator);
    let (token_out, token_in) = mpsc::channel();
    let body = Job::once(move |ctx| token_out.send(ctx.defer()).map_err(JobError::new));
    let waits = coordinator.submit("waits", body).expect("accepted");
    let token = token_in.recv_timeout(LONG).expect("the job begins");
    drop(coordinator);
    token.succeed(); // the job outlives the coordinator
    assert!(waits.wait_timeout(LONG).expect("it ends").is_completed());
    assert!(settled(), "nothing is left to do");
    LIVE_BYTES.load(Ordering::Relaxed).saturating_sub(before)
}

/// One test: others in this process would count too.
#[test]
fn a_detached_plain_job_allocates_nothing_of_its_own_and_all_memory_comes_back() {
    let pool = Pool::with_config(PoolConfig { workers: WORKERS, ..PoolConfig::default() });
    let pool = pool.expect("threads start");
    let coordinator = Coordinator::new(&pool);
    submit_round(&coordinator); // what stays: blocks, stripes, the threads' own
    let (before, live) = (ALLOCATIONS.load(Ordering::Relaxed), LIVE_BYTES.load(Ordering::Relaxed));
    submit_round(&coordinator);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // Blocks of jobs, queues of lanes and visits are shared by many jobs.
    assert!(allocations < JOBS / 4, "{allocations} allocations for {JOBS} jobs");
    let kept = LIVE_BYTES.load(Ordering::Relaxed).saturating_sub(live);
    assert!(kept < 256 * 1024, "{kept} bytes stay");
    drop(coordinator);
    let left = left_of_a_coordinator(&pool);
    assert!(left < 16 * 1024, "{left} bytes are left of a coordinator");
}

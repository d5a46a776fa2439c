//! Lanes give their memory back. Live bytes are counted by the allocator of this test program,
//! which therefore holds one test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use laneway::coordinator::{Coordinator, Job};
use laneway::pool::{Pool, PoolConfig};

const LONG: Duration = Duration::from_secs(60);

const KEYS: u64 = 10_000;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call goes to the system's allocator; `realloc` comes through these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: a count.
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Relaxed: a count.
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    // Relaxed: a count.
    LIVE.load(Ordering::Relaxed)
}

/// Every key gets one job, and all of them wait at the same time. Answers the live
/// bytes while all wait, and after all have ended.
fn burst(coordinator: &Coordinator) -> (isize, isize) {
    let (go, gate) = channel::<()>();
    let (began, begins) = channel();
    let stopped = Job::once(move |_| {
        began.send(()).expect("the test waits");
        let _ = gate.recv_timeout(LONG);
        Ok(())
    });
    coordinator.submit_detached("stopped", stopped).expect("accepted");
    begins.recv_timeout(LONG).expect("the only worker is busy");
    for key in 0..KEYS {
        coordinator.submit_detached(key, Job::once(|_| Ok(()))).expect("accepted");
    }
    let waiting = live();
    drop(go);
    coordinator.drain(LONG).expect("all end");
    assert_eq!(coordinator.counters().lanes_open, 0);
    (waiting, live())
}

#[test]
fn ten_thousand_keys_leave_no_memory_behind() {
    let config = PoolConfig { workers: 1, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("threads start");
    let coordinator = Coordinator::new(&pool);
    let before = live();
    let mut after = 0;
    for _ in 0..3 {
        let (waiting, ended) = burst(&coordinator);
        assert!(waiting - before > KEYS as isize * 64, "they do wait: {before}, {waiting}");
        after = ended;
    }
    // What stays does not grow with the keys: a block, a map and some queues for each shard.
    let shards = 64;
    assert!(after - before < shards * 24 * 1024, "{before} bytes before, {after} after");
    drop(coordinator);
}

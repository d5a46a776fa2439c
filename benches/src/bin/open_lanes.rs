//! Memory of open lanes: many jobs over as many distinct keys wait behind one gate, then drain.
//!
//! `cargo run --release -p laneway-benches --bin open_lanes [JOBS]` (default ten million). Every job
//! defers a token and waits, so every key has an open lane; then all tokens succeed. Prints the
//! allocator's live bytes and the resident set before, at the gate and after, and fails unless both
//! are back and no lane is open.

use std::alloc::System;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::{Coordinator, Job, Pool, Token};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How far the live bytes may be off at the end: what shards keep for their next jobs, which the
/// first wave may have left a little smaller.
const LIVE_SLACK_BYTES: i64 = 64 << 10;

/// How far the resident set may be off at the end.
const RESIDENT_SLACK_BYTES: u64 = 16 << 20;

/// Memory for all threads comes from one arena: with several, glibc keeps tens of mebibytes of
/// partly used heaps for itself, whatever the program frees.
fn use_one_arena() {
    // SAFETY: no preconditions; called before any other thread exists.
    let set = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    assert_eq!(set, 1, "glibc refused the setting");
}

fn resident_bytes() -> u64 {
    // SAFETY: no preconditions; asks the allocator to return free pages to the system.
    unsafe { libc::malloc_trim(0) };
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident set");
    let kibibytes: u64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kibibytes << 10
}

/// `jobs` jobs, each of a key of its own, wait for a token; then all go on and end.
fn wave(coordinator: &Coordinator, jobs: u64) {
    let gate: Arc<Mutex<Vec<Token>>> = Arc::new(Mutex::new(Vec::with_capacity(jobs as usize)));
    for key in 0..jobs {
        let gate = Arc::clone(&gate);
        let job = Job::once(move |context| {
            gate.lock().expect("no panic").push(context.defer());
            Ok(())
        });
        coordinator.submit_detached(key, job).expect("not shutting down");
    }
    while gate.lock().expect("no panic").len() < jobs as usize {
        std::thread::yield_now();
    }
    let open = coordinator.counters().lanes_open;
    println!("at gate: {jobs} jobs wait, lanes open {open}, resident {} B", resident_bytes());
    let tokens = std::mem::take(&mut *gate.lock().expect("no panic"));
    for token in tokens {
        token.succeed();
    }
    coordinator.drain(Duration::from_secs(600)).expect("every job ends");
}

fn main() -> ExitCode {
    use_one_arena();
    let jobs: u64 = std::env::args().nth(1).map_or(10_000_000, |n| n.parse().expect("a count"));
    let pool = Pool::new().expect("threads can be started");
    let coordinator = Coordinator::new(&pool);
    wave(&coordinator, 100_000); // lazily made things are made once
    let live = Region::new(ALLOCATOR);
    let resident = resident_bytes();

    wave(&coordinator, jobs);

    let change = live.change();
    let live_after = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    let resident_after = resident_bytes();
    let open = coordinator.counters().lanes_open;
    println!(
        "after:   live {live_after:+} B, resident {resident_after} B (before: {resident} B), \
         lanes open {open}"
    );
    let live_back = live_after <= LIVE_SLACK_BYTES;
    let resident_back = resident_after <= resident + RESIDENT_SLACK_BYTES;
    let back = live_back && resident_back && open == 0;
    println!("{}", if back { "memory is back" } else { "MEMORY IS NOT BACK" });
    if back { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The trace file: valid JSON, spans that nest, one track for each thread. Hooks of
//! threads, and counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, PoolError, Shutdown, WorkerCounters};
use serde_json::Value;

fn traced(trace_events: usize) -> Pool {
    let name = "tra\"ced\\\u{1}".to_owned();
    let config = PoolConfig { workers: 2, name, trace_events, ..PoolConfig::default() };
    Pool::with_config(config).expect("a pool")
}

/// The events of the file.
fn events(pool: &Pool) -> Vec<Value> {
    let mut file = Vec::new();
    pool.write_trace(&mut file).expect("memory does not fail");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    file["traceEvents"].as_array().expect("a list").clone()
}

fn work(pool: &Pool) {
    for _ in 0..20 {
        let sum = AtomicUsize::new(0);
        pool.scope(|s| {
            for _ in 0..10 {
                s.spawn(|| {
                    pool.par_for(0..64, 1, |n| {
                        sum.fetch_add(n, Ordering::Relaxed);
                    });
                });
            }
        });
        assert_eq!(sum.into_inner(), 10 * 2016);
        assert!(pool.wait_quiescent(Duration::from_secs(60)).expect("no worker"));
    }
}

/// The events of each track, in the order of the file.
fn tracks(events: &[Value]) -> BTreeMap<u64, Vec<&Value>> {
    let mut tracks: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in events {
        tracks.entry(event["tid"].as_u64().expect("a number")).or_default().push(event);
    }
    tracks
}

#[test]
fn spans_nest_and_times_do_not_go_back() {
    // A ring that is full, and one that never is.
    for kept in [16, 100_000] {
        let pool = traced(kept);
        work(&pool);
        let events = events(&pool);
        for (tid, track) in tracks(&events) {
            let (mut open, mut last) = (Vec::new(), 0.0);
            assert_eq!(
                (track[0]["ph"].as_str(), track[0]["name"].as_str()),
                (Some("M"), Some("thread_name"))
            );
            assert!(track.len() <= kept + 1, "track {tid} keeps {} events", track.len());
            for event in &track[1..] {
                let ts = event["ts"].as_f64().expect("a time");
                assert!(ts >= last, "track {tid} goes back");
                last = ts;
                let name = event["name"].as_str().expect("a name");
                match event["ph"].as_str().expect("a phase") {
                    "B" => open.push(name),
                    "E" => assert_eq!(open.pop(), Some(name)),
                    "i" => assert!(["steal", "promote"].contains(&name)),
                    phase => panic!("phase {phase}"),
                }
            }
        }
    }
}

#[test]
fn what_was_counted_is_in_the_file() {
    let pool = traced(1_000_000);
    work(&pool);
    let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
    assert!(report.running.is_empty());
    let counters = pool.counters();
    let events = events(&pool);
    let count = |name: &str, phase: &str| {
        let is = |event: &&Value| event["name"] == name && event["ph"] == phase;
        events.iter().filter(is).count() as u64
    };
    assert_eq!(count("run", "B"), counters.run);
    assert_eq!(count("run", "E"), counters.run);
    assert_eq!(count("steal", "i"), counters.steals);
    assert_eq!(count("promote", "i"), counters.promotions);
    assert_eq!(count("sleep", "B"), counters.parks);
    assert_eq!(count("sleep", "E"), counters.wakes);
}

#[test]
fn the_names_of_the_threads_are_escaped() {
    let pool = traced(64);
    work(&pool);
    let events = events(&pool);
    let names: Vec<&str> = events
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| event["args"]["name"].as_str().expect("a text"))
        .collect();
    assert!(!names.is_empty());
    assert!(names.iter().all(|name| name.starts_with("tra\"ced\\\u{1}-")), "{names:?}");
}

#[test]
fn without_events_the_file_is_valid_and_empty() {
    let pool = traced(0);
    work(&pool);
    assert!(events(&pool).is_empty());
}

#[test]
fn hooks_run_once_at_both_ends_of_every_thread() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let hook = |end: &'static str| {
        let calls = Arc::clone(&calls);
        Arc::new(move |index: usize| {
            let thread = std::thread::current();
            assert_eq!(thread.name(), Some(format!("hooked-{index}").as_str()));
            calls.lock().expect("no panic").push((end, index));
        })
    };
    let pool = Pool::with_config(PoolConfig {
        workers: 3,
        name: "hooked".to_owned(),
        thread_start: Some(hook("start")),
        thread_exit: Some(hook("exit")),
        ..PoolConfig::default()
    })
    .expect("a pool");
    pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
    let mut calls = calls.lock().expect("no panic").clone();
    calls.sort_unstable();
    let expected = ["exit", "start"].map(|end| [0, 1, 2].map(|index| (end, index))).concat();
    assert_eq!(calls, expected);
}

#[test]
fn a_hook_that_panics_leaves_the_worker_alive() {
    let panics = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&panics);
    let pool = Pool::with_config(PoolConfig {
        workers: 1,
        panic_handler: Some(Arc::new(move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
        })),
        thread_start: Some(Arc::new(|_| panic!("at the start"))),
        thread_exit: Some(Arc::new(|_| panic!("at the end"))),
        ..PoolConfig::default()
    })
    .expect("a pool");
    assert_eq!(pool.submit(|| 7).wait().expect("it runs"), 7);
    let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
    assert!(report.running.is_empty());
    assert_eq!(panics.load(Ordering::SeqCst), 2);
}

#[test]
fn counters_agree_with_each_other_once_the_pool_is_quiet() {
    let config = PoolConfig { workers: 2, max_blocking: 0, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    for _ in 0..10 {
        work(&pool);
        let counters = pool.counters();
        assert_eq!((counters.workers, counters.active, counters.blocked), (2, 0, 0));
        assert_eq!((counters.queued, counters.surplus, counters.abandoned), (0, 0, 0));
        let sum = |count: fn(&WorkerCounters) -> u64| -> u64 {
            counters.per_worker.iter().map(count).sum()
        };
        assert_eq!(counters.run, sum(|worker| worker.run));
        assert_eq!(counters.parks, sum(|worker| worker.parks));
        assert_eq!(counters.wakes, sum(|worker| worker.wakes));
        assert!(sum(|worker| worker.promotions) <= counters.promotions, "helpers promote too");
        assert!(sum(|worker| worker.steals) <= counters.steals, "and steal back");
        // Each worker sleeps: it was woken as often as it parked, but for the last time.
        assert!(counters.per_worker.iter().all(|worker| worker.parks == worker.wakes + 1));
    }
}

#[test]
fn what_nobody_can_take_is_a_surplus() {
    let pool = traced(0);
    let inside = Arc::new(Barrier::new(3));
    for _ in 0..2 {
        let inside = Arc::clone(&inside);
        pool.spawn(move || {
            inside.wait();
            inside.wait();
        });
    }
    inside.wait(); // both workers are there
    (0..10).for_each(|_| pool.spawn(|| ()));
    let counters = pool.counters();
    assert_eq!((counters.queued, counters.surplus), (10, 10));
    inside.wait();
    assert!(pool.wait_quiescent(Duration::from_secs(60)).expect("no worker"));
    assert_eq!(pool.counters().surplus, 0);
}

#[test]
fn more_events_than_memory_are_refused() {
    let config = PoolConfig { trace_events: usize::MAX, ..PoolConfig::default() };
    assert!(matches!(Pool::with_config(config), Err(PoolError::Config { field: "trace_events" })));
}

//! Classes of work: who is taken first, and that nobody starves (P12).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, Priority, Shutdown};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// Occupies a worker until the answer is dropped; returns when it is occupied.
fn occupy(pool: &Pool) -> mpsc::Sender<()> {
    let (open, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || {
        tell.send(()).expect("the test waits");
        let _ = gate.recv();
    });
    told.recv().expect("a worker took it");
    open
}

#[test]
fn urgent_work_is_taken_first_and_background_work_last() {
    let pool = pool(1);
    let gate = occupy(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    for priority in [Priority::Background, Priority::Normal, Priority::Urgent] {
        for n in 0..2 {
            let order = Arc::clone(&order);
            pool.spawn_at(priority, move || {
                order.lock().expect("nobody panics").push((priority, n));
            });
        }
    }
    drop(gate);
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    let order = order.lock().expect("nobody panics");
    let classes: Vec<Priority> = order.iter().map(|(priority, _)| *priority).collect();
    use Priority::{Background, Normal, Urgent};
    assert_eq!(classes, [Urgent, Urgent, Normal, Normal, Background, Background]);
    assert!(order.chunks(2).all(|pair| pair[0].1 < pair[1].1), "first in, first out: {order:?}");
}

/// Urgent work that posts itself again until told to stop, and counts.
fn saturate(pool: &Pool, urgent: &Arc<AtomicUsize>, over: &Arc<AtomicBool>) {
    let (same, urgent, over) = (pool.clone(), Arc::clone(urgent), Arc::clone(over));
    pool.spawn_at(Priority::Urgent, move || {
        urgent.fetch_add(1, Ordering::Relaxed);
        if !over.load(Ordering::Relaxed) {
            saturate(&same, &urgent, &over);
        }
    });
}

#[test]
fn with_urgent_saturating_one_visit_in_64_is_background() {
    let pool = pool(1);
    let gate = occupy(&pool);
    let (urgent, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        saturate(&pool, &urgent, &over);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..100 {
        let (urgent, over, seen) = (Arc::clone(&urgent), Arc::clone(&over), Arc::clone(&seen));
        pool.spawn_at(Priority::Background, move || {
            let mut seen = seen.lock().expect("nobody panics");
            seen.push(urgent.load(Ordering::Relaxed));
            over.store(seen.len() == 100, Ordering::Relaxed);
        });
    }
    drop(gate);
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
    let seen = seen.lock().expect("nobody panics");
    assert_eq!(seen.len(), 100, "background work starved");
    let most = seen.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert_eq!(most, Some(63), "urgent visits between two background ones");
}

#[test]
fn with_urgent_saturating_normal_work_has_its_share() {
    let pool = pool(1);
    let gate = occupy(&pool);
    let (urgent, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        saturate(&pool, &urgent, &over);
    }
    let last = Arc::clone(&over);
    let (tell, told) = mpsc::channel();
    for n in 1..=70 {
        let (last, urgent, tell) = (Arc::clone(&last), Arc::clone(&urgent), tell.clone());
        pool.spawn(move || {
            last.store(n == 70, Ordering::Relaxed);
            tell.send(urgent.load(Ordering::Relaxed)).expect("the test waits");
        });
    }
    drop((gate, tell));
    let seen: Vec<usize> = told.iter().collect();
    assert_eq!(seen.len(), 70);
    assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 15), "{seen:?}");
    assert!(pool.wait_quiescent(LONG).expect("not a worker"));
}

#[test]
fn classed_work_is_stolen_awaited_and_abandoned_like_any() {
    let pool = pool(4);
    let handles: Vec<_> = (0..1_000)
        .map(|n| {
            let class = [Priority::Urgent, Priority::Normal, Priority::Background][n % 3];
            pool.submit_at(class, move || n)
        })
        .collect();
    assert_eq!(handles.into_iter().map(|h| h.wait().expect("it ran")).sum::<usize>(), 499_500);
    let pool = self::pool(1);
    let gate = occupy(&pool);
    for class in [Priority::Urgent, Priority::Background] {
        (0..5).for_each(|_| pool.spawn_at(class, || unreachable!("the pool is cancelled")));
    }
    assert_eq!(pool.counters().queued, 10);
    let early = pool.shutdown(Shutdown::Cancel, Duration::ZERO).expect("not a worker");
    assert_eq!(early.left, 10);
    drop(gate);
    let report = pool.shutdown(Shutdown::Cancel, LONG).expect("not a worker");
    assert_eq!((report.joined, report.left), (1, 10));
}

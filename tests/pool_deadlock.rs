//! Programs that deadlock, or overflow the stack, where a waiter runs whatever work it finds, and
//! must not here: a waiter runs only the subtree that it waits for (P4).

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use laneway::coordinator::WaitError;
use laneway::pool::{Pool, PoolConfig, PoolError, Scope};
use laneway::{Coordinator, Job};

const LONG: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// A fork-join region that is worth stealing from.
fn fib(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
    a + b
}

/// rayon: the waiting join steals the next piece of work, which locks the same mutex on its stack.
#[test]
fn a_lock_may_be_held_across_a_join() {
    let pool = pool(2);
    let lock = Arc::new(Mutex::new(0_u64));
    let handles: Vec<_> = (0..100)
        .map(|_| {
            let (same, lock) = (pool.clone(), Arc::clone(&lock));
            pool.submit(move || {
                let mut sum = lock.lock().expect("nobody panics");
                *sum += fib(&same, 10);
            })
        })
        .collect();
    for handle in handles {
        assert!(handle.wait_timeout(LONG).expect("not a worker"), "a lock was entered twice");
    }
    assert_eq!(*lock.lock().expect("nobody panics"), 5_500);
}

/// As above, inside a scope: its owner waits for closures that others run.
#[test]
fn a_lock_may_be_held_across_a_scope() {
    let pool = pool(2);
    let lock = Arc::new(Mutex::new(0));
    let handles: Vec<_> = (0..100)
        .map(|_| {
            let (same, lock) = (pool.clone(), Arc::clone(&lock));
            pool.submit(move || {
                let mut sum = lock.lock().expect("nobody panics");
                let inner = AtomicUsize::new(0);
                same.scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            inner.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                *sum += inner.into_inner();
            })
        })
        .collect();
    for handle in handles {
        assert!(handle.wait_timeout(LONG).expect("not a worker"), "a lock was entered twice");
    }
    assert_eq!(*lock.lock().expect("nobody panics"), 400);
}

#[test]
fn a_job_joins_while_another_lane_wants_the_same_lock() {
    let coordinator = Coordinator::new(&pool(2));
    let lock = Arc::new(Mutex::new(0_u64));
    let handles: Vec<_> = (0..100)
        .map(|n| {
            let (same, lock) = (coordinator.pool().clone(), Arc::clone(&lock));
            let job = Job::once(move |_| {
                let mut sum = lock.lock().expect("nobody panics");
                *sum += fib(&same, 10);
                Ok(())
            });
            coordinator.submit(format!("lane {}", n % 5), job).expect("accepted")
        })
        .collect();
    for handle in handles {
        assert!(handle.wait_timeout(LONG).is_ok(), "a lock was entered twice");
    }
    assert_eq!(*lock.lock().expect("nobody panics"), 5_500);
}

#[test]
fn the_only_worker_waits_for_what_is_queued_behind_it() {
    let coordinator = Coordinator::new(&pool(1));
    let inner = coordinator.clone();
    let job = Job::once(move |_| {
        let behind = inner.submit("behind", Job::once(|_| Ok(7))).expect("accepted");
        Ok(behind.wait_timeout(LONG).ok().and_then(|outcome| outcome.completed()))
    });
    let first = coordinator.submit("first", job).expect("accepted");
    let told = first.wait_timeout(LONG).ok().and_then(|outcome| outcome.completed());
    assert_eq!(told, Some(Some(7)));
}

#[test]
fn submitted_work_waits_for_submitted_work_on_one_worker() {
    fn nested(pool: &Pool, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let same = pool.clone();
        1 + pool.submit(move || nested(&same, depth - 1)).wait().expect("it runs here")
    }
    let pool = pool(1);
    let same = pool.clone();
    let handle = pool.submit(move || nested(&same, 200));
    assert!(handle.wait_timeout(LONG).expect("not a worker"));
    assert_eq!(handle.wait().expect("it ran"), 200);
}

#[test]
fn a_spawn_chain_of_100_000_needs_no_stack() {
    fn chain<'s>(scope: &'s Scope<'s, '_>, left: usize, ran: &'s AtomicUsize) {
        ran.fetch_add(1, Ordering::Relaxed);
        if left > 0 {
            scope.spawn(move || chain(scope, left - 1, ran));
        }
    }
    for workers in [1, 2] {
        let ran = AtomicUsize::new(0);
        pool(workers).scope(|scope| chain(scope, 100_000, &ran));
        assert_eq!(ran.into_inner(), 100_001);
    }
}

#[test]
fn a_wait_that_can_only_wait_for_itself_is_refused() {
    // For the own key.
    let coordinator = Coordinator::new(&pool(2));
    let inner = coordinator.clone();
    let job = Job::once(move |_| {
        let behind = inner.submit("k", Job::once(|_| Ok(1))).expect("accepted");
        Ok(matches!(behind.wait(), Err(WaitError::WouldDeadlock(_))))
    });
    let told = coordinator.submit("k", job).expect("accepted").wait_timeout(LONG);
    assert_eq!(told.ok().and_then(|outcome| outcome.completed()), Some(true));

    // With no worker and no spare left.
    let config = PoolConfig { workers: 1, max_blocking: 0, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let coordinator = Coordinator::new(&pool);
    let refused = pool.submit(move || {
        let queued = coordinator.submit("k", Job::once(|_| Ok(1))).expect("accepted");
        matches!(queued.wait(), Err(WaitError::WouldDeadlock(_)))
    });
    assert!(refused.wait().expect("it ran"));

    // For itself.
    let (give, given) = mpsc::channel::<laneway::pool::Handle<bool>>();
    let itself = pool.submit(move || {
        let itself = given.recv().expect("the test gives");
        matches!(itself.wait_timeout(LONG), Err(PoolError::WouldDeadlock))
    });
    let (tell, told) = mpsc::channel();
    let teller = pool.submit(|| ());
    give.send(itself).expect("the work waits");
    pool.spawn(move || tell.send(()).expect("the test waits"));
    assert_eq!(told.recv_timeout(LONG), Ok(()));
    teller.wait().expect("it ran");
}

/// Nested scopes, each in a closure of the one around it.
fn nest(pool: &Pool, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let mut below = 0;
    pool.scope(|_| below = nest(pool, depth - 1));
    below + 1
}

const STACK: usize = 8 << 20;

/// What unoptimised code fits into a stack, with room to spare.
const DEPTH: usize = if cfg!(debug_assertions) { 2_500 } else { 10_000 };

fn pool_of_one_with_stack() -> Pool {
    let config = PoolConfig { workers: 1, stack_size: Some(STACK), ..PoolConfig::default() };
    Pool::with_config(config).expect("a pool")
}

#[test]
fn scopes_are_nested_deeply() {
    let pool = pool_of_one_with_stack();
    let same = pool.clone();
    assert_eq!(pool.submit(move || nest(&same, DEPTH)).wait().expect("it ran"), DEPTH);
}

/// The test that runs in a process of its own when this is set.
const ALONE: &str = "LANEWAY_TEST_ALONE";

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn nesting_beyond_the_stack_aborts_at_its_guard_page() {
    use std::os::unix::process::ExitStatusExt;

    let name = "nesting_beyond_the_stack_aborts_at_its_guard_page";
    if std::env::var_os(ALONE).is_some() {
        let pool = pool_of_one_with_stack();
        let same = pool.clone();
        let depth = pool.submit(move || nest(&same, usize::MAX)).wait();
        unreachable!("the stack has no end: {depth:?}");
    }
    let mut child = Command::new(std::env::current_exe().expect("a program has a path"));
    child.args(["--exact", name, "--test-threads=1", "--nocapture"]).env(ALONE, name);
    let output = child.output().expect("this program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    assert!(said.contains("laneway-0") && said.contains("overflowed its stack"), "{said}");
}

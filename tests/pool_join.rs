//! Fork-join through the public API: join and scope, on workers, foreign threads, and in panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use laneway::pool::{Pool, PoolConfig};

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// Runs `f` on a worker of `pool` and hands over what it returns.
fn on_worker<T: Send + 'static>(pool: &Pool, f: impl FnOnce(&Pool) -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let same = pool.clone();
    pool.spawn(move || tell.send(f(&same)).expect("the test waits"));
    told.recv().expect("the work ran")
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<&str>() {
        Ok(text) => text.to_string(),
        Err(panic) => *panic.downcast::<String>().expect("a panic with a message"),
    }
}

fn fib(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
    a + b
}

/// Returns once another thread has entered the second closure.
fn stolen(pool: &Pool, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    let entered = Barrier::new(2);
    pool.join(
        || {
            entered.wait();
            a();
        },
        || {
            entered.wait();
            b();
        },
    );
}

#[test]
fn join_returns_both_results_from_a_foreign_thread() {
    assert_eq!(pool(2).join(|| 1, || "two"), (1, "two"));
}

#[test]
fn joins_nest_deeply_on_workers_and_foreign_threads() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        assert_eq!(fib(&pool, 18), 2584);
        assert_eq!(on_worker(&pool, |pool| fib(pool, 18)), 2584);
    }
}

#[test]
fn a_chain_of_joins_deeper_than_any_ring_ends() {
    fn descend(pool: &Pool, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let (below, here) = pool.join(|| descend(pool, depth - 1), || 1);
        below + here
    }
    let pool = pool(2);
    assert_eq!(descend(&pool, 600), 600);
    assert_eq!(on_worker(&pool, |pool| descend(pool, 600)), 600);
}

#[test]
fn both_closures_run_at_the_same_time() {
    let pool = pool(2);
    stolen(&pool, || (), || ());
    let same = pool.clone();
    on_worker(&pool, move |_| stolen(&same, || (), || ()));
}

#[test]
fn more_foreign_threads_than_guest_places_all_get_their_results() {
    let pool = pool(2);
    let ready = Barrier::new(24);
    thread::scope(|threads| {
        for _ in 0..24 {
            threads.spawn(|| {
                ready.wait();
                assert_eq!(fib(&pool, 12), 144);
            });
        }
    });
}

#[test]
fn small_regions_from_several_threads_end_however_often_the_pool_sleeps() {
    let pool = pool(2);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for n in 0..1_000_u32 {
                    assert_eq!(pool.join(|| n, || n + 1), (n, n + 1));
                    let mut both = [0, 0];
                    let [left, right] = &mut both;
                    pool.scope(|s| {
                        s.spawn(|| *left = n);
                        s.spawn(|| *right = n + 1);
                    });
                    assert_eq!(both, [n, n + 1]);
                }
            });
        }
    });
}

#[test]
fn a_worker_of_one_pool_is_a_guest_of_another() {
    let (here, there) = (pool(1), pool(1));
    let inner = there.clone();
    let seen = on_worker(&here, move |here| {
        let (a, b) = inner.join(|| (here.current_worker(), fib(here, 8)), || fib(&inner, 8));
        (a, b, inner.current_worker())
    });
    assert_eq!(seen, ((Some(0), 21), 21, None));
}

#[test]
fn a_panic_of_the_first_closure_is_told_and_the_second_does_not_start() {
    let pool = pool(1);
    let ran = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&ran);
    let panic = on_worker(&pool, move |pool| {
        let second = Arc::clone(&held);
        // One worker: nobody can take the second closure.
        catch_unwind(AssertUnwindSafe(|| {
            pool.join(|| panic!("first"), move || second.store(true, Ordering::Relaxed))
        }))
        .map(|((), ())| ())
        .expect_err("the panic goes on")
    });
    assert_eq!(message(panic), "first");
    assert!(!ran.load(Ordering::Relaxed));
    pool.wait_quiescent(std::time::Duration::from_secs(60)).expect("not a worker");
    assert_eq!(Arc::strong_count(&ran), 1, "the second closure was dropped");
}

#[test]
fn a_panic_of_the_second_closure_is_told_in_place_and_when_stolen() {
    let pool = pool(2);
    let told = catch_unwind(AssertUnwindSafe(|| pool.join(|| (), || panic!("in place or not"))));
    assert_eq!(message(told.map(drop).expect_err("the panic goes on")), "in place or not");
    let told = catch_unwind(AssertUnwindSafe(|| stolen(&pool, || (), || panic!("stolen"))));
    assert_eq!(message(told.expect_err("the panic goes on")), "stolen");
}

#[test]
fn a_panic_waits_for_the_thief_that_uses_the_stack() {
    let pool = pool(2);
    let ended = AtomicBool::new(false);
    let (go, gate) = mpsc::channel::<()>();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let gate = Mutex::new(gate);
        stolen(
            &pool,
            move || {
                go.send(()).expect("the thief waits");
                panic!("first");
            },
            || {
                gate.lock().expect("one thief").recv().expect("the owner sends");
                ended.store(true, Ordering::Relaxed);
            },
        );
    }));
    assert_eq!(message(told.expect_err("the panic goes on")), "first");
    assert!(ended.load(Ordering::Relaxed), "the frame was left while the thief ran");
}

#[test]
fn if_both_panic_the_first_closures_panic_is_told() {
    let pool = pool(2);
    let told = catch_unwind(AssertUnwindSafe(|| {
        stolen(&pool, || panic!("first"), || panic!("second"));
    }));
    assert_eq!(message(told.expect_err("the panic goes on")), "first");
    assert_eq!(fib(&pool, 10), 55, "the pool lives");
}

#[test]
fn a_lock_held_across_a_join_is_not_entered_again() {
    // A waiter that ran strangers' work would find one of these on top of itself and hang.
    let pool = pool(2);
    let lock = Mutex::new(0_u32);
    pool.scope(|s| {
        for _ in 0..64 {
            s.spawn(|| {
                let mut held = lock.lock().expect("nobody panics");
                let (a, b) = pool.join(|| fib(&pool, 10), || fib(&pool, 10));
                assert_eq!(a, b);
                *held += 1;
            });
        }
    });
    assert_eq!(*lock.lock().expect("nobody panics"), 64);
}

#[test]
fn a_scope_returns_when_all_spawned_work_has_ended() {
    let pool = pool(2);
    let sum = AtomicUsize::new(0);
    let body = pool.scope(|s| {
        for i in 0..1_000 {
            let sum = &sum;
            s.spawn(move || {
                sum.fetch_add(i, Ordering::Relaxed);
            });
        }
        "body"
    });
    assert_eq!(body, "body");
    assert_eq!(sum.load(Ordering::Relaxed), 499_500);
}

#[test]
fn scopes_nest_on_one_worker() {
    fn tree(pool: &Pool, depth: u32, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        pool.scope(|s| {
            for _ in 0..3 {
                s.spawn(|| tree(pool, depth - 1, leaves));
            }
        });
    }
    for workers in [1, 2] {
        let pool = pool(workers);
        let leaves = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&leaves);
        on_worker(&pool, move |pool| tree(pool, 6, &counted));
        assert_eq!(leaves.load(Ordering::Relaxed), 729);
        tree(&pool, 6, &leaves);
        assert_eq!(leaves.load(Ordering::Relaxed), 1_458);
    }
}

#[test]
fn a_chain_of_a_hundred_thousand_spawns_needs_no_stack() {
    fn next<'scope>(
        s: &'scope laneway::pool::Scope<'scope, '_>,
        left: usize,
        ran: &'scope AtomicUsize,
    ) {
        ran.fetch_add(1, Ordering::Relaxed);
        if left > 1 {
            s.spawn(move || next(s, left - 1, ran));
        }
    }
    let pool = pool(2);
    let ran = AtomicUsize::new(0);
    pool.scope(|s| next(s, 100_000, &ran));
    assert_eq!(ran.load(Ordering::Relaxed), 100_000);
}

#[test]
fn a_panic_in_a_scope_is_told_when_all_has_ended() {
    let pool = pool(2);
    let ran = AtomicUsize::new(0);
    let told = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            for i in 0..100 {
                let ran = &ran;
                s.spawn(move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    assert_ne!(i, 50, "spawned");
                });
            }
        });
    }));
    assert!(message(told.expect_err("the panic goes on")).contains("spawned"));
    assert_eq!(ran.load(Ordering::Relaxed), 100);
    let told = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            s.spawn(|| panic!("spawned"));
            panic!("body");
        })
    }));
    assert_eq!(message(told.expect_err("the panic goes on")), "body");
}

#[test]
fn fork_join_works_after_the_pool_has_ended() {
    let pool = pool(2);
    let end = std::time::Duration::from_secs(60);
    pool.shutdown(laneway::pool::Shutdown::Drain, end).expect("not a worker");
    assert_eq!(fib(&pool, 12), 144);
    let ran = AtomicUsize::new(0);
    pool.scope(|s| {
        s.spawn(|| {
            ran.fetch_add(1, Ordering::Relaxed);
            s.spawn(|| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        });
    });
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

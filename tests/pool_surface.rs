//! The wider surface of the pool through the public API: loops, many closures, completion trees.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use laneway::pool::{Ended, Part, Pool, PoolConfig, Race, Shutdown};

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// A pool whose handler counts the panics that nobody joins.
fn counting_pool(workers: usize) -> (Pool, Arc<AtomicUsize>) {
    let panics = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&panics);
    let handler = move |_: Box<dyn std::any::Any + Send>| {
        seen.fetch_add(1, Ordering::SeqCst);
    };
    let config =
        PoolConfig { workers, panic_handler: Some(Arc::new(handler)), ..PoolConfig::default() };
    (Pool::with_config(config).expect("a pool"), panics)
}

fn on_worker<T: Send + 'static>(pool: &Pool, f: impl FnOnce(&Pool) -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let same = pool.clone();
    pool.spawn(move || tell.send(f(&same)).expect("the test waits"));
    told.recv().expect("the work ran")
}

/// Returns once nothing of what was posted is left.
fn drained(pool: &Pool) {
    let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(60)).expect("no worker");
    assert!(report.running.is_empty());
}

#[test]
fn a_loop_visits_every_index_once_whatever_the_grain() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        for grain in [0, 1, 7, 100, 1000, usize::MAX] {
            let visits: Vec<AtomicUsize> = (0..500).map(|_| AtomicUsize::new(0)).collect();
            pool.par_for(0..500, grain, |n| {
                visits[n].fetch_add(1, Ordering::Relaxed);
            });
            assert!(visits.iter().all(|visits| visits.load(Ordering::Relaxed) == 1));
        }
    }
}

#[test]
fn pieces_are_no_longer_than_the_grain_and_cover_the_range() {
    let pool = pool(2);
    let pieces = Mutex::new(Vec::new());
    pool.par_pieces(10..1010, 64, |piece| pieces.lock().expect("no panic").push(piece));
    let mut pieces = pieces.into_inner().expect("no panic");
    pieces.sort_by_key(|piece| piece.start);
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= 64));
    assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (10, 1010));
    assert!(pieces.windows(2).all(|two| two[0].end == two[1].start));
}

#[test]
fn an_empty_or_reversed_range_calls_nothing() {
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..0, 7..7, 9..2] {
        pool(1).par_for(range, 1, |_| panic!("called"));
    }
    pool(1).par_chunks_mut(&mut [0_u8; 0], 4, |_, _| panic!("called"));
}

#[test]
fn chunks_are_numbered_in_the_order_of_the_slice() {
    let pool = pool(3);
    for len in [0, 1, 3, 10, 99, 100, 1000] {
        let mut numbers = vec![usize::MAX; 100];
        pool.par_chunks_mut(&mut numbers, len, |chunk, part| part.fill(chunk));
        let expected: Vec<usize> = (0..100).map(|n| n / len.max(1)).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn a_loop_of_long_pieces_that_tick_is_shared_with_every_worker() {
    // Ends only if the caller and every worker have a piece at the same time.
    for _ in 0..20 {
        let pool = pool(3);
        let here = AtomicUsize::new(0);
        pool.par_for(0..4, 1, |_| {
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) < 4 {
                pool.yield_now();
            }
        });
    }
}

#[test]
fn a_panic_in_a_loop_reaches_the_caller_and_the_pool_goes_on() {
    let pool = pool(2);
    let loops = || pool.par_for(0..100, 1, |n| assert_ne!(n, 50));
    assert!(catch_unwind(AssertUnwindSafe(loops)).is_err());
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
}

#[test]
fn a_tick_shows_what_a_long_closure_has_put_off() {
    let pool = pool(1);
    let taken = AtomicBool::new(false);
    // The outermost frame is taken back unseen or stolen; the inner one is private until a tick.
    let inner = |pool: &Pool| {
        pool.join(
            || {
                while !taken.load(Ordering::Acquire) {
                    pool.yield_now();
                }
            },
            || taken.store(true, Ordering::Release),
        )
    };
    pool.join(|| pool.join(|| inner(&pool), || ()), || ());
    assert!(taken.into_inner());
}

#[test]
fn the_second_closure_knows_that_it_was_stolen() {
    let pool = pool(1);
    let entered = Barrier::new(2);
    let caller = std::thread::current().id();
    let ((a, a_at), (b, b_at)) = pool.join_context(
        |context| {
            entered.wait();
            (context.migrated(), std::thread::current().id())
        },
        |context| {
            entered.wait();
            (context.migrated(), std::thread::current().id())
        },
    );
    assert_eq!((a, a_at), (false, caller));
    assert!(b && b_at != caller);
    drained(&pool);
    assert_eq!(pool.join_context(|a| a.migrated(), |b| b.migrated()), (false, false));
}

#[test]
fn all_results_come_back_in_order_from_borrowing_closures() {
    let words: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        let lengths = pool.invoke_all(words.iter().map(|word| || word.len()));
        assert_eq!(lengths, words.iter().map(String::len).collect::<Vec<_>>());
    }
    assert!(pool(1).invoke_all(std::iter::empty::<fn() -> u8>()).is_empty());
}

#[test]
fn a_panic_keeps_none_of_the_others_from_running() {
    let pool = pool(2);
    let ran = AtomicUsize::new(0);
    let tasks = (0..50).map(|n| {
        let ran = &ran;
        move || {
            ran.fetch_add(1, Ordering::Relaxed);
            assert!(n % 10 != 3, "number {n}");
        }
    });
    let panic = catch_unwind(AssertUnwindSafe(|| pool.invoke_all(tasks))).expect_err("some panic");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("number 3"));
    assert_eq!(ran.into_inner(), 50);
}

#[test]
fn the_first_success_keeps_the_rest_from_starting() {
    // Without workers that could take a frame, the closures run one after another.
    let pool = pool(1);
    drained(&pool);
    let started = AtomicUsize::new(0);
    let answer = pool.invoke_any((0..100).map(|n| {
        let started = &started;
        move |_: &Race| {
            started.fetch_add(1, Ordering::Relaxed);
            if n == 7 { Ok(n) } else { Err(()) }
        }
    }));
    assert_eq!(answer, Ok(7));
    assert_eq!(started.into_inner(), 8);
}

#[test]
fn a_contender_that_runs_sees_that_the_race_is_decided() {
    let pool = pool(1);
    let both = Barrier::new(2);
    let answer = pool.invoke_any([true, false].map(|wins| {
        let both = &both;
        move |race: &Race| {
            both.wait();
            if wins {
                return Ok("won");
            }
            while !race.is_decided() {
                std::thread::yield_now();
            }
            Err("lost")
        }
    }));
    assert_eq!(answer, Ok("won"));
}

#[test]
fn without_a_success_all_errors_come_back_in_order() {
    let pool = pool(2);
    let answer = pool.invoke_any((0..20).map(|n| move |_: &Race| Err::<(), _>(n)));
    assert_eq!(answer, Err((0..20).collect()));
    let nobody = std::iter::empty::<fn(&Race) -> Result<(), u8>>();
    assert_eq!(pool.invoke_any(nobody), Err(Vec::new()));
}

#[test]
fn a_panic_loses_a_race_and_is_told_only_if_nobody_wins() {
    let pool = pool(2);
    let contender = |n: u32, last: Result<u32, u32>| {
        move |_: &Race| if n < 2 { panic!("contender {n}") } else { last }
    };
    let won = pool.invoke_any((0..3).map(|n| contender(n, Ok(n))));
    assert_eq!(won, Ok(2));
    let lost = || pool.invoke_any((0..3).map(|n| contender(n, Err(n))));
    let panic = catch_unwind(AssertUnwindSafe(lost)).expect_err("nobody won");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("contender 0"));
}

/// Spawns `width` closures below `part`, each of which does the same, `depth` levels down.
fn grow(part: &Part, depth: u32, width: u32, count: &Arc<AtomicUsize>) {
    count.fetch_add(1, Ordering::Relaxed);
    if depth > 0 {
        for _ in 0..width {
            let count = Arc::clone(count);
            part.spawn(move |part| grow(part, depth - 1, width, &count));
        }
    }
}

#[test]
fn the_action_runs_once_after_everything_below_it() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        let (tell, told) = mpsc::channel();
        let count = Arc::new(AtomicUsize::new(0));
        let total = Arc::clone(&count);
        let root = pool.completion(move |ended| {
            tell.send((ended, total.load(Ordering::Relaxed))).expect("the test waits");
        });
        root.spawn(move |part| grow(part, 5, 4, &count));
        drop(root);
        assert_eq!(told.recv(), Ok((Ended::Completed, 1365)));
        assert!(told.recv().is_err(), "the action is gone after its one run");
    }
}

#[test]
fn nodes_end_from_the_leaves_up() {
    let pool = pool(1);
    let (log, told) = mpsc::channel();
    let note = |name: &'static str| {
        let log = log.clone();
        move |_| log.send(name).expect("the test waits")
    };
    let root = pool.completion(note("root"));
    let (left, right) = (root.child(note("left")), root.child(note("right")));
    let leaf = left.child(note("leaf"));
    assert_eq!((root.pending(), left.pending(), leaf.pending()), (3, 2, 1));
    drop(root);
    drop(left);
    drop(right);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["right"]);
    drop(leaf);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["leaf", "left", "root"]);
}

#[test]
fn a_tree_of_any_depth_ends_on_a_bounded_stack() {
    let pool = pool(1);
    let ended = Arc::new(AtomicUsize::new(0));
    let mut part = pool.completion(|_| ());
    for _ in 0..200_000 {
        let ended = Arc::clone(&ended);
        part = part.child(move |_| {
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    drop(part);
    assert_eq!(ended.load(Ordering::Relaxed), 200_000);
}

#[test]
fn a_part_may_be_kept_and_ended_elsewhere() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let (keep, kept) = mpsc::channel();
    let root = pool.completion(move |ended| tell.send(ended).expect("the test waits"));
    root.spawn(move |part| keep.send(part.clone()).expect("the test waits"));
    drop(root);
    let part = kept.recv().expect("the closure ran");
    pool.wait_quiescent(Duration::from_secs(60)).expect("no worker");
    assert!(told.try_recv().is_err());
    drop(part);
    assert_eq!(told.try_recv(), Ok(Ended::Completed));
}

#[test]
fn a_panic_below_is_told_to_every_action_above_and_to_the_handler() {
    let (pool, panics) = counting_pool(2);
    let (tell, told) = mpsc::channel();
    let also = tell.clone();
    let root = pool.completion(move |ended| tell.send(("root", ended)).expect("the test waits"));
    let child = root.child(move |ended| also.send(("child", ended)).expect("the test waits"));
    child.spawn(|_| panic!("below"));
    drop((root, child));
    assert_eq!(told.recv(), Ok(("child", Ended::Panicked)));
    assert_eq!(told.recv(), Ok(("root", Ended::Panicked)));
    assert_eq!(panics.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_of_an_action_is_told_above() {
    let (pool, panics) = counting_pool(1);
    let (tell, told) = mpsc::channel();
    let root = pool.completion(move |ended| tell.send(ended).expect("the test waits"));
    let child = root.child(|_| panic!("the action"));
    drop((root, child));
    assert_eq!(told.try_recv(), Ok(Ended::Panicked));
    assert_eq!(panics.load(Ordering::SeqCst), 1);
}

#[test]
fn what_has_not_started_never_does_once_the_tree_is_cancelled() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    on_worker(&pool, move |pool| {
        // The one worker is here, so nothing that is spawned can have started.
        let root = pool.completion(move |ended| tell.send(ended).expect("the test waits"));
        for _ in 0..10 {
            root.spawn(|_| panic!("ran though cancelled"));
        }
        assert!(!root.is_cancelled());
        root.cancel();
        assert!(root.is_cancelled());
    });
    assert_eq!(told.recv(), Ok(Ended::Cancelled));
}

#[test]
fn the_end_of_the_pool_ends_its_trees() {
    let pool = pool(1);
    drained(&pool);
    let (tell, told) = mpsc::channel();
    let root = pool.completion(move |ended| tell.send(ended).expect("the test waits"));
    root.spawn(|_| panic!("ran though the pool has ended"));
    drop(root);
    assert_eq!(told.try_recv(), Ok(Ended::Cancelled));
}

#[test]
fn the_owner_of_a_scope_runs_its_closures_oldest_first_and_nobody_else_does() {
    let pool = pool(1);
    on_worker(&pool, |pool| {
        // The one worker is here: nobody else can start a closure.
        let order = Mutex::new(Vec::new());
        pool.scope(|s| {
            for n in 0..5 {
                let order = &order;
                s.spawn(move || order.lock().expect("no panic").push(n));
            }
            std::thread::scope(|threads| {
                threads.spawn(|| assert!(!s.yield_local(), "not the owner"));
            });
            assert!(order.lock().expect("no panic").is_empty());
            assert!(s.yield_local());
            assert_eq!(*order.lock().expect("no panic"), [0]);
            while s.yield_local() {}
            assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3, 4]);
            s.spawn(|| order.lock().expect("no panic").push(5));
            s.spawn(|| order.lock().expect("no panic").push(6));
        });
        assert_eq!(order.into_inner().expect("no panic"), [0, 1, 2, 3, 4, 5, 6]);
    });
}

#[test]
fn detached_work_of_one_worker_starts_in_the_order_of_posting() {
    let pool = pool(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    on_worker(&pool, move |pool| {
        for n in 0..50 {
            let log = Arc::clone(&log);
            pool.spawn(move || log.lock().expect("no panic").push(n));
        }
    });
    drained(&pool);
    assert_eq!(*order.lock().expect("no panic"), (0..50).collect::<Vec<_>>());
}

#[test]
fn every_worker_knows_its_index() {
    let pool = pool(3);
    assert_eq!(pool.current_worker(), None);
    let seen = Mutex::new(HashSet::new());
    let together = Barrier::new(3);
    pool.scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                together.wait();
                seen.lock().expect("no panic").insert(pool.current_worker());
            });
        }
    });
    let seen = seen.into_inner().expect("no panic");
    assert_eq!(seen.len(), 3, "two workers and the caller, or three workers");
    assert!(seen.iter().flatten().all(|index| *index < 3));
}

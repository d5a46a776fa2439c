//! Scopes: the owner waits for its closures, on whatever threads they run or spawn more.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::pool::Pool;
use crate::sync::Arc;

/// Runs `region` while another thread runs so many tickets; what is left is run after.
fn with_helper(tickets: usize, region: impl FnOnce(&Pool)) {
    let pool = Pool::new();
    let helper = {
        let pool = pool.clone();
        thread::spawn(move || {
            for _ in 0..tickets {
                pool.run_one();
            }
        })
    };
    region(&pool);
    helper.join().expect("no panic");
    pool.run_all();
}

fn bump(count: &Watched) {
    count.set(count.number() + 1);
}

/// Breaks if the owner leaves before a closure has ended, or does not see its effects.
pub(crate) fn the_owner_leaves_after_its_closures() {
    check(Bound::Preemptions(2), || {
        with_helper(2, |pool| {
            let counts = [Watched::new(0), Watched::new(0)];
            pool.scope(|scope| {
                scope.spawn(|| bump(&counts[0]));
                scope.spawn(|| bump(&counts[1]));
            });
            assert!(counts.iter().all(|count| count.number() == 1), "each once");
        });
    });
}

/// Breaks without the fences [scope-spawn] or [scope-park]: the owner parks, and nobody runs what a
/// closure on another thread has spawned.
pub(crate) fn a_closure_spawns_while_the_owner_parks() {
    check(Bound::Preemptions(3), || {
        with_helper(1, |pool| {
            let count = Arc::new(Watched::new(0));
            pool.scope(|scope| {
                let count = Arc::clone(&count);
                scope.spawn(move || scope.spawn(move || bump(&count)));
            });
            assert_eq!(count.number(), 1);
        });
    });
}

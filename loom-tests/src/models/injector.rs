//! The injector: producers push nodes, consumers take the whole list.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::pool::injector::Injector;
use crate::sync::Arc;

fn spawn(
    injector: &Arc<Injector<Watched>>,
    body: impl FnOnce(&Injector<Watched>) -> Vec<u32> + 'static,
) -> thread::JoinHandle<Vec<u32>> {
    let injector = Arc::clone(injector);
    thread::spawn(move || body(&injector))
}

fn take(injector: &Injector<Watched>) -> Vec<u32> {
    injector.take_all().map(|value| value.number()).collect()
}

/// Breaks if a push or a take is not one step, or a node is handed over without its orderings.
pub(crate) fn two_producers_and_two_consumers() {
    check(Bound::Preemptions(3), || {
        let injector = Arc::new(Injector::new());
        let other = spawn(&injector, |injector| {
            injector.push(Watched::new(10));
            let taken = take(injector);
            injector.push(Watched::new(11));
            taken
        });
        injector.push(Watched::new(0));
        let first = take(&injector);
        injector.push(Watched::new(1));
        let others = other.join().expect("no panic");
        let last = take(&injector);
        assert!(injector.is_empty());
        assert_eq!(injector.len(), 0);
        for batch in [&first, &others, &last] {
            for thread in 0..2 {
                let own: Vec<_> = batch.iter().filter(|number| **number / 10 == thread).collect();
                assert!(own.is_sorted(), "a batch is in order");
            }
        }
        let mut all = [first, others, last].concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 10, 11], "lost or doubled");
    });
}

/// Breaks if values that nobody took are not dropped.
pub(crate) fn an_injector_dropped_with_values_inside_drops_them() {
    check(Bound::Full, || {
        let injector = Arc::new(Injector::new());
        let other = spawn(&injector, |injector| {
            injector.push(Watched::new(1));
            Vec::new()
        });
        injector.push(Watched::new(0));
        drop(injector);
        other.join().expect("no panic");
    });
}

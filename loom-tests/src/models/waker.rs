//! The waker of an async body: it asks the job's lane for the turn that polls again.

use std::task::Waker;

use loom::thread;

use crate::check::{Bound, check};
use crate::coordinator::entry::Entry;
use crate::coordinator::waker::TurnWaker;
use crate::lane::{Lanes, Next, Step};
use crate::pool::Pool;
use crate::sync::{Arc, AtomicUsize, Ordering};

/// The first poll leaves its waker here, before the other threads begin.
type Place = std::sync::Arc<std::sync::Mutex<Option<Waker>>>;

/// A job that is ready once so many events were announced. The announcements are Relaxed: only the
/// waker brings them to the poll.
fn future(events: usize, announced: &Arc<AtomicUsize>, place: &Place) -> Entry {
    let (announced, place) = (Arc::clone(announced), std::sync::Arc::clone(place));
    let mut turn = None;
    Entry(Box::new(move |lane| {
        let turn = turn.get_or_insert_with(|| {
            let turn = std::sync::Arc::new(TurnWaker::new(lane.clone()));
            let waker = Waker::from(std::sync::Arc::clone(&turn));
            *place.lock().expect("no panic inside") = Some(waker);
            turn
        });
        // Relaxed: see above.
        let ready = turn.take() && announced.load(Ordering::Relaxed) == events;
        if ready { Step::Ended(Next::Continue) } else { Step::Waiting }
    }))
}

/// Breaks if a wake is lost because another came before it, or because a poll was under way, or if
/// the poll does not see what was done before the wake.
pub(crate) fn the_last_wake_brings_a_poll_that_sees_everything() {
    check(Bound::Preemptions(3), || {
        let pool = Pool::new();
        let lanes = Lanes::new(&pool, &());
        let announced = Arc::new(AtomicUsize::new(0));
        let place = Place::default();
        lanes.submit(1_u64.into(), future(2, &announced, &place));
        pool.run_all();
        let waker = place.lock().expect("no panic inside").take().expect("the first poll was");
        let others = [waker.clone(), waker].map(|waker| {
            let announced = Arc::clone(&announced);
            thread::spawn(move || {
                // Relaxed: see `future`.
                announced.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        pool.run_all();
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        pool.run_all();
        assert_eq!(lanes.counts().lanes_open, 0, "the job has not ended");
        drop(lanes);
        pool.run_all();
    });
}

//! Join: frames that are shown to a thief, or taken back by their owner.
//!
//! The real stations and frames over a stand-in for the deque. A child of the pool's module, since
//! frames are private to it.

use loom::thread;

use super::Pool;
use super::frame::FramePtr;
use super::station::Station;
use crate::check::{Bound, check};
use crate::models::watched::Watched;
use crate::sync::Arc;
use crate::sync::deque::{Steal, Stealer, Worker};

/// A thief that tries so often, hungry from the start if `hungry`. What it steals does not join: it
/// has a station, but does not occupy it, as the threads of a model are one to `thread_local`.
fn thief(
    pool: &Pool,
    frames: Stealer<FramePtr>,
    tries: usize,
    hungry: bool,
) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    thread::spawn(move || {
        let station = Station::new(0, Worker::new_lifo(), None);
        let search = if hungry { pool.registry.sleep.begin_search() } else { None };
        for _ in 0..tries {
            match frames.steal() {
                // SAFETY: stolen.
                Steal::Success(frame) => unsafe { frame.execute(&station) },
                Steal::Empty | Steal::Retry => thread::yield_now(),
            }
        }
        if let Some(search) = search {
            pool.registry.sleep.end_search(search, || false);
        }
    })
}

/// Runs `region` on a station whose frames a thief can steal.
fn with_thief(tries: usize, hungry: bool, region: impl FnOnce(&Pool)) {
    let pool = Pool::new();
    let frames = Worker::new_lifo();
    let thief = thief(&pool, frames.stealer(), tries, hungry);
    let station = Station::new(0, frames, None);
    {
        let _occupied = station.occupy(&pool.registry);
        region(&pool);
    }
    thief.join().expect("no panic");
}

/// Breaks if the body of a frame runs on both sides or on neither, its result is not visible, or
/// the thief touches the frame after the owner has left it.
pub(crate) fn the_outermost_frame_is_run_once() {
    check(Bound::Preemptions(3), || {
        with_thief(1, false, |pool| {
            let (a, b) = (Watched::new(0), Arc::new(Watched::new(0)));
            let effect = Arc::clone(&b);
            let (one, two) = pool.join(
                || {
                    a.set(1);
                    1
                },
                move || {
                    assert_eq!(effect.number(), 0, "run twice");
                    effect.set(1);
                    2
                },
            );
            assert_eq!((one, two), (1, 2));
            assert_eq!((a.number(), b.number()), (1, 1));
        });
    });
}

/// Breaks if a deeper frame that was shown to a hungry thief is popped in place of the outer one.
pub(crate) fn nested_frames_are_shown_oldest_first() {
    check(Bound::Preemptions(2), || {
        with_thief(2, true, |pool| {
            let counts = [(); 3].map(|()| Arc::new(Watched::new(0)));
            let [a, b, c] = counts.clone();
            let bump = |count: Arc<Watched>| move || count.set(count.number() + 1);
            pool.join(|| pool.join(bump(a), bump(b)), bump(c));
            assert!(counts.iter().all(|count| count.number() == 1), "each once");
        });
    });
}

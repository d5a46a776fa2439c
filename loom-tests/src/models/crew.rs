//! The crew: whoever blocks is replaced if nobody is left to take what comes.
//!
//! A worker that blocks looks whether somebody is idle, a searcher that goes to work looks whether
//! somebody blocked: one of both hires. Hiring is a count here; no thread is started.

use loom::thread;

use super::sleep::Parked;
use super::watched::Watched;
use crate::check::{Bound, check};
use crate::pool::crew::{Crew, Hire, Rest};
use crate::pool::sleep::{LastLook, Sleep};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Parker, fence};

struct Pool {
    sleep: Sleep,
    crew: Crew,
    hired: AtomicUsize,
}

impl Pool {
    fn new(workers: usize, spares: usize) -> Arc<Self> {
        let sleep = Sleep::new(workers + spares);
        let crew = Crew::new(workers, spares, workers + spares);
        Arc::new(Self { sleep, crew, hired: AtomicUsize::new(0) })
    }

    fn hire(&self) {
        if self.crew.hire(false) == Hire::Start {
            // Relaxed: a count, read after the threads were joined.
            self.hired.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As `bench.rs` has it.
    fn block(&self, rest: Rest) {
        let counts = self.crew.enter(rest);
        // SeqCst fence [strength]: see `crew.rs`.
        fence(Ordering::SeqCst);
        if counts.lacks() && (counts.active() == 0 || !self.sleep.has_idle()) {
            self.hire();
        }
    }

    /// As `bench.rs` has it.
    fn see_to_strength(&self) {
        // SeqCst fence [strength]: see `crew.rs`.
        fence(Ordering::SeqCst);
        if self.crew.counts().lacks() && !self.sleep.has_idle() {
            self.hire();
        }
    }
}

fn spawn(pool: &Arc<Pool>, body: impl FnOnce(&Pool) + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || body(&pool))
}

/// Breaks if the one who blocks relies on a searcher that goes to work and does not look.
pub(crate) fn the_last_to_go_to_work_replaces_who_blocked() {
    check(Bound::Full, || {
        let pool = Pool::new(2, 2);
        let search = pool.sleep.begin_search().expect("nobody searches");
        let searcher = spawn(&pool, |pool| {
            pool.sleep.end_search(search, || false);
            pool.see_to_strength();
        });
        pool.block(Rest::Waiting);
        searcher.join().expect("no panic");
        // Relaxed: joined.
        let hired = pool.hired.load(Ordering::Relaxed);
        assert_eq!(hired, 1, "one of both workers is blocked and nobody is idle");
        assert_eq!(pool.crew.counts().active(), 2);
    });
}

/// Breaks if two of them take the place of one.
pub(crate) fn two_that_block_are_replaced_twice_and_not_more() {
    check(Bound::Full, || {
        let pool = Pool::new(2, 2);
        let other = spawn(&pool, |pool| pool.block(Rest::Away));
        pool.block(Rest::Waiting);
        other.join().expect("no panic");
        // Relaxed: joined.
        assert_eq!(pool.hired.load(Ordering::Relaxed), 2);
        pool.crew.leave(Rest::Waiting);
        assert!(pool.crew.sit_down() && !pool.crew.sit_down());
    });
}

/// Breaks if a look for quiescence misses a thread that joined and took work meanwhile.
pub(crate) fn quiet_sees_that_somebody_joined() {
    check(Bound::Preemptions(3), || {
        let pool = Pool::new(1, 1);
        let queued = Arc::new(AtomicUsize::new(1));
        let ending = Arc::new(AtomicBool::new(false));
        let sleeper = {
            let ending = Arc::clone(&ending);
            spawn(&pool, move |pool| {
                // SAFETY: once, by this worker, which never lay down.
                unsafe { pool.sleep.register(0, Arc::new(Parker::new())) };
                // Relaxed: ordered by the fence in `lie_down`.
                let search = pool.sleep.lie_down(
                    0,
                    None,
                    || match ending.load(Ordering::Relaxed) {
                        true => LastLook::End,
                        false => LastLook::Nothing,
                    },
                    &mut Parked,
                );
                pool.sleep.retire(search);
            })
        };
        let joining = {
            let queued = Arc::clone(&queued);
            spawn(&pool, move |pool| {
                pool.crew.set_target(2);
                assert_eq!(pool.crew.hire(false), Hire::Start);
                pool.sleep.joined();
                // AcqRel: as every queue: who finds it emptied sees what the taker did before.
                queued.swap(0, Ordering::AcqRel);
            })
        };
        // Relaxed: ordered by the fence in `is_quiet`.
        let empty = || queued.load(Ordering::Relaxed) == 0;
        let quiet = pool.sleep.is_quiet(|| pool.crew.counts().at_work(), empty);
        assert!(!quiet, "the thread that joined took the work, and never slept");
        // Relaxed: ordered by the fence in `wake_all`.
        ending.store(true, Ordering::Relaxed);
        pool.sleep.wake_all();
        joining.join().expect("no panic");
        sleeper.join().expect("no panic");
    });
}

/// Breaks if a waker still reads the parker of a thread whose number another one has by then.
pub(crate) fn a_number_goes_from_one_thread_to_the_next() {
    check(Bound::Preemptions(3), || {
        let pool = Pool::new(1, 0);
        let sleeper = spawn(&pool, |pool| {
            // SAFETY: once, by this worker, which never lay down.
            unsafe { pool.sleep.register(0, Arc::new(Parker::new())) };
            let search = pool.sleep.lie_down(0, None, || LastLook::Work, &mut Parked);
            pool.sleep.retire(search);
            // The next thread of that number, ordered after this one.
            // SAFETY: once, by the next thread; the one before has ended its part.
            unsafe { pool.sleep.register(0, Arc::new(Parker::new())) };
        });
        pool.sleep.posted();
        sleeper.join().expect("no panic");
    });
}

/// Breaks if the last thread of a pool does not see what the others left in their queues.
pub(crate) fn the_last_to_leave_sees_what_the_others_left() {
    check(Bound::Full, || {
        let pool = Pool::new(2, 0);
        let left = Arc::new([Watched::new(0), Watched::new(0)]);
        let leave = |left: Arc<[Watched; 2]>, me: usize| {
            move |pool: &Pool| {
                left[me].set(1);
                if pool.crew.leave_for_good().active() == 0 {
                    assert_eq!(left[1 - me].number(), 1);
                }
            }
        };
        let other = spawn(&pool, leave(Arc::clone(&left), 1));
        leave(left, 0)(&pool);
        other.join().expect("no panic");
    });
}

/// Breaks if a thread that leaves the bench as the last one does not see what an active one left, or
/// the other way round.
pub(crate) fn the_last_to_be_dismissed_sees_what_the_others_left() {
    check(Bound::Full, || {
        let pool = Pool::new(2, 0);
        pool.crew.set_target(1);
        assert!(pool.crew.sit_down());
        let left = Arc::new([Watched::new(0), Watched::new(0)]);
        let other = {
            let left = Arc::clone(&left);
            spawn(&pool, move |pool| {
                left[1].set(1);
                if pool.crew.dismiss().threads() == 0 {
                    assert_eq!(left[0].number(), 1);
                }
            })
        };
        left[0].set(1);
        if pool.crew.leave_for_good().threads() == 0 {
            assert_eq!(left[1].number(), 1);
        }
        other.join().expect("no panic");
    });
}

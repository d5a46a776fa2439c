//! Sleep and wake: work that was posted is run, whoever sleeps, searches or posts.
//!
//! The queue is a Relaxed counter, weaker than any real one: the protocol has to order it. A worker
//! that has run its share leaves, as one that runs user code for ever. A lost wake-up is a deadlock.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::pool::injector::Injector;
use crate::pool::sleep::{Bed, LastLook, Searching, Sleep};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Parker};

struct Pool {
    sleep: Sleep,
    queued: AtomicUsize,
    ending: AtomicBool,
    /// Written by the work that is run, one piece at a time.
    effect: Watched,
}

impl Pool {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(workers),
            queued: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
            effect: Watched::new(0),
        })
    }

    fn post(&self) {
        // Relaxed: see the page.
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.sleep.posted();
    }

    fn end(&self) {
        // Relaxed: ordered by the fence in `wake_all`.
        self.ending.store(true, Ordering::Relaxed);
        self.sleep.wake_all();
    }

    fn work_waits(&self) -> bool {
        // Relaxed: see the page.
        self.queued.load(Ordering::Relaxed) > 0
    }

    fn take(&self) -> bool {
        // Relaxed: see the page. Release: who finds the queue emptied sees what the taker did
        // before, as with every real queue; quiescence needs that.
        let mut queued = self.queued.load(Ordering::Relaxed);
        while queued > 0 {
            let (taken, not) = (Ordering::Release, Ordering::Relaxed);
            match self.queued.compare_exchange(queued, queued - 1, taken, not) {
                Ok(_) => return true,
                Err(now) => queued = now,
            }
        }
        false
    }

    fn look(&self) -> LastLook {
        if self.work_waits() {
            LastLook::Work
        // Relaxed: ordered by the fence in `lie_down`.
        } else if self.ending.load(Ordering::Relaxed) {
            LastLook::End
        } else {
            LastLook::Nothing
        }
    }

    /// The pool's worker without its queues: runs `share` pieces of work, or until the end.
    fn work(&self, worker: usize, mut share: usize, run: impl Fn(&Self)) {
        // SAFETY: once, by this worker, which never lay down.
        unsafe { self.sleep.register(worker, Arc::new(Parker::new())) };
        let mut search: Option<Searching> = None;
        let mut looked = false;
        // Relaxed: ordered by the fences.
        while !self.ending.load(Ordering::Relaxed) {
            if self.take() {
                if let Some(search) = search.take() {
                    self.sleep.end_search(search, || self.work_waits());
                }
                run(self);
                share -= 1;
                if share == 0 {
                    return;
                }
                looked = false;
                continue;
            }
            search = search.or_else(|| self.sleep.begin_search());
            if search.is_some() && !looked {
                looked = true;
                continue;
            }
            search = Some(self.sleep.lie_down(worker, search, || self.look(), &mut Parked));
            looked = false;
        }
        if let Some(search) = search {
            self.sleep.retire(search);
        }
    }
}

/// Parks until woken.
pub(crate) struct Parked;

impl Bed for Parked {
    fn lowest(&self) {}
    fn park(&mut self, parker: &Parker, _is_lowest: bool) {
        parker.park();
    }
}

fn spawn(pool: &Arc<Pool>, body: impl FnOnce(&Pool) + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || body(&pool))
}

/// Breaks without the fences [post] or [park].
pub(crate) fn one_sleeper_one_poster() {
    check(Bound::Preemptions(4), || {
        let pool = Pool::new(1);
        let worker = spawn(&pool, |pool| pool.work(0, 1, |_| ()));
        pool.post();
        worker.join().expect("no panic");
    });
}

/// Breaks if a poster relies on a searcher that does not look again.
pub(crate) fn one_sleeper_two_posters() {
    check(Bound::Preemptions(2), || {
        let pool = Pool::new(1);
        let worker = spawn(&pool, |pool| pool.work(0, 2, |_| ()));
        let poster = spawn(&pool, Pool::post);
        pool.post();
        worker.join().expect("no panic");
        poster.join().expect("no panic");
    });
}

/// Breaks without the baton: the woken worker takes one piece and the other lies.
pub(crate) fn two_sleepers_one_poster() {
    check(Bound::Preemptions(2), || {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|index| spawn(&pool, move |pool| pool.work(index, 1, |_| ())));
        pool.post();
        pool.post();
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    });
}

/// Two posters, one of them from outside, and two sleepers.
pub(crate) fn two_sleepers_two_posters() {
    check(Bound::Preemptions(1), || {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|index| spawn(&pool, move |pool| pool.work(index, 1, |_| ())));
        let poster = spawn(&pool, Pool::post);
        pool.post();
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
        poster.join().expect("no panic");
    });
}

/// Breaks if a worker that lies down while the pool ends is not woken.
pub(crate) fn the_end_wakes_everybody() {
    check(Bound::Preemptions(2), || {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|index| spawn(&pool, move |pool| pool.work(index, 1, |_| ())));
        pool.end();
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    });
}

/// Breaks if quiescence is seen before the work has ended, or its effects are not.
pub(crate) fn quiet_means_that_the_work_has_ended() {
    check(Bound::Preemptions(2), || {
        let pool = Pool::new(1);
        let worker = spawn(&pool, |pool| pool.work(0, 2, |pool| pool.effect.set(1)));
        pool.post();
        if pool.sleep.is_quiet(|| 1, || !pool.work_waits()) {
            assert_eq!(pool.effect.number(), 1, "quiet before the work has ended");
        }
        pool.end();
        worker.join().expect("no panic");
    });
}

/// Breaks if the look at the queues misses what a worker queued before it lay down.
pub(crate) fn quiet_sees_what_a_sleeper_queued() {
    check(Bound::Preemptions(2), || {
        let pool = Pool::new(1);
        let worker = spawn(&pool, |pool| {
            // SAFETY: once, by this worker, which never lay down.
            unsafe { pool.sleep.register(0, Arc::new(Parker::new())) };
            // Relaxed: see the page.
            pool.queued.fetch_add(1, Ordering::Relaxed);
            let search = pool.sleep.lie_down(0, None, || pool.look(), &mut Parked);
            if pool.take() {
                pool.effect.set(1);
            }
            pool.sleep.retire(search);
        });
        if pool.sleep.is_quiet(|| 1, || !pool.work_waits()) {
            assert_eq!(pool.effect.number(), 1, "quiet before the work has ended");
        }
        pool.end();
        worker.join().expect("no panic");
    });
}

/// Breaks if who finds the injector emptied does not see that a worker got up for that.
pub(crate) fn quiet_sees_that_somebody_emptied_the_injector() {
    struct Shared {
        sleep: Sleep,
        injector: Injector<()>,
        ending: AtomicBool,
        effect: Watched,
    }

    fn work(shared: &Shared) {
        // SAFETY: once, by this worker, which never lay down.
        unsafe { shared.sleep.register(0, Arc::new(Parker::new())) };
        let mut search = None;
        // Relaxed: ordered by the fences.
        while !shared.ending.load(Ordering::Relaxed) {
            search = Some(shared.sleep.lie_down(
                0,
                search,
                || {
                    // Relaxed: ordered by the fence in `lie_down`.
                    match (shared.ending.load(Ordering::Relaxed), shared.injector.is_empty()) {
                        (true, _) => LastLook::End,
                        (false, false) => LastLook::Work,
                        (false, true) => LastLook::Nothing,
                    }
                },
                &mut Parked,
            ));
            shared.injector.take_all().for_each(|()| shared.effect.set(1));
        }
        search.map(|search| shared.sleep.retire(search));
    }

    check(Bound::Preemptions(3), || {
        let shared = Arc::new(Shared {
            sleep: Sleep::new(1),
            injector: Injector::new(),
            ending: AtomicBool::new(false),
            effect: Watched::new(0),
        });
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || work(&shared))
        };
        shared.injector.push(());
        shared.sleep.posted();
        if shared.sleep.is_quiet(|| 1, || shared.injector.is_empty()) {
            assert_eq!(shared.effect.number(), 1, "quiet before the work has ended");
        }
        // Relaxed: ordered by the fence in `wake_all`.
        shared.ending.store(true, Ordering::Relaxed);
        shared.sleep.wake_all();
        worker.join().expect("no panic");
    });
}

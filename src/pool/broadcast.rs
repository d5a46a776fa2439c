//! Broadcasts: work that every worker does once (P3).
//!
//! Each worker has a queue of *notices*, which nobody else takes from; it reads them between two
//! pieces of work. The *roll* lists the workers that will: a broadcast puts a notice to each worker
//! on the roll, under the roll's lock, and then gets everybody up. A worker is taken off the roll, under
//! the same lock, in the step in which it sits down on the bench, and only without notices; or when
//! it ends, and then abandons them: so a notice is read or abandoned, and its broadcast is told.
//!
//! Whoever waits for a broadcast waits for every worker. On a worker that could wait for ever: for
//! one that itself waits for what lies on the caller's stack. There it is refused.
//!
//! Cold: nothing here is on the way of a join or a job but one look at the head of the own notices.

use parking_lot::Mutex;

use super::registry::Registry;
use super::station::Station;
use super::unwind::{self, Payload};
use super::work::Work;
use super::{Pool, PoolError};
use crate::base::promise::Promise;
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Which part of a broadcast a call is; see [`Pool::broadcast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastContext {
    place: usize,
    count: usize,
    worker: usize,
}

impl BroadcastContext {
    /// The number of this call among those of the broadcast, from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    /// How many calls the broadcast has: one for each worker that took part.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The index of the worker, as [`Pool::current_worker`] says it.
    pub fn worker(&self) -> usize {
        self.worker
    }
}

/// The workers that read their notices.
#[derive(Default)]
pub(super) struct Roll(Mutex<Vec<usize>>);

impl Roll {
    /// Worker `index` will read its notices.
    pub(super) fn enter(&self, index: usize) {
        let mut roll = self.0.lock();
        debug_assert!(!roll.contains(&index), "a worker is on the roll once");
        roll.push(index);
    }

    /// Worker `index` will not, if `may` holds; true if it was taken off.
    pub(super) fn leave(&self, index: usize, may: impl FnOnce() -> bool) -> bool {
        let mut roll = self.0.lock();
        let leaves = may();
        if leaves {
            roll.retain(|other| *other != index);
        }
        leaves
    }
}

impl Registry {
    /// Puts a notice to every worker on the roll: `make` makes them all, told how many.
    fn notify(&self, make: impl FnOnce(&[usize]) -> Vec<Work>) {
        let roll = self.roll.0.lock();
        for (&worker, notice) in roll.iter().zip(make(&roll)) {
            self.rows.at(worker).notices.push(notice);
        }
        drop(roll);
        self.sleep.wake_all();
    }

    /// True if a notice waits to be read.
    pub(super) fn notices_wait(&self) -> bool {
        self.rows.workers().any(|row| !row.notices.is_empty())
    }

    /// Worker `index` ends: what it has not read is abandoned.
    pub(super) fn leave_roll(&self, index: usize) {
        self.roll.leave(index, || true);
        for notice in self.rows.at(index).notices.take_all() {
            self.discard(notice);
        }
    }
}

/// What the calls of a broadcast share with the one who waits.
struct Gather<R> {
    answers: Mutex<Vec<Option<Result<R, Payload>>>>,
    pending: AtomicUsize,
    done: Promise<()>,
}

/// One call's part of it; dropping it ends the part.
struct Part<R>(Arc<Gather<R>>);

impl<R> Drop for Part<R> {
    fn drop(&mut self) {
        // AcqRel: the last one has seen the answers of the others, and hands that on.
        if self.0.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            let first = self.0.done.fulfil(());
            debug_assert!(first.is_ok(), "there is one last part");
        }
    }
}

impl Pool {
    /// Calls `f` once on every worker, between two pieces of other work, and returns what the calls
    /// returned, in the order of [`BroadcastContext::place`]. Blocks until the last worker has done
    /// so: one that is busy, or blocked, is waited for.
    ///
    /// Threads that work in place of blocked ones take part; those on the bench do not.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker of this pool: another worker may wait for what lies
    /// on the caller's stack. Use [`spawn_broadcast`](Self::spawn_broadcast) there.
    /// [`PoolError::Cancelled`] if the pool has ended, or ends before all workers have called `f`.
    ///
    /// # Panics
    /// With the first panic in the order of the calls, when all have ended.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::with_config(PoolConfig { workers: 3, ..PoolConfig::default() })?;
    /// let mut workers = pool.broadcast(|context| context.worker())?;
    /// workers.sort_unstable();
    /// assert_eq!(workers, [0, 1, 2]);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn broadcast<F, R>(&self, f: F) -> Result<Vec<R>, PoolError>
    where
        F: Fn(BroadcastContext) -> R + Sync,
        R: Send,
    {
        self.registry.check_fork()?;
        if Station::worker_below(&self.registry).is_some() {
            return Err(PoolError::WouldDeadlock);
        }
        let gather = Arc::new(Gather {
            answers: Mutex::new(Vec::new()),
            pending: AtomicUsize::new(1),
            done: Promise::new(),
        });
        let own = Part(Arc::clone(&gather));
        self.registry.notify(|workers| {
            let count = workers.len();
            gather.answers.lock().resize_with(count, || None);
            // Relaxed: the parts are handed on by the queues.
            gather.pending.fetch_add(count, Ordering::Relaxed);
            let context = |(place, &worker)| BroadcastContext { place, count, worker };
            let notices = workers.iter().enumerate().map(context).map(|context| {
                let (part, f) = (Part(Arc::clone(&gather)), &f);
                let call = move || {
                    let part = part; // ends when this does
                    let answer = unwind::halt(|| f(context));
                    part.0.answers.lock()[context.place] = Some(answer);
                };
                // SAFETY: `call` borrows `f` and what `R` borrows; each part is dropped with its
                // call, run or not, and this function returns only when all parts were dropped.
                unsafe { Work::once_borrowing(call) }
            });
            notices.collect()
        });
        drop(own);
        gather.done.wait();
        let answers = std::mem::take(&mut *gather.answers.lock());
        sorted_out(answers)
    }

    /// Calls `f` once on every worker, between two pieces of other work. Returns at once; never
    /// blocks.
    ///
    /// A panic of a call goes to the pool's panic handler. Calls that a worker has not begun when the
    /// pool ends are dropped.
    pub fn spawn_broadcast<F>(&self, f: F)
    where
        F: Fn(BroadcastContext) + Send + Sync + 'static,
    {
        if self.is_forked() {
            return;
        }
        let f = Arc::new(f);
        self.registry.notify(|workers| {
            let count = workers.len();
            let context = |(place, &worker)| BroadcastContext { place, count, worker };
            let notices = workers.iter().enumerate().map(context).map(|context| {
                let f = Arc::clone(&f);
                Work::once(move || f(context))
            });
            notices.collect()
        });
    }
}

/// The answers of all calls, or what kept one from its answer.
fn sorted_out<R>(answers: Vec<Option<Result<R, Payload>>>) -> Result<Vec<R>, PoolError> {
    let mut values = Vec::with_capacity(answers.len());
    let (mut panic, mut missing) = (None, answers.is_empty());
    for answer in answers {
        match answer {
            Some(Ok(value)) => values.push(value),
            Some(Err(first)) if panic.is_none() => panic = Some(first),
            Some(Err(later)) => drop(unwind::discard(later)),
            None => missing = true,
        }
    }
    if panic.is_some() || missing {
        unwind::discard(values);
        return match panic {
            Some(panic) => unwind::resume(panic),
            None => Err(PoolError::Cancelled),
        };
    }
    Ok(values)
}

//! Many closures at once: all of them, or the first that succeeds (P3). And `join` with news of
//! where its closures run.
//!
//! The closures lie in a slice of slots that is split in halves by joins, so whatever holds for
//! `join` holds here: they may borrow, the caller takes part, a waiter runs nothing strange. Each
//! closure's panic is kept in its slot, so that the others run whatever one of them does.

use std::mem;

use parking_lot::Mutex;

use super::Pool;
use super::station::thread_token;
use super::unwind::{self, Payload};
use crate::sync::{AtomicBool, Ordering};

/// One of many closures, then its outcome.
enum Slot<F, R> {
    Todo(F),
    /// While it runs.
    Gone,
    Done(Result<R, Payload>),
}

/// Whether a race of [`Pool::invoke_any`] goes on.
#[derive(Debug)]
pub struct Race {
    decided: AtomicBool,
}

impl Race {
    /// True once a contender has succeeded: nobody waits for this one's answer any more. A hint to
    /// return early; nothing else is ordered by it.
    pub fn is_decided(&self) -> bool {
        // Relaxed: a hint; the winner's value is under a lock.
        self.decided.load(Ordering::Relaxed)
    }
}

/// On which thread a closure of [`Pool::join_context`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinContext {
    migrated: bool,
}

impl JoinContext {
    /// True if the closure was stolen: it runs on another thread than the one that called
    /// `join_context`.
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

impl Pool {
    /// As [`join`](Self::join), and tells each closure whether it was stolen: a reason to split
    /// further, or to give up what was kept for this thread.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let (first, second) = pool.join_context(|a| a.migrated(), |b| b.migrated());
    /// assert!(!first, "the first one runs where `join_context` is called");
    /// println!("the second one was stolen: {second}");
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn join_context<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(JoinContext) -> RA + Send,
        B: FnOnce(JoinContext) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let caller = thread_token();
        self.join(
            || a(JoinContext { migrated: false }),
            || b(JoinContext { migrated: thread_token() != caller }),
        )
    }

    /// Runs all of `tasks`, perhaps in parallel, and returns what they return, in their order.
    /// Blocks until all have ended.
    ///
    /// # Panics
    /// With the first panic in their order, when all have ended: one that panics does not keep the
    /// others from running.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let words = ["work", "that", "is", "fast"];
    /// let lengths = pool.invoke_all(words.iter().map(|word| || word.len()));
    /// assert_eq!(lengths, [4, 4, 2, 4]);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn invoke_all<I, F, R>(&self, tasks: I) -> Vec<R>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> R + Send,
        R: Send,
    {
        let mut slots: Vec<Slot<F, R>> = tasks.into_iter().map(Slot::Todo).collect();
        self.run_each(&mut slots, &|task: F| task());
        let (values, panic) = sorted_out(slots);
        match panic {
            None => values,
            Some(panic) => {
                unwind::discard(values);
                unwind::resume(panic)
            }
        }
    }

    /// Runs `tasks`, perhaps in parallel, until one of them returns `Ok`; that is the answer. Blocks
    /// until those that had started have ended; they can see in their [`Race`] that it is decided.
    /// Those that had not started are dropped.
    ///
    /// # Errors
    /// If none succeeds: their errors, in the order of `tasks`. None for no tasks.
    ///
    /// # Panics
    /// If none succeeds and some panicked: with the first of those panics.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let mirrors = ["down", "up", "slow"];
    /// let answer = pool.invoke_any(mirrors.map(|mirror| {
    ///     move |race: &laneway::pool::Race| match mirror {
    ///         "down" => Err("refused"),
    ///         "slow" if race.is_decided() => Err("too late"),
    ///         _ => Ok(mirror),
    ///     }
    /// }));
    /// assert!(matches!(answer, Ok("up" | "slow")));
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn invoke_any<I, F, R, E>(&self, tasks: I) -> Result<R, Vec<E>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce(&Race) -> Result<R, E> + Send,
        R: Send,
        E: Send,
    {
        let race = Race { decided: AtomicBool::new(false) };
        let winner = Mutex::new(None);
        let run = |task: F| {
            if race.is_decided() {
                return None;
            }
            match task(&race) {
                Ok(value) => {
                    // Relaxed: decides who is first, and is a hint for the others.
                    if !race.decided.swap(true, Ordering::Relaxed) {
                        *winner.lock() = Some(value);
                    }
                    None
                }
                Err(error) => Some(error),
            }
        };
        let mut slots: Vec<Slot<F, Option<E>>> = tasks.into_iter().map(Slot::Todo).collect();
        self.run_each(&mut slots, &run);
        let (errors, panic) = sorted_out(slots);
        match (winner.into_inner(), panic) {
            (Some(value), panic) => {
                unwind::discard((errors, panic));
                Ok(value)
            }
            (None, Some(panic)) => {
                unwind::discard(errors);
                unwind::resume(panic)
            }
            (None, None) => Err(errors.into_iter().flatten().collect()),
        }
    }

    /// Runs the closures of all slots; a panic stays in its slot.
    fn run_each<F, R>(&self, slots: &mut [Slot<F, R>], run: &(impl Fn(F) -> R + Sync))
    where
        F: Send,
        R: Send,
    {
        match slots {
            [] => {}
            [slot] => {
                self.tick();
                slot.run(run);
            }
            _ => {
                let (low, high) = slots.split_at_mut(slots.len() / 2);
                self.join(|| self.run_each(low, run), || self.run_each(high, run));
            }
        }
    }
}

impl<F, R> Slot<F, R> {
    fn run(&mut self, run: impl Fn(F) -> R) {
        if let Self::Todo(task) = mem::replace(self, Self::Gone) {
            *self = Self::Done(unwind::halt(|| run(task)));
        }
    }
}

/// The values in order, and the first panic.
fn sorted_out<F, R>(slots: Vec<Slot<F, R>>) -> (Vec<R>, Option<Payload>) {
    let mut values = Vec::with_capacity(slots.len());
    let mut first = None;
    for slot in slots {
        match slot {
            Slot::Done(Ok(value)) => values.push(value),
            Slot::Done(Err(panic)) if first.is_none() => first = Some(panic),
            Slot::Done(Err(panic)) => drop(unwind::discard(panic)),
            Slot::Todo(_) | Slot::Gone => unreachable!("every slot was run"),
        }
    }
    (values, first)
}

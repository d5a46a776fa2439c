//! Loops over ranges and slices in parallel (P3), and the pieces they leave for others.
//!
//! A loop splits its range in halves, by joins, down to pieces of `grain`. Between two pieces it
//! *offers* (`station.rs`): while a worker is hungry or asleep, one half is kept where thieves find
//! it, so that a worker which becomes free waits for one piece at most, however long the loop is.
//! Without anybody to take them the halves stay private and cost a few nanoseconds each.
//!
//! Hand-written loops say the same by [`Pool::tick`].
//!
//! Not here: adaptors, or a choice of the grain. The caller knows what an iteration costs.

use std::ops::Range;

use super::station::Station;
use super::{Pool, Worker};

impl Pool {
    /// Calls `body` with every index of `range`, in parallel, in no particular order. Blocks until
    /// all calls have returned.
    ///
    /// `grain` is how many neighbouring indices one thread takes at least; 0 counts as 1. Choose it
    /// so that a piece takes several microseconds: a sleeping worker is woken for less than that
    /// only in vain. A loop over fewer than two grains runs on the calling thread.
    ///
    /// Works on any thread, as [`join`](Self::join) does, and after the pool has ended.
    ///
    /// # Panics
    /// With the panic of a call; pieces that have not started then do not start.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let sum = AtomicU64::new(0);
    /// pool.par_for(0..10_000, 1024, |n| {
    ///     sum.fetch_add(n as u64, Ordering::Relaxed);
    /// });
    /// assert_eq!(sum.into_inner(), 49_995_000);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn par_for<B>(&self, range: Range<usize>, grain: usize, body: B)
    where
        B: Fn(usize) + Sync,
    {
        self.par_pieces(range, grain, |piece| piece.for_each(&body));
    }

    /// As [`par_for`](Self::par_for), with one call for each piece: neighbouring indices that one
    /// thread does in one go, at most `grain` of them.
    ///
    /// # Panics
    /// As [`par_for`](Self::par_for).
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let numbers: Vec<u64> = (0..10_000).collect();
    /// let sum = AtomicU64::new(0);
    /// pool.par_pieces(0..numbers.len(), 1024, |at| {
    ///     sum.fetch_add(numbers[at].iter().sum(), Ordering::Relaxed);
    /// });
    /// assert_eq!(sum.into_inner(), 49_995_000);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn par_pieces<B>(&self, range: Range<usize>, grain: usize, body: B)
    where
        B: Fn(Range<usize>) + Sync,
    {
        if !range.is_empty() {
            self.halve(range, grain.max(1), &body);
        }
    }

    fn halve<B>(&self, range: Range<usize>, grain: usize, body: &B)
    where
        B: Fn(Range<usize>) + Sync,
    {
        let len = range.end - range.start;
        if len <= grain {
            self.tick();
            return body(range);
        }
        let middle = range.start + len / 2;
        let (low, high) = (range.start..middle, middle..range.end);
        self.join(|| self.halve(low, grain, body), || self.halve(high, grain, body));
    }

    /// Calls `body` with every chunk of `slice` and the chunk's number, in parallel, in no
    /// particular order. Chunks have `len` elements, the last one perhaps fewer; a `len` of 0
    /// counts as 1. Blocks until all calls have returned.
    ///
    /// # Panics
    /// With the panic of a call; chunks that have not started then do not start.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let mut squares = vec![0; 1000];
    /// pool.par_chunks_mut(&mut squares, 100, |number, chunk| {
    ///     for (at, square) in chunk.iter_mut().enumerate() {
    ///         *square = (number * 100 + at).pow(2);
    ///     }
    /// });
    /// assert_eq!(squares[999], 998_001);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn par_chunks_mut<T, B>(&self, slice: &mut [T], len: usize, body: B)
    where
        T: Send,
        B: Fn(usize, &mut [T]) + Sync,
    {
        if !slice.is_empty() {
            self.halve_chunks(slice, len.max(1), 0, &body);
        }
    }

    fn halve_chunks<T, B>(&self, slice: &mut [T], len: usize, first: usize, body: &B)
    where
        T: Send,
        B: Fn(usize, &mut [T]) + Sync,
    {
        let chunks = slice.len().div_ceil(len);
        if chunks == 1 {
            self.tick();
            return body(first, slice);
        }
        let middle = chunks / 2;
        let (low, high) = slice.split_at_mut(middle * len);
        self.join(
            || self.halve_chunks(low, len, first, body),
            || self.halve_chunks(high, len, first + middle, body),
        );
    }

    /// For a long loop of one's own, inside joins or a scope: lets a worker that has nothing to do
    /// take a part of what this thread has put off.
    ///
    /// [`join`](Self::join) looks for such a worker when it begins; a closure that then runs for
    /// long without another join would keep what is put off to itself. Call this every few
    /// microseconds. While all workers are busy it costs a few plain loads. Runs
    /// nothing; on a thread that has put nothing off it does nothing.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let (sum, longest) = pool.join(
    ///     || (0..100_u64).inspect(|_| pool.tick()).sum::<u64>(),
    ///     || "work of somebody who is free".len(),
    /// );
    /// assert_eq!((sum, longest), (4950, 28));
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    #[inline]
    pub fn tick(&self) {
        if let Some(station) = Station::current(&self.registry) {
            station.offer(station.top());
        }
    }

    /// As [`tick`](Self::tick), and gives the rest of the thread's time slice to other threads of
    /// the machine. Runs no other work on top of the caller's stack.
    pub fn yield_now(&self) {
        self.tick();
        std::thread::yield_now();
    }
}

impl Worker<'_> {
    /// [`Pool::par_pieces`] for regions that pass the worker along: each piece is told where it
    /// runs.
    ///
    /// # Panics
    /// As [`Pool::par_pieces`].
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let sum = AtomicU64::new(0);
    /// pool.enter(|worker| {
    ///     worker.par_pieces(0..1000, 100, |worker, piece| {
    ///         let (low, high) = (piece.start..piece.start + 50, piece.start + 50..piece.end);
    ///         let (low, high) =
    ///             worker.join(|_| low.sum::<usize>(), |_| high.sum::<usize>());
    ///         sum.fetch_add((low + high) as u64, Ordering::Relaxed);
    ///     });
    /// });
    /// assert_eq!(sum.into_inner(), 499_500);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn par_pieces<B>(self, range: Range<usize>, grain: usize, body: B)
    where
        B: Fn(Worker<'_>, Range<usize>) + Sync,
    {
        if !range.is_empty() {
            self.halve(range, grain.max(1), &body);
        }
    }

    fn halve<B>(self, range: Range<usize>, grain: usize, body: &B)
    where
        B: Fn(Worker<'_>, Range<usize>) + Sync,
    {
        let len = range.end - range.start;
        if len <= grain {
            self.tick();
            return body(self, range);
        }
        let middle = range.start + len / 2;
        let (low, high) = (range.start..middle, middle..range.end);
        self.join(
            |worker| worker.halve(low, grain, body),
            |worker| worker.halve(high, grain, body),
        );
    }
}

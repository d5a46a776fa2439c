//! Threads that block, and those who work instead (P5), and waits that are refused (P4).
//!
//! A worker that blocks is counted off, and if nobody else is idle another thread takes its place:
//! one from the bench, or a new one, up to `max_blocking` over the parallelism (`bench.rs`,
//! `crew.rs`). Beyond that, or when the system refuses a thread, the pool goes on with fewer, and
//! counts that. When the worker comes back there may be one thread too many for a while: whoever of
//! them first ends a piece of work sits down.
//!
//! Three kinds of blocking. *Away*: user code inside [`Pool::blocking`]; it comes back by itself.
//! *Waiting for its own subtree*: a stolen frame, a scope; that is running already or the worker's
//! own, so the wait cannot be refused. *Waiting for a free worker*: a job, submitted work that runs
//! elsewhere. Such a wait is refused if no thread is left, or can be had, that does not wait: it
//! could only wait for itself. If the last one then waits for its subtree, whoever waits for a free
//! worker is told, and one of them gives its wait up. While the pool ends workers leave: whoever
//! waits when none is left that does not is served by abandoning the rest (`shutdown.rs`).

use std::cell::Cell;
use std::time::Instant;

use super::crew::{Counts, Rest};
use super::registry::Registry;
use super::rows::Row;
use super::station::Station;
use super::{Pool, PoolError};
use crate::base::promise::Promise;
use crate::sync::{Arc, Parker};

/// While this lives its worker counts as blocked.
#[must_use = "the worker counts as blocked while this lives"]
pub(crate) struct Blocking<'p>(Option<Resting<'p>>);

/// A worker that is not active.
struct Resting<'p> {
    registry: &'p Registry,
    row: &'p Row,
    rest: Rest,
    /// It was blocked in that way before: user code that is away may wait.
    before: Option<Rest>,
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        let Self { registry, row, rest, before } = *self;
        row.set_rest(before);
        match before {
            None => registry.crew.leave(rest),
            Some(before) => drop(registry.crew.exchange(rest, before)),
        }
    }
}

impl Blocking<'_> {
    /// Blocks until the promise is fulfilled, at most until `deadline`; true if it is.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] as soon as every worker waits, so that none is left to bring it.
    pub(crate) fn wait_for<T>(
        self,
        promise: &Promise<T>,
        deadline: Option<Instant>,
    ) -> Result<bool, PoolError> {
        let park = |parker: &Parker| match deadline {
            Some(deadline) => parker.park_until(deadline),
            None => {
                parker.park();
                true
            }
        };
        let parker = Arc::new(Parker::new());
        let Some(resting) = self.0 else {
            promise.park_on(&parker, park);
            return Ok(promise.is_done());
        };
        let registry = resting.registry;
        let resting = Cell::new(Some(resting));
        registry.waits.lock().push(Arc::clone(&parker));
        promise.park_on(&parker, |parker| !registry.gives_up(&resting) && park(parker));
        registry.waits.lock().retain(|other| !Arc::ptr_eq(other, &parker));
        match resting.take() {
            Some(_still_counted) => Ok(promise.is_done()),
            None => Err(PoolError::WouldDeadlock),
        }
    }
}

impl Pool {
    /// Calls `f`, which may block, while another thread works instead of this one.
    ///
    /// On a worker of this pool: if no other worker is idle, a thread of the bench or a new one takes
    /// its place until `f` is done, so that as many threads as
    /// [`workers`](Self::workers) says go on with the pool's work. Over it there are
    /// never more than [`max_blocking`](super::PoolConfig::max_blocking) threads: beyond them, and if
    /// the system refuses a thread, `f` is called all the same and
    /// [`uncompensated`](super::PoolCounters::uncompensated) counts it. On any other thread it only
    /// calls `f`.
    ///
    /// For whatever makes a thread wait that is not the pool's: reads from pipes and sockets, locks
    /// held for long, other libraries. Waits of the pool's own (handles, jobs, joins, scopes) count
    /// as blocking without this. `ForkJoinPool.managedBlock` is the same.
    ///
    /// # Panics
    /// With the panic of `f`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use laneway::pool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::with_config(PoolConfig { workers: 1, ..PoolConfig::default() })?;
    /// let (tell, told) = mpsc::channel();
    /// let same = pool.clone();
    /// let waits = pool.submit(move || same.blocking(|| told.recv()));
    /// // The only worker blocks, and this runs nevertheless.
    /// pool.spawn(move || tell.send(7).unwrap());
    /// assert_eq!(waits.wait()?, Ok(7));
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        let _away =
            Station::worker_below(&self.registry).map(|station| self.registry.away(station));
        f()
    }

    /// Announces that this thread is about to wait for something that only the pool can bring.
    /// On a thread that is no worker of this pool it costs and counts nothing.
    ///
    /// # Errors
    /// [`PoolError::WouldDeadlock`] on a worker when every other worker waits too, and there is no
    /// other thread to be had.
    pub(crate) fn enter_blocking(&self) -> Result<Blocking<'_>, PoolError> {
        self.registry.enter_blocking()
    }
}

/// [`Pool::blocking`] of the pool that the calling thread is a worker of; on a thread that is no
/// worker it only calls `f`.
///
/// For code that blocks and does not know on whose thread it runs.
///
/// # Panics
/// With the panic of `f`.
///
/// # Examples
/// ```
/// use std::io::{self, Read};
/// use laneway::pool;
///
/// fn read_all(mut from: impl Read) -> io::Result<String> {
///     let mut text = String::new();
///     pool::blocking(|| from.read_to_string(&mut text))?;
///     Ok(text)
/// }
/// assert_eq!(read_all(&b"text"[..])?, "text");
/// # Ok::<(), io::Error>(())
/// ```
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    match Station::any_worker() {
        Some(station) => {
            let _away = station.registry().away(station);
            f()
        }
        None => f(),
    }
}

impl Registry {
    pub(super) fn enter_blocking(&self) -> Result<Blocking<'_>, PoolError> {
        self.check_fork()?;
        let Some(station) = Station::worker_below(self) else { return Ok(Blocking(None)) };
        let resting = Cell::new(Some(self.begin_rest(station, Rest::Waiting)));
        if self.gives_up(&resting) {
            return Err(PoolError::WouldDeadlock);
        }
        self.see_to_rest();
        Ok(Blocking(resting.take()))
    }

    /// The worker is inside user code that blocks.
    fn away(&self, station: &Station) -> Resting<'_> {
        let away = self.begin_rest(station, Rest::Away);
        self.see_to_rest();
        away
    }

    /// Counts the calling worker as blocked, unasked: it waits for its own subtree.
    fn count_blocked(&self, station: &Station) -> Resting<'_> {
        let waiting = self.begin_rest(station, Rest::Waiting);
        if everybody_waits(self.crew.counts()) {
            self.waits.lock().iter().for_each(|parker| parker.unpark());
        }
        self.see_to_rest();
        waiting
    }

    fn begin_rest(&self, station: &Station, rest: Rest) -> Resting<'_> {
        self.hand_over_rest(station);
        let row = self.rows.at(station.row());
        let before = row.rest();
        row.set_rest(Some(rest));
        let counts = match before {
            None => self.crew.enter(rest),
            Some(before) => self.crew.exchange(before, rest),
        };
        let resting = Resting { registry: self, row, rest, before };
        if (before.is_none() || counts.active() == 0) && !self.is_forked() {
            self.replace(counts);
        }
        resting
    }

    /// Whether the calling worker, which waits for a free one, is to give up because there is none;
    /// it then counts as before. One at a time: the next one finds a free worker.
    ///
    /// Whoever is in `waits` and looks under its lock either sees that all wait, or is told by the
    /// last one, who takes that lock after it was counted.
    fn gives_up(&self, resting: &Cell<Option<Resting<'_>>>) -> bool {
        if !everybody_waits(self.crew.counts()) || self.phase.is_ending() {
            return false; // a pool that ends brings everything to its end by itself
        }
        let _one_at_a_time = self.waits.lock();
        let gives_up = everybody_waits(self.crew.counts());
        if gives_up {
            drop(resting.take());
        }
        gives_up
    }
}

/// Nobody works, and nobody will come back by itself.
fn everybody_waits(counts: Counts) -> bool {
    counts.active() == 0 && counts.away() == 0
}

impl Station {
    /// Calls `wait`, which parks; a worker counts as blocked meanwhile.
    pub(super) fn block(&self, wait: impl FnOnce(&Arc<Parker>)) {
        if self.registry().is_forked() {
            panic!("a join or scope cannot end after a fork: the other half is in the parent");
        }
        let _waiting = self.visits().is_some().then(|| self.registry().count_blocked(self));
        wait(&self.parker());
    }
}

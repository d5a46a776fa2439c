//! Scopes: spawned work that may borrow from the stack below it.
//!
//! Each scope has its own queue of spawned closures. Spawning puts the closure there and posts a
//! *ticket* to the pool: whoever runs the ticket takes one closure of that scope, or none if they
//! are all taken. The owner, when its own body is done, takes closures from the same queue until
//! all have ended, and parks when there is none to take. So it runs its own subtree only (P4), its
//! stack does not grow with the number of closures, and a scope makes progress with no worker free,
//! or with no pool left: a ticket that is abandoned costs help, not work.
//!
//! Invariants: `pending` counts closures that were spawned and have not ended; a closure is counted
//! before it is queued; the frame of the scope is left only when `pending` is zero and nobody who
//! could spawn is left; what others touch after that is in the shared core, not in the frame.

use std::fmt;
use std::marker::PhantomData;

use parking_lot::Mutex;

use super::registry::{Registry, taken};
use super::station::Station;
use super::unwind::{self, Payload};
use super::work::{Runnable, Work};
use super::{Pool, guest};
use crate::sync::deque::Injector;
use crate::sync::{self, Arc, AtomicBool, AtomicUsize, Ordering, Parker, fence};

/// How often the owner looks before it parks.
const SPINS: usize = sync::sized(128, 1);

/// Where work can be spawned that borrows for `'scope`; see [`Pool::scope`].
pub struct Scope<'scope, 'env: 'scope> {
    core: Arc<Core>,
    registry: &'scope Registry,
    // Both invariant, as in `std::thread::scope`: else `'scope` could be chosen too short.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What tickets share with the owner; outlives the scope.
struct Core {
    closures: Injector<Work>,
    pending: AtomicUsize,
    /// The owner is about to park, or parked.
    parked: AtomicBool,
    owner: Arc<Parker>,
    /// The first panic of a closure. Cold: touched when one panics, and once at the end.
    panic: Mutex<Option<Payload>>,
}

impl Pool {
    /// Calls `body` on this thread and returns when everything spawned in it has ended.
    ///
    /// Spawned closures may borrow whatever outlives the call. The caller runs them too, after
    /// `body`; when none is left to start it blocks until those on other threads have ended.
    /// Works on any thread, and after the pool has ended (then the caller runs everything).
    ///
    /// # Panics
    /// When all has ended: with the panic of `body`, else with the first panic of a closure. The
    /// other closures run all the same.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let mut halves = [1, 2, 3, 4];
    /// let (left, right) = halves.split_at_mut(2);
    /// pool.scope(|s| {
    ///     s.spawn(|| left.reverse());
    ///     s.spawn(|| right.reverse());
    /// });
    /// assert_eq!(halves, [2, 1, 4, 3]);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn scope<'env, R>(
        &self,
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    ) -> R {
        match Station::current(&self.registry) {
            Some(station) => run(&self.registry, station, body),
            None => guest::visit(&self.registry, |station| run(&self.registry, station, body)),
        }
    }
}

fn run<'env, R>(
    registry: &Registry,
    station: &Station,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
) -> R {
    let owner = station.parker();
    let scope = Scope {
        core: Arc::new(Core {
            closures: Injector::new(),
            pending: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            owner,
            panic: Mutex::new(None),
        }),
        registry,
        scope: PhantomData,
        env: PhantomData,
    };
    let result = unwind::halt(|| body(&scope));
    scope.core.finish(station);
    let panic = scope.core.panic.lock().take();
    match (result, panic) {
        (Ok(value), None) => value,
        (Ok(value), Some(panic)) => {
            unwind::discard(value);
            unwind::resume(panic)
        }
        (Err(panic), _) => unwind::resume(panic),
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Runs `f` before the scope ends, on a worker or on the thread that owns the scope.
    ///
    /// Returns at once. May be called from closures of the scope. A panic of `f` is told by
    /// [`Pool::scope`].
    pub fn spawn<F: FnOnce() + Send + 'scope>(&'scope self, f: F) {
        // SAFETY: `f` borrows for 'scope, which lasts until `Pool::scope` returns; that waits until
        // `pending` is zero, and so until the closure was run.
        let closure = unsafe { Work::once_borrowing(f) };
        let core = &self.core;
        // Relaxed: the caller holds the scope open, so the count cannot be seen at zero before.
        core.pending.fetch_add(1, Ordering::Relaxed);
        core.closures.push(closure);
        // SeqCst fence [scope-spawn]: pairs with [scope-park] in `finish`: either the owner sees
        // the closure before it parks, or this sees that it parks.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        if core.parked.load(Ordering::Relaxed) {
            core.owner.unpark();
        }
        self.registry.post(Work::new(Arc::clone(core)));
    }

    /// On the thread that called [`Pool::scope`]: runs the oldest closure of the scope that nobody
    /// has started; true if there was one. On other threads it does nothing, because what it ran
    /// would not be a part of what the caller does.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let pool = Pool::new()?;
    /// pool.scope(|s| {
    ///     (0..100).for_each(|n| s.spawn(move || assert!(n < 100)));
    ///     while s.yield_local() {
    ///         // between two of them, something that only this thread can do
    ///     }
    /// });
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn yield_local(&self) -> bool {
        let station = Station::current(self.registry);
        let is_owner = station.is_some_and(|here| Arc::ptr_eq(&here.parker(), &self.core.owner));
        is_owner && self.core.run_one()
    }
}

impl Core {
    /// Takes one closure and runs it; false if there is none.
    fn run_one(&self) -> bool {
        let Some(closure) = taken(|| self.closures.steal()) else { return false };
        if let Err(panic) = unwind::halt(|| closure.run()) {
            self.keep_first(panic);
        }
        // Release [scope-end]: pairs with the Acquire in `is_over`; the owner sees the effects of
        // the closure. Read-modify-writes carry on the Release of those that ended before.
        if self.pending.fetch_sub(1, Ordering::Release) == 1 {
            self.owner.unpark();
        }
        true
    }

    #[cold]
    fn keep_first(&self, panic: Payload) {
        let mut first = self.panic.lock();
        if first.is_none() {
            *first = Some(panic);
            return;
        }
        drop(first); // dropping a payload may be user code
        unwind::discard(panic);
    }

    fn is_over(&self) -> bool {
        // Acquire [scope-end]: pairs with the Release in `run_one`.
        self.pending.load(Ordering::Acquire) == 0
    }

    /// The owner's part: runs what is left to start, and waits for the rest.
    fn finish(&self, station: &Station) {
        loop {
            while self.run_one() {}
            if self.is_over() {
                return;
            }
            if !self.spin() {
                self.park(station);
            }
        }
    }

    /// Looks for a while; true if there is something to do.
    fn spin(&self) -> bool {
        (0..SPINS).any(|_| {
            sync::spin_loop();
            self.is_over() || !self.closures.is_empty()
        })
    }

    /// Parks the owner until there may be something to do.
    fn park(&self, station: &Station) {
        // Relaxed: published by the fence.
        self.parked.store(true, Ordering::Relaxed);
        // SeqCst fence [scope-park]: pairs with [scope-spawn]. The end of the last closure needs
        // no fence: it unparks in any case.
        fence(Ordering::SeqCst);
        if self.closures.is_empty() && !self.is_over() {
            station.block(|parker| parker.park());
        }
        // Relaxed: at worst the owner is unparked in vain.
        self.parked.store(false, Ordering::Relaxed);
    }
}

/// A ticket.
impl Runnable for Arc<Core> {
    fn run(self) {
        self.run_one();
    }
    fn abandon(self) {}
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed: a figure.
        let pending = self.core.pending.load(Ordering::Relaxed);
        f.debug_struct("Scope").field("pending", &pending).finish_non_exhaustive()
    }
}

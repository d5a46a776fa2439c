//! Priorities: which work is looked for first (P12).
//!
//! Detached work and visits have a class. [`Priority::Normal`] work takes the short way, through the
//! queues of its poster; the two others have a shared queue each, from which workers take, and a
//! queue of their own for what they took at once, from which others steal.
//!
//! A worker looks for urgent work first, then for normal work, then for background work. So that
//! none starves, every [`NORMAL_EVERY`]th look begins with the normal and every
//! [`BACKGROUND_EVERY`]th with the background class: with Urgent saturating, of 64 visits of a worker
//! at least seven are normal and at least one is background, if there are any.
//!
//! A class belongs to the work, or to a key of lanes: the same bytes in two classes are two keys, as
//! jobs of one key are never of two classes. It says who is taken first, not who runs: nothing that
//! runs is interrupted.
//!
//! A pool that was never given anything but normal work pays one relaxed load per look.

use super::injector::Injector;
use super::registry::{Registry, taken};
use super::rows::Row;
use super::work::Work;
use super::{Handle, Pool};
use crate::sync::deque::{Stealer, Worker};
use crate::sync::{AtomicBool, Ordering};

/// Which work is looked for first. See [`Pool::spawn_at`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Priority {
    /// Before all other work.
    Urgent,
    /// What is not said to be another.
    #[default]
    Normal,
    /// When there is nothing else, but at least one in 64.
    Background,
}

/// Looks of a worker of which one begins with the normal class.
pub(super) const NORMAL_EVERY: u32 = 8;

/// Looks of a worker of which one begins with the background class.
pub(super) const BACKGROUND_EVERY: u32 = 64;

/// The shared queues of the classes that are not normal.
pub(super) struct Classes {
    urgent: Injector<Work>,
    background: Injector<Work>,
    /// Something was ever posted here.
    used: AtomicBool,
}

/// A worker's own queues of what it took at once from the shared ones.
pub(super) struct Tray {
    pub(super) urgent: Worker<Work>,
    pub(super) background: Worker<Work>,
}

/// The thieves' ends of a [`Tray`].
pub(super) struct TrayStealers {
    pub(super) urgent: Stealer<Work>,
    pub(super) background: Stealer<Work>,
}

impl Tray {
    pub(super) fn new() -> Self {
        Self { urgent: Worker::new_fifo(), background: Worker::new_fifo() }
    }

    pub(super) fn stealers(&self) -> TrayStealers {
        TrayStealers { urgent: self.urgent.stealer(), background: self.background.stealer() }
    }

    fn of(&self, urgent: bool) -> &Worker<Work> {
        if urgent { &self.urgent } else { &self.background }
    }
}

impl TrayStealers {
    fn of(&self, urgent: bool) -> &Stealer<Work> {
        if urgent { &self.urgent } else { &self.background }
    }

    /// How much waits here.
    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.background.len()
    }
}

impl Classes {
    pub(super) fn new() -> Self {
        let (urgent, background) = (Injector::new(), Injector::new());
        Self { urgent, background, used: AtomicBool::new(false) }
    }

    fn of(&self, urgent: bool) -> &Injector<Work> {
        if urgent { &self.urgent } else { &self.background }
    }

    /// Whether it is worth a look.
    pub(super) fn are_used(&self) -> bool {
        // Relaxed: a hint; a last look before parking looks at the queues themselves.
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.background.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.background.len()
    }

    fn push(&self, urgent: bool, work: Work) {
        if !self.are_used() {
            // Relaxed: as above.
            self.used.store(true, Ordering::Relaxed);
        }
        self.of(urgent).push(work);
    }

    /// Everything that is queued here.
    pub(super) fn take_all(&self) -> impl Iterator<Item = Work> {
        self.urgent.take_all().chain(self.background.take_all())
    }

    /// One piece of that class for a worker: its own, a shared one, or another worker's. The rest of
    /// the shared ones comes with it into its tray; true if something did.
    pub(super) fn find<'r>(
        &self,
        urgent: bool,
        tray: &Tray,
        mut others: impl Iterator<Item = &'r Row>,
    ) -> Option<(Work, bool)> {
        let own = tray.of(urgent);
        if let Some(work) = own.pop() {
            return Some((work, false));
        }
        let shared = self.of(urgent);
        if !shared.is_empty() {
            let mut batch = shared.take_all();
            if let Some(first) = batch.next() {
                batch.for_each(|work| own.push(work));
                return Some((first, !own.is_empty()));
            }
        }
        others.find_map(|row| {
            let tray = row.tray.as_ref()?.of(urgent);
            if tray.is_empty() { None } else { Some((taken(|| tray.steal())?, false)) }
        })
    }
}

impl Pool {
    /// As [`spawn`](Self::spawn), in a class: [`Priority::Urgent`] work is taken before all other,
    /// [`Priority::Background`] work when there is no other, but is at least one of 64 pieces of
    /// detached work that a worker takes.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// let report = pool.submit_at(Priority::Background, || 2 + 2);
    /// pool.spawn_at(Priority::Urgent, || println!("first, if anything waits"));
    /// assert_eq!(report.wait()?, 4);
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn spawn_at<F: FnOnce() + Send + 'static>(&self, priority: Priority, f: F) {
        self.post_at(priority, Work::once(f));
    }

    /// As [`submit`](Self::submit), in a class; see [`spawn_at`](Self::spawn_at).
    pub fn submit_at<F, T>(&self, priority: Priority, f: F) -> Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (handle, ticket) = self.prepare(f);
        self.post_at(priority, ticket);
        handle
    }

    /// As `Pool::post`, in a class. For lanes: the class of a key, the same for all of its visits.
    pub(crate) fn post_at(&self, priority: Priority, work: Work) {
        self.registry.post_at(priority, work);
    }
}

impl Registry {
    fn post_at(&self, priority: Priority, work: Work) {
        let urgent = match priority {
            Priority::Normal => return self.post(work),
            Priority::Urgent => true,
            Priority::Background => false,
        };
        if self.is_forked() {
            return self.discard(work);
        }
        self.classes.push(urgent, work);
        self.announce();
    }

    /// After work was made visible: see to it that somebody takes it.
    pub(super) fn announce(&self) {
        self.sleep.posted();
        // Its fence [post] also pairs with [ended] in `see_to_rest`: either whoever clears up sees
        // the work, or this sees that no worker will take it.
        if self.is_unattended() {
            self.clear_up();
        }
    }
}

//! Why a key does not go on: the answer as data.
//!
//! Three places know a part of it: the marks, the threads (what runs), and the lane (what waits, and
//! how many jobs there are). They are asked one after another, so the answer is a glance and not one
//! moment of all three.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::door::Door;
use super::entry::Entry;
use super::inner::Inner;
use super::keys::Keys;
use super::marks::Hold;
use super::running;
use crate::base::promise::Promise;
use crate::lane::{Key, LaneView};
use crate::sync::Arc;

/// How long an answer of the lane is waited for. Workers that are all inside user code cannot give
/// it, and that is when somebody asks.
const PATIENCE: Duration = Duration::from_millis(200);

/// One reason why the jobs of a key are where they are; see
/// [`Coordinator::explain`](super::Coordinator::explain).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// A body or an undo is on a worker.
    Running {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Since when. For a job without options and without a handle: since it was first seen.
        since: Instant,
    },
    /// The job has failed and its undo is at work, in the way that another entry tells.
    RollingBack,
    /// The body or the undo has returned, and tokens are open.
    WaitingForTokens {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// How many.
        tokens: usize,
    },
    /// The future of an async body is not ready.
    Awaiting {
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// An attempt has failed; the next one is due later.
    BackingOff {
        /// The number of the failed attempt, from 1.
        attempt: u32,
        /// When it is due.
        until: Instant,
    },
    /// No job may start before somebody calls [`resume`](super::Coordinator::resume).
    Paused {
        /// With these keys.
        by: Keys,
    },
    /// A job has failed and stopped the lane ([`OnFailure::Hold`](super::OnFailure::Hold)).
    Held,
    /// A double fault has stopped the lane
    /// ([`OnDoubleFault::Quarantine`](super::OnDoubleFault::Quarantine)).
    Quarantined,
    /// The job at the head runs only on the node that owns this entity, and that is being asked for.
    WaitingForOwner {
        /// What [`Job::owned_by`](super::Job::owned_by) names.
        entity: Key,
    },
    /// A job over several keys is at the head, and waits for this key.
    WaitingForKey {
        /// One of its keys.
        key: Key,
    },
    /// A job over several keys has started and holds this key, too; more is told of this one.
    RunsUnder {
        /// One of its keys.
        key: Key,
    },
    /// A job can run and waits for a worker.
    Ready,
    /// A job submitted now would have to wait for this many.
    Behind {
        /// Jobs that have not ended, the first one included; fences of cancels under way, too.
        jobs: u64,
    },
    /// Every worker is inside user code, and nobody could look at the lane: what waits in it is not
    /// told.
    Unseen,
}

/// What the lane said.
struct Said {
    jobs: u64,
    /// What the first job says of itself, if it is at home.
    head: Option<Vec<Explanation>>,
}

/// Collects what the lane says, and tells when nothing more will come.
struct Answer {
    said: Arc<OnceLock<Said>>,
    done: Arc<Promise<()>>,
    inner: Arc<Inner>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.done.fulfil(()).expect("an answer is complete once");
    }
}

impl Answer {
    fn take(&self, view: &LaneView<'_, Entry>) {
        let head = view.head().map(|head| head.explain(&self.inner));
        // A lane is shown once.
        let _ = self.said.set(Said { jobs: view.jobs(), head });
    }
}

impl Door {
    /// See [`Coordinator::explain`](super::Coordinator::explain).
    pub(crate) fn explain(&self, key: Key) -> Vec<Explanation> {
        let inner = &*self.inner;
        let clock = inner.pool().clock();
        let marked = inner.marks().of(&key);
        let address = self.lanes.address(key.clone());

        let (said, done) = (Arc::new(OnceLock::new()), Arc::new(Promise::new()));
        let answer = Answer { said: said.clone(), done: done.clone(), inner: self.inner.clone() };
        self.lanes.look(key, Arc::new(move |view| answer.take(view)));
        let answered = match inner.pool().current_worker() {
            // A worker does not wait for others.
            Some(_) => done.is_done(),
            None => inner.pool().wait_until(&done, clock.after(PATIENCE)),
        };

        let running = running::of(address.hash(), inner.origin(), clock.now());
        let mut list = Vec::new();
        if let Some(seen) = running {
            list.push(Explanation::Running { attempt: seen.attempt, since: seen.since });
            list.extend(seen.is_undo.then_some(Explanation::RollingBack));
        }
        list.extend(marked.paused_by.into_iter().map(|by| Explanation::Paused { by }));
        list.extend(marked.held.map(|held| match held {
            Hold::Failure => Explanation::Held,
            Hold::Quarantine => Explanation::Quarantined,
        }));
        match said.get() {
            Some(said) => {
                match &said.head {
                    Some(head) => list.extend(head.iter().cloned()),
                    None if running.is_none() => list.push(Explanation::Ready),
                    None => {}
                }
                list.push(Explanation::Behind { jobs: said.jobs });
            }
            None if answered => {}
            None => list.push(Explanation::Unseen),
        }
        list
    }
}

//! Ownership: which jobs run on this node (J8).
//!
//! ```text
//!   (nobody asked) ──first job──► ASKED ──answer──► KNOWN ──set_owned──► KNOWN ...
//!         ▲                         │ jobs wait        │
//!         └───────── forget ────────┴──────────────────┘
//! ```
//!
//! Several nodes that run the same program submit the same jobs; those of one entity are to run on
//! the node that owns it. Who that is somebody else knows, and may have to ask others for: the
//! question is asked without a worker, the answer is kept, and moves are told as they happen.
//!
//! Cold: only jobs that name an entity come here, once each. No lock is held while an
//! [`Ownership`] is asked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Weak;

use parking_lot::Mutex;

use super::Coordinator;
use super::entry::Entry;
use super::inner::Inner;
use crate::lane::{Key, LaneRef};
use crate::pool::unwind;
use crate::sync::Arc;

/// Answers kept, at most; beyond them all are forgotten, and asked for again.
const KNOWN_MAX: usize = 1 << 16;

/// Knows which entities this node owns; see [`CoordinatorConfig::ownership`].
///
/// [`CoordinatorConfig::ownership`]: super::CoordinatorConfig::ownership
pub trait Ownership: Send + Sync {
    /// A job of `entity` is about to start, and no answer is known. Must not block: the answer may
    /// be given here or later, on any thread.
    ///
    /// Asked once until the answer is forgotten, however many jobs wait for it. A panic, like a
    /// dropped question, means no.
    fn ask(&self, entity: &Key, question: OwnerQuestion);
}

/// A question that an [`Ownership`] has to answer. Dropping it answers that the entity is not
/// owned: what is not certain does not run.
#[must_use = "dropping a question answers no"]
pub struct OwnerQuestion {
    inner: Weak<Inner>,
    entity: Key,
    number: u64,
}

impl OwnerQuestion {
    /// Whether this node owns the entity. Without effect if the answer has been told meanwhile
    /// ([`Coordinator::set_owned`]), or forgotten.
    pub fn answer(self, owned: bool) {
        self.tell(owned);
    }

    fn tell(&self, owned: bool) {
        if let Some(inner) = self.inner.upgrade() {
            inner.owners().answered(&self.entity, self.number, owned);
        }
    }
}

impl Drop for OwnerQuestion {
    fn drop(&mut self) {
        self.tell(false); // without effect if it was answered
    }
}

impl fmt::Debug for OwnerQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerQuestion").field("entity", &self.entity).finish_non_exhaustive()
    }
}

/// A node by itself: it owns every entity. What a coordinator without an [`Ownership`] does, without
/// the questions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standalone;

impl Ownership for Standalone {
    fn ask(&self, _entity: &Key, question: OwnerQuestion) {
        question.answer(true);
    }
}

/// An [`Ownership`] for tests: a set of entities, and questions that wait until the test lets them be
/// answered.
///
/// ```
/// use laneway::coordinator::{CoordinatorConfig, OutcomeKind, OwnedSet, TestCoordinator};
/// use laneway::Job;
/// use std::sync::Arc;
///
/// let owned = Arc::new(OwnedSet::default());
/// owned.own("tenant-1");
/// let config = CoordinatorConfig { ownership: Some(owned.clone()), ..Default::default() };
/// let test = TestCoordinator::with_config(7, config);
/// let here = test.submit("k", Job::once(|_| Ok(())).owned_by("tenant-1"))?;
/// let there = test.submit("k", Job::once(|_| Ok(())).owned_by("tenant-2"))?;
/// assert!(here.wait()?.is_completed());
/// assert_eq!(there.wait()?.kind(), OutcomeKind::Skipped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct OwnedSet(Mutex<OwnedState>);

#[derive(Debug, Default)]
struct OwnedState {
    owned: HashSet<Key>,
    held: Option<Vec<OwnerQuestion>>,
    asked: usize,
}

impl OwnedSet {
    /// Questions asked from now on are answered yes for `entity`. Answers that were given stay:
    /// [`Coordinator::set_owned`] changes those.
    pub fn own(&self, entity: impl Into<Key>) {
        self.0.lock().owned.insert(entity.into());
    }

    /// Takes [`own`](Self::own) back.
    pub fn disown(&self, entity: impl Into<Key>) {
        self.0.lock().owned.remove(&entity.into());
    }

    /// Questions wait from now on, until [`answer`](Self::answer).
    pub fn hold(&self) {
        self.0.lock().held.get_or_insert_default();
    }

    /// Answers the questions that wait, as the set is now; later ones are answered at once.
    pub fn answer(&self) {
        let mut state = self.0.lock();
        let held = state.held.take().unwrap_or_default();
        let answers: Vec<_> = held
            .into_iter()
            .map(|question| (state.owned.contains(&question.entity), question))
            .collect();
        drop(state);
        answers.into_iter().for_each(|(owned, question)| question.answer(owned));
    }

    /// How many questions were asked.
    pub fn asked(&self) -> usize {
        self.0.lock().asked
    }
}

impl Ownership for OwnedSet {
    fn ask(&self, entity: &Key, question: OwnerQuestion) {
        let mut state = self.0.lock();
        state.asked += 1;
        if let Some(held) = &mut state.held {
            return held.push(question);
        }
        let owned = state.owned.contains(entity);
        drop(state);
        question.answer(owned);
    }
}

/// What is known of an entity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This node owns it.
    Here,
    /// It does not.
    Elsewhere,
    /// Somebody was asked; the job is woken by the answer.
    Asked,
}

enum Entity {
    Known(bool),
    Asked { number: u64, waiting: Vec<LaneRef<Entry>> },
}

/// What one coordinator knows of owners.
pub(crate) struct Owners(Mutex<Table>);

struct Table {
    entities: HashMap<Key, Entity>,
    asked_ever: u64,
}

impl Owners {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table { entities: HashMap::new(), asked_ever: 0 }))
    }

    /// Whether this node owns `entity`; if that is not known it is asked, and the job of `lane` is
    /// woken by the answer.
    pub(crate) fn look(&self, inner: &Arc<Inner>, entity: &Key, lane: &LaneRef<Entry>) -> Owner {
        let Some(ownership) = &inner.config().ownership else { return Owner::Here };
        let mut table = self.0.lock();
        let number = match table.entities.get_mut(entity) {
            Some(Entity::Known(true)) => return Owner::Here,
            Some(Entity::Known(false)) => return Owner::Elsewhere,
            Some(Entity::Asked { waiting, .. }) => {
                waiting.push(lane.clone());
                return Owner::Asked;
            }
            None => table.begin_question(entity, lane),
        };
        drop(table);
        let question =
            OwnerQuestion { inner: Arc::downgrade(inner), entity: entity.clone(), number };
        if let Err(payload) = unwind::halt(|| ownership.ask(entity, question)) {
            inner.pool().report_panic(payload);
        }
        // Most are answered right there; the wake-up that came with that changes nothing.
        match self.0.lock().entities.get(entity) {
            Some(Entity::Known(true)) => Owner::Here,
            Some(Entity::Known(false)) => Owner::Elsewhere,
            Some(Entity::Asked { .. }) | None => Owner::Asked,
        }
    }

    fn answered(&self, entity: &Key, number: u64, owned: bool) {
        let mut table = self.0.lock();
        let asked = match table.entities.get_mut(entity) {
            Some(asked @ Entity::Asked { .. }) => asked,
            Some(Entity::Known(_)) | None => return,
        };
        let Entity::Asked { number: present, waiting } = asked else { return };
        if *present != number {
            return;
        }
        let waiting = std::mem::take(waiting);
        *asked = Entity::Known(owned);
        drop(table);
        waiting.iter().for_each(LaneRef::wake);
    }

    /// Nobody will start any more: forgets who waits.
    pub(crate) fn clear(&self) {
        let left = std::mem::take(&mut self.0.lock().entities);
        drop(left); // may drop the last reference to a lane, and what its jobs hold
    }

    /// The answer is `owned` from now on, or is to be asked for anew.
    fn tell(&self, entity: Key, owned: Option<bool>) {
        let waiting = {
            let mut table = self.0.lock();
            let before = match owned {
                Some(owned) => table.entities.insert(entity, Entity::Known(owned)),
                None => table.entities.remove(&entity),
            };
            match before {
                Some(Entity::Asked { waiting, .. }) => waiting,
                Some(Entity::Known(_)) | None => Vec::new(),
            }
        };
        waiting.iter().for_each(LaneRef::wake);
    }
}

impl Table {
    fn begin_question(&mut self, entity: &Key, lane: &LaneRef<Entry>) -> u64 {
        if self.entities.len() >= KNOWN_MAX {
            self.entities.retain(|_, entity| matches!(entity, Entity::Asked { .. }));
        }
        self.asked_ever += 1;
        let (number, waiting) = (self.asked_ever, vec![lane.clone()]);
        self.entities.insert(entity.clone(), Entity::Asked { number, waiting });
        number
    }
}

impl Coordinator {
    /// Tells whether this node owns `entity` from now on, as its owner moves, and answers the jobs
    /// that wait for that. Jobs of the entity that have not started find the new answer; one that has
    /// started goes on. Returns at once.
    ///
    /// What a node that has lost an entity may still be writing the store has to refuse, by versions
    /// or a fence: that is a [`JobError::conflict`](super::JobError::conflict).
    pub fn set_owned(&self, entity: impl Into<Key>, owned: bool) {
        self.inner().owners().tell(entity.into(), Some(owned));
    }

    /// Forgets what is known of the owner of `entity`: the next job asks again. Returns at once.
    pub fn forget_owner(&self, entity: impl Into<Key>) {
        self.inner().owners().tell(entity.into(), None);
    }
}

//! A store at rest: read, and changed by single commands, while no service has it open.

use std::hash::{BuildHasher, Hasher};

use super::{Attempt, Store, StoreError, codec};
use crate::task::{self, AllocationId, Command, Effects, Limits, Rejection, State, Timestamp};

/// A store that one tool has for itself.
///
/// Whoever could run tasks of it is gone: the first change also voids every allocation, as opening a
/// service does.
///
/// ```
/// use laneway::store::{Desk, MemoryStore};
/// use laneway::task::{Command, Limits, NewTask, Timestamp};
///
/// let mut desk = Desk::open(MemoryStore::new(), Limits::default())?;
/// let start = Command::Start(NewTask::new("a", "copy").params(*b"from here"));
/// desk.apply(start, Timestamp(0))?.expect("the id is new");
/// assert_eq!(desk.state().len(), 1);
/// # Ok::<(), laneway::store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct Desk<S> {
    store: S,
    state: State,
    /// The allocations of those who had the store before are void.
    recovered: bool,
    last: Attempt,
}

impl<S: Store> Desk<S> {
    /// Loads and decodes everything. Changes nothing. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the place, also if an entry cannot be decoded; others as from
    /// [`Store::load`].
    pub fn open(mut store: S, limits: Limits) -> Result<Self, StoreError> {
        let state = State::restore(codec::decode(store.load()?)?, limits);
        let writer = std::hash::RandomState::new().build_hasher().finish();
        Ok(Self { store, state, recovered: false, last: Attempt { writer, number: 0 } })
    }

    /// Everything, as of the last commit.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// One command, answered when it is durable. Blocks. What is due by `now` is not done: that is
    /// the next service's.
    ///
    /// # Errors
    /// Of the store: then nothing more should be asked of it before it is opened again. The inner
    /// error is the command's refusal; then nothing has changed.
    pub fn apply(
        &mut self,
        command: Command,
        now: Timestamp,
    ) -> Result<Result<Effects, Rejection>, StoreError> {
        let mut next = self.state.clone();
        if !self.recovered {
            let recover = Command::Recover { floor: AllocationId::floor(now) };
            task::apply_to(&mut next, recover, now).expect("a recovery is never refused");
        }
        let effects = match task::apply_to(&mut next, command, now) {
            Ok(effects) => effects,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let changes = task::diff(&self.state, &next);
        if !changes.is_empty() {
            self.last.number += 1;
            let mut batch = codec::encode(&changes, &next);
            batch.attempt = self.last;
            let revision = self.store.commit(&batch, self.state.revision())?;
            self.state = next.committed(revision);
            self.recovered = true;
        }
        Ok(Ok(effects))
    }
}

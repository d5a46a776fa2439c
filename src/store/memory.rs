//! A store in memory: for tests, and for tasks that need not survive the process.
//!
//! Clones share one content, so a clone can be opened after the first service ended, as a directory
//! would be, or beside it, as another node's way to the same store: its commits conflict, and each
//! clone hears of what the others committed. The last [`KEPT`] commits are remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Batch, Commit, Entry, Kind, Store, StoreError, Stored, Wake};
use crate::task::{AllocationId, Revision, Sequence};

/// How many commits are remembered.
const KEPT: usize = 1024;

/// A store that is lost with the last of its clones.
#[derive(Debug, Default)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    /// This clone's place among those that are woken.
    seat: Option<u64>,
}

#[derive(Default)]
struct Content {
    revision: Revision,
    last_allocation: AllocationId,
    last_sequence: Sequence,
    entries: BTreeMap<(Kind, Sequence), Vec<u8>>,
    /// The last commits, oldest first, without a gap.
    commits: VecDeque<Commit>,
    wakes: BTreeMap<u64, Wake>,
    seats: u64,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all commits before the last `kept`: whoever is further behind loads again.
    pub fn compact(&self, kept: usize) {
        let mut content = self.content.lock();
        let surplus = content.commits.len().saturating_sub(kept);
        content.commits.drain(..surplus);
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), seat: None }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let mine = self.seat.and_then(|seat| self.content.lock().wakes.remove(&seat));
        drop(mine); // What it holds is not dropped under the lock.
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let content = self.content.lock();
        let entry = |(&(kind, sequence), value): (&(Kind, Sequence), &Vec<u8>)| Entry {
            kind,
            sequence,
            value: value.clone(),
        };
        Ok(Stored {
            revision: content.revision,
            last_allocation: content.last_allocation,
            last_sequence: content.last_sequence,
            entries: content.entries.iter().map(entry).collect(),
        })
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError> {
        let mut content = self.content.lock();
        if content.revision != expected {
            return Err(StoreError::Conflict { expected, found: content.revision });
        }
        for write in &batch.writes {
            let key = (write.kind, write.sequence);
            match &write.value {
                Some(value) => content.entries.insert(key, value.clone()),
                None => content.entries.remove(&key),
            };
        }
        content.last_allocation = batch.last_allocation;
        content.last_sequence = batch.last_sequence;
        let revision = expected.next();
        content.revision = revision;
        if content.commits.len() == KEPT {
            content.commits.pop_front();
        }
        content.commits.push_back(Commit { revision, batch: Arc::new(batch.clone()) });
        let others = content.wakes.iter().filter(|(seat, _)| Some(**seat) != self.seat);
        let others: Vec<Wake> = others.map(|(_, wake)| wake.clone()).collect();
        drop(content);
        others.iter().for_each(|wake| wake());
        Ok(revision)
    }

    fn changes(&mut self, after: Revision) -> Result<Vec<Commit>, StoreError> {
        let content = self.content.lock();
        let oldest = content.commits.front().map(|commit| commit.revision);
        if after < content.revision && oldest.is_none_or(|oldest| oldest > after.next()) {
            return Err(StoreError::Compacted { oldest });
        }
        Ok(content.commits.iter().filter(|commit| commit.revision > after).cloned().collect())
    }

    fn on_change(&mut self, wake: Wake) {
        let mut content = self.content.lock();
        let seat = self.seat.unwrap_or(content.seats + 1);
        content.seats = content.seats.max(seat);
        self.seat = Some(seat);
        let earlier = content.wakes.insert(seat, wake);
        drop(content);
        drop(earlier); // What it holds is not dropped under the lock.
    }
}

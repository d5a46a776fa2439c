//! A store in memory: for tests, and for tasks that need not survive the process.
//!
//! Clones share one content, so a clone can be opened after the first service ended, as a directory
//! would be, or beside it, as a second writer whose commits conflict.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Batch, Entry, Kind, Store, StoreError, Stored};
use crate::task::{AllocationId, Revision, Sequence};

/// A store that is lost with the last of its clones.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    revision: Revision,
    last_allocation: AllocationId,
    last_sequence: Sequence,
    entries: BTreeMap<(Kind, Sequence), Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
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
        content.revision = expected.next();
        Ok(content.revision)
    }
}

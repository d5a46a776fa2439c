//! What changed between two states.
//!
//! The maps share what did not change, and the comparison skips what is shared, so the cost is that
//! of the changes. One diff feeds both the durable write of a batch and the node that runs tasks.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::member::Member;
use super::record::{Record, Tombstone};
use super::state::State;

/// One entry before and after. At least one of both is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<T> {
    /// In the older state.
    pub before: Option<Arc<T>>,
    /// In the newer state.
    pub after: Option<Arc<T>>,
}

/// What changed between two states, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records.
    pub records: Vec<Change<Record>>,
    /// Tombstones.
    pub tombstones: Vec<Change<Tombstone>>,
    /// Nodes.
    pub members: Vec<Change<Member>>,
    /// Whether the settings are others.
    pub settings: bool,
    /// Whether a counter grew.
    pub counters: bool,
}

impl Changes {
    /// Whether the two states are the same.
    pub fn is_empty(&self) -> bool {
        let nothing = self.records.is_empty() && self.tombstones.is_empty();
        nothing && self.members.is_empty() && !self.settings && !self.counters
    }
}

/// What has to change in `before` to make it `after`.
pub fn diff(before: &State, after: &State) -> Changes {
    Changes {
        records: changes(&before.records, &after.records),
        tombstones: changes(&before.tombstones, &after.tombstones),
        members: changes(&before.members, &after.members),
        settings: before.settings != after.settings,
        counters: before.last_allocation != after.last_allocation
            || before.last_sequence != after.last_sequence,
    }
}

fn changes<K: Ord + Clone, T: PartialEq>(
    before: &OrdMap<K, Arc<T>>,
    after: &OrdMap<K, Arc<T>>,
) -> Vec<Change<T>> {
    before
        .diff(after)
        .map(|item| match item {
            DiffItem::Add(_, new) => Change { before: None, after: Some(new.clone()) },
            DiffItem::Remove(_, old) => Change { before: Some(old.clone()), after: None },
            DiffItem::Update { old: (_, old), new: (_, new) } => {
                Change { before: Some(old.clone()), after: Some(new.clone()) }
            }
        })
        .collect()
}

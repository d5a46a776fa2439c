//! What a station needs of the registry: who sleeps, and a row of counters that count nothing.

use super::sleep::Sleep;
use super::station::Station;
use crate::sync::{Arc, Parker};

/// As `pool/registry.rs`.
pub(crate) struct Registry {
    pub(super) sleep: Sleep,
    pub(super) rows: [Row; 1],
}

/// As there.
pub(super) struct Row {
    pub(super) tally: Tally,
}

/// As there.
pub(super) struct Tally {
    pub(super) promotions: Tick,
}

/// As there.
pub(super) struct Tick;

impl Tick {
    pub(super) fn add_one(&self) {}
}

impl Registry {
    /// Of a pool with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let tally = Tally { promotions: Tick };
        Self { sleep: Sleep::new(workers), rows: [Row { tally }] }
    }
}

impl Station {
    /// As in `pool/blocking.rs`, without counting.
    pub(super) fn block(&self, wait: impl FnOnce(&Arc<Parker>)) {
        wait(&self.parker());
    }
}

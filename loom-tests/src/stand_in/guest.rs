//! No foreign thread joins in a model, but for scopes.

use super::registry::Registry;
use super::station::{NO_ROW, Station};
use crate::sync::deque;

/// As `pool/guest.rs` when every guest station is taken.
pub(super) fn visit<R>(registry: &Registry, region: impl FnOnce(&Station) -> R) -> R {
    let alone = Station::new(NO_ROW, deque::Worker::new_lifo(), None);
    let _occupied = alone.occupy(registry);
    region(&alone)
}

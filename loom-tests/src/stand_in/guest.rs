//! No foreign thread joins in a model.

use super::registry::Registry;
use super::station::Station;

/// As `pool/guest.rs` when every guest station is taken.
pub(super) fn visit<R>(_: &Registry, region: impl FnOnce(Option<&Station>) -> R) -> R {
    region(None)
}

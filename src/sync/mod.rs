//! The one facade over atomics, cells, parking and the work-stealing deque.
//!
//! Everything that takes part in a lock-free protocol imports from here and only from here, so that
//! the same source runs on the machine (`native`) and inside the model checker (`model`). Which of
//! the two is compiled is decided once, below, by the private cfg `laneway_loom`; it is set by
//! `loom-tests/build.rs` for that package alone, never by `RUSTFLAGS`, so no dependency sees it.
//!
//! The API has loom's shape: cells are reached through closures, parking through [`Parker`].

#[cfg(not(laneway_loom))]
#[path = "native.rs"]
mod world;

#[cfg(laneway_loom)]
#[path = "model.rs"]
mod world;

pub(crate) use world::*;

/// `native` on the machine, `model` inside the model checker, where a small capacity makes the
/// interesting edges (a full block, a wrapped ring) reachable in a few steps.
pub(crate) const fn sized(native: usize, model: usize) -> usize {
    if MODEL { model } else { native }
}

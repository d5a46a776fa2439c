//! Guests: foreign threads that help with their own fork-join region.
//!
//! A foreign thread that calls `join` or `scope` claims a guest station for that call, so that its
//! frames can be stolen; it steals only what the thief of a frame that it waits for has spawned since. If all stations are taken the
//! region runs in sequence on the caller's thread, its scopes' work apart.

use super::frame::FramePtr;
use super::registry::Registry;
use super::station::{NO_ROW, Station};
use crate::sync::{AtomicBool, CachePadded, Ordering, deque};

/// Guest stations of a pool: threads that can be in a region of it at the same time and share it.
pub(super) const GUESTS: usize = 8;

/// A station that one foreign thread at a time may occupy.
pub(super) struct Guest(CachePadded<Seat>);

struct Seat {
    taken: AtomicBool,
    station: Station,
}

// SAFETY: `station` is touched only by the thread that turned `taken` to true, until it turns it
// back; [guest] orders one guest's use before the next one's.
unsafe impl Sync for Guest {}
// SAFETY: as above; the raw pointers inside a station are null or stale while nobody occupies it.
unsafe impl Send for Guest {}

/// Gives the guest station back.
struct Leave<'g>(&'g AtomicBool);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // Release [guest]: pairs with the Acquire in `try_enter`.
        self.0.store(false, Ordering::Release);
    }
}

impl Guest {
    pub(super) fn new(row: usize, frames: deque::Worker<FramePtr>) -> Self {
        let station = Station::new(row, frames, None);
        Self(CachePadded::new(Seat { taken: AtomicBool::new(false), station }))
    }

    fn try_enter(&self) -> Option<Leave<'_>> {
        let taken = &self.0.taken;
        // Relaxed: a guess that spares the swap below.
        if taken.load(Ordering::Relaxed) {
            return None;
        }
        // Acquire [guest]: pairs with the Release of the guest before.
        if taken.swap(true, Ordering::Acquire) {
            return None; // and no `Leave` is made: dropping it would free another's station
        }
        Some(Leave(taken))
    }
}

/// Calls `region` at a guest station of `registry`, or if none is free at one where nobody can steal.
#[cold]
#[inline(never)]
pub(super) fn visit<R>(registry: &Registry, region: impl FnOnce(&Station) -> R) -> R {
    for guest in &registry.guests {
        let Some(_leave) = guest.try_enter() else { continue };
        let station = &guest.0.station;
        let _occupied = station.occupy(registry);
        return region(station);
    }
    let alone = Station::new(NO_ROW, deque::Worker::new_lifo(), None);
    let _occupied = alone.occupy(registry);
    region(&alone)
}

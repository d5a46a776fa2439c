//! What each thread runs at the moment, for whoever asks why a key does not go on.
//!
//! One slot per thread, written by relaxed stores on a line that is its own, so that a job pays a
//! nanosecond for it. A lane is named by its key's hash, which depends on a seed of its coordinator.
//!
//! A plain job reads no clock: the first look that finds it notes the time, and later looks say
//! since when it has been seen.
//!
//! Not here: which keys there are, what waits (the lanes know).

use std::cell::OnceCell;
use std::sync::Weak;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::sync::{Arc, AtomicU32, AtomicU64, CachePadded, Ordering};

/// Nothing runs. Hashes are kept away from it.
const IDLE: u64 = 0;

/// The part that is shown for an undo.
const UNDO: u32 = 1 << 31;

struct Slot {
    lane: AtomicU64,
    /// The number of the attempt, with [`UNDO`].
    attempt: AtomicU32,
    /// Nanoseconds since the origin of the coordinator; 0 is not known yet.
    since: AtomicU64,
}

/// The slots of all threads that have run jobs and live.
static SLOTS: Mutex<Vec<Weak<CachePadded<Slot>>>> = Mutex::new(Vec::new());

thread_local! {
    static SLOT: OnceCell<Arc<CachePadded<Slot>>> = const { OnceCell::new() };
}

/// A run of a part that somebody saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) is_undo: bool,
    pub(crate) since: Instant,
}

/// Shows that this thread runs a turn of the lane with this hash, until it is dropped.
pub(crate) struct Shown(u64);

impl Shown {
    pub(crate) fn new(hash: u64) -> Self {
        let before = here(|slot| {
            // Relaxed: figures for the eye, all of them.
            slot.since.store(0, Ordering::Relaxed);
            // Relaxed: as above.
            slot.attempt.store(1, Ordering::Relaxed);
            // Relaxed: as above; only this thread writes it.
            let before = slot.lane.load(Ordering::Relaxed);
            // Relaxed: as above.
            slot.lane.store(hash | 1, Ordering::Relaxed);
            before
        });
        Self(before.unwrap_or(IDLE))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // Relaxed: as above.
        here(|slot| slot.lane.store(self.0, Ordering::Relaxed));
    }
}

/// Shows which attempt this thread has begun, and when.
pub(crate) fn begun(attempt: u32, is_undo: bool, origin: Instant, now: Instant) {
    let part = if is_undo { UNDO } else { 0 };
    here(|slot| {
        // Relaxed: as above.
        slot.attempt.store(attempt & !UNDO | part, Ordering::Relaxed);
        // Relaxed: as above.
        slot.since.store(nanos(origin, now), Ordering::Relaxed);
    });
}

/// What runs in the lane with this hash, if a thread is in a turn of it.
pub(crate) fn of(hash: u64, origin: Instant, now: Instant) -> Option<Seen> {
    let slots: Vec<_> = SLOTS.lock().iter().filter_map(Weak::upgrade).collect();
    let runs = |slot: &Slot| {
        // Relaxed: as above; a lane has one turn at a time.
        slot.lane.load(Ordering::Relaxed) == hash | 1
    };
    let slot = slots.iter().find(|slot| runs(slot))?;
    // Relaxed: as above.
    let attempt = slot.attempt.load(Ordering::Relaxed);
    let now = nanos(origin, now);
    // Relaxed, Relaxed: as above; the first look at a plain job notes the time.
    let noted = slot.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    let since = origin + Duration::from_nanos(noted.err().unwrap_or(now));
    // It may have ended while we looked.
    runs(slot).then_some(Seen { attempt: attempt & !UNDO, is_undo: attempt & UNDO != 0, since })
}

/// Nothing on a thread that is past its thread-locals.
fn here<R>(with: impl FnOnce(&Slot) -> R) -> Option<R> {
    SLOT.try_with(|slot| with(slot.get_or_init(register))).ok()
}

fn register() -> Arc<CachePadded<Slot>> {
    let slot = Arc::new(CachePadded::new(Slot {
        lane: AtomicU64::new(IDLE),
        attempt: AtomicU32::new(0),
        since: AtomicU64::new(0),
    }));
    let mut slots = SLOTS.lock();
    slots.retain(|slot| slot.strong_count() > 0);
    slots.push(Arc::downgrade(&slot));
    slot
}

/// Never 0.
fn nanos(origin: Instant, moment: Instant) -> u64 {
    let nanos = moment.saturating_duration_since(origin).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
}

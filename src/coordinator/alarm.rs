//! An alarm: one timer that gives a waiting job its next turn.
//!
//! The timer's closure owns a [`Ring`], and *dropping* the ring rings. So the job is woken when the
//! timer fires, and also if the pool ends first and drops the closure: then the turn is refused and
//! the job is abandoned, instead of waiting for ever.

use std::time::Instant;

use super::entry::Entry;
use crate::lane::LaneRef;
use crate::pool::{Timer, Work};
use crate::sync::{Arc, AtomicBool, Ordering};

struct Bell {
    rung: AtomicBool,
    lane: LaneRef<Entry>,
}

/// Rings when it is dropped.
struct Ring(Arc<Bell>);

impl Drop for Ring {
    fn drop(&mut self) {
        // Relaxed: the flag carries nothing, and the wake-up orders it before the job's next turn.
        if !self.0.rung.swap(true, Ordering::Relaxed) {
            self.0.lane.wake();
        }
    }
}

/// See the page. Dropping it disarms it.
pub(crate) struct Alarm {
    bell: Arc<Bell>,
    timer: Timer,
}

impl Alarm {
    /// Rings at `due`.
    pub(crate) fn arm(lane: &LaneRef<Entry>, due: Instant) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(false), lane: lane.clone() });
        let ring = Ring(bell.clone());
        let timer = lane.owner().pool().schedule_work_at(due, Work::once(move || drop(ring)));
        Self { bell, timer }
    }

    pub(crate) fn has_rung(&self) -> bool {
        // Relaxed: as above.
        self.bell.rung.load(Ordering::Relaxed)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Relaxed: first the flag, on this thread, so that the cancelled closure wakes nobody; if
        // the timer is firing at this moment, the extra turn changes nothing.
        if !self.bell.rung.swap(true, Ordering::Relaxed) {
            self.timer.cancel();
        }
    }
}

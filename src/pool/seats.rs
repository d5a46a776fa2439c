//! Seats: the numbers of a pool's threads, and who has them.
//!
//! ```text
//!   FREE ──take──► STARTING ──seated──► RUNNING ──vacate──► ENDED ──collect──► FREE
//!     ▲                └───────failed──────┐
//!     └─────────────────────────────────────┘     (a thread may end before its start is noted)
//! ```
//!
//! A thread is called `name-0`, `name-1`, … by its seat. With the seat it has a *desk*, the owner's
//! ends of its deques; a thread that ends leaves the desk for the next one of that number, with
//! whatever is still queued there for thieves. Threads that ended are joined when the next one
//! starts, or at the shutdown; nobody else waits for them.
//!
//! Cold: behind the lock `threads` of the registry.

use super::frame::FramePtr;
use super::priority::Tray;
use super::thread::{Patience, Thread};
use super::work::Work;
use crate::base::clock::Clock;
use crate::sync::deque::Worker;

/// The owner's ends of a worker's deques.
pub(super) struct Desk {
    pub(super) frames: Worker<FramePtr>,
    pub(super) visits: Worker<Work>,
    pub(super) tray: Tray,
}

/// See the page.
pub(super) struct Seats {
    seats: Vec<Seat>,
    /// Threads that have ended, of seats that others have by now.
    former: Vec<Thread>,
    /// Threads that have ended and are joined.
    pub(super) joined: usize,
}

#[derive(Default)]
struct Seat {
    /// Here while nobody sits.
    desk: Option<Desk>,
    thread: Option<Thread>,
    taken: bool,
    /// Whether the start has been noted, in whatever order with the end.
    noted: bool,
    ended: bool,
}

impl Seat {
    /// Its thread is gone, or as good as.
    fn is_left(&self) -> bool {
        !self.taken || (self.noted && self.ended)
    }
}

/// A thread that has ended its part, with its seat where it still has one.
pub(super) type Ended = (Option<usize>, Thread);

/// A seat for a thread that is about to be started.
pub(super) enum Taken {
    /// That number, used before.
    Again(usize, Desk),
    /// The next number; it needs a desk and a row.
    New(usize),
}

impl Seats {
    /// None.
    pub(super) fn new() -> Self {
        Self { seats: Vec::new(), former: Vec::new(), joined: 0 }
    }

    /// The free seat with the lowest number.
    pub(super) fn take(&mut self) -> Taken {
        let fresh = || Seat { taken: true, ..Seat::default() };
        let free = self.seats.iter_mut().enumerate().find(|(_, seat)| seat.is_left());
        let Some((index, seat)) = free else {
            self.seats.push(fresh());
            return Taken::New(self.seats.len() - 1);
        };
        let before = std::mem::replace(seat, fresh());
        self.former.extend(before.thread);
        Taken::Again(index, before.desk.expect("a thread that ended left its desk"))
    }

    /// The thread of seat `index` was started.
    pub(super) fn seated(&mut self, index: usize, thread: Thread) {
        let seat = &mut self.seats[index];
        seat.thread = Some(thread);
        seat.noted = true;
    }

    /// The thread of seat `index` could not be started; nobody has its desk.
    pub(super) fn failed(&mut self, index: usize, desk: Desk) {
        self.seats[index] = Seat { desk: Some(desk), ..Seat::default() };
    }

    /// The thread of seat `index` ends.
    pub(super) fn vacate(&mut self, index: usize, desk: Desk) {
        let seat = &mut self.seats[index];
        seat.desk = Some(desk);
        seat.ended = true;
    }

    /// The seats of threads that have not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        self.seats.iter().enumerate().filter(|(_, seat)| !seat.is_left()).map(|(index, _)| index)
    }

    /// Threads that have ended and are not joined, with their seats where they still have them.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        let ended = self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.is_left());
        let seated = ended.filter_map(|(index, seat)| Some((Some(index), seat.thread.take()?)));
        let former = self.former.drain(..).map(|thread| (None, thread));
        seated.chain(former).collect()
    }

    /// Joins those of the former threads that are gone by now. Does not wait.
    pub(super) fn reap(&mut self, clock: &Clock) {
        let patience = Patience::AtMost(std::time::Duration::ZERO, clock);
        let former = std::mem::take(&mut self.former);
        let before = former.len();
        self.former.extend(former.into_iter().filter_map(|thread| thread.join(patience).err()));
        self.joined += before - self.former.len();
    }

    /// A thread of [`take_ended`](Self::take_ended) was not gone within its time.
    pub(super) fn put_back(&mut self, thread: Thread) {
        self.former.push(thread);
    }
}

//! A lane at home: what its shard knows of one key. Plain data of the shard's visitor.
//!
//! ```text
//!            open            wake, release, close
//!   (none) ───────► OUT ◄────────────────────────── HOME
//!                    └── report ──► decide ──► stays home: its head waits, or it is held
//!                         ▲           │ │
//!                         └───────────┘ └────► (none): no jobs, not held
//! ```
//!
//! Events come in as methods, the [`After`] says what the roster does about the visit. While the
//! visit is out new jobs collect in `arrivals`; the report merges them, so the order stays.
//!
//! Numbers: every job of a key has a serial. `head` is that of the first job which has not ended,
//! as far as the lane was told; `next` that of the next job to come.

use std::collections::VecDeque;
use std::mem;

use super::gate::Gate;
use super::key::Hashed;
use super::message::Stop;
use super::turn::{Abandon, Turn};
use super::view::LaneView;
use super::visit::{LaneVisit, QUEUE_KEPT};

/// Lower than every serial.
const NOBODY: u64 = 0;

/// Higher than every serial: whoever is at the head.
const ANYBODY: u64 = u64::MAX;

/// See the page.
pub(super) struct Lane<J: Turn> {
    place: Place<J>,
    /// Jobs that came while the visit was out.
    arrivals: VecDeque<J>,
    /// What is on the visit when it comes home is abandoned, and so many of the arrivals.
    doom: Option<(usize, Abandon)>,
    head: u64,
    next: u64,
    /// The latest job that was woken while the visit was out, or [`NOBODY`], or [`ANYBODY`].
    woken: u64,
    held: bool,
    /// Gates, with the serial of the last job that each waits for, lowest first. A visit comes home
    /// behind that job: the gate does not wait for those after it.
    marks: Vec<(u64, Gate)>,
}

enum Place<J: Turn> {
    Out(Seat),
    Home { visit: Box<LaneVisit<J>>, waiting: bool },
}

/// Where in which batch a visit went out: while that batch is not posted, jobs can still get on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) batch: u64,
    pub(super) index: usize,
}

impl Seat {
    /// Of no batch: its job has begun.
    pub(super) const UNDER_WAY: Self = Self { batch: u64::MAX, index: 0 };
}

/// The moment of an event.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// Where a visit sits that goes out now.
    pub(super) seat: Seat,
    /// Nothing stays at home any more.
    pub(super) closed: bool,
    /// Nothing is held any more.
    pub(super) retired: bool,
}

/// What the roster does about a lane's visit.
#[must_use]
pub(super) enum After<J: Turn> {
    /// Nothing.
    Stay,
    /// Puts it into the seat: it is out.
    Post(Box<LaneVisit<J>>),
    /// Drops the lane: it has no jobs and no mark.
    Drop(Box<LaneVisit<J>>),
}

/// Where a new job of an open lane goes.
#[must_use]
pub(super) enum Arrival<J> {
    /// It waits in the lane.
    Taken,
    /// It gets on the visit in this place of the present batch.
    GetsOn(usize, J),
}

impl<J: Turn> Lane<J> {
    /// A lane that is opened for one job, which goes out at once and has this serial.
    pub(super) fn new(seat: Seat, serial: u64) -> Self {
        Self {
            place: Place::Out(seat),
            arrivals: VecDeque::new(),
            doom: None,
            head: serial,
            next: serial + 1,
            woken: NOBODY,
            held: false,
            marks: Vec::new(),
        }
    }

    /// The serial of the next job to come.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// A job came.
    pub(super) fn arrive(&mut self, job: J, batch: u64) -> Arrival<J> {
        self.next += 1;
        match &mut self.place {
            Place::Out(seat) if seat.batch == batch && self.marks.is_empty() => {
                return Arrival::GetsOn(seat.index, job);
            }
            Place::Out(_) => self.arrivals.push_back(job),
            Place::Home { visit, .. } => visit.jobs.push_back(job),
        }
        Arrival::Taken
    }

    /// How many jobs have ended since the last report, now that `visit` comes home.
    pub(super) fn progress(&self, visit: &LaneVisit<J>) -> u64 {
        visit.lane.serial - self.head
    }

    /// The visit came home. Gates with nothing left before them are moved to `passed`.
    pub(super) fn report(
        &mut self,
        mut visit: Box<LaneVisit<J>>,
        stop: Stop,
        now: Now,
        passed: &mut Vec<Gate>,
    ) -> After<J> {
        debug_assert!(matches!(self.place, Place::Out(_)), "a lane has one visit");
        self.head = visit.lane.serial;
        if !self.marks.is_empty() {
            let behind = self.marks.extract_if(.., |(through, _)| *through < self.head);
            passed.extend(behind.map(|(_, gate)| gate));
        }
        self.merge(&mut visit);
        let waiting = stop == Stop::Waiting && self.woken < self.head;
        self.decide(visit, waiting, now)
    }

    /// Puts the arrivals behind the jobs of the visit.
    fn merge(&mut self, visit: &mut LaneVisit<J>) {
        if let Some((arrivals, why)) = self.doom.take() {
            visit.doom_all(why);
            visit.doomed += arrivals;
        }
        if visit.jobs.is_empty() {
            mem::swap(&mut visit.jobs, &mut self.arrivals);
        } else {
            visit.jobs.append(&mut self.arrivals);
        }
        let needed = visit.jobs.len().max(QUEUE_KEPT);
        if visit.jobs.capacity() / 4 > needed {
            visit.jobs.shrink_to(2 * needed);
        }
        self.arrivals.shrink_to(QUEUE_KEPT);
    }

    /// Where a visit goes that is neither out nor yet at home.
    fn decide(&mut self, mut visit: Box<LaneVisit<J>>, waiting: bool, now: Now) -> After<J> {
        debug_assert_eq!(self.head + visit.jobs.len() as u64, self.next, "a job got lost");
        let stays = !now.closed && (waiting || self.held);
        if stays {
            self.place = Place::Home { visit, waiting };
            After::Stay
        } else if visit.jobs.is_empty() {
            After::Drop(visit)
        } else {
            self.place = Place::Out(now.seat);
            self.woken = NOBODY;
            visit.until = self.marks.first().map_or(u64::MAX, |(through, _)| *through);
            After::Post(visit)
        }
    }

    /// Decides again, if the visit is at home.
    fn again(&mut self, waiting: impl FnOnce(bool) -> bool, now: Now) -> After<J> {
        match mem::replace(&mut self.place, Place::Out(now.seat)) {
            Place::Home { visit, waiting: was } => self.decide(visit, waiting(was), now),
            out => {
                self.place = out;
                After::Stay
            }
        }
    }

    /// The job with this serial is woken.
    pub(super) fn wake(&mut self, serial: u64, now: Now) -> After<J> {
        match &self.place {
            // Its turn is still to come.
            Place::Out(seat) if seat.batch == now.seat.batch => After::Stay,
            Place::Out(_) => {
                self.woken = self.woken.max(serial);
                After::Stay
            }
            Place::Home { .. } if serial >= self.head => self.again(|_| false, now),
            Place::Home { .. } => After::Stay,
        }
    }

    /// Whoever waits is woken.
    pub(super) fn wake_any(&mut self, now: Now) -> After<J> {
        self.wake(ANYBODY, now)
    }

    /// The running visit asks for a hold.
    pub(super) fn hold(&mut self, now: Now) -> After<J> {
        self.held = true;
        if now.retired { self.retire(now) } else { After::Stay }
    }

    /// The hold ends.
    pub(super) fn release(&mut self, now: Now) -> After<J> {
        self.held = false;
        self.again(|waiting| waiting, now)
    }

    /// There is nobody to release the lane: if it is held, what has come so far is abandoned.
    pub(super) fn retire(&mut self, now: Now) -> After<J> {
        if !self.held {
            return After::Stay;
        }
        match &mut self.place {
            Place::Home { visit, .. } => visit.doom_all(Abandon::Shutdown),
            Place::Out(_) => self.doom = Some((self.arrivals.len(), Abandon::Shutdown)),
        }
        self.release(now)
    }

    /// The running visit abandons the rest of its jobs, and with them what has come so far.
    pub(super) fn cut(&mut self) {
        self.doom = Some((self.arrivals.len(), Abandon::Predecessor));
    }

    /// Leaves `gate` behind the jobs that have come so far.
    pub(super) fn mark(&mut self, gate: &Gate) {
        if self.head < self.next {
            self.marks.push((self.next - 1, gate.clone()));
        }
    }

    /// The lane as it stands.
    pub(super) fn view<'a>(&'a self, key: &'a Hashed) -> LaneView<'a, J> {
        let head = match &self.place {
            Place::Home { visit, .. } => visit.jobs.front(),
            Place::Out(_) => None,
        };
        LaneView { key, jobs: self.next - self.head, head }
    }

    /// The lanes were closed.
    pub(super) fn close(&mut self, now: Now) -> After<J> {
        self.again(|waiting| waiting, now)
    }
}

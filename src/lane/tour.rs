//! A tour: one visit to a shard by a worker, with the jobs that it runs in place.
//!
//! ```text
//!   take a message ─► lane of the key open, or not in place? ─► the roster's
//!        ▲                   │ no
//!        │                   ▼
//!        │          desk ─► leave the rest ─► step, end ─► take the rest back ── lost ─► late report
//!        └────────────────────────────────────────────────────────┘
//! ```
//!
//! Nothing is known of a key whose job runs in place: no lane, no entry in a map, no visit of its
//! own. Order and exclusion hold because one visitor runs the jobs in the order of the inbox.
//!
//! **Take-over.** During the step the right to visit the shard lies open, as the worker's offer: a
//! [`Rest`]. A thief that takes it is the visitor from then on. It opens a lane for the key whose
//! job is under way, as if that had been on a visit of its own, and goes on behind it. The one who
//! ran the job finds the offer gone, touches nothing of the shard any more, and reports the job
//! through the inbox. So each job has one runner, the shard one visitor, and the key waits.
//!
//! A job that does not just end (it waits, holds the lane, fails the rest) opens its lane in the same
//! way, by the visitor's own hand.
//!
//! **In place or not.** In place is cheapest while jobs are short. The backlog is spread over lanes,
//! which other workers take, if jobs take long *and* much is behind them: more than
//! [`SPREAD_HUNGRY`] of work while a worker looks for some, more than [`SPREAD`] in any case, so
//! that a hot key does not delay the others of its shard by more; for jobs below a microsecond,
//! [`SPREAD_SHORT`]. The time of a job is sampled: the
//! clock is read at the fourth job of a tour, and then as often as jobs are long. A job that comes
//! alone while nobody keeps watch gets a lane, too: the shard is given up before it runs, and
//! nobody has to be woken to look after it.
//!
//! Not here: what the roster does with a message; who takes offers, and when (`pool/watch.rs`).

use std::time::{Duration, Instant};

use super::desk::Desk;
use super::lane_ref::LaneRef;
use super::message::{Message, Stop};
use super::roster::Roster;
use super::shard::{Shard, ShardVisit};
use super::turn::{Next, Step, Turn};
use super::visit::note;
use crate::pool::unwind;
use crate::pool::{Carrier, Runnable, Stand, Work};
use crate::sync::{Arc, sized};

/// Messages of one tour.
pub(super) const MESSAGES_MAX: u32 = sized(256, 2) as u32;

/// Time of one tour, as far as it is measured.
const TIME_MAX: Duration = Duration::from_micros(200);

/// Jobs shorter than this are not worth a lane: opening one takes a good part of it.
const LONG_NS: u64 = 1_000;

/// What a shard thinks of its jobs after a thief had to take it over.
const OVERDUE_NS: u64 = 20_000;

/// So much work behind a long job is spread while a worker is hungry, or in any case.
const SPREAD_HUNGRY: Duration = Duration::from_micros(20);
const SPREAD: Duration = Duration::from_micros(500);

/// The same for short jobs: to open lanes for them takes about as long as to run them.
const SPREAD_SHORT: Duration = Duration::from_millis(5);

/// Jobs of a tour before the clock is read for the first time.
const UNMEASURED: u32 = 4;

/// Jobs, at most, and time, about, between two readings.
const READ_EVERY: u32 = 32;
const READ_EVERY_NS: u64 = 20_000;

/// So many jobs that come together are worth waking somebody to keep watch.
const WORTH_A_WATCH: usize = 8;

/// How long the jobs of a shard take, as far as it was seen: a mean over the last few.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace(u64);

impl Pace {
    fn saw(&mut self, time: Duration, jobs: u32) {
        self.0 = time.as_nanos() as u64 / u64::from(jobs.max(1));
    }

    fn saw_overdue(&mut self) {
        self.0 = self.0.max(OVERDUE_NS);
    }

    /// Jobs that run elsewhere are not seen: what was known of their time grows old.
    fn forget(&mut self) {
        self.0 -= self.0.div_ceil(8);
    }

    /// Jobs until the clock is to be read again.
    fn interval(self) -> u32 {
        (READ_EVERY_NS / self.0.max(1)).clamp(1, u64::from(READ_EVERY)) as u32
    }

    /// Whether a backlog of so many jobs is to be spread over lanes.
    fn is_heavy(self, backlog: usize, hungry: bool) -> bool {
        let limit = match (self.0 >= LONG_NS, hungry) {
            (false, _) => SPREAD_SHORT,
            (true, false) => SPREAD,
            (true, true) => SPREAD_HUNGRY,
        };
        self.0.saturating_mul(backlog as u64) > limit.as_nanos() as u64
    }
}

/// How a tour treats jobs without a lane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Undecided,
    InPlace,
    Spread,
}

/// What a tour came to.
enum Found {
    /// A job lies on the desk; there may be visits to post before.
    Job { posts: bool },
    /// Nothing more in the inbox.
    Nothing,
    /// The budget is spent.
    Enough,
}

/// See the page.
struct Tour<'t, J: Turn> {
    shard: &'t Arc<Shard<J>>,
    stand: &'t Stand<'t>,
    desk: Arc<Desk<J>>,
    mode: Mode,
    messages_left: u32,
    jobs: u32,
    /// The clock is read when so many jobs have been run.
    read_at: u32,
    /// The first reading, and the last one with the jobs by then.
    began: Option<Instant>,
    read: Option<(Instant, u32)>,
    is_late: bool,
}

/// The right to visit a shard while a job of it is being run in place.
pub(super) struct Rest<J: Turn>(Arc<Shard<J>>);

// SAFETY: the word is that of the `Arc`, whose carrier keeps the contract.
unsafe impl<J: Turn> Carrier for Rest<J> {
    fn into_raw(self) -> *mut () {
        Carrier::into_raw(self.0)
    }
    /// # Safety
    /// As the trait says.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by the caller's contract this came from `into_raw` above, once.
        Self(unsafe { Carrier::from_raw(raw) })
    }
}

/// Had by a thief: the shard is taken over.
impl<J: Turn> Runnable for Rest<J> {
    fn run(self) {
        self.take_over(Pace::saw_overdue).run();
    }
    fn abandon(self) {
        self.take_over(|_| {}).abandon();
    }
}

impl<J: Turn> Rest<J> {
    /// The visit of `shard`, if its visitor is inside a job. Any thread.
    pub(super) fn take_from(shard: &Arc<Shard<J>>) -> Option<ShardVisit<J>> {
        let rest = shard.pool().take_rest(Arc::as_ptr(shard).cast())?;
        // SAFETY: what is left open and carries a shard is the rest of its visit: a shard is at that
        // address, and `run` below leaves nothing else of it.
        let rest = unsafe { rest.carried::<Self>() };
        Some(rest.take_over(|_| {}))
    }

    fn take_over(self, look: impl FnOnce(&mut Pace)) -> ShardVisit<J> {
        let visit = ShardVisit(self.0);
        // SAFETY: whoever has the rest is the visitor.
        unsafe {
            visit.0.with_roster(|roster| {
                roster.open_under_way();
                look(&mut roster.pace);
            });
        }
        visit
    }
}

/// The visit by a worker.
pub(super) fn go<J: Turn>(visit: ShardVisit<J>, stand: &Stand<'_>) {
    let shard = visit.0.clone();
    // SAFETY: this is the visitor.
    let desk = unsafe { shard.with_roster(|roster| roster.desk(&shard)) };
    Tour {
        shard: &shard,
        stand,
        desk,
        mode: Mode::Undecided,
        messages_left: MESSAGES_MAX,
        jobs: 0,
        read_at: UNMEASURED,
        began: None,
        read: None,
        is_late: false,
    }
    .go(visit);
}

impl<J: Turn> Tour<'_, J> {
    fn go(mut self, mut visit: ShardVisit<J>) {
        loop {
            // SAFETY: this is the visitor, as long as it has `visit`.
            let found = unsafe { self.shard.with_roster(|roster| self.look(roster)) };
            match found {
                Found::Job { posts } => {
                    if posts {
                        visit.post_ready(None);
                    }
                    match self.run(visit) {
                        Some(back) => visit = back,
                        None => return,
                    }
                }
                Found::Enough => {
                    visit.post_ready(None);
                    return self.shard.pool().post_last(Work::new(visit));
                }
                Found::Nothing => {
                    let mut own = None;
                    visit.post_ready(Some(&mut own));
                    // SAFETY: this is the visitor. After true it is not, and touches nothing more.
                    if unsafe { self.shard.inbox().give_up() } {
                        if let Some(own) = own {
                            own.run();
                        }
                        return;
                    }
                    if let Some(own) = own {
                        self.shard.pool().post(Work::new(own));
                    }
                }
            }
        }
    }

    /// Handles messages up to the first job that runs in place.
    fn look(&mut self, roster: &mut Roster<J>) -> Found {
        if self.shard.is_closed() {
            roster.set_closed();
        }
        while self.messages_left > 0 && !self.is_late {
            // SAFETY: this is the visitor.
            let Some(message) = (unsafe { self.shard.inbox().take() }) else {
                roster.end_batch(self.shard);
                return Found::Nothing;
            };
            self.messages_left -= 1;
            match message {
                Message::Job(key, job) if !roster.has_lane(&key) && self.is_in_place(roster) => {
                    let posts = !roster.is_flushed();
                    if posts {
                        roster.end_batch(self.shard);
                    }
                    let serial = roster.begin_in_place(&self.desk);
                    // SAFETY: this is the visitor, and runs no job at the moment.
                    unsafe {
                        self.desk.lay(job, |lane| {
                            lane.key = key;
                            lane.serial = serial;
                        });
                    }
                    return Found::Job { posts };
                }
                message => {
                    // A gate waits for other shards, too: their visits come before later jobs.
                    if matches!(message, Message::Barrier(..)) {
                        self.messages_left = 0;
                    }
                    roster.handle(message, self.shard);
                }
            }
        }
        roster.end_batch(self.shard);
        Found::Enough
    }

    /// Whether a job without a lane runs in place.
    #[inline]
    fn is_in_place(&mut self, roster: &mut Roster<J>) -> bool {
        if roster.is_closed() {
            return false;
        }
        if self.mode == Mode::Undecided || self.jobs >= self.read_at {
            self.decide(roster);
        }
        self.mode == Mode::InPlace
    }

    #[inline(never)]
    fn decide(&mut self, roster: &mut Roster<J>) {
        if self.mode == Mode::Spread {
            return;
        }
        if self.mode == Mode::InPlace {
            self.read_clock(&mut roster.pace);
        }
        // SAFETY: this is the visitor.
        let backlog = unsafe { self.shard.inbox().backlog() };
        let is_seen_to = |tour: &Self| {
            tour.mode == Mode::InPlace
                || tour.stand.is_watched()
                || backlog >= WORTH_A_WATCH && tour.stand.turn_watch_on()
        };
        if !roster.pace.is_heavy(backlog, self.stand.is_hungry()) && is_seen_to(self) {
            self.mode = Mode::InPlace;
        } else {
            self.mode = Mode::Spread;
            roster.pace.forget();
        }
    }

    fn read_clock(&mut self, pace: &mut Pace) {
        let now = self.shard.clock().now();
        if let Some((before, jobs)) = self.read.replace((now, self.jobs)) {
            pace.saw(now.duration_since(before), self.jobs - jobs);
        }
        let began = *self.began.get_or_insert(now);
        self.is_late = now.duration_since(began) >= TIME_MAX;
        self.read_at = self.jobs + pace.interval();
    }

    /// Runs the job on the desk; `None` if this is not the visitor any more.
    #[inline]
    fn run(&mut self, visit: ShardVisit<J>) -> Option<ShardVisit<J>> {
        self.jobs += 1;
        let offer = self.stand.offer();
        offer.leave(Work::new(Rest(visit.0)));
        // SAFETY: laid by this visitor; reported below, at the earliest.
        let step = unsafe { self.desk.run(|job, lane| step(job, lane)) };
        // SAFETY: the work is the one that was left above.
        let back = offer.take_back().map(|rest| ShardVisit(unsafe { rest.carried::<Rest<J>>() }.0));
        match (step, back) {
            (Step::Ended(Next::Continue), Some(visit)) => {
                // SAFETY: this is the visitor.
                unsafe { self.shard.with_roster(Roster::end_in_place) };
                Some(visit)
            }
            (step, back) => self.report(step, back),
        }
    }

    /// The job opens its lane, or somebody else has opened it.
    #[cold]
    fn report(&mut self, step: Step, back: Option<ShardVisit<J>>) -> Option<ShardVisit<J>> {
        if let Some(visit) = back {
            // SAFETY: this is the visitor.
            let desk = unsafe {
                self.shard.with_roster(|roster| {
                    roster.open_under_way();
                    if step == Step::Waiting {
                        roster.late(&self.desk, Stop::Waiting, self.shard);
                        Some(roster.desk(self.shard))
                    } else {
                        None
                    }
                })
            };
            if let Some(desk) = desk {
                self.desk = desk;
                return Some(visit);
            }
            self.shard.pool().post(Work::new(visit));
        }
        let stop = match step {
            Step::Waiting => Stop::Waiting,
            Step::Ended(next) => {
                // SAFETY: laid by this thread as the visitor; reported below.
                unsafe {
                    self.desk.run(|job, lane| {
                        note(lane, next);
                        if let Some(job) = job.take() {
                            job.end(lane.owner());
                        }
                    });
                }
                Stop::Yielded
            }
        };
        Shard::send(self.shard, Message::Late(self.desk.clone(), stop));
        None
    }
}

/// One step of the job. One that ends and leaves nothing to note is ended here; one that unwinds is
/// dropped.
#[inline]
fn step<J: Turn>(job: &mut Option<J>, lane: &LaneRef<J>) -> Step {
    let halted = unwind::halt(|| {
        let step = job.as_mut().expect("a job lies on the desk").step(lane);
        if step == Step::Ended(Next::Continue)
            && let Some(job) = job.take()
        {
            job.end(lane.owner());
        }
        step
    });
    halted.unwrap_or_else(|payload| {
        let pool = lane.shard.pool();
        pool.report_panic(payload);
        if let Err(payload) = unwind::halt(|| drop(job.take())) {
            pool.report_panic(payload);
        }
        Step::Ended(Next::Continue)
    })
}

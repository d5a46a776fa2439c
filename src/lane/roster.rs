//! The roster: all open lanes of one shard. Plain data of the shard's visitor.
//!
//! Messages go in, visits that are ready to run come out, in order, in batches: until its batch is
//! posted a visit takes on further jobs of its key, so that a burst travels together.
//!
//! A lane exists while it has jobs or is held. When it is dropped its memory goes back: the map
//! shrinks with the number of lanes, and of the visits (a box and a queue) a few small ones are
//! kept for the next lanes. Kept visits, and the desk, refer to their shard; they go when the lanes are retired,
//! which dropping [`Lanes`](super::Lanes) does, or closed, so the circle does not last.
//!
//! Nothing here walks all lanes but what concerns all: a barrier over all keys, waking all,
//! retiring and closing.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use super::desk::Desk;
use super::gate::Gate;
use super::key::{Hashed, PassThrough};
use super::lane::{After, Arrival, Lane, Now, Seat};
use super::lane_ref::LaneRef;
use super::message::{Message, Stop};
use super::shard::Shard;
use super::tour::Pace;
use super::turn::{Abandon, Turn};
use super::view::Look;
use super::visit::LaneVisit;
use crate::sync::Arc;

/// Visits that are kept for the next lanes.
const SPARES_MAX: usize = 8;

/// A map with room for not much more than this many lanes keeps its memory.
const LANES_KEPT: usize = 8;

/// As many visits as one batch can hold without being told to close.
const BATCH_KEPT: usize = 256;

/// As many gates as seldom pass in one visit.
const GATES_KEPT: usize = 16;

/// See the page.
pub(super) struct Roster<J: Turn> {
    lanes: HashMap<Hashed, Lane<J>, PassThrough>,
    /// The present batch.
    ready: VecDeque<Box<LaneVisit<J>>>,
    /// Its number.
    batch: u64,
    /// No job of a key without a lane has had this serial or a higher one.
    serial: u64,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spares: Vec<Box<LaneVisit<J>>>,
    /// Where jobs run in place; away while one outlasts its visitor.
    desk: Option<Arc<Desk<J>>>,
    pub(super) pace: Pace,
    /// Gates with nothing left before them.
    passed: Vec<Gate>,
    closed: bool,
    retired: bool,
    counts: Counts,
}

/// What the visitor counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) lanes_open: u64,
    pub(super) lanes_out: u64,
    pub(super) jobs_received: u64,
    pub(super) jobs_ended: u64,
}

impl<J: Turn> Roster<J> {
    pub(super) fn new() -> Self {
        Self {
            lanes: HashMap::default(),
            ready: VecDeque::new(),
            batch: 0,
            serial: 1,
            spares: Vec::new(),
            desk: None,
            pace: Pace::default(),
            passed: Vec::new(),
            closed: false,
            retired: false,
            counts: Counts::default(),
        }
    }

    /// Does what a message says. `shard` is the shard of this roster.
    pub(super) fn handle(&mut self, message: Message<J>, shard: &Arc<Shard<J>>) {
        match message {
            Message::Job(key, job) => self.job(key, job, shard),
            Message::Report(visit, stop) => self.report(visit, stop),
            Message::Late(desk, stop) => self.late(&desk, stop, shard),
            Message::Wake(key, serial) => self.change(&key, |lane, now| lane.wake(serial, now)),
            Message::Release(key) => self.change(&key, Lane::release),
            Message::Hold(key) => self.change(&key, Lane::hold),
            Message::Cut(key) => self.find(&key, Lane::cut),
            Message::Barrier(key, gate) => self.barrier(key, gate),
            Message::WakeHead(key) => self.change(&key, Lane::wake_any),
            Message::Look(key, look) => self.look(key, &look),
            Message::WakeAll => self.change_all(Lane::wake_any),
            Message::Retire => {
                self.retired = true;
                self.spares = Vec::new();
                self.change_all(Lane::retire);
            }
            Message::Close => self.set_closed(),
        }
    }

    /// Ends the batch: jobs that come from now on do not get on its visits, the counts are shown,
    /// and the gates with nothing left before them open: whoever waits finds the counts.
    pub(super) fn end_batch(&mut self, shard: &Shard<J>) {
        self.batch += 1;
        self.shrink();
        shard.publish(self.counts());
        self.passed.clear();
        self.passed.shrink_to(GATES_KEPT);
        if self.retired | self.closed {
            self.desk = None;
        }
    }

    /// True if there is nothing to be done with before a job runs in place.
    #[inline]
    pub(super) fn is_flushed(&self) -> bool {
        self.ready.is_empty() & self.passed.is_empty()
    }

    #[inline]
    pub(super) fn has_lane(&self, key: &Hashed) -> bool {
        !self.lanes.is_empty() && self.lanes.contains_key(key)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The desk for jobs that run in place.
    pub(super) fn desk(&mut self, shard: &Arc<Shard<J>>) -> Arc<Desk<J>> {
        if let Some(desk) = &self.desk {
            return desk.clone();
        }
        let nobody = LaneRef { shard: shard.clone(), key: Hashed::nobody(), serial: 0 };
        let desk = Arc::new(Desk::new(nobody));
        self.desk = Some(desk.clone());
        desk
    }

    /// A job of a key without a lane is about to run in place, at `desk`; its number.
    #[inline]
    pub(super) fn begin_in_place(&mut self, desk: &Arc<Desk<J>>) -> u64 {
        if self.desk.is_none() {
            self.desk = Some(desk.clone());
        }
        self.counts.jobs_received += 1;
        self.serial += 1;
        self.serial - 1
    }

    /// It has ended.
    #[inline]
    pub(super) fn end_in_place(&mut self) {
        self.counts.jobs_ended += 1;
    }

    /// The job that runs in place gets a lane, of which it is the head and out: it reports later,
    /// and its desk is its own until then.
    pub(super) fn open_under_way(&mut self) {
        let desk = self.desk.take().expect("who runs jobs in place has a desk");
        // SAFETY: this is the visitor.
        let (key, serial) = unsafe { desk.read(|lane| (lane.key.clone(), lane.serial)) };
        let before = self.lanes.insert(key, Lane::new(Seat::UNDER_WAY, serial));
        debug_assert!(before.is_none(), "a job ran in place beside a lane of its key");
        self.counts.lanes_out += 1;
    }

    /// The report of such a job.
    pub(super) fn late(&mut self, desk: &Arc<Desk<J>>, stop: Stop, shard: &Arc<Shard<J>>) {
        // SAFETY: this is the visitor; who ran the job has reported.
        let (key, serial) = unsafe { desk.read(|lane| (lane.key.clone(), lane.serial)) };
        // SAFETY: as above.
        let job = unsafe { desk.clear() };
        let mut visit = self.visit(key, serial, shard);
        match job {
            Some(job) => visit.jobs.push_back(job),
            None => visit.lane.serial += 1,
        }
        self.report(visit, stop);
    }

    /// The next visit of the batch that was ended.
    pub(super) fn pop_ready(&mut self) -> Option<Box<LaneVisit<J>>> {
        self.ready.pop_front()
    }

    /// From now on every job is abandoned: nothing stays at home.
    pub(super) fn set_closed(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.spares = Vec::new();
        self.change_all(Lane::close);
    }

    /// Gives memory back that the last burst needed and the present number of lanes does not.
    fn shrink(&mut self) {
        let needed = self.lanes.len().max(LANES_KEPT);
        if self.lanes.capacity() / 4 > needed {
            self.lanes.shrink_to(2 * needed);
        }
        self.ready.shrink_to(BATCH_KEPT);
    }

    fn counts(&self) -> Counts {
        Counts { lanes_open: self.lanes.len() as u64, ..self.counts }
    }

    fn job(&mut self, key: Hashed, job: J, shard: &Arc<Shard<J>>) {
        self.counts.jobs_received += 1;
        match self.lanes.entry(key) {
            Entry::Occupied(mut lane) => match lane.get_mut().arrive(job, self.batch) {
                Arrival::Taken => {}
                Arrival::GetsOn(index, job) => self.ready[index].jobs.push_back(job),
            },
            Entry::Vacant(vacant) => {
                let (key, serial) = (vacant.key().clone(), self.serial);
                vacant.insert(Lane::new(seat(&self.ready, self.batch), serial));
                let mut visit = self.visit(key, serial, shard);
                visit.jobs.push_back(job);
                self.go_out(visit);
            }
        }
    }

    /// An empty visit.
    fn visit(&mut self, key: Hashed, serial: u64, shard: &Arc<Shard<J>>) -> Box<LaneVisit<J>> {
        match self.spares.pop() {
            Some(mut spare) => {
                spare.lane.key = key;
                spare.lane.serial = serial;
                spare.until = u64::MAX;
                spare
            }
            None => Box::new(LaneVisit {
                lane: LaneRef { shard: shard.clone(), key, serial },
                until: u64::MAX,
                jobs: VecDeque::new(),
                doomed: 0,
                doom: Abandon::Shutdown,
            }),
        }
    }

    fn go_out(&mut self, visit: Box<LaneVisit<J>>) {
        self.counts.lanes_out += 1;
        self.ready.push_back(visit);
    }

    fn report(&mut self, visit: Box<LaneVisit<J>>, stop: Stop) {
        self.counts.lanes_out -= 1;
        let now = self.now();
        let lane = self.lanes.get_mut(&visit.lane.key).expect("a lane whose visit is out exists");
        self.counts.jobs_ended += lane.progress(&visit);
        let after = lane.report(visit, stop, now, &mut self.passed);
        self.act(after);
    }

    /// Something happens to a lane that may not exist any more.
    fn change(&mut self, key: &Hashed, event: impl FnOnce(&mut Lane<J>, Now) -> After<J>) {
        let now = self.now();
        if let Some(lane) = self.lanes.get_mut(key) {
            let after = event(lane, now);
            self.act(after);
        }
    }

    fn now(&self) -> Now {
        let seat = seat(&self.ready, self.batch);
        Now { seat, closed: self.closed, retired: self.retired }
    }

    /// Something happens to all lanes.
    fn change_all(&mut self, event: impl Fn(&mut Lane<J>, Now) -> After<J>) {
        let mut done = Vec::new();
        let mut now = self.now();
        for lane in self.lanes.values_mut() {
            now.seat = seat(&self.ready, self.batch);
            match event(lane, now) {
                After::Stay => {}
                After::Post(visit) => {
                    self.counts.lanes_out += 1;
                    self.ready.push_back(visit);
                }
                After::Drop(visit) => done.push(visit),
            }
        }
        done.into_iter().for_each(|visit| self.drop_lane(visit));
    }

    fn act(&mut self, after: After<J>) {
        match after {
            After::Stay => {}
            After::Post(visit) => self.go_out(visit),
            After::Drop(visit) => self.drop_lane(visit),
        }
    }

    fn drop_lane(&mut self, visit: Box<LaneVisit<J>>) {
        let lane = self.lanes.remove(&visit.lane.key).expect("a visit has a lane");
        self.serial = self.serial.max(lane.next());
        let keeps = !self.closed && !self.retired && self.spares.len() < SPARES_MAX;
        if keeps && visit.is_small() {
            self.spares.push(visit);
        }
    }

    fn barrier(&mut self, key: Option<Hashed>, gate: Gate) {
        match key {
            Some(key) => self.find(&key, |lane| lane.mark(&gate)),
            None => self.lanes.values_mut().for_each(|lane| lane.mark(&gate)),
        }
        self.passed.push(gate);
    }

    fn look(&self, key: Option<Hashed>, look: &Look<J>) {
        match key {
            Some(key) => {
                if let Some(lane) = self.lanes.get(&key) {
                    look(&lane.view(&key));
                }
            }
            None => self.lanes.iter().for_each(|(key, lane)| look(&lane.view(key))),
        }
    }

    /// Something is noted in a lane that may not exist any more.
    fn find(&mut self, key: &Hashed, note: impl FnOnce(&mut Lane<J>)) {
        if let Some(lane) = self.lanes.get_mut(key) {
            note(lane);
        }
    }
}

/// The seat of the visit that is pushed next.
fn seat<J: Turn>(ready: &VecDeque<Box<LaneVisit<J>>>, batch: u64) -> Seat {
    Seat { batch, index: ready.len() }
}

//! A lane visit: the jobs of one key, on their way over the pool.
//!
//! The visit is a box that belongs to one thread at a time: it is at home in its lane (`lane.rs`),
//! or out: queued on the pool, running, or in the inbox as a report. Running, it gives its jobs
//! their turns in order until none is left, one waits, one asks for a hold, a gate is to be opened,
//! or the budget is spent; then it comes home. It comes home on every path, also when a job unwinds against its contract.
//!
//! The budget is [`JOBS_MAX`] turns or [`TIME_MAX`], whichever is first: then the lane goes to the
//! back of the pool's queue, behind every other lane that is ready. The time is looked at after the
//! turns 1, 2, 4, 8 and then every eighth, never for a single job.
//!
//! Not here: what becomes of the lane (`lane.rs`).

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::lane_ref::LaneRef;
use super::message::{Message, Stop};
use super::shard::Shard;
use super::turn::{Abandon, Next, Step, Turn};
use crate::base::clock::Clock;
use crate::pool::Runnable;
use crate::sync::sized;

/// Turns of one visit.
const JOBS_MAX: u32 = sized(64, 2) as u32;

/// Time of one visit; a single turn may take longer.
const TIME_MAX: Duration = Duration::from_micros(200);

/// A queue that has room for no more than this keeps its memory for the next jobs.
pub(super) const QUEUE_KEPT: usize = 16;

/// See the page.
pub(super) struct LaneVisit<J: Turn> {
    /// The lane; its serial is the number of the first job in `jobs`.
    pub(super) lane: LaneRef<J>,
    /// It comes home when the job with this serial has ended.
    pub(super) until: u64,
    /// Oldest first. Never empty while the visit is on its way to the pool.
    pub(super) jobs: VecDeque<J>,
    /// The first so many jobs are abandoned ...
    pub(super) doomed: usize,
    /// ... for this reason.
    pub(super) doom: Abandon,
}

impl<J: Turn> Runnable for Box<LaneVisit<J>> {
    fn run(self) {
        let clock = self.lane.shard.clock().clone();
        let mut budget = if self.jobs.len() > 1 { Budget::new(clock) } else { Budget::Unlimited };
        Trip::new(self).turns(&mut budget);
    }

    fn abandon(self) {
        self.lane.shard.mark_closed();
        Trip::new(self).turns(&mut Budget::Unlimited);
    }
}

/// A visit that is out; dropping it sends it home.
struct Trip<J: Turn> {
    visit: Option<Box<LaneVisit<J>>>,
    stop: Stop,
    /// The first job is inside its step.
    stepping: bool,
}

impl<J: Turn> Trip<J> {
    fn new(visit: Box<LaneVisit<J>>) -> Self {
        Self { visit: Some(visit), stop: Stop::Yielded, stepping: false }
    }

    /// Turn after turn, until there is a reason to stop.
    fn turns(mut self, budget: &mut Budget) {
        loop {
            if self.turn().is_break() || budget.is_spent() {
                return;
            }
        }
    }

    /// One turn of the first job.
    fn turn(&mut self) -> ControlFlow<()> {
        let visit = self.visit.as_deref_mut().expect("a visit is out until it is dropped");
        if let Some(why) = visit.doom_of_first() {
            let job = visit.pop();
            job.abandon(visit.lane.owner(), why);
            return visit.more();
        }
        let job = visit.jobs.front_mut().expect("a visit goes out with jobs");
        self.stepping = true;
        let step = job.step(&visit.lane);
        self.stepping = false;
        match step {
            Step::Waiting => {
                self.stop = Stop::Waiting;
                ControlFlow::Break(())
            }
            Step::Ended(next) => {
                let job = visit.pop();
                visit.note(next);
                job.end(visit.lane.owner());
                if next == Next::Hold { ControlFlow::Break(()) } else { visit.more() }
            }
        }
    }
}

impl<J: Turn> Drop for Trip<J> {
    fn drop(&mut self) {
        let Some(mut visit) = self.visit.take() else { return };
        if self.stepping {
            drop(visit.pop());
        }
        let shard = visit.lane.shard.clone();
        Shard::send(&shard, Message::Report(visit, self.stop));
    }
}

impl<J: Turn> LaneVisit<J> {
    /// Why the first job gets no turn, if so.
    fn doom_of_first(&self) -> Option<Abandon> {
        if self.doomed > 0 {
            Some(self.doom)
        } else if self.lane.shard.is_closed() {
            Some(Abandon::Shutdown)
        } else {
            None
        }
    }

    /// The first job leaves; the next one is the head.
    fn pop(&mut self) -> J {
        self.lane.serial += 1;
        self.doomed = self.doomed.saturating_sub(1);
        self.jobs.pop_front().expect("a visit goes out with jobs")
    }

    /// Tells the shard how the lane goes on, before the job that wants it so is heard of.
    fn note(&mut self, next: Next) {
        note(&self.lane, next);
        if next == Next::FailRest {
            self.doom_all(Abandon::Predecessor);
        }
    }

    /// The jobs that are on the visit now are abandoned.
    pub(super) fn doom_all(&mut self, why: Abandon) {
        (self.doomed, self.doom) = (self.jobs.len(), why);
    }

    /// True if it may be kept for the jobs of another lane.
    pub(super) fn is_small(&self) -> bool {
        self.jobs.capacity() <= QUEUE_KEPT
    }

    fn more(&self) -> ControlFlow<()> {
        let is_over = self.jobs.is_empty() || self.lane.serial > self.until;
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Tells the shard how a lane goes on.
pub(super) fn note<J: Turn>(lane: &LaneRef<J>, next: Next) {
    let key = || lane.key.clone();
    let message = match next {
        Next::Continue => return,
        Next::Hold => Message::Hold(key()),
        Next::FailRest => Message::Cut(key()),
    };
    Shard::send(&lane.shard, message);
}

/// How much longer a visit may run.
enum Budget {
    Limited { clock: Clock, start: Instant, turns: u32 },
    Unlimited,
}

impl Budget {
    fn new(clock: Clock) -> Self {
        Self::Limited { start: clock.now(), clock, turns: 0 }
    }

    /// Counts a turn.
    fn is_spent(&mut self) -> bool {
        let Self::Limited { clock, start, turns } = self else { return false };
        *turns += 1;
        let looks = turns.is_power_of_two() || turns.is_multiple_of(8);
        *turns >= JOBS_MAX || looks && clock.now().duration_since(*start) >= TIME_MAX
    }
}

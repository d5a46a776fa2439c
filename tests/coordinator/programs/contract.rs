//! The contract as a sequential program: what becomes of jobs, one event after another.
//!
//! No threads, no lanes, no clock: a queue per key, a list of jobs, the time as a number. Times are
//! microseconds. What the contract leaves open (two events of one lane at nearly the same time, as
//! backoffs after conflicts are jittered) sets `is_ambiguous`, and the program is not judged.

use std::collections::{BTreeMap, VecDeque};

use laneway::coordinator::OutcomeKind::{self, *};
use laneway::{OnDoubleFault, OnFailure};

use super::{End, Plan, Try};

const JITTER: u64 = 100_000;

#[derive(Clone, Copy, PartialEq)]
enum Cause {
    Failed,
    Conflict,
    Panicked,
    TimedOut,
    Cancelled,
    Shutdown,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Queued,
    /// Tokens are open; with the failure of the attempt if it has failed already.
    Waiting(Option<Cause>),
    BackingOff,
    Ended,
}

pub struct Job {
    plan: Plan,
    stage: Stage,
    pub attempt: u32,
    /// When it is started again, expires, or is too late.
    due: Option<u64>,
    deadline: Option<u64>,
    retries: u32,
    conflicts: u32,
    pub outcome: Option<OutcomeKind>,
}

#[derive(Default)]
struct Lane {
    jobs: VecDeque<usize>,
    held: bool,
    paused: bool,
    log: Vec<String>,
}

#[derive(Default)]
pub struct Contract {
    now: u64,
    pub jobs: Vec<Job>,
    lanes: BTreeMap<u8, Lane>,
    /// Held and paused lanes lose their jobs.
    retired: bool,
    pub is_ambiguous: bool,
}

impl Contract {
    pub fn log(&self, key: u8) -> &[String] {
        self.lanes.get(&key).map_or(&[], |lane| &lane.log)
    }

    pub fn submit(&mut self, plan: Plan) {
        let id = self.jobs.len();
        let deadline = plan.deadline.map(|limit| self.now + limit);
        let queue = plan.queue_timeout.map(|limit| self.now + limit);
        let (retries, conflicts) = if plan.once { (0, 0) } else { (plan.retries, plan.conflicts) };
        let key = plan.key;
        // L7: it takes the place of the one that waits under its tag.
        let waits = |other: &&usize| {
            let other = &self.jobs[**other];
            plan.tag.is_some() && other.plan.tag == plan.tag && other.stage == Stage::Queued
        };
        let replaced = self.lanes.get(&key).and_then(|lane| lane.jobs.iter().find(waits).copied());
        match replaced {
            None => self.lane(key).jobs.push_back(id),
            Some(other) => {
                self.end(other, Superseded);
                let mut places = self.lane(key).jobs.iter_mut();
                *places.find(|place| **place == other).expect("it waits there") = id;
            }
        }
        let due = queue.into_iter().chain(deadline).min();
        let (stage, outcome) = (Stage::Queued, None);
        self.jobs.push(Job { plan, stage, attempt: 0, due, deadline, retries, conflicts, outcome });
        self.settle(key);
    }

    /// A token of that attempt that the body gave away is finished.
    pub fn finish(&mut self, id: usize, attempt: u32, end: End) {
        let job = &mut self.jobs[id];
        let Stage::Waiting(failure) = job.stage else { return };
        if job.attempt != attempt {
            return;
        }
        let own = if end == End::Succeeds { None } else { Some(Cause::Failed) };
        match failure.or(own) {
            None => self.end(id, Completed),
            Some(cause) => self.failed(id, cause),
        }
        self.settle_of(id);
    }

    pub fn cancel(&mut self, id: usize) {
        self.stop(id, Cause::Cancelled);
        self.settle_of(id);
    }

    pub fn cancel_key(&mut self, key: u8) {
        for id in self.lane(key).jobs.clone() {
            self.stop(id, Cause::Cancelled);
        }
        self.settle(key);
    }

    pub fn pause(&mut self, key: u8, paused: bool) {
        self.lane(key).paused = paused;
        self.settle(key);
    }

    pub fn release(&mut self, key: u8) {
        self.lane(key).held = false;
        self.settle(key);
    }

    pub fn advance(&mut self, time: u64) {
        let end = self.now + time;
        while let Some((due, id)) = self.next_due().filter(|(due, _)| *due <= end) {
            let key = self.jobs[id].plan.key;
            let near = |other: &Job| {
                other.plan.key == key && other.due.is_some_and(|at| at.abs_diff(due) < JITTER)
            };
            self.is_ambiguous |= self.jobs.iter().filter(|job| near(job)).count() > 1;
            self.now = due;
            self.rings(id);
            self.settle(key);
        }
        let near_end = |job: &Job| job.due.is_some_and(|due| due.abs_diff(end) < JITTER);
        self.is_ambiguous |= self.jobs.iter().any(near_end) | (self.now + JITTER > end);
        self.now = end;
    }

    /// `Shutdown::Cancel`.
    pub fn stop_all(&mut self) {
        self.retired = true;
        let in_order: Vec<usize> = self.lanes.values().flat_map(|lane| lane.jobs.clone()).collect();
        in_order.into_iter().for_each(|id| self.stop(id, Cause::Shutdown));
    }

    /// `Shutdown::Drain`, with that much time.
    pub fn drain(&mut self, time: u64) {
        self.retired = true;
        self.settle_all();
        self.advance(time);
        for id in 0..self.jobs.len() {
            if self.jobs[id].outcome.is_none() {
                self.end(id, Lost);
            }
        }
    }

    fn lane(&mut self, key: u8) -> &mut Lane {
        self.lanes.entry(key).or_default()
    }

    fn settle_all(&mut self) {
        let keys: Vec<u8> = self.lanes.keys().copied().collect();
        keys.into_iter().for_each(|key| self.settle(key));
    }

    fn settle_of(&mut self, id: usize) {
        self.settle(self.jobs[id].plan.key);
    }

    /// L1: heads start, one at a time, until one waits.
    fn settle(&mut self, key: u8) {
        while let Some(&head) = self.lane(key).jobs.front() {
            let stands = self.lane(key).held || self.lane(key).paused;
            match self.jobs[head].stage {
                Stage::Ended => drop(self.lane(key).jobs.pop_front()),
                Stage::Queued if stands && self.retired => self.end(head, Lost),
                Stage::Queued if !stands => self.attempt(head),
                Stage::Queued | Stage::Waiting(_) | Stage::BackingOff => return,
            }
        }
    }

    fn attempt(&mut self, id: usize) {
        let job = &mut self.jobs[id];
        job.attempt += 1;
        let timeout = job.plan.attempt_timeout.map(|limit| self.now + limit);
        job.due = timeout.into_iter().chain(job.deadline).min();
        let (attempt, key) = (job.attempt, job.plan.key);
        let how = job.plan.of(attempt);
        self.lane(key).log.push(format!("{id} run {attempt}"));
        match how {
            Try::Ok | Try::TokenInTime | Try::TokenTwice => self.end(id, Completed),
            Try::Fails | Try::TokenFails | Try::TokenDropped => self.failed(id, Cause::Failed),
            Try::Conflicts => self.failed(id, Cause::Conflict),
            Try::Panics => self.failed(id, Cause::Panicked),
            Try::TokenLater => self.jobs[id].stage = Stage::Waiting(None),
            Try::FailsWithTokenLater => self.jobs[id].stage = Stage::Waiting(Some(Cause::Failed)),
        }
    }

    /// J2, J3: another attempt, as far as the budget goes; else it is given up.
    fn failed(&mut self, id: usize, cause: Cause) {
        let job = &mut self.jobs[id];
        let (budget, delay) = match cause {
            Cause::Failed | Cause::TimedOut => (&mut job.retries, job.plan.delay),
            Cause::Conflict => (&mut job.conflicts, 1000),
            Cause::Panicked | Cause::Cancelled | Cause::Shutdown => {
                return self.given_up(id, cause);
            }
        };
        if *budget == 0 {
            return self.given_up(id, cause);
        }
        *budget -= 1;
        let begins = self.now + delay;
        if job.deadline.is_some_and(|deadline| begins.abs_diff(deadline) < JITTER) {
            self.is_ambiguous = true;
        }
        if job.deadline.is_some_and(|deadline| begins >= deadline) {
            return self.given_up(id, cause);
        }
        (job.stage, job.due) = (Stage::BackingOff, Some(begins));
        if delay == 0 {
            self.attempt(id);
        }
    }

    /// J4, J5: the undo, and which outcome that makes.
    fn given_up(&mut self, id: usize, cause: Cause) {
        let (key, undo) = (self.jobs[id].plan.key, self.jobs[id].plan.undo);
        if undo.is_some() {
            self.lane(key).log.push(format!("{id} undo"));
        }
        let outcome = match (undo, cause) {
            (Some(true), _) => RolledBack,
            (Some(false), _) => DoubleFault,
            (None, Cause::Cancelled) => Cancelled,
            (None, Cause::TimedOut) => Expired,
            (None, Cause::Shutdown) => Lost,
            (None, Cause::Failed | Cause::Conflict | Cause::Panicked) => Failed,
        };
        self.end(id, outcome);
        self.after_failure(id, outcome);
    }

    /// J6: what the key does then.
    fn after_failure(&mut self, id: usize, outcome: OutcomeKind) {
        let Plan { key, on_failure, on_double_fault, .. } = self.jobs[id].plan;
        if outcome == DoubleFault && on_double_fault == OnDoubleFault::Quarantine {
            self.lane(key).held = true;
            return;
        }
        match on_failure {
            OnFailure::Continue => {}
            OnFailure::Hold => self.lane(key).held = true,
            OnFailure::FailRest => {
                for id in self.lane(key).jobs.clone() {
                    if self.jobs[id].stage == Stage::Queued {
                        self.end(id, Failed);
                    }
                }
            }
        }
    }

    /// A cancel or a shutdown.
    fn stop(&mut self, id: usize, cause: Cause) {
        match self.jobs[id].stage {
            Stage::Ended => {}
            Stage::Queued if cause == Cause::Shutdown => self.end(id, Lost),
            Stage::Queued => self.end(id, Cancelled),
            Stage::Waiting(_) | Stage::BackingOff => self.given_up(id, cause),
        }
    }

    /// J7: what was due has come.
    fn rings(&mut self, id: usize) {
        match self.jobs[id].stage {
            Stage::Queued => self.end(id, Expired),
            Stage::BackingOff => self.attempt(id),
            Stage::Waiting(None) => self.failed(id, Cause::TimedOut),
            Stage::Waiting(Some(cause)) => self.failed(id, cause),
            Stage::Ended => {}
        }
    }

    fn end(&mut self, id: usize, outcome: OutcomeKind) {
        let job = &mut self.jobs[id];
        assert!(job.outcome.is_none(), "J5: one outcome");
        (job.stage, job.outcome, job.due) = (Stage::Ended, Some(outcome), None);
    }

    fn next_due(&self) -> Option<(u64, usize)> {
        self.jobs.iter().enumerate().filter_map(|(id, job)| Some((job.due?, id))).min()
    }
}

//! The board: where every job of the run stands, and the one place that tells the world.
//!
//! ```text
//!  Waiting ── begin ──► Running ── end ──► Ended
//!     │ a failed `hold` job ahead: Held        (a job that never ran ends from Waiting)
//! ```
//!
//! A change and its event happen under one lock, so the stream shows the changes in their order.
//! That the order is right per key is the caller's duty: the end of a job is put here before the
//! next one of its key begins ([`Board::begin`] insists). Ends are taken once; a second is ignored.
//!
//! The run flows, drains (what runs may finish, nothing new begins) or is stopped (nothing counts
//! any more: what was running is not known to have ended).

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, FlowEvent};
use super::job_file::OnFail;
use super::launcher::Began;
use super::outcome::{Cause, Outcome};
use super::output::Phase;
use super::plan::Plan;
use super::progress::Scene;
use super::report::{Report, Slowest};
use super::sink::Sink;
use super::tally::Tally;

/// See the page.
pub(crate) struct Board {
    plan: Arc<Plan>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Whether jobs may begin, go on and end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flow {
    Going,
    Draining,
    Stopped,
}

struct State {
    standings: Vec<Standing>,
    /// Since when each job runs.
    running: HashMap<usize, Instant>,
    tally: Tally,
    slowest: Slowest,
    held_keys: Vec<usize>,
    flow: Flow,
    sink: Sink,
    begin: Instant,
}

/// Where one job stands.
enum Standing {
    Waiting,
    Running(Running),
    Held,
    Ended,
}

/// What is known of a job while it runs.
#[derive(Default)]
struct Running {
    attempt: u32,
    /// The last that a failed command of it printed.
    tail: String,
}

/// What becomes of the jobs that have not ended when the run is over early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Leftovers {
    /// They are lost (if they ran) or cancelled: nothing remembers them.
    End,
    /// They stay as they are, for the next run.
    Stay,
}

/// A job was about to run beside the one before it.
#[derive(Debug, PartialEq)]
pub(crate) struct Overlap {
    id: String,
    previous: String,
}

impl Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {:?} would run beside {:?} of the same key", self.id, self.previous)
    }
}

impl Board {
    /// A board with every job waiting.
    pub(crate) fn new(plan: Arc<Plan>, sink: Sink) -> Board {
        let state = State {
            standings: plan.jobs.iter().map(|_| Standing::Waiting).collect(),
            running: HashMap::new(),
            tally: Tally { waiting: plan.jobs.len() as u64, ..Tally::default() },
            slowest: Slowest::new(plan.keys.len()),
            held_keys: Vec::new(),
            flow: Flow::Going,
            sink,
            begin: Instant::now(),
        };
        Board { plan, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the job for running; false: it must not begin.
    ///
    /// # Errors
    /// The job before it in its key has not ended. Then two jobs of one key would run at once, and
    /// the run cannot go on.
    pub(crate) fn begin(&self, job: usize) -> Result<bool, Overlap> {
        let mut state = self.state();
        let runs = |job: usize| matches!(state.standings[job], Standing::Running(_));
        if let Some(previous) = self.plan.previous(job).filter(|&previous| runs(previous)) {
            let id = |job: usize| self.plan.jobs[job].id.clone();
            return Err(Overlap { id: id(job), previous: id(previous) });
        }
        let waits = matches!(state.standings[job], Standing::Waiting);
        if !waits || state.flow != Flow::Going {
            return Ok(false);
        }
        state.running.insert(job, Instant::now());
        state.standings[job] = Standing::Running(Running::default());
        state.tally.waiting -= 1;
        state.tally.running += 1;
        Ok(true)
    }

    /// Whether the job runs and the run is not stopped: it may start its next command, and may end.
    pub(crate) fn goes_on(&self, job: usize) -> bool {
        let state = self.state();
        state.flow != Flow::Stopped && matches!(state.standings[job], Standing::Running(_))
    }

    /// The command of an attempt runs, or had run before.
    pub(crate) fn began(&self, job: usize, phase: Phase, attempt: u32, began: Began) {
        let mut state = self.state();
        let Standing::Running(running) = &mut state.standings[job] else { return };
        running.attempt = attempt;
        let (pid, resumed) = match began {
            Began::Now { pid } => (pid, false),
            Began::Before => (None, true),
            Began::AndEnded => return,
        };
        let spec = &self.plan.jobs[job];
        let event = match phase {
            Phase::Run => Event::started(spec, attempt, pid, resumed),
            Phase::Undo => Event::undoing(spec, attempt, pid, resumed),
        };
        self.tell(&mut state, &event);
    }

    /// An attempt failed; `again`: another follows.
    pub(crate) fn failed(
        &self,
        job: usize,
        attempt: u32,
        cause: &Cause,
        tail: String,
        again: bool,
    ) {
        let mut state = self.state();
        if state.flow == Flow::Stopped {
            return;
        }
        if again {
            state.tally.retries += 1;
            let event = Event::retry(&self.plan.jobs[job], attempt, cause, &tail);
            self.tell(&mut state, &event);
        }
        if let Standing::Running(running) = &mut state.standings[job] {
            running.attempt = attempt;
            running.tail = tail;
        }
    }

    /// The job has ended. The first end counts; none does once the run is stopped, nor one that
    /// only says that [`begin`](Self::begin) refused the job.
    pub(crate) fn end(&self, job: usize, outcome: &Outcome) {
        let mut state = self.state();
        let never_began = matches!(state.standings[job], Standing::Waiting);
        if state.flow != Flow::Stopped && (!never_began || outcome.fits_unstarted()) {
            self.put_end(&mut state, job, outcome);
        }
    }

    /// The job had ended before this run began.
    pub(crate) fn recorded(&self, job: usize, outcome: &Outcome) {
        let mut state = self.state();
        if self.leave(&mut state, job, Standing::Ended).is_none() {
            return;
        }
        state.tally.recorded += 1;
        state.tally.count(outcome);
        let event = Event::recorded(&self.plan.jobs[job], outcome);
        self.tell(&mut state, &event);
        self.changed.notify_all();
    }

    /// The jobs behind `job` stay where they are.
    pub(crate) fn hold_behind(&self, job: usize) {
        self.put_hold(&mut self.state(), job);
    }

    /// Drains a run that flows, stops one that drains. Answers what it does now.
    pub(crate) fn interrupt(&self) -> Flow {
        let mut state = self.state();
        let (flow, event) = match state.flow {
            Flow::Going => (Flow::Draining, Some(FlowEvent::draining())),
            Flow::Draining => (Flow::Stopped, Some(FlowEvent::stopping())),
            Flow::Stopped => (Flow::Stopped, None),
        };
        state.flow = flow;
        if let Some(event) = event {
            state.sink.flow(&event);
        }
        self.changed.notify_all();
        flow
    }

    /// Stops the run because of `why`, which is told at once. Nothing that follows counts.
    pub(crate) fn abort(&self, why: &dyn Display) {
        let mut state = self.state();
        if state.flow != Flow::Stopped {
            state.flow = Flow::Stopped;
            let event = FlowEvent::stopping();
            state.sink.flow(&event);
            crate::complain(why);
        }
        self.changed.notify_all();
    }

    /// Waits until every job that may run has ended, or the run is drained or stopped.
    pub(crate) fn wait(&self) {
        let mut state = self.state();
        loop {
            let over = match state.flow {
                Flow::Going => state.tally.running + state.tally.waiting == 0,
                Flow::Draining => state.tally.running == 0,
                Flow::Stopped => true,
            };
            if over {
                return;
            }
            state = match self.refresh(&mut state) {
                Some(again) => {
                    let waited = self.changed.wait_timeout(state, again);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Closes the books: nothing changes any more. Tells the summary and answers the exit code.
    pub(crate) fn finish(&self, leftovers: Leftovers) -> u8 {
        let mut state = self.state();
        state.tally.stopped_early = state.tally.running + state.tally.waiting > 0;
        state.flow = Flow::Stopped;
        if leftovers == Leftovers::End {
            for job in 0..self.plan.jobs.len() {
                match state.standings[job] {
                    Standing::Waiting => {
                        self.put_end(&mut state, job, &Outcome::Cancelled { started: false });
                    }
                    Standing::Running(_) => self.put_end(&mut state, job, &Outcome::Lost),
                    Standing::Held | Standing::Ended => {}
                }
            }
        }
        let took = state.begin.elapsed();
        let State { tally, slowest, held_keys, sink, .. } = &mut *state;
        let report = Report::new(&self.plan, tally, slowest, held_keys, took);
        sink.summary(&report);
        report.exit_code()
    }

    fn put_end(&self, state: &mut State, job: usize, outcome: &Outcome) {
        let took = state.running.remove(&job).map(|since| since.elapsed()).unwrap_or_default();
        let Some(left) = self.leave(state, job, Standing::Ended) else { return };
        let Running { attempt, tail } = match left {
            Standing::Running(running) => running,
            Standing::Waiting | Standing::Held | Standing::Ended => Running::default(),
        };
        let spec = &self.plan.jobs[job];
        state.tally.count(outcome);
        state.slowest.add(self.plan.key_of(job), took);
        self.tell(state, &Event::ended(spec, attempt, outcome, took, &tail));
        let holds = attempt > 0 && *outcome != Outcome::Completed && spec.on_fail == OnFail::Hold;
        if holds && state.flow != Flow::Stopped {
            self.put_hold(state, job);
        }
        self.changed.notify_all();
    }

    fn put_hold(&self, state: &mut State, job: usize) {
        let mut holds = false;
        for &behind in self.plan.behind(job) {
            if self.leave(state, behind, Standing::Held).is_some() {
                holds = true;
                state.tally.held += 1;
                self.tell(state, &Event::held(&self.plan.jobs[behind]));
            }
        }
        if holds {
            state.tally.keys_held += 1;
            state.held_keys.push(self.plan.key_of(job));
        }
        self.changed.notify_all();
    }

    /// Moves a job that waits or runs to where it stands from now on; answers where it stood.
    fn leave(&self, state: &mut State, job: usize, to: Standing) -> Option<Standing> {
        match state.standings[job] {
            Standing::Waiting => state.tally.waiting -= 1,
            Standing::Running(_) => state.tally.running -= 1,
            Standing::Held | Standing::Ended => return None,
        }
        Some(std::mem::replace(&mut state.standings[job], to))
    }

    fn tell(&self, state: &mut State, event: &Event<'_>) {
        state.sink.event(event);
        self.refresh(state);
    }

    /// Brings a display up to date; answers how soon it wants that again.
    fn refresh(&self, state: &mut State) -> Option<Duration> {
        let State { tally, slowest, running, sink, .. } = state;
        sink.refresh(&Scene { plan: &self.plan, tally, slowest, running })
    }
}

#[cfg(test)]
mod tests;

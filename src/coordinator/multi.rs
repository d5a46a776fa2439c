//! Jobs over several keys: the lanes meet here.
//!
//! The order is `tickets.rs`. A job that starts is driven by the lane whose turn found it ready; the
//! parts at the heads of its other lanes wait, so nothing else of its keys runs. When its outcome is
//! there, by whatever way, the parts of its keys get a turn and look again.
//!
//! One lock per coordinator, taken for submissions, turns and ends of such jobs only, and never held
//! over user code. A thread that is stopped between its ticket and its last lane delays jobs over
//! several keys that share one with it, and nobody else.
//!
//! Marks: a paused or held key is not free. A part passes the marks of its own key at every turn; a
//! job that would start asks for those of all its keys once more.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use super::control::Controlled;
use super::entry::{Entry, Steps};
use super::explain::Explanation;
use super::inner::Inner;
use super::marks::Pass;
use super::tickets::{Due, Number, Tickets};
use crate::lane::{Abandon, Key, LaneRef, Next, Step};
use crate::sync::Arc;

/// The most keys of one job, duplicates counted once.
pub const KEYS_MAX: usize = 16;

/// See the page.
pub(crate) struct Multi(Mutex<Table>);

struct Table {
    tickets: Tickets<Key>,
    jobs: HashMap<Number, Waiting>,
    /// The lanes whose head is a part.
    heads: HashMap<Key, LaneRef<Entry>>,
    /// The lanes by which jobs are driven that have started.
    drivers: HashMap<Number, Key>,
    /// Keys of a job that has failed and takes along what waits behind it.
    cuts: HashSet<Key>,
}

/// A job that has not ended.
struct Waiting {
    control: Arc<dyn Controlled>,
    /// Until it starts.
    run: Option<Box<dyn Steps>>,
}

/// A job's place in the lane of one of its keys.
pub(crate) struct Part {
    number: Number,
    key: Key,
    /// The job that this lane drives: its own, or one with a lower ticket.
    driven: Option<(Number, Box<dyn Steps>)>,
}

impl Multi {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table {
            tickets: Tickets::new(),
            jobs: HashMap::new(),
            heads: HashMap::new(),
            drivers: HashMap::new(),
            cuts: HashSet::new(),
        }))
    }

    /// Draws the ticket of a job over `keys`, which are all different.
    pub(crate) fn draw(
        &self,
        keys: &[Key],
        control: Arc<dyn Controlled>,
        run: Box<dyn Steps>,
    ) -> Number {
        let mut table = self.0.lock();
        let number = table.tickets.draw(keys.to_vec());
        table.jobs.insert(number, Waiting { control, run: Some(run) });
        number
    }

    /// The job's outcome is there.
    pub(crate) fn ended(&self, number: Number) {
        let (woken, job) = {
            let mut table = self.0.lock();
            table.drivers.remove(&number);
            let keys = table.tickets.end(number);
            let woken = keys.iter().filter_map(|key| table.heads.get(key).cloned());
            (woken.collect::<Vec<_>>(), table.jobs.remove(&number))
        };
        woken.iter().for_each(LaneRef::wake);
        drop(job);
    }
}

impl Part {
    /// The part of the job `number` in the lane of `key`.
    pub(crate) fn new(number: Number, key: Key) -> Self {
        Self { number, key, driven: None }
    }

    pub(crate) fn step(&mut self, lane: &LaneRef<Entry>) -> Step {
        let inner = lane.owner();
        loop {
            let pass = inner.marks().ask(lane);
            if inner.is_stopping() || matches!(pass, Pass::Cancel | Pass::Lose) {
                self.refuse(inner, pass);
            }
            let step = match &mut self.driven {
                Some((_, run)) => run.step(lane),
                None => match self.look(lane, pass) {
                    Look::Drive(number, run) => {
                        let (_, run) = self.driven.insert((number, run));
                        run.enter(lane, Pass::Go)
                    }
                    Look::Wait => return Step::Waiting,
                    Look::Leave(next) => return Step::Ended(next),
                },
            };
            match step {
                Step::Waiting => return Step::Waiting,
                Step::Ended(next) => self.end_driven(next, inner),
            }
        }
    }

    fn end_driven(&mut self, next: Next, inner: &Inner) {
        let (number, run) = self.driven.take().expect("it is driven here");
        if next == Next::FailRest {
            let mut table = inner.multi().0.lock();
            let keys = table.tickets.keys(number).to_vec();
            table.cuts.extend(keys);
        }
        // Publishes the outcome, upon which the table forgets the job and the other lanes look.
        run.end();
    }

    /// The key is being cancelled, or everything ends: so does the part's own job.
    fn refuse(&self, inner: &Inner, pass: Pass) {
        let mut table = inner.multi().0.lock();
        let holder = table.tickets.holder(&self.key);
        let number = holder.unwrap_or(self.number);
        let Some(job) = table.jobs.get_mut(&number) else { return };
        let control = job.control.clone();
        let run = job.run.take_if(|_| pass != Pass::Cancel);
        drop(table);
        match run {
            Some(run) => run.abandon(Abandon::Shutdown),
            // A job that has started sees a shutdown by itself.
            None if pass == Pass::Cancel => {
                control.cancel();
            }
            None => {}
        }
    }

    /// What this part does now.
    fn look(&self, lane: &LaneRef<Entry>, pass: Pass) -> Look {
        let inner = lane.owner();
        let mut table = inner.multi().0.lock();
        let table = &mut *table;
        table.heads.insert(self.key.clone(), lane.clone());
        table.tickets.arrive(&self.key, self.number);
        let due = table.tickets.due(&self.key);
        match due {
            Due::Leave => {
                table.heads.remove(&self.key);
                let cut = table.cuts.remove(&self.key);
                Look::Leave(if cut { Next::FailRest } else { Next::Continue })
            }
            // Woken when the mark is taken off; until then the key is not free.
            _ if pass == Pass::Wait => {
                table.tickets.depart(&self.key);
                Look::Wait
            }
            Due::Wait => Look::Wait,
            Due::Start(number) => {
                let mut keys = table.tickets.keys(number).to_vec();
                // Those that were marked since they arrived are woken when they are free again.
                keys.retain(|key| {
                    *key != self.key && inner.marks().ask(&table.heads[key]) != Pass::Go
                });
                keys.iter().for_each(|key| table.tickets.depart(key));
                let Some(job) = table.jobs.get_mut(&number).filter(|_| keys.is_empty()) else {
                    return Look::Wait;
                };
                let Some(run) = job.run.take() else { return Look::Wait };
                for key in table.tickets.keys(number) {
                    inner.marks().spend_step(key);
                }
                table.tickets.start(number);
                table.drivers.insert(number, self.key.clone());
                Look::Drive(number, run)
            }
        }
    }

    /// The lane gives the part up.
    pub(crate) fn abandon(mut self, inner: &Inner, why: Abandon) {
        if let Some((_, run)) = self.driven.take() {
            run.abandon(why);
        }
        let run = {
            let mut table = inner.multi().0.lock();
            table.heads.remove(&self.key);
            table.cuts.remove(&self.key);
            table.tickets.depart(&self.key);
            table.jobs.get_mut(&self.number).and_then(|job| job.run.take())
        };
        if let Some(run) = run {
            run.abandon(why);
        }
    }

    /// Why the part keeps the head of its lane.
    pub(crate) fn explain(&self, inner: &Inner) -> Vec<Explanation> {
        if let Some((_, run)) = &self.driven {
            return run.explain();
        }
        let table = inner.multi().0.lock();
        match table.tickets.holder(&self.key).and_then(|holder| table.drivers.get(&holder)) {
            Some(driver) => vec![Explanation::RunsUnder { key: driver.clone() }],
            None => {
                let missing = table.tickets.missing(&self.key).into_iter();
                missing
                    .filter(|key| *key != self.key)
                    .map(|key| Explanation::WaitingForKey { key })
                    .collect()
            }
        }
    }
}

/// What a part does.
enum Look {
    Drive(Number, Box<dyn Steps>),
    Wait,
    Leave(Next),
}

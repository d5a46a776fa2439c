//! One node's part in the state: what it knows, what it wants committed, what it runs. Sans I/O.
//!
//! ```text
//!   submit, reported, gone, lease ──►┌─────────┐──► Proposal: commit this, computed from that
//!   followed (commits of others) ───►│ Replica │
//!   committed | refused ────────────►└─────────┘──► Out: answers, ends, begin, stop
//! ```
//!
//! One proposal is under way at a time. It is settled by its answer, or, if the answer is lost, by being
//! found among the commits that are followed; if it is not among them, its commands are
//! folded again: all of them may be repeated, by the rules. The same code runs under the service's
//! threads, under the simulator and under the model checker.
//!
//! Invariants: what is answered as accepted was committed; a run is begun only after the commit that
//! assigned it, and after stops of the same commit; a report stays in the outbox until it is
//! answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::assignment::Placing;
use super::command::{Answer, Command, Ended, Rejection};
use super::diff::{Changes, diff};
use super::fold::{Duties, Folded, fold};
use super::ident::{AllocationId, Incarnation, NodeId, Revision, TaskId, Timestamp};
use super::ledger::{Ledger, Work};
use super::member::Member;
use super::record::{Phase, Record};
use super::state::State;

/// A number by which a caller's command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A change that is to be committed if `base` is still the last version.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Which of this node's proposals.
    pub number: u64,
    /// What it was computed from.
    pub base: Arc<State>,
    /// What it makes of it.
    pub next: Arc<State>,
    /// The difference.
    pub changes: Arc<Changes>,
}

/// How a proposal was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Others committed first: what they did is to be followed, then it is tried again.
    Conflict,
    /// The store could not be reached; it did not happen.
    Unavailable,
    /// The answer was lost: it is looked for among what is followed.
    Unknown,
}

/// What a replica asks for, in the order in which it is to be done.
#[derive(Debug)]
pub enum Out {
    /// Runs to stop or begin.
    Work(Work),
    /// The answer to a command; `None`: it could not be committed now.
    Answer(Ticket, Option<Result<Answer, Rejection>>),
    /// A task is over.
    Ended(Ended),
}

/// Who waits for the answer to a command.
#[derive(Clone, Debug)]
enum Asker {
    Caller(Ticket),
    /// A report of the outbox, and whoever made it.
    Outbox(TaskId, AllocationId),
}

#[derive(Clone, Debug)]
struct Flight {
    number: u64,
    askers: Vec<Asker>,
    commands: Vec<Command>,
    folded: Folded,
    next: Arc<State>,
    changes: Arc<Changes>,
}

/// One node's part in the state.
#[derive(Clone, Debug)]
pub struct Replica {
    view: Arc<State>,
    ledger: Ledger,
    duties: Duties,
    waiting: Vec<(Asker, Command)>,
    /// Who waits for a report, by its allocation.
    reporters: BTreeMap<AllocationId, Ticket>,
    flight: Option<Flight>,
    numbers: u64,
    /// The pass may find something that the last one did not.
    dirty: bool,
}

impl Replica {
    /// A node that knows `view`, runs nothing and has no lease. `assign_max`: the most assignments
    /// of one commit.
    pub fn new(node: NodeId, view: State, assign_max: usize) -> Self {
        Self {
            view: Arc::new(view),
            ledger: Ledger::new(node),
            duties: Duties { assign_max, ..Duties::default() },
            waiting: Vec::new(),
            reporters: BTreeMap::new(),
            flight: None,
            numbers: 0,
            dirty: true,
        }
    }

    /// The state as this node knows it.
    pub fn view(&self) -> &Arc<State> {
        &self.view
    }

    /// What runs here.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How this node is to be known from now on: a new life, or other offers. A lost lease is told
    /// by [`lease`](Self::lease).
    pub fn present(&mut self, member: Member) {
        self.ledger.joined(member.incarnation);
        self.duties.member = Some(Arc::new(member));
    }

    /// Who leads, and which lives of nodes are over.
    pub fn lead(&mut self, is_master: bool, gone: Vec<(NodeId, Incarnation)>) {
        self.dirty |= is_master && !self.duties.is_master;
        self.duties.is_master = is_master;
        self.duties.gone = gone;
    }

    /// Whether this node assigns, if it is the master; the state's own settings hold in any case.
    pub fn assigning(&mut self, assigning: bool) {
        self.dirty |= assigning;
        self.duties.paused = !assigning;
    }

    /// When this node, as the master, has something to do by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.view.next_due().filter(|_| self.duties.is_master)
    }

    /// Whether tasks wait that a later pass may assign.
    pub fn wants_recheck(&self) -> bool {
        self.duties.is_master && !self.duties.paused && self.view.wants_plan()
    }

    /// The next pass looks at everything again.
    pub fn recheck(&mut self) {
        self.dirty = true;
    }

    /// See [`Ledger::lease`].
    pub fn lease(&mut self, left: Option<Duration>, margin: Duration) -> Vec<Out> {
        if left.is_none() {
            self.duties.member = None;
            self.duties.is_master = false;
        }
        out(self.ledger.lease(left, margin))
    }

    /// See [`Ledger::close`].
    pub fn close(&mut self) -> Vec<Out> {
        out(self.ledger.close())
    }

    /// A command of a caller.
    pub fn submit(&mut self, ticket: Ticket, command: Command) {
        self.waiting.push((Asker::Caller(ticket), command));
    }

    /// A run reports its end. It is sent until it is answered; a second report of the same run is
    /// an ordinary command, which the rules refuse or repeat.
    pub fn reported(
        &mut self,
        ticket: Ticket,
        id: &TaskId,
        allocation: AllocationId,
        command: Command,
    ) {
        if self.ledger.reported(id, allocation, command.clone()) {
            self.reporters.insert(allocation, ticket);
        } else {
            self.submit(ticket, command);
        }
    }

    /// The body of a run is gone.
    pub fn gone(&mut self, id: &TaskId, allocation: AllocationId) -> Vec<Out> {
        out(self.ledger.gone(id, allocation))
    }

    /// Whether a proposal waits for its answer.
    pub fn is_waiting(&self) -> bool {
        self.flight.is_some()
    }

    /// What is to be committed now, if anything is and nothing is under way. Commands that change
    /// nothing are answered at once, into `outs`.
    pub fn propose(
        &mut self,
        now: Timestamp,
        placing: &mut dyn Placing,
        outs: &mut Vec<Out>,
    ) -> Option<Proposal> {
        if self.flight.is_some() || !self.has_work(now) {
            return None;
        }
        let (mut askers, mut commands) = (Vec::new(), Vec::new());
        for (allocation, command) in self.ledger.outbox().take(self.duties.assign_max) {
            if let Some(id) = subject(command) {
                askers.push(Asker::Outbox(id.clone(), allocation));
                commands.push(command.clone());
            }
        }
        for (asker, command) in std::mem::take(&mut self.waiting) {
            askers.push(asker);
            commands.push(command);
        }
        let folded = fold(&self.view, &commands, &self.duties, now, placing);
        self.dirty = folded.more;
        let changes = Arc::new(diff(&self.view, &folded.state));
        self.numbers += 1;
        let next = Arc::new(folded.state.clone().committed(self.view.revision().next()));
        let number = self.numbers;
        let flight = Flight { number, askers, commands, folded, next: next.clone(), changes };
        let changes = flight.changes.clone();
        if changes.is_empty() {
            self.settle(flight, Vec::new(), outs);
            return None;
        }
        self.flight = Some(flight);
        Some(Proposal { number, base: self.view.clone(), next, changes })
    }

    fn has_work(&self, now: Timestamp) -> bool {
        !self.waiting.is_empty()
            || self.ledger.outbox().next().is_some()
            || self.duties.are_owed(&self.view, now)
            || self.dirty && self.wants_recheck()
    }

    /// The proposal was committed.
    pub fn committed(&mut self, number: u64, outs: &mut Vec<Out>) {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return };
        let before = std::mem::replace(&mut self.view, flight.next.clone());
        self.dirty = true;
        let changes = flight.changes.clone();
        let work = self.ledger.changed(&before, &self.view, &changes.records);
        self.settle(flight, work, outs);
    }

    /// The proposal was not committed, or nobody knows.
    pub fn refused(&mut self, number: u64, why: Refused, outs: &mut Vec<Out>) {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return };
        match why {
            // Until what others did was followed, the same would come of it.
            Refused::Conflict | Refused::Unknown => self.flight = Some(flight),
            Refused::Unavailable => {
                self.dirty = true;
                for asker in flight.askers {
                    // What is in the outbox stays there.
                    if let Asker::Caller(ticket) = asker {
                        outs.push(Out::Answer(ticket, None));
                    }
                }
            }
        }
    }

    /// What others, or this node itself, have committed since this node's view: `view` is the state
    /// after it, `mine` the numbers of this node's own proposals among it. A proposal that is not
    /// among them is given up, and its commands are folded again.
    pub fn followed(&mut self, view: State, mine: &[u64], outs: &mut Vec<Out>) {
        if view.revision() < self.view.revision() {
            return; // a late word
        }
        let before = std::mem::replace(&mut self.view, Arc::new(view));
        let changes = diff(&before, &self.view);
        self.dirty |= !changes.is_empty();
        let work = self.ledger.changed(&before, &self.view, &changes.records);
        match self.flight.take() {
            Some(flight) if mine.contains(&flight.number) => {
                let known: Vec<TaskId> =
                    flight.folded.ended.iter().map(|it| it.id.clone()).collect();
                self.settle(flight, work, outs);
                let others = ends(&changes).filter(|ended| !known.contains(&ended.id));
                outs.extend(others.map(Out::Ended));
                return;
            }
            Some(flight) => {
                self.dirty = true; // its assignments are to be found again
                let again = flight.askers.into_iter().zip(flight.commands);
                // What came in meanwhile comes after it; what is in the outbox is taken from there.
                let callers = again.filter(|(asker, _)| matches!(asker, Asker::Caller(_)));
                let later = std::mem::take(&mut self.waiting);
                self.waiting = callers.chain(later).collect();
            }
            None => {}
        }
        outs.extend(out(work));
        outs.extend(ends(&changes).map(Out::Ended));
    }

    /// The revision after which commits are to be followed.
    pub fn revision(&self) -> Revision {
        self.view.revision()
    }

    /// Answers a proposal that is in the state: stops, then answers and ends, then begins.
    fn settle(&mut self, flight: Flight, work: Vec<Work>, outs: &mut Vec<Out>) {
        let (begins, stops): (Vec<Work>, Vec<Work>) =
            work.into_iter().partition(|work| matches!(work, Work::Begin(_)));
        outs.extend(out(stops));
        let mut freed = Vec::new();
        for (asker, answer) in flight.askers.into_iter().zip(flight.folded.answers) {
            let ticket = match asker {
                Asker::Caller(ticket) => Some(ticket),
                Asker::Outbox(id, allocation) => {
                    freed.extend(self.ledger.answered(&id, allocation));
                    self.reporters.remove(&allocation)
                }
            };
            outs.extend(ticket.map(|ticket| Out::Answer(ticket, Some(answer))));
        }
        outs.extend(flight.folded.ended.into_iter().map(Out::Ended));
        outs.extend(out(begins));
        outs.extend(out(freed));
    }
}

fn out(work: Vec<Work>) -> Vec<Out> {
    work.into_iter().map(Out::Work).collect()
}

/// The task that a report is about.
fn subject(command: &Command) -> Option<&TaskId> {
    match command {
        Command::Complete { id, .. } | Command::Fail { id, .. } | Command::Unassign { id, .. } => {
            Some(id)
        }
        _ => None,
    }
}

/// The ends that a change shows: of records that are kept, and of those that are gone.
fn ends(changes: &Changes) -> impl Iterator<Item = Ended> {
    let kept = changes.records.iter().filter_map(|change| {
        let record = change.after.as_ref()?;
        let Phase::Ended(ending) = &record.phase else { return None };
        let was = change.before.as_ref().is_some_and(|it| is_over(it, record));
        (!was).then(|| Ended::of(record, ending.outcome))
    });
    let earlier: BTreeMap<_, _> = (changes.records.iter())
        .filter_map(|change| change.before.as_ref().map(|record| (record.sequence, record)))
        .collect();
    let gone = changes.tombstones.iter().filter_map(|change| {
        let tombstone = change.after.as_ref()?;
        let (id, outcome) = (tombstone.id.clone(), tombstone.outcome);
        let before = earlier.get(&tombstone.sequence).map(|record| Arc::clone(record));
        match before {
            Some(record) if record.has_ended() => None,
            Some(record) => {
                Some(Ended { id, outcome, record: Some(record.clone()), result: [].into() })
            }
            None => Some(Ended { id, outcome, record: None, result: [].into() }),
        }
    });
    kept.chain(gone).collect::<Vec<_>>().into_iter()
}

fn is_over(before: &Record, after: &Record) -> bool {
    before.sequence == after.sequence && before.has_ended()
}

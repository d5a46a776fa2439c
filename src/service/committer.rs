//! The committer: the thread that owns the store and the only one that makes new states.
//!
//! ```text
//!   collect ──► fold ──► commit ──► publish ──► stop ──► answer ──► begin ──► collect …
//!   (bounded)   (pure)     │ conflict: load, fold again
//!                          └ any other failure: the whole batch fails, and everything after it
//! ```
//!
//! Invariants: an answer of a batch is sent only after the batch's commit and publication, and after
//! the bodies that it concerns were told to stop; a body is begun only after the commit that assigned
//! it; the published state is never ahead of the store.
//! After a failed commit nothing more is written: what is on the disk is unknown until the store is
//! opened anew.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use super::Shared;
use super::config::{Assignment, TaskConfig};
use super::error::TaskError;
use super::mailbox::{Mailbox, Request};
use super::node::Node;
use super::pending::{Reply, Sender};
use crate::base::clock::Clock;
use crate::base::epoch_cell::EpochCell;
use crate::base::promise::Promise;
use crate::pool::Pool;
use crate::store::{self, Store, StoreError};
use crate::sync::Arc;
use crate::task::{
    self, AllocationId, Answer, Changes, Command, Ended, LeastLoaded, Phase, Rejection, State,
    TaskId, Timestamp,
};

/// How often a commit that lost against another writer is tried again.
const CONFLICTS_MAX: usize = 64;

/// No sleep is longer while something is due later: bounds what a jump of the wall clock does.
const SLEEP_MAX: Duration = Duration::from_secs(60);

pub(super) struct Committer {
    shared: Arc<Shared>,
    store: Box<dyn Store>,
    config: TaskConfig,
    clock: Clock,
    /// As committed and published.
    state: Arc<State>,
    node: Node,
    /// Who waits for the end of which task.
    waiting: HashMap<TaskId, Vec<Sender>>,
    /// Why nothing is written any more.
    failed: Option<TaskError>,
    /// More tasks may be assignable than the last batch assigned.
    replan: bool,
    /// Asked to end.
    ending: Option<(Instant, Sender)>,
}

/// What is handled together.
#[derive(Default)]
struct Batch {
    commands: Vec<Command>,
    replies: Vec<Sender>,
    waits: Vec<(TaskId, Sender)>,
    registered: Vec<Sender>,
    bytes: usize,
}

/// What a batch makes of a state.
struct Folded {
    state: State,
    answers: Vec<Result<Answer, Rejection>>,
    ended: Vec<Ended>,
    /// The batch had no room for all assignments.
    replan: bool,
}

impl Committer {
    /// Loads the store, voids what an earlier process held, and starts the thread.
    pub(super) fn launch(
        pool: Pool,
        mut store: Box<dyn Store>,
        config: TaskConfig,
    ) -> Result<Arc<Shared>, TaskError> {
        let clock = pool.clock().clone();
        let state = Arc::new(recover(&mut *store, &config, Timestamp(clock.unix_ms()))?);
        let shared = Arc::new(Shared {
            pool,
            mailbox: Mailbox::new(config.starts_waiting_max),
            snapshot: EpochCell::new(state.clone()),
            executors: EpochCell::new(Arc::default()),
        });
        let committer = Self {
            shared: shared.clone(),
            store,
            clock,
            state,
            node: Node::new(config.node.clone(), &shared.pool),
            waiting: HashMap::new(),
            failed: None,
            replan: false,
            ending: None,
            config,
        };
        let adopted = Arc::new(Promise::new());
        let tell = adopted.clone();
        std::thread::Builder::new()
            .name("laneway-store".into())
            .spawn(move || {
                let _last = Last(committer.shared.clone());
                committer.shared.mailbox.adopt();
                let first = tell.fulfil(());
                debug_assert!(first.is_ok(), "one thread adopts the mailbox");
                committer.run();
            })
            .map_err(|error| TaskError::Thread(Arc::new(error)))?;
        adopted.wait();
        Ok(shared)
    }

    fn run(mut self) {
        loop {
            let closed = self.shared.mailbox.is_closed();
            let batch = self.collect();
            let idle = batch.is_empty() && !self.replan && !self.is_due();
            if !idle {
                self.process(batch);
            } else if self.is_over(closed) {
                break;
            } else {
                self.shared.mailbox.sleep(self.wake_at());
            }
        }
        self.end();
    }

    /// Takes what waits, up to one batch. Requests that change no state are handled on the way.
    fn collect(&mut self) -> Batch {
        let mut batch = Batch::default();
        while batch.commands.len() < self.config.batch_max
            && batch.bytes < self.config.batch_bytes_max
        {
            let Some(request) = self.shared.mailbox.take() else { break };
            match request {
                Request::Apply { command, reply } => {
                    if matches!(command, Command::Start(_)) {
                        self.shared.mailbox.started();
                    }
                    batch.add(command, reply);
                }
                Request::EndOf { id, reply } => batch.waits.push((id, reply)),
                Request::Register { registration, reply } => {
                    let name = registration.name.clone();
                    if self.node.register(registration, &self.shared) {
                        batch.registered.push(reply);
                    } else {
                        reply.answer(Err(TaskError::AlreadyRegistered { name }));
                    }
                }
                Request::Assignment(assignment) => {
                    self.config.assignment = assignment;
                    self.replan = true;
                }
                Request::Left { allocation, begun } => {
                    self.node.left(allocation, &self.shared);
                    if !begun {
                        // The pool runs nothing any more: assigning again would lead here again.
                        self.config.assignment = Assignment::None;
                    }
                }
                Request::Shutdown { deadline, reply } => {
                    self.config.assignment = Assignment::None;
                    self.node.stop_all();
                    self.ending = Some((deadline, reply));
                }
            }
        }
        batch
    }

    fn process(&mut self, mut batch: Batch) {
        let before = self.state.clone();
        let commands = mem::take(&mut batch.commands);
        let (changes, folded) = match self.commit(&commands) {
            Ok(done) => done,
            Err(error) => return self.fail(batch, error),
        };
        if !changes.is_empty() {
            self.state = Arc::new(folded.state);
            self.shared.snapshot.publish(self.state.clone());
        }
        // Against what this node saw last, which after a conflict is older than what was folded on.
        let seen = task::diff(&before, &self.state);
        let begins = self.node.stop_changed(seen.records);
        self.replan = folded.replan;
        for (reply, result) in batch.replies.into_iter().zip(folded.answers) {
            reply.answer(result.map(Reply::Answer).map_err(TaskError::Rejected));
        }
        for reply in batch.registered {
            reply.answer(Ok(Reply::Registered));
        }
        self.tell_waiters(batch.waits, folded.ended);
        self.node.begin_all(begins, &self.shared);
    }

    /// Folds `commands` and makes the result durable; nothing is visible yet.
    fn commit(&mut self, commands: &[Command]) -> Result<(Changes, Folded), TaskError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let now = Timestamp(self.clock.unix_ms());
        let mut base = self.state.clone();
        for _ in 0..CONFLICTS_MAX {
            let mut folded = self.fold(&base, commands, now);
            let changes = task::diff(&base, &folded.state);
            if changes.is_empty() {
                return Ok((changes, folded));
            }
            let batch = store::encode(&changes, &folded.state);
            match self.store.commit(&batch, base.revision()) {
                Ok(revision) => {
                    folded.state = folded.state.committed(revision);
                    return Ok((changes, folded));
                }
                Err(StoreError::Conflict { .. }) => {
                    base = self.catch_up(base)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let found = base.revision();
        Err(StoreError::Conflict { expected: self.state.revision(), found }.into())
    }

    /// `base` with what others have committed since.
    fn catch_up(&mut self, base: Arc<State>) -> Result<Arc<State>, StoreError> {
        match self.store.changes(base.revision()) {
            Ok(commits) => {
                let mut state = State::clone(&base);
                for commit in &commits {
                    state = store::patched(state, commit)?;
                }
                Ok(Arc::new(state))
            }
            Err(StoreError::Compacted { .. }) => {
                Ok(Arc::new(load(&mut *self.store, &self.config)?))
            }
            Err(error) => Err(error),
        }
    }

    /// What the batch makes of `base`: the commands in order, what is due, then assignments.
    fn fold(&self, base: &State, commands: &[Command], now: Timestamp) -> Folded {
        let mut state = base.clone();
        let mut ended = Vec::new();
        let mut apply = |state: &mut State, command| {
            let effects = task::apply_to(state, command, now)?;
            ended.extend(effects.ended);
            Ok(effects.answer)
        };
        let answers = commands.iter().map(|command| apply(&mut state, command.clone())).collect();
        if state.next_due().is_some_and(|due| due <= now) {
            let ticked = apply(&mut state, Command::Tick);
            debug_assert!(ticked.is_ok(), "a tick is never refused");
        }
        let mut replan = false;
        let member = self.node.member();
        let known = state.member(member.id.as_str());
        if !known.is_some_and(|known| known.executors == member.executors) {
            let joined = apply(&mut state, Command::NodeJoined { member: Arc::new(member) });
            debug_assert!(joined.is_ok(), "a node offers what it can");
        }
        if self.config.assignment == Assignment::All {
            let planned = task::plan(&state, self.config.batch_max, &mut LeastLoaded::default());
            replan = planned.len() == self.config.batch_max;
            for command in planned {
                let assigned = apply(&mut state, command);
                debug_assert!(assigned.is_ok(), "what is planned can be assigned");
            }
        }
        Folded { state, answers, ended, replan }
    }

    /// Fails a batch, and everything after it.
    fn fail(&mut self, batch: Batch, error: TaskError) {
        self.failed = Some(error.clone());
        self.replan = false;
        let waits = batch.waits.into_iter().map(|(_, reply)| reply);
        let earlier = mem::take(&mut self.waiting).into_values().flatten();
        for reply in batch.replies.into_iter().chain(batch.registered).chain(waits).chain(earlier) {
            reply.answer(Err(error.clone()));
        }
    }

    /// Answers who waits for an end: those that came in this batch, and those from before.
    fn tell_waiters(&mut self, waits: Vec<(TaskId, Sender)>, ended: Vec<Ended>) {
        let new: Vec<TaskId> = waits.iter().map(|(id, _)| id.clone()).collect();
        for (id, reply) in waits {
            let others = self.waiting.entry(id).or_default();
            // Who dropped the pending answer waits no more.
            others.retain(Sender::is_wanted);
            others.push(reply);
        }
        for ended in ended {
            self.tell(&ended.id.clone(), &Ok(ended));
        }
        for id in new {
            if let Some(known) = known_end(&self.state, &id) {
                self.tell(&id, &known);
            }
        }
    }

    fn tell(&mut self, id: &TaskId, end: &Result<Ended, Rejection>) {
        for reply in self.waiting.remove(id).into_iter().flatten() {
            reply.answer(end.clone().map(Reply::Ended).map_err(TaskError::Rejected));
        }
    }

    fn is_due(&self) -> bool {
        let now = Timestamp(self.clock.unix_ms());
        self.failed.is_none() && self.state.next_due().is_some_and(|due| due <= now)
    }

    /// When to look again without being asked.
    fn wake_at(&self) -> Option<Instant> {
        let due = self.state.next_due().filter(|_| self.failed.is_none()).map(|due| {
            let left = due.since(Timestamp(self.clock.unix_ms()));
            self.clock.after(left.min(SLEEP_MAX))
        });
        let deadline = self.ending.as_ref().map(|(deadline, _)| *deadline);
        due.into_iter().chain(deadline).min()
    }

    /// Whether to end, given that the mailbox is empty and was `closed` before it was looked at.
    fn is_over(&self, closed: bool) -> bool {
        match &self.ending {
            Some((deadline, _)) => self.node.running() == 0 || self.clock.now() >= *deadline,
            None => closed,
        }
    }

    fn end(self) {
        let Self { shared, store, mut node, waiting, ending, .. } = self;
        node.stop_all();
        let left = node.running();
        // The executors go first: whoever waits for the end may free what they use.
        drop((node, store));
        // What came too late is refused before the shutdown is answered.
        shared.mailbox.end();
        drop(waiting);
        if let Some((_, reply)) = ending {
            reply.answer(Ok(Reply::Left(left)));
        }
    }
}

/// Refuses what nobody will take any more, also if the committer panicked.
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.mailbox.end();
    }
}

impl Batch {
    fn add(&mut self, command: Command, reply: Sender) {
        self.bytes += weight(&command);
        self.commands.push(command);
        self.replies.push(reply);
    }

    fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.waits.is_empty() && self.registered.is_empty()
    }
}

/// About how many bytes a command adds to a commit.
fn weight(command: &Command) -> usize {
    const RECORD: usize = 256;
    RECORD
        + match command {
            Command::Start(task) => {
                task.params.len() + task.lane.as_ref().map_or(0, |lane| lane.len())
            }
            Command::UpdateState { value, .. } => value.len(),
            Command::Complete { result, .. } => result.len(),
            _ => 0,
        }
}

/// The end of `id` as `state` knows it; `None` while it is still to come.
fn known_end(state: &State, id: &TaskId) -> Option<Result<Ended, Rejection>> {
    if let Some(record) = state.get(id.as_str()) {
        let Phase::Ended(ending) = &record.phase else { return None };
        return Some(Ok(Ended::of(record, ending.outcome)));
    }
    Some(match state.tombstone(id.as_str()) {
        Some(tombstone) => Ok(Ended {
            id: id.clone(),
            outcome: tombstone.outcome,
            record: None,
            result: [].into(),
        }),
        None => Err(Rejection::NotFound { id: id.clone() }),
    })
}

fn load(store: &mut dyn Store, config: &TaskConfig) -> Result<State, StoreError> {
    Ok(State::restore(store::decode(store.load()?)?, config.limits))
}

/// The state to begin with: what is stored, with every allocation void.
fn recover(store: &mut dyn Store, config: &TaskConfig, now: Timestamp) -> Result<State, TaskError> {
    let stored = load(store, config)?;
    let command = Command::Recover { floor: AllocationId::floor(now) };
    let (state, _) = task::apply(&stored, command, now)?;
    let changes = task::diff(&stored, &state);
    if changes.is_empty() {
        return Ok(state);
    }
    let revision = store.commit(&store::encode(&changes, &state), stored.revision())?;
    Ok(state.committed(revision))
}

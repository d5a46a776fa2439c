//! The committer: the thread that owns the store and drives this node's [`Replica`].
//!
//! ```text
//!   collect ──► attend ──► propose ──► commit ──► publish ──► stop ──► answer ──► begin ──► …
//!   (bounded)   (lease,    (pure)        │ conflict, or answer lost: follow, fold again
//!               master,                  │ not reached: callers are told, reports wait
//!               others)                  └ any other failure: everything fails from now on
//! ```
//!
//! What is decided is decided by the replica, which does no I/O; here are the store, the cluster, the
//! clock and the bodies. Invariants: an answer of a batch is sent only after the batch's commit and
//! publication, and after the bodies that it concerns were told to stop; a body is begun only after the
//! commit that assigned it, and only while the lease is held: it is looked at again after each commit,
//! which may have taken long; the published state is never ahead of the store.
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
use super::rule::Guarded;
use super::waits::Waits;
use crate::base::clock::Clock;
use crate::base::epoch_cell::EpochCell;
use crate::base::promise::Promise;
use crate::cluster::Cluster;
use crate::pool::Pool;
use crate::store::{self, Attempt, Store, StoreError};
use crate::sync::Arc;
use crate::task::{
    self, AllocationId, Command, Incarnation, Out, Refused, Replica, State, Ticket, Timestamp, Work,
};

/// No sleep is longer while something is due later: bounds what a jump of the wall clock does.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long to wait before a store or a cluster that could not be reached is tried again.
const RETRY: Duration = Duration::from_millis(50);

pub(super) struct Committer {
    shared: Arc<Shared>,
    store: Box<dyn Store>,
    cluster: Box<dyn Cluster>,
    config: TaskConfig,
    clock: Clock,
    replica: Replica,
    node: Node,
    rule: Guarded,
    /// This life, while the lease is held.
    incarnation: Option<Incarnation>,
    /// Names this opener among the writers of the store.
    writer: u64,
    /// Who waits for which answer.
    tickets: HashMap<Ticket, Sender>,
    last_ticket: u64,
    waits: Waits,
    registered: Vec<Sender>,
    /// Others may have committed.
    news: bool,
    /// Not before this is a commit or a join tried again.
    retry_at: Option<Instant>,
    /// Not before this are the commits of others read again.
    follow_at: Option<Instant>,
    /// When the cluster is to be asked again.
    look_again: Option<Instant>,
    /// When all that waits is to be looked at again.
    recheck_at: Option<Instant>,
    /// Why nothing is written any more.
    failed: Option<TaskError>,
    /// Asked to end.
    ending: Option<(Instant, Sender)>,
}

impl Committer {
    /// Loads the store, joins the cluster, voids what nobody holds any more if this is the first
    /// node, and starts the thread.
    pub(super) fn launch(
        pool: Pool,
        mut store: Box<dyn Store>,
        mut cluster: Box<dyn Cluster>,
        config: TaskConfig,
    ) -> Result<Arc<Shared>, TaskError> {
        let clock = pool.clock().clone();
        let incarnation = cluster.join(&config.node, clock.now()).map_err(TaskError::Cluster)?;
        let now = Timestamp(clock.unix_ms());
        let view = open(&mut *store, &mut *cluster, &config, &clock, now)?;
        let shared = Arc::new(Shared {
            pool,
            mailbox: Mailbox::new(config.starts_waiting_max),
            snapshot: EpochCell::new(Arc::new(view.clone())),
            executors: EpochCell::new(Arc::default()),
        });
        let wake = Shared::wake(&shared);
        store.on_change(wake.clone());
        cluster.on_change(wake);
        let mut committer = Self {
            shared: shared.clone(),
            store,
            cluster,
            clock,
            replica: Replica::new(config.node.clone(), view, config.batch_max),
            node: Node::new(config.node.clone(), config.labels.clone(), &shared.pool),
            rule: Guarded::new(config.rule.clone(), incarnation.0),
            incarnation: Some(incarnation),
            writer: incarnation.0,
            tickets: HashMap::new(),
            last_ticket: 0,
            waits: Waits::default(),
            registered: Vec::new(),
            news: true,
            retry_at: None,
            follow_at: None,
            look_again: None,
            recheck_at: None,
            failed: None,
            ending: None,
            config,
        };
        committer.replica.assigning(committer.config.assignment == Assignment::All);
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
            let collected = self.collect();
            self.attend();
            let committed = self.commit();
            if collected || committed {
                continue;
            }
            if self.is_over(closed) {
                break;
            }
            self.shared.mailbox.sleep(self.wake_at());
        }
        self.end();
    }

    /// Takes what waits, up to one batch. True if there was anything.
    fn collect(&mut self) -> bool {
        let (mut any, mut commands, mut bytes) = (false, 0, 0);
        while commands < self.config.batch_max && bytes < self.config.batch_bytes_max {
            let Some(request) = self.shared.mailbox.take() else { break };
            any = true;
            match request {
                Request::Apply { command, reply } => {
                    if matches!(command, Command::Start(_)) {
                        self.shared.mailbox.started();
                    }
                    (commands, bytes) = (commands + 1, bytes + weight(&command));
                    let ticket = self.ticket(reply);
                    self.replica.submit(ticket, command);
                }
                Request::Report { id, allocation, command, reply } => {
                    (commands, bytes) = (commands + 1, bytes + weight(&command));
                    let ticket = self.ticket(reply);
                    self.replica.reported(ticket, &id, allocation, command);
                }
                Request::Wait { id, until, reply } => self.waits.ask(id, until, reply),
                Request::Register { registration, reply } => {
                    let name = registration.name.clone();
                    if self.node.register(registration, &self.shared) {
                        self.registered.push(reply);
                        self.present();
                    } else {
                        reply.answer(Err(TaskError::AlreadyRegistered { name }));
                    }
                }
                Request::Assignment(assignment) => {
                    self.config.assignment = assignment;
                    self.replica.assigning(assignment == Assignment::All);
                }
                Request::Recheck => self.replica.recheck(),
                Request::News => self.news = true,
                Request::Left { id, allocation, begun } => {
                    self.node.left(allocation);
                    let outs = self.replica.gone(&id, allocation);
                    self.perform(outs);
                    if !begun {
                        // The pool runs nothing any more: assigning again would lead here again.
                        self.replica.assigning(false);
                    }
                }
                Request::Shutdown { deadline, reply } => {
                    self.replica.assigning(false);
                    let outs = self.replica.close();
                    self.perform(outs);
                    self.ending = Some((deadline, reply));
                }
            }
        }
        any
    }

    fn ticket(&mut self, reply: Sender) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.tickets.insert(ticket, reply);
        ticket
    }

    /// Tells the replica how this node is to be known.
    fn present(&mut self) {
        if let Some(incarnation) = self.incarnation {
            self.replica.present(self.node.member(incarnation));
        }
    }

    /// Looks at the lease, at who leads, and at what others have committed.
    fn attend(&mut self) {
        if self.failed.is_some() {
            return;
        }
        self.attend_lease();
        let now = self.clock.now();
        if self.recheck_at.is_none_or(|at| at <= now) {
            self.recheck_at = Some(self.clock.after(self.config.recheck));
            self.replica.recheck();
        }
        self.follow_at.take_if(|at| *at <= now);
        if self.news && self.follow_at.is_none() {
            self.news = false;
            self.follow();
        }
    }

    /// Whether this node still lives is asked first, before anything is begun.
    fn attend_lease(&mut self) {
        let now = self.clock.now();
        let view = self.cluster.view(now);
        self.look_again = view.look_again;
        match (view.lease, self.incarnation) {
            (Some(until), Some(_)) => {
                if self.replica.ledger().guards() {
                    let left = until.saturating_duration_since(now);
                    let outs = self.replica.lease(Some(left), self.config.overlap_margin);
                    self.look_again = Some(until - self.config.overlap_margin.min(left))
                        .into_iter()
                        .filter(|at| *at > now)
                        .chain(view.look_again)
                        .min();
                    self.perform(outs);
                }
            }
            (None, Some(_)) => {
                self.incarnation = None;
                let outs = self.replica.lease(None, Duration::ZERO);
                self.perform(outs);
            }
            (_, None) => {}
        }
        if self.incarnation.is_none() && self.ending.is_none() && self.may_retry(now) {
            match self.cluster.join(&self.config.node, now) {
                Ok(incarnation) => {
                    self.incarnation = Some(incarnation);
                    self.present();
                    self.news = true;
                    self.look_again = Some(now);
                }
                Err(_) => self.retry_at = Some(now + RETRY),
            }
            return;
        }
        let gone = |member: &Arc<task::Member>| {
            let (node, incarnation) = (&member.id, member.incarnation);
            view.is_gone(node, incarnation).then(|| (node.clone(), incarnation))
        };
        let gone = self.replica.view().members().filter_map(gone).collect();
        self.replica.lead(view.is_master && self.incarnation.is_some(), gone);
    }

    fn may_retry(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now);
        self.retry_at.is_none()
    }

    /// Reads what was committed since this node's view, by others or by itself.
    fn follow(&mut self) {
        let (mut outs, mut mine) = (Vec::new(), Vec::new());
        let view = match self.store.changes(self.replica.revision()) {
            Ok(commits) if commits.is_empty() && !self.replica.is_waiting() => return,
            Ok(commits) => {
                let own = commits.iter().map(|commit| commit.batch.attempt);
                mine.extend(own.filter(|it| it.writer == self.writer).map(|it| it.number));
                let base = State::clone(self.replica.view());
                commits.iter().try_fold(base, store::patched)
            }
            Err(StoreError::Compacted { .. }) => load(&mut *self.store, &self.config),
            Err(error) => Err(error),
        };
        match view {
            Ok(view) => {
                self.replica.followed(view, &mine, &mut outs);
                self.publish();
                self.perform(outs);
            }
            Err(StoreError::Unavailable { .. }) => {
                self.news = true;
                self.follow_at = Some(self.clock.now() + RETRY);
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Commits what there is to commit, once. True if there was anything.
    fn commit(&mut self) -> bool {
        let now = self.clock.now();
        if self.failed.is_some() || !self.may_retry(now) {
            return self.refuse();
        }
        if self.replica.is_waiting() {
            // The answer was lost, and what became of it could not be read yet.
            if self.follow_at.is_none() {
                self.follow();
            }
            return !self.replica.is_waiting();
        }
        let time = Timestamp(self.clock.unix_ms());
        let mut outs = Vec::new();
        let proposal = self.replica.propose(time, &mut self.rule, &mut outs);
        let mut any = !outs.is_empty();
        self.perform(outs);
        if let Some(proposal) = proposal {
            any = true;
            let mut batch = store::encode(&proposal.changes, &proposal.next);
            batch.attempt = Attempt { writer: self.writer, number: proposal.number };
            let answer = self.store.commit(&batch, proposal.base.revision());
            self.settle(proposal.number, answer.map(drop));
        }
        if !self.replica.is_waiting() {
            self.tell_those_who_asked();
        }
        any
    }

    /// What came of a commit.
    fn settle(&mut self, number: u64, answer: Result<(), StoreError>) {
        // The commit may have taken long.
        self.attend_lease();
        let mut outs = Vec::new();
        match answer {
            Ok(()) => {
                self.replica.committed(number, &mut outs);
                self.publish();
            }
            Err(StoreError::Conflict { .. }) => {
                self.replica.refused(number, Refused::Conflict, &mut outs);
                self.follow();
            }
            Err(StoreError::Unknown { .. }) => {
                self.replica.refused(number, Refused::Unknown, &mut outs);
                self.follow();
            }
            Err(StoreError::Unavailable { .. }) => {
                self.retry_at = Some(self.clock.now() + RETRY);
                self.replica.refused(number, Refused::Unavailable, &mut outs);
            }
            Err(error) => return self.fail(error.into()),
        }
        self.perform(outs);
    }

    fn publish(&self) {
        self.shared.snapshot.publish(self.replica.view().clone());
    }

    fn perform(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Work(Work::Begin(record)) => {
                    let closing = self.ending.is_some();
                    self.node.begin(&record, &self.shared, closing);
                }
                Out::Work(Work::Stop(allocation, reason)) => self.node.stop(allocation, reason),
                Out::Work(Work::Overrun(_, id)) => (self.config.on_overrun)(&id),
                Out::Answer(ticket, answer) => {
                    let Some(reply) = self.tickets.remove(&ticket) else { continue };
                    reply.answer(match answer {
                        Some(answer) => answer.map(Reply::Answer).map_err(TaskError::Rejected),
                        None => Err(unavailable()),
                    });
                }
                Out::Ended(ended) => self.waits.ended(&ended),
            }
        }
    }

    /// Answers what can be answered once a batch is settled.
    fn tell_those_who_asked(&mut self) {
        for reply in mem::take(&mut self.registered) {
            reply.answer(Ok(Reply::Registered));
        }
        self.waits.look(self.replica.view());
    }

    /// Fails everything, now and from now on.
    fn fail(&mut self, error: TaskError) {
        self.failed = Some(error);
        self.refuse();
    }

    /// After a failure: whoever waits is told. True if somebody did.
    fn refuse(&mut self) -> bool {
        let Some(error) = &self.failed else { return false };
        let tickets = mem::take(&mut self.tickets).into_values();
        let registered = mem::take(&mut self.registered);
        let all: Vec<Sender> = tickets.chain(registered).chain(self.waits.take_all()).collect();
        let any = !all.is_empty();
        all.into_iter().for_each(|reply| reply.answer(Err(error.clone())));
        any
    }

    /// When to look again without being asked.
    fn wake_at(&self) -> Option<Instant> {
        let now = Timestamp(self.clock.unix_ms());
        let due = self.replica.next_due().filter(|_| self.failed.is_none());
        let due = due.map(|due| self.clock.after(due.since(now).min(SLEEP_MAX)));
        let deadline = self.ending.as_ref().map(|(deadline, _)| *deadline);
        let recheck = self.recheck_at.filter(|_| self.replica.wants_recheck());
        let again = self.look_again.filter(|_| self.failed.is_none());
        [due, deadline, recheck, again, self.retry_at, self.follow_at].into_iter().flatten().min()
    }

    /// Whether to end, given that the mailbox is empty and was `closed` before it was looked at.
    fn is_over(&self, closed: bool) -> bool {
        let Some((deadline, _)) = &self.ending else { return closed };
        let ledger = self.replica.ledger();
        let delivered = ledger.outbox().next().is_none() || self.failed.is_some();
        ledger.bodies() == 0 && delivered || self.clock.now() >= *deadline
    }

    fn end(self) {
        let Self { shared, store, mut cluster, mut node, waits, tickets, ending, .. } = self;
        node.stop_all();
        let left = node.running();
        cluster.leave();
        // The executors go first: whoever waits for the end may free what they use.
        drop((node, store, cluster));
        // What came too late is refused before the shutdown is answered.
        shared.mailbox.end();
        drop((waits, tickets));
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

fn unavailable() -> TaskError {
    StoreError::Unavailable { reason: "it was not reached; nothing happened".into() }.into()
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
            Command::UpdateParams { params, .. } => params.len(),
            Command::Complete { result, .. } => result.len(),
            _ => 0,
        }
}

fn load(store: &mut dyn Store, config: &TaskConfig) -> Result<State, StoreError> {
    Ok(State::restore(store::decode(store.load()?)?, config.limits))
}

/// The state to begin with. If this node leads and no node that the state knows is alive, every
/// allocation is void: nobody holds it.
fn open(
    store: &mut dyn Store,
    cluster: &mut dyn Cluster,
    config: &TaskConfig,
    clock: &Clock,
    now: Timestamp,
) -> Result<State, TaskError> {
    loop {
        let stored = load(store, config)?;
        let view = cluster.view(clock.now());
        let lives = |member: &Arc<task::Member>| !view.is_gone(&member.id, member.incarnation);
        if !view.is_master || stored.members().any(lives) {
            return Ok(stored);
        }
        let command = Command::Recover { floor: AllocationId::floor(now) };
        let (state, _) = task::apply(&stored, command, now)?;
        let changes = task::diff(&stored, &state);
        if changes.is_empty() {
            return Ok(state);
        }
        match store.commit(&store::encode(&changes, &state), stored.revision()) {
            Ok(revision) => return Ok(state.committed(revision)),
            Err(StoreError::Conflict { .. } | StoreError::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

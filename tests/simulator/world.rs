//! Nodes, a store, leases and clients in virtual time, and everything that can go wrong between
//! them. What decides is the library's own code: `Replica` (with its ledger, its outbox and its
//! master's duties) and `apply`; here are only messages, timers and bodies.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use laneway::task::{
    AllocationId, Answer, Backoff, Capacity, Command, Failure, Incarnation, LeastLoaded, Member,
    NewTask, NodeId, OnFailure, Out, Phase, Policies, Proposal, Refused, Rejection, Replica,
    Revision, State, TaskId, Ticket, Timestamp, Work, broken, broken_by_step,
};

use crate::chance::Chance;

const NODES: usize = 3;
const TASKS: u64 = 5;
const LEASE: u64 = 1000;
/// A node counts on this much less.
const SAFETY: u64 = 200;
/// `no_overlap` tasks are told to stop this long before the node's own end.
const MARGIN: u64 = 300;
const ANSWER_WAIT: u64 = 150;
const FAULTS_END: u64 = 6_000;
const END: u64 = 120_000;

/// How hard the world is; each in percent.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub drop: u64,
    pub twice: u64,
    pub compacted: u64,
    pub trouble: u64,
}

impl Faults {
    pub const NONE: Self = Self { drop: 0, twice: 0, compacted: 0, trouble: 0 };
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The node's loop comes round, by itself or because it was called.
    Turn {
        node: usize,
        life: u64,
        called: bool,
    },
    /// A commit reaches the store.
    Arrives {
        node: usize,
        life: u64,
        number: u64,
    },
    /// Its answer reaches the node.
    Answered {
        node: usize,
        life: u64,
        number: u64,
        how: How,
    },
    /// The body has come to its end, or has heard that it should.
    BodyEnds {
        node: usize,
        life: u64,
        allocation: AllocationId,
    },
    /// A client sends, or sends again.
    Client {
        request: usize,
    },
    /// Something goes wrong.
    Trouble,
    Restart {
        node: usize,
    },
    Rejoin {
        node: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Committed,
    Conflict,
    Unavailable,
    Lost,
}

struct Node {
    life: u64,
    replica: Replica,
    incarnation: Option<Incarnation>,
    /// Its lease was last renewed then, as it knows.
    renewed: u64,
    paused_until: u64,
    cut_until: u64,
    /// Its time of day is off by this much.
    skew: u64,
    retry_at: u64,
    bodies: BTreeMap<AllocationId, Body>,
    turn_due: bool,
}

struct Body {
    id: TaskId,
    alone: bool,
    stopped: bool,
    done: bool,
}

struct Lease {
    incarnation: Incarnation,
    renewed: u64,
}

struct Request {
    command: Command,
    acknowledged: bool,
}

pub struct World {
    seed: u64,
    faults: Faults,
    chance: Chance,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    event_number: u64,
    nodes: Vec<Option<Node>>,
    lives: u64,
    /// Every version, from revision 0 on, and which proposal made it.
    log: Vec<(Arc<State>, (u64, u64))>,
    /// Proposals on their way, by life and number.
    flying: BTreeMap<(u64, u64), Proposal>,
    leases: BTreeMap<usize, Lease>,
    incarnations: u64,
    requests: Vec<Request>,
    /// Print what happens.
    pub tells: bool,
    pub commits: u64,
    pub events_done: u64,
}

fn name(node: usize) -> NodeId {
    NodeId::from(["a", "b", "c"][node])
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut world = Self {
            seed,
            faults,
            chance: Chance::new(seed),
            now: 0,
            events: BinaryHeap::new(),
            event_number: 0,
            nodes: (0..NODES).map(|_| None).collect(),
            lives: 0,
            log: vec![(Arc::new(State::default()), (0, 0))],
            flying: BTreeMap::new(),
            leases: BTreeMap::new(),
            incarnations: 0,
            requests: Vec::new(),
            tells: false,
            commits: 0,
            events_done: 0,
        };
        (0..NODES).for_each(|node| world.at(0, Event::Restart { node }));
        world.make_requests();
        if faults.trouble > 0 {
            world.at(50, Event::Trouble);
        }
        world
    }

    fn make_requests(&mut self) {
        for i in 0..TASKS {
            let attempts = 1 + self.chance.below(3) as u32;
            let backoff =
                Backoff { base: Duration::from_millis(20), max: Duration::from_millis(200) };
            let on_failure = match self.chance.below(4) {
                0 => OnFailure::Park,
                1 => OnFailure::Remove,
                _ => OnFailure::Reassign { attempts, backoff },
            };
            let policies = Policies {
                on_failure,
                remove_on_completion: self.chance.hits(50),
                no_overlap: self.chance.hits(50),
                ..Policies::default()
            };
            let mut task = NewTask::new(format!("t{i}"), "run").policies(policies);
            if self.chance.hits(50) {
                task = task.lane([self.chance.below(2) as u8]);
            }
            let at = self.chance.below(2000);
            self.request(at, Command::Start(task));
            let id = TaskId::from(format!("t{i}"));
            let later = at + self.chance.below(3000);
            match self.chance.below(8) {
                0 => self.request(later, Command::Remove { id }),
                1 => self.request(later, Command::Cancel { id, grace: Duration::from_secs(1) }),
                _ => {}
            }
        }
        if self.chance.hits(30) {
            let node = name(self.chance.below(NODES as u64) as usize);
            let at = self.chance.below(3000);
            self.request(at, Command::Drain { node, grace: Some(Duration::from_millis(500)) });
        }
    }

    fn request(&mut self, at: u64, command: Command) {
        self.requests.push(Request { command, acknowledged: false });
        let request = self.requests.len() - 1;
        self.at(at, Event::Client { request });
    }

    fn at(&mut self, at: u64, event: Event) {
        self.event_number += 1;
        self.events.push(Reverse((at, self.event_number, event)));
    }

    fn soon(&mut self, event: Event) {
        let at = self.now + 1 + self.chance.below(20);
        self.at(at, event);
    }

    /// Runs to the end; panics with the seed if something does not hold.
    pub fn run(&mut self) {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if self.is_over() {
                break;
            }
            assert!(
                at < END,
                "seed {}: not at rest after {END} ms: {}",
                self.seed,
                self.state_of()
            );
            self.now = at;
            self.events_done += 1;
            if self.tells {
                println!("{at:>6} {event:?}");
            }
            self.handle(event);
        }
        self.check_end();
    }

    fn has_faults(&self) -> bool {
        self.now < FAULTS_END && self.faults.trouble > 0
    }

    fn is_over(&self) -> bool {
        let at_rest = |node: &Node| {
            !node.replica.is_waiting()
                && node.bodies.is_empty()
                && node.replica.ledger().outbox().next().is_none()
        };
        let settled = |record: &Arc<laneway::task::Record>| match record.phase {
            Phase::Ended(_) => true,
            // Its policy parked it, or it waits behind one that is parked.
            Phase::Parked => true,
            Phase::Unassigned { .. } => self.is_behind_parked(record),
            _ => false,
        };
        !self.has_faults()
            && self.requests.iter().all(|request| request.acknowledged)
            && self.nodes.iter().flatten().all(at_rest)
            && self.head().records().all(settled)
    }

    fn is_behind_parked(&self, record: &laneway::task::Record) -> bool {
        let Some(lane) = &record.lane else { return false };
        self.head().records().any(|other| {
            other.lane.as_ref() == Some(lane)
                && other.sequence < record.sequence
                && matches!(other.phase, Phase::Parked)
        })
    }

    fn head(&self) -> &Arc<State> {
        &self.log.last().expect("revision 0 is there").0
    }

    fn state_of(&self) -> String {
        let records: Vec<_> = self.head().records().map(|it| (&it.id, &it.phase)).collect();
        let open: Vec<_> =
            self.requests.iter().filter(|it| !it.acknowledged).map(|it| &it.command).collect();
        let members: Vec<_> = self.head().members().collect();
        let wrong = broken(self.head());
        format!("{records:?}, {members:?}, {wrong:?}, not acknowledged: {open:?}")
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Restart { node } => self.restart(node),
            Event::Rejoin { node } => self.rejoin(node),
            Event::Turn { node, life, called } => self.turn(node, life, called),
            Event::Arrives { node, life, number } => self.arrives(node, life, number),
            Event::Answered { node, life, number, how } => self.answered(node, life, number, how),
            Event::BodyEnds { node, life, allocation } => self.body_ends(node, life, allocation),
            Event::Client { request } => self.client(request),
            Event::Trouble => self.trouble(),
        }
    }

    fn restart(&mut self, node: usize) {
        self.lives += 1;
        let view = State::clone(self.head());
        let skew = self.chance.below(400);
        let life = self.lives;
        self.nodes[node] = Some(Node {
            life,
            replica: Replica::new(name(node), view, 64),
            incarnation: None,
            renewed: self.now,
            paused_until: 0,
            cut_until: 0,
            skew,
            retry_at: 0,
            bodies: BTreeMap::new(),
            turn_due: false,
        });
        self.at(self.now, Event::Turn { node, life, called: false });
        self.rejoin(node);
    }

    /// Takes a new lease, if the cluster can be reached.
    fn rejoin(&mut self, index: usize) {
        let now = self.now;
        let Some(node) = &mut self.nodes[index] else { return };
        if node.incarnation.is_some() {
            return;
        }
        if node.cut_until > now || node.paused_until > now {
            let at = node.cut_until.max(node.paused_until) + 1;
            return self.at(at, Event::Rejoin { node: index });
        }
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        self.leases.insert(index, Lease { incarnation, renewed: now });
        let capacity = Capacity { room: 2, weight: 1 };
        node.incarnation = Some(incarnation);
        node.renewed = now;
        node.replica.present(Member::new(name(index), incarnation).offer("run", capacity));
        self.call(index);
    }

    /// The node's loop: lease, master's view, what others did, what is to be committed.
    fn turn(&mut self, index: usize, life: u64, called: bool) {
        let now = self.now;
        let Some(node) = self.nodes[index].as_mut().filter(|node| node.life == life) else {
            return;
        };
        node.turn_due &= !called;
        if node.paused_until > now {
            let at = node.paused_until;
            return self.at(at, Event::Turn { node: index, life, called });
        }
        if !called {
            let at = now + 60 + self.chance.below(20);
            self.at(at, Event::Turn { node: index, life, called });
        }
        let node = self.nodes[index].as_ref().expect("it was just there");
        let reachable = node.cut_until <= now;
        if self.check_lease(index) && reachable {
            self.lead(index);
            self.follow(index);
            self.propose(index);
        }
    }

    /// What a node does before anything else: it looks at its lease. False if that ended it.
    fn check_lease(&mut self, index: usize) -> bool {
        let now = self.now;
        let mut outs = Vec::new();
        let node = self.nodes[index].as_mut().expect("it lives");
        let (life, reachable) = (node.life, node.cut_until <= now);
        if reachable {
            self.leases.retain(|_, lease| now - lease.renewed < LEASE);
        }
        if let Some(incarnation) = node.incarnation {
            let held = self.leases.get(&index).is_some_and(|it| it.incarnation == incarnation);
            let until = node.renewed + LEASE - SAFETY;
            let lost = now >= until || reachable && !held;
            if lost {
                outs.extend(node.replica.lease(None, Duration::ZERO));
                node.incarnation = None;
                self.at(now + 5, Event::Rejoin { node: index });
            } else if reachable {
                node.renewed = now;
                self.leases.get_mut(&index).expect("it is held").renewed = now;
            } else {
                let left = Duration::from_millis(until - now);
                outs.extend(node.replica.lease(Some(left), Duration::from_millis(MARGIN)));
            }
        }
        self.perform(index, outs);
        self.nodes[index].as_ref().is_some_and(|node| node.life == life)
    }

    fn lead(&mut self, index: usize) {
        let oldest = self.leases.values().map(|lease| lease.incarnation).min();
        let horizon = self.incarnations;
        let head = self.head().clone();
        let alive = |node: &NodeId, incarnation: Incarnation| {
            self.leases
                .iter()
                .any(|(it, lease)| name(*it) == *node && lease.incarnation == incarnation)
        };
        let view = self.nodes[index].as_ref().expect("it lives").replica.view().clone();
        let gone: Vec<_> = (view.members().chain(head.members()))
            .map(|member| (member.id.clone(), member.incarnation))
            .filter(|(node, incarnation)| incarnation.0 <= horizon && !alive(node, *incarnation))
            .collect();
        let node = self.nodes[index].as_mut().expect("it lives");
        let leads = node.incarnation.is_some() && node.incarnation == oldest;
        node.replica.lead(leads, gone);
    }

    /// Reads what was committed since; now and then it was forgotten, and the whole is read.
    fn follow(&mut self, index: usize) {
        let compacted = self.has_faults() && self.chance.hits(self.faults.compacted);
        let node = self.nodes[index].as_mut().expect("it lives");
        let Revision(after) = node.replica.revision();
        let newer = &self.log[after as usize + 1..];
        let mine = |(_, by): &(Arc<State>, (u64, u64))| (by.0 == node.life).then_some(by.1);
        let mine: Vec<u64> =
            if compacted { Vec::new() } else { newer.iter().filter_map(mine).collect() };
        let waits = node.replica.is_waiting();
        let under_way = self.flying.keys().any(|(life, _)| *life == node.life);
        if newer.is_empty() && !waits || waits && under_way && mine.is_empty() {
            return; // nothing new, or its own answer is still to come
        }
        let view = State::clone(self.head());
        let mut outs = Vec::new();
        let node = self.nodes[index].as_mut().expect("it lives");
        let lost = self.flying.keys().filter(|(life, _)| *life == node.life).copied();
        for key in lost.collect::<Vec<_>>() {
            self.flying.remove(&key);
        }
        node.replica.followed(view, &mine, &mut outs);
        self.perform(index, outs);
    }

    fn propose(&mut self, index: usize) {
        let now = self.now;
        let node = self.nodes[index].as_mut().expect("it lives");
        if node.retry_at > now {
            return;
        }
        let time = Timestamp(now + node.skew);
        let (mut outs, mut placing) = (Vec::new(), LeastLoaded { seed: self.chance.next() });
        let node = self.nodes[index].as_mut().expect("it lives");
        let proposal = node.replica.propose(time, &mut placing, &mut outs);
        let life = node.life;
        if let Some(proposal) = proposal {
            let number = proposal.number;
            self.flying.insert((life, number), proposal);
            let arrives = Event::Arrives { node: index, life, number };
            if !self.goes_wrong(self.faults.drop) {
                self.soon(arrives.clone());
            }
            if self.goes_wrong(self.faults.twice) {
                self.soon(arrives);
            }
            let how = How::Lost;
            self.at(now + ANSWER_WAIT, Event::Answered { node: index, life, number, how });
        }
        self.perform(index, outs);
    }

    fn goes_wrong(&mut self, percent: u64) -> bool {
        self.has_faults() && self.chance.hits(percent)
    }

    fn arrives(&mut self, node: usize, life: u64, number: u64) {
        let made = self.log.iter().rev().take(64).any(|(_, by)| *by == (life, number));
        let Some(proposal) = self.flying.get(&(life, number)) else {
            return; // given up by its node, or a second copy
        };
        let (base, next) = (proposal.base.revision(), proposal.next.clone());
        let how = if made {
            How::Committed
        } else if self.goes_wrong(self.faults.drop) {
            How::Unavailable
        } else if base == self.head().revision() {
            self.check_commit(&next);
            self.log.push((next, (life, number)));
            self.commits += 1;
            (0..NODES).for_each(|other| self.call(other));
            How::Committed
        } else {
            How::Conflict
        };
        if !self.goes_wrong(self.faults.drop) {
            self.soon(Event::Answered { node, life, number, how });
        }
    }

    /// Lets a node's loop come round soon.
    fn call(&mut self, index: usize) {
        let Some(node) = self.nodes[index].as_mut().filter(|node| !node.turn_due) else { return };
        node.turn_due = true;
        let life = node.life;
        self.soon(Event::Turn { node: index, life, called: true });
    }

    fn answered(&mut self, index: usize, life: u64, number: u64, how: How) {
        let now = self.now;
        let Some(node) = self.nodes[index].as_mut().filter(|node| node.life == life) else {
            return;
        };
        if node.paused_until > now {
            let at = node.paused_until;
            return self.at(at, Event::Answered { node: index, life, number, how });
        }
        if self.flying.remove(&(life, number)).is_none() {
            return;
        }
        if !self.check_lease(index) {
            return;
        }
        let node = self.nodes[index].as_mut().expect("it lives");
        let mut outs = Vec::new();
        match how {
            How::Committed if node.cut_until <= now => node.replica.committed(number, &mut outs),
            How::Conflict => node.replica.refused(number, Refused::Conflict, &mut outs),
            How::Unavailable => {
                node.retry_at = now + 30;
                node.replica.refused(number, Refused::Unavailable, &mut outs);
            }
            How::Committed | How::Lost => node.replica.refused(number, Refused::Unknown, &mut outs),
        }
        self.perform(index, outs);
        self.call(index);
    }

    fn perform(&mut self, index: usize, outs: Vec<Out>) {
        for out in outs {
            if self.tells {
                println!("{:>6} node {index}: {out:?}", self.now);
            }
            match out {
                Out::Work(Work::Begin(record)) => self.begin(index, &record),
                Out::Work(Work::Stop(allocation, _)) => self.stop(index, allocation),
                Out::Work(Work::Overrun(allocation, _)) => {
                    // The process ends: whatever runs there stops now.
                    let _ = allocation;
                    return self.crash(index);
                }
                Out::Answer(ticket, answer) => self.told(ticket, answer),
                Out::Ended(_) => {}
            }
        }
    }

    fn begin(&mut self, index: usize, record: &Arc<laneway::task::Record>) {
        let seed = self.seed;
        let node = self.nodes[index].as_ref().expect("it lives");
        let here = node.bodies.values().any(|body| body.id == record.id);
        assert!(!here, "seed {seed}: {} runs twice on one node", record.id);
        let alone = record.policies.no_overlap;
        if alone {
            for (other, node) in self.nodes.iter().enumerate() {
                let Some(node) = node.as_ref().filter(|node| node.paused_until < self.now) else {
                    continue;
                };
                let there = node.bodies.values().any(|body| body.id == record.id && !body.done);
                assert!(!there, "seed {seed}: {} runs on {other} and {index}", record.id);
            }
        }
        let body = Body { id: record.id.clone(), alone, stopped: false, done: false };
        let node = self.nodes[index].as_mut().expect("it lives");
        node.bodies.insert(record.allocation, body);
        let life = node.life;
        let at = self.now + self.chance.below(400);
        self.at(at, Event::BodyEnds { node: index, life, allocation: record.allocation });
    }

    fn stop(&mut self, index: usize, allocation: AllocationId) {
        let node = self.nodes[index].as_mut().expect("it lives");
        let life = node.life;
        let Some(body) = node.bodies.get_mut(&allocation) else { return };
        body.stopped = true;
        // One that must not overlap keeps its word.
        let takes =
            if body.alone { self.chance.below(MARGIN - 100) } else { self.chance.below(600) };
        let at = self.now + takes;
        self.at(at, Event::BodyEnds { node: index, life, allocation });
    }

    fn body_ends(&mut self, index: usize, life: u64, allocation: AllocationId) {
        let now = self.now;
        let Some(node) = self.nodes[index].as_mut().filter(|node| node.life == life) else {
            return;
        };
        if node.paused_until > now {
            let at = node.paused_until + 1;
            return self.at(at, Event::BodyEnds { node: index, life, allocation });
        }
        if !self.check_lease(index) {
            return;
        }
        let node = self.nodes[index].as_mut().expect("it lives");
        let Some(body) = node.bodies.get_mut(&allocation).filter(|body| !body.done) else { return };
        body.done = true;
        let id = body.id.clone();
        let command = match (body.stopped, self.chance.below(10)) {
            (true, _) => Command::Unassign { id: id.clone(), allocation },
            (false, 0) => {
                Command::Fail { id: id.clone(), allocation, failure: Failure::start("start") }
            }
            (false, 1) => {
                Command::Fail { id: id.clone(), allocation, failure: Failure::run("run") }
            }
            (false, _) => Command::Complete { id: id.clone(), allocation, result: [1].into() },
        };
        let node = self.nodes[index].as_mut().expect("it lives");
        node.replica.reported(Ticket(u64::MAX), &id, allocation, command);
        node.bodies.remove(&allocation);
        let outs = node.replica.gone(&id, allocation);
        self.perform(index, outs);
        self.call(index);
    }

    /// A client asks some node, and asks again until it is answered.
    fn client(&mut self, request: usize) {
        if self.requests[request].acknowledged {
            return;
        }
        let start = match &self.requests[request].command {
            // About a task whose start is not acknowledged there is nothing to ask yet.
            Command::Remove { id } | Command::Cancel { id, .. } => {
                let of = |it: &Request| matches!(&it.command, Command::Start(new) if new.id == *id);
                self.requests.iter().any(|it| of(it) && it.acknowledged)
            }
            _ => true,
        };
        let index = self.chance.below(NODES as u64) as usize;
        let reachable = self.nodes[index].as_ref().is_some_and(|it| it.paused_until <= self.now);
        if start && reachable {
            let command = self.requests[request].command.clone();
            let node = self.nodes[index].as_mut().expect("it lives");
            node.replica.submit(Ticket(request as u64), command);
            self.call(index);
        }
        let at = self.now + 400 + self.chance.below(400);
        self.at(at, Event::Client { request });
    }

    fn told(&mut self, ticket: Ticket, answer: Option<Result<Answer, Rejection>>) {
        let Some(request) = self.requests.get_mut(ticket.0 as usize) else { return };
        let done = match (&request.command, &answer) {
            (_, None) => false,
            (_, Some(Ok(_))) => true,
            (Command::Drain { .. }, Some(Err(Rejection::NodeGone { .. }))) => true,
            // Its tombstone may be over by the time a client asks again.
            (Command::Remove { .. } | Command::Cancel { .. }, Some(Err(_))) => true,
            (Command::Start(_), Some(Err(error))) => {
                panic!("seed {}: a start is refused: {error:?}", self.seed)
            }
            (_, Some(Err(_))) => true,
        };
        if done && !request.acknowledged {
            request.acknowledged = true;
            let command = request.command.clone();
            self.check_acknowledged(&command);
        }
    }

    fn check_acknowledged(&self, command: &Command) {
        let (seed, head) = (self.seed, self.head());
        let knows =
            |id: &TaskId| head.get(id.as_str()).is_some() || head.tombstone(id.as_str()).is_some();
        match command {
            Command::Start(task) => {
                assert!(knows(&task.id), "seed {seed}: {} was acknowledged and is lost", task.id);
            }
            Command::Remove { id } => {
                assert!(head.get(id.as_str()).is_none(), "seed {seed}: {id} was removed");
            }
            _ => {}
        }
    }

    fn check_commit(&self, next: &State) {
        let before = self.head();
        assert_eq!(broken_by_step(before, next), [], "seed {}", self.seed);
        // The whole is looked at now and then: an index that is wrong once stays wrong.
        if self.commits.is_multiple_of(8) {
            assert_eq!(broken(next), [], "seed {}", self.seed);
        }
    }

    fn check_end(&self) {
        assert!(
            self.is_over(),
            "seed {}: nothing happens any more: {}",
            self.seed,
            self.state_of()
        );
        assert_eq!(broken(self.head()), [], "seed {}", self.seed);
        for request in &self.requests {
            let Command::Start(task) = &request.command else { continue };
            let head = self.head();
            let record = head.get(task.id.as_str());
            assert!(
                record.is_some() || head.tombstone(task.id.as_str()).is_some(),
                "seed {}: {} is lost",
                self.seed,
                task.id
            );
        }
    }

    fn crash(&mut self, index: usize) {
        self.nodes[index] = None;
        let at = self.now + 50 + self.chance.below(2500);
        self.at(at, Event::Restart { node: index });
    }

    fn trouble(&mut self) {
        if !self.has_faults() {
            return self.heal();
        }
        if self.chance.hits(self.faults.trouble) {
            let index = self.chance.below(NODES as u64) as usize;
            let length = self.chance.below(2500);
            let until = self.now + length;
            if self.tells {
                println!("{:>6} trouble for {index} until {until}", self.now);
            }
            match (self.chance.below(4), &mut self.nodes[index]) {
                (0, Some(_)) => self.crash(index),
                (1, Some(node)) => node.paused_until = node.paused_until.max(until),
                (2 | 3, Some(node)) => node.cut_until = node.cut_until.max(until),
                _ => {}
            }
        }
        let at = self.now + 50 + self.chance.below(400);
        self.at(at, Event::Trouble);
    }

    fn heal(&mut self) {
        let now = self.now;
        for node in self.nodes.iter_mut().flatten() {
            node.cut_until = node.cut_until.min(now);
        }
    }
}

//! Every order of events of a small cluster: two nodes, two tasks, a lost lease, a lost answer.
//!
//! The transition functions are the library's own ([`Replica`], `apply`); this only chooses what happens
//! next, in every possible way, and remembers where it has been. Checked: the invariants of the state at
//! every commit, that a task never runs twice on one node, that no acknowledged start is lost, and, from
//! every state that is reached, that both tasks end once nothing goes wrong any more.
//!
//! `LANEWAY_STATES=1000000` looks at that many states; the number that was looked at is printed.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use laneway::task::{
    AllocationId, Capacity, Command, Incarnation, LeastLoaded, Member, NewTask, NodeId, Out,
    Proposal, Refused, Replica, Revision, State, TaskId, Ticket, Timestamp, Work, broken,
    broken_by_step,
};

const NOW: Timestamp = Timestamp(0);
const TASKS: [&str; 2] = ["t", "u"];

#[derive(Clone, Debug)]
struct Node {
    replica: Replica,
    incarnation: Option<Incarnation>,
    flight: Option<Proposal>,
    bodies: BTreeMap<AllocationId, TaskId>,
}

/// What may happen next, each to one of the nodes.
#[derive(Clone, Copy, Debug)]
enum Event {
    Propose,
    /// The proposal reaches the store, and its answer the node.
    Commit,
    /// The proposal reaches the store, and its answer is lost.
    CommitLost,
    Follow,
    BodyEnds,
    /// The lease ends; the node has not heard of it.
    Expire,
    /// The node hears that its lease is lost, and begins a new life.
    Hear,
}

const EVENTS: [Event; 7] = [
    Event::Propose,
    Event::Commit,
    Event::CommitLost,
    Event::Follow,
    Event::BodyEnds,
    Event::Expire,
    Event::Hear,
];

#[derive(Clone, Debug)]
struct World {
    log: Vec<(Arc<State>, (usize, u64))>,
    nodes: [Node; 2],
    leases: [Option<Incarnation>; 2],
    incarnations: u64,
    expiries_left: u32,
    losses_left: u32,
    acknowledged: BTreeSet<u64>,
}

fn name(node: usize) -> NodeId {
    NodeId::from(["a", "b"][node])
}

impl World {
    fn new() -> Self {
        let node = |index: usize| Node {
            replica: Replica::new(name(index), State::default(), 8),
            incarnation: None,
            flight: None,
            bodies: BTreeMap::new(),
        };
        let mut world = Self {
            log: vec![(Arc::default(), (0, 0))],
            nodes: [node(0), node(1)],
            leases: [None; 2],
            incarnations: 0,
            expiries_left: 1,
            losses_left: 1,
            acknowledged: BTreeSet::new(),
        };
        (0..2).for_each(|index| world.join(index));
        for (number, id) in TASKS.iter().enumerate() {
            let start = Command::Start(NewTask::new(*id, "run").lane(*b"one"));
            world.nodes[number].replica.submit(Ticket(number as u64), start);
        }
        world
    }

    fn head(&self) -> &Arc<State> {
        &self.log.last().expect("revision 0 is there").0
    }

    fn join(&mut self, index: usize) {
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        self.leases[index] = Some(incarnation);
        let member = Member::new(name(index), incarnation).offer("run", Capacity::default());
        self.nodes[index].incarnation = Some(incarnation);
        self.nodes[index].replica.present(member);
    }

    /// The world after `event` at `index`; `None` if it cannot happen now.
    fn after(&self, index: usize, event: Event) -> Option<Self> {
        let mut next = self.clone();
        next.happen(index, event).then_some(next)
    }

    fn happen(&mut self, index: usize, event: Event) -> bool {
        match event {
            Event::Propose => self.propose(index),
            Event::Commit => self.commit(index, false),
            Event::CommitLost => self.losses_left > 0 && self.commit(index, true),
            Event::Follow => self.follow(index),
            Event::BodyEnds => self.body_ends(index),
            Event::Expire => {
                let may = self.expiries_left > 0 && self.leases[index].take().is_some();
                self.expiries_left -= u32::from(may);
                may
            }
            Event::Hear => {
                let node = &mut self.nodes[index];
                if node.incarnation == self.leases[index] && node.incarnation.is_some() {
                    return false;
                }
                let outs = node.replica.lease(None, Duration::ZERO);
                self.perform(index, outs);
                self.join(index);
                true
            }
        }
    }

    fn propose(&mut self, index: usize) -> bool {
        let oldest = self.leases.iter().flatten().min().copied();
        let leases = self.leases;
        let alive = |member: &Arc<Member>| {
            (0..2).any(|it| name(it) == member.id && leases[it] == Some(member.incarnation))
        };
        let node = &mut self.nodes[index];
        let gone = (node.replica.view().members().filter(|it| !alive(it)))
            .map(|member| (member.id.clone(), member.incarnation))
            .collect();
        node.replica.lead(node.incarnation.is_some() && node.incarnation == oldest, gone);
        let mut outs = Vec::new();
        let proposal = node.replica.propose(NOW, &mut LeastLoaded::default(), &mut outs);
        let any = proposal.is_some() || !outs.is_empty();
        node.flight = proposal.or(node.flight.take());
        self.perform(index, outs);
        any
    }

    fn commit(&mut self, index: usize, lost: bool) -> bool {
        let Some(proposal) = self.nodes[index].flight.take() else { return false };
        let fits = proposal.base.revision() == self.head().revision();
        if fits {
            assert_eq!(broken_by_step(self.head(), &proposal.next), []);
            assert_eq!(broken(&proposal.next), []);
            self.log.push((proposal.next.clone(), (index, proposal.number)));
        }
        self.losses_left -= u32::from(lost);
        let (replica, mut outs) = (&mut self.nodes[index].replica, Vec::new());
        match (lost, fits) {
            (true, _) => replica.refused(proposal.number, Refused::Unknown, &mut outs),
            (false, true) => replica.committed(proposal.number, &mut outs),
            (false, false) => replica.refused(proposal.number, Refused::Conflict, &mut outs),
        }
        self.perform(index, outs);
        true
    }

    fn follow(&mut self, index: usize) -> bool {
        let node = &self.nodes[index];
        let Revision(after) = node.replica.revision();
        let newer = &self.log[after as usize + 1..];
        let settling = node.replica.is_waiting() && node.flight.is_none();
        if newer.is_empty() && !settling || node.flight.is_some() {
            return false;
        }
        let own = newer.iter().filter(|(_, by)| by.0 == index);
        let mine: Vec<u64> = own.map(|(_, by)| by.1).collect();
        let (view, mut outs) = (State::clone(self.head()), Vec::new());
        self.nodes[index].replica.followed(view, &mine, &mut outs);
        self.perform(index, outs);
        true
    }

    fn body_ends(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        let Some((allocation, id)) = node.bodies.pop_first() else { return false };
        let complete = Command::Complete { id: id.clone(), allocation, result: [].into() };
        node.replica.reported(Ticket(99), &id, allocation, complete);
        let outs = node.replica.gone(&id, allocation);
        self.perform(index, outs);
        true
    }

    fn perform(&mut self, index: usize, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Work(Work::Begin(record)) => {
                    let bodies = &mut self.nodes[index].bodies;
                    assert!(bodies.values().all(|id| *id != record.id), "twice on one node");
                    bodies.insert(record.allocation, record.id.clone());
                }
                Out::Answer(Ticket(number), Some(Ok(_))) if number < 2 => {
                    let (id, head) = (TASKS[number as usize], self.head());
                    assert!(head.get(id).is_some() || head.tombstone(id).is_some(), "{id} is lost");
                    self.acknowledged.insert(number);
                }
                _ => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.acknowledged.len() == 2
            && TASKS.iter().all(|id| self.head().tombstone(id).is_some())
            && self.nodes.iter().all(|node| node.bodies.is_empty())
    }

    /// Whether everything ends from here if nothing goes wrong any more.
    fn comes_to_its_end(&self) -> bool {
        let mut world = self.clone();
        let calm = [Event::Hear, Event::Commit, Event::Follow, Event::Propose, Event::BodyEnds];
        for round in 0..400 {
            if world.is_over() {
                return true;
            }
            world.happen(round % 2, calm[(round / 2) % calm.len()]);
        }
        false
    }

    /// What tells one world from another, as far as the future goes.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let last: Vec<_> = self.log.iter().map(|(_, by)| by).collect();
        let head = (self.head(), last, &self.nodes, &self.leases, self.expiries_left);
        format!("{head:?}{}{:?}", self.losses_left, self.acknowledged).hash(&mut hasher);
        hasher.finish()
    }
}

#[test]
fn every_order_of_events_keeps_the_promises() {
    let most = std::env::var("LANEWAY_STATES").ok().and_then(|it| it.parse().ok());
    let most: usize = most.unwrap_or(1_000);
    let first = World::new();
    let mut seen = HashSet::from([first.digest()]);
    let mut ahead = VecDeque::from([first]);
    let (mut looked_at, mut steps) = (0, 0);
    // From both ends: the near states and deep ones, also if not all of them are looked at.
    while let Some(world) = if looked_at % 2 == 0 { ahead.pop_front() } else { ahead.pop_back() } {
        assert!(world.comes_to_its_end(), "stuck: {world:#?}");
        looked_at += 1;
        if seen.len() >= most {
            continue;
        }
        for index in 0..2 {
            for event in EVENTS {
                let Some(next) = world.after(index, event) else { continue };
                steps += 1;
                if seen.insert(next.digest()) {
                    ahead.push_back(next);
                }
            }
        }
    }
    let all = if seen.len() < most { "all" } else { "the first" };
    println!("{all} {looked_at} states, {steps} steps");
}

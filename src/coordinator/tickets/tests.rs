//! Every interleaving of small sets of jobs over several keys, with jobs of one key between them.

use std::collections::{HashSet, VecDeque};

use super::*;

type Key = u8;

/// What waits in a lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Item {
    /// A job of this key only.
    Single,
    /// The part of the job with this index.
    Part(usize),
}

/// Where a job over several keys is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// Not submitted.
    Outside,
    Waiting,
    Started,
    Ended,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    tickets: Tickets<Key>,
    lanes: Vec<VecDeque<Item>>,
    /// Lanes that will get a turn.
    awake: Vec<bool>,
    places: Vec<Place>,
    numbers: Vec<Number>,
    /// For each job the keys whose lanes it has yet to enter.
    to_enter: Vec<Vec<Key>>,
    /// Single jobs that were not submitted, per key.
    singles: Vec<u8>,
}

struct Setup {
    jobs: Vec<Vec<Key>>,
    keys: usize,
    singles: u8,
    cancels: bool,
}

impl World {
    fn new(setup: &Setup) -> Self {
        Self {
            tickets: Tickets::new(),
            lanes: vec![VecDeque::new(); setup.keys],
            awake: vec![false; setup.keys],
            places: vec![Place::Outside; setup.jobs.len()],
            numbers: vec![0; setup.jobs.len()],
            to_enter: setup.jobs.clone(),
            singles: vec![setup.singles; setup.keys],
        }
    }

    fn enter(&mut self, key: Key, item: Item) {
        let lane = &mut self.lanes[usize::from(key)];
        lane.push_back(item);
        // A lane that gets its first job gets a turn; otherwise its head has one or waits.
        if lane.len() == 1 {
            self.awake[usize::from(key)] = true;
        }
    }

    fn job(&self, number: Number) -> usize {
        self.numbers.iter().position(|n| *n == number).expect("a number that was drawn")
    }

    fn end(&mut self, job: usize) {
        self.places[job] = Place::Ended;
        for key in self.tickets.end(self.numbers[job]) {
            let key = usize::from(key);
            self.awake[key] |= !self.lanes[key].is_empty();
        }
    }

    /// One turn of the head of a lane, as `multi.rs` does it.
    fn turn(&mut self, key: Key) {
        let lane = usize::from(key);
        match *self.lanes[lane].front().expect("a lane that is awake has jobs") {
            Item::Single => {
                self.lanes[lane].pop_front();
            }
            Item::Part(job) => {
                self.tickets.arrive(&key, self.numbers[job]);
                match self.tickets.due(&key) {
                    Due::Start(number) => {
                        let started = self.job(number);
                        assert_eq!(self.places[started], Place::Waiting);
                        self.tickets.start(number);
                        self.places[started] = Place::Started;
                        self.awake[lane] = false;
                    }
                    Due::Wait => self.awake[lane] = false,
                    Due::Leave => {
                        assert_eq!(self.places[job], Place::Ended, "a part waits for its job");
                        self.lanes[lane].pop_front();
                    }
                }
            }
        }
        self.awake[lane] &= !self.lanes[lane].is_empty();
    }

    fn successors(&self, setup: &Setup) -> Vec<Self> {
        let mut next = Vec::new();
        let mut also = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            next.push(world);
        };
        for (job, keys) in setup.jobs.iter().enumerate() {
            match self.places[job] {
                Place::Outside => also(&|world| {
                    world.numbers[job] = world.tickets.draw(keys.clone());
                    world.places[job] = Place::Waiting;
                }),
                Place::Started => also(&|world| world.end(job)),
                Place::Waiting if setup.cancels => also(&|world| world.end(job)),
                Place::Waiting | Place::Ended => {}
            }
            if self.places[job] != Place::Outside
                && let Some(&key) = self.to_enter[job].first()
            {
                also(&|world| {
                    world.to_enter[job].remove(0);
                    world.enter(key, Item::Part(job));
                });
            }
        }
        for key in 0..setup.keys {
            if self.singles[key] > 0 {
                also(&|world| {
                    world.singles[key] -= 1;
                    world.enter(key as Key, Item::Single);
                });
            }
            if self.awake[key] {
                also(&|world| world.turn(key as Key));
            }
        }
        next
    }

    fn check(&self, setup: &Setup) {
        for key in 0..setup.keys as Key {
            let holders = setup.jobs.iter().zip(&self.places);
            let holders =
                holders.filter(|(k, place)| k.contains(&key) && **place == Place::Started);
            assert!(holders.count() <= 1, "two jobs hold key {key}: {self:?}");
        }
    }
}

/// The number of states.
fn explore(setup: &Setup) -> usize {
    let mut seen = HashSet::from([World::new(setup)]);
    let mut left = vec![World::new(setup)];
    while let Some(world) = left.pop() {
        world.check(setup);
        let next = world.successors(setup);
        if next.is_empty() {
            let done = world.places.iter().all(|place| *place == Place::Ended);
            assert!(done && world.lanes.iter().all(VecDeque::is_empty), "stuck: {world:?}");
            assert!(world.tickets.is_empty(), "something was kept: {world:?}");
        }
        if cfg!(miri) && seen.len() > 200 {
            return usize::MAX; // what Miri looks for, it has seen
        }
        left.extend(next.into_iter().filter(|world| seen.insert(world.clone())));
    }
    seen.len()
}

#[test]
fn two_jobs_over_the_same_keys_in_opposite_orders_never_deadlock() {
    let jobs = vec![vec![0, 1], vec![1, 0]];
    let states = explore(&Setup { jobs, keys: 2, singles: 1, cancels: true });
    assert!(states > 1_000, "{states} states");
}

#[test]
fn a_circle_of_three_jobs_never_deadlocks() {
    let jobs = vec![vec![0, 1], vec![1, 2], vec![2, 0]];
    let states = explore(&Setup { jobs, keys: 3, singles: 0, cancels: true });
    assert!(states > 10_000, "{states} states");
}

#[test]
fn a_wide_job_among_narrow_ones_never_deadlocks() {
    let jobs = vec![vec![0, 1, 2], vec![2, 1], vec![1, 0]];
    let states = explore(&Setup { jobs, keys: 3, singles: 0, cancels: false });
    assert!(states > 1_000, "{states} states");
}

#[test]
fn a_lower_ticket_starts_from_the_part_of_a_higher_one() {
    let mut tickets = Tickets::new();
    let (low, high) = (tickets.draw(vec!['a', 'b']), tickets.draw(vec!['b', 'a']));
    tickets.arrive(&'a', high);
    assert_eq!(tickets.due(&'a'), Due::Wait);
    assert_eq!(tickets.missing(&'a'), ['b']);
    tickets.arrive(&'b', high);
    assert_eq!(tickets.due(&'b'), Due::Start(low));
    tickets.start(low);
    assert_eq!(tickets.holder(&'a'), Some(low));
    assert_eq!(tickets.due(&'a'), Due::Wait);
    assert_eq!(tickets.end(low), ['a', 'b']);
    assert_eq!(tickets.due(&'a'), Due::Start(high));
}

//! Which job over several keys may start: plain data, no locks, no threads.
//!
//! Such a job has a *ticket*, drawn before it enters its first lane, and in the lane of each of its
//! keys a *part*. A part at the head of its lane stops the lane: the key is free for the job, and for
//! every job over several keys with a lower ticket that has not started. That is the order:
//!
//! ```text
//!   a part with ticket t at the head   ⇒  the key is free for the waiting tickets <= t, lowest first
//!   a job starts  ⇔  every key of it is free for it, and it is the lowest that waits for each
//!   a job ends    ⇒  its keys are free again; a part whose own job has ended leaves
//! ```
//!
//! No deadlock: the lowest waiting ticket is the lowest at each of its keys, and each of its lanes
//! comes, when what is before it has ended, to a part that frees the key for it. No job of one key
//! is overtaken by a later one: a job that starts from another's part was being submitted when that
//! part entered the lane.
//!
//! Shown by exploring every interleaving of small sets of jobs, cancels included (`tickets/tests.rs`).

use std::collections::{BTreeMap, BTreeSet};

/// The number of a job over several keys; lower goes first.
pub(crate) type Number = u64;

/// See the page.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tickets<K> {
    next: Number,
    /// The keys of the jobs that have not ended.
    jobs: BTreeMap<Number, Vec<K>>,
    lanes: BTreeMap<K, Lane>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Lane {
    /// Jobs that have not started.
    waiting: BTreeSet<Number>,
    /// The part at the head.
    part: Option<Number>,
    /// The job that has started and holds the key.
    holder: Option<Number>,
}

/// What a part at the head of its lane does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Due {
    /// Starts this job, here.
    Start(Number),
    /// Keeps the head: a job holds the key, or one waits for another key.
    Wait,
    /// Leaves the lane: its job has ended.
    Leave,
}

impl<K: Ord + Clone> Tickets<K> {
    pub(crate) fn new() -> Self {
        Self { next: 1, jobs: BTreeMap::new(), lanes: BTreeMap::new() }
    }

    /// A ticket for a job over `keys`, which are all different.
    pub(crate) fn draw(&mut self, keys: Vec<K>) -> Number {
        let number = self.next;
        self.next += 1;
        for key in &keys {
            self.lanes.entry(key.clone()).or_default().waiting.insert(number);
        }
        self.jobs.insert(number, keys);
        number
    }

    /// The part of the job `number` is at the head of the lane of `key`.
    pub(crate) fn arrive(&mut self, key: &K, number: Number) {
        self.lanes.entry(key.clone()).or_default().part = Some(number);
    }

    /// What the part at the head of the lane of `key` does. [`Due::Leave`] is final.
    pub(crate) fn due(&mut self, key: &K) -> Due {
        let Some(lane) = self.lanes.get(key) else { return Due::Leave };
        if lane.holder.is_some() {
            return Due::Wait;
        }
        match lane.waiting.first().copied() {
            Some(first) if Some(first) <= lane.part => match self.is_ready(first) {
                true => Due::Start(first),
                false => Due::Wait,
            },
            _ => {
                self.depart(key);
                Due::Leave
            }
        }
    }

    /// The part at the head of the lane of `key` is gone.
    pub(crate) fn depart(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.part = None;
        }
        self.forget(key);
    }

    fn is_ready(&self, number: Number) -> bool {
        self.jobs[&number].iter().all(|key| {
            let lane = &self.lanes[key];
            lane.holder.is_none()
                && lane.waiting.first() == Some(&number)
                && lane.part >= Some(number)
        })
    }

    /// The job starts: it holds its keys.
    pub(crate) fn start(&mut self, number: Number) {
        for key in &self.jobs[&number] {
            let lane = self.lanes.get_mut(key).expect("a lane with a job is known");
            lane.waiting.remove(&number);
            lane.holder = Some(number);
        }
    }

    /// The job has ended, from whatever state. Its keys, whose parts have to look again.
    pub(crate) fn end(&mut self, number: Number) -> Vec<K> {
        let keys = self.jobs.remove(&number).unwrap_or_default();
        for key in &keys {
            let lane = self.lanes.get_mut(key).expect("a lane with a job is known");
            lane.waiting.remove(&number);
            lane.holder = lane.holder.filter(|holder| *holder != number);
            self.forget(key);
        }
        keys
    }

    /// The keys of a job that has not ended.
    pub(crate) fn keys(&self, number: Number) -> &[K] {
        self.jobs.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The job that holds `key`.
    pub(crate) fn holder(&self, key: &K) -> Option<Number> {
        self.lanes.get(key)?.holder
    }

    /// The keys that the job at the head of the lane of `key` waits for.
    pub(crate) fn missing(&self, key: &K) -> Vec<K> {
        let Some(first) = self.lanes.get(key).and_then(|lane| lane.waiting.first()) else {
            return Vec::new();
        };
        let free = |key: &&K| {
            let lane = &self.lanes[*key];
            lane.holder.is_none()
                && lane.waiting.first() == Some(first)
                && lane.part >= Some(*first)
        };
        self.keys(*first).iter().filter(|key| !free(key)).cloned().collect()
    }

    fn forget(&mut self, key: &K) {
        if self.lanes.get(key).is_some_and(|lane| *lane == Lane::default()) {
            self.lanes.remove(key);
        }
    }

    /// True if nothing is known of any job or lane.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests;

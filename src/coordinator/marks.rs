//! Marks on keys: paused, held, being cancelled. They decide whether a job may take its first turn.
//!
//! ```text
//!   first turn ──► pass ──► Go       no mark covers the key, or a step was granted
//!                       ├─► Wait     paused or held: the job keeps the head and is woken by `resume`
//!                       ├─► Cancel   the key is being cancelled: the job ends without a start
//!                       └─► Lose     paused or held, and nobody can end that any more
//! ```
//!
//! A job that waits here has not started, so its lane's order is kept and nothing of it runs. While
//! no mark is set a turn pays for one load: the keys are dealt into 64 groups, and a bit says
//! whether a group has a mark. Only turns of a marked group come to the table and its lock, which
//! is held for a look-up and never over user code.
//!
//! A cancel is a mark, too. It is set before a *fence* is sent into the lane of the key, behind all
//! jobs that were submitted before the cancel, and taken off when the fence gets its turn. So
//! exactly those jobs find it: the ones that have not started end, the one that has is told.
//!
//! Invariant: a head that waits is in the table, or has been woken; the table is asked again at
//! every turn. So a mark that is taken off never leaves a lane behind.

use std::collections::HashMap;
use std::mem;

use parking_lot::Mutex;

use super::entry::Entry;
use super::keys::Keys;
use crate::lane::{Key, LaneRef};
use crate::sync::{AtomicU64, Ordering};

/// Why a lane is held; see [`OnFailure::Hold`](super::OnFailure::Hold) and
/// [`OnDoubleFault::Quarantine`](super::OnDoubleFault::Quarantine).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Failure,
    Quarantine,
}

/// Whether a job may take its first turn.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Go,
    Wait,
    Cancel,
    Lose,
}

impl Pass {
    /// The same for a job that a mark has let through before: it is not kept back again.
    pub(crate) fn of_one_let_through(self) -> Self {
        if self == Self::Wait { Self::Go } else { self }
    }
}

/// Groups of keys; a bit of a word each.
const GROUPS: usize = 64;

/// What marks a key, for whoever asks why nothing happens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) paused_by: Vec<Keys>,
    pub(crate) held: Option<Hold>,
}

/// See the page.
pub(crate) struct Marks {
    /// A bit for each group of keys that has a mark.
    groups: AtomicU64,
    table: Mutex<Table>,
}

struct Table {
    all: bool,
    prefixes: Vec<Key>,
    keys: HashMap<Key, Mark>,
    /// How many marked keys each group has.
    counts: [u32; GROUPS],
    /// Nobody will resume or release anything any more.
    retired: bool,
}

/// What is known of one key.
#[derive(Default)]
struct Mark {
    group: u32,
    paused: bool,
    /// Jobs that may start although the key is paused.
    steps: u32,
    /// Fences under way.
    fences: u32,
    held: Option<Hold>,
    /// The head that waits for its first turn.
    waiting: Option<LaneRef<Entry>>,
}

impl Marks {
    pub(crate) fn new() -> Self {
        let table = Table {
            all: false,
            prefixes: Vec::new(),
            keys: HashMap::new(),
            counts: [0; GROUPS],
            retired: false,
        };
        Self { groups: AtomicU64::new(0), table: Mutex::new(table) }
    }

    /// Asks whether the job of `lane` may take its first turn. If it has to wait, it is woken when
    /// it is worth asking again.
    pub(crate) fn pass(&self, lane: &LaneRef<Entry>) -> Pass {
        if !self.concern(lane.group()) {
            return Pass::Go;
        }
        self.table.lock().pass(lane)
    }

    /// As [`pass`](Self::pass), for a job that may have to wait for other keys, too: a step that lets
    /// it through is not spent.
    pub(crate) fn ask(&self, lane: &LaneRef<Entry>) -> Pass {
        if !self.concern(lane.group()) {
            return Pass::Go;
        }
        self.table.lock().ask(lane)
    }

    /// A job of the key starts that has asked before: spends the step that let it through.
    pub(crate) fn spend_step(&self, key: &Key) {
        // Relaxed: see `concern`.
        if self.groups.load(Ordering::Relaxed) != 0 {
            self.table.lock().spend_step(key);
        }
    }

    /// True while the jobs of the key are being cancelled that were submitted before the cancel;
    /// to be asked by those only.
    pub(crate) fn cancel(&self, group: u32, key: &Key) -> bool {
        self.concern(group) && self.table.lock().keys.get(key).is_some_and(|mark| mark.fences > 0)
    }

    fn concern(&self, group: u32) -> bool {
        // Relaxed: a turn that comes after the mark was set, by whatever order between the threads,
        // sees the bit; what the mark says is read under the lock.
        self.groups.load(Ordering::Relaxed) >> group & 1 == 1
    }

    /// Sets a pause; false if exactly this one was set before, or nothing can be resumed any more.
    pub(crate) fn pause(&self, keys: Keys, group: u32) -> bool {
        self.change(|table| !table.retired && table.pause(keys, group))
    }

    /// Takes exactly this pause off; false if it was not set.
    pub(crate) fn resume(&self, keys: &Keys) -> bool {
        let (was, ready) = self.change(|table| {
            let was = table.resume(keys);
            (was, table.ready(keys))
        });
        ready.iter().for_each(LaneRef::wake);
        was
    }

    /// Lets one more job of a paused key start; false if the key is not paused.
    pub(crate) fn step(&self, key: &Key, group: u32) -> bool {
        let (granted, ready) = self.change(|table| {
            let granted = table.pauses(key) && !table.retired;
            if granted {
                table.mark(key, group).steps += 1;
            }
            (granted, table.ready_one(key))
        });
        ready.iter().for_each(LaneRef::wake);
        granted
    }

    /// Stops the lane behind the job that has just failed.
    pub(crate) fn hold(&self, key: &Key, group: u32, hold: Hold) {
        self.change(|table| table.mark(key, group).held = Some(hold));
    }

    /// Ends a hold; false if there was none.
    pub(crate) fn release(&self, key: &Key) -> bool {
        let (was, ready) = self.change(|table| {
            let was = table.keys.get_mut(key).is_some_and(|mark| mark.held.take().is_some());
            (was, table.ready_one(key))
        });
        ready.iter().for_each(LaneRef::wake);
        was
    }

    /// A fence is about to be sent.
    pub(crate) fn begin_cancel(&self, key: &Key, group: u32) {
        let ready = self.change(|table| {
            table.mark(key, group).fences += 1;
            table.ready_one(key)
        });
        ready.iter().for_each(LaneRef::wake);
    }

    /// A fence has come to its turn, or is gone.
    pub(crate) fn end_cancel(&self, key: &Key) {
        self.change(|table| {
            if let Some(mark) = table.keys.get_mut(key) {
                mark.fences = mark.fences.saturating_sub(1);
            }
            table.forget(key);
        });
    }

    /// Nobody can resume or release anything any more: what waits here is lost, now and later.
    pub(crate) fn retire(&self) {
        let ready = self.change(|table| {
            table.retired = true;
            table.ready(&Keys::All)
        });
        ready.iter().for_each(LaneRef::wake);
    }

    /// The marks of a key.
    pub(crate) fn of(&self, key: &Key) -> Marked {
        let table = self.table.lock();
        let mark = table.keys.get(key);
        let mut paused_by = Vec::new();
        if mark.is_some_and(|mark| mark.paused) {
            paused_by.push(Keys::One(key.clone()));
        }
        let prefixes = table.prefixes.iter().filter(|prefix| begins(key, prefix));
        paused_by.extend(prefixes.map(|prefix| Keys::Prefix(prefix.clone())));
        if table.all {
            paused_by.push(Keys::All);
        }
        Marked { paused_by, held: mark.and_then(|mark| mark.held) }
    }

    /// Every pause that is set.
    pub(crate) fn pauses(&self) -> Vec<Keys> {
        let table = self.table.lock();
        let one = table.keys.iter().filter(|(_, mark)| mark.paused);
        let one = one.map(|(key, _)| Keys::One(key.clone()));
        let prefixes = table.prefixes.iter().map(|prefix| Keys::Prefix(prefix.clone()));
        one.chain(prefixes).chain(table.all.then_some(Keys::All)).collect()
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table.lock();
        let result = change(&mut table);
        // Relaxed: see `concern`. Under the lock, so that the last change decides.
        self.groups.store(table.groups(), Ordering::Relaxed);
        result
    }
}

impl Table {
    fn pass(&mut self, lane: &LaneRef<Entry>) -> Pass {
        let pass = self.ask(lane);
        if pass == Pass::Go {
            self.spend_step(lane.key());
        }
        pass
    }

    fn spend_step(&mut self, key: &Key) {
        if let Some(mark) = self.keys.get_mut(key) {
            mark.steps = mark.steps.saturating_sub(1);
            self.forget(key);
        }
    }

    fn ask(&mut self, lane: &LaneRef<Entry>) -> Pass {
        let key = lane.key();
        let paused = self.pauses(key);
        let mark = self.keys.get(key);
        if mark.is_some_and(|mark| mark.fences > 0) {
            return Pass::Cancel;
        }
        let held = mark.is_some_and(|mark| mark.held.is_some());
        if !paused && !held {
            return Pass::Go;
        }
        if self.retired {
            return Pass::Lose;
        }
        if mark.is_some_and(|mark| !held && mark.steps > 0) {
            return Pass::Go;
        }
        self.mark(key, lane.group()).waiting = Some(lane.clone());
        Pass::Wait
    }

    /// True if the key, a prefix of it, or everything is paused.
    fn pauses(&self, key: &Key) -> bool {
        self.all
            || self.keys.get(key).is_some_and(|mark| mark.paused)
            || self.prefixes.iter().any(|prefix| begins(key, prefix))
    }

    fn pause(&mut self, keys: Keys, group: u32) -> bool {
        match keys {
            Keys::One(key) => !mem::replace(&mut self.mark(&key, group).paused, true),
            Keys::Prefix(prefix) if self.prefixes.contains(&prefix) => false,
            Keys::Prefix(prefix) => {
                self.prefixes.push(prefix);
                true
            }
            Keys::All => !mem::replace(&mut self.all, true),
        }
    }

    fn resume(&mut self, keys: &Keys) -> bool {
        match keys {
            Keys::One(key) => {
                self.keys.get_mut(key).is_some_and(|mark| mem::replace(&mut mark.paused, false))
            }
            Keys::Prefix(prefix) => {
                let before = self.prefixes.len();
                self.prefixes.retain(|other| other != prefix);
                self.prefixes.len() < before
            }
            Keys::All => mem::replace(&mut self.all, false),
        }
    }

    fn mark(&mut self, key: &Key, group: u32) -> &mut Mark {
        let counts = &mut self.counts;
        self.keys.entry(key.clone()).or_insert_with(|| {
            counts[group as usize] += 1;
            Mark { group, ..Mark::default() }
        })
    }

    /// The heads among `keys` for which a turn would not be in vain. Walks the marked keys, unless
    /// it is one. Marks that say nothing any more are dropped.
    fn ready(&mut self, keys: &Keys) -> Vec<LaneRef<Entry>> {
        if let Keys::One(key) = keys {
            return self.ready_one(key).into_iter().collect();
        }
        let among = self.keys.keys().filter(|key| keys.cover(key)).cloned();
        let among = among.collect::<Vec<_>>();
        let ready = among.iter().filter_map(|key| self.ready_one(key)).collect();
        if self.keys.capacity() / 4 > self.keys.len() {
            self.keys.shrink_to(2 * self.keys.len());
        }
        ready
    }

    /// The head of `key`, if a turn would not be in vain.
    fn ready_one(&mut self, key: &Key) -> Option<LaneRef<Entry>> {
        let paused = self.pauses(key);
        let mark = self.keys.get_mut(key)?;
        if !paused {
            mark.steps = 0;
        }
        let waits = mark.held.is_some() || paused && mark.steps == 0;
        let woken = mark.fences > 0 || !waits || self.retired;
        let ready = if woken { mark.waiting.take() } else { None };
        self.forget(key);
        ready
    }

    /// Drops the mark of `key` if it says nothing any more.
    fn forget(&mut self, key: &Key) {
        if let Some(mark) = self.keys.get(key).filter(|mark| mark.is_empty()) {
            self.counts[mark.group as usize] -= 1;
            self.keys.remove(key);
        }
    }

    fn groups(&self) -> u64 {
        if self.all || !self.prefixes.is_empty() {
            return u64::MAX;
        }
        let marked = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        marked.fold(0, |groups, (group, _)| groups | 1 << group)
    }
}

impl Mark {
    fn is_empty(&self) -> bool {
        !self.paused
            && self.steps == 0
            && self.fences == 0
            && self.held.is_none()
            && self.waiting.is_none()
    }
}

fn begins(key: &Key, prefix: &Key) -> bool {
    key.as_bytes().starts_with(prefix.as_bytes())
}

//! What every store promises, generic over it: one function per promise.
//!
//! A store brings a [`Bench`]; `conforms!` makes one test of each promise for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use laneway::store::{Attempt, Batch, Commit, Entry, Kind, Store, StoreError, Stored, Write};
use laneway::task::{AllocationId, Revision, Sequence, TaskId};

/// Where a store comes from, and what its world can do to it.
pub trait Bench: Sized {
    /// The store.
    type Store: Store;

    /// A new, empty store.
    fn new() -> Self;

    /// A way to the store; the earlier ways are gone unless the store is [shared](Self::SHARED).
    fn attach(&mut self) -> Self::Store;

    /// Whether there can be several ways to it at a time.
    const SHARED: bool;

    /// Makes the store forget commits so that only the last `kept` can be asked for.
    fn compact(&mut self, kept: usize);

    /// Loses the answer to the next commit of `store`; false if that cannot happen.
    fn lose_answer(&mut self, store: &mut Self::Store) -> bool;
}

/// Attempts with a writer of their own, as every opener of a store has.
pub struct Attempts {
    writer: u64,
    number: u64,
}

impl Attempts {
    pub fn new() -> Self {
        static WRITERS: AtomicU64 = AtomicU64::new(1);
        Self { writer: WRITERS.fetch_add(1, Ordering::SeqCst), number: 0 }
    }

    fn next(&mut self) -> Attempt {
        self.number += 1;
        Attempt { writer: self.writer, number: self.number }
    }
}

pub fn write(kind: Kind, sequence: u64, value: Option<&str>) -> Write {
    Write {
        kind,
        sequence: Sequence(sequence),
        id: TaskId::from(format!("{kind:?}{sequence}")),
        value: value.map(|value| value.as_bytes().to_vec()),
    }
}

/// A batch with these writes, and counters that follow `number`.
pub fn batch(attempts: &mut Attempts, number: u64, writes: Vec<Write>) -> Batch {
    let (last_allocation, last_sequence) = (AllocationId(number * 10), Sequence(number * 7 + 1));
    Batch { attempt: attempts.next(), writes, last_allocation, last_sequence }
}

fn simple(attempts: &mut Attempts, number: u64) -> Batch {
    let value = format!("value of commit {number}");
    let writes = vec![
        write(Kind::Record, number + 1, Some(&value)),
        write(Kind::Record, number.max(1), Some(&value)),
    ];
    let distinct = if number == 0 { writes[..1].to_vec() } else { writes };
    batch(attempts, number + 1, distinct)
}

/// Commits `from..to`, each one simple.
fn fill(store: &mut impl Store, attempts: &mut Attempts, from: u64, to: u64) {
    for number in from..to {
        let made = store.commit(&simple(attempts, number), Revision(number)).expect("no conflict");
        assert_eq!(made, Revision(number + 1), "revisions have no gap");
    }
}

/// What batches add up to: the reference that every store is compared with.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Reference {
    revision: Revision,
    last_allocation: AllocationId,
    last_sequence: Sequence,
    entries: BTreeMap<(Kind, Sequence), Vec<u8>>,
}

impl Reference {
    pub fn take(&mut self, batch: &Batch) {
        for write in &batch.writes {
            let place = (write.kind, write.sequence);
            match &write.value {
                Some(value) => self.entries.insert(place, value.clone()),
                None => self.entries.remove(&place),
            };
        }
        self.last_allocation = batch.last_allocation;
        self.last_sequence = batch.last_sequence;
        self.revision = self.revision.next();
    }

    fn follow(&mut self, commits: &[Commit]) {
        for commit in commits {
            assert_eq!(commit.revision, self.revision.next(), "changes have no gap");
            self.take(&commit.batch);
        }
    }

    pub fn of(stored: Stored) -> Self {
        let Stored { revision, last_allocation, last_sequence, entries } = stored;
        let count = entries.len();
        let entry = |Entry { kind, sequence, value }| ((kind, sequence), value);
        let entries: BTreeMap<_, _> = entries.into_iter().map(entry).collect();
        assert_eq!(entries.len(), count, "an entry of each kind and sequence once");
        Self { revision, last_allocation, last_sequence, entries }
    }
}

pub fn a_new_store_is_empty<B: Bench>() {
    let mut store = B::new().attach();
    assert_eq!(Reference::of(store.load().expect("loads")), Reference::default());
    assert_eq!(store.changes(Revision(0)).expect("nothing to tell"), []);
}

pub fn what_is_committed_is_loaded<B: Bench>() {
    let mut bench = B::new();
    let (mut store, mut attempts) = (bench.attach(), Attempts::new());
    let mut expected = Reference::default();
    let long = "x".repeat(100_000);
    let steps = [
        vec![write(Kind::Record, 1, Some("one")), write(Kind::Record, 2, Some(""))],
        vec![write(Kind::Tombstone, 1, Some("gone")), write(Kind::Record, 1, None)],
        vec![write(Kind::Settings, 0, Some("set")), write(Kind::Node, 5, Some("node"))],
        vec![write(Kind::Record, 2, Some(&long)), write(Kind::Record, 3, Some("three"))],
        vec![write(Kind::Record, 9, None), write(Kind::Node, 5, None)],
        vec![],
    ];
    for (number, writes) in steps.into_iter().enumerate() {
        let batch = batch(&mut attempts, number as u64, writes);
        let made = store.commit(&batch, expected.revision).expect("no conflict");
        expected.take(&batch);
        assert_eq!(made, expected.revision);
        assert_eq!(Reference::of(store.load().expect("loads")), expected, "step {number}");
    }
    drop(store);
    assert_eq!(Reference::of(bench.attach().load().expect("loads")), expected, "attached anew");
}

pub fn a_commit_from_another_revision_conflicts_and_changes_nothing<B: Bench>() {
    let mut bench = B::new();
    let (mut store, mut attempts) = (bench.attach(), Attempts::new());
    fill(&mut store, &mut attempts, 0, 3);
    let before = Reference::of(store.load().expect("loads"));
    for wrong in [0, 2, 4, u64::MAX - 1] {
        let refused = store.commit(&simple(&mut attempts, 3), Revision(wrong));
        let Err(StoreError::Conflict { expected, found }) = &refused else {
            panic!("from {wrong}: {refused:?}")
        };
        assert_eq!((*expected, *found), (Revision(wrong), Revision(3)));
    }
    assert_eq!(Reference::of(store.load().expect("loads")), before);
    fill(&mut store, &mut attempts, 3, 4);
}

pub fn changes_tell_every_commit_or_say_that_they_are_forgotten<B: Bench>() {
    let mut bench = B::new();
    let (mut store, mut attempts) = (bench.attach(), Attempts::new());
    let mut batches = Vec::new();
    for number in 0..12 {
        let batch = simple(&mut attempts, number);
        store.commit(&batch, Revision(number)).expect("no conflict");
        batches.push(batch);
    }
    for after in 0..=12 {
        match store.changes(Revision(after)) {
            Ok(commits) => {
                let told: Vec<_> = commits.iter().map(|it| (it.revision, &*it.batch)).collect();
                let made = batches.iter().enumerate().skip(after as usize);
                let made: Vec<_> = made.map(|(i, it)| (Revision(i as u64 + 1), it)).collect();
                assert_eq!(told, made, "after {after}");
            }
            Err(StoreError::Compacted { oldest }) => {
                assert!(oldest.is_none_or(|oldest| oldest.0 > after + 1), "{after} is known");
            }
            Err(other) => panic!("after {after}: {other}"),
        }
    }
    assert_eq!(store.changes(Revision(12)).expect("the last one"), [], "nothing is new");
}

pub fn a_compacted_revision_is_named_and_loading_catches_up<B: Bench>() {
    let mut bench = B::new();
    let (mut store, mut attempts) = (bench.attach(), Attempts::new());
    fill(&mut store, &mut attempts, 0, 10);
    bench.compact(3);
    let gone = store.changes(Revision(2));
    let Err(StoreError::Compacted { oldest }) = gone else { panic!("{gone:?}") };
    if let Some(oldest) = oldest {
        assert_eq!(oldest, Revision(8));
        let known = store.changes(Revision(7)).expect("the last three");
        assert_eq!(known.len(), 3);
    }
    let mut caught_up = Reference::of(store.load().expect("loads"));
    caught_up.follow(&store.changes(caught_up.revision).expect("nothing is forgotten"));
    assert_eq!(caught_up.revision, Revision(10));
    fill(&mut store, &mut attempts, 10, 12);
    assert_eq!(store.load().expect("loads").revision, Revision(12), "compaction stops no writer");
}

pub fn a_lost_answer_is_found_again_by_its_attempt<B: Bench>() {
    let mut bench = B::new();
    let (mut store, mut attempts) = (bench.attach(), Attempts::new());
    fill(&mut store, &mut attempts, 0, 2);
    if !bench.lose_answer(&mut store) {
        return; // this store always knows
    }
    let lost = simple(&mut attempts, 2);
    let unknown = store.commit(&lost, Revision(2));
    let Err(StoreError::Unknown { attempt }) = unknown else { panic!("{unknown:?}") };
    assert_eq!(attempt, lost.attempt);
    let told = store.changes(Revision(2)).expect("known");
    let found = told.iter().find(|commit| commit.batch.attempt == attempt);
    match found {
        Some(commit) => assert_eq!((commit.revision, &*commit.batch), (Revision(3), &lost)),
        None => assert_eq!(told, [], "nobody else writes"),
    }
    // Whether it happened or not, it cannot happen a second time.
    let again = store.commit(&lost, Revision(2));
    assert_eq!(again.is_ok(), found.is_none(), "{again:?}");
    assert_eq!(store.load().expect("loads").revision, Revision(3));
}

pub fn each_hears_what_the_other_commits<B: Bench>() {
    if !B::SHARED {
        return;
    }
    let mut bench = B::new();
    let (mut first, mut second) = (bench.attach(), bench.attach());
    let mut attempts = [Attempts::new(), Attempts::new()];
    let woken = Arc::new(AtomicUsize::new(0));
    let replaced = Arc::new(AtomicUsize::new(0));
    let counting = |counter: &Arc<AtomicUsize>| {
        let counter = counter.clone();
        Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })
    };
    second.on_change(counting(&replaced));
    second.on_change(counting(&woken));
    fill(&mut first, &mut attempts[0], 0, 1);
    assert!(woken.load(Ordering::SeqCst) > 0, "it is told that there is something new");
    assert_eq!(replaced.load(Ordering::SeqCst), 0, "the later call replaced the earlier one");
    let mut follower = Reference::default();
    follower.follow(&second.changes(Revision(0)).expect("known"));
    assert_eq!(follower, Reference::of(first.load().expect("loads")));
    // Both from the same revision: one wins, the other is told and catches up.
    fill(&mut second, &mut attempts[1], 1, 2);
    let late = first.commit(&simple(&mut attempts[0], 1), Revision(1));
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let news = first.changes(Revision(1)).expect("known");
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].batch.attempt.writer, attempts[1].writer);
    fill(&mut first, &mut attempts[0], 2, 3);
    // A way that is gone is woken no more, and its callback is let go.
    drop(second);
    let before = woken.load(Ordering::SeqCst);
    fill(&mut first, &mut attempts[0], 3, 4);
    assert_eq!((woken.load(Ordering::SeqCst), Arc::strong_count(&woken)), (before, 1));
}

pub fn racing_writers_lose_no_commit_and_make_none_twice<B: Bench>() {
    const EACH: u64 = 40;
    let mut bench = B::new();
    let writers = if B::SHARED { 3 } else { 1 };
    let stores: Vec<_> = (0..writers).map(|_| bench.attach()).collect();
    let race = |mut store: B::Store| {
        let mut attempts = Attempts::new();
        let mut revision = store.load().expect("loads").revision;
        let mut made = Vec::new();
        while made.len() < EACH as usize {
            let batch = simple(&mut attempts, revision.0);
            match store.commit(&batch, revision) {
                Ok(next) => {
                    made.push((next, batch.attempt));
                    revision = next;
                }
                Err(StoreError::Conflict { found, .. }) => {
                    assert!(found > revision, "somebody was faster");
                    let news = store.changes(revision).expect("not forgotten yet");
                    revision = news.last().expect("there was a conflict").revision;
                }
                Err(other) => panic!("{other}"),
            }
        }
        (made, store)
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = stores.into_iter().map(|store| scope.spawn(|| race(store))).collect();
        running.into_iter().map(|it| it.join().expect("no writer panics")).collect()
    });
    let (made, mut left): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let mut made: Vec<(Revision, Attempt)> = made.into_iter().flatten().collect();
    made.sort_unstable();
    let revisions: Vec<u64> = made.iter().map(|(revision, _)| revision.0).collect();
    assert_eq!(revisions, (1..=EACH * writers).collect::<Vec<_>>(), "each revision once");
    let last = left.pop().expect("a writer").load().expect("loads");
    assert_eq!(last.revision, Revision(EACH * writers));
}

pub fn any_history_is_what_the_reference_says<B: Bench>() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..4 {
        let mut bench = B::new();
        let (mut store, mut attempts) = (bench.attach(), Attempts::new());
        let (mut expected, mut follower) = (Reference::default(), Reference::default());
        for step in 0..60 {
            let mut writes = BTreeMap::new();
            for _ in 0..next(6) {
                let kind = [Kind::Record, Kind::Tombstone, Kind::Node][next(3) as usize];
                let (sequence, length) = (next(12) + 1, next(900) as usize);
                let value = (next(4) > 0).then(|| format!("{step} ").repeat(length / 3));
                writes.insert((kind, sequence), write(kind, sequence, value.as_deref()));
            }
            let batch = batch(&mut attempts, step, writes.into_values().collect());
            let from = if next(5) == 0 { Revision(next(80)) } else { expected.revision };
            match store.commit(&batch, from) {
                Ok(_) if from == expected.revision => expected.take(&batch),
                Err(StoreError::Conflict { .. }) if from != expected.revision => {}
                other => panic!("step {step}, from {from:?}: {other:?}"),
            }
            match next(8) {
                0 => bench.compact(next(4) as usize),
                1 => {
                    drop(store);
                    store = bench.attach();
                    assert_eq!(Reference::of(store.load().expect("loads")), expected);
                }
                2 => match store.changes(follower.revision) {
                    Ok(commits) => {
                        follower.follow(&commits);
                        assert_eq!(follower, expected, "followed");
                    }
                    Err(StoreError::Compacted { .. }) => {
                        follower = Reference::of(store.load().expect("loads"));
                    }
                    Err(other) => panic!("step {step}: {other}"),
                },
                _ => {}
            }
        }
        assert_eq!(Reference::of(store.load().expect("loads")), expected);
    }
}

/// One test of each promise, for the store of `$bench`.
macro_rules! conforms {
    ($name:ident, $bench:ident, $($promise:ident)*) => {
        mod $name {
            $(
                #[test]
                fn $promise() {
                    crate::suite::$promise::<super::$bench>();
                }
            )*
        }
    };
    ($name:ident, $bench:ident) => {
        conforms! {
            $name, $bench,
            a_new_store_is_empty
            what_is_committed_is_loaded
            a_commit_from_another_revision_conflicts_and_changes_nothing
            changes_tell_every_commit_or_say_that_they_are_forgotten
            a_compacted_revision_is_named_and_loading_catches_up
            a_lost_answer_is_found_again_by_its_attempt
            each_hears_what_the_other_commits
            racing_writers_lose_no_commit_and_make_none_twice
            any_history_is_what_the_reference_says
        }
    };
}
pub(crate) use conforms;

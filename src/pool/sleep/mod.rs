//! Who sleeps, who searches, who is woken.
//!
//! The protocol, its events and the proof are in `README.md` beside this file. In short: a poster
//! makes work visible, fences, and wakes one sleeper unless somebody searches; a worker lies down,
//! fences, and looks at the queues once more before it parks; the last searcher that finds work
//! looks whether more waits and wakes the next.
//!
//! Invariants: a worker that was taken off the stack is counted as searching from that same
//! instruction on; nobody parks while its slot says AWAKE; work that was posted is seen by a
//! searcher, by a worker that is about to park, or by the one that the poster wakes.
//!
//! Not here: queues (the callers look into them), what a searcher does, when a pool ends.

mod counters;

pub(crate) use counters::WORKERS_MAX;
use counters::{Link, Word};

use crate::sync::{
    Arc, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Ordering, Parker, UnsafeCell, fence,
};

/// The worker runs, or was taken off the stack and is about to.
const AWAKE: u32 = 0;
/// The worker is on the stack, or about to be pushed.
const ASLEEP: u32 = 1;

/// See the page.
pub(crate) struct Sleep {
    word: CachePadded<AtomicU64>,
    slots: Box<[CachePadded<Slot>]>,
}

struct Slot {
    /// AWAKE or ASLEEP. Set to ASLEEP by the worker, to AWAKE by the one who took it off.
    state: AtomicU32,
    /// The sleeper below this one on the stack.
    below: AtomicUsize,
    /// Written by each thread that becomes this worker, before it first lies down.
    parker: UnsafeCell<Option<Arc<Parker>>>,
}

// SAFETY: `parker` is written by a thread that begins as this worker (the contract of `register`),
// and read only by those who took the worker off the stack, before they set it AWAKE: after its
// push, and before its thread can go on and end.
unsafe impl Sync for Slot {}
// SAFETY: `Arc<Parker>` is Send.
unsafe impl Send for Slot {}

/// Proof that the calling worker is counted as searching.
#[must_use = "a search ends with `end_search`, `lie_down` or `retire`"]
pub(crate) struct Searching(());

/// What a worker found when it looked round for the last time before parking.
#[must_use]
pub(crate) enum LastLook {
    /// Nothing: park.
    Nothing,
    /// Work waits: somebody has to search for it.
    Work,
    /// The pool ends: everybody has to get up.
    End,
}

/// How a sleeper parks.
pub(crate) trait Bed {
    /// It is about to lie down at the bottom of the stack: everybody else is woken before it.
    fn lowest(&self);
    /// Parks for a while, or until unparked.
    fn park(&mut self, parker: &Parker, is_lowest: bool);
}

impl Sleep {
    /// For `workers` workers, all awake.
    pub(crate) fn new(workers: usize) -> Self {
        assert!(workers <= WORKERS_MAX, "the word cannot count so many workers");
        let slot = || Slot {
            state: AtomicU32::new(AWAKE),
            below: AtomicUsize::new(0),
            parker: UnsafeCell::new(None),
        };
        Self {
            word: CachePadded::new(AtomicU64::new(Word::EMPTY.0)),
            slots: (0..workers).map(|_| CachePadded::new(slot())).collect(),
        }
    }

    /// Tells where `worker` parks.
    ///
    /// # Safety
    /// Called at most once per thread that is that worker, by that thread, before it first lies
    /// down; the thread that was it before has ended its part.
    pub(crate) unsafe fn register(&self, worker: usize, parker: Arc<Parker>) {
        // SAFETY: the worker is not on the stack, and whoever took it off before was done with the
        // cell when that thread went on, so nobody reads it; one writer.
        self.slots[worker].parker.with_mut(|cell| unsafe { *cell = Some(parker) });
    }

    /// True while a worker searches: what is exposed now is stolen soon, without a wake-up.
    #[inline]
    pub(crate) fn is_hungry(&self) -> bool {
        // Relaxed: a hint; whoever acts on it publishes by the queue it pushes to.
        Word(self.word.load(Ordering::Relaxed)).searching() > 0
    }

    /// True while a worker sleeps or searches: there is somebody to take what is posted.
    pub(crate) fn has_idle(&self) -> bool {
        // Relaxed: ordered by the caller's fence [strength].
        let word = Word(self.word.load(Ordering::Relaxed));
        word.searching() + word.sleeping() > 0
    }

    /// To be called before a thread begins, or begins again, to take work: a look for quiescence
    /// that is under way starts over, as the sleepers are no longer all there are.
    pub(crate) fn joined(&self) {
        // Release [sleeper]: pairs with the Acquire in `is_quiet`: who sees the change sees the
        // thread counted. Who sees a queue emptied by the thread sees the change, by [emptied].
        self.word.fetch_add(Word::ONE_CHANGE, Ordering::Release);
    }

    /// Workers that sleep or search.
    pub(crate) fn idle(&self) -> usize {
        // Relaxed: a reading for statistics.
        let word = Word(self.word.load(Ordering::Relaxed));
        word.sleeping() + word.searching()
    }

    /// Workers that are on the stack.
    pub(crate) fn sleeping(&self) -> usize {
        // Relaxed: a reading for statistics and hints.
        Word(self.word.load(Ordering::Relaxed)).sleeping()
    }

    /// To be called after work was made visible in a queue: wakes one sleeper unless somebody
    /// searches already. Never blocks.
    pub(crate) fn posted(&self) {
        // SeqCst fence [post]: pairs with [park] in `lie_down` and [baton] in `end_search`. If
        // [post] is first, the other side's look at the queues sees the work; if it is last, the
        // load below sees that worker asleep, or no longer searching.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence; `wake_one` reads again.
        let word = Word(self.word.load(Ordering::Relaxed));
        if word.searching() == 0 && word.sleeping() > 0 {
            self.wake_one();
        }
    }

    /// Makes the caller the one searcher; `None` if there is one.
    pub(crate) fn begin_search(&self) -> Option<Searching> {
        // Relaxed: checked by the compare-and-swap.
        let mut word = Word(self.word.load(Ordering::Relaxed));
        while word.searching() == 0 {
            // Relaxed: counting publishes nothing; what a searcher has to see it sees when it
            // stops, by the fences [park] and [baton].
            match self.exchange(word, word.search_begun(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(()) => return Some(Searching(())),
                Err(now) => word = now,
            }
        }
        None
    }

    /// The searcher found work. If it was the last one and `work_waits` sees more, the next
    /// sleeper is woken.
    pub(crate) fn end_search(&self, search: Searching, work_waits: impl FnOnce() -> bool) {
        if self.retire(search) > 1 {
            return; // the others look, and the last of them comes by here or in `lie_down`
        }
        // SeqCst fence [baton]: pairs with [post]. A poster that left the waking to this searcher
        // read the word before the subtraction, so its fence is first and its work is seen below.
        fence(Ordering::SeqCst);
        if work_waits() {
            self.posted();
        }
    }

    /// The searcher stops without a look at the queues, because the pool ends; how many searched.
    pub(crate) fn retire(&self, search: Searching) -> usize {
        let Searching(()) = search;
        // Relaxed: ordered by the fence of the caller where it matters.
        let before = Word(self.word.fetch_sub(Word::ONE_SEARCH, Ordering::Relaxed));
        debug_assert!(before.searching() > 0, "more searches ended than were begun");
        before.searching()
    }

    /// Puts `worker`, the caller, to sleep until somebody takes it off the stack.
    ///
    /// `look` is called once, when the worker can already be woken: the last look round. `rest` is
    /// how it parks.
    pub(crate) fn lie_down(
        &self,
        worker: usize,
        search: Option<Searching>,
        look: impl FnOnce() -> LastLook,
        rest: &mut impl Bed,
    ) -> Searching {
        let slot = &*self.slots[worker];
        // Relaxed: published by the push; only the one who pops us writes it before we wake.
        slot.state.store(ASLEEP, Ordering::Relaxed);
        let is_lowest = self.push(worker, search.is_some(), rest);
        // SeqCst fence [park]: pairs with [post]. See there.
        fence(Ordering::SeqCst);
        match look() {
            LastLook::Nothing => {}
            // Most often the newest sleeper is ourselves. Its fence makes us a poster of what we
            // saw: without it a searcher that we leave it to might not see it.
            LastLook::Work => self.posted(),
            LastLook::End => self.wake_all(),
        }
        let parker = slot.parker.with(|cell| {
            // SAFETY: written by this thread only, before (`register`).
            unsafe { (*cell).clone() }
        });
        let parker = parker.expect("a worker registers before it lies down");
        // Acquire [wake]: pairs with the Release in `wake`: the waker's view is ours.
        while slot.state.load(Ordering::Acquire) == ASLEEP {
            rest.park(&parker, is_lowest);
        }
        Searching(())
    }

    /// Wakes everybody who sleeps: the pool ends. To be called after that was made visible.
    pub(crate) fn wake_all(&self) {
        // SeqCst fence [end]: pairs with [park]. A worker that lies down too late to be seen here
        // sees the end in its last look.
        fence(Ordering::SeqCst);
        // Acquire [sleeper]: as in `wake_one`.
        let mut word = Word(self.word.load(Ordering::Acquire));
        while let Some(top) = word.top().worker() {
            match self.pop(word, top) {
                Ok(left) => {
                    self.wake(top);
                    word = left;
                }
                Err(now) => word = now,
            }
        }
    }

    /// True if at some moment during the call every worker, there are `at_work`, slept and `empty`
    /// held: then all work whose post happened before the call has ended.
    pub(crate) fn is_quiet(
        &self,
        at_work: impl FnOnce() -> usize,
        empty: impl FnOnce() -> bool,
    ) -> bool {
        // Acquire [sleeper]: pairs with the Release of every push: what the sleepers pushed into
        // queues, and all effects of what they ran, is visible.
        let before = Word(self.word.load(Ordering::Acquire));
        if before.sleeping() < at_work() || !empty() {
            return false;
        }
        // Acquire fence [emptied]: keeps the look at the queues before the second reading, and
        // acquires from whoever emptied them: a worker that got up or joined to do so shows in the
        // word. An equal word, tag included, says that nobody did meanwhile.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        Word(self.word.load(Ordering::Relaxed)) == before
    }

    /// How many sleep, after whatever the caller did before: who is popped later sees that.
    pub(crate) fn settled(&self) -> usize {
        // AcqRel [settled]: the Release pairs with the Acquire [sleeper] of later pops, which a
        // worker that gets up follows. A read-modify-write, so that a pop is before it or after it.
        Word(self.word.fetch_add(0, Ordering::AcqRel)).sleeping()
    }

    /// Ends one park of `worker`, which looks round and parks again unless it was woken.
    pub(crate) fn nudge(&self, worker: usize) {
        self.slots[worker].parker.with(|cell| {
            // SAFETY: the caller knows the worker as one that has lain down, so it was registered
            // before. Known gap: the cell is written again when another thread takes the seat, which
            // is at least a whole `keep_alive` later; a caller stopped here for so long would race.
            if let Some(parker) = unsafe { (*cell).as_ref() } {
                parker.unpark();
            }
        });
    }

    fn wake_one(&self) {
        // Acquire [sleeper]: pairs with the Release in `push` (later changes are
        // read-modify-writes and carry it on): the slot on top is complete.
        let mut word = Word(self.word.load(Ordering::Acquire));
        while word.searching() == 0 {
            let Some(top) = word.top().worker() else { return };
            match self.pop(word, top) {
                Ok(_) => return self.wake(top),
                Err(now) => word = now,
            }
        }
    }

    /// Takes `top` off the stack and counts it as searching, in one step.
    fn pop(&self, word: Word, top: usize) -> Result<Word, Word> {
        // Relaxed: read after the Acquire load of a word with this worker on top; if it was
        // pushed anew since, the tag differs and the exchange fails.
        let below = Link(self.slots[top].below.load(Ordering::Relaxed));
        let left = word.popped(below);
        // Relaxed: `word` was read with Acquire, and an equal one, tag included, has the same stack.
        // Acquire [sleeper]: as in `wake_one`, for whoever is on top now.
        self.exchange(word, left, Ordering::Relaxed, Ordering::Acquire).map(|()| left)
    }

    /// True if it lies at the bottom.
    fn push(&self, worker: usize, searched: bool, rest: &impl Bed) -> bool {
        // Relaxed: checked by the compare-and-swap.
        let mut word = Word(self.word.load(Ordering::Relaxed));
        loop {
            // Relaxed: published by the exchange.
            self.slots[worker].below.store(word.top().0, Ordering::Relaxed);
            let is_lowest = word.top().worker().is_none();
            if is_lowest {
                rest.lowest();
            }
            let lying = word.pushed(worker, searched);
            // Release [sleeper]: pairs with the Acquire in `wake_one`, `pop` and `is_quiet`.
            match self.exchange(word, lying, Ordering::Release, Ordering::Relaxed) {
                Ok(()) => return is_lowest,
                Err(now) => word = now,
            }
        }
    }

    /// Ends the sleep of a worker that the caller took off the stack.
    fn wake(&self, worker: usize) {
        let slot = &*self.slots[worker];
        let parker = slot.parker.with(|cell| {
            // SAFETY: registered before the push that the pop synchronised with, and not written
            // again before the store below.
            unsafe { (*cell).clone() }
        });
        // Release [wake]: pairs with the Acquire in `lie_down`.
        slot.state.store(AWAKE, Ordering::Release);
        parker.expect("a worker registers before it lies down").unpark();
    }

    #[track_caller] // an access of the models is known by its place: the caller's, not this one
    fn exchange(
        &self,
        old: Word,
        new: Word,
        success: Ordering,
        failure: Ordering,
    ) -> Result<(), Word> {
        self.word.compare_exchange(old.0, new.0, success, failure).map(drop).map_err(Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parked;

    impl Bed for Parked {
        fn lowest(&self) {}
        fn park(&mut self, parker: &Parker, _is_lowest: bool) {
            parker.park();
        }
    }

    /// Two workers, both of which this thread plays.
    fn two() -> Sleep {
        let sleep = Sleep::new(2);
        for worker in 0..2 {
            // SAFETY: once each, before either lies down; one thread.
            unsafe { sleep.register(worker, Arc::new(Parker::new())) };
        }
        sleep
    }

    #[test]
    fn there_is_one_searcher() {
        let sleep = two();
        let search = sleep.begin_search().expect("nobody searches");
        assert!(sleep.is_hungry());
        assert!(sleep.begin_search().is_none());
        sleep.end_search(search, || false);
        assert!(!sleep.is_hungry());
    }

    #[test]
    fn who_sees_work_in_its_last_look_gets_up_again_as_the_searcher() {
        let sleep = two();
        let search = sleep.begin_search();
        let search = sleep.lie_down(
            0,
            search,
            || {
                assert_eq!(sleep.sleeping(), 1);
                assert!(!sleep.is_hungry(), "a sleeper is not counted as searching");
                LastLook::Work
            },
            &mut Parked,
        );
        assert!(sleep.is_hungry());
        assert_eq!(sleep.sleeping(), 0);
        assert_eq!(sleep.retire(search), 1);
    }

    #[test]
    fn a_poster_wakes_the_newest_sleeper_and_only_that_one() {
        let sleep = two();
        let first = sleep.lie_down(
            0,
            None,
            || {
                let second = sleep.lie_down(
                    1,
                    None,
                    || {
                        assert!(sleep.is_quiet(|| 2, || true));
                        assert!(!sleep.is_quiet(|| 2, || false));
                        sleep.posted();
                        sleep.posted(); // the first one's searcher is on its way: nobody else is woken
                        assert_eq!(sleep.sleeping(), 1);
                        LastLook::Nothing
                    },
                    &mut Parked,
                );
                assert!(!sleep.is_quiet(|| 2, || true));
                sleep.end_search(second, || true); // the last searcher found more: wakes the next
                assert_eq!(sleep.sleeping(), 0);
                LastLook::Nothing
            },
            &mut Parked,
        );
        assert_eq!(sleep.retire(first), 1);
    }

    #[test]
    fn nobody_sleeps_on_when_the_pool_ends() {
        let sleep = two();
        let first = sleep.lie_down(
            0,
            None,
            || {
                let second = sleep.lie_down(1, None, || LastLook::End, &mut Parked);
                assert_eq!(sleep.retire(second), 2);
                LastLook::Nothing
            },
            &mut Parked,
        );
        assert_eq!(sleep.retire(first), 1);
        assert_eq!(sleep.sleeping(), 0);
    }
}

//! The inbox: a lock-free queue from many producers to one visitor, in blocks of slots.
//!
//! ```text
//!   claim word = address of the newest block | how many of its slots are claimed
//!
//!   null ◄─prev─ block ◄─prev─ block ◄─prev─ newest      the visitor links them forwards (next)
//!                  ▲ front: the next slot to take   ▲ claim word
//!
//!   slot:  EMPTY ──write──► WRITTEN ──take──► EMPTY        the producer's swap, the visitor's store
//!          EMPTY ──give_up──► AWAITED ──write──► WRITTEN   this producer schedules the next visit
//! ```
//!
//! **Pushing.** `fetch_add(1)` on the claim word answers block and index at once. An index inside
//! the block is a slot of the caller's own, and the block lives until that slot has been written and
//! taken. Otherwise the block is full: the caller brings a block of its own, whose first slot is
//! his, and puts it into the word by compare-and-swap; the loser of that race starts again. A
//! producer never looks into a block in which it has no slot, so nobody waits for anybody and full
//! blocks need no protection. Then it writes the value and swaps the slot's state.
//!
//! **Visiting.** At most one thread at a time is the visitor. It takes from the front slot by slot,
//! in the order of the claims. A slot that is claimed but not written is the end, as is one that is
//! not claimed: the visitor [gives up](Inbox::give_up) by marking it AWAITED, and whoever writes it
//! finds the mark and is told to schedule a visit. If the front block is used up and is the newest,
//! giving up means to put the null block, which is always full, into the claim word; whoever puts a
//! block in place of null schedules. So the right to visit is never lost and never held twice, and
//! no second word says who has it. A new inbox is given up.
//!
//! Invariants: a slot is written once and taken once per life of its block; a block not in the
//! chain has only EMPTY slots; the front block is the oldest of the chain; what the visitor did
//! before giving up happens before what the next visitor does. A block goes back when its last slot
//! was taken: one is kept for the next producer, others are freed.
//!
//! A compare-and-swap that succeeds on a block that has left and come back is harmless: it says
//! that this block is the newest and full *now*, and nothing else was concluded earlier.
//!
//! Not here: who runs the visit, and what the values mean.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::process;
use std::ptr;

use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, CachePadded, Ordering, UnsafeCell, sized};

/// Slots of a block.
const BLOCK: usize = sized(32, 2);

/// Bits of the claim word that count; the others are an address.
const COUNT_BITS: u32 = 16;
const COUNT_MASK: usize = (1 << COUNT_BITS) - 1;

/// A full block is over-claimed once per thread that finds it full at the same time. So many
/// threads do not exist; if they did, the count would run into the address.
const OVERCLAIM_MAX: usize = 1 << (COUNT_BITS - 1);

const _: () = assert!(usize::BITS == 64, "address and count share one word of 64 bits");
const _: () = assert!(BLOCK < OVERCLAIM_MAX, "a block is never over-claimed by its own slots");

// States of a slot.
const EMPTY: u32 = 0;
const WRITTEN: u32 = 1;
const AWAITED: u32 = 2;

/// What a producer owes after [`Inbox::push`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// The inbox was given up: schedule exactly one visit.
    Schedule,
    /// A visit is under way or scheduled and will reach this value.
    Queued,
}

/// See the page.
pub(crate) struct Inbox<T> {
    /// A [`Word`].
    claim: CachePadded<AtomicUsize>,
    /// A block for the next producer who needs one, or null.
    spare: AtomicPtr<Block<T>>,
    /// Belongs to the visitor.
    front: CachePadded<UnsafeCell<Front<T>>>,
}

// SAFETY: values move from the pushing thread to the visiting one, so `T: Send`; the cells are
// guarded by the protocol of the page.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above; no reference to a value is ever shared.
unsafe impl<T: Send> Sync for Inbox<T> {}

/// The next slot to take. `index == BLOCK`: the block is used up, or null.
struct Front<T> {
    block: *mut Block<T>,
    index: usize,
    /// Blocks that are linked behind this one.
    linked: usize,
}

struct Block<T> {
    /// The block before this one; written by the producer who brings the block.
    prev: UnsafeCell<*mut Block<T>>,
    /// The block after this one, once the visitor knows it.
    next: UnsafeCell<*mut Block<T>>,
    slots: [Slot<T>; BLOCK],
}

struct Slot<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The content of the claim word.
#[derive(Clone, Copy)]
struct Word(usize);

impl Word {
    /// The null block, which is always full.
    const GIVEN_UP: Self = Self(BLOCK);

    fn new<T>(block: *mut Block<T>, count: usize) -> Self {
        let address = block.expose_provenance();
        assert!(address >> (usize::BITS - COUNT_BITS) == 0, "an address of more than 48 bits");
        Self(address << COUNT_BITS | count)
    }

    fn block<T>(self) -> *mut Block<T> {
        ptr::with_exposed_provenance_mut(self.0 >> COUNT_BITS)
    }

    fn count(self) -> usize {
        self.0 & COUNT_MASK
    }

    fn is_full(self) -> bool {
        self.count() >= BLOCK
    }
}

/// Half a push: a slot that belongs to one producer until it is written. Must be written.
#[must_use]
pub(super) struct Claim<'a, T> {
    slot: *const Slot<T>,
    inbox: PhantomData<&'a Inbox<T>>,
}

impl<T> Claim<'_, T> {
    /// The other half.
    pub(super) fn write(self, value: T) -> Pushed {
        // SAFETY: the slot is ours and its block lives until the slot is written and taken.
        let Slot { state, value: cell } = unsafe { &*self.slot };
        // SAFETY: the visitor reads the value only after it has seen WRITTEN.
        cell.with_mut(|cell| unsafe { (*cell).write(value) });
        // AcqRel [inbox-write]: the Release pairs with the Acquire in `take`, publishing the value.
        // AcqRel [inbox-idle]: the Acquire pairs with the Release in `give_up`, so that the visit
        // that follows from AWAITED comes after the one that gave up.
        match state.swap(WRITTEN, Ordering::AcqRel) {
            AWAITED => Pushed::Schedule,
            before => {
                debug_assert_eq!(before, EMPTY, "a slot was written twice");
                Pushed::Queued
            }
        }
    }
}

impl<T> Inbox<T> {
    /// Empty and given up: the first push is told to schedule.
    pub(crate) fn new() -> Self {
        Self {
            claim: CachePadded::new(AtomicUsize::new(Word::GIVEN_UP.0)),
            spare: AtomicPtr::new(ptr::null_mut()),
            front: CachePadded::new(UnsafeCell::new(Front {
                block: ptr::null_mut(),
                index: BLOCK,
                linked: 0,
            })),
        }
    }

    /// Appends `value`. Lock-free; allocates when a block is full and none is spare.
    pub(crate) fn push(&self, value: T) -> Pushed {
        self.claim().write(value)
    }

    /// Half a push: takes the place in the order.
    pub(super) fn claim(&self) -> Claim<'_, T> {
        let mut brought: *mut Block<T> = ptr::null_mut();
        let (block, index) = loop {
            // Acquire [inbox-link]: pairs with the Release in `append`: the slot is EMPTY or
            // AWAITED, and whoever used it in an earlier life of the block is done with it.
            let word = Word(self.claim.fetch_add(1, Ordering::Acquire));
            if !word.is_full() {
                break (word.block(), word.count());
            }
            if word.count() > OVERCLAIM_MAX {
                process::abort();
            }
            if brought.is_null() {
                brought = self.spare_or_new();
            }
            if self.append(Word(word.0 + 1), brought) {
                break (std::mem::replace(&mut brought, ptr::null_mut()), 0);
            }
        };
        if !brought.is_null() {
            self.recycle(brought);
        }
        // SAFETY: a slot of `block` is ours, so the block lives.
        let slot = unsafe { &raw const (*block).slots[index] };
        Claim { slot, inbox: PhantomData }
    }

    /// Makes `block` the newest, its first slot claimed by the caller, if the newest block is still
    /// full; false if somebody else brought one. `word` is the last that the caller knows.
    fn append(&self, mut word: Word, block: *mut Block<T>) -> bool {
        while word.is_full() {
            let newest = word.block();
            // SAFETY: nobody else knows `block` before the exchange below succeeds.
            let Block { prev, slots, .. } = unsafe { &*block };
            // SAFETY: as above.
            prev.with_mut(|prev| unsafe { *prev = newest });
            let first = if newest.is_null() { AWAITED } else { EMPTY };
            // Relaxed: published by the exchange.
            slots[0].state.store(first, Ordering::Relaxed);
            // AcqRel [inbox-link]: the Release pairs with the Acquires in `claim` and `advance`.
            // AcqRel [inbox-idle]: the Acquire pairs with the Release in `give_up`, for the visit
            // that follows from replacing null. Relaxed on failure: only tried again.
            match self.claim.compare_exchange(
                word.0,
                Word::new(block, 1).0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = Word(now),
            }
        }
        false
    }

    /// Takes the next value; None if the next slot is not written (yet).
    ///
    /// # Safety
    /// The caller is the visitor: it, or who handed the visit to it, was told to
    /// [`Schedule`](Pushed::Schedule), and [`give_up`](Self::give_up) has not answered true since.
    pub(crate) unsafe fn take(&self) -> Option<T> {
        self.front.with_mut(|front| {
            // SAFETY: the front belongs to the visitor, which the caller is.
            let front = unsafe { &mut *front };
            // SAFETY: the caller is the visitor.
            if front.index == BLOCK && !unsafe { self.advance(front) } {
                return None;
            }
            // SAFETY: the front block is not used up, so it lives.
            let Slot { state, value } = unsafe { &(*front.block).slots[front.index] };
            // Acquire [inbox-write]: pairs with the swap in `write`; the value is visible.
            if state.load(Ordering::Acquire) != WRITTEN {
                return None;
            }
            // SAFETY: WRITTEN, and read once: the state changes before the next `take`.
            let value = value.with(|value| unsafe { (*value).assume_init_read() });
            // Relaxed: the next who looks is the slot's owner in the block's next life; [inbox-spare]
            // is between.
            state.store(EMPTY, Ordering::Relaxed);
            front.index += 1;
            Some(value)
        })
    }

    /// From a used-up front block to the next; false if there is none.
    ///
    /// # Safety
    /// The caller is the visitor, and every slot of the front block was taken.
    unsafe fn advance(&self, front: &mut Front<T>) -> bool {
        let used_up = front.block;
        // SAFETY: a block is linked by the visitor, and lives while it is in front.
        let linked = match unsafe { used_up.as_ref() } {
            // SAFETY: `next` belongs to the visitor.
            Some(block) => block.next.with(|next| unsafe { *next }),
            None => ptr::null_mut(),
        };
        let (next, linked) = if linked.is_null() {
            // Acquire [inbox-link]: pairs with the Release of every `append` up to this one, so
            // that `prev` and the first slots of all blocks back to ours are visible.
            let newest = Word(self.claim.load(Ordering::Acquire)).block();
            if newest == used_up {
                return false;
            }
            // SAFETY: the blocks from the newest back to the front one are in the chain.
            unsafe { link_back(newest, used_up) }
        } else {
            (linked, front.linked - 1)
        };
        *front = Front { block: next, index: 0, linked };
        if !used_up.is_null() {
            self.recycle(used_up);
        }
        true
    }

    /// About how many values are behind the last one taken: those that were there when the visitor
    /// came to its present block, give or take a block.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    pub(crate) unsafe fn backlog(&self) -> usize {
        // SAFETY: the front belongs to the visitor, which the caller is.
        let (block, index, linked) =
            self.front.with(|front| unsafe { ((*front).block, (*front).index, (*front).linked) });
        if linked > 0 {
            return (BLOCK - index) + linked * BLOCK;
        }
        // Relaxed: a figure.
        let newest = Word(self.claim.load(Ordering::Relaxed));
        if newest.block() == block {
            newest.count().min(BLOCK).saturating_sub(index)
        } else {
            (BLOCK - index) + newest.count().min(BLOCK)
        }
    }

    /// Ends the visit unless there is something to take: true if the caller is not the visitor any
    /// more and must not touch what belongs to the visitor; false if it still is, and the next
    /// [`take`](Self::take) may have a value.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    pub(crate) unsafe fn give_up(&self) -> bool {
        // SAFETY: the front belongs to the visitor, which the caller is.
        let (block, index) = self.front.with(|front| unsafe { ((*front).block, (*front).index) });
        if index == BLOCK {
            // SAFETY: the caller's contract; the front block is used up.
            return unsafe { self.give_up_used_up(block) };
        }
        // SAFETY: the front block is not used up, so it lives.
        let slot = unsafe { &(*block).slots[index] };
        // Release [inbox-idle]: pairs with the Acquire of the swap in `write`: what this visit did
        // comes before the next one. Relaxed on failure: it is WRITTEN, and `take` looks again.
        slot.state.compare_exchange(EMPTY, AWAITED, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// # Safety
    /// As for [`take`](Self::take), and `block` is the front block and used up.
    unsafe fn give_up_used_up(&self, block: *mut Block<T>) -> bool {
        let set_front = |block| {
            // SAFETY: the front belongs to the visitor, which the caller is.
            self.front.with_mut(|front| unsafe { (*front).block = block });
        };
        // Relaxed: what the exchange expects, no more.
        let mut word = Word(self.claim.load(Ordering::Relaxed));
        set_front(ptr::null_mut());
        while word.block() == block {
            // Release [inbox-idle]: pairs with the Acquire in `append`, which replaces the null
            // block. Relaxed on failure: only tried again, or `advance` looks.
            match self.claim.compare_exchange(
                word.0,
                Word::GIVEN_UP.0,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // Still ours: used up, and out of the chain.
                    self.recycle(block);
                    return true;
                }
                Err(now) => word = Word(now),
            }
        }
        set_front(block);
        false
    }

    fn spare_or_new(&self) -> *mut Block<T> {
        // Acquire [inbox-spare]: pairs with the Release in `recycle`.
        let spare = self.spare.swap(ptr::null_mut(), Ordering::Acquire);
        if spare.is_null() { Block::new() } else { spare }
    }

    /// Keeps `block`, which nobody else knows, for the next producer, or frees it.
    fn recycle(&self, block: *mut Block<T>) {
        if block.is_null() {
            return;
        }
        // SAFETY: the caller owns the block.
        let Block { next, slots, .. } = unsafe { &*block };
        // SAFETY: as above.
        next.with_mut(|next| unsafe { *next = ptr::null_mut() });
        // Relaxed: the owner's; it may have been made AWAITED for an `append` that lost.
        slots[0].state.store(EMPTY, Ordering::Relaxed);
        // Release [inbox-spare]: pairs with the Acquire in `spare_or_new`: whoever gets the block
        // writes its slots after they were taken. Relaxed on failure: nothing is read.
        let kept = self.spare.compare_exchange(
            ptr::null_mut(),
            block,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if kept.is_err() {
            // SAFETY: the caller owns the block, and it was not kept.
            unsafe { Block::free(block) };
        }
    }
}

/// Links the blocks from `newest` back to the one after `front` forwards; returns that one, and how
/// many are behind it.
///
/// # Safety
/// The caller is the visitor, and following `prev` from `newest` leads to `front`.
unsafe fn link_back<T>(newest: *mut Block<T>, front: *mut Block<T>) -> (*mut Block<T>, usize) {
    let (mut block, mut linked) = (newest, 0);
    loop {
        // SAFETY: in the chain, and not before the front: it lives; written before it was appended.
        let prev = unsafe { (*block).prev.with(|prev| *prev) };
        if prev == front {
            return (block, linked);
        }
        // SAFETY: `prev` is in the chain after the front, and `next` belongs to the visitor.
        unsafe { (*prev).next.with_mut(|next| *next = block) };
        block = prev;
        linked += 1;
    }
}

impl<T> Block<T> {
    fn new() -> *mut Self {
        Box::into_raw(Box::new(Self {
            prev: UnsafeCell::new(ptr::null_mut()),
            next: UnsafeCell::new(ptr::null_mut()),
            slots: std::array::from_fn(|_| Slot {
                state: AtomicU32::new(EMPTY),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }),
        }))
    }

    /// # Safety
    /// `block` came from [`new`](Self::new), nobody else knows it, and its slots are EMPTY.
    unsafe fn free(block: *mut Self) {
        // SAFETY: by the caller's contract.
        drop(unsafe { Box::from_raw(block) });
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        // SAFETY: exclusive access: nobody else is the visitor, and every claim was written.
        while let Some(value) = unsafe { self.take() } {
            drop(value);
        }
        // SAFETY: as above.
        let front = self.front.with(|front| unsafe { (*front).block });
        // Relaxed: exclusive access.
        let spare = self.spare.load(Ordering::Relaxed);
        for block in [front, spare] {
            if !block.is_null() {
                // SAFETY: nothing is left to take, so the front block is the only one of the chain
                // and its slots hold no value; the spare is not in the chain.
                unsafe { Block::free(block) };
            }
        }
    }
}

#[cfg(test)]
mod tests;

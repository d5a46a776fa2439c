//! The tokens of one attempt: how many are open, which one failed first, how each ended.
//!
//! A group is a counter, a word for the first failure, and a push-only list with one node per token.
//! The body of the attempt has a hold of its own on the counter, so that tokens which finish before
//! it returns never make the group look settled:
//!
//! ```text
//!   open = 1 (the body) + tokens that are still open      open == 0: settled, for good
//!   CLOSED bit: nobody waits any more; later finishes are late and ignored
//!   node:   OPEN ──finish──► TAKEN ──► SUCCEEDED | FAILED     the first finish wins
//! ```
//!
//! Invariants: exactly one of [`Hold::finish`] and [`TokenGroup::release`] answers `Settled`, and
//! never after the group was closed; whoever sees the group settled sees every error written before;
//! an error is written once, before its node says `FAILED`, and never changes after.
//!
//! Lock-free: no operation waits for another; a thread stopped inside `finish` delays only its own
//! attempt. Waking is the caller's: this file imports the facade only, so the model checker can
//! include it.

use std::panic::Location;
use std::ptr;

use crate::sync::{Arc, AtomicPtr, AtomicU32, AtomicUsize, Ordering, UnsafeCell};

/// Set in `open` when nobody waits for the group any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

const OPEN: u32 = 0;
const TAKEN: u32 = 1;
const SUCCEEDED: u32 = 2;
const FAILED: u32 = 3;

/// What a finisher owes.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// The last hold is gone: wake whoever waits for the group.
    Settled,
    /// The attempt has failed, but other holds are open: wake whoever does not wait for them.
    FirstFailure,
    /// Others will.
    Nothing,
    /// This token was finished before; the call changed nothing.
    Twice,
}

/// How one token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<E> {
    /// Not finished.
    Open,
    /// Finished well.
    Succeeded,
    /// Finished with an error.
    Failed(E),
}

struct Node<E> {
    state: AtomicU32,
    error: UnsafeCell<Option<E>>,
    next: *mut Node<E>,
    /// Where it was taken.
    place: &'static Location<'static>,
}

/// See the page. `C` is what finishers need to wake the waiter; it is carried, never looked at.
pub(crate) struct TokenGroup<E, C> {
    open: AtomicUsize,
    first_failure: AtomicPtr<Node<E>>,
    newest: AtomicPtr<Node<E>>,
    context: C,
}

// SAFETY: nodes are owned by the group, reached only through the protocol above, and carry errors
// that may be written on one thread, read on several and dropped on another.
unsafe impl<E: Send + Sync, C: Send> Send for TokenGroup<E, C> {}
// SAFETY: as above.
unsafe impl<E: Send + Sync, C: Sync> Sync for TokenGroup<E, C> {}

impl<E, C> TokenGroup<E, C> {
    /// A group whose only hold is the body's; it ends with [`release`](Self::release).
    pub(crate) fn new(context: C) -> Self {
        Self {
            open: AtomicUsize::new(1),
            first_failure: AtomicPtr::new(ptr::null_mut()),
            newest: AtomicPtr::new(ptr::null_mut()),
            context,
        }
    }

    /// What was given to [`new`](Self::new).
    pub(crate) fn context(&self) -> &C {
        &self.context
    }

    /// Adds a token; `None` if the group is settled or closed.
    #[track_caller]
    pub(crate) fn defer(group: &Arc<Self>) -> Option<Hold<E, C>> {
        Self::defer_at(group, Location::caller())
    }

    fn defer_at(group: &Arc<Self>, place: &'static Location<'static>) -> Option<Hold<E, C>> {
        // Relaxed: only a first guess for the exchange below.
        let mut open = group.open.load(Ordering::Relaxed);
        loop {
            if open == 0 || open & CLOSED != 0 {
                return None;
            }
            // Relaxed, Relaxed: taking one more hold publishes nothing; the hold that keeps the
            // count above zero is given back later, with its own Release.
            match group.open.compare_exchange(open, open + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => open = now,
            }
        }
        let node = Box::into_raw(Box::new(Node {
            state: AtomicU32::new(OPEN),
            error: UnsafeCell::new(None),
            next: ptr::null_mut(),
            place,
        }));
        // Relaxed: a guess, and the pointer is only stored, not followed.
        let mut newest = group.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is not on the list yet, so this thread is the only one to touch it.
            unsafe { (*node).next = newest };
            // Release [token-list]: pairs with the Acquire in `ends`: who sees the node sees it
            // whole. Relaxed on failure: as above.
            match group.newest.compare_exchange(newest, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Some(Hold { group: group.clone(), node }),
                Err(now) => newest = now,
            }
        }
    }

    /// Gives back the body's own hold. Called once, when the body has ended.
    pub(crate) fn release(&self) -> Finished {
        self.give_back()
    }

    /// True once no hold is left; then it stays so, and every end is visible.
    pub(crate) fn is_settled(&self) -> bool {
        // Acquire [token-count]: pairs with the AcqRel in `give_back`, the last of which is read
        // here (each continues the release sequence of those before).
        self.open.load(Ordering::Acquire) & !CLOSED == 0
    }

    /// How many holds are left; a figure.
    pub(crate) fn open(&self) -> usize {
        // Relaxed: nothing is concluded from it.
        self.open.load(Ordering::Relaxed) & !CLOSED
    }

    /// Nobody waits for the group any more: later finishes answer `Nothing`.
    pub(crate) fn close(&self) {
        // Relaxed: tells finishers to be quiet, and carries nothing else.
        self.open.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// True once nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a hint to whoever still works for the token.
        self.open.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// The error of the token that failed first.
    pub(crate) fn first_failure(&self) -> Option<&E> {
        // Acquire [token-failure]: pairs with the Release in `Hold::finish`: the error is written.
        let node = self.first_failure.load(Ordering::Acquire);
        if node.is_null() {
            return None;
        }
        // SAFETY: nodes live as long as the group. The error was written before the node was put
        // here and never changes after, so it may be shared.
        unsafe { (*node).error.with(|error| (*error).as_ref()) }
    }

    /// The tokens, newest first.
    fn nodes(&self) -> impl Iterator<Item = &Node<E>> {
        // Acquire [token-list]: pairs with the Release in `defer`. Older nodes were put there by
        // exchanges that this one continues.
        let mut node = self.newest.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: nodes live as long as the group, and a node on the list is whole.
            let this = unsafe { node.as_ref() }?;
            node = this.next;
            Some(this)
        })
    }

    /// How every token stands, in the order of their creation.
    pub(crate) fn ends(&self) -> Vec<End<&E>> {
        let end = |node: &'_ Node<E>| {
            // Acquire [token-end]: pairs with the Release in `Hold::finish`: the error is written.
            match node.state.load(Ordering::Acquire) {
                SUCCEEDED => End::Succeeded,
                // SAFETY: FAILED says that the error is written; it never changes after, and nodes
                // live as long as the group.
                FAILED => End::Failed(
                    node.error
                        .with(|error| unsafe { (*error).as_ref() })
                        .expect("written before FAILED, and never taken"),
                ),
                _ => End::Open,
            }
        };
        let mut ends: Vec<_> = self.nodes().map(end).collect();
        ends.reverse();
        ends
    }

    /// Where the tokens were taken that are open, in the order of their creation.
    pub(crate) fn open_places(&self) -> Vec<&'static Location<'static>> {
        // Relaxed: a figure.
        let open = |node: &&Node<E>| matches!(node.state.load(Ordering::Relaxed), OPEN | TAKEN);
        let mut places: Vec<_> = self.nodes().filter(open).map(|node| node.place).collect();
        places.reverse();
        places
    }

    fn give_back(&self) -> Finished {
        // AcqRel [token-count]: Release, so that who sees the group settled sees what this holder
        // did; Acquire, so that the last holder sees what all others did.
        match self.open.fetch_sub(1, Ordering::AcqRel) {
            1 => Finished::Settled,
            before => {
                debug_assert!(before & !CLOSED > 0, "a hold was given back twice");
                Finished::Nothing
            }
        }
    }
}

impl<E, C> Drop for TokenGroup<E, C> {
    fn drop(&mut self) {
        // Relaxed: exclusive access; the last `Arc` ordered everything before.
        let mut node = self.newest.load(Ordering::Relaxed);
        while !node.is_null() {
            // SAFETY: every node on the list came from `Box::into_raw`, is on it once, and no hold
            // is left (each keeps the group alive).
            let owned = unsafe { Box::from_raw(node) };
            node = owned.next;
        }
    }
}

/// One token's hold on its group.
pub(crate) struct Hold<E, C> {
    group: Arc<TokenGroup<E, C>>,
    node: *mut Node<E>,
}

// SAFETY: the node is used only through the protocol above and lives as long as the group.
unsafe impl<E: Send + Sync, C: Send + Sync> Send for Hold<E, C> {}
// SAFETY: `finish` may be called from several threads; the exchange in it lets one through.
unsafe impl<E: Send + Sync, C: Send + Sync> Sync for Hold<E, C> {}

impl<E, C> Hold<E, C> {
    /// The group.
    pub(crate) fn group(&self) -> &TokenGroup<E, C> {
        &self.group
    }

    /// Finishes the token. The first call wins, from whatever thread; later ones change nothing.
    pub(crate) fn finish(&self, end: Result<(), E>) -> Finished {
        // SAFETY: nodes live as long as the group, which this hold keeps alive.
        let node = unsafe { &*self.node };
        // Relaxed, Relaxed: decides between finishers only; what the winner writes is published
        // by the stores below.
        if node.state.compare_exchange(OPEN, TAKEN, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Finished::Twice;
        }
        let first = match end {
            Ok(()) => {
                // Release [token-end]: pairs with the Acquire in `ends`.
                node.state.store(SUCCEEDED, Ordering::Release);
                false
            }
            Err(error) => {
                // SAFETY: TAKEN by this call, and nobody reads the error before FAILED is stored.
                node.error.with_mut(|slot| unsafe { *slot = Some(error) });
                // Release [token-end]: pairs with the Acquire in `ends`.
                node.state.store(FAILED, Ordering::Release);
                // Release [token-failure]: pairs with the Acquire in `first_failure`. Relaxed on
                // failure: another token was first, and this call does not look at it.
                self.group
                    .first_failure
                    .compare_exchange(
                        ptr::null_mut(),
                        self.node,
                        Ordering::Release,
                        Ordering::Relaxed,
                    )
                    .is_ok()
            }
        };
        match self.group.give_back() {
            Finished::Nothing if first && !self.group.is_closed() => Finished::FirstFailure,
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Group = TokenGroup<&'static str, ()>;

    fn hold(group: &Arc<Group>) -> Hold<&'static str, ()> {
        TokenGroup::defer(group).expect("the group is open")
    }

    #[test]
    fn a_token_finished_before_the_body_returns_does_not_settle_the_group() {
        let group = Arc::new(Group::new(()));
        assert_eq!(hold(&group).finish(Ok(())), Finished::Nothing);
        assert!(!group.is_settled());
        assert_eq!(group.release(), Finished::Settled);
        assert!(group.is_settled());
    }

    #[test]
    fn the_last_token_settles_the_group() {
        let group = Arc::new(Group::new(()));
        let (one, two) = (hold(&group), hold(&group));
        assert_eq!(group.release(), Finished::Nothing);
        assert_eq!(one.finish(Ok(())), Finished::Nothing);
        assert_eq!(two.finish(Ok(())), Finished::Settled);
    }

    #[test]
    fn the_first_failure_is_told_apart_and_kept() {
        let group = Arc::new(Group::new(()));
        let (one, two) = (hold(&group), hold(&group));
        assert_eq!(two.finish(Err("two")), Finished::FirstFailure);
        assert_eq!(one.finish(Err("one")), Finished::Nothing);
        assert_eq!(group.first_failure(), Some(&"two"));
        assert_eq!(group.ends(), [End::Failed(&"one"), End::Failed(&"two")]);
    }

    #[test]
    fn a_second_finish_changes_nothing() {
        let group = Arc::new(Group::new(()));
        let token = hold(&group);
        assert_eq!(token.finish(Ok(())), Finished::Nothing);
        assert_eq!(token.finish(Err("late")), Finished::Twice);
        assert_eq!(group.ends(), [End::Succeeded]);
        assert_eq!(group.release(), Finished::Settled);
    }

    #[test]
    fn a_closed_group_wakes_nobody_and_takes_no_token() {
        let group = Arc::new(Group::new(()));
        let token = hold(&group);
        assert_eq!(group.release(), Finished::Nothing);
        group.close();
        assert_eq!(group.ends(), [End::Open]);
        assert_eq!(token.finish(Err("late")), Finished::Nothing);
        assert!(TokenGroup::defer(&group).is_none());
    }

    #[test]
    fn a_settled_group_takes_no_token() {
        let group = Arc::new(Group::new(()));
        assert_eq!(group.release(), Finished::Settled);
        assert!(TokenGroup::defer(&group).is_none());
    }
}

//! The tokens of an attempt: finishers on other threads against the body and the waiter.

use loom::thread;

use super::watched::Watched;
use crate::check::{Bound, check};
use crate::coordinator::token_group::{End, Finished, Hold, TokenGroup};
use crate::sync::{Arc, Parker};

/// What a finisher wakes, and what it did for the job before it finished.
struct Job {
    parker: Parker,
    work: [Watched; 2],
}

type Group = TokenGroup<Watched, Job>;

fn group() -> Arc<Group> {
    let work = [Watched::new(0), Watched::new(0)];
    Arc::new(Group::new(Job { parker: Parker::new(), work }))
}

fn token(group: &Arc<Group>) -> Hold<Watched, Job> {
    TokenGroup::defer(group).expect("the group is open")
}

/// Works, finishes and wakes, as a token's owner does.
fn finish(hold: &Hold<Watched, Job>, work: usize, end: Result<(), Watched>) -> Finished {
    let job = hold.group().context();
    job.work[work].set(1);
    let finished = hold.finish(end);
    if finished == Finished::Settled {
        job.parker.unpark();
    }
    finished
}

fn wait_settled(group: &Group) {
    while !group.is_settled() {
        group.context().parker.park();
    }
}

fn failures(group: &Group) -> Vec<u32> {
    let number = |end: &End<&Watched>| match end {
        End::Failed(error) => Some(error.number()),
        End::Open | End::Succeeded => None,
    };
    group.ends().iter().filter_map(number).collect()
}

/// Breaks if a holder gives back without its orderings, or the waiter looks without them: what the
/// finishers did is then not seen, or nobody settles the group and the waiter sleeps for ever.
pub(crate) fn the_waiter_sees_what_every_finisher_did() {
    check(Bound::Preemptions(3), || {
        let group = group();
        let holds = [token(&group), token(&group)];
        let mut work = 0..;
        let finishers = holds.map(|hold| {
            let work = work.next().expect("endless");
            thread::spawn(move || finish(&hold, work, Ok(())))
        });
        if group.release() != Finished::Settled {
            wait_settled(&group);
        }
        assert_eq!(group.context().work.each_ref().map(Watched::number), [1, 1]);
        assert!(group.ends().iter().all(|end| matches!(end, End::Succeeded)));
        for finisher in finishers {
            let _answer = finisher.join().expect("no panic");
        }
    });
}

/// Breaks if two tokens can both be the first to fail, or an error is read before it is written.
pub(crate) fn the_first_of_two_failures_is_kept() {
    check(Bound::Full, || {
        let group = group();
        let (mine, other) = (token(&group), token(&group));
        let finisher = thread::spawn(move || finish(&other, 0, Err(Watched::new(7))));
        let first_is_mine = match finish(&mine, 1, Err(Watched::new(8))) {
            Finished::FirstFailure => true,
            Finished::Nothing => false,
            answer => panic!("the body has not ended: {answer:?}"),
        };
        let expected = if first_is_mine { 8 } else { 7 };
        assert_eq!(group.first_failure().map(Watched::number), Some(expected));
        let finished = finisher.join().expect("no panic");
        assert_eq!(finished == Finished::FirstFailure, !first_is_mine);
        assert_eq!(failures(&group), [8, 7]);
        assert_eq!(group.release(), Finished::Settled);
    });
}

/// Breaks if a failure is shown before its error is written: by the word for the first failure or by
/// the token's own state.
pub(crate) fn a_failure_seen_early_is_whole() {
    check(Bound::Full, || {
        let group = group();
        let hold = token(&group);
        let finisher = thread::spawn(move || finish(&hold, 0, Err(Watched::new(7))));
        if let Some(error) = group.first_failure() {
            assert_eq!(error.number(), 7);
        }
        assert!(failures(&group).iter().all(|number| *number == 7));
        let _answer = finisher.join().expect("no panic");
    });
}

/// Breaks if a success is shown before what its owner did.
pub(crate) fn a_success_seen_early_shows_the_work() {
    check(Bound::Full, || {
        let group = group();
        let hold = token(&group);
        let finisher = thread::spawn(move || finish(&hold, 0, Ok(())));
        if matches!(group.ends()[..], [End::Succeeded]) {
            assert_eq!(group.context().work[0].number(), 1);
        }
        let _answer = finisher.join().expect("no panic");
    });
}

/// Breaks if two finishers of a shared token can both win: the error is written twice, or the hold
/// is given back twice.
pub(crate) fn one_of_two_finishers_wins() {
    check(Bound::Full, || {
        let group = group();
        let hold = Arc::new(token(&group));
        let shared = Arc::clone(&hold);
        let other = thread::spawn(move || finish(&shared, 0, Err(Watched::new(7))));
        let mine = finish(&hold, 1, Err(Watched::new(8)));
        let other = other.join().expect("no panic");
        assert_eq!([mine, other].iter().filter(|end| **end == Finished::Twice).count(), 1);
        let expected = if mine == Finished::Twice { 7 } else { 8 };
        assert_eq!(failures(&group), [expected]);
        assert_eq!(group.release(), Finished::Settled);
    });
}

/// Breaks if a push loses a node or shows one that is not whole, or a hold is counted on a group
/// that is settled.
pub(crate) fn tokens_are_taken_on_two_threads_while_one_ends() {
    check(Bound::Preemptions(3), || {
        let group = group();
        let first = token(&group);
        let sharer = Arc::clone(&group);
        let taker = thread::spawn(move || {
            let taken = TokenGroup::defer(&sharer);
            if let Some(hold) = &taken {
                let _answer = finish(hold, 0, Err(Watched::new(7)));
            }
            taken.is_some()
        });
        let second = token(&group);
        let _answer = finish(&first, 1, Ok(()));
        let seen = group.ends().len();
        assert!((2..=3).contains(&seen), "{seen} tokens");
        let _answer = second.finish(Ok(()));
        if group.release() != Finished::Settled {
            wait_settled(&group);
        }
        let expected: &[u32] = if taker.join().expect("no panic") { &[7] } else { &[] };
        assert!(group.is_settled());
        assert_eq!(group.ends().len(), 2 + expected.len());
        assert_eq!(failures(&group), expected);
    });
}

/// Breaks if a finish after the group was given up still claims to have settled it.
pub(crate) fn a_group_is_given_up_while_a_token_ends() {
    check(Bound::Full, || {
        let group = group();
        let hold = token(&group);
        assert_eq!(group.release(), Finished::Nothing);
        let finisher = thread::spawn(move || finish(&hold, 0, Err(Watched::new(7))));
        group.close();
        let settled_first = group.is_settled();
        assert!(TokenGroup::defer(&group).is_none());
        let finished = finisher.join().expect("no panic");
        if finished == Finished::Settled {
            assert!(settled_first, "settled after it was given up");
        }
        assert_eq!(failures(&group), [7]);
    });
}

//! Jobs that run on the node that owns their entity.

use std::sync::Arc;
use std::time::Duration;

use laneway::coordinator::{
    CoordinatorConfig, Explanation, JobStatus, OutcomeKind, OwnedSet, OwnerQuestion, Ownership,
    Standalone, TestCoordinator,
};
use laneway::{Coordinator, Job, JobHandle, Key, Shutdown};

use crate::support::{LONG, Log, NEVER, pool, writes};

fn node(owned: &Arc<OwnedSet>) -> TestCoordinator {
    let config = CoordinatorConfig { ownership: Some(owned.clone()), ..Default::default() };
    TestCoordinator::with_config(1, config)
}

fn submit(node: &Coordinator, log: &Log, entry: &str) -> JobHandle<()> {
    node.submit("k", writes(log, entry).owned_by("e")).expect("accepted")
}

fn ended<T: Send + 'static>(handle: JobHandle<T>) -> OutcomeKind {
    handle.try_wait().expect("it has ended").kind()
}

#[test]
fn a_follower_skips_what_the_owner_runs() {
    let (log, outcomes) = (Log::default(), [OutcomeKind::Completed, OutcomeKind::Skipped]);
    for (index, expected) in outcomes.into_iter().enumerate() {
        let owned = Arc::new(OwnedSet::default());
        if index == 0 {
            owned.own("e");
        }
        let node = node(&owned);
        let handle = submit(&node, &log, "ran");
        let other = node.submit("k", writes(&log, "of nobody")).expect("accepted");
        node.run_until_idle();
        assert_eq!(ended(handle), expected);
        assert_eq!(ended(other), OutcomeKind::Completed);
    }
    assert_eq!(log.entries(), ["ran", "of nobody", "of nobody"]);
}

#[test]
fn the_answer_is_awaited_without_a_worker_and_asked_for_once() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    let jobs = [submit(&node, &log, "one"), submit(&node, &log, "two")];
    let elsewhere = node.submit("l", writes(&log, "other key").owned_by("e")).expect("accepted");
    let free = node.submit("m", writes(&log, "free")).expect("accepted");
    node.run_until_idle();
    assert_eq!(log.entries(), ["free"]);
    assert_eq!(ended(free), OutcomeKind::Completed);
    assert_eq!((owned.asked(), jobs[0].status()), (1, JobStatus::Queued));
    let why = node.explain("k");
    assert!(why.contains(&Explanation::WaitingForOwner { entity: Key::from("e") }), "{why:?}");
    owned.own("e");
    owned.answer();
    node.run_until_idle();
    assert_eq!(jobs.map(ended), [OutcomeKind::Completed; 2]);
    assert_eq!(ended(elsewhere), OutcomeKind::Completed);
    assert_eq!(owned.asked(), 1);
}

#[test]
fn an_entity_moves_while_jobs_wait() {
    let owned = Arc::new(OwnedSet::default());
    owned.own("e");
    let (node, log) = (node(&owned), Log::default());
    let (give, token) = std::sync::mpsc::channel();
    let job = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let started = node.submit("k", job.owned_by("e")).expect("accepted");
    let waiting = submit(&node, &log, "after the move");
    node.run_until_idle();
    node.set_owned("e", false);
    token.recv().expect("it has run").succeed();
    node.run_until_idle();
    assert_eq!(ended(started), OutcomeKind::Completed);
    assert_eq!(ended(waiting), OutcomeKind::Skipped);
    node.set_owned("e", true);
    let back = submit(&node, &log, "back");
    node.run_until_idle();
    assert_eq!(ended(back), OutcomeKind::Completed);
    assert_eq!(log.entries(), ["back"]);
}

#[test]
fn what_is_told_answers_who_waits_and_outruns_the_answer() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    let first = submit(&node, &log, "first");
    node.run_until_idle();
    node.set_owned("e", true);
    node.run_until_idle();
    assert_eq!(ended(first), OutcomeKind::Completed);
    owned.answer(); // no, but too late
    let second = submit(&node, &log, "second");
    node.run_until_idle();
    assert_eq!(ended(second), OutcomeKind::Completed);
    node.forget_owner("e");
    let third = submit(&node, &log, "third");
    node.run_until_idle();
    assert_eq!((ended(third), owned.asked()), (OutcomeKind::Skipped, 2));
}

#[test]
fn forgetting_lets_waiting_jobs_ask_again() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    let handle = submit(&node, &log, "asked twice");
    node.run_until_idle();
    node.forget_owner("e");
    node.run_until_idle();
    assert_eq!(owned.asked(), 2);
    owned.own("e");
    owned.answer();
    node.run_until_idle();
    assert_eq!(ended(handle), OutcomeKind::Completed);
}

#[test]
fn waiting_for_the_owner_ends_by_cancel_expiry_and_shutdown() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    let cancelled = submit(&node, &log, "cancelled");
    let by_key = submit(&node, &log, "cancelled by key");
    let expired = writes(&log, "expired").owned_by("e").queue_timeout(Duration::from_secs(5));
    let expired = node.submit("l", expired).expect("accepted");
    let lost = node.submit("m", writes(&log, "lost").owned_by("e")).expect("accepted");
    node.run_until_idle();
    assert!(cancelled.cancel());
    node.run_until_idle();
    node.cancel("k");
    node.advance(Duration::from_secs(5));
    assert_eq!(ended(cancelled), OutcomeKind::Cancelled);
    assert_eq!(ended(by_key), OutcomeKind::Cancelled);
    assert_eq!(ended(expired), OutcomeKind::Expired);
    let report = node.shutdown(Shutdown::Cancel, NEVER).expect("not on a worker");
    assert!(report.complete);
    assert_eq!(ended(lost), OutcomeKind::Lost);
    assert_eq!(log.entries().len(), 0);
    owned.answer();
}

#[test]
fn one_step_lets_one_job_through_however_often_it_is_asked() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    node.pause("k");
    let jobs = [submit(&node, &log, "stepped"), submit(&node, &log, "paused")];
    node.step("k");
    node.run_until_idle();
    owned.own("e");
    owned.answer();
    node.run_until_idle();
    assert_eq!(log.entries(), ["stepped"]);
    assert!(jobs[0].is_done() && !jobs[1].is_done());
}

#[test]
fn jobs_over_several_keys_are_owned_too() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let (node, log) = (node(&owned), Log::default());
    let keys = || [Key::from("a"), Key::from("b")];
    let here = node.submit_multi(keys(), writes(&log, "here").owned_by("mine")).expect("accepted");
    let there = node.submit_multi(keys(), writes(&log, "there").owned_by("e")).expect("accepted");
    let behind = node.submit("b", writes(&log, "behind")).expect("accepted");
    node.run_until_idle();
    assert_eq!(log.entries().len(), 0);
    owned.own("mine");
    owned.answer();
    node.run_until_idle();
    assert_eq!([here, there, behind].map(ended), {
        use OutcomeKind::{Completed, Skipped};
        [Completed, Skipped, Completed]
    });
    assert_eq!(log.entries(), ["here", "behind"]);
}

/// Answers nothing.
struct Forgetful;

impl Ownership for Forgetful {
    fn ask(&self, _: &Key, question: OwnerQuestion) {
        drop(question);
    }
}

/// Does not even get to that.
struct Broken;

impl Ownership for Broken {
    fn ask(&self, _: &Key, _question: OwnerQuestion) {
        panic!("who knows");
    }
}

#[test]
fn a_question_that_nobody_answers_means_no() {
    for ownership in [Arc::new(Forgetful) as Arc<dyn Ownership>, Arc::new(Broken)] {
        let config = CoordinatorConfig { ownership: Some(ownership), ..Default::default() };
        let coordinator = Coordinator::with_config(&pool(2), config);
        let handle = submit(&coordinator, &Log::default(), "never");
        assert_eq!(handle.wait_timeout(LONG).expect("ended").kind(), OutcomeKind::Skipped);
    }
}

#[test]
fn standalone_every_entity_is_owned() {
    for ownership in [None, Some(Arc::new(Standalone) as Arc<dyn Ownership>)] {
        let config = CoordinatorConfig { ownership, ..Default::default() };
        let coordinator = Coordinator::with_config(&pool(2), config);
        let handle = submit(&coordinator, &Log::default(), "here");
        assert!(handle.wait_timeout(LONG).expect("ended").is_completed());
    }
}

#[test]
fn the_end_of_a_pool_frees_jobs_whose_owner_nobody_told() {
    let owned = Arc::new(OwnedSet::default());
    owned.hold();
    let node = node(&owned);
    let held = Arc::new(());
    let kept = held.clone();
    let handle = node.submit("k", Job::once(move |_| Ok(kept)).owned_by("e")).expect("accepted");
    node.run_until_idle();
    drop(node);
    assert_eq!(ended(handle), OutcomeKind::Lost);
    assert_eq!(Arc::strong_count(&held), 1);
}

//! Jobs that replace each other, and jobs over several keys.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use laneway::coordinator::{Explanation, Keys, SubmitError};
use laneway::{Coordinator, Job, JobError, JobHandle, JobOutcome, OnFailure, Shutdown};
use proptest::prelude::*;

use crate::support::*;

fn latest(coordinator: &Coordinator, tag: &str, job: Job<u32>) -> JobHandle<u32> {
    coordinator.submit_latest("k", tag, job).expect("accepted")
}

fn multi<T: Send + 'static>(coordinator: &Coordinator, keys: &[&str], job: Job<T>) -> JobHandle<T> {
    coordinator.submit_multi(keys.iter().copied(), job).expect("accepted")
}

/// Asks until the answer has `wanted`, which other threads bring about.
fn explained(coordinator: &Coordinator, key: &str, wanted: &Explanation) {
    let limit = std::time::Instant::now() + LONG;
    while !coordinator.explain(key).contains(wanted) {
        assert!(std::time::Instant::now() < limit, "{:?}", coordinator.explain(key));
        std::thread::yield_now();
    }
}

#[test]
fn a_later_job_takes_the_first_ones_place() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let gate = block_lane(&coordinator, "k");
    let put = |entry| coordinator.submit_latest("k", "t", writes(&log, entry)).expect("accepted");
    let one = put("one");
    let between = submit(&coordinator, "k", writes(&log, "between"));
    let two = put("two");
    let three = put("three");
    let other = latest(&coordinator, "other tag", Job::once(|_| Ok(1)));
    gate.open();
    assert!(matches!(end(one), JobOutcome::Superseded));
    assert!(matches!(end(two), JobOutcome::Superseded));
    value(three);
    value(between);
    value(other);
    assert_eq!(log.entries(), ["three", "between"]);
}

#[test]
fn a_running_job_is_not_replaced() {
    let coordinator = coordinator(2);
    let (running, gate) = (Gate::shut(), Gate::shut());
    let (tell, wait) = (running.clone(), gate.clone());
    let first = Job::once(move |_| {
        tell.open();
        wait.pass();
        Ok(1)
    });
    let first = latest(&coordinator, "t", first);
    running.pass();
    let second = latest(&coordinator, "t", Job::once(|_| Ok(2)));
    gate.open();
    assert_eq!((value(first), value(second)), (1, 2));
}

#[test]
fn a_paused_place_is_kept_and_its_job_replaced_cancelled_or_expired() {
    let coordinator = coordinator(2);
    coordinator.pause("k");
    let old = latest(&coordinator, "t", Job::once(|_| Ok(1)));
    explained(&coordinator, "k", &Explanation::Behind { jobs: 1 });
    let cancelled = latest(&coordinator, "t", Job::once(|_| Ok(2)));
    assert!(matches!(end(old), JobOutcome::Superseded));
    assert!(cancelled.cancel());
    assert!(matches!(end(cancelled), JobOutcome::Cancelled { started: false }));
    let expired = Job::once(|_| Ok(3)).queue_timeout(Duration::from_millis(1));
    assert!(matches!(end(latest(&coordinator, "t", expired)), JobOutcome::Expired));
    let last = latest(&coordinator, "t", Job::once(|_| Ok(4)));
    coordinator.resume("k");
    assert_eq!(value(last), 4);
    coordinator.drain(LONG).expect("drained");
    assert_eq!(coordinator.counters().created, coordinator.counters().ended_total());
}

#[test]
fn a_cancel_of_the_key_and_a_shutdown_reach_a_replaceable_job() {
    let coordinator = coordinator(2);
    coordinator.pause("k");
    let cancelled = latest(&coordinator, "t", Job::once(|_| Ok(1)));
    coordinator.cancel("k");
    assert!(matches!(end(cancelled), JobOutcome::Cancelled { started: false }));
    let lost = latest(&coordinator, "t", Job::once(|_| Ok(2)));
    coordinator.shutdown(Shutdown::Drain, LONG).expect("not on a worker");
    assert!(matches!(end(lost), JobOutcome::Lost));
}

#[test]
fn the_last_submit_gets_a_run_that_sees_it() {
    let coordinator = coordinator(3);
    let (newest, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for round in 1..=2_000 {
        newest.store(round, Ordering::Release);
        let (newest, seen) = (newest.clone(), seen.clone());
        let job = Job::once(move |_| {
            seen.store(newest.load(Ordering::Acquire), Ordering::Release);
            Ok(())
        });
        drop(coordinator.submit_latest("k", "t", job).expect("accepted"));
    }
    coordinator.drain(LONG).expect("drained");
    assert_eq!(seen.load(Ordering::Acquire), 2_000);
    let counters = coordinator.counters();
    assert_eq!(counters.created, counters.ended_total());
}

#[test]
fn a_job_over_several_keys_holds_all_of_them() {
    let coordinator = coordinator(3);
    let gate = block_lane(&coordinator, "b");
    let (give, tokens) = mpsc::channel();
    let both = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(7)
    });
    let both = multi(&coordinator, &["a", "b", "a"], both);
    let after = submit(&coordinator, "a", Job::once(|_| Ok(1)));
    explained(&coordinator, "a", &Explanation::WaitingForKey { key: "b".into() });
    assert!(tokens.try_recv().is_err(), "b is taken");
    gate.open();
    let token = tokens.recv_timeout(LONG).expect("it has started");
    let behind = submit(&coordinator, "b", Job::once(|_| Ok(2)));
    let waits = Explanation::WaitingForTokens { attempt: 1, tokens: 1 };
    let under = |key: &str| Explanation::RunsUnder { key: key.into() };
    let limit = std::time::Instant::now() + LONG;
    loop {
        let (a, b) = (coordinator.explain("a"), coordinator.explain("b"));
        // Whichever lane came last drives it.
        if a.contains(&waits) && b.contains(&under("a"))
            || b.contains(&waits) && a.contains(&under("b"))
        {
            break;
        }
        assert!(std::time::Instant::now() < limit, "{a:?} {b:?}");
    }
    assert!(!after.is_done() && !behind.is_done());
    token.succeed();
    assert_eq!((value(both), value(after), value(behind)), (7, 1, 2));
}

#[test]
fn keys_are_counted_once_and_at_most_sixteen() {
    let coordinator = coordinator(1);
    let keys = |count: u64| (0..count).chain(0..count);
    let none = coordinator.submit_multi(keys(0), Job::once(|_| Ok(())));
    assert!(matches!(none, Err(SubmitError::KeyCount(_))));
    let many = coordinator.submit_multi(keys(17), Job::once(|_| Ok(())));
    assert!(matches!(many, Err(SubmitError::KeyCount(_))));
    value(coordinator.submit_multi(keys(16), Job::once(|_| Ok(()))).expect("accepted"));
    value(coordinator.submit_multi(keys(1), Job::once(|_| Ok(()))).expect("accepted"));
}

#[test]
fn a_pause_of_any_key_delays_it_and_a_cancel_of_any_ends_it() {
    let coordinator = coordinator(2);
    coordinator.pause("b");
    let waits = multi(&coordinator, &["a", "b"], Job::once(|_| Ok(1)));
    explained(&coordinator, "a", &Explanation::WaitingForKey { key: "b".into() });
    coordinator.resume("b");
    assert_eq!(value(waits), 1);

    coordinator.pause("a");
    let cancelled = multi(&coordinator, &["a", "b"], Job::once(|_| Ok(2)));
    let later = submit(&coordinator, "b", Job::once(|_| Ok(3)));
    coordinator.cancel("b");
    assert!(matches!(end(cancelled), JobOutcome::Cancelled { started: false }));
    assert!(matches!(end(later), JobOutcome::Cancelled { started: false }));
    coordinator.resume("a");
    assert_eq!(value(multi(&coordinator, &["a", "b"], Job::once(|_| Ok(4)))), 4);
}

#[test]
fn a_cancel_of_any_key_reaches_it_after_its_start() {
    for key in ["a", "b", "c"] {
        let coordinator = coordinator(2);
        let (give, tokens) = mpsc::channel();
        let job = Job::once(move |ctx| {
            give.send(ctx.defer()).expect("the test listens");
            Ok(())
        });
        let job = multi(&coordinator, &["a", "b", "c"], job.undo(|_| Ok(())));
        let _token = tokens.recv_timeout(LONG).expect("it has started");
        coordinator.cancel(key);
        assert!(matches!(end(job), JobOutcome::RolledBack { cause: JobError::Cancelled }), "{key}");
        coordinator.drain(LONG).expect("drained");
    }
}

#[test]
fn an_unstarted_one_that_is_cancelled_or_expires_makes_way_on_all_its_keys() {
    let coordinator = coordinator(2);
    coordinator.pause("c");
    let low = multi(&coordinator, &["a", "c"], Job::once(|_| Ok(1)));
    let late = Job::once(|_| Ok(2)).queue_timeout(Duration::from_millis(1));
    let late = multi(&coordinator, &["b", "c"], late);
    let next = multi(&coordinator, &["a", "b"], Job::once(|_| Ok(3)));
    assert!(matches!(end(late), JobOutcome::Expired));
    assert!(low.cancel());
    assert_eq!(value(next), 3);
    assert!(matches!(end(low), JobOutcome::Cancelled { started: false }));
    coordinator.drain(LONG).expect("nothing is left at the paused key either");
}

#[test]
fn its_failure_holds_or_fails_the_rest_of_every_key() {
    let coordinator = coordinator(2);
    let fails = || Job::once(|_| Err::<(), _>(JobError::new("no")));
    let hold = multi(&coordinator, &["a", "b"], fails().on_failure(OnFailure::Hold));
    assert!(matches!(end(hold), JobOutcome::Failed { .. }));
    for key in ["a", "b"] {
        assert!(coordinator.explain(key).contains(&Explanation::Held), "{key}");
        coordinator.release(key);
    }
    let gate = block_lane(&coordinator, "a");
    let cut = multi(&coordinator, &["a", "b"], fails().on_failure(OnFailure::FailRest));
    let rest: Vec<_> =
        ["a", "b"].map(|key| submit(&coordinator, key, Job::once(|_| Ok(())))).into();
    let wide = multi(&coordinator, &["b", "c"], Job::once(|_| Ok(())));
    explained(&coordinator, "b", &Explanation::Behind { jobs: 3 });
    explained(&coordinator, "c", &Explanation::WaitingForKey { key: "b".into() });
    gate.open();
    assert!(matches!(end(cut), JobOutcome::Failed { .. }));
    for job in rest.into_iter().chain([wide]) {
        assert!(matches!(end(job), JobOutcome::Failed { cause: JobError::Predecessor }));
    }
    value(multi(&coordinator, &["a", "b", "c"], Job::once(|_| Ok(()))));
}

#[test]
fn what_waits_over_several_keys_is_lost_at_a_shutdown() {
    let coordinator = coordinator(2);
    coordinator.pause("b");
    let job = multi(&coordinator, &["a", "b"], Job::once(|_| Ok(())));
    let (give, tokens) = mpsc::channel();
    let started = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    });
    let started = multi(&coordinator, &["c", "d"], started);
    let _token = tokens.recv_timeout(LONG).expect("it has started");
    let report = coordinator.shutdown(Shutdown::Cancel, LONG).expect("not on a worker");
    assert!(report.complete);
    assert!(matches!(end(job), JobOutcome::Lost));
    assert!(matches!(end(started), JobOutcome::Lost));
}

/// What a random program submits or does.
#[derive(Debug, Clone)]
enum Deed {
    Single(u8),
    Retried(u8),
    Multi(Vec<u8>),
    Latest(u8),
    CancelOne(usize),
    CancelKey(u8),
    Pause(u8),
    ResumeAll,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = 0..4_u8;
    let deed = prop_oneof![
        3 => key.clone().prop_map(Deed::Single),
        1 => key.clone().prop_map(Deed::Retried),
        4 => prop::collection::vec(key.clone(), 1..5).prop_map(Deed::Multi),
        1 => key.clone().prop_map(Deed::Latest),
        1 => (0..60_usize).prop_map(Deed::CancelOne),
        1 => key.clone().prop_map(Deed::CancelKey),
        1 => key.prop_map(Deed::Pause),
        1 => Just(Deed::ResumeAll),
    ];
    prop::collection::vec(deed, 1..60)
}

/// One busy flag per key; a job that finds one of its flags up has company.
#[derive(Default)]
struct Busy([AtomicBool; 4]);

impl Busy {
    fn enter(&self, keys: &[u8]) {
        for key in keys {
            assert!(
                !self.0[usize::from(*key)].swap(true, Ordering::AcqRel),
                "two jobs of key {key}"
            );
        }
        for key in keys {
            self.0[usize::from(*key)].store(false, Ordering::Release);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// No deadlock, exclusion on every key, order per key among the jobs of one thread, one outcome each.
    #[test]
    fn any_mix_of_jobs_over_keys_ends(deeds in deeds()) {
        let coordinator = coordinator(3);
        let busy = Arc::new(Busy::default());
        let log = Log::default();
        let mut handles = Vec::new();
        for (index, deed) in deeds.iter().enumerate() {
            let (busy, log) = (busy.clone(), log.clone());
            match deed.clone() {
                Deed::Single(key) => handles.push(submit_u8(&coordinator, &[key], Job::once(move |_| {
                    busy.enter(&[key]);
                    log.add(format!("{key}:{index}"));
                    Ok(())
                }))),
                Deed::Retried(key) => handles.push(submit_u8(&coordinator, &[key], Job::repeatable(move |ctx| {
                    busy.enter(&[key]);
                    if ctx.attempt() < 3 { return Err(JobError::new("again")); }
                    log.add(format!("{key}:{index}"));
                    Ok(())
                }).retry(retries(2)))),
                Deed::Multi(keys) => {
                    let mut once = keys.clone();
                    once.sort_unstable();
                    once.dedup();
                    handles.push(submit_u8(&coordinator, &keys, Job::repeatable(move |ctx| {
                        busy.enter(&once);
                        if ctx.attempt() == 1 && index % 3 == 0 { return Err(JobError::new("again")); }
                        once.iter().for_each(|key| log.add(format!("{key}:{index}")));
                        Ok(())
                    }).retry(retries(1))));
                }
                Deed::Latest(key) => handles.push(coordinator.submit_latest(u64::from(key), "t", Job::once(move |_| {
                    busy.enter(&[key]);
                    Ok(())
                })).expect("accepted")),
                Deed::CancelOne(at) => { handles.get(at).map(JobHandle::cancel); }
                Deed::CancelKey(key) => coordinator.cancel(u64::from(key)),
                Deed::Pause(key) => { coordinator.pause(u64::from(key)); }
                Deed::ResumeAll => { for key in 0..4_u64 { coordinator.resume(key); } }
            }
        }
        for key in 0..4_u64 { coordinator.resume(Keys::from(key)); }
        prop_assert!(coordinator.drain(LONG).is_ok(), "stuck: {:?}", [0, 1, 2, 3_u64].map(|key| coordinator.explain(key)));
        for handle in handles {
            let outcome = end(handle);
            let expected = matches!(outcome, JobOutcome::Completed(()) | JobOutcome::Superseded | JobOutcome::Cancelled { .. });
            prop_assert!(expected, "{outcome:?}");
        }
        let counters = coordinator.counters();
        prop_assert_eq!(counters.created, counters.ended_total());
        let mut last = [None; 4];
        for entry in log.entries() {
            let (key, index) = entry.split_once(':').expect("key:index");
            let (key, index): (usize, usize) = (key.parse().expect("a key"), index.parse().expect("an index"));
            prop_assert!(last[key] < Some(index), "key {} out of order: {:?}", key, log.entries());
            last[key] = Some(index);
        }
    }
}

fn submit_u8(coordinator: &Coordinator, keys: &[u8], job: Job<()>) -> JobHandle<()> {
    coordinator.submit_multi(keys.iter().map(|key| u64::from(*key)), job).expect("accepted")
}

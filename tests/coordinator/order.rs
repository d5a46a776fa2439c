//! Order per key, parallelism across keys.

use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};

use laneway::coordinator::{KEY_MAX, SubmitError};
use laneway::{Coordinator, Job, JobHandle, Key};

use crate::support::*;

#[test]
fn jobs_of_one_key_run_one_at_a_time_in_the_order_of_submission() {
    const KEYS: usize = 7;
    const JOBS: usize = 300;
    let coordinator = coordinator(4);
    let ran: Arc<Mutex<HashMap<usize, Vec<usize>>>> = Arc::default();
    let busy: Arc<[Mutex<()>; KEYS]> = Arc::default();
    for job in 0..JOBS {
        for key in 0..KEYS {
            let (ran, busy) = (ran.clone(), busy.clone());
            let body = Job::once(move |_| {
                let _alone = busy[key].try_lock().expect("nobody else runs this key");
                ran.lock().expect("no panic").entry(key).or_default().push(job);
                Ok(())
            });
            coordinator.submit_detached(key as u64, body).expect("accepted");
        }
    }
    coordinator.drain(LONG).expect("drained");
    let ran = ran.lock().expect("no panic");
    for key in 0..KEYS {
        assert!(ran[&key].iter().copied().eq(0..JOBS), "key {key}: {:?}", ran[&key]);
    }
}

#[test]
fn each_submitters_jobs_of_a_key_keep_their_order() {
    let coordinator = coordinator(2);
    let ran: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    std::thread::scope(|scope| {
        for submitter in 0..3 {
            let (coordinator, ran) = (&coordinator, &ran);
            scope.spawn(move || {
                for job in 0..200 {
                    let ran = ran.clone();
                    let body = Job::once(move |_| {
                        ran.lock().expect("no panic").push((submitter, job));
                        Ok(())
                    });
                    coordinator.submit_detached("shared", body).expect("accepted");
                }
            });
        }
    });
    coordinator.drain(LONG).expect("drained");
    let ran = ran.lock().expect("no panic");
    for submitter in 0..3 {
        let jobs = ran.iter().filter(|(who, _)| *who == submitter).map(|(_, job)| *job);
        assert!(jobs.eq(0..200), "submitter {submitter}");
    }
}

#[test]
fn jobs_of_different_keys_run_in_parallel() {
    let coordinator = coordinator(2);
    let meeting = Arc::new(Barrier::new(2));
    let meet = |key: &str| {
        let meeting = meeting.clone();
        submit(
            &coordinator,
            key,
            Job::once(move |_| {
                meeting.wait();
                Ok(())
            }),
        )
    };
    let handles = [meet("one"), meet("two")];
    handles.into_iter().for_each(value);
}

#[test]
fn a_job_may_submit_to_its_own_key_and_that_job_comes_last() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let gate = block_lane(&coordinator, "k");
    let (inner, inner_log) = (coordinator.clone(), log.clone());
    let first = submit(
        &coordinator,
        "k",
        Job::once(move |_| {
            inner_log.add("first");
            Ok(inner.submit("k", writes(&inner_log, "third")).expect("accepted"))
        }),
    );
    let second = submit(&coordinator, "k", writes(&log, "second"));
    gate.open();
    let third: JobHandle<()> = value(first);
    value(second);
    value(third);
    assert_eq!(log.entries(), ["first", "second", "third"]);
}

#[test]
fn the_outcome_is_there_before_the_next_job_of_the_key_starts() {
    let coordinator = coordinator(2);
    for _ in 0..200 {
        let first = submit(&coordinator, "k", Job::once(|_| Ok(1)));
        let second = submit(&coordinator, "k", Job::once(move |_| Ok(first.is_done())));
        assert!(value(second));
    }
}

#[test]
fn coordinators_on_one_pool_have_lanes_of_their_own() {
    let pool = pool(2);
    let (one, two) = (Coordinator::new(&pool), Coordinator::new(&pool));
    let gate = block_lane(&one, "k");
    assert_eq!(value(submit(&two, "k", Job::once(|_| Ok(2)))), 2);
    gate.open();
    one.drain(LONG).expect("drained");
}

#[test]
fn keys_may_be_empty_or_long_but_not_too_long() {
    let coordinator = coordinator(1);
    assert_eq!(value(submit(&coordinator, "", Job::once(|_| Ok(1)))), 1);
    let longest = coordinator.submit(vec![7; KEY_MAX], Job::once(|_| Ok(2)));
    assert_eq!(value(longest.expect("accepted")), 2);
    let refused = coordinator.submit(vec![7; KEY_MAX + 1], Job::once(|_| Ok(3)));
    let error = refused.expect_err("too long");
    assert!(matches!(error, SubmitError::KeyTooLong(_)));
    let again = coordinator.submit(Key::from("short"), error.into_job()).expect("accepted");
    assert_eq!(value(again), 3);
}

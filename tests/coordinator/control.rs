//! Pause, resume, step, cancel and explain: each reached through real work.

use std::sync::mpsc;
use std::time::Duration;

use laneway::coordinator::{Explanation, Keys, OutcomeKind};
use laneway::{
    Coordinator, Job, JobError, JobOutcome, OnDoubleFault, OnFailure, RetryPolicy, Shutdown,
};

use crate::support::*;

/// Asks until the answer is `wanted`, which other threads bring about.
fn explained(coordinator: &Coordinator, key: &str, wanted: impl Fn(&[Explanation]) -> bool) {
    let limit = std::time::Instant::now() + LONG;
    loop {
        let why = coordinator.explain(key);
        if wanted(&why) {
            return;
        }
        assert!(std::time::Instant::now() < limit, "{why:?}");
        std::thread::yield_now();
    }
}

fn has(why: &[Explanation], wanted: &Explanation) -> bool {
    why.contains(wanted)
}

#[test]
fn a_pause_holds_before_the_next_job_and_the_order_stays() {
    let coordinator = coordinator(2);
    let log = Log::default();
    let gate = block_lane(&coordinator, "k");
    let first = submit(&coordinator, "k", writes(&log, "first"));
    assert!(coordinator.pause("k"));
    assert!(!coordinator.pause("k"), "it is paused already");
    let second = submit(&coordinator, "k", writes(&log, "second"));
    coordinator.submit_detached("k", writes(&log, "plain")).expect("accepted");
    gate.open();
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    explained(&coordinator, "k", |why| has(why, &Explanation::Behind { jobs: 3 }));
    assert!(log.entries().is_empty(), "nothing started");
    assert!(coordinator.resume("k"));
    assert!(!coordinator.resume("k"));
    value(first);
    value(second);
    coordinator.drain(LONG).expect("drained");
    assert_eq!(log.entries(), ["first", "second", "plain"]);
}

#[test]
fn pauses_of_a_key_a_prefix_and_everything_add_up() {
    let coordinator = coordinator(2);
    let by = [Keys::from("a/1"), Keys::prefix("a/"), Keys::All];
    for keys in &by {
        assert!(coordinator.pause(keys.clone()));
    }
    assert_eq!(coordinator.pauses().len(), 3);
    let paused = submit(&coordinator, "a/1", Job::once(|_| Ok(())));
    let other = submit(&coordinator, "b", Job::once(|_| Ok(())));
    let why = coordinator.explain("a/1");
    for keys in &by {
        assert!(has(&why, &Explanation::Paused { by: keys.clone() }), "{why:?}");
    }
    assert!(coordinator.resume(Keys::All));
    value(other);
    assert!(coordinator.resume("a/1"));
    explained(&coordinator, "a/1", |why| {
        has(why, &Explanation::Paused { by: Keys::prefix("a/") })
            && has(why, &Explanation::Behind { jobs: 1 })
    });
    assert!(!paused.is_done());
    assert!(coordinator.resume(Keys::prefix("a/")));
    value(paused);
    explained(&coordinator, "a/1", <[_]>::is_empty);
}

#[test]
fn a_step_lets_one_job_of_a_paused_key_start() {
    let coordinator = coordinator(1);
    assert!(!coordinator.step("k"), "it is not paused");
    coordinator.pause("k");
    let first = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    let second = submit(&coordinator, "k", Job::once(|_| Ok(2)));
    assert!(coordinator.step("k"));
    assert_eq!(value(first), 1);
    value(submit(&coordinator, "other", Job::once(|_| Ok(()))));
    explained(&coordinator, "k", |why| has(why, &Explanation::Behind { jobs: 1 }));
    assert!(!second.is_done());
    coordinator.step("k");
    assert_eq!(value(second), 2);
    coordinator.step("k"); // for a job to come
    assert_eq!(value(submit(&coordinator, "k", Job::once(|_| Ok(3)))), 3);
}

#[test]
fn a_paused_job_can_be_cancelled_and_makes_way() {
    let coordinator = coordinator(1);
    coordinator.pause("k");
    let first = submit(&coordinator, "k", Job::once(|_| Ok(1)));
    let second = submit(&coordinator, "k", Job::once(|_| Ok(2)));
    explained(&coordinator, "k", |why| has(why, &Explanation::Behind { jobs: 2 }));
    assert!(first.cancel());
    assert!(matches!(end(first), JobOutcome::Cancelled { started: false }));
    explained(&coordinator, "k", |why| has(why, &Explanation::Behind { jobs: 1 }));
    coordinator.resume("k");
    assert_eq!(value(second), 2);
}

#[test]
fn a_cancel_of_a_key_concerns_what_was_submitted_before_it() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let log = Log::default();
    let undone = log.clone();
    let started = Job::once(move |ctx| {
        give.send(ctx.defer()).expect("the test listens");
        Ok(())
    })
    .undo(move |ctx| {
        undone.add(ctx.cause().to_string());
        Ok(())
    });
    let started = submit(&coordinator, "k", started);
    let token = tokens.recv_timeout(LONG).expect("it has started");
    let waiting = submit(&coordinator, "k", writes(&log, "waiting"));
    coordinator.submit_detached("k", writes(&log, "plain")).expect("accepted");
    coordinator.cancel("k");
    let later = submit(&coordinator, "k", writes(&log, "later"));
    assert!(matches!(end(started), JobOutcome::RolledBack { cause: JobError::Cancelled }));
    assert!(matches!(end(waiting), JobOutcome::Cancelled { started: false }));
    value(later);
    assert_eq!(log.entries(), ["cancelled", "later"]);
    assert!(!token.is_wanted());
    coordinator.drain(LONG).expect("drained");
    assert_eq!(coordinator.counters().ended(OutcomeKind::Cancelled), 2);
}

#[test]
fn a_cancel_tells_the_body_on_the_worker() {
    let coordinator = coordinator(2);
    let running = Gate::shut();
    let tell = running.clone();
    let job = Job::repeatable(move |ctx| {
        tell.open();
        ctx.sleep(NEVER).map(|()| 1)
    });
    let job = submit(&coordinator, "k", job.retry(retries(5)));
    running.pass();
    coordinator.cancel("k");
    assert!(matches!(end(job), JobOutcome::Cancelled { started: true }));
}

#[test]
fn a_cancel_of_everything_tells_the_body_on_the_only_worker() {
    let coordinator = coordinator(1);
    for keys in [Keys::All, Keys::prefix("tenant/")] {
        let running = Gate::shut();
        let tell = running.clone();
        let job = Job::once(move |ctx| {
            tell.open();
            ctx.sleep(NEVER)
        });
        let job = submit(&coordinator, "tenant/users", job);
        running.pass();
        coordinator.cancel(keys);
        assert!(matches!(end(job), JobOutcome::Cancelled { started: true }));
    }
}

#[test]
fn a_body_that_asks_about_its_own_key_is_answered() {
    let coordinator = coordinator(1);
    let same = coordinator.clone();
    let job = submit(&coordinator, "k", Job::once(move |_| Ok(same.explain("k"))));
    assert!(has(&value(job), &Explanation::Behind { jobs: 1 }));
}

#[test]
fn a_cancel_reaches_paused_and_held_keys_and_leaves_their_marks() {
    let coordinator = coordinator(2);
    let fails = Job::once(|_| Err::<(), _>(JobError::new("no"))).on_failure(OnFailure::Hold);
    let failed = submit(&coordinator, "held", fails);
    assert!(matches!(end(failed), JobOutcome::Failed { .. }));
    coordinator.pause("paused");
    for key in ["held", "paused"] {
        let waiting = submit(&coordinator, key, Job::once(|_| Ok(())));
        coordinator.cancel(Keys::prefix(key));
        assert!(matches!(end(waiting), JobOutcome::Cancelled { started: false }), "{key}");
    }
    let held = submit(&coordinator, "held", Job::once(|_| Ok(7)));
    explained(&coordinator, "held", |why| {
        has(why, &Explanation::Held) && has(why, &Explanation::Behind { jobs: 1 })
    });
    coordinator.release("held");
    assert_eq!(value(held), 7);
    assert!(coordinator.explain("paused").contains(&Explanation::Paused { by: "paused".into() }));
}

#[test]
fn running_and_rolling_back_are_explained_with_their_attempt() {
    let coordinator = coordinator(2);
    let (tried, gate, undoing, undo) = (Gate::shut(), Gate::shut(), Gate::shut(), Gate::shut());
    let (tell, wait) = (tried.clone(), gate.clone());
    let (tell_undo, wait_undo) = (undoing.clone(), undo.clone());
    let job = Job::repeatable(move |ctx| {
        if ctx.attempt() == 2 {
            tell.open();
            wait.pass();
        }
        Err::<(), _>(JobError::new("no"))
    })
    .retry(retries(1))
    .undo(move |_| {
        tell_undo.open();
        wait_undo.pass();
        Ok(())
    });
    let job = submit(&coordinator, "k", job);
    tried.pass();
    let why = coordinator.explain("k");
    assert!(
        why.iter().any(|why| matches!(why, Explanation::Running { attempt: 2, .. })),
        "{why:?}"
    );
    gate.open();
    undoing.pass();
    let why = coordinator.explain("k");
    assert!(has(&why, &Explanation::RollingBack), "{why:?}");
    assert!(
        why.iter().any(|why| matches!(why, Explanation::Running { attempt: 1, .. })),
        "{why:?}"
    );
    undo.open();
    assert!(matches!(end(job), JobOutcome::RolledBack { .. }));
}

#[test]
fn a_plain_job_is_explained_while_it_runs() {
    let coordinator = coordinator(2);
    let gate = block_lane(&coordinator, "k");
    let first = coordinator.explain("k");
    let [Explanation::Running { attempt: 1, since }, ..] = first[..] else { panic!("{first:?}") };
    let again = coordinator.explain("k");
    let [Explanation::Running { since: then, .. }, ..] = again[..] else { panic!("{again:?}") };
    assert_eq!(since, then, "it is since the first look");
    gate.open();
    coordinator.drain(LONG).expect("drained");
    explained(&coordinator, "k", <[_]>::is_empty);
}

#[test]
fn waits_for_tokens_awaits_and_backoffs_are_explained() {
    let coordinator = coordinator(2);
    let (give, tokens) = mpsc::channel();
    let pending = Job::once(move |ctx| {
        give.send((ctx.defer(), ctx.defer())).expect("the test listens");
        Ok(())
    });
    let pending = submit(&coordinator, "tokens", pending);
    let (one, two) = tokens.recv_timeout(LONG).expect("it runs");
    explained(&coordinator, "tokens", |why| {
        has(why, &Explanation::WaitingForTokens { attempt: 1, tokens: 2 })
    });
    one.succeed();
    explained(&coordinator, "tokens", |why| {
        has(why, &Explanation::WaitingForTokens { attempt: 1, tokens: 1 })
    });
    two.succeed();
    value(pending);

    let awaits = Job::future(|ctx| async move {
        ctx.delay(NEVER).await;
        Ok(())
    });
    let awaits = submit(&coordinator, "async", awaits);
    explained(&coordinator, "async", |why| has(why, &Explanation::Awaiting { attempt: 1 }));
    awaits.cancel();
    assert!(matches!(end(awaits), JobOutcome::Cancelled { started: true }));

    let policy = RetryPolicy { retries: 1, delay_base: NEVER, delay_max: NEVER, ..retries(1) };
    let backs_off = Job::repeatable(|_| Err::<(), _>(JobError::new("no"))).retry(policy);
    let backs_off = submit(&coordinator, "backoff", backs_off);
    explained(&coordinator, "backoff", |why| {
        why.iter().any(|why| matches!(why, Explanation::BackingOff { attempt: 1, .. }))
    });
    coordinator.cancel(Keys::All);
    assert!(matches!(end(backs_off), JobOutcome::Cancelled { started: true }));
}

#[test]
fn a_quarantined_key_is_explained_until_it_is_released() {
    let coordinator = coordinator(2);
    let job = Job::once(|_| Err::<(), _>(JobError::new("no")))
        .undo(|_| Err(JobError::new("nor back")))
        .on_double_fault(OnDoubleFault::Quarantine);
    let fault = submit(&coordinator, "k", job);
    let next = submit(&coordinator, "k", Job::once(|_| Ok(())));
    assert!(matches!(end(fault), JobOutcome::DoubleFault { .. }));
    assert!(has(&coordinator.explain("k"), &Explanation::Quarantined));
    coordinator.release("k");
    value(next);
    explained(&coordinator, "k", <[_]>::is_empty);
}

#[test]
fn a_job_that_no_worker_has_taken_is_explained_as_ready_or_unseen() {
    let coordinator = coordinator(1);
    let gate = block_lane(&coordinator, "busy");
    let job = submit(&coordinator, "k", Job::once(|_| Ok(())));
    let why = coordinator.explain("k");
    assert!(
        has(&why, &Explanation::Ready) || has(&why, &Explanation::Unseen),
        "one of them: {why:?}"
    );
    gate.open();
    value(job);
}

#[test]
fn what_is_paused_at_a_shutdown_is_lost() {
    let coordinator = coordinator(2);
    coordinator.pause(Keys::All);
    let jobs: Vec<_> = (0..3).map(|_| submit(&coordinator, "k", Job::once(|_| Ok(())))).collect();
    let report = coordinator.shutdown(Shutdown::Drain, LONG).expect("not on a worker");
    assert!(report.complete);
    assert_eq!(report.lost, 3);
    for job in jobs {
        assert!(matches!(end(job), JobOutcome::Lost));
    }
    assert!(!coordinator.pause("k"), "nobody could resume it");
}

#[test]
fn what_is_paused_when_the_last_coordinator_is_dropped_is_lost() {
    let pool = pool(1);
    let coordinator = Coordinator::new(&pool);
    coordinator.pause("k");
    let job = submit(&coordinator, "k", Job::once(|_| Ok(())));
    drop(coordinator);
    assert!(matches!(end(job), JobOutcome::Lost));
}

#[test]
fn pauses_and_steps_under_load_lose_and_reorder_nothing() {
    let coordinator = coordinator(3);
    let (tell, told) = mpsc::channel();
    const KEYS: u64 = 8;
    const JOBS: u64 = 300;
    let control = {
        let coordinator = coordinator.clone();
        std::thread::spawn(move || {
            for round in 0..200_u64 {
                let key = round % KEYS;
                coordinator.pause(key);
                if round % 3 == 0 {
                    coordinator.pause(Keys::All);
                    coordinator.step(key);
                    coordinator.resume(Keys::All);
                }
                coordinator.explain(key);
                coordinator.resume(key);
            }
        })
    };
    for job in 0..JOBS {
        for key in 0..KEYS {
            let tell = tell.clone();
            let job = Job::once(move |_| tell.send((key, job)).map_err(JobError::new));
            coordinator.submit_detached(key, job).expect("accepted");
        }
    }
    control.join().expect("no panic");
    coordinator.drain(Duration::from_secs(60)).expect("drained");
    drop(tell);
    let mut next = [0; KEYS as usize];
    for (key, job) in told {
        assert_eq!(next[key as usize], job, "key {key}");
        next[key as usize] += 1;
    }
    assert_eq!(next, [JOBS; KEYS as usize]);
}

//! The same programs on threads: order, exclusion, one outcome for every job.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::{End, KEYS, Op, Plan, Tokens, body, finish, name, op, submit};
use crate::support::{LONG, coordinator, end};
use laneway::coordinator::OutcomeKind;
use laneway::{Coordinator, Job, JobContext, JobError, JobHandle, RetryPolicy};

/// What one key sees: who is inside a body or an undo, and who began in which order.
#[derive(Clone, Default)]
struct Watch {
    inside: Arc<AtomicBool>,
    begun: Arc<Mutex<Vec<usize>>>,
}

impl Watch {
    /// Runs a body or an undo, alone.
    fn alone<R>(&self, run: impl FnOnce() -> R) -> R {
        struct Leave<'a>(&'a AtomicBool);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        // Relaxed: two bodies of one key that overlap are found whatever they see of each other.
        if self.inside.swap(true, Ordering::Relaxed) {
            // Not a panic, which would be a cause like any other.
            eprintln!("two bodies of one key at once");
            std::process::abort();
        }
        let _leave = Leave(&self.inside);
        run()
    }
}

/// A job of `plan`, without limits of time, which threads may or may not keep.
fn job(id: usize, plan: &Plan, watch: &Watch, tokens: &Tokens) -> Job<()> {
    let (of_body, plan_of_body, tokens) = (watch.clone(), plan.clone(), tokens.clone());
    let run = move |ctx: &mut JobContext<'_>| {
        of_body.alone(|| {
            if ctx.attempt() == 1 {
                of_body.begun.lock().expect("nobody panics with it").push(id);
            }
            std::thread::yield_now();
            body(id, plan_of_body.of(ctx.attempt()), ctx, &tokens)
        })
    };
    let job = if plan.once { Job::once(run) } else { Job::repeatable(run) };
    let mut job =
        job.on_failure(plan.on_failure).on_double_fault(plan.on_double_fault).retry(RetryPolicy {
            retries: plan.retries,
            conflicts: plan.conflicts,
            delay_base: Duration::from_micros(plan.delay % 3),
            ..RetryPolicy::default()
        });
    if let Some(succeeds) = plan.undo {
        let of_undo = watch.clone();
        job = job.undo(move |_| {
            let result = if succeeds { Ok(()) } else { Err(JobError::new("undo fails")) };
            of_undo.alone(|| result)
        });
    }
    job
}

fn perform(
    op: &Op,
    coordinator: &Coordinator,
    handles: &mut Vec<JobHandle<()>>,
    watches: &[Watch],
    tokens: &Tokens,
) {
    match op {
        Op::Submit(plan) => {
            let job = job(handles.len(), plan, &watches[usize::from(plan.key)], tokens);
            handles.push(submit(coordinator, plan, job));
        }
        Op::Finish(which, end) => {
            let mut tokens = tokens.lock().expect("nobody panics with tokens");
            if !tokens.is_empty() {
                let index = which.index(tokens.len());
                let (.., token) = tokens.swap_remove(index);
                drop(tokens);
                finish(token, *end);
            }
        }
        Op::Cancel(which) if !handles.is_empty() => {
            handles[which.index(handles.len())].cancel();
        }
        Op::Cancel(_) | Op::Advance(_) => {}
        Op::CancelKey(key) => coordinator.cancel(name(*key)),
        Op::Pause(key) => drop(coordinator.pause(name(*key))),
        Op::Resume(key) => drop(coordinator.resume(name(*key))),
        Op::Release(key) => coordinator.release(name(*key)),
    }
}

/// Lets everything go on until all jobs have ended.
fn finish_all(coordinator: &Coordinator, tokens: &Tokens) {
    loop {
        for key in 0..KEYS {
            coordinator.resume(name(key));
            coordinator.release(name(key));
        }
        let taken = std::mem::take(&mut *tokens.lock().expect("nobody panics with tokens"));
        taken.into_iter().for_each(|(.., token)| finish(token, End::Succeeds));
        if coordinator.drain(Duration::from_millis(1)).is_ok() {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn on_threads_jobs_of_a_key_run_alone_and_in_order(
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let coordinator = coordinator(4);
        let watches: Vec<Watch> = (0..KEYS).map(|_| Watch::default()).collect();
        let (mut handles, tokens) = (Vec::new(), Tokens::default());
        for op in &ops {
            perform(op, &coordinator, &mut handles, &watches, &tokens);
        }
        finish_all(&coordinator, &tokens);
        let mut ends = [0_u64; OutcomeKind::ALL.len()];
        for handle in handles {
            ends[end(handle).kind() as usize] += 1;
        }
        let plans: Vec<&Plan> = ops.iter().filter_map(Op::plan).collect();
        for watch in watches {
            let begun = watch.begun.lock().expect("nobody panics with it");
            // A job that replaces another one has its place.
            let in_line = begun.iter().filter(|id| plans[**id].tag.is_none());
            prop_assert!(in_line.is_sorted_by(|one, two| one < two), "{:?}", begun);
        }
        let counters = coordinator.counters();
        prop_assert_eq!(counters.outcomes, ends);
        prop_assert_eq!(counters.created, counters.ended_total());
        prop_assert_eq!((counters.queued, counters.running), (0, 0));
        coordinator.shutdown(laneway::Shutdown::Drain, LONG).expect("not on a worker");
    }
}

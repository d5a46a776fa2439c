//! Random programs: submit, fail, panic, finish tokens, cancel, pause, let time pass, shut down.
//!
//! Each program runs on the test coordinator, under a random seed, and beside it on the contract
//! (`programs/contract.rs`), a sequential model that knows nothing of lanes and threads. After every
//! operation both must agree on every outcome, and on what ran in which order for every key. Then
//! the same programs run on threads, where time and interleaving are nobody's to predict: there the
//! claims are order, exclusion and one outcome for every job.

mod contract;
mod threads;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use contract::Contract;
use laneway::coordinator::{CoordinatorConfig, Jitter, OutcomeKind, Sampling, TestCoordinator};
use laneway::{
    Coordinator, Job, JobContext, JobError, JobHandle, OnDoubleFault, OnFailure, RetryPolicy,
    Shutdown, Token,
};

use crate::support::Log;

const KEYS: u8 = 3;

/// How one attempt goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Try {
    Ok,
    Fails,
    Conflicts,
    Panics,
    /// A token, finished before the body returns.
    TokenInTime,
    TokenTwice,
    TokenFails,
    TokenDropped,
    /// A token that the program finishes, or never does.
    TokenLater,
    /// The same, and the body fails.
    FailsWithTokenLater,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Succeeds,
    Fails,
    Dropped,
}

#[derive(Debug, Clone)]
struct Plan {
    key: u8,
    /// With one, it is submitted by `submit_latest`.
    tag: Option<u8>,
    /// The last one repeats.
    tries: Vec<Try>,
    once: bool,
    retries: u32,
    conflicts: u32,
    /// In microseconds, as all times.
    delay: u64,
    /// `Some(true)`: the undo succeeds.
    undo: Option<bool>,
    on_failure: OnFailure,
    on_double_fault: OnDoubleFault,
    attempt_timeout: Option<u64>,
    queue_timeout: Option<u64>,
    deadline: Option<u64>,
}

impl Plan {
    fn of(&self, attempt: u32) -> Try {
        self.tries[self.tries.len().min(attempt as usize) - 1]
    }
}

#[derive(Debug, Clone)]
enum Op {
    Submit(Plan),
    /// Of the tokens that are out, this one.
    Finish(prop::sample::Index, End),
    Cancel(prop::sample::Index),
    CancelKey(u8),
    Pause(u8),
    Resume(u8),
    Release(u8),
    Advance(u64),
}

impl Op {
    fn plan(&self) -> Option<&Plan> {
        if let Self::Submit(plan) = self { Some(plan) } else { None }
    }
}

/// Whole milliseconds.
fn time(most_ms: u64) -> impl Strategy<Value = u64> {
    (1..=most_ms).prop_map(|ms| ms * 1000)
}

fn plan() -> impl Strategy<Value = Plan> {
    let attempt = prop_oneof![
        4 => Just(Try::Ok),
        3 => Just(Try::Fails),
        2 => Just(Try::Conflicts),
        1 => Just(Try::Panics),
        1 => Just(Try::TokenInTime),
        1 => Just(Try::TokenTwice),
        1 => Just(Try::TokenFails),
        1 => Just(Try::TokenDropped),
        3 => Just(Try::TokenLater),
        2 => Just(Try::FailsWithTokenLater),
    ];
    let budget = (0..3_u32, 0..3_u32, prop_oneof![1 => Just(0), 3 => time(60_000)]);
    let rules = (
        prop::option::of(any::<bool>()),
        prop_oneof![
            3 => Just(OnFailure::Continue),
            1 => Just(OnFailure::Hold),
            1 => Just(OnFailure::FailRest),
        ],
        prop_oneof![2 => Just(OnDoubleFault::Continue), 1 => Just(OnDoubleFault::Quarantine)],
    );
    let limit = || prop::option::weighted(0.2, time(120_000));
    (
        (0..KEYS, prop::option::weighted(0.2, 0..2_u8)),
        prop::collection::vec(attempt, 1..4),
        prop::bool::weighted(0.2),
        budget,
        rules,
        (limit(), limit(), limit()),
    )
        .prop_map(|((key, tag), tries, once, budget, rules, limits)| Plan {
            key,
            tag,
            tries,
            once,
            retries: budget.0,
            conflicts: budget.1,
            delay: budget.2,
            undo: rules.0,
            on_failure: rules.1,
            on_double_fault: rules.2,
            attempt_timeout: limits.0,
            queue_timeout: limits.1,
            deadline: limits.2,
        })
}

fn op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![
        3 => Just(End::Succeeds),
        1 => Just(End::Fails),
        1 => Just(End::Dropped),
    ];
    prop_oneof![
        10 => plan().prop_map(Op::Submit),
        5 => (any::<prop::sample::Index>(), end).prop_map(|(which, end)| Op::Finish(which, end)),
        2 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        1 => (0..KEYS).prop_map(Op::CancelKey),
        1 => (0..KEYS).prop_map(Op::Pause),
        2 => (0..KEYS).prop_map(Op::Resume),
        2 => (0..KEYS).prop_map(Op::Release),
        4 => time(200_000).prop_map(Op::Advance),
    ]
}

/// The tokens that bodies gave away: of which job, of which attempt.
type Tokens = Arc<Mutex<Vec<(usize, u32, Token)>>>;

/// What a plan's body does in `attempt`.
fn body(id: usize, how: Try, ctx: &mut JobContext<'_>, tokens: &Tokens) -> Result<(), JobError> {
    let keep = |ctx: &mut JobContext<'_>| {
        let kept = (id, ctx.attempt(), ctx.defer());
        tokens.lock().expect("nobody panics with tokens").push(kept);
    };
    match how {
        Try::Ok => {}
        Try::Fails => return Err(JobError::new("fails")),
        Try::Conflicts => return Err(JobError::conflict("conflicts")),
        Try::Panics => panic!("panics"),
        Try::TokenInTime => ctx.defer().succeed(),
        Try::TokenTwice => {
            let token = ctx.defer();
            assert!(token.finish(Ok(())) && !token.finish(Err(JobError::new("late"))));
        }
        Try::TokenFails => ctx.defer().fail(JobError::new("token fails")),
        Try::TokenDropped => drop(ctx.defer()),
        Try::TokenLater => keep(ctx),
        Try::FailsWithTokenLater => {
            keep(ctx);
            return Err(JobError::new("fails"));
        }
    }
    Ok(())
}

fn finish(token: Token, end: End) {
    match end {
        End::Succeeds => token.succeed(),
        End::Fails => token.fail(JobError::new("token fails")),
        End::Dropped => drop(token),
    }
}

fn job(id: usize, plan: &Plan, log: &Log, tokens: &Tokens) -> Job<()> {
    let (of_body, of_plan, tokens) = (log.clone(), plan.clone(), tokens.clone());
    let run = move |ctx: &mut JobContext<'_>| {
        of_body.add(format!("{id} run {}", ctx.attempt()));
        body(id, of_plan.of(ctx.attempt()), ctx, &tokens)
    };
    let job = if plan.once { Job::once(run) } else { Job::repeatable(run) };
    let mut job =
        job.on_failure(plan.on_failure).on_double_fault(plan.on_double_fault).retry(RetryPolicy {
            retries: plan.retries,
            conflicts: plan.conflicts,
            delay_base: Duration::from_micros(plan.delay),
            delay_max: Duration::from_micros(plan.delay),
            jitter: Jitter::None,
            ..RetryPolicy::default()
        });
    if let Some(succeeds) = plan.undo {
        let of_undo = log.clone();
        job = job.undo(move |_| {
            of_undo.add(format!("{id} undo"));
            if succeeds { Ok(()) } else { Err(JobError::new("undo fails")) }
        });
    }
    if let Some(limit) = plan.attempt_timeout {
        job = job.attempt_timeout(Duration::from_micros(limit));
    }
    if let Some(limit) = plan.queue_timeout {
        job = job.queue_timeout(Duration::from_micros(limit));
    }
    if let Some(limit) = plan.deadline {
        job = job.deadline(Duration::from_micros(limit));
    }
    job
}

/// The coordinator and the contract, side by side.
struct Both {
    real: TestCoordinator,
    contract: Contract,
    handles: Vec<JobHandle<()>>,
    tokens: Tokens,
    logs: Vec<Log>,
}

impl Both {
    fn new(seed: u64) -> Self {
        Self {
            real: TestCoordinator::with_config(
                seed,
                CoordinatorConfig { sampling: Sampling::Exact, ..Default::default() },
            ),
            contract: Contract::default(),
            handles: Vec::new(),
            tokens: Tokens::default(),
            logs: (0..KEYS).map(|_| Log::default()).collect(),
        }
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Submit(plan) => {
                let log = &self.logs[usize::from(plan.key)];
                let job = job(self.handles.len(), plan, log, &self.tokens);
                self.handles.push(submit(&self.real, plan, job));
                self.contract.submit(plan.clone());
            }
            Op::Finish(which, end) => {
                let mut tokens = self.tokens.lock().expect("nobody panics with tokens");
                if tokens.is_empty() {
                    return;
                }
                let index = which.index(tokens.len());
                let (id, attempt, token) = tokens.remove(index);
                drop(tokens);
                finish(token, *end);
                self.contract.finish(id, attempt, *end);
            }
            Op::Cancel(which) if !self.handles.is_empty() => {
                let id = which.index(self.handles.len());
                self.handles[id].cancel();
                self.contract.cancel(id);
            }
            Op::Cancel(_) => {}
            Op::CancelKey(key) => {
                self.real.cancel(name(*key));
                self.contract.cancel_key(*key);
            }
            Op::Pause(key) => {
                self.real.pause(name(*key));
                self.contract.pause(*key, true);
            }
            Op::Resume(key) => {
                self.real.resume(name(*key));
                self.contract.pause(*key, false);
            }
            Op::Release(key) => {
                self.real.release(name(*key));
                self.contract.release(*key);
            }
            Op::Advance(time) => {
                self.real.advance(Duration::from_micros(*time));
                self.contract.advance(*time);
            }
        }
        self.real.run_until_idle();
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        for (id, (handle, job)) in self.handles.iter().zip(&self.contract.jobs).enumerate() {
            let outcome = handle.outcome().map(|outcome| outcome.kind());
            prop_assert_eq!(outcome, job.outcome, "job {} ({:?})", id, handle.status());
        }
        for key in 0..KEYS {
            let log = self.logs[usize::from(key)].entries();
            prop_assert_eq!(log, self.contract.log(key), "key {}", key);
        }
        Ok(())
    }

    fn shut_down(&mut self, how: Shutdown) {
        const TIME: Duration = Duration::from_secs(3600);
        let report = self.real.shutdown(how, TIME).expect("not on a worker");
        assert!(report.complete, "{report:?}");
        match how {
            Shutdown::Drain => self.contract.drain(TIME.as_micros() as u64),
            _ => self.contract.stop_all(),
        }
    }
}

fn submit(coordinator: &Coordinator, plan: &Plan, job: Job<()>) -> JobHandle<()> {
    let submitted = match plan.tag {
        None => coordinator.submit(name(plan.key), job),
        Some(tag) => coordinator.submit_latest(name(plan.key), u64::from(tag), job),
    };
    submitted.expect("accepted")
}

fn name(key: u8) -> String {
    format!("key-{key}")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_becomes_of_jobs_is_what_the_contract_says(
        ops in prop::collection::vec(op(), 1..40),
        seed in any::<u64>(),
        cancels in any::<bool>(),
    ) {
        let mut both = Both::new(seed);
        for op in &ops {
            both.perform(op);
            if both.contract.is_ambiguous {
                return Ok(());
            }
            both.agree()?;
        }
        both.shut_down(if cancels { Shutdown::Cancel } else { Shutdown::Drain });
        if both.contract.is_ambiguous {
            return Ok(());
        }
        both.agree()?;
        let counters = both.real.counters();
        prop_assert_eq!(counters.created, both.handles.len() as u64);
        prop_assert_eq!(counters.created, counters.ended_total());
        prop_assert_eq!((counters.queued, counters.running, counters.lanes_open), (0, 0, 0));
        let timings = both.real.timings();
        let started = both.contract.jobs.iter().filter(|job| job.attempt > 0).count() as u64;
        prop_assert_eq!((timings.wait.count(), timings.run.count()), (started, started));
        for kind in OutcomeKind::ALL {
            let ended = both.contract.jobs.iter().filter(|job| job.outcome == Some(kind)).count();
            prop_assert_eq!(counters.ended(kind), ended as u64, "{:?}", kind);
        }
    }
}

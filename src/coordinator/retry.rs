//! When a failed attempt is followed by another one, and how long after.
//!
//! Two budgets, both per job. *Re-tries* are for failures that may pass: exponential backoff, by
//! default with full jitter. *Conflicts* are for lost optimistic locks: many, with a short jittered
//! backoff, because the body only has to read again. [`RetryPolicy::classify`] decides which
//! budget an error draws on. Pure: randomness is handed in, time is not read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::JobError;

/// What an error means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass: draw on the re-tries.
    Retry,
    /// A lost optimistic lock: draw on the conflicts.
    Conflict,
    /// It will not pass: no further attempt.
    GiveUp,
}

/// How a computed delay is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Uniform between zero and the computed delay, so that jobs which failed together do not come
    /// back together.
    #[default]
    Full,
    /// Exactly the computed delay.
    None,
}

/// How the delay grows from re-try to re-try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backoff {
    /// By [`factor`](RetryPolicy::factor), from [`delay_base`](RetryPolicy::delay_base) on.
    #[default]
    Exponential,
    /// One second divided by the tries that are left; see [`RetryPolicy::odl`].
    Odl,
}

/// Decides what an error means; see [`RetryPolicy::classify`].
pub type Classify = Arc<dyn Fn(&JobError) -> Verdict + Send + Sync>;

/// When and how often a failed job is run again.
///
/// The delay before re-try *n* (from 1) is `delay_base * factor^(n-1)`, at most `delay_max`, then
/// spread by `jitter`. While it lasts the job keeps the head of its lane, and no worker is held.
///
/// ```
/// use laneway::RetryPolicy;
/// use std::time::Duration;
/// let policy = RetryPolicy {
///     retries: 4,
///     delay_base: Duration::from_millis(10),
///     ..RetryPolicy::default()
/// };
/// assert_eq!(policy.delay_ceiling(3), Duration::from_millis(40));
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    /// How many times it is run *again* after the first attempt. Default 0.
    pub retries: u32,
    /// The delay before the first re-try. Default 10 ms.
    pub delay_base: Duration,
    /// How delays grow. Default [`Backoff::Exponential`].
    pub backoff: Backoff,
    /// What each further delay is multiplied by. Default 2.
    pub factor: u32,
    /// The longest delay. Default 10 s.
    pub delay_max: Duration,
    /// How delays are spread. Default [`Jitter::Full`].
    pub jitter: Jitter,
    /// How many times it is run again after a [`JobError::Conflict`]. Default 16.
    pub conflicts: u32,
    /// Replaces [`RetryPolicy::verdict`] as the judge of errors. Must not block; a panic in it
    /// counts as [`Verdict::GiveUp`].
    pub classify: Option<Classify>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("retries", &self.retries)
            .field("delay_base", &self.delay_base)
            .field("backoff", &self.backoff)
            .field("factor", &self.factor)
            .field("delay_max", &self.delay_max)
            .field("jitter", &self.jitter)
            .field("conflicts", &self.conflicts)
            .field("classify", &self.classify.as_ref().map(|_| "custom"))
            .finish()
    }
}

/// The longest first backoff after a conflict; doubles with each.
const CONFLICT_BASE: Duration = Duration::from_millis(1);
/// The longest backoff after a conflict.
const CONFLICT_MAX: Duration = Duration::from_millis(50);

impl RetryPolicy {
    pub(crate) const DEFAULT: Self = Self {
        retries: 0,
        delay_base: Duration::from_millis(10),
        backoff: Backoff::Exponential,
        factor: 2,
        delay_max: Duration::from_secs(10),
        jitter: Jitter::Full,
        conflicts: 16,
        classify: None,
    };

    /// The default policy with this many re-tries.
    pub fn with_retries(retries: u32) -> Self {
        Self { retries, ..Self::default() }
    }

    /// This many re-tries, each after exactly `delay`.
    pub fn constant(retries: u32, delay: Duration) -> Self {
        let jitter = Jitter::None;
        Self { retries, delay_base: delay, delay_max: delay, factor: 1, jitter, ..Self::default() }
    }

    /// This many re-tries; the first delay is at most `base`, each further one twice the one before,
    /// up to `longest`, with full jitter.
    pub fn exponential(retries: u32, base: Duration, longest: Duration) -> Self {
        Self { retries, delay_base: base, delay_max: longest, ..Self::default() }
    }

    /// The schedule of OpenDaylight's job coordinator, for those who come from there.
    ///
    /// Its number counts *tries*, not re-tries: `odl(3)` runs a body at most three times, `odl(0)`
    /// and `odl(1)` once. The gap before run *k* of *n* is 1000/(*n* − *k* + 1) ms, in whole
    /// milliseconds and without jitter: short at first, one second before the last run. A conflict is
    /// a failure like any other.
    ///
    /// ```
    /// use laneway::RetryPolicy;
    /// use std::time::Duration;
    /// let policy = RetryPolicy::odl(3);
    /// assert_eq!(policy.retries, 2);
    /// assert_eq!(policy.delay_ceiling(1), Duration::from_millis(500)); // before run 2 of 3
    /// assert_eq!(policy.delay_ceiling(2), Duration::from_millis(1000)); // before run 3 of 3
    /// ```
    pub fn odl(tries: u32) -> Self {
        let classify: Classify = Arc::new(|error| match RetryPolicy::DEFAULT.verdict(error) {
            Verdict::Conflict => Verdict::Retry,
            verdict => verdict,
        });
        Self {
            retries: tries.saturating_sub(1),
            delay_base: Duration::from_secs(1),
            delay_max: Duration::from_secs(1),
            backoff: Backoff::Odl,
            jitter: Jitter::None,
            classify: Some(classify),
            ..Self::default()
        }
    }

    /// The longest delay before re-try number `retry` (from 1), before it is spread.
    pub fn delay_ceiling(&self, retry: u32) -> Duration {
        match self.backoff {
            Backoff::Exponential => ceiling(self.delay_base, self.factor, self.delay_max, retry),
            Backoff::Odl => {
                // n = retries + 1 tries, and re-try r comes before run k = r + 1.
                let left = self.retries.saturating_sub(retry) + 1;
                let millis = self.delay_base.as_millis() / u128::from(left);
                Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(self.delay_max)
            }
        }
    }

    /// What `error` means: the answer of `classify` if it is set, else conflicts are conflicts;
    /// failures, abandoned tokens and timeouts are retried; everything else is given up. A panic is
    /// given up because a body that unwound may have left its own captures half changed.
    pub fn verdict(&self, error: &JobError) -> Verdict {
        if let Some(classify) = &self.classify {
            return classify(error);
        }
        match error {
            JobError::Conflict(_) => Verdict::Conflict,
            JobError::Failed(_) | JobError::Abandoned | JobError::TimedOut => Verdict::Retry,
            JobError::Panicked(_)
            | JobError::Cancelled
            | JobError::Shutdown
            | JobError::Predecessor => Verdict::GiveUp,
        }
    }
}

fn ceiling(base: Duration, factor: u32, longest: Duration, retry: u32) -> Duration {
    let growth = factor.checked_pow(retry.saturating_sub(1));
    growth.and_then(|growth| base.checked_mul(growth)).unwrap_or(longest).min(longest)
}

/// What is left of a job's budgets.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    retries: u32,
    conflicts: u32,
}

/// The answer to a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Run it again after this delay.
    After { delay: Duration, conflict: bool },
    /// No further attempt.
    Never,
}

impl Spent {
    /// Draws on the budget that `verdict` names. `random` is any uniformly distributed word.
    pub(crate) fn draw(&mut self, policy: &RetryPolicy, verdict: Verdict, random: u64) -> Again {
        match verdict {
            Verdict::Retry if self.retries < policy.retries => {
                self.retries += 1;
                let delay = policy.delay_ceiling(self.retries);
                Again::After { delay: spread(policy.jitter, delay, random), conflict: false }
            }
            Verdict::Conflict if self.conflicts < policy.conflicts => {
                self.conflicts += 1;
                let delay = ceiling(CONFLICT_BASE, 2, CONFLICT_MAX, self.conflicts);
                Again::After { delay: spread(Jitter::Full, delay, random), conflict: true }
            }
            Verdict::Retry | Verdict::Conflict | Verdict::GiveUp => Again::Never,
        }
    }
}

fn spread(jitter: Jitter, delay: Duration, random: u64) -> Duration {
    match jitter {
        Jitter::None => delay,
        Jitter::Full => {
            let nanos = delay.as_nanos().min(u128::from(u64::MAX));
            // The high word of a 64 x 64 bit product is uniform in 0..=nanos, near enough.
            Duration::from_nanos((((nanos + 1) * u128::from(random)) >> 64) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            retries: 3,
            delay_base: Duration::from_millis(10),
            backoff: Backoff::Exponential,
            factor: 3,
            delay_max: Duration::from_millis(50),
            jitter: Jitter::None,
            conflicts: 1,
            classify: None,
        }
    }

    fn delays(policy: &RetryPolicy, verdict: Verdict) -> Vec<u128> {
        let mut spent = Spent::default();
        let mut delays = Vec::new();
        while let Again::After { delay, .. } = spent.draw(policy, verdict, u64::MAX) {
            delays.push(delay.as_millis());
        }
        delays
    }

    #[test]
    fn delays_grow_by_the_factor_up_to_the_longest() {
        assert_eq!(delays(&policy(), Verdict::Retry), [10, 30, 50]);
    }

    #[test]
    fn the_ancestors_schedule_divides_a_second_by_the_tries_left() {
        let conflict = JobError::conflict("stale");
        assert_eq!(RetryPolicy::odl(4).verdict(&conflict), Verdict::Retry);
        assert_eq!(delays(&RetryPolicy::odl(4), Verdict::Retry), [333, 500, 1000]);
        assert!(delays(&RetryPolicy::odl(1), Verdict::Retry).is_empty());
        assert!(delays(&RetryPolicy::odl(0), Verdict::Retry).is_empty());
    }

    #[test]
    fn a_constant_policy_waits_the_same_each_time() {
        let policy = RetryPolicy::constant(3, Duration::from_millis(7));
        assert_eq!(delays(&policy, Verdict::Retry), [7, 7, 7]);
    }

    #[test]
    fn conflicts_draw_on_a_budget_of_their_own() {
        let mut spent = Spent::default();
        assert!(matches!(
            spent.draw(&policy(), Verdict::Conflict, 0),
            Again::After { conflict: true, .. }
        ));
        assert_eq!(spent.draw(&policy(), Verdict::Conflict, 0), Again::Never);
        assert!(matches!(spent.draw(&policy(), Verdict::Retry, 0), Again::After { .. }));
    }

    #[test]
    fn giving_up_draws_on_nothing() {
        let mut spent = Spent::default();
        assert_eq!(spent.draw(&policy(), Verdict::GiveUp, 0), Again::Never);
        assert_eq!(spent.retries, 0);
    }

    #[test]
    fn full_jitter_spans_zero_to_the_delay() {
        let delay = Duration::from_millis(10);
        assert_eq!(spread(Jitter::Full, delay, 0), Duration::ZERO);
        assert_eq!(spread(Jitter::Full, delay, u64::MAX), delay);
        assert_eq!(spread(Jitter::Full, delay, u64::MAX / 2).as_millis(), 5);
    }

    #[test]
    fn a_delay_too_big_to_compute_is_the_longest() {
        let policy = RetryPolicy { factor: u32::MAX, ..policy() };
        assert_eq!(policy.delay_ceiling(u32::MAX), policy.delay_max);
    }

    #[test]
    fn a_panic_is_given_up_and_a_custom_judge_overrules() {
        let panicked = JobError::Panicked(Arc::from("no"));
        assert_eq!(policy().verdict(&panicked), Verdict::GiveUp);
        let stubborn =
            RetryPolicy { classify: Some(Arc::new(|_| Verdict::Retry)), ..RetryPolicy::default() };
        assert_eq!(stubborn.verdict(&panicked), Verdict::Retry);
    }
}

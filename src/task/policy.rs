//! What a task asks for when it ends, fails or is kept.

use std::sync::Arc;
use std::time::Duration;

/// What happens to one task at its end and at its failures. Part of its identity: a second start
/// with other policies is a different request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// What a failed attempt leads to.
    pub on_failure: OnFailure,
    /// True: a task that ends leaves only a tombstone. False: its record stays, with its result,
    /// until it is removed or [`ended_ttl`](Self::ended_ttl) is over.
    pub remove_on_completion: bool,
    /// How long a kept record stays; `None`: until somebody removes it.
    pub ended_ttl: Option<Duration>,
    /// True: a node that may have lost its lease stops this task before anybody else can be given
    /// it; a body that has not stopped by then ends the process. False: two runs may overlap for a
    /// bounded time while nodes cannot see each other. Late writes are refused in both cases.
    pub no_overlap: bool,
    /// Where it may run, and where it would like to.
    pub placement: Placement,
}

/// Labels of nodes that a task asks for. A node's name counts as its label `node`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Only nodes with all of these labels get it.
    pub requires: Vec<(Arc<str>, Arc<str>)>,
    /// Of those, nodes with more of these labels come first.
    pub prefers: Vec<(Arc<str>, Arc<str>)>,
}

impl Placement {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.requires.is_empty() && self.prefers.is_empty()
    }
}

impl Default for Policies {
    /// Four more attempts with a growing pause, then parked; removed on completion.
    fn default() -> Self {
        Self {
            on_failure: OnFailure::Reassign { attempts: 4, backoff: Backoff::default() },
            remove_on_completion: true,
            ended_ttl: None,
            no_overlap: false,
            placement: Placement::default(),
        }
    }
}

/// What a failed attempt leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Assigned again after a pause; parked once the budget is spent.
    Reassign {
        /// How many failures are answered with another assignment; failures to start and failures
        /// while running are counted apart, each against this number.
        attempts: u32,
        /// The pause before each.
        backoff: Backoff,
    },
    /// The record stays, unassigned, with its last error, until it is resumed or removed. It keeps
    /// its place at the head of its lane.
    Park,
    /// The record goes, as after a success.
    Remove,
}

/// A pause that doubles with every failure, up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub base: Duration,
    /// No pause is longer.
    pub max: Duration,
}

impl Default for Backoff {
    /// 100 ms, doubling up to 30 s.
    fn default() -> Self {
        Self { base: Duration::from_millis(100), max: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The pause after failure number `failures`, counted from one.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }
}

impl Policies {
    /// Every field but the placement as a number, in a fixed order: what is stored, digested and
    /// compared. Spans are in nanoseconds, at most `u64::MAX` of them (584 years). Bit 1 of the fifth
    /// word is `no_overlap`.
    pub(crate) fn to_words(&self) -> [u64; 6] {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let (kind, attempts, base, max) = match &self.on_failure {
            OnFailure::Reassign { attempts, backoff } => {
                (0, u64::from(*attempts), nanos(backoff.base), nanos(backoff.max))
            }
            OnFailure::Park => (1, 0, 0, 0),
            OnFailure::Remove => (2, 0, 0, 0),
        };
        let ttl = self.ended_ttl.map_or(u64::MAX, nanos);
        let flags = u64::from(self.remove_on_completion) | u64::from(self.no_overlap) << 1;
        [kind, attempts, base, max, flags, ttl]
    }

    /// The policies with these words; `None` if no version of this type ever had them.
    pub(crate) fn from_words([kind, attempts, base, max, flags, ttl]: [u64; 6]) -> Option<Self> {
        let on_failure = match kind {
            0 => OnFailure::Reassign {
                attempts: u32::try_from(attempts).ok()?,
                backoff: Backoff {
                    base: Duration::from_nanos(base),
                    max: Duration::from_nanos(max),
                },
            },
            1 => OnFailure::Park,
            2 => OnFailure::Remove,
            _ => return None,
        };
        if flags > 3 {
            return None;
        }
        let (remove_on_completion, no_overlap) = (flags & 1 != 0, flags & 2 != 0);
        let ended_ttl = (ttl != u64::MAX).then(|| Duration::from_nanos(ttl));
        let placement = Placement::default();
        Some(Self { on_failure, remove_on_completion, ended_ttl, no_overlap, placement })
    }
}

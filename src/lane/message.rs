//! What travels through a shard's inbox: jobs from submitters, reports from visits, control.

use super::desk::Desk;
use super::gate::Gate;
use super::key::Hashed;
use super::turn::Turn;
use super::view::Look;
use super::visit::LaneVisit;
use crate::sync::Arc;

/// One slot of the inbox. The order of messages is the order in which the shard learns of things.
pub(super) enum Message<J: Turn> {
    /// A job for the lane of this key.
    Job(Hashed, J),
    /// A visit comes home.
    Report(Box<LaneVisit<J>>, Stop),
    /// A job that ran in place while the shard was taken over has ended or waits.
    Late(Arc<Desk<J>>, Stop),
    /// The job with this number is to get a turn.
    Wake(Hashed, u64),
    /// The lane's running visit says: no job after the present one before a release.
    Hold(Hashed),
    /// The lane's running visit says: the jobs that have come by now are abandoned.
    Cut(Hashed),
    /// Ends a hold.
    Release(Hashed),
    /// The gate is dropped when every job before this message, of the key or of all, has ended.
    Barrier(Option<Hashed>, Gate),
    /// Whoever is at the head of the lane of this key is to get a turn.
    WakeHead(Hashed),
    /// Shows the lane of this key, or every lane.
    Look(Option<Hashed>, Look<J>),
    /// Every job that waits gets a turn.
    WakeAll,
    /// There are no releases any more: what is held is abandoned.
    Retire,
    /// The lanes were closed: whatever is at home is sent out, to be abandoned.
    Close,
}

/// Why a visit came home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Its jobs have ended, or those before a gate, or its budget has, or a hold was asked for.
    Yielded,
    /// Its first job waits to be woken.
    Waiting,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Abandon, LaneRef, Next, Step};

    /// As large as a plain job: a table and six words of captures, and one word for the rest.
    struct Plain {
        _words: [usize; 8],
    }

    impl Turn for Plain {
        type Owner = ();
        fn step(&mut self, _: &LaneRef<Self>) -> Step {
            Step::Ended(Next::Continue)
        }
        fn abandon(self, (): &(), _: Abandon) {}
    }

    #[test]
    fn a_plain_job_travels_in_less_than_two_cache_lines() {
        let state = size_of::<u64>();
        assert!(state + size_of::<Message<Plain>>() <= 128, "{}", size_of::<Message<Plain>>());
    }
}

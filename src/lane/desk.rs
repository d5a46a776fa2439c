//! A desk: where a shard's visitor runs jobs in place, one after another, without opening lanes.
//!
//! The job and the reference to its lane lie here during its step. Should the step take long,
//! somebody takes the shard over (`tour.rs`): the desk then belongs to the one who runs the job, and
//! comes home to the shard as a late report; the taker only reads the lane's key and number.
//!
//! Who touches what: while no job is run, both cells belong to the visitor. During a run the lane is
//! read only, by the runner and by a taker; the job belongs to the runner, until its report.

use super::lane_ref::LaneRef;
use super::turn::Turn;
use crate::sync::UnsafeCell;

/// See the page.
pub(super) struct Desk<J: Turn> {
    lane: UnsafeCell<LaneRef<J>>,
    job: UnsafeCell<Option<J>>,
}

// SAFETY: the job moves between threads and is never shared (`J: Send`); the lane may be.
unsafe impl<J: Turn> Send for Desk<J> {}
// SAFETY: as above; the page says who touches what, and the hand-over of the shard, or the report,
// lies between.
unsafe impl<J: Turn> Sync for Desk<J> {}

impl<J: Turn> Desk<J> {
    /// For jobs of `lane` and, later, others.
    pub(super) fn new(lane: LaneRef<J>) -> Self {
        Self { lane: UnsafeCell::new(lane), job: UnsafeCell::new(None) }
    }

    /// Puts `job` here.
    ///
    /// # Safety
    /// The caller is the visitor, and no job of this desk is being run.
    #[inline]
    pub(super) unsafe fn lay(&self, job: J, place: impl FnOnce(&mut LaneRef<J>)) {
        // SAFETY: by the caller's contract nobody else is at the desk.
        self.lane.with_mut(|lane| place(unsafe { &mut *lane }));
        // SAFETY: as above.
        self.job.with_mut(|cell| unsafe { *cell = Some(job) });
    }

    /// Lets `run` have the job and its lane.
    ///
    /// # Safety
    /// The caller is the visitor who laid the job here, and has not reported since.
    #[inline]
    pub(super) unsafe fn run<R>(&self, run: impl FnOnce(&mut Option<J>, &LaneRef<J>) -> R) -> R {
        self.lane.with(|lane| {
            // SAFETY: during a run the lane is only read.
            let lane = unsafe { &*lane };
            // SAFETY: during a run the job is the runner's, which the caller is.
            self.job.with_mut(|job| run(unsafe { &mut *job }, lane))
        })
    }

    /// Reads the lane.
    ///
    /// # Safety
    /// The caller is the visitor.
    pub(super) unsafe fn read<R>(&self, read: impl FnOnce(&LaneRef<J>) -> R) -> R {
        // SAFETY: the visitor is the only one who writes it, and does not while it reads.
        self.lane.with(|lane| read(unsafe { &*lane }))
    }

    /// Takes the job away, if it is still there.
    ///
    /// # Safety
    /// The caller is the visitor, and the desk was reported.
    pub(super) unsafe fn clear(&self) -> Option<J> {
        // SAFETY: by the caller's contract nobody else is at the desk.
        self.job.with_mut(|job| unsafe { (*job).take() })
    }
}

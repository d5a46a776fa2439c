//! A way back to a lane, for whoever ends a job's wait.

use std::marker::PhantomData;

use super::turn::Turn;

/// Names the job at the head of a lane. Cheap to clone; may outlive the job and the lane.
pub(crate) struct LaneRef<J: Turn> {
    lane: PhantomData<fn(J)>,
}

impl<J: Turn> LaneRef<J> {
    /// The key of the lane.
    pub(crate) fn key(&self) -> &super::Key {
        unimplemented!("signatures first")
    }

    /// Gives the job its next turn: now if it waits, after its running step otherwise. A job that
    /// has ended is past waking: then nothing happens.
    ///
    /// Any thread; lock-free. Several calls during one wait give one turn.
    pub(crate) fn wake(&self) {
        unimplemented!("signatures first")
    }
}

impl<J: Turn> Clone for LaneRef<J> {
    fn clone(&self) -> Self {
        Self { lane: PhantomData }
    }
}

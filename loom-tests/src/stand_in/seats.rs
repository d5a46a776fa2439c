//! Nobody ends in a model: the queues of a station are kept by it.

use super::frame::FramePtr;
use super::work::Work;
use crate::sync::deque::Worker;

/// As `pool/seats.rs`.
pub(super) struct Desk {
    pub(super) frames: Worker<FramePtr>,
    pub(super) visits: Worker<Work>,
}

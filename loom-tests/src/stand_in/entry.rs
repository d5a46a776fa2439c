//! A job of which the model says what its steps do.

use crate::lane::{Abandon, LaneRef, Step, Turn};

type Steps = Box<dyn FnMut(&LaneRef<Entry>) -> Step + Send>;

/// As `coordinator/entry.rs`.
pub(crate) struct Entry(pub(crate) Steps);

impl Turn for Entry {
    type Owner = ();

    fn step(&mut self, lane: &LaneRef<Self>) -> Step {
        (self.0)(lane)
    }

    fn abandon(self, (): &(), _: Abandon) {}
}

//! Layer: lane.

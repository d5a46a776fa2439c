//! Layer: coordinator.

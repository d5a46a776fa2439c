//! Layer: task.

//! The shared and static library: every exported function of `laneway-ffi`, nothing else.

pub use laneway_ffi::*;

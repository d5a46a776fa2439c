//! The C ABI of laneway; `include/laneway.h` is generated from this crate.

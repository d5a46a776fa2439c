//! The C ABI of laneway; `include/laneway.h` is generated from this crate.
//!
//! One file per folder of the Rust library: its handles, options and functions, each function a
//! conversion, one call and a conversion back. What they share is below them: `boundary` (no
//! panic leaves), `handle` (who owns a pointer), `options` (structs that grow), `callback` (the
//! caller's function and its `user_data`), `convert` (bytes, text, times, out parameters),
//! `status` and `error`.
//!
//! Invariants: every exported function runs inside the boundary; `user_data` handed in with a
//! `drop` is owned from the first line of the function on, so that `drop` runs exactly once on
//! every path; out parameters are cleared first and written last; nothing blocks in a release.
//! Not here: conditional items. The header and the library cannot disagree.

// The names are those of C: they are printed as they stand.
#![allow(non_camel_case_types)]
// The comments are doxygen's, and `@param[out]` is no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod boundary;
mod callback;
mod convert;
pub mod coordinator;
pub mod error;
mod handle;
mod options;
pub mod pool;
pub mod service;
pub mod status;
pub mod version;

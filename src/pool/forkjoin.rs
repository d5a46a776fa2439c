//! The methods of ForkJoin and of rayon-core, and what stands for each of them here. Documentation,
//! no code: a name that does not exist fails the build of the documentation.
//!
#![doc = include_str!("../../docs/forkjoin.md")]

#[cfg(doc)]
use super::*;

//! laneway: work that is fast, in order, and survives.

mod base;
pub mod coordinator;
mod lane;
pub mod pool;
pub mod service;
pub mod store;
mod sync;
pub mod task;

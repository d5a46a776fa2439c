//! laneway: work that is fast, in order, and survives.

mod base;
pub mod coordinator;
mod lane;
pub mod pool;
pub mod service;
/// A value that is replaced as a whole, and readers that never wait for its writers.
pub mod snapshot {
    pub use crate::base::epoch_cell::{EpochCell, Guard, pin};
}
pub mod store;
mod sync;
pub mod task;

pub use coordinator::{
    Coordinator, CoordinatorConfig, Job, JobContext, JobError, JobHandle, JobOutcome, Key,
    OnDoubleFault, OnFailure, RetryPolicy, Token, UndoContext,
};
pub use pool::{Pool, PoolConfig, Shutdown};

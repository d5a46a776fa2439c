//! Durable state: where the records of persistent tasks are kept.
//!
//! The whole state lives in memory; a [`Store`] sees one commit per batch of commands and is read
//! once, at open. It knows entries (a kind, a place, bytes), not tasks; `codec.rs` translates.
//!
//! | file | noun |
//! |---|---|
//! | `entry.rs` | what is stored: [`Entry`], [`Batch`], [`Stored`] |
//! | `codec.rs` | records to bytes and back, with a version in front |
//! | `memory.rs` | [`MemoryStore`]: for tests, and for state that need not survive |
//! | `file.rs` | `FileStore`: a directory that survives `kill -9` and power loss (feature `file-store`) |
//! | `table.rs` | entries and the chain of commits, inside the file |
//! | `witness.rs` | the last commit, noted outside the file |
//! | `error.rs` | [`StoreError`] |
//!
//! A store that other processes write to as well needs a third call, `watch(from)`; it comes with
//! the first such store. Nothing here assumes that there is none: every commit names the revision
//! it was computed from, and [`StoreError::Conflict`] is an answer.

mod codec;
mod entry;
mod error;
#[cfg(feature = "file-store")]
mod file;
mod memory;
#[cfg(feature = "file-store")]
mod table;
#[cfg(feature = "file-store")]
mod witness;

pub(crate) use codec::{decode, encode};
pub use entry::{Batch, Entry, Kind, Stored, Write};
pub use error::StoreError;
#[cfg(feature = "file-store")]
pub use file::FileStore;
pub use memory::MemoryStore;

use crate::task::Revision;

/// Durable state behind the task service: loaded once, then changed by commits.
///
/// Used by one thread, the service's own, which may block in it.
pub trait Store: Send + 'static {
    /// Everything that was committed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if what is there is not what was committed, with the place;
    /// [`StoreError::TooNew`] if a newer version wrote it.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Makes `batch` durable as one change, all or nothing, if the last commit is `expected`;
    /// answers the new revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: somebody else committed; load and compute the batch again. Any
    /// other error means that the commit may or may not have happened; only opening the store anew
    /// tells.
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError>;
}

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
//! | `desk.rs` | [`Desk`]: a store at rest, for tools |
//! | `dump.rs` | [`export`] and [`import`]: everything as text (feature `file-store`) |
//! | `error.rs` | [`StoreError`] |
//!
//! Several nodes may write to one store. So every commit names the revision it was computed from, and
//! [`StoreError::Conflict`] is an answer; what others committed is read with [`Store::changes`], until
//! the store has forgotten it ([`StoreError::Compacted`]: load again); and a commit may end as
//! [`StoreError::Unknown`], in which case its [`Attempt`] is looked for in what was committed.

mod codec;
mod desk;
#[cfg(feature = "file-store")]
mod dump;
mod entry;
mod error;
#[cfg(feature = "file-store")]
mod file;
mod memory;
#[cfg(feature = "file-store")]
mod table;
#[cfg(feature = "file-store")]
mod witness;

pub(crate) use codec::{decode, encode, patched};
pub use desk::Desk;
#[cfg(feature = "file-store")]
pub use dump::{export, import};
pub use entry::{Attempt, Batch, Commit, Entry, Kind, Stored, Write};
pub use error::StoreError;
#[cfg(feature = "file-store")]
pub use file::FileStore;
pub use memory::MemoryStore;

use std::sync::Arc;

use crate::task::Revision;

/// Called by a store or a cluster when there may be something new to read. From any thread, also
/// from within a call; it never blocks and may be called more often than needed.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Durable state behind the task service: loaded once, then changed and followed by commits.
///
/// One value is one node's way to the store, used by one thread, which may block in `load`,
/// `commit` and `changes` for as long as the store needs, never for something new to happen.
///
/// The commits of a store are one sequence: revision *n* + 1 was computed from revision *n*, whoever
/// made it.
pub trait Store: Send + 'static {
    /// Everything that was committed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if what is there is not what was committed, with the place;
    /// [`StoreError::TooNew`] if a newer version wrote it; [`StoreError::Unavailable`] if it cannot be
    /// reached now.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Makes `batch` durable as one change, all or nothing, if the last commit is `expected`;
    /// answers the new revision, which is the next after `expected`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: somebody else committed; catch up and compute the batch again.
    /// [`StoreError::Unavailable`]: it did not happen and never will. [`StoreError::Unknown`]: it may
    /// have happened, or may yet; catch up and look for its attempt. Any other error means that the
    /// commit may or may not have happened; only opening the store anew tells.
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError>;

    /// What was committed after revision `after`, by anybody, oldest first and without a gap; empty
    /// if that is the last one. Does not wait for more: see [`on_change`](Self::on_change).
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if the oldest of these commits is forgotten: load again. A store
    /// remembers its last commits, as many as it likes. [`StoreError::Unavailable`] if it cannot be
    /// reached now.
    fn changes(&mut self, after: Revision) -> Result<Vec<Commit>, StoreError>;

    /// Calls `wake` from now on whenever others may have committed, and when a store that could not
    /// be reached may be reached again. A later call replaces an earlier one. A store that nobody
    /// else can write to never calls it.
    fn on_change(&mut self, wake: Wake);
}

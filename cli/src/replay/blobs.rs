//! Blobs for jobs on many threads: libgit2's handles serve one thread at a time, so there is a
//! stack of them, and a job borrows one.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use git2::{Oid, Repository};

use super::ReplayError;

/// The blobs of a repository.
pub(crate) struct Blobs {
    git_dir: PathBuf,
    /// Not in use just now. The lock covers a push or a pop, never a read.
    idle: Mutex<Vec<Repository>>,
}

impl Blobs {
    pub(crate) fn of(repo: &Repository) -> Self {
        Self { git_dir: repo.path().to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// The bytes of a blob.
    pub(crate) fn read(&self, blob: Oid) -> Result<Vec<u8>, ReplayError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let repo = match idle {
            Some(repo) => repo,
            None => Repository::open(&self.git_dir)?,
        };
        let bytes = repo.find_blob(blob)?.content().to_vec();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(repo);
        Ok(bytes)
    }
}

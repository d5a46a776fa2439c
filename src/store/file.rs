//! A directory that survives `kill -9` and power loss.
//!
//! ```text
//!   DIR/            mode 0700
//!     lock          held exclusively while the store is open; close-on-exec
//!     state.redb    the entries and the head of the chain (table.rs), mode 0600
//!     witness       the last acknowledged commit (witness.rs)
//! ```
//!
//! A commit is durable when the file is synced; then it is noted in the witness; then it is
//! acknowledged. At open the whole file is verified, page by page and entry by entry. A commit that
//! was cut off falls back to the one before it; anything else is refused with its place: pages or
//! entries that changed, entries that are missing, a file that is older than its witness.
//!
//! What cannot be seen: a directory that was put back as a whole from an older copy. Opening raises
//! the allocation counter by the clock, so ids do not repeat even then.
//!
//! After a failed write or sync the store takes no more: what is on the disk is unknown until it is
//! opened anew. The sync is never tried again on the same pages.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::Database;
use redb::backends::FileBackend;

use super::table::{Mark, Table, engine};
use super::witness::Witness;
use super::{Batch, Commit, Store, StoreError, Stored, Wake};
use crate::task::Revision;

const LOCK: &str = "lock";
const STATE: &str = "state.redb";
const STATE_NEW: &str = "state.redb.new";
const WITNESS: &str = "witness";

/// How much of the file is kept in memory. The state is in memory anyway: this only has to hold
/// what one commit touches.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A durable store in a directory of its own.
///
/// One opener at a time, in this process or another; the directory is free again once the store is
/// dropped, also by `kill -9`. The lock is not inherited by programs that are started meanwhile.
///
/// ```
/// use laneway::store::{FileStore, Store, StoreError};
///
/// # let dir = std::env::temp_dir().join(format!("laneway-doc-{}", std::process::id()));
/// let mut store = FileStore::open(&dir)?;
/// assert_eq!(store.load()?.entries, []);
/// assert!(matches!(FileStore::open(&dir), Err(StoreError::Locked { .. })));
/// # drop(store);
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), StoreError>(())
/// ```
pub struct FileStore {
    // Dropped in this order: the file is closed before the lock is given up.
    table: Table,
    witness: Witness,
    path: PathBuf,
    _lock: Lock,
}

/// The exclusive lock on a directory.
struct Lock(File);

impl Drop for Lock {
    /// Unlocks by name: closing the file would leave the lock with a program that another thread is
    /// just starting, until its exec. If it fails, that is what happens.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl FileStore {
    /// Opens the store in `path`; an absent or empty directory becomes a new one. Blocks while the
    /// whole file is verified.
    ///
    /// The directory's mode becomes 0700.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if it is open elsewhere, [`StoreError::NotEmpty`] if the directory
    /// holds other files and no store, [`StoreError::Damaged`] with the place,
    /// [`StoreError::TooNew`], [`StoreError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        claim_directory(&path)?;
        let lock = lock_directory(&path)?;
        let witness = Witness::new(open_file(&path.join(WITNESS), "open the witness")?);
        let table = match fs::exists(path.join(STATE)).map_err(io_at("look for the state"))? {
            true => Table::open(database(&path.join(STATE))?)?,
            false if witness.last().is_some() => {
                let reason = "the file is gone".into();
                return Err(StoreError::Damaged { place: STATE.into(), reason });
            }
            false => create(&path, &Stored::default())?,
        };
        judge(&table, witness.last())?;
        Ok(Self { table, witness, path, _lock: lock })
    }

    /// As [`open`](Self::open), and makes nothing: for tools that look at what is there.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no store in `path`; others as from `open`.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let names = [STATE, WITNESS];
        let there = names.iter().any(|name| fs::exists(path.join(name)).unwrap_or(false));
        if there { Self::open(path) } else { Err(StoreError::Missing { path: path.into() }) }
    }

    /// A new store in `path` that holds `stored`, say what [`import`](super::import) read; its
    /// history goes on at that revision. All or nothing. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if `path` holds anything, also a store; others as from `open`.
    pub fn restore(path: impl AsRef<Path>, stored: &Stored) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        claim_directory(&path)?;
        let lock = lock_directory(&path)?;
        let witness = Witness::new(open_file(&path.join(WITNESS), "open the witness")?);
        let taken = fs::exists(path.join(STATE)).map_err(io_at("look for the state"))?;
        if taken || witness.last().is_some() {
            return Err(StoreError::NotEmpty { path });
        }
        let table = create(&path, stored)?;
        witness.note(table.mark().0).map_err(io_at("write the witness"))?;
        Ok(Self { table, witness, path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store for FileStore {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.table.load()
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, StoreError> {
        let revision = self.table.commit(batch, expected)?;
        let (mark, _) = self.table.mark();
        if let Err(error) = self.witness.note(mark) {
            self.table.poison();
            return Err(io_at("write the witness")(error));
        }
        Ok(revision)
    }

    /// The lock keeps everybody else out, so there is nothing that its owner does not know.
    fn changes(&mut self, after: Revision) -> Result<Vec<Commit>, StoreError> {
        let oldest = None;
        if after < self.revision() { Err(StoreError::Compacted { oldest }) } else { Ok(Vec::new()) }
    }

    fn on_change(&mut self, _wake: Wake) {}
}

impl FileStore {
    fn revision(&self) -> Revision {
        self.table.mark().0.revision
    }
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Makes the directory, or makes sure that it is a store's.
fn claim_directory(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(io_at("create the directory"))?;
    if !fs::exists(path.join(STATE)).map_err(io_at("look for the state"))? {
        let ours = [LOCK, STATE_NEW, WITNESS];
        for entry in fs::read_dir(path).map_err(io_at("read the directory"))? {
            let name = entry.map_err(io_at("read the directory"))?.file_name();
            if !ours.iter().any(|ours| name == *ours) {
                return Err(StoreError::NotEmpty { path: path.into() });
            }
        }
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io_at("set the mode"))
}

fn lock_directory(path: &Path) -> Result<Lock, StoreError> {
    let path = path.join(LOCK);
    let lock = open_file(&path, "open the lock")?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
        Err(TryLockError::Error(source)) => {
            Err(StoreError::Io { action: "lock the directory", source })
        }
    }
}

/// A new database that holds `stored`, whole before it has its name.
fn create(path: &Path, stored: &Stored) -> Result<Table, StoreError> {
    let new = path.join(STATE_NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_at("remove a half-made state")(error));
        }
        _ => {}
    }
    let table = Table::create(database(&new)?, stored)?;
    fs::rename(&new, path.join(STATE)).map_err(io_at("name the state"))?;
    sync_directory(path)?;
    // A directory that was just made is only there once its parent says so.
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent)?,
        None => sync_directory(Path::new("."))?,
    }
    Ok(table)
}

fn database(path: &Path) -> Result<Database, StoreError> {
    let file = open_file(path, "open the state")?;
    let backend = FileBackend::new(file).map_err(engine("open the state"))?;
    verified().create_with_backend(backend).map_err(engine("open the state"))
}

/// A builder whose databases are verified whole when they are opened.
pub(super) fn verified() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Compares what is there with what was acknowledged.
pub(super) fn judge(table: &Table, noted: Option<Mark>) -> Result<(), StoreError> {
    let (last, previous) = table.mark();
    let Some(noted) = noted else { return Ok(()) };
    let reason = if last.revision < noted.revision {
        "commits after it were acknowledged and are gone"
    } else if last.revision == noted.revision && last.hash != noted.hash {
        "another commit with this revision was acknowledged"
    } else if last.revision == noted.revision.next() && previous != noted.hash {
        "it does not follow the last acknowledged commit"
    } else {
        return Ok(());
    };
    let place = format!("revision {} of {STATE}", last.revision.0);
    let reason = format!("{reason} (the witness says {})", noted.revision.0);
    Err(StoreError::Damaged { place, reason })
}

/// Opens or creates a file for its owner alone. As all files of std it is close-on-exec.
fn open_file(path: &Path, action: &'static str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(io_at(action))
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(io_at("sync the directory"))
}

fn io_at(action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { action, source }
}

//! A store that several nodes share: rows with versions, and who owns which entity.
//!
//! Optimistic: a write says which version it has read, and changes nothing if that is not the
//! present one any more. A write for an entity also says who writes, and changes nothing if that
//! node does not own the entity: the store is the fence, whatever nodes believe.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value INTEGER, version INTEGER);
    CREATE TABLE IF NOT EXISTS owners (entity TEXT PRIMARY KEY, node TEXT, epoch INTEGER);
    CREATE TABLE IF NOT EXISTS history
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT, node TEXT, epoch INTEGER);
    CREATE TABLE IF NOT EXISTS readers (node TEXT PRIMARY KEY);
";

/// See the page. Connections are lent to threads and come back.
pub struct Store {
    path: Box<Path>,
    idle: Mutex<Vec<Connection>>,
}

/// A row as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it holds.
    pub value: i64,
    /// Which version that is; 0 if the row is not there.
    pub version: i64,
}

/// What became of a write for an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is there.
    Yes,
    /// Somebody has changed the row since it was read.
    Conflict,
    /// Another node owns the entity.
    NotOwner,
}

impl Store {
    /// Opens the store at `path`, or makes it.
    pub fn open(path: &Path) -> Result<Self> {
        let store = Self { path: path.into(), idle: Mutex::default() };
        store.with(|connection| connection.execute_batch(SCHEMA))?;
        Ok(store)
    }

    /// Lends a connection.
    fn with<R>(&self, run: impl FnOnce(&mut Connection) -> Result<R>) -> Result<R> {
        let idle = self.idle.lock().expect("nobody panics with the connections").pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = Connection::open(&self.path)?;
                connection.busy_timeout(Duration::from_secs(60))?;
                connection
            }
        };
        let result = run(&mut connection);
        self.idle.lock().expect("nobody panics with the connections").push(connection);
        result
    }

    /// The row of `key`.
    pub fn read(&self, key: &str) -> Result<Row> {
        self.with(|connection| read(connection, key))
    }

    /// Writes `value` if the row's version is still `version`; true if it did.
    pub fn write(&self, key: &str, value: i64, version: i64) -> Result<bool> {
        self.with(|connection| {
            let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&writing, key, value, version)?;
            writing.commit()?;
            Ok(written)
        })
    }

    /// As [`write`](Self::write), if `node` owns the entity `key`; the history notes it.
    pub fn write_as_owner(
        &self,
        node: &str,
        key: &str,
        value: i64,
        version: i64,
    ) -> Result<Written> {
        self.with(|connection| {
            let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (owner, epoch) = owner(&writing, key)?;
            if owner != node {
                return Ok(Written::NotOwner);
            }
            if !write(&writing, key, value, version)? {
                return Ok(Written::Conflict);
            }
            let note = "INSERT INTO history (entity, node, epoch) VALUES (?, ?, ?)";
            writing.execute(note, params![key, node, epoch])?;
            writing.commit()?;
            Ok(Written::Yes)
        })
    }

    /// Gives `entity` to `node`.
    pub fn give(&self, entity: &str, node: &str) -> Result<()> {
        let give = "INSERT INTO owners VALUES (?, ?, 1)
            ON CONFLICT (entity) DO UPDATE SET node = excluded.node, epoch = epoch + 1";
        self.with(|connection| connection.execute(give, params![entity, node]).map(drop))
    }

    /// Who owns `entity`; nobody is the empty name.
    pub fn owner(&self, entity: &str) -> Result<String> {
        self.with(|connection| Ok(owner(connection, entity)?.0))
    }

    /// Which node wrote under which epoch of the entity, in order.
    pub fn history(&self, entity: &str) -> Result<Vec<(String, i64)>> {
        self.with(|connection| {
            let look = "SELECT node, epoch FROM history WHERE entity = ? ORDER BY seq";
            let mut look = connection.prepare(look)?;
            let rows = look.query_map([entity], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Notes that `node` has read what it will write; how many nodes have.
    pub fn has_read(&self, node: &str) -> Result<i64> {
        self.with(|connection| {
            connection.execute("INSERT OR IGNORE INTO readers VALUES (?)", [node])?;
            connection.query_row("SELECT count(*) FROM readers", [], |row| row.get(0))
        })
    }
}

fn read(connection: &Connection, key: &str) -> Result<Row> {
    let look = "SELECT value, version FROM rows WHERE key = ?";
    let row = connection
        .query_row(look, [key], |row| Ok(Row { value: row.get(0)?, version: row.get(1)? }));
    Ok(row.optional()?.unwrap_or(Row { value: 0, version: 0 }))
}

fn write(connection: &Connection, key: &str, value: i64, version: i64) -> Result<bool> {
    let insert = "INSERT OR IGNORE INTO rows VALUES (?, 0, 0)";
    connection.execute(insert, [key])?;
    let update = "UPDATE rows SET value = ?, version = version + 1 WHERE key = ? AND version = ?";
    Ok(connection.execute(update, params![value, key, version])? == 1)
}

fn owner(connection: &Connection, entity: &str) -> Result<(String, i64)> {
    let look = "SELECT node, epoch FROM owners WHERE entity = ?";
    let owner = connection.query_row(look, [entity], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(owner.optional()?.unwrap_or_default())
}

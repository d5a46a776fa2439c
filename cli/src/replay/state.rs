//! The state directory of a durable replay.
//!
//! ```text
//! DIR/lock      held by the one replay that uses the directory
//! DIR/about     what is replayed (JSON): the end of history, the plan's digest, the id
//! DIR/tasks/    the library's persistent tasks: one for each event, kept when it has ended
//! DIR/journal   what the jobs say of themselves, for the audit
//! ```
//!
//! The end of history is fixed by the first run, so that commits that are added meanwhile change
//! nothing. The id is written into the directory that the tree goes to: one without the other
//! proves nothing, and is refused.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid};
use serde_json::{Value, json};

use super::ReplayError;
use super::plan::{Kind, Plan};

/// Raised when an older replay could not continue what this one has begun.
const FORMAT: u64 = 1;

/// An open state directory; nobody else has it open.
pub(crate) struct State {
    root: PathBuf,
    about: Option<About>,
    _lock: Lock,
}

/// The exclusive lock on the directory.
struct Lock(File);

impl Drop for Lock {
    /// Unlocks by name: closing the file would leave the lock with a program that another thread is
    /// just starting, until its exec. If it fails, that is what happens.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// What is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) id: String,
    /// The last commit; `None`: there was none yet.
    pub(crate) head: Option<Oid>,
    pub(crate) plan: Oid,
}

impl State {
    /// Opens the directory, or makes it (0700).
    pub(crate) fn open(root: &Path) -> Result<Self, ReplayError> {
        let in_root = |why: io::Error| ReplayError::Directory(root.to_owned(), why);
        match DirBuilder::new().mode(0o700).recursive(true).create(root) {
            Ok(()) => {}
            Err(why) => return Err(in_root(why)),
        }
        let root = fs::canonicalize(root).map_err(in_root)?;
        let lock = private().open(root.join("lock")).map_err(in_root)?;
        let lock = match lock.try_lock() {
            Ok(()) => Lock(lock),
            Err(TryLockError::WouldBlock) => return Err(ReplayError::Busy(root)),
            Err(TryLockError::Error(why)) => return Err(in_root(why)),
        };
        let about = match fs::read_to_string(root.join("about")) {
            Ok(text) => {
                Some(About::parse(&text).ok_or_else(|| ReplayError::OtherState(root.clone()))?)
            }
            Err(absent) if absent.kind() == io::ErrorKind::NotFound => None,
            Err(why) => return Err(in_root(why)),
        };
        Ok(Self { root, about, _lock: lock })
    }

    /// What an earlier run has begun to replay.
    pub(crate) fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Says what is replayed, or checks that it is still the same; answers with the id.
    pub(crate) fn settle(&mut self, head: Option<Oid>, plan: &Plan) -> Result<About, ReplayError> {
        let plan = digest(plan)?;
        match &self.about {
            Some(about) if about.head == head && about.plan == plan => Ok(about.clone()),
            Some(_) => Err(ReplayError::OtherState(self.root.clone())),
            None => {
                let about = About { id: fresh_id(), head, plan };
                self.write(&about).map_err(|why| ReplayError::Directory(self.root.clone(), why))?;
                self.about = Some(about.clone());
                Ok(about)
            }
        }
    }

    /// Where the library keeps its tasks.
    pub(crate) fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// Where the jobs say what they do.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    fn write(&self, about: &About) -> io::Result<()> {
        let temporary = self.root.join("about.tmp");
        let mut file = private().truncate(true).open(&temporary)?;
        writeln!(file, "{}", about.to_json())?;
        file.sync_all()?;
        fs::rename(&temporary, self.root.join("about"))?;
        File::open(&self.root)?.sync_all()
    }
}

impl About {
    fn to_json(&self) -> Value {
        json!({"format": FORMAT, "id": self.id, "head": self.head.map(|head| head.to_string()),
               "plan": self.plan.to_string()})
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value["format"].as_u64() != Some(FORMAT) {
            return None;
        }
        let head = match &value["head"] {
            Value::Null => None,
            head => Some(Oid::from_str(head.as_str()?).ok()?),
        };
        let plan = Oid::from_str(value["plan"].as_str()?).ok()?;
        Some(Self { id: value["id"].as_str()?.to_owned(), head, plan })
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// The standard library's hashers are keyed at random.
fn fresh_id() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// Tells plans apart: which jobs there are, in which order, with which keys.
fn digest(plan: &Plan) -> Result<Oid, ReplayError> {
    let mut bytes = Vec::new();
    for event in &plan.events {
        for path in [plan.path(event), plan.key(event)] {
            bytes.extend_from_slice(path);
            bytes.push(0); // in no path
        }
        if let Some(version) = event.to {
            bytes.push(match version.kind {
                Kind::File => b'f',
                Kind::Executable => b'x',
                Kind::Symlink => b'l',
            });
            bytes.extend_from_slice(version.blob.as_bytes());
        }
        bytes.push(b'\n');
    }
    Ok(Oid::hash_object(ObjectType::Blob, &bytes)?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::plan::{Change, plan};
    use super::*;

    fn plan_of(path: &str) -> Plan {
        plan(vec![Change { commit: 0, path: path.into(), to: None }])
    }

    #[test]
    fn what_is_replayed_is_fixed_by_the_first_run() {
        let home = TempDir::new().expect("a directory");
        let first = State::open(home.path()).expect("new").settle(None, &plan_of("a"));
        let first = first.expect("settled");
        let mut again = State::open(home.path()).expect("there");
        assert_eq!(again.about(), Some(&first));
        assert_eq!(again.settle(None, &plan_of("a")).expect("the same"), first);
        let other = again.settle(None, &plan_of("b"));
        assert!(matches!(other, Err(ReplayError::OtherState(_))), "{other:?}");
    }

    #[test]
    fn a_second_replay_is_refused_while_the_first_has_it_open() {
        let home = TempDir::new().expect("a directory");
        let first = State::open(home.path()).expect("new");
        assert!(matches!(State::open(home.path()), Err(ReplayError::Busy(_))));
        drop(first);
        assert!(State::open(home.path()).is_ok());
    }

    #[test]
    fn about_reads_back_as_it_was_written() {
        let id = "0123".to_owned();
        let head = Oid::hash_object(ObjectType::Commit, b"x").expect("hashed");
        for head in [None, Some(head)] {
            let plan = Oid::hash_object(ObjectType::Blob, b"y").expect("hashed");
            let about = About { id: id.clone(), head, plan };
            assert_eq!(About::parse(&about.to_json().to_string()), Some(about));
        }
        assert_eq!(About::parse("{\"format\": 2}"), None);
    }
}

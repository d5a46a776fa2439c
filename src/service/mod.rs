//! Persistent tasks as a service: start a task, and it runs until its end is on the disk.
//!
//! ```text
//!  callers ──► mailbox ──► committer thread: fold `task::apply` over a batch ─► store.commit
//!                                   │                                              │
//!                                   │◄─────────────────────────────────────────────┘
//!                                   ├─► snapshot (epoch cell)   ├─► every answer of the batch
//!                                   └─► node: what changed here ──► lane on the coordinator ──► executor
//! ```
//!
//! One thread, the store's own, takes what waits in the mailbox, folds it into one new state,
//! commits that once, publishes it once, and only then answers, refusals included. Whatever arrives
//! meanwhile is the next batch, so a thousand callers share one write to the disk.
//!
//! | file | noun |
//! |---|---|
//! | `config.rs` | [`TaskConfig`], [`Assignment`] |
//! | `executor.rs` | [`Executor`], [`Progress`] |
//! | `allocated.rs` | a task on this node: [`TaskContext`], [`Completion`] |
//! | `pending.rs` | [`Pending`]: an answer that comes with a commit |
//! | `mailbox.rs` | the lock-free way in, and its wake-up |
//! | `committer.rs` | the thread |
//! | `node.rs` | bodies begun and stopped as the state says |
//! | `error.rs` | [`TaskError`] |
//!
//! Guarantee: a task whose start was acknowledged runs at least once to an acknowledged end. It may
//! run more than once: after a crash, and after a failure. Whoever holds an allocation that is no
//! longer in force is refused at every write ([`Rejection::Fenced`](crate::task::Rejection)).
//!
//! Not here: the rules (`task`), the disk (`store`), several nodes.

mod allocated;
mod committer;
mod config;
mod error;
mod executor;
mod mailbox;
mod node;
mod pending;
mod rule;
mod waits;

pub use allocated::{Completion, TaskContext};
pub use config::{Assignment, TaskConfig};
pub use error::TaskError;
pub use executor::{Executor, Progress};
pub use pending::Pending;
pub use rule::Rule;
pub use waits::Until;

use std::time::Duration;

use crate::base::epoch_cell::EpochCell;
use crate::cluster::{Cluster, Solo};
use crate::pool::Pool;
use crate::store::{Store, Wake};
use crate::sync::Arc;
#[cfg(doc)]
use crate::task::Rejection;
use crate::task::{Answer, Command, Ended, NewTask, Record, Started, State, TaskId};
use committer::Committer;
use executor::{Offers, Registration};
use mailbox::{Mailbox, Request};
use pending::{Reply, request};

/// Persistent tasks on one node: a handle. Clones are handles of the same service.
///
/// Dropping the last handle only signals: what was accepted is still committed, then the thread
/// ends and the store is closed. Bodies that run on are told through
/// [`TaskContext::is_cancelled`]; an end that they report after that is lost, and their tasks run
/// again when the store is next opened. Use [`shutdown`](Self::shutdown) to end in order.
///
/// ```
/// use laneway::pool::Pool;
/// use laneway::service::{Progress, TaskConfig, TaskContext, TaskService};
/// use laneway::store::MemoryStore;
/// use laneway::task::{NewTask, Outcome, Policies};
///
/// let pool = Pool::new()?;
/// let tasks = TaskService::open(&pool, MemoryStore::new(), TaskConfig::default())?;
/// tasks.register("upper", |task: &TaskContext| {
///     Ok(Progress::Done(task.params().to_ascii_uppercase().into()))
/// })?;
///
/// // Kept when it has ended, so that its result can be asked for at any time.
/// let keep = Policies { remove_on_completion: false, ..Policies::default() };
/// let task = NewTask::new("greeting", "upper").params(*b"hello").policies(keep);
/// let started = tasks.start(task).wait()?;
/// assert!(started.created); // and durable, had the store been a file
///
/// let ended = tasks.end_of("greeting").wait()?;
/// assert_eq!(ended.outcome, Outcome::Completed);
/// assert_eq!(*ended.result, *b"HELLO");
/// # tasks.shutdown(std::time::Duration::from_secs(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TaskService {
    handle: Arc<Handle>,
}

/// Dropped with the last handle of the service.
struct Handle {
    shared: Arc<Shared>,
}

/// What handles, bodies and the committer have in common.
struct Shared {
    pool: Pool,
    mailbox: Mailbox,
    snapshot: EpochCell<Arc<State>>,
    executors: EpochCell<Arc<Offers>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.mailbox.close();
    }
}

impl std::fmt::Debug for TaskService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = self.snapshot().revision();
        f.debug_struct("TaskService").field("revision", &revision).finish_non_exhaustive()
    }
}

impl TaskService {
    /// Loads what `store` holds and starts the service. Blocks for the load and one commit, by which
    /// every allocation that an earlier process held becomes void.
    ///
    /// Tasks found there are assigned once their executor is known: see [`register`](Self::register).
    ///
    /// # Errors
    /// [`TaskError::Store`] if the store cannot be read or written, [`TaskError::Thread`] if the
    /// committer's thread cannot be started. Nothing is left behind.
    pub fn open(pool: &Pool, store: impl Store, config: TaskConfig) -> Result<Self, TaskError> {
        Self::join(pool, store, Solo::new(), config)
    }

    /// Joins `cluster` as one node of it, with `store` as its way to the store that all of its nodes
    /// share. As [`open`](Self::open) otherwise; allocations of nodes that live stay in force.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`TaskError::Cluster`] if the cluster cannot be reached.
    ///
    /// ```
    /// use std::time::Duration;
    /// use laneway::cluster::LocalCluster;
    /// use laneway::pool::Pool;
    /// use laneway::service::{Progress, TaskConfig, TaskContext, TaskService};
    /// use laneway::store::MemoryStore;
    /// use laneway::task::{NewTask, NodeId, Outcome};
    ///
    /// let pool = Pool::new()?;
    /// let cluster = LocalCluster::new(MemoryStore::new(), Duration::from_secs(10));
    /// let join = |name: &str| {
    ///     let (store, member) = cluster.attach();
    ///     let config = TaskConfig { node: NodeId::from(name), ..TaskConfig::default() };
    ///     TaskService::join(&pool, store, member, config)
    /// };
    /// let (a, b) = (join("a")?, join("b")?);
    /// // Only b can run it; a is told of its end all the same.
    /// b.register("work", |_: &TaskContext| Ok(Progress::Done([].into())))?;
    /// b.start(NewTask::new("t", "work")).wait()?;
    /// assert_eq!(a.end_of("t").wait()?.outcome, Outcome::Completed);
    /// # for node in [a, b] { node.shutdown(Duration::from_secs(10)); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(
        pool: &Pool,
        store: impl Store,
        cluster: impl Cluster,
        config: TaskConfig,
    ) -> Result<Self, TaskError> {
        let shared = Committer::launch(pool.clone(), Box::new(store), Box::new(cluster), config)?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// Offers `executor` for tasks of `name`; those that wait for it are assigned. Blocks until the
    /// service knows it.
    ///
    /// # Errors
    /// [`TaskError::AlreadyRegistered`]; [`TaskError::Closed`]; [`TaskError::Store`].
    pub fn register(&self, name: &str, executor: impl Executor) -> Result<(), TaskError> {
        let registration = Registration::new(name, executor);
        let (reply, pending) = request(&self.shared().pool, |_| ());
        self.shared().mailbox.send(Request::Register { registration, reply });
        pending.wait()
    }

    /// Starts a task. The answer means that its record is durable; a repeated start with the same
    /// request gets the record that is there ([`Started::created`] is false).
    ///
    /// Never blocks; [`Pending::wait`] does. Starts that are under way together share a commit, and
    /// are committed in the order of the calls of one thread, which is the order of their lane.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`TaskError::UnknownExecutor`], [`TaskError::Refused`] by the
    /// executor's `validate`, [`TaskError::Full`], [`TaskError::Rejected`], [`TaskError::Store`],
    /// [`TaskError::Closed`].
    pub fn start(&self, task: NewTask) -> Pending<Started> {
        match self.check(&task).and_then(|()| self.shared().mailbox.admit()) {
            Ok(()) => self.ask(Command::Start(task), |reply| match reply {
                Reply::Answer(Answer::Started(started)) => started.clone(),
                other => unreachable!("a start is answered by Started, not {other:?}"),
            }),
            Err(error) => Pending::failed(&self.shared().pool, error),
        }
    }

    /// Starts many tasks, in order. As [`start`](Self::start) for each.
    pub fn start_many(&self, tasks: impl IntoIterator<Item = NewTask>) -> Vec<Pending<Started>> {
        tasks.into_iter().map(|task| self.start(task)).collect()
    }

    /// The end of a task: answered when the end is durable, or at once if it already is. `result`
    /// and `record` are there as long as the record is kept, or if the wait began before the end.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::NotFound`] if neither a record nor a tombstone has this
    /// id; [`TaskError::Closed`] if the service ends first; [`TaskError::WouldDeadlock`] from
    /// `wait` on the only free worker of the pool.
    pub fn end_of(&self, id: impl Into<TaskId>) -> Pending<Ended> {
        self.wait_for(id.into(), Until::Ended, |reply| match reply {
            Reply::Ended(ended) => ended.clone(),
            other => unreachable!("an end is answered by Ended, not {other:?}"),
        })
    }

    /// Waits until something is so of a task, or it has ended: answers its record then, the last one
    /// if it is gone, and `None` if nothing but a tombstone was left when this was asked for.
    ///
    /// # Errors
    /// As [`end_of`](Self::end_of).
    pub fn wait_until(&self, id: impl Into<TaskId>, until: Until) -> Pending<Option<Arc<Record>>> {
        self.wait_for(id.into(), until, |reply| match reply {
            Reply::Ended(ended) => ended.record.clone(),
            Reply::Seen(record) => Some(record.clone()),
            other => unreachable!("a wait is not answered by {other:?}"),
        })
    }

    fn wait_for<T>(&self, id: TaskId, until: Until, read: fn(&Reply) -> T) -> Pending<T> {
        let (reply, pending) = request(&self.shared().pool, read);
        self.shared().mailbox.send(Request::Wait { id, until, reply });
        pending.by_pool()
    }

    /// Looks again at the tasks that no node could be given, without waiting for the next time: for
    /// a [`Rule`] that depends on something outside.
    pub fn recheck(&self) {
        self.shared().mailbox.send(Request::Recheck);
    }

    /// Removes a task's record, in whatever phase it is. If it runs, its executor is told to stop;
    /// the next task of its lane runs once it has. Answers the last record; `None` if it was
    /// removed before.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::NotFound`], [`Rejection::Opaque`].
    pub fn remove(&self, id: impl Into<TaskId>) -> Pending<Option<Arc<Record>>> {
        self.ask_record(Command::Remove { id: id.into() })
    }

    /// Ends a task as cancelled: at once if it is not running, else when its executor stops, at the
    /// latest after `grace`. Answered when the request is durable, not when the task has ended:
    /// see [`end_of`](Self::end_of). An executor that completes within the grace has completed.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::NotFound`], [`Rejection::Opaque`].
    pub fn cancel(&self, id: impl Into<TaskId>, grace: Duration) -> Pending<Option<Arc<Record>>> {
        self.ask_record(Command::Cancel { id: id.into(), grace })
    }

    /// Lets a parked task, or one that pauses after a failure, be assigned again now.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::NotFound`], [`Rejection::Opaque`],
    /// [`Rejection::WrongPhase`].
    pub fn resume(&self, id: impl Into<TaskId>) -> Pending<Option<Arc<Record>>> {
        self.ask_record(Command::Resume { id: id.into() })
    }

    /// Sends any command; the answer comes after its commit. The methods above cover what callers
    /// usually want; this is for tools that act for an executor (complete, fail, update the state)
    /// under an allocation they know.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`TaskError::Rejected`], [`TaskError::Store`],
    /// [`TaskError::Closed`]. [`Command::Recover`], [`Command::Assign`] and those by which
    /// nodes come and go belong to the service and are refused as [`TaskError::NotYours`].
    pub fn command(&self, command: Command) -> Pending<Answer> {
        let owned = matches!(
            command,
            Command::Recover { .. }
                | Command::Assign { .. }
                | Command::NodeJoined { .. }
                | Command::NodeLeft { .. }
        );
        if owned {
            return Pending::failed(&self.shared().pool, TaskError::NotYours);
        }
        if let Command::Start(task) = &command
            && let Err(error) = self.check(task).and_then(|()| self.shared().mailbox.admit())
        {
            return Pending::failed(&self.shared().pool, error);
        }
        self.ask(command, |reply| match reply {
            Reply::Answer(answer) => answer.clone(),
            other => unreachable!("a command is answered by an answer, not {other:?}"),
        })
    }

    /// The tasks as of the last commit. Never blocks; the value never changes.
    pub fn snapshot(&self) -> Arc<State> {
        self.shared().snapshot.snapshot()
    }

    /// The record of `id` as of the last commit.
    pub fn get(&self, id: &str) -> Option<Arc<Record>> {
        self.snapshot().get(id).cloned()
    }

    /// Switches assignment: with [`Assignment::None`] what runs goes on, and nothing new begins.
    /// Not durable.
    pub fn set_assignment(&self, assignment: Assignment) {
        self.shared().mailbox.send(Request::Assignment(assignment));
    }

    /// Ends the service in order: nothing new is assigned, what runs is told to stop, ends that are
    /// reported until `deadline` has passed are committed, then the store is closed. Answers how
    /// many bodies still ran then; their tasks run again when the store is next opened.
    ///
    /// Blocks. Everything asked for before the call is answered; what is asked for once it has
    /// returned gets [`TaskError::Closed`], and the store can be opened again.
    pub fn shutdown(&self, deadline: Duration) -> usize {
        let deadline = self.shared().pool.clock().after(deadline);
        let (reply, pending) = request(&self.shared().pool, |reply| match reply {
            Reply::Left(count) => *count,
            other => unreachable!("a shutdown is answered by a count, not {other:?}"),
        });
        self.shared().mailbox.send(Request::Shutdown { deadline, reply });
        // A second shutdown finds the service closed: nothing runs under it.
        pending.wait().unwrap_or(0)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// What the caller's thread can find wrong with a start: user code runs here, not on the
    /// committer.
    fn check(&self, task: &NewTask) -> Result<(), TaskError> {
        let offers = self.shared().executors.snapshot();
        let offer = offers
            .get(&task.name)
            .ok_or_else(|| TaskError::UnknownExecutor { name: task.name.clone() })?;
        let executor = offer.upgrade().ok_or(TaskError::Closed)?;
        let valid = executor.validate(&task.params);
        valid.map_err(|reason| TaskError::Refused { reason })
    }

    fn ask<T>(&self, command: Command, read: fn(&Reply) -> T) -> Pending<T> {
        self.shared().ask(command, read)
    }

    fn ask_record(&self, command: Command) -> Pending<Option<Arc<Record>>> {
        self.ask(command, |reply| match reply {
            Reply::Answer(Answer::Record(record)) => record.clone(),
            other => unreachable!("such a command is answered by a record, not {other:?}"),
        })
    }
}

impl Shared {
    /// What a store or a cluster calls when it has something new.
    fn wake(shared: &Arc<Self>) -> Wake {
        let shared = shared.clone();
        Arc::new(move || shared.mailbox.send(Request::News))
    }

    /// Sends `command` to the committer.
    fn ask<T>(&self, command: Command, read: fn(&Reply) -> T) -> Pending<T> {
        let (reply, pending) = request(&self.pool, read);
        self.mailbox.send(Request::Apply { command, reply });
        pending
    }
}

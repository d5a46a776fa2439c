//! A task on this node: what its executor sees, and how it reports the end.
//!
//! One allocation reports one end, by whoever is first: the answer of [`Executor::start`], or the
//! [`Completion`]. Two holders keep a body alive, the call of `start` and the completion; when the
//! last of them goes without a report, that is a failure, and only then does the lane go on. What is
//! reported after a cancel, or after the node lost the task, is sent all the same: the rules answer
//! it, with [`Rejection::Fenced`](crate::task::Rejection::Fenced) if it is too late.
//!
//! [`Executor::start`]: super::Executor::start

use std::fmt;
use std::ops::Deref;

use parking_lot::Mutex;

use super::Shared;
use super::error::TaskError;
use super::executor::{Executor, Progress};
use super::mailbox::Request;
use super::pending::{Pending, request};
use crate::base::promise::Promise;
use crate::coordinator::Token;
use crate::pool::unwind;
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::task::{
    AllocationId, Bytes, Command, Failure, Record, Rejection, StopReason, TaskId, VALUE_MAX,
};

/// A task that this node runs, as its executor sees it. Clones see the same; holding one keeps
/// nothing alive.
#[derive(Clone)]
pub struct TaskContext {
    core: Arc<Core>,
}

struct Core {
    shared: Arc<Shared>,
    record: Arc<Record>,
    /// Fulfilled when the body should stop.
    cancelled: Promise<StopReason>,
    /// Somebody has begun to run it.
    begun: AtomicBool,
    /// Somebody has reported the end.
    reported: AtomicBool,
    /// The hold of the completion, while `start` runs and nobody has taken it.
    spare: Mutex<Option<Arc<Body>>>,
}

impl TaskContext {
    pub(super) fn new(shared: Arc<Shared>, record: Arc<Record>) -> Self {
        let core = Core {
            shared,
            record,
            cancelled: Promise::new(),
            begun: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            spare: Mutex::new(None),
        };
        Self { core: Arc::new(core) }
    }

    /// The task's id.
    pub fn id(&self) -> &TaskId {
        &self.core.record.id
    }

    /// What the task was started with.
    pub fn params(&self) -> &Bytes {
        &self.core.record.params
    }

    /// The last checkpoint that was durable when this allocation was given, by whichever allocation.
    pub fn state(&self) -> Option<&Bytes> {
        self.core.record.state.as_ref().map(|state| &state.value)
    }

    /// This run's fencing token: hand it to whatever the task writes to, to tell a late write of an
    /// earlier run.
    pub fn allocation(&self) -> AllocationId {
        self.core.record.allocation
    }

    /// The record as of the assignment.
    pub fn record(&self) -> &Arc<Record> {
        &self.core.record
    }

    /// Stores `value` as the state that a later run begins from. Of several values that wait for
    /// the same commit only the last is written.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::Fenced`] if the task is no longer this run's: stop.
    pub fn checkpoint(&self, value: impl Into<Bytes>) -> Pending<()> {
        let (id, allocation) = (self.id().clone(), self.allocation());
        let command = Command::UpdateState { id, allocation, value: value.into() };
        self.core.shared.ask(command, |_| ())
    }

    /// Takes over the report of the end: [`Executor::start`] may then return
    /// [`Progress::Deferred`], and the task runs until the completion says so, on whatever thread.
    ///
    /// [`Executor::start`]: super::Executor::start
    /// [`Progress::Deferred`]: super::Progress::Deferred
    ///
    /// # Panics
    /// If it was called before on this run, or after `start` returned: there is one completion.
    pub fn defer(&self) -> Completion {
        let body = self.core.spare.lock().take();
        let body = body.expect("one completion for each run, taken while `start` runs");
        Completion { context: self.clone(), body }
    }

    /// Whether the body should stop: the task was cancelled or removed, or the service ends.
    pub fn is_cancelled(&self) -> bool {
        self.core.cancelled.is_done()
    }

    /// Why the body should stop; `None` while it should not.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.core.cancelled.get().copied()
    }

    /// Gives the task back from wherever the body is: it waits for a node again, no failure is counted,
    /// and this body is told to stop ([`StopReason::Aborted`]). What it reports later is refused.
    ///
    /// # Errors
    /// As [`Completion::hand_back`].
    pub fn abort_locally(&self) -> Pending<()> {
        let pending = self.report(Stop::HandBack);
        self.cancel(StopReason::Aborted);
        pending
    }

    /// Calls `call` when the body should stop, on a worker of the pool; at once if it should
    /// already.
    pub fn on_cancel(&self, call: impl FnOnce() + Send + 'static) {
        let pool = self.core.shared.pool.clone();
        self.core.cancelled.on_done(move || pool.spawn(call));
    }
}

impl TaskContext {
    /// Says that the body should stop.
    pub(super) fn cancel(&self, reason: StopReason) {
        // The first reason stands.
        let _ = self.core.cancelled.fulfil(reason);
    }

    /// Sends how this run stopped; refused if it was reported before.
    fn report(&self, stop: Stop) -> Pending<()> {
        let core = &self.core;
        // Relaxed: only decides who is first; the mailbox orders what is sent.
        if core.reported.swap(true, Ordering::Relaxed) {
            let rejection = Rejection::Fenced { id: self.id().clone(), current: self.allocation() };
            return Pending::failed(&core.shared.pool, TaskError::Rejected(rejection));
        }
        let (id, allocation) = (self.id().clone(), self.allocation());
        let command = match stop {
            Stop::Complete(result) if result.len() > VALUE_MAX => {
                // The rules would refuse it, and nobody could report another end.
                let failure =
                    Failure::run(format!("a result of {} bytes is too long", result.len()));
                drop(self.send_report(Command::Fail { id, allocation, failure }));
                let rejection = Rejection::BadLength { field: "result", max: VALUE_MAX };
                return Pending::failed(&core.shared.pool, TaskError::Rejected(rejection));
            }
            Stop::Complete(result) => Command::Complete { id, allocation, result },
            Stop::Fail(failure) => Command::Fail { id, allocation, failure },
            Stop::HandBack => Command::Unassign { id, allocation },
        };
        self.send_report(command)
    }

    /// Sends the end of this run; the committer sends it again until it is answered.
    fn send_report(&self, command: Command) -> Pending<()> {
        let core = &self.core;
        let (reply, pending) = request(&core.shared.pool, |_| ());
        let (id, allocation) = (self.id().clone(), self.allocation());
        core.shared.mailbox.send(Request::Report { id, allocation, command, reply });
        pending
    }
}

/// How a run stops.
enum Stop {
    Complete(Bytes),
    Fail(Failure),
    HandBack,
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("id", self.id())
            .field("allocation", &self.allocation())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// The right and the duty to report the end of one run, from any thread.
///
/// Reads as its [`TaskContext`]. Dropped without a report, the run has failed. Its lane goes on
/// once the end is reported and committed, and this is gone.
#[must_use = "dropping the completion fails the task"]
pub struct Completion {
    context: TaskContext,
    body: Arc<Body>,
}

impl Completion {
    /// The task is complete, with `result`. The answer comes when that is durable: until then a
    /// crash runs the task again. The next task of the lane begins after the commit too, and may
    /// begin before the answer has reached whoever waits for it.
    ///
    /// # Errors
    /// Through the [`Pending`]: [`Rejection::Fenced`] if the task was no longer this run's,
    /// [`Rejection::BadLength`] if `result` is longer than 1 MiB: then the run has failed instead;
    /// [`TaskError::Store`], [`TaskError::Closed`].
    pub fn complete(self, result: impl Into<Bytes>) -> Pending<()> {
        self.stop(Stop::Complete(result.into()))
    }

    /// The run has failed; the task's policy decides what follows.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn fail(self, failure: Failure) -> Pending<()> {
        self.stop(Stop::Fail(failure))
    }

    /// The run stops without an end: the task waits to be assigned again, and no failure is counted.
    /// If it was asked to cancel, it has ended as cancelled.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn hand_back(self) -> Pending<()> {
        self.stop(Stop::HandBack)
    }

    fn stop(self, stop: Stop) -> Pending<()> {
        let Self { context, body } = self;
        let pending = context.report(stop);
        drop(body); // The report is on its way: the lane may go on.
        pending
    }
}

impl Deref for Completion {
    type Target = TaskContext;

    fn deref(&self) -> &TaskContext {
        &self.context
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Completion").field(&self.context).finish()
    }
}

/// What both holders of a run share; dropped when the run is over.
pub(super) struct Body {
    context: TaskContext,
    /// Keeps the lane on the coordinator; `None` until it is this body's turn.
    turn: Option<Token>,
}

impl Body {
    pub(super) fn new(context: TaskContext) -> Self {
        Self { context, turn: None }
    }

    /// Reports that it cannot be run here, before it was begun.
    pub(super) fn refuse(self, why: &'static str) {
        let core = &self.context.core;
        // Relaxed: read in the drop of the last hold, which is this one.
        core.begun.store(true, Ordering::Relaxed);
        drop(self.context.report(Stop::Fail(Failure::start(why))));
    }

    /// Runs the executor and reports what it answers. The lane goes on when `turn` is finished,
    /// which the drop of the body does.
    pub(super) fn run(mut self, executor: Arc<dyn Executor>, turn: Token) {
        self.turn = Some(turn);
        let core = self.context.core.clone();
        // Relaxed: read in the drop of the last hold, which the `Arc` orders after this.
        core.begun.store(true, Ordering::Relaxed);
        let body = Arc::new(self);
        if core.cancelled.is_done() {
            // Told to stop before it began.
            drop(executor);
            return drop(body.context.report(Stop::HandBack));
        }
        *core.spare.lock() = Some(body.clone());
        let progress = unwind::halt(|| executor.start(&body.context));
        // Before the body: once no body is left, none holds the executor.
        drop(executor);
        let untaken = core.spare.lock().take().is_some();
        let stop = match progress {
            Ok(Ok(Progress::Done(result))) => Stop::Complete(result),
            Ok(Ok(Progress::HandedBack)) => Stop::HandBack,
            Ok(Ok(Progress::Deferred)) if untaken => {
                Stop::Fail(Failure::run("deferred, but took no completion"))
            }
            Ok(Ok(Progress::Deferred)) => return,
            Ok(Err(failure)) => Stop::Fail(failure),
            Err(payload) => Stop::Fail(Failure::run(panic_text(&payload))),
        };
        drop(body.context.report(stop));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let core = &self.context.core;
        // Relaxed: both were written before the holder that wrote them let go.
        let begun = core.begun.load(Ordering::Relaxed);
        // Relaxed: as above.
        if begun && !core.reported.load(Ordering::Relaxed) {
            drop(self.context.report(Stop::Fail(Failure::run("ended without a report"))));
        }
        let (id, allocation) = (self.context.id().clone(), self.context.allocation());
        core.shared.mailbox.send(Request::Left { id, allocation, begun });
        if let Some(turn) = self.turn.take() {
            turn.succeed();
        }
    }
}

fn panic_text(payload: &unwind::Payload) -> String {
    let text = match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().copied().unwrap_or("with a value that is no text"),
    };
    format!("panicked: {text}")
}

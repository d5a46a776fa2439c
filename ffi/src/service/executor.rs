//! Executors: the functions that run the tasks of one name, and what they see.
//!
//! A context is borrowed: valid during the call, on its thread. What the function returns decides:
//! done, deferred to a completion, or failed.

use std::ffi::c_void;
use std::sync::Arc;

use laneway::service::{Executor, Progress, TaskContext};
use laneway::task::{Bytes, Failure as Fault, FailureKind};

use super::answer::{hand_out, laneway_pending};
use super::completion::laneway_completion;
use super::record::{laneway_task_view, view_of_record};
use crate::boundary::{boundary, boundary_or};
use crate::callback::UserData;
use crate::convert::{Out, bytes, required, text};
use crate::error::{Failure, Report};
use crate::handle::{Handle, Opaque, Unique, borrow, borrow_mut, give};
use crate::options::{self, Versioned};
use crate::status::laneway_code::*;
use crate::status::{laneway_status, name_of};

/// A task as its executor sees it. Borrowed: valid until the function returns, on its thread.
pub struct laneway_task_context {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_task_context {
    type Inner = Run<'static>;
}

impl Unique for laneway_task_context {}

/// One call of an executor.
pub(crate) struct Run<'a> {
    task: &'a TaskContext,
    result: Option<Bytes>,
    failed: Option<Fault>,
    deferred: bool,
    handed_back: bool,
}

impl<'a> Run<'a> {
    fn new(task: &'a TaskContext) -> Self {
        Self { task, result: None, failed: None, deferred: false, handed_back: false }
    }

    /// What the call is answered with, once it has returned `said`.
    fn end(self, said: laneway_status) -> Result<Progress, Fault> {
        if said < LANEWAY_OK.status() {
            let name = || Fault::run(name_of(said).to_string_lossy());
            return Err(self.failed.unwrap_or_else(name));
        }
        if said == LANEWAY_PENDING.status() || self.deferred {
            return Ok(Progress::Deferred);
        }
        if self.handed_back {
            return Ok(Progress::HandedBack);
        }
        Ok(Progress::Done(self.result.unwrap_or_default()))
    }
}

/// Begins a task, on a worker: returns what `laneway_task_context_done`,
/// `laneway_task_context_fail` or `laneway_task_context_hand_back` gave, 0 for an empty result,
/// below 0 for a failure, or `LANEWAY_PENDING` after `laneway_task_context_defer`. Called once for
/// each allocation, for several tasks at a time.
///
/// No exception, `longjmp` or `pthread_exit` may leave it.
pub type laneway_executor_start_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        task: *mut laneway_task_context,
    ) -> laneway_status,
>;

/// Looks at the params of a new task, on the thread that starts it: a failure refuses it.
pub type laneway_executor_validate_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        params: *const c_void,
        params_len: usize,
    ) -> laneway_status,
>;

/// Whether an attempt failed before or after it had started.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_failure_kind {
    /// It started and failed later.
    LANEWAY_FAILURE_RUN = 0,
    /// It could not start.
    LANEWAY_FAILURE_START = 1,
}

/// What runs the tasks of one name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_executor_vtable {
    /// Set by `laneway_executor_vtable_init`.
    pub struct_size: usize,
    /// None are defined: 0.
    pub flags: u64,
    /// How many of its tasks may run at once on this node. Default: without limit.
    pub room: usize,
    /// Begins a task; required.
    pub start: laneway_executor_start_fn,
    /// Looks at the params of a new task. Default: all are accepted.
    pub validate: laneway_executor_validate_fn,
}

// SAFETY: words without padding; integers and nullable functions accept any bytes that C may put
// there.
unsafe impl Versioned for laneway_executor_vtable {
    const SIZE_FIRST: usize = size_of::<Self>();
}

type StartFn =
    unsafe extern "C-unwind" fn(*mut c_void, *mut laneway_task_context) -> laneway_status;
type ValidateFn = unsafe extern "C-unwind" fn(*mut c_void, *const c_void, usize) -> laneway_status;

/// The functions of a vtable as an executor.
struct Functions {
    start: StartFn,
    validate: Option<ValidateFn>,
    room: usize,
    user_data: UserData,
}

impl Executor for Functions {
    fn start(&self, task: &TaskContext) -> Result<Progress, Fault> {
        let mut run = Run::new(task);
        // SAFETY: the contract of `laneway_task_service_register`; the context is valid during the
        // call.
        let said = unsafe { (self.start)(self.user_data.pointer(), (&raw mut run).cast()) };
        run.end(said)
    }

    fn validate(&self, params: &[u8]) -> Result<(), Arc<str>> {
        let Some(validate) = self.validate else { return Ok(()) };
        let (ptr, len) = (params.as_ptr().cast(), params.len());
        // SAFETY: the contract of `laneway_task_service_register`.
        let said = unsafe { validate(self.user_data.pointer(), ptr, len) };
        if said < LANEWAY_OK.status() {
            Err(name_of(said).to_string_lossy().into())
        } else {
            Ok(())
        }
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// The executor that C describes.
pub(super) fn executor(
    vtable: &laneway_executor_vtable,
    user_data: UserData,
) -> Result<impl Executor, Failure> {
    if vtable.flags != 0 {
        return Err(Failure::invalid("executor: unknown flags"));
    }
    let room = if vtable.room == 0 { usize::MAX } else { vtable.room };
    Ok(Functions { start: required(vtable.start)?, validate: vtable.validate, room, user_data })
}

/// The failure of an attempt that C describes.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn fault(
    kind: u32,
    message: *const c_void,
    len: usize,
) -> Result<Fault, Failure> {
    let kind = match kind {
        k if k == laneway_failure_kind::LANEWAY_FAILURE_RUN as u32 => FailureKind::Run,
        k if k == laneway_failure_kind::LANEWAY_FAILURE_START as u32 => FailureKind::Start,
        _ => return Err(Failure::invalid("no such kind of failure")),
    };
    // SAFETY: the caller's contract.
    Ok(Fault { kind, message: unsafe { text(message, len) }?.into() })
}

/// Clears `vtable` and sets its size.
///
/// @param struct_size  `sizeof *vtable`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `vtable`.
///
/// # Safety
///
/// `vtable` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_executor_vtable_init(
    vtable: *mut laneway_executor_vtable,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(vtable, struct_size) });
}

/// Reads the record of the task as of its assignment.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: borrows both; the views in `*view` live as long as the call.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned; `view` was filled
/// by `laneway_task_view_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_read(
    task: *const laneway_task_context,
    view: *mut laneway_task_view,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let run = unsafe { borrow(task) }?;
        // SAFETY: the caller's contract.
        unsafe { options::write(view, &view_of_record(run.task.record())) }?;
        Ok(LANEWAY_OK.status())
    })
}

/// Whether the body should stop: the task was cancelled or removed, or the service ends.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: borrows `task`.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_is_cancelled(
    task: *const laneway_task_context,
) -> bool {
    // SAFETY: the caller's contract.
    boundary_or(false, || unsafe { borrow(task) }.is_ok_and(|run| run.task.is_cancelled()))
}

/// Stores a state that a later run begins from. Of several that wait for the same commit only the
/// last is written.
///
/// @param[out] out  answers `LANEWAY_EFENCED` if the task is no longer this run's: stop; may be
///                  NULL.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: copies `state`; the caller owns `*out`.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned; `state` is readable
/// for `len` bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_checkpoint(
    task: *const laneway_task_context,
    state: *const c_void,
    len: usize,
    out: *mut *mut laneway_pending,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(out, std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        let (run, state) = unsafe { (borrow(task)?, bytes(state, len)?) };
        Ok(hand_out(out, run.task.checkpoint(state)))
    })
}

/// Keeps the result of the task, and returns `LANEWAY_OK`:
/// `return laneway_task_context_done(task, result, len);`
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: copies `result`.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned; `result` is
/// readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_done(
    task: *mut laneway_task_context,
    result: *const c_void,
    len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (run, result) = unsafe { (borrow_mut(task)?, bytes(result, len)?) };
        run.result = Some(result.into());
        Ok(LANEWAY_OK.status())
    })
}

/// Keeps the kind and the text of a failure, and returns `LANEWAY_EUSER`:
/// `return laneway_task_context_fail(task, LANEWAY_FAILURE_RUN, text, len);`
///
/// @param kind  one of `enum laneway_failure_kind`.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: copies `message`.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned; `message` is UTF-8
/// of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_fail(
    task: *mut laneway_task_context,
    kind: u32,
    message: *const c_void,
    len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (run, fault) = unsafe { (borrow_mut(task)?, fault(kind, message, len)?) };
        run.failed = Some(fault);
        Ok(LANEWAY_EUSER.status())
    })
}

/// Says that the run stops without an end, perhaps because it was told to, and returns
/// `LANEWAY_OK`: the task waits to be assigned again, and no failure is counted. If it was asked to
/// cancel, it has ended as cancelled.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: borrows `task`.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_hand_back(
    task: *mut laneway_task_context,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        unsafe { borrow_mut(task) }?.handed_back = true;
        Ok(LANEWAY_OK.status())
    })
}

/// Takes over the report of the end: return `LANEWAY_PENDING`, and the task runs until the
/// completion says so.
///
/// @return the completion; NULL if it was taken before: there is one.
///
/// Threads: that of the call.
/// Blocks: no.
/// In callbacks: in the executor's start.
/// Ownership: the caller owns the completion and must end it.
///
/// # Safety
///
/// `task` is the one that the executor was called with, and it has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_context_defer(
    task: *mut laneway_task_context,
) -> *mut laneway_completion {
    boundary_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        match unsafe { borrow_mut(task) } {
            Ok(run) if !run.deferred => {
                run.deferred = true;
                give(run.task.defer())
            }
            _ => std::ptr::null_mut(),
        }
    })
}

//! Persistent tasks: the service, its executors and what is asked of it.
//!
//! `new_task.rs` has a task on its way in, `request.rs` what can be asked, `answer.rs` when it is
//! answered, `record.rs` what is then known; `snapshot.rs` looks without asking; `executor.rs` has
//! the functions that run tasks and what they see, `completion.rs` an end that comes later.
//!
//! Requests never block: each gives a pending answer, which says when the change is durable.
//! Requests that are under way together share one write to the disk.

mod answer;
mod completion;
mod executor;
mod new_task;
mod record;
mod request;
mod snapshot;

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use laneway::pool::Pool;
use laneway::service::{Assignment, TaskConfig, TaskError, TaskService};
use laneway::store::{FileStore, MemoryStore, StoreError};
use laneway::task::{NodeId, Rejection};

use crate::boundary::{boundary, boundary_or};
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::{Out, limit_or_ages, text};
use crate::error::{Failure, Report, laneway_error};
use crate::handle::{Counted, Handle, Opaque, borrow, release, retain, share};
use crate::options::{self, Versioned};
use crate::pool::laneway_pool;
use crate::status::laneway_code::*;
use crate::status::laneway_status;

pub use answer::*;
pub use completion::*;
pub use executor::*;
pub use new_task::*;
pub use record::*;
pub use request::*;
pub use snapshot::*;

/// Persistent tasks on one node. Counted: `laneway_task_service_retain`,
/// `laneway_task_service_release`.
pub struct laneway_task_service {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_task_service {
    type Inner = Opened;
}

impl Counted for laneway_task_service {}

/// A service, and the pool whose workers must not wait for its end.
pub(crate) struct Opened {
    tasks: TaskService,
    pool: Pool,
}

/// Where tasks are kept.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_store_backend {
    /// In a directory, durable.
    LANEWAY_STORE_FILE = 0,
    /// In memory: for tests, and for state that need not survive.
    LANEWAY_STORE_MEMORY = 1,
}

use laneway_store_backend::*;

/// Which tasks may be assigned.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_assignment {
    /// All whose turn it is.
    LANEWAY_ASSIGNMENT_ALL = 0,
    /// None: what runs goes on, and nothing new begins.
    LANEWAY_ASSIGNMENT_NONE = 1,
}

/// How a service is opened. Zero and NULL mean the default in every field but `path`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_task_service_options {
    /// Set by `laneway_task_service_options_init`.
    pub struct_size: usize,
    /// None are defined: 0.
    pub flags: u64,
    /// One of `enum laneway_store_backend`.
    pub backend: u32,
    /// One of `enum laneway_assignment`.
    pub assignment: u32,
    /// The state directory, ended by NUL; made if it is not there. Required for
    /// `LANEWAY_STORE_FILE`.
    pub path: *const c_char,
    /// The name of this node, UTF-8. Default: `local`.
    pub node: *const c_void,
    /// Bytes of `node`.
    pub node_len: usize,
    /// The most commands in one commit. Default: 4096.
    pub batch_max: usize,
    /// The most bytes in one commit. Default: 4 MiB.
    pub batch_bytes_max: usize,
    /// The most starts that may wait for their commit. Default: 1 Mi.
    pub starts_waiting_max: usize,
}

// SAFETY: words and a pair of half words, without padding; integers and pointers accept any bytes.
unsafe impl Versioned for laneway_task_service_options {
    const SIZE_FIRST: usize = size_of::<Self>();
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from_error(store_code(&error), &error)
    }
}

fn store_code(error: &StoreError) -> crate::status::laneway_code {
    match error {
        StoreError::Conflict { .. } => LANEWAY_ECONFLICT,
        StoreError::Locked { .. } => LANEWAY_EBUSY,
        StoreError::Damaged { .. } => LANEWAY_ECORRUPT,
        StoreError::TooNew { .. } => LANEWAY_EUNSUPPORTED,
        StoreError::Io { .. } | StoreError::Engine { .. } | StoreError::Poisoned => LANEWAY_EIO,
        _ => LANEWAY_EIO,
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        let code = match &error {
            TaskError::Rejected(rejection) => rejection_code(rejection),
            TaskError::UnknownExecutor { .. } => LANEWAY_ENOTFOUND,
            TaskError::Refused { .. } | TaskError::NotYours => LANEWAY_EINVAL,
            TaskError::AlreadyRegistered { .. } => LANEWAY_EEXISTS,
            TaskError::Full => LANEWAY_EFULL,
            TaskError::Store(error) => store_code(error),
            TaskError::Closed => LANEWAY_ESHUTDOWN,
            TaskError::WouldDeadlock => LANEWAY_EDEADLK,
            TaskError::Thread(_) => LANEWAY_ENOMEM,
            _ => LANEWAY_EUNSUPPORTED,
        };
        Self::from_error(code, &error)
    }
}

fn rejection_code(rejection: &Rejection) -> crate::status::laneway_code {
    match rejection {
        Rejection::AlreadyExists { .. } => LANEWAY_EEXISTS,
        Rejection::NotFound { .. } => LANEWAY_ENOTFOUND,
        Rejection::Fenced { .. } => LANEWAY_EFENCED,
        Rejection::WrongPhase { .. } => LANEWAY_EBUSY,
        Rejection::BadLength { .. } => LANEWAY_EINVAL,
        Rejection::Opaque { .. } => LANEWAY_EUNSUPPORTED,
        _ => LANEWAY_EUNSUPPORTED,
    }
}

fn assignment(number: u32) -> Result<Assignment, Failure> {
    match number {
        n if n == laneway_assignment::LANEWAY_ASSIGNMENT_ALL as u32 => Ok(Assignment::All),
        n if n == laneway_assignment::LANEWAY_ASSIGNMENT_NONE as u32 => Ok(Assignment::None),
        _ => Err(Failure::invalid("no such assignment")),
    }
}

/// The configuration that `options` ask for.
fn config(options: &laneway_task_service_options) -> Result<TaskConfig, Failure> {
    if options.flags != 0 {
        return Err(Failure::invalid("task service options: unknown flags"));
    }
    let mut config =
        TaskConfig { assignment: assignment(options.assignment)?, ..TaskConfig::default() };
    // SAFETY: readable by the contract of `laneway_task_service_open`.
    let node = unsafe { text(options.node, options.node_len) }?;
    if !node.is_empty() {
        config.node = NodeId::from(node);
    }
    if options.batch_max != 0 {
        config.batch_max = options.batch_max;
    }
    if options.batch_bytes_max != 0 {
        config.batch_bytes_max = options.batch_bytes_max;
    }
    if options.starts_waiting_max != 0 {
        config.starts_waiting_max = options.starts_waiting_max;
    }
    Ok(config)
}

/// The state directory that `options` name.
fn path(options: &laneway_task_service_options) -> Result<&Path, Failure> {
    if options.path.is_null() {
        return Err(Failure::invalid("a file store needs a path"));
    }
    // SAFETY: ended by NUL, by the contract of `laneway_task_service_open`.
    let path = unsafe { CStr::from_ptr(options.path) };
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// Fills `options` with the defaults.
///
/// @param struct_size  `sizeof *options`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `options`.
///
/// # Safety
///
/// `options` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_options_init(
    options: *mut laneway_task_service_options,
    struct_size: usize,
) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(options, struct_size) });
}

/// Loads what the store holds and starts the service. Allocations that an earlier process held
/// become void; their tasks run again once their executor is registered.
///
/// @param options   where the tasks are kept.
/// @param[out] out  the service, with one reference for the caller.
/// @param[out] err  why it failed; may be NULL.
/// @return `LANEWAY_EBUSY` if somebody else has the directory open; `LANEWAY_ECORRUPT`,
///         `LANEWAY_EUNSUPPORTED` (written by a newer version), `LANEWAY_EIO`.
///
/// Threads: any.
/// Blocks: for the load and one commit.
/// In callbacks: allowed.
/// Ownership: the caller owns `*out` and `*err`; the service keeps `pool` alive.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `options` was filled by
/// `laneway_task_service_options_init`; `out` and `err` are writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_open(
    pool: *mut laneway_pool,
    options: *const laneway_task_service_options,
    out: *mut *mut laneway_task_service,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let report = unsafe { Report::to(err) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::required(out, std::ptr::null_mut()) }?;
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        // SAFETY: the caller's contract.
        let options = unsafe { options::read(options) }?;
        let config = config(&options)?;
        let tasks = match options.backend {
            b if b == LANEWAY_STORE_FILE as u32 => {
                TaskService::open(pool, FileStore::open(path(&options)?)?, config)?
            }
            b if b == LANEWAY_STORE_MEMORY as u32 => {
                TaskService::open(pool, MemoryStore::new(), config)?
            }
            _ => return Err(Failure::new(LANEWAY_EUNSUPPORTED, "no such store backend")),
        };
        out.set(share(Opened { tasks, pool: pool.clone() }));
        Ok(LANEWAY_OK.status())
    })
}

/// Adds a reference and returns `service`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: the caller owns one reference more.
///
/// # Safety
///
/// `service` is NULL or a service that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_retain(
    service: *mut laneway_task_service,
) -> *mut laneway_task_service {
    // SAFETY: the caller's contract.
    boundary_or(service, || unsafe { retain(service) })
}

/// Gives a reference back. With the last one, what was accepted is still committed, then the store
/// is closed; ends that are reported after that are lost, and their tasks run again. See
/// `laneway_task_service_shutdown`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: consumes one reference.
///
/// # Safety
///
/// `service` is NULL or a reference that the caller owns and does not use again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_release(service: *mut laneway_task_service) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { release(service) });
}

/// Offers functions that run the tasks of one name; those that wait for it are assigned.
///
/// @param vtable    copied.
/// @param[out] err  why it failed; may be NULL.
/// @return `LANEWAY_EEXISTS` if the name is registered already.
///
/// Threads: any.
/// Blocks: until the service knows it.
/// In callbacks: allowed.
/// Ownership: consumes `user_data` on every path: `drop` runs once, when no function of the vtable
/// will be called any more: before a shutdown returns that left no task running. The caller owns
/// `*err`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `name` is UTF-8 of `name_len` bytes;
/// the functions may be called with `user_data`, at the same time, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_register(
    service: *mut laneway_task_service,
    name: *const c_void,
    name_len: usize,
    vtable: *const laneway_executor_vtable,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
    err: *mut *mut laneway_error,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let (user_data, report) = unsafe { (UserData::owned(user_data, drop), Report::to(err)) };
    boundary(report, || {
        // SAFETY: the caller's contract.
        let service = unsafe { borrow(service) }?;
        // SAFETY: the caller's contract.
        let (name, vtable) = unsafe { (text(name, name_len)?, options::read(vtable)?) };
        service.tasks.register(name, executor::executor(&vtable, user_data)?)?;
        Ok(LANEWAY_OK.status())
    })
}

/// Switches assignment. Not durable.
///
/// @param assignment  one of `enum laneway_assignment`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `service`.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_set_assignment(
    service: *mut laneway_task_service,
    assignment: u32,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let service = unsafe { borrow(service) }?;
        service.tasks.set_assignment(self::assignment(assignment)?);
        Ok(LANEWAY_OK.status())
    })
}

/// Ends the service in order: nothing new is assigned, what runs is told to stop, ends that are
/// reported in time are committed, then the store is closed and can be opened again.
///
/// @param[out] left  how many tasks still ran; they run again when the store is next opened; may be
///                   NULL.
/// @return `LANEWAY_ETIMEDOUT` if some did; `LANEWAY_EDEADLK` on a worker of the pool, where nothing
///         is done.
///
/// Threads: any.
/// Blocks: up to `timeout_ns`, and for the last commit.
/// In callbacks: answers `LANEWAY_EDEADLK`.
/// Ownership: borrows `service`; the reference still has to be released.
///
/// # Safety
///
/// `service` is a service that the caller has a reference to; `left` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_task_service_shutdown(
    service: *mut laneway_task_service,
    timeout_ns: u64,
    left: *mut usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let out = unsafe { Out::optional(left, 0) };
        // SAFETY: the caller's contract.
        let service = unsafe { borrow(service) }?;
        if service.pool.current_worker().is_some() {
            return Err(Failure::new(LANEWAY_EDEADLK, "a worker cannot wait for its own tasks"));
        }
        let left = service.tasks.shutdown(limit_or_ages(timeout_ns));
        out.set(left);
        Ok(if left == 0 { LANEWAY_OK } else { LANEWAY_ETIMEDOUT }.status())
    })
}

#[cfg(test)]
mod tests;

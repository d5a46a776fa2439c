//! A task on its way in: what to run, with what, and what happens at its end.

use std::ffi::c_void;

use laneway::task::{Backoff, NewTask, OnFailure, Policies};

use crate::boundary::boundary_or;
use crate::convert::{bytes, given, text};
use crate::error::Failure;
use crate::options::{self, Versioned};

/// Flags of a new task.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_new_task_flags {
    /// A record that has ended stays, with its result, until it is removed or its time is over.
    LANEWAY_NEW_TASK_KEEP = 1,
}

/// What a failed attempt of a task leads to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_task_on_failure {
    /// Assigned again after a pause; parked once the attempts are spent.
    LANEWAY_TASK_ON_FAILURE_REASSIGN = 0,
    /// The record stays, unassigned, until it is resumed or removed.
    LANEWAY_TASK_ON_FAILURE_PARK = 1,
    /// The record goes, as after a success.
    LANEWAY_TASK_ON_FAILURE_REMOVE = 2,
}

use laneway_new_task_flags::LANEWAY_NEW_TASK_KEEP;
use laneway_task_on_failure::*;

/// A task to be started. `id` and `name` are required; elsewhere zero and NULL mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_new_task {
    /// Set by `laneway_new_task_init`.
    pub struct_size: usize,
    /// Of `enum laneway_new_task_flags`.
    pub flags: u64,
    /// Unique among the tasks that live; UTF-8, up to 512 bytes.
    pub id: *const c_void,
    /// Bytes of `id`.
    pub id_len: usize,
    /// The executor; UTF-8, up to 256 bytes.
    pub name: *const c_void,
    /// Bytes of `name`.
    pub name_len: usize,
    /// Handed to the executor as they are; up to 1 MiB.
    pub params: *const c_void,
    /// Bytes of `params`.
    pub params_len: usize,
    /// Tasks of one lane run one at a time, in the order of their starts. NULL: in no lane.
    pub lane: *const c_void,
    /// Bytes of `lane`.
    pub lane_len: usize,
    /// One of `enum laneway_task_on_failure`.
    pub on_failure: u32,
    /// How many failures are answered with another assignment. Default: 4.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each. Default: 100 ms.
    pub backoff_base_ns: u64,
    /// No pause is longer. Default: 30 s.
    pub backoff_max_ns: u64,
    /// How long a kept record stays. Default: until somebody removes it.
    pub ended_ttl_ns: u64,
}

// SAFETY: words and a pair of half words, without padding; integers and pointers accept any bytes.
unsafe impl Versioned for laneway_new_task {
    const SIZE_FIRST: usize = size_of::<Self>();
}

/// The task that C describes, copied.
///
/// # Safety
/// Every pointer is readable for the length that goes with it.
pub(super) unsafe fn new_task(given: &laneway_new_task) -> Result<NewTask, Failure> {
    // SAFETY: the caller's contract.
    let (id, name) = unsafe { (text(given.id, given.id_len)?, text(given.name, given.name_len)?) };
    // SAFETY: the caller's contract.
    let params = unsafe { bytes(given.params, given.params_len) }?;
    let mut task = NewTask::new(id, name).params(params).policies(policies(given)?);
    if !given.lane.is_null() || given.lane_len != 0 {
        // SAFETY: the caller's contract.
        task = task.lane(unsafe { bytes(given.lane, given.lane_len) }?);
    }
    Ok(task)
}

fn policies(asked: &laneway_new_task) -> Result<Policies, Failure> {
    let kept = match asked.flags {
        0 => false,
        flags if flags == LANEWAY_NEW_TASK_KEEP as u64 => true,
        _ => return Err(Failure::invalid("new task: unknown flags")),
    };
    Ok(Policies {
        on_failure: on_failure(asked)?,
        remove_on_completion: !kept,
        ended_ttl: given(asked.ended_ttl_ns),
        ..Policies::default()
    })
}

fn on_failure(asked: &laneway_new_task) -> Result<OnFailure, Failure> {
    const ATTEMPTS: u32 = 4;
    match asked.on_failure {
        n if n == LANEWAY_TASK_ON_FAILURE_REASSIGN as u32 => {
            let default = Backoff::default();
            let attempts = if asked.attempts == 0 { ATTEMPTS } else { asked.attempts };
            let base = given(asked.backoff_base_ns).unwrap_or(default.base);
            let max = given(asked.backoff_max_ns).unwrap_or(default.max);
            Ok(OnFailure::Reassign { attempts, backoff: Backoff { base, max } })
        }
        n if n == LANEWAY_TASK_ON_FAILURE_PARK as u32 => Ok(OnFailure::Park),
        n if n == LANEWAY_TASK_ON_FAILURE_REMOVE as u32 => Ok(OnFailure::Remove),
        _ => Err(Failure::invalid("new task: no such on_failure")),
    }
}

/// Fills `task` with the defaults.
///
/// @param struct_size  `sizeof *task`, as the caller's header has it.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: borrows `task`.
///
/// # Safety
///
/// `task` is NULL or writable for `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_new_task_init(task: *mut laneway_new_task, struct_size: usize) {
    // SAFETY: the caller's contract.
    boundary_or((), || unsafe { options::init(task, struct_size) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zero() -> laneway_new_task {
        // SAFETY: null means all defaults.
        unsafe { options::read(std::ptr::null::<laneway_new_task>()) }.expect("null is allowed")
    }

    #[test]
    fn zero_fields_are_the_default_policies() {
        assert_eq!(policies(&zero()).expect("zero is valid"), Policies::default());
    }

    #[test]
    fn each_field_is_copied() {
        let given = laneway_new_task {
            flags: LANEWAY_NEW_TASK_KEEP as u64,
            id: c"7".as_ptr().cast(),
            id_len: 1,
            name: c"mail".as_ptr().cast(),
            name_len: 4,
            params: c"hello".as_ptr().cast(),
            params_len: 5,
            lane: c"anna".as_ptr().cast(),
            lane_len: 4,
            on_failure: LANEWAY_TASK_ON_FAILURE_PARK as u32,
            ended_ttl_ns: 1_000_000,
            ..zero()
        };
        // SAFETY: literals of the lengths given.
        let task = unsafe { new_task(&given) }.expect("in range");
        assert_eq!((task.id.as_str(), &*task.name), ("7", "mail"));
        assert_eq!((&*task.params, task.lane.as_deref()), (&b"hello"[..], Some(&b"anna"[..])));
        assert_eq!(task.policies.on_failure, OnFailure::Park);
        assert!(!task.policies.remove_on_completion);
        assert_eq!(task.policies.ended_ttl, given_time());
    }

    fn given_time() -> Option<std::time::Duration> {
        Some(std::time::Duration::from_millis(1))
    }

    #[test]
    fn a_lane_without_its_bytes_is_refused() {
        let given = laneway_new_task { lane_len: 4, ..zero() };
        // SAFETY: NULL is allowed.
        assert!(unsafe { new_task(&given) }.is_err());
    }

    #[test]
    fn what_this_library_does_not_know_is_refused() {
        assert!(policies(&laneway_new_task { flags: 2, ..zero() }).is_err());
        assert!(policies(&laneway_new_task { on_failure: 3, ..zero() }).is_err());
    }
}

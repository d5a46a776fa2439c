//! Control of keys: pause, resume, step, cancel, and why a key does not go on.

use std::ffi::c_void;
use std::time::Instant;

use laneway::coordinator::{Explanation, Key, Keys};

use super::{key_at, laneway_coordinator};
use crate::boundary::boundary;
use crate::convert::{laneway_bytes, required};
use crate::error::{Failure, Report};
use crate::handle::borrow;
use crate::status::laneway_code::*;
use crate::status::laneway_status;

/// Which keys a call concerns.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_keys {
    /// The key that is given.
    LANEWAY_KEYS_ONE = 0,
    /// Every key that begins with the bytes that are given.
    LANEWAY_KEYS_PREFIX = 1,
    /// Every key; none is given.
    LANEWAY_KEYS_ALL = 2,
}

/// Why the jobs of a key are where they are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum laneway_reason_kind {
    /// A body or an undo is on a worker: `attempt`, and `time_ns` since it began. For a job without
    /// options and handle: since it was first seen.
    LANEWAY_REASON_RUNNING = 1,
    /// The undo is at work, in the way that another reason tells.
    LANEWAY_REASON_ROLLING_BACK = 2,
    /// The body has returned, and `count` tokens of `attempt` are open.
    LANEWAY_REASON_WAITING_FOR_TOKENS = 3,
    /// An async body is not ready.
    LANEWAY_REASON_AWAITING = 4,
    /// The next attempt is due in `time_ns`.
    LANEWAY_REASON_BACKING_OFF = 5,
    /// Paused with `keys` and `key`.
    LANEWAY_REASON_PAUSED = 6,
    /// A failed job has stopped the lane.
    LANEWAY_REASON_HELD = 7,
    /// A double fault has stopped the lane.
    LANEWAY_REASON_QUARANTINED = 8,
    /// A job over several keys is at the head, and waits for `key`.
    LANEWAY_REASON_WAITING_FOR_KEY = 9,
    /// A job over several keys holds this key; more is told of `key`.
    LANEWAY_REASON_RUNS_UNDER = 10,
    /// A job can run and waits for a worker.
    LANEWAY_REASON_READY = 11,
    /// A job submitted now would wait for `count` jobs.
    LANEWAY_REASON_BEHIND = 12,
    /// Every worker is inside user code, and nobody could look at the lane.
    LANEWAY_REASON_UNSEEN = 13,
    /// The job has yet to learn which node owns its entity, which is `key`.
    LANEWAY_REASON_WAITING_FOR_OWNER = 14,
}

use laneway_reason_kind::*;

/// One reason. Later versions may have more fields at the end, and more kinds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct laneway_reason {
    /// The size of the struct, set by the library.
    pub struct_size: usize,
    /// One of `enum laneway_reason_kind`, or of a later version.
    pub kind: u32,
    /// The number of the attempt, from 1; 0 where there is none.
    pub attempt: u32,
    /// A number of tokens or jobs.
    pub count: u64,
    /// A time; see the kind.
    pub time_ns: u64,
    /// One of `enum laneway_keys`.
    pub keys: u32,
    /// 0.
    pub reserved: u32,
    /// A key or a prefix; valid during the call.
    pub key: laneway_bytes,
}

/// Is shown one reason after another; both pointers are valid during the call.
pub type laneway_reason_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, reason: *const laneway_reason)>;

fn reason(why: &Explanation, now: Instant) -> laneway_reason {
    let mut reason = laneway_reason {
        struct_size: size_of::<laneway_reason>(),
        kind: 0,
        attempt: 0,
        count: 0,
        time_ns: 0,
        keys: 0,
        reserved: 0,
        key: laneway_bytes::NONE,
    };
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let kind = match why {
        Explanation::Running { attempt, since } => {
            reason.attempt = *attempt;
            reason.time_ns = nanos(now.saturating_duration_since(*since));
            LANEWAY_REASON_RUNNING
        }
        Explanation::RollingBack => LANEWAY_REASON_ROLLING_BACK,
        Explanation::WaitingForTokens { attempt, tokens } => {
            reason.attempt = *attempt;
            reason.count = *tokens as u64;
            LANEWAY_REASON_WAITING_FOR_TOKENS
        }
        Explanation::Awaiting { attempt } => {
            reason.attempt = *attempt;
            LANEWAY_REASON_AWAITING
        }
        Explanation::BackingOff { attempt, until } => {
            reason.attempt = *attempt;
            reason.time_ns = nanos(until.saturating_duration_since(now));
            LANEWAY_REASON_BACKING_OFF
        }
        Explanation::Paused { by } => {
            let (keys, key) = match by {
                Keys::One(key) => (laneway_keys::LANEWAY_KEYS_ONE, Some(key)),
                Keys::Prefix(prefix) => (laneway_keys::LANEWAY_KEYS_PREFIX, Some(prefix)),
                _ => (laneway_keys::LANEWAY_KEYS_ALL, None),
            };
            reason.keys = keys as u32;
            reason.key = key.map_or(laneway_bytes::NONE, bytes_of);
            LANEWAY_REASON_PAUSED
        }
        Explanation::Held => LANEWAY_REASON_HELD,
        Explanation::Quarantined => LANEWAY_REASON_QUARANTINED,
        Explanation::WaitingForKey { key } => {
            reason.key = bytes_of(key);
            LANEWAY_REASON_WAITING_FOR_KEY
        }
        Explanation::RunsUnder { key } => {
            reason.key = bytes_of(key);
            LANEWAY_REASON_RUNS_UNDER
        }
        Explanation::Ready => LANEWAY_REASON_READY,
        Explanation::Behind { jobs } => {
            reason.count = *jobs;
            LANEWAY_REASON_BEHIND
        }
        Explanation::WaitingForOwner { entity } => {
            reason.key = bytes_of(entity);
            LANEWAY_REASON_WAITING_FOR_OWNER
        }
        _ => LANEWAY_REASON_UNSEEN,
    };
    laneway_reason { kind: kind as u32, ..reason }
}

fn bytes_of(key: &Key) -> laneway_bytes {
    laneway_bytes::of(key.as_bytes())
}

/// The keys that a call names.
///
/// # Safety
/// As for [`key_at`].
unsafe fn keys_at(keys: u32, key: *const c_void, key_len: usize) -> Result<Keys, Failure> {
    // SAFETY: the caller's contract.
    let key = unsafe { key_at(key, key_len) }?;
    match keys {
        0 => Ok(Keys::One(key)),
        1 => Ok(Keys::Prefix(key)),
        2 if key.is_empty() => Ok(Keys::All),
        2 => Err(Failure::invalid("LANEWAY_KEYS_ALL takes no key")),
        _ => Err(Failure::invalid("no such keys")),
    }
}

fn changed(yes: bool) -> laneway_status {
    if yes { LANEWAY_OK } else { LANEWAY_EALREADY }.status()
}

/// Lets no further job of these keys start; the order is kept. A job that has started goes on. Pauses
/// of one key, of a prefix and of everything add up.
///
/// @param keys  one of `enum laneway_keys`.
/// @return `LANEWAY_EALREADY` if exactly this pause was set, or the coordinator is shut down.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`.
///
/// # Safety
///
/// `coordinator` is a coordinator that the caller has a reference to; `key` is readable for
/// `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_pause(
    coordinator: *const laneway_coordinator,
    keys: u32,
    key: *const c_void,
    key_len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (coordinator, keys) = unsafe { (borrow(coordinator)?, keys_at(keys, key, key_len)?) };
        Ok(changed(coordinator.pause(keys)))
    })
}

/// Ends the pause that was set with the same keys, and no other.
///
/// @param keys  one of `enum laneway_keys`.
/// @return `LANEWAY_EALREADY` if it was not set.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`.
///
/// # Safety
///
/// As for `laneway_coordinator_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_resume(
    coordinator: *const laneway_coordinator,
    keys: u32,
    key: *const c_void,
    key_len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (coordinator, keys) = unsafe { (borrow(coordinator)?, keys_at(keys, key, key_len)?) };
        Ok(changed(coordinator.resume(keys)))
    })
}

/// Lets one more job of a paused key start, the next one. Steps add up, and end with the pause.
///
/// @return `LANEWAY_EALREADY`, without effect, if the key is not paused.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`.
///
/// # Safety
///
/// As for `laneway_coordinator_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_step(
    coordinator: *const laneway_coordinator,
    key: *const c_void,
    key_len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (coordinator, key) = unsafe { (borrow(coordinator)?, key_at(key, key_len)?) };
        Ok(changed(coordinator.step(key)))
    })
}

/// Asks every job of these keys to stop that was submitted before the call. Jobs that have not
/// started end as cancelled, also behind a pause or a hold, as soon as the one that has started
/// makes way.
///
/// @param keys  one of `enum laneway_keys`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed.
/// Ownership: copies `key`.
///
/// # Safety
///
/// As for `laneway_coordinator_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_cancel(
    coordinator: *const laneway_coordinator,
    keys: u32,
    key: *const c_void,
    key_len: usize,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (coordinator, keys) = unsafe { (borrow(coordinator)?, keys_at(keys, key, key_len)?) };
        coordinator.cancel(keys);
        Ok(LANEWAY_OK.status())
    })
}

/// Shows `each` why the jobs of a key are where they are, one reason after another; none if the key
/// has no jobs and no mark. A glance: the threads, the marks and the lane are asked one after
/// another.
///
/// @param each  called on this thread before the function returns.
///
/// Threads: any.
/// Blocks: for a moment, where the answer has to come from a worker; never on a worker.
/// In callbacks: allowed.
/// Ownership: copies `key`; borrows `user_data`.
///
/// # Safety
///
/// As for `laneway_coordinator_pause`; `each` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_coordinator_explain(
    coordinator: *const laneway_coordinator,
    key: *const c_void,
    key_len: usize,
    each: laneway_reason_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let (coordinator, key) = unsafe { (borrow(coordinator)?, key_at(key, key_len)?) };
        let each = required(each)?;
        let reasons = coordinator.explain(key);
        let now = coordinator.now();
        for why in &reasons {
            let shown = reason(why, now);
            // SAFETY: the caller's contract; the reason and its key live during the call.
            unsafe { each(user_data, &raw const shown) };
        }
        Ok(LANEWAY_OK.status())
    })
}

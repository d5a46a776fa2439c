//! Pinning: which processor a worker runs on (P6).
//!
//! How many processors a pool uses by default is not decided here: the standard library counts those
//! of the CPU affinity, and no more than the cgroup quota (v1 and v2) grants.

/// Pins the calling thread to one of the processors that it may run on, the `turn`-th, counted in a
/// circle. If the system refuses, the thread stays where it is.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) fn pin(turn: usize) {
    use std::mem::{size_of_val, zeroed};

    // SAFETY: a set of bits; all zero is the empty set.
    let mut allowed: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: writes a set of that size; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &raw mut allowed) } != 0 {
        return;
    }
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: in the range of the set.
    let cpus: Vec<usize> = all.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &allowed) }).collect();
    if cpus.is_empty() {
        return;
    }
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: in the range of the set.
    unsafe { libc::CPU_SET(cpus[turn % cpus.len()], &mut one) };
    // SAFETY: reads a set of that size; 0 is the calling thread.
    let _refused_is_no_harm =
        unsafe { libc::sched_setaffinity(0, size_of_val(&one), &raw const one) };
}

/// There is no such call.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) fn pin(_turn: usize) {}

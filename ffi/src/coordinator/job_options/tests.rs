//! Conversions of a job's options and of what its callbacks return.

use std::time::Duration;

use super::*;
use crate::status::laneway_code::{LANEWAY_EINVAL, LANEWAY_PENDING};

fn zero() -> laneway_job_options {
    // SAFETY: null means all defaults.
    unsafe { options::read(std::ptr::null::<laneway_job_options>()) }.expect("null is allowed")
}

fn policy(options: &laneway_job_options) -> Result<RetryPolicy, Failure> {
    retry(options, &Arc::new(UserData::borrowed(std::ptr::null_mut())))
}

unsafe extern "C-unwind" fn body(_: *mut c_void, _: *mut laneway_job_context) -> laneway_status {
    0
}

unsafe extern "C-unwind" fn give_up(_: *mut c_void, cause: laneway_status) -> u32 {
    if cause == -1001 { LANEWAY_VERDICT_GIVE_UP as u32 } else { LANEWAY_VERDICT_CONFLICT as u32 }
}

#[test]
fn zero_options_are_the_default_policy() {
    let (seen, default) = (policy(&zero()).expect("zero is valid"), RetryPolicy::default());
    assert_eq!((seen.retries, seen.factor, seen.conflicts), (0, default.factor, default.conflicts));
    assert_eq!((seen.delay_base, seen.delay_max), (default.delay_base, default.delay_max));
    assert_eq!(seen.jitter, default.jitter);
}

#[test]
fn each_option_reaches_its_field() {
    let options = laneway_job_options {
        retries: 4,
        factor: 3,
        delay_base_ns: 1_000,
        delay_max_ns: 9_000,
        jitter: laneway_jitter::LANEWAY_JITTER_NONE as u32,
        conflicts: 7,
        ..zero()
    };
    let seen = policy(&options).expect("in range");
    assert_eq!((seen.retries, seen.factor, seen.conflicts), (4, 3, 7));
    assert_eq!(seen.delay_base, Duration::from_micros(1));
    assert_eq!(seen.delay_max, Duration::from_micros(9));
    assert_eq!(seen.jitter, Jitter::None);
}

#[test]
fn once_is_never_again() {
    let options = laneway_job_options { flags: LANEWAY_JOB_ONCE as u64, retries: 9, ..zero() };
    let seen = policy(&options).expect("a known flag");
    assert_eq!((seen.retries, seen.conflicts), (0, 0));
}

#[test]
fn a_classifier_of_the_caller_judges_by_status() {
    let options = laneway_job_options { classify: Some(give_up), ..zero() };
    let seen = policy(&options).expect("a classifier");
    let cause = |status| super::super::outcome::cause_of(Failure::with_status(status, "said"));
    assert_eq!(seen.verdict(&cause(-1001)), Verdict::GiveUp);
    assert_eq!(seen.verdict(&cause(-1002)), Verdict::Conflict);
}

#[test]
fn what_this_library_does_not_know_is_refused() {
    let wrong = [
        laneway_job_options { flags: 2, ..zero() },
        laneway_job_options { jitter: 2, ..zero() },
        laneway_job_options { on_failure: 3, ..zero() },
        laneway_job_options { on_double_fault: 2, ..zero() },
        laneway_job_options { open_tokens: 2, ..zero() },
    ];
    for options in wrong {
        let user_data = UserData::borrowed(std::ptr::null_mut());
        let refused = job(Some(body), user_data, &options).expect_err("one field is out of range");
        assert_eq!(refused.status(), LANEWAY_EINVAL.status());
    }
}

#[test]
fn a_body_is_required_and_user_data_is_dropped_without_it() {
    unsafe extern "C-unwind" fn count(user_data: *mut c_void) {
        // SAFETY: a live counter.
        unsafe { *user_data.cast::<u32>() += 1 };
    }
    let mut dropped = 0_u32;
    // SAFETY: the counter outlives its owner.
    let user_data = unsafe { UserData::owned((&raw mut dropped).cast(), Some(count)) };
    assert!(job(None, user_data, &zero()).is_err());
    assert_eq!(dropped, 1);
}

#[test]
fn what_a_callback_returns_decides() {
    let end = |said| Attempt::new(&mut ()).end(said);
    assert!(end(0).is_ok());
    assert!(end(5).is_ok());
    let pending = end(LANEWAY_PENDING.status()).expect_err("no token was taken");
    assert_eq!(status_of(&pending), LANEWAY_EINVAL.status());
    assert_eq!(status_of(&end(-1234).expect_err("below zero")), -1234);
}

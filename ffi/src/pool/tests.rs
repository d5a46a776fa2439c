//! Conversions of the pool's options and statuses.

use super::*;

fn zero() -> laneway_pool_options {
    // SAFETY: null means all defaults.
    unsafe { options::read(std::ptr::null::<laneway_pool_options>()) }.expect("null is allowed")
}

#[test]
fn zero_options_are_the_default_configuration() {
    let config = config(&zero()).expect("zero is valid");
    let default = PoolConfig::default();
    assert_eq!(config.workers, default.workers);
    assert_eq!(config.name, default.name);
    assert_eq!(config.stack_size, default.stack_size);
    assert_eq!(config.keep_alive, default.keep_alive);
}

#[test]
fn each_option_reaches_its_field() {
    let options = laneway_pool_options {
        max_blocking: 9,
        trace_events: 77,
        workers: 3,
        stack_size: 1 << 20,
        keep_alive_ns: 5_000_000,
        name: c"bees".as_ptr().cast(),
        name_len: 4,
        ..zero()
    };
    let config = config(&options).expect("in range");
    assert_eq!((config.workers, config.name.as_str()), (3, "bees"));
    assert_eq!(config.stack_size, Some(1 << 20));
    assert_eq!((config.max_blocking, config.trace_events), (9, 77));
    assert!(config.thread_start.is_none() && config.thread_exit.is_none());
    assert_eq!(config.keep_alive.as_millis(), 5);
}

#[test]
fn what_this_library_does_not_know_is_refused() {
    assert!(config(&laneway_pool_options { flags: 1, ..zero() }).is_err());
    assert!(shutdown(2).is_err());
}

#[test]
fn each_pool_error_has_its_own_status() {
    let status = |error: PoolError| Failure::from(error).status();
    let spawn = PoolError::Spawn { worker: 0, source: std::io::Error::other("none left") };
    assert_eq!(status(PoolError::Config { field: "workers" }), LANEWAY_EINVAL.status());
    assert_eq!(status(spawn), LANEWAY_ENOMEM.status());
    assert_eq!(status(PoolError::Cancelled), LANEWAY_ECANCELED.status());
    assert_eq!(status(PoolError::WouldDeadlock), LANEWAY_EDEADLK.status());
}

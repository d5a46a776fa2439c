//! Conversions of the service's options and statuses.

use laneway::task::TaskId;

use super::*;

fn zero() -> laneway_task_service_options {
    // SAFETY: null means all defaults.
    unsafe { options::read(std::ptr::null::<laneway_task_service_options>()) }
        .expect("null is allowed")
}

fn status(error: TaskError) -> laneway_status {
    Failure::from(error).status()
}

#[test]
fn zero_options_are_the_default_configuration() {
    let (config, default) = (config(&zero()).expect("zero is valid"), TaskConfig::default());
    assert_eq!(config.node, default.node);
    assert_eq!(config.batch_max, default.batch_max);
    assert_eq!(config.starts_waiting_max, default.starts_waiting_max);
    assert_eq!(config.assignment, Assignment::All);
}

#[test]
fn a_file_store_needs_a_path() {
    assert!(path(&zero()).is_err());
    let options = laneway_task_service_options { path: c"/var/lib/tasks".as_ptr(), ..zero() };
    assert_eq!(path(&options).expect("a path"), Path::new("/var/lib/tasks"));
}

#[test]
fn what_this_library_does_not_know_is_refused() {
    assert!(config(&laneway_task_service_options { flags: 1, ..zero() }).is_err());
    assert!(config(&laneway_task_service_options { assignment: 2, ..zero() }).is_err());
}

#[test]
fn each_rejection_has_its_own_status() {
    let id = TaskId::from("a");
    let rejections = [
        (Rejection::AlreadyExists { id: id.clone() }, LANEWAY_EEXISTS),
        (Rejection::NotFound { id: id.clone() }, LANEWAY_ENOTFOUND),
        (
            Rejection::Fenced { id: id.clone(), current: laneway::task::AllocationId::NONE },
            LANEWAY_EFENCED,
        ),
        (Rejection::WrongPhase { id }, LANEWAY_EBUSY),
    ];
    for (rejection, code) in rejections {
        assert_eq!(status(TaskError::Rejected(rejection)), code.status());
    }
}

#[test]
fn a_store_says_what_to_do_about_it() {
    let locked = StoreError::Locked { path: "lock".into() };
    assert_eq!(Failure::from(locked).status(), LANEWAY_EBUSY.status());
    assert_eq!(status(StoreError::Poisoned.into()), LANEWAY_EIO.status());
    assert_eq!(status(TaskError::Closed), LANEWAY_ESHUTDOWN.status());
}

//! A process that was forked from one with a pool: its calls fail, nothing hangs (P13).

#![cfg(all(target_os = "linux", not(miri)))]

use std::sync::mpsc;
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, PoolError, Shutdown};

const LONG: Duration = Duration::from_secs(60);

/// Ends the child if it hangs.
const CHILD_SECONDS: u32 = 60;

fn pool(workers: usize) -> Pool {
    Pool::with_config(PoolConfig { workers, ..PoolConfig::default() }).expect("a pool")
}

/// Runs `child` in a forked process; its answer, if the process ended by itself.
fn in_child(child: impl FnOnce() -> bool) -> Option<bool> {
    // SAFETY: the child calls what is documented to work there, and leaves without unwinding or
    // running the parent's exit handlers.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "a process");
    if pid == 0 {
        // SAFETY: kills this process if it hangs.
        unsafe { libc::alarm(CHILD_SECONDS) };
        let well = child();
        // SAFETY: ends the process here.
        unsafe { libc::_exit(if well { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: our own child; writes the status.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status) == 0)
}

#[test]
fn in_the_child_every_call_fails_fast_and_the_parent_goes_on() {
    let pool = pool(2);
    // At the fork a worker is busy and a timer is armed.
    let (open, gate) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    let busy = pool.submit(move || {
        began.send(()).expect("the test waits");
        gate.recv().is_ok()
    });
    begins.recv().expect("it runs");
    let queued = pool.schedule_after(LONG, || ());
    let in_the_child = in_child(|| {
        let forked = |result: Result<(), PoolError>| matches!(result, Err(PoolError::Forked));
        let mut ran = false;
        let checks = [
            pool.is_forked(),
            forked(pool.submit(|| ()).wait().map(drop)),
            forked(busy.wait_timeout(LONG).map(drop)),
            forked(pool.wait_quiescent(LONG).map(drop)),
            forked(pool.set_parallelism(3).map(drop)),
            forked(pool.broadcast(|_| ()).map(drop)),
            forked(pool.shutdown(Shutdown::Drain, LONG).map(drop)),
            forked(pool.shutdown(Shutdown::Cancel, LONG).map(drop)),
            pool.join(|| 1, || 2) == (1, 2),
            pool.schedule_after(Duration::ZERO, || ()).is_over(),
            queued.cancel(),
            {
                pool.spawn(|| ());
                pool.spawn_broadcast(|_| ());
                pool.scope(|scope| scope.spawn(|| ran = true));
                ran
            },
        ];
        drop(pool.clone());
        checks.iter().all(|passed| *passed)
    });
    assert_eq!(in_the_child, Some(true), "the child hung or a call did not fail");
    open.send(()).expect("the worker waits");
    assert!(busy.wait().expect("it ran"));
    assert!(queued.cancel());
    assert!(!pool.is_forked());
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!((report.joined, report.running.len()), (2, 0));
}

#[test]
fn a_child_may_have_a_pool_of_its_own() {
    let parents = pool(1);
    let in_the_child = in_child(|| {
        let own = pool(2);
        let sum = own.submit(|| 40).wait().expect("it ran") + own.join(|| 1, || 1).0 + 1;
        let report = own.shutdown(Shutdown::Drain, LONG).expect("not forked since");
        sum == 42 && report.running.is_empty() && parents.is_forked() && !own.is_forked()
    });
    assert_eq!(in_the_child, Some(true));
    assert_eq!(parents.submit(|| 1).wait().expect("it ran"), 1);
}

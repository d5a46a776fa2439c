//! A thread of a pool: started with a name and a stack, joined with a bound.
//!
//! The standard library joins without a bound. A thread that has told everybody that it is done may
//! still run user code: destructors of thread-locals. So a thread is waited for by the system's own
//! join with a deadline where there is one (Linux), and without elsewhere.

use std::io;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use super::config::PoolConfig;
use crate::base::clock::Clock;

/// See the page. Dropping it detaches the thread.
pub(super) struct Thread {
    id: ThreadId,
    /// Taken when the thread is joined.
    handle: Option<system::Handle>,
}

/// How long to wait for a thread.
#[derive(Clone, Copy)]
pub(super) enum Patience<'c> {
    /// Until it has ended.
    Unbounded,
    /// At most so long by that clock.
    AtMost(Duration, &'c Clock),
}

impl Thread {
    /// Starts a thread that runs `body`, which does not panic.
    pub(super) fn start(
        config: &PoolConfig,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let mut thread = thread::Builder::new().name(name);
        if let Some(bytes) = config.stack_size {
            thread = thread.stack_size(bytes);
        }
        let handle = thread.spawn(body)?;
        Ok(Self { id: handle.thread().id(), handle: Some(system::Handle::new(handle)) })
    }

    /// Waits until the thread is gone; gives it back if it is not by then. The calling thread itself
    /// counts as gone: user code that runs while a thread ends (a destructor) may end the pool.
    pub(super) fn join(mut self, patience: Patience<'_>) -> Result<(), Self> {
        if self.id == thread::current().id() {
            return Ok(());
        }
        let handle = self.handle.take().expect("a thread is joined once");
        handle.join(patience).map_err(|handle| Self { id: self.id, handle: Some(handle) })
    }
}

/// Threads by the system's own interface.
#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::os::unix::thread::JoinHandleExt;
    use std::ptr;

    use super::{Duration, JoinHandle, Patience};

    pub(super) struct Handle(Option<JoinHandle<()>>);

    impl Handle {
        pub(super) fn new(handle: JoinHandle<()>) -> Self {
            Self(Some(handle))
        }

        pub(super) fn join(mut self, patience: Patience<'_>) -> Result<(), Self> {
            let handle = self.0.take().expect("taken by this call only");
            let Patience::AtMost(bound, clock) = patience else {
                handle.join().expect("threads of a pool catch the panics of user code");
                return Ok(());
            };
            let native = handle.as_pthread_t();
            let until = Duration::from_millis(clock.unix_ms()).saturating_add(bound);
            let until = libc::timespec {
                tv_sec: until.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: until.subsec_nanos().into(),
            };
            // SAFETY: the thread was not joined: `handle` is there and owns it. No result is wanted.
            let said =
                unsafe { libc::pthread_timedjoin_np(native, ptr::null_mut(), &raw const until) };
            if said == 0 {
                let _joined = handle.into_pthread_t(); // or its drop would detach it
                return Ok(());
            }
            Err(Self(Some(handle)))
        }
    }
}

/// Threads as the standard library has them.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    use super::{JoinHandle, Patience};

    pub(super) struct Handle(JoinHandle<()>);

    impl Handle {
        pub(super) fn new(handle: JoinHandle<()>) -> Self {
            Self(handle)
        }

        pub(super) fn join(self, _: Patience<'_>) -> Result<(), Self> {
            self.0.join().expect("threads of a pool catch the panics of user code");
            Ok(())
        }
    }
}

//! Waiting for descriptors until a deadline.

use std::io;
use std::time::Instant;

use rustix::event::{PollFd, Timespec, poll};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// At least one descriptor is ready; its `revents` say so.
    Ready,
    /// The deadline has passed.
    Due,
}

/// Blocks until one of `fds` is ready or `deadline` has passed; without one, as long as it takes.
pub(super) fn poll_until(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<Outcome> {
    loop {
        let left = deadline.map(|due| due.saturating_duration_since(Instant::now()));
        // What does not fit is longer than any uptime.
        let forever = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };
        let timeout = left.map(|left| Timespec::try_from(left).unwrap_or(forever));
        match poll(fds, timeout.as_ref()) {
            Ok(0) => return Ok(Outcome::Due),
            Ok(_) => return Ok(Outcome::Ready),
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

//! SIGINT and SIGTERM: the first drains the run, the second stops it.
//!
//! Commands are in process groups of their own, so a Ctrl-C at the terminal reaches only us.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{Builder, JoinHandle};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

/// A thread that calls back at each signal, until it is dropped.
pub(crate) struct Interrupts {
    signals: Vec<SigId>,
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Interrupts {
    /// Calls `interrupted` once for each signal from now on, on a thread of its own.
    pub(crate) fn listen(mut interrupted: impl FnMut() + Send + 'static) -> io::Result<Interrupts> {
        let (stream, handler) = UnixStream::pair()?;
        let mut interrupts = Interrupts { signals: Vec::new(), stream, thread: None };
        for signal in [SIGINT, SIGTERM] {
            interrupts.signals.push(pipe::register(signal, handler.try_clone()?)?);
        }
        let mut listener = interrupts.stream.try_clone()?;
        let thread = Builder::new().name("laneway-signals".to_owned()).spawn(move || {
            let mut byte = [0];
            while matches!(listener.read(&mut byte), Ok(1)) {
                interrupted();
            }
        })?;
        interrupts.thread = Some(thread);
        Ok(interrupts)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        for signal in self.signals.drain(..) {
            unregister(signal);
        }
        // The listener then reads the end of the stream; an error means that it has already.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself.
            let _ = thread.join();
        }
    }
}

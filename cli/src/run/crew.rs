//! The crew: as many threads as commands may run at once, each with one command at a time.
//!
//! A job's body hands its command over and returns, so that no worker of the pool is held while a
//! child process runs. Errands are taken in the order in which they came. The crew starts to work
//! when [`Crew::open`] is called.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::command::Stop;

type Errand = Box<dyn FnOnce(&Stop) + Send>;

/// The threads and what waits for them.
pub(crate) struct Crew {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

/// The side of the crew that errands are handed to.
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    stop: Stop,
}

#[derive(Default)]
struct State {
    errands: VecDeque<Errand>,
    open: bool,
    closed: bool,
}

impl Crew {
    /// A crew of `size` threads that do nothing yet.
    pub(crate) fn new(size: usize) -> io::Result<Crew> {
        let desk =
            Arc::new(Desk { state: Mutex::default(), changed: Condvar::new(), stop: Stop::new()? });
        let mut crew = Crew { desk, threads: Vec::with_capacity(size) };
        for number in 0..size {
            let desk = Arc::clone(&crew.desk);
            let thread = Builder::new().name(format!("laneway-cmd-{number}"));
            crew.threads.push(thread.spawn(move || desk.work())?);
        }
        Ok(crew)
    }

    /// Where errands are handed in.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Lets the threads begin.
    pub(crate) fn open(&self) {
        self.desk.change(|state| state.open = true);
    }
}

/// Waits for the commands that run; errands that nobody took are dropped.
impl Drop for Crew {
    fn drop(&mut self) {
        self.desk.change(|state| state.closed = true);
        for thread in self.threads.drain(..) {
            thread.join().expect("errands do not unwind out of the loop");
        }
    }
}

impl Desk {
    /// Hands an errand to the first thread that is free.
    pub(crate) fn hand_in(&self, errand: impl FnOnce(&Stop) + Send + 'static) {
        self.state().errands.push_back(Box::new(errand));
        self.changed.notify_one();
    }

    /// Kills the commands that run, and every one that an errand starts from now on.
    pub(crate) fn stop(&self) {
        self.stop.raise();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(errand) = self.next() {
            // A panic has been reported by then, and the errand's token, dropped, fails its job.
            let _ = catch_unwind(AssertUnwindSafe(|| errand(&self.stop)));
        }
    }

    fn next(&self) -> Option<Errand> {
        let mut state = self.state();
        loop {
            if state.closed {
                let dropped = std::mem::take(&mut state.errands);
                drop(state);
                drop(dropped);
                return None;
            }
            if state.open
                && let Some(errand) = state.errands.pop_front()
            {
                return Some(errand);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_crew_of_one_does_its_errands_in_order_and_not_before_it_opens() {
        let crew = Crew::new(1).expect("a thread");
        let (tell, told) = mpsc::channel();
        for number in 0..3 {
            let tell = tell.clone();
            crew.desk().hand_in(move |_| tell.send(number).expect("a listener"));
        }
        assert!(told.try_recv().is_err());
        crew.open();
        assert_eq!(told.iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_crew_that_is_dropped_drops_the_errands_that_nobody_took() {
        let crew = Crew::new(2).expect("threads");
        let (tell, told) = mpsc::channel::<()>();
        crew.desk().hand_in(move |_| drop(tell));
        drop(crew);
        assert_eq!(told.recv(), Err(mpsc::RecvError));
    }
}

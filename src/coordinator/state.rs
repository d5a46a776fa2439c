//! The life of a job as a pure machine: states x events -> action.
//!
//! ```text
//!  Queued ─Turn─► body:Running ─Pending─► body:Waiting ─Succeeded─► Ended(Completed)
//!                    ▲   │ Failed{again}   │ FailedOpen ─► body:Failing (other tokens are open)
//!                  Turn  ▼                 ▼                  │ Failed{..}
//!              body:BackingOff ◄───────────┴──────────────────┘
//!                    │ Failed{no more} or Stop, from any body stage but Running
//!                    ▼
//!        with an undo: undo:Running ... the same stages ... Ended(RolledBack | DoubleFault)
//!        without:      Ended(Unsuccessful)
//! ```
//!
//! `Stop` is a cancel or a shutdown: no further attempt, open tokens are ignored. A body that is
//! on a stack is not stopped: what it returns counts, and `run.rs` answers `again: false`. An undo
//! is not stopped either. `Lost` ends everything: no further turn will come.
//!
//! Whether there is another attempt (`again`) is judged outside, by `retry.rs`; the cause is kept
//! outside. No threads, clock or locks here. A pair that cannot happen answers `Ignore`, so that a
//! late or doubled event never changes a job.

/// Which of a job's two programs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Body,
    Undo,
}

/// Where an attempt of a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On a worker's stack.
    Running,
    /// Returned; its tokens or its future are awaited.
    Waiting,
    /// Failed; its other tokens are awaited.
    Failing,
    /// Failed; the next attempt is due later.
    BackingOff,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No attempt has been started.
    Queued,
    /// One has.
    Active(Part, Stage),
    /// The outcome is decided.
    Ended,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The lane gives the job its first turn, or its backoff is over.
    Turn,
    /// The part returned, but not everything it started has ended.
    Pending,
    /// The part and all its tokens have succeeded.
    Succeeded,
    /// The attempt has failed while other tokens of it are open and are to be awaited.
    FailedOpen,
    /// The attempt has failed and nothing of it is awaited.
    Failed {
        /// There will be another attempt.
        again: bool,
    },
    /// Cancelled or shut down: no further attempt.
    Stop,
    /// No further turn will come.
    Lost,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Action {
    /// Start an attempt of this part.
    Run(Part),
    /// Give the worker back and keep the lane until something happens.
    Wait,
    /// As `Wait`, with a timer for the next attempt of this part.
    BackOff(Part),
    /// Store the outcome.
    End(Ending),
    /// Nothing: the event does not concern this state.
    Ignore,
}

/// How it ended; with the cause this makes the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    RolledBack,
    /// Without an undo: the cause decides.
    Unsuccessful,
    DoubleFault,
    /// Stopped before the first attempt.
    NotStarted,
    Lost,
}

impl State {
    /// The transition: the next state, and what to do.
    pub(crate) fn on(self, event: Event, has_undo: bool) -> (Self, Action) {
        match self {
            Self::Queued => Self::on_queued(event),
            Self::Active(part, stage) => Self::on_active(part, stage, event, has_undo),
            Self::Ended => (self, Action::Ignore),
        }
    }

    fn on_queued(event: Event) -> (Self, Action) {
        match event {
            Event::Turn => Self::run(Part::Body),
            Event::Stop => Self::end(Ending::NotStarted),
            Event::Lost => Self::end(Ending::Lost),
            Event::Pending | Event::Succeeded | Event::FailedOpen | Event::Failed { .. } => {
                (Self::Queued, Action::Ignore)
            }
        }
    }

    fn on_active(part: Part, stage: Stage, event: Event, has_undo: bool) -> (Self, Action) {
        use Stage::{BackingOff, Failing, Running, Waiting};
        let ignore = (Self::Active(part, stage), Action::Ignore);
        match (stage, event) {
            (Running, Event::Pending) => (Self::Active(part, Waiting), Action::Wait),
            (Running | Waiting, Event::Succeeded) => Self::succeeded(part),
            (Running | Waiting, Event::FailedOpen) => (Self::Active(part, Failing), Action::Wait),
            (Running | Waiting | Failing, Event::Failed { again: true }) => {
                (Self::Active(part, BackingOff), Action::BackOff(part))
            }
            (Running | Waiting | Failing, Event::Failed { again: false }) => {
                Self::given_up(part, has_undo)
            }
            (BackingOff, Event::Turn) => Self::run(part),
            (Waiting | Failing | BackingOff, Event::Stop) => match part {
                Part::Body => Self::given_up(part, has_undo),
                Part::Undo => ignore,
            },
            (Waiting | Failing | BackingOff, Event::Lost) => Self::end(Ending::Lost),
            (Running, Event::Turn | Event::Stop | Event::Lost)
            | (Waiting, Event::Turn | Event::Pending)
            | (Failing, Event::Turn | Event::Pending | Event::Succeeded | Event::FailedOpen)
            | (
                BackingOff,
                Event::Pending | Event::Succeeded | Event::FailedOpen | Event::Failed { .. },
            ) => ignore,
        }
    }

    fn succeeded(part: Part) -> (Self, Action) {
        match part {
            Part::Body => Self::end(Ending::Completed),
            Part::Undo => Self::end(Ending::RolledBack),
        }
    }

    fn given_up(part: Part, has_undo: bool) -> (Self, Action) {
        match (part, has_undo) {
            (Part::Body, true) => Self::run(Part::Undo),
            (Part::Body, false) => Self::end(Ending::Unsuccessful),
            (Part::Undo, _) => Self::end(Ending::DoubleFault),
        }
    }

    fn run(part: Part) -> (Self, Action) {
        (Self::Active(part, Stage::Running), Action::Run(part))
    }

    fn end(ending: Ending) -> (Self, Action) {
        (Self::Ended, Action::End(ending))
    }
}

#[cfg(test)]
mod tests;

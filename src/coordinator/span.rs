//! The span of a job, for `tracing`.
//!
//! A job's span is a child of the span in which it was submitted. Every step of the job is inside
//! it: the body and its re-tries, the polls of an async body, the undo, the judging of errors; and
//! so is the end of a token, on whatever thread. Without the feature `tracing` all of this is
//! nothing.

pub(crate) use with::{JobSpan, of_token, tell, tell_token};

#[cfg(feature = "tracing")]
mod with {
    use crate::coordinator::error::JobError;
    use crate::coordinator::observe::JobEvent;
    use crate::lane::Key;

    /// See the page.
    #[derive(Clone, Debug)]
    pub(crate) struct JobSpan(tracing::Span);

    impl JobSpan {
        /// True if somebody looks at the spans of jobs.
        pub(crate) fn is_wanted() -> bool {
            tracing::enabled!(target: "laneway", tracing::Level::INFO)
        }

        pub(crate) fn none() -> Self {
            Self(tracing::Span::none())
        }

        /// Of a job that is submitted here and now.
        pub(crate) fn new(key: &Key) -> Self {
            Self(tracing::info_span!(target: "laneway", "job", %key))
        }

        /// The one around the caller.
        pub(crate) fn current() -> Self {
            Self(tracing::Span::current())
        }

        pub(crate) fn within<R>(&self, run: impl FnOnce() -> R) -> R {
            self.0.in_scope(run)
        }
    }

    /// Tells of what happens to a job.
    pub(crate) fn tell(event: &JobEvent<'_>) {
        let (key, ends) = (event.key(), matches!(event, JobEvent::Ended { .. }));
        if ends || matches!(event, JobEvent::Submitted { .. }) {
            tracing::debug!(target: "laneway", %key, "{event}");
        } else {
            tracing::info!(target: "laneway", %key, "{event}");
        }
    }

    /// What is to be told of a token: its failure, if that is how it ended.
    pub(crate) struct TokenEnd(Option<JobError>);

    /// What is to be told of a token that ends so.
    pub(crate) fn of_token(end: &Result<(), JobError>) -> TokenEnd {
        TokenEnd(end.as_ref().err().cloned())
    }

    /// Tells of the end of a token.
    pub(crate) fn tell_token(end: TokenEnd) {
        match end.0 {
            None => tracing::debug!(target: "laneway", "token succeeded"),
            Some(error) => tracing::info!(target: "laneway", "token failed: {error}"),
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod with {
    use crate::coordinator::error::JobError;
    use crate::coordinator::observe::JobEvent;
    use crate::lane::Key;

    /// See the page.
    #[derive(Clone, Debug)]
    pub(crate) struct JobSpan;

    impl JobSpan {
        pub(crate) const fn is_wanted() -> bool {
            false
        }

        pub(crate) const fn none() -> Self {
            Self
        }

        pub(crate) const fn new(_key: &Key) -> Self {
            Self
        }

        pub(crate) const fn current() -> Self {
            Self
        }

        pub(crate) fn within<R>(&self, run: impl FnOnce() -> R) -> R {
            run()
        }
    }

    pub(crate) const fn tell(_event: &JobEvent<'_>) {}

    /// Nothing is to be told.
    pub(crate) struct TokenEnd;

    pub(crate) const fn of_token(_end: &Result<(), JobError>) -> TokenEnd {
        TokenEnd
    }

    pub(crate) const fn tell_token(_end: TokenEnd) {}
}

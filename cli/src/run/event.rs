//! The event stream: one line per event, as JSON or as plain text.
//!
//! A job has any number of `started`, `retry` and `undoing` events and then exactly one that is
//! named after its [`Outcome`]. Within one key they come in order: the end of a job stands before
//! the start of the next. A resumed run begins with one `recorded` event for each job that had
//! ended before; a held job has a `held` event and no end. Times are milliseconds since 1970.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::job_file::JobSpec;
use super::outcome::{Cause, Outcome};

/// One event of one job.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    event: &'static str,
    id: &'a str,
    key: &'a str,
    /// Counted from 1; 0 for a job that was never started.
    attempt: u32,
    at_ms: u64,
    #[serde(flatten)]
    detail: Detail<'a>,
}

/// What only some events say.
#[derive(Debug, Default, Serialize)]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resumed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<&'a Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tail: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn new(event: &'static str, job: &'a JobSpec, attempt: u32) -> Event<'a> {
        let detail = Detail::default();
        Event { event, id: &job.id, key: &job.key, attempt, at_ms: now_ms(), detail }
    }

    /// The job would run (`--dry-run`).
    pub(crate) fn planned(job: &'a JobSpec) -> Event<'a> {
        Event::new("planned", job, 0)
    }

    /// The command of an attempt runs; `resumed`: an earlier run has started it.
    pub(crate) fn started(
        job: &'a JobSpec,
        attempt: u32,
        pid: Option<u32>,
        resumed: bool,
    ) -> Event<'a> {
        let mut event = Event::new("started", job, attempt);
        event.detail = Detail { pid, resumed, ..Detail::default() };
        event
    }

    /// An attempt failed and another follows.
    pub(crate) fn retry(
        job: &'a JobSpec,
        attempt: u32,
        cause: &'a Cause,
        tail: &'a str,
    ) -> Event<'a> {
        let mut event = Event::new("retry", job, attempt);
        event.detail.cause = Some(cause);
        event.detail.output_tail = Some(tail).filter(|tail| !tail.is_empty());
        event
    }

    /// The undo command runs.
    pub(crate) fn undoing(
        job: &'a JobSpec,
        attempt: u32,
        pid: Option<u32>,
        resumed: bool,
    ) -> Event<'a> {
        let mut event = Event::new("undoing", job, attempt);
        event.detail = Detail { pid, resumed, ..Detail::default() };
        event
    }

    /// The job has ended: its one last event. `tail`: the last that its commands printed.
    pub(crate) fn ended(
        job: &'a JobSpec,
        attempt: u32,
        outcome: &'a Outcome,
        took: Duration,
        tail: &'a str,
    ) -> Event<'a> {
        let mut event = Event::new(outcome.name(), job, attempt);
        event.detail = Detail {
            cause: outcome.cause(),
            rollback: outcome.rollback(),
            took_ms: Some(took.as_millis() as u64).filter(|_| attempt > 0),
            output_tail: Some(tail)
                .filter(|tail| !tail.is_empty() && *outcome != Outcome::Completed),
            ..Detail::default()
        };
        event
    }

    /// The job ended in an earlier run.
    pub(crate) fn recorded(job: &'a JobSpec, outcome: &'a Outcome) -> Event<'a> {
        let mut event = Event::new("recorded", job, 0);
        event.detail.outcome = Some(outcome.name());
        event.detail.cause = outcome.cause();
        event.detail.rollback = outcome.rollback();
        event
    }

    /// The job stays behind a failed one whose key is held.
    pub(crate) fn held(job: &'a JobSpec) -> Event<'a> {
        Event::new("held", job, 0)
    }

    /// Whether somebody who only watches a bar wants to read it.
    pub(crate) fn is_bad_news(&self) -> bool {
        !matches!(self.event, "started" | "completed" | "recorded")
    }

    /// The event as one line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers have a JSON form")
    }
}

/// The plain line.
impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {} key={:?}", self.event, self.id, self.key)?;
        if self.attempt > 1 {
            write!(f, " attempt={}", self.attempt)?;
        }
        if let Some(outcome) = self.detail.outcome {
            write!(f, " {outcome}")?;
        }
        if self.detail.resumed {
            write!(f, " (still running from before)")?;
        }
        if let Some(took_ms) = self.detail.took_ms {
            write!(f, " after {took_ms} ms")?;
        }
        if let Some(cause) = self.detail.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(rollback) = self.detail.rollback {
            write!(f, "; undo: {rollback}")?;
        }
        Ok(())
    }
}

/// One event of the run itself: it drains or it is being stopped.
#[derive(Debug, Serialize)]
pub(crate) struct FlowEvent {
    event: &'static str,
    at_ms: u64,
}

impl FlowEvent {
    /// What runs may finish, nothing new begins.
    pub(crate) fn draining() -> FlowEvent {
        FlowEvent { event: "draining", at_ms: now_ms() }
    }

    /// What runs is killed.
    pub(crate) fn stopping() -> FlowEvent {
        FlowEvent { event: "stopping", at_ms: now_ms() }
    }

    /// The event as one line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers have a JSON form")
    }
}

/// The plain line.
impl fmt::Display for FlowEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.event {
            "draining" => "draining: what runs may finish; interrupt again to stop it",
            other => other,
        })
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobSpec {
        let text = r#"{"id":"j","key":"k","run":"x"}"#;
        crate::run::job_file::read("jobs", &mut text.as_bytes()).unwrap().remove(0)
    }

    fn json(mut event: Event<'_>) -> String {
        event.at_ms = 5;
        event.json()
    }

    #[test]
    fn an_event_is_one_object_with_its_name_first() {
        let job = job();
        let head = r#""id":"j","key":"k""#;
        assert_eq!(
            json(Event::started(&job, 1, Some(77), false)),
            format!(r#"{{"event":"started",{head},"attempt":1,"at_ms":5,"pid":77}}"#)
        );
        let cause = Cause::Exit { code: 3 };
        assert_eq!(
            json(Event::retry(&job, 2, &cause, "no\n")),
            format!(
                r#"{{"event":"retry",{head},"attempt":2,"at_ms":5,"cause":{{"kind":"exit","code":3}},"output_tail":"no\n"}}"#
            )
        );
        let end = Outcome::DoubleFault { cause, rollback: Cause::Timeout { timeout_ms: 9 } };
        assert_eq!(
            json(Event::ended(&job, 3, &end, Duration::from_millis(8), "")),
            format!(
                r#"{{"event":"double_fault",{head},"attempt":3,"at_ms":5,"cause":{{"kind":"exit","code":3}},"rollback":{{"kind":"timeout","timeout_ms":9}},"took_ms":8}}"#
            )
        );
        assert_eq!(
            json(Event::recorded(&job, &Outcome::Completed)),
            format!(r#"{{"event":"recorded",{head},"attempt":0,"at_ms":5,"outcome":"completed"}}"#)
        );
    }

    #[test]
    fn a_plain_line_says_who_and_why() {
        let job = job();
        let end = Outcome::Failed { cause: Cause::Signal { signal: 9 } };
        let event = Event::ended(&job, 2, &end, Duration::from_millis(8), "");
        assert_eq!(event.to_string(), "failed       j key=\"k\" attempt=2 after 8 ms: signal 9");
    }
}

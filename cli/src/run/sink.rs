//! Where events and the report are told: JSON lines, plain lines, or a terminal.
//!
//! Every line is written out at once, so that what a reader has seen has happened, also when the
//! runner is killed next. A reader that goes away (`| head`) does not end the run: the rest is told
//! to nobody, and the exit code still speaks.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::event::{Event, FlowEvent};
use super::progress::{Progress, Scene};
use super::report::Report;

/// See the page.
pub(crate) enum Sink {
    /// One JSON object per event and one for the report.
    Json(Box<dyn Write + Send>),
    /// One line per event, then the report.
    Plain(Box<dyn Write + Send>),
    /// A bar, the events that are bad news above it, then the report.
    Terminal(Progress),
}

impl Sink {
    /// What fits the terminal, if there is one.
    pub(crate) fn for_run(json: bool, jobs: usize) -> Sink {
        let on_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        if on_terminal && !json { Sink::Terminal(Progress::new(jobs)) } else { Sink::lines(json) }
    }

    /// Lines on standard output, wherever that goes.
    pub(crate) fn lines(json: bool) -> Sink {
        let stdout = Box::new(io::stdout());
        if json { Sink::Json(stdout) } else { Sink::Plain(stdout) }
    }

    pub(crate) fn event(&mut self, event: &Event<'_>) {
        match self {
            Sink::Json(to) => line(to, &event.json()),
            Sink::Plain(to) => line(to, &event.to_string()),
            Sink::Terminal(progress) if event.is_bad_news() => progress.line(&event.to_string()),
            Sink::Terminal(_) => {}
        }
    }

    pub(crate) fn flow(&mut self, event: &FlowEvent) {
        match self {
            Sink::Json(to) => line(to, &event.json()),
            Sink::Plain(to) => line(to, &event.to_string()),
            Sink::Terminal(progress) => progress.line(&event.to_string()),
        }
    }

    /// Brings a display up to date; answers how soon it wants that again.
    pub(crate) fn refresh(&mut self, scene: &Scene<'_>) -> Option<Duration> {
        match self {
            Sink::Json(_) | Sink::Plain(_) => None,
            Sink::Terminal(progress) => Some(progress.refresh(scene)),
        }
    }

    /// The end of a dry run.
    pub(crate) fn planned(&mut self, jobs: usize, keys: usize) {
        match self {
            Sink::Json(to) => {
                let summary = serde_json::json!({
                    "event": "summary", "dry_run": true, "jobs": jobs, "keys": keys,
                });
                line(to, &summary.to_string());
            }
            Sink::Plain(to) => line(to, &format!("{jobs} jobs over {keys} keys would run")),
            Sink::Terminal(_) => unreachable!("a dry run shows no progress"),
        }
    }

    pub(crate) fn summary(&mut self, report: &Report<'_>) {
        match self {
            Sink::Json(to) => line(to, &report.json()),
            Sink::Plain(to) => line(to, &report.to_string()),
            Sink::Terminal(progress) => {
                progress.clear();
                line(&mut io::stdout(), &report.to_string());
            }
        }
    }
}

/// Writes one line in one piece. A reader that went away is no error; see the page.
fn line(to: &mut impl Write, text: &str) {
    let _ = to.write_all(format!("{text}\n").as_bytes()).and_then(|()| to.flush());
}

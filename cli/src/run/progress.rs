//! Progress on a terminal: a bar, the counts, and the keys that took longest so far.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::Plan;
use super::report::{Slowest, counts};
use super::tally::Tally;

/// How often the display is brought up to date, at most and at least.
const PERIOD: Duration = Duration::from_millis(100);
/// How many slow keys are shown, and how much of their names.
const SLOWEST_SHOWN: usize = 3;
const NAME_SHOWN: usize = 24;

/// What there is to show.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) tally: &'a Tally,
    pub(crate) slowest: &'a Slowest,
    /// Since when each job runs.
    pub(crate) running: &'a HashMap<usize, Instant>,
}

/// Two lines at the bottom of the terminal.
pub(crate) struct Progress {
    lines: MultiProgress,
    bar: ProgressBar,
    slowest: ProgressBar,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(jobs: usize) -> Progress {
        let lines = MultiProgress::new();
        let bar = lines.add(ProgressBar::new(jobs as u64));
        bar.set_style(style("{elapsed_precise} {wide_bar} {pos}/{len}  {msg}"));
        let slowest = lines.add(ProgressBar::new(0));
        slowest.set_style(style("{wide_msg}"));
        Progress { lines, bar, slowest, shown: None }
    }

    /// A line above the bar.
    pub(crate) fn line(&mut self, text: &str) {
        // A terminal that went away is no reason to end the run.
        let _ = self.lines.println(text);
    }

    /// Shows the state of the run, unless it was shown just now. Answers how soon to ask again.
    pub(crate) fn refresh(&mut self, scene: &Scene<'_>) -> Duration {
        if self.shown.is_some_and(|shown| shown.elapsed() < PERIOD) {
            return PERIOD;
        }
        self.shown = Some(Instant::now());
        self.bar.set_message(counts(scene.tally));
        self.bar.set_position(scene.tally.ended());
        let running = scene.running.iter();
        let running = running.map(|(&job, since)| (scene.plan.key_of(job), since.elapsed()));
        let slowest = scene.slowest.top_now(running);
        let named = slowest.iter().take(SLOWEST_SHOWN).map(|(key, busy)| {
            let name: String = scene.plan.keys[*key].name.chars().take(NAME_SHOWN).collect();
            format!("{name:?} {:.1} s", busy.as_secs_f64())
        });
        self.slowest.set_message(format!("slowest: {}", named.collect::<Vec<_>>().join(", ")));
        PERIOD
    }

    /// Takes the lines away.
    pub(crate) fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.slowest.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}

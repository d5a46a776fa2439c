//! A large random job file, and the judge of what its commands wrote.
//!
//! Every command appends lines `ID PHASE ATTEMPT PID WORD TIME` to one journal (`O_APPEND`, one write
//! each, so the order of the lines is the order of the events): `begin`, some `tick`s, `end`. What
//! becomes of a job follows from its number, so the judge knows every outcome beforehand.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

/// A job file of `jobs` jobs over `keys` keys.
pub struct Scenario {
    jobs: usize,
    keys: usize,
}

/// What is planned for a job.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Completes,
    /// After this many failures.
    CompletesAfter(u32),
    Fails,
    /// After this many more attempts.
    FailsAfter(u32),
    IsUndone,
    DoubleFaults,
    Expires,
    ExpiresAndIsUndone,
}

impl Fate {
    fn of(job: usize) -> Fate {
        match random(job, 1) % 20 {
            0 | 1 => Fate::CompletesAfter(1 + random(job, 2) as u32 % 2),
            2 => Fate::Fails,
            3 => Fate::FailsAfter(1),
            4 => Fate::IsUndone,
            5 => Fate::DoubleFaults,
            6 if job.is_multiple_of(3) => Fate::Expires,
            6 => Fate::ExpiresAndIsUndone,
            _ => Fate::Completes,
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Fate::Completes | Fate::CompletesAfter(_) => "completed",
            Fate::Fails | Fate::FailsAfter(_) => "failed",
            Fate::IsUndone | Fate::ExpiresAndIsUndone => "rolled_back",
            Fate::DoubleFaults => "double_fault",
            Fate::Expires => "expired",
        }
    }

    fn attempts(self) -> u32 {
        match self {
            Fate::CompletesAfter(failures) | Fate::FailsAfter(failures) => failures + 1,
            _ => 1,
        }
    }

    fn has_undo(self) -> bool {
        matches!(self, Fate::IsUndone | Fate::DoubleFaults | Fate::ExpiresAndIsUndone)
    }

    fn expires(self) -> bool {
        matches!(self, Fate::Expires | Fate::ExpiresAndIsUndone)
    }
}

/// A number that looks random and depends only on its arguments (SplitMix64's finaliser).
fn random(job: usize, salt: u64) -> u64 {
    let mut word = (job as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xff51);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Writes one line; `read` keeps it inside of the shell.
fn note(phase: &str, word: &str) -> String {
    format!(
        "read t _ < /proc/uptime; echo $LANEWAY_ID {phase} $LANEWAY_ATTEMPT $$ {word} $t >> journal"
    )
}

impl Scenario {
    pub fn new(jobs: usize, keys: usize) -> Scenario {
        Scenario { jobs, keys }
    }

    fn key(&self, job: usize) -> String {
        format!("key-{}", random(job, 3) as usize % self.keys)
    }

    pub fn jobs(&self) -> Vec<Value> {
        (0..self.jobs).map(|job| self.job(job)).collect()
    }

    fn job(&self, number: usize) -> Value {
        let fate = Fate::of(number);
        let (begin, tick, end) = (note("run", "begin"), note("run", "tick"), note("run", "end"));
        let pause = format!("sleep 0.{:03}", random(number, 4) % 20);
        let work = format!("{begin}; {pause}; {tick}; {pause}; {end}");
        let run = match fate {
            Fate::Completes => work,
            Fate::CompletesAfter(failures) => {
                format!("{work}; [ $LANEWAY_ATTEMPT -gt {failures} ]")
            }
            Fate::Fails | Fate::FailsAfter(_) | Fate::IsUndone | Fate::DoubleFaults => {
                format!("{work}; exit 7")
            }
            Fate::Expires | Fate::ExpiresAndIsUndone => {
                format!("{begin}; while :; do {tick}; sleep 0.01; done")
            }
        };
        let mut job = json!({"id": number.to_string(), "key": self.key(number), "run": run,
                             "retries": fate.attempts() - 1, "backoff_ms": random(number, 5) % 5});
        if fate.has_undo() {
            let status = u8::from(fate == Fate::DoubleFaults);
            let undo = format!("{}; {}; exit {status}", note("undo", "begin"), note("undo", "end"));
            job["undo"] = json!(undo);
        }
        if fate.expires() {
            job["timeout_ms"] = json!(150);
        }
        job
    }

    /// How many jobs end in which way.
    pub fn expected(&self) -> BTreeMap<&'static str, u64> {
        let mut expected = BTreeMap::new();
        for job in 0..self.jobs {
            *expected.entry(Fate::of(job).outcome()).or_default() += 1;
        }
        expected
    }
}

/// What one runner told until it ended or was killed, and how long the journal was then.
pub struct Stretch {
    pub events: Vec<Value>,
    pub journal_len: usize,
}

/// Whether a command may have run more than once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reruns {
    /// Only runners were killed, so each command was kept to its end.
    Never,
    /// Keepers were killed too: what they kept runs again, one after the other.
    AfterKills,
}

/// What the judge counted. All but the first three must be zero.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    pub lines: u64,
    pub commands: u64,
    /// Commands that ran again, as they may when their keepers are killed.
    pub reruns: u64,
    pub order_violations: u64,
    pub overlaps_within_a_key: u64,
    pub commands_run_twice: u64,
    pub jobs_run_after_their_end_was_told: u64,
    pub commands_missing: u64,
    pub events_that_disagree: u64,
    /// The first few, in words.
    pub details: Vec<String>,
}

impl Verdict {
    fn note(&mut self, detail: String) {
        if self.details.len() < 20 {
            self.details.push(detail);
        }
    }

    pub fn assert_clean(&self) {
        let Verdict { lines, commands, reruns, .. } = *self;
        assert_eq!(*self, Verdict { lines, commands, reruns, ..Verdict::default() });
    }
}

/// Whether the event tells the end of a job.
fn is_end(event: &Value) -> bool {
    const OTHERS: [&str; 5] = ["started", "retry", "undoing", "held", "planned"];
    event["id"].is_string() && !OTHERS.iter().any(|other| event["event"] == *other)
}

/// One command as the journal names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Command {
    job: usize,
    is_undo: bool,
    attempt: u32,
}

impl Scenario {
    /// Judges the journal and what all runners told, in their order.
    pub fn judge(&self, journal: &str, runs: &[Stretch], reruns: Reruns) -> Verdict {
        let mut verdict = Verdict::default();
        let seen = self.judge_journal(journal, reruns, &mut verdict);
        self.judge_commands(&seen, &mut verdict);
        self.judge_events(runs, &mut verdict);
        self.judge_ends(journal, runs, &mut verdict);
        verdict
    }

    /// Once a runner has told the end of a job, nothing of that job writes any more.
    fn judge_ends(&self, journal: &str, runs: &[Stretch], verdict: &mut Verdict) {
        let mut over: HashSet<&str> = HashSet::new();
        for (run, next) in runs.iter().zip(runs.iter().skip(1)) {
            over.extend(run.events.iter().filter(|e| is_end(e)).filter_map(|e| e["id"].as_str()));
            for line in journal[run.journal_len..next.journal_len].lines() {
                if over.contains(line.split(' ').next().unwrap_or_default()) {
                    verdict.jobs_run_after_their_end_was_told += 1;
                    verdict.note(format!("after its end was told: {line}"));
                }
            }
        }
    }

    /// Order and overlap: within a key the lines of one process stand together, and jobs, attempts
    /// and undo follow each other as the file says.
    fn judge_journal(
        &self,
        journal: &str,
        reruns: Reruns,
        verdict: &mut Verdict,
    ) -> HashSet<Command> {
        let mut seen = HashSet::new();
        let mut last_of_key: HashMap<String, (Command, String)> = HashMap::new();
        let mut begun: HashSet<(Command, String)> = HashSet::new();
        for line in journal.lines() {
            verdict.lines += 1;
            let words: Vec<&str> = line.split(' ').collect();
            let [id, phase, attempt, pid, word, _time] = words[..] else {
                verdict.note(format!("not a line of the journal: {line}"));
                verdict.events_that_disagree += 1;
                continue;
            };
            let job = id.parse().expect("a number");
            let command = Command {
                job,
                is_undo: phase == "undo",
                attempt: attempt.parse().expect("a number"),
            };
            let process = (command.clone(), pid.to_owned());
            let place = |c: &Command| (c.job, c.is_undo, c.attempt);
            match last_of_key.insert(self.key(job), process.clone()) {
                Some(last) if last != process => {
                    if begun.contains(&process) {
                        verdict.overlaps_within_a_key += 1;
                        verdict.note(format!("{process:?} wrote after {last:?} had begun"));
                    } else if place(&last.0) > place(&command) {
                        verdict.order_violations += 1;
                        verdict.note(format!("{command:?} came after {:?}", last.0));
                    }
                }
                _ => {}
            }
            if word == "begin" {
                verdict.commands += 1;
                begun.insert(process);
                match (seen.insert(command.clone()), reruns) {
                    (true, _) => {}
                    (false, Reruns::AfterKills) => verdict.reruns += 1,
                    (false, Reruns::Never) => {
                        verdict.commands_run_twice += 1;
                        verdict.note(format!("{command:?} ran twice"));
                    }
                }
            }
        }
        seen
    }

    /// Every planned command ran, and no other. One that expires may be killed before its first
    /// line.
    fn judge_commands(&self, seen: &HashSet<Command>, verdict: &mut Verdict) {
        let mut planned = HashSet::new();
        for job in 0..self.jobs {
            let fate = Fate::of(job);
            let command = |is_undo, attempt| Command { job, is_undo, attempt };
            let runs = (1..=fate.attempts()).map(|attempt| command(false, attempt));
            let undo = fate.has_undo().then(|| command(true, fate.attempts()));
            for command in runs.chain(undo) {
                if !seen.contains(&command) && (command.is_undo || !fate.expires()) {
                    verdict.commands_missing += 1;
                    verdict.note(format!("{command:?} never ran"));
                }
                planned.insert(command);
            }
        }
        for command in seen.difference(&planned) {
            verdict.commands_run_twice += 1;
            verdict.note(format!("{command:?} was not planned"));
        }
    }

    /// Each job has one end in all streams together, or a later stream says that it is recorded;
    /// its outcome is the planned one; nothing starts after an end; the summary counts the same.
    fn judge_events(&self, runs: &[Stretch], verdict: &mut Verdict) {
        let mut told: HashMap<usize, &str> = HashMap::new();
        let mut disagree = |detail: String| {
            verdict.events_that_disagree += 1;
            verdict.note(detail);
        };
        for run in runs {
            let mut told_here: HashSet<usize> = HashSet::new();
            for event in run.events.iter().filter(|event| event["id"].is_string()) {
                let job: usize = event["id"].as_str().expect("an id").parse().expect("a number");
                let name = event["event"].as_str().expect("a name");
                let outcome =
                    if name == "recorded" { event["outcome"].as_str() } else { Some(name) };
                match outcome.filter(|_| is_end(event)) {
                    Some(end) => {
                        let again = told.insert(job, end).is_some();
                        if !told_here.insert(job) || (again && name != "recorded") {
                            disagree(format!("job {job} ended twice: {event}"));
                        }
                        if end != Fate::of(job).outcome() {
                            disagree(format!("job {job} should be {:?}: {event}", Fate::of(job)));
                        }
                    }
                    None if told.contains_key(&job) => {
                        disagree(format!("job {job} went on after its end: {event}"));
                    }
                    None => {}
                }
            }
        }
        if told.len() != self.jobs {
            disagree(format!("{} of {} jobs have an end", told.len(), self.jobs));
        }
        let summary = runs.last().and_then(|run| run.events.last()).cloned().unwrap_or_default();
        for (outcome, count) in self.expected() {
            if summary[outcome] != count {
                disagree(format!("{count} {outcome} expected: {summary}"));
            }
        }
    }
}

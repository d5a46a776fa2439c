//! What each worker did and when, for a timeline (P10).
//!
//! Off by default: then an event costs one look at a length that never changes. With
//! [`PoolConfig::trace_events`](super::PoolConfig::trace_events) every station writes its events
//! into a ring of its own (`ring.rs`), one word each: the time in nanoseconds since the pool was
//! built, and the kind. Reading stops nobody.
//!
//! The file is in Chrome's trace event format, which Perfetto reads too: runs and sleeps are
//! durations of their thread, steals and promotions are instants.
//!
//! Not here: counting (`counters.rs`).

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Instant;

use super::Pool;
use super::ring::Ring;
use crate::base::clock::Clock;

/// What a station can note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Work of the queues, or a stolen frame, begins.
    RunBegin = 0,
    RunEnd = 1,
    Steal = 2,
    Promote = 3,
    Park = 4,
    Wake = 5,
}

const KIND_BITS: u32 = 3;

impl Event {
    fn of(word: u64) -> Self {
        match word & ((1 << KIND_BITS) - 1) {
            0 => Self::RunBegin,
            1 => Self::RunEnd,
            2 => Self::Steal,
            3 => Self::Promote,
            4 => Self::Park,
            _ => Self::Wake,
        }
    }

    /// Its name in the file and its phase: begin, end or instant.
    fn shown(self) -> (&'static str, char) {
        match self {
            Self::RunBegin => ("run", 'B'),
            Self::RunEnd => ("run", 'E'),
            Self::Steal => ("steal", 'i'),
            Self::Promote => ("promote", 'i'),
            Self::Park => ("sleep", 'B'),
            Self::Wake => ("sleep", 'E'),
        }
    }
}

/// The events of a pool's stations, if they are kept.
pub(super) struct Trace {
    /// By the number of the row; made when a station notes its first event. Empty: none are kept.
    rings: Box<[OnceLock<Ring>]>,
    events: usize,
    clock: Clock,
    /// When the pool was built.
    since: Instant,
}

impl Trace {
    /// For `events` events of each of `rows` stations; none are kept for 0.
    pub(super) fn new(events: usize, rows: usize, clock: Clock) -> Self {
        let kept = if events > 0 { rows } else { 0 };
        let rings = (0..kept).map(|_| OnceLock::new()).collect();
        let since = clock.now();
        Self { rings, events, clock, since }
    }

    /// The calling thread is at the station of that row.
    #[inline]
    pub(super) fn note(&self, row: usize, event: Event) {
        if let Some(ring) = self.rings.get(row) {
            self.push(ring, event);
        }
    }

    #[cold]
    fn push(&self, ring: &OnceLock<Ring>, event: Event) {
        let since = self.clock.now().saturating_duration_since(self.since);
        let ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let ring = ring.get_or_init(|| Ring::new(self.events.saturating_add(1)));
        ring.push(ns << KIND_BITS | event as u64);
    }
}

impl Pool {
    /// Writes the newest events of all workers, and of the threads that helped, as a trace file for
    /// Perfetto (<https://ui.perfetto.dev>) or `chrome://tracing`. Stops nobody. Without
    /// [`PoolConfig::trace_events`](super::PoolConfig::trace_events) the file has no events.
    ///
    /// # Errors
    /// Those of `out`.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::with_config(PoolConfig { trace_events: 1024, ..PoolConfig::default() })?;
    /// pool.par_for(0..1000, 10, |n| assert!(n < 1000));
    /// let mut file = Vec::new();
    /// pool.write_trace(&mut file)?;
    /// assert!(file.starts_with(b"{\"displayTimeUnit\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_trace(&self, out: impl Write) -> io::Result<()> {
        let mut file = TraceFile { out, first: true };
        file.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        let rings = self.registry.trace.rings.iter().enumerate();
        for (row, ring) in rings.filter_map(|(row, ring)| Some((row, ring.get()?))) {
            file.station(row, &self.registry.station_name(row), &ring.read())?;
        }
        file.out.write_all(b"\n]}\n")?;
        file.out.flush()
    }
}

/// Stations are written one after another; readers of the format sort by time.
struct TraceFile<W> {
    out: W,
    first: bool,
}

impl<W: Write> TraceFile<W> {
    fn station(&mut self, row: usize, name: &str, words: &[u64]) -> io::Result<()> {
        self.next()?;
        write!(
            self.out,
            r#"{{"name":"thread_name","ph":"M","pid":1,"tid":{row},"args":{{"name":"#
        )?;
        self.text(name)?;
        self.out.write_all(b"}}")?;
        let mut open = 0_usize;
        for &word in words {
            let (name, phase) = Event::of(word).shown();
            match phase {
                'B' => open += 1,
                // It began before the oldest event that is kept.
                'E' if open == 0 => continue,
                'E' => open -= 1,
                _ => {}
            }
            let ns = word >> KIND_BITS;
            let (us, rest) = (ns / 1000, ns % 1000);
            let scope = if phase == 'i' { r#","s":"t""# } else { "" };
            self.next()?;
            write!(
                self.out,
                r#"{{"name":"{name}","ph":"{phase}","ts":{us}.{rest:03},"pid":1,"tid":{row}{scope}}}"#
            )?;
        }
        Ok(())
    }

    fn next(&mut self) -> io::Result<()> {
        let separator: &[u8] = if self.first { b"\n" } else { b",\n" };
        self.first = false;
        self.out.write_all(separator)
    }

    /// A JSON string.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.out, "\\{c}")?,
                c if c.is_control() => write!(self.out, "\\u{:04x}", u32::from(c))?,
                c => write!(self.out, "{c}")?,
            }
        }
        self.out.write_all(b"\"")
    }
}

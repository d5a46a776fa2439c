//! Who a process is: a pid means something only together with its start time and the boot.
//!
//! `/proc/PID/stat` is read by position counted from the last `)`, because the name in front of it
//! may hold anything, blanks and brackets included.

use std::fs;
use std::io;

/// A process, as good as for ever: pids come back, pid and start time do not within a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// Ticks since the boot (field 22 of `/proc/PID/stat`).
    pub(super) start: u64,
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) session: i32,
    pub(super) start: u64,
    /// False for a zombie whose threads have all ended.
    pub(super) lives: bool,
}

impl Identity {
    /// Of the calling process.
    pub(super) fn own() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let stat =
            stat(pid)?.ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        Ok(Self { pid, start: stat.start })
    }

    /// From `PID.START`, the form that [`Display`](std::fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, start) = text.split_once('.')?;
        Some(Self { pid: pid.parse().ok().filter(|pid| *pid > 0)?, start: start.parse().ok()? })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.pid, self.start)
    }
}

/// The id of the running boot.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

/// The state of `pid`, or `None` when there is no such process.
pub(super) fn stat(pid: i32) -> io::Result<Option<Stat>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => parse_stat(&line)
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/PID/stat")),
        Err(gone) if vanished(&gone) => Ok(None),
        Err(why) => Err(why),
    }
}

/// True when an error from `/proc/PID/…` only says that the process is no more.
pub(super) fn vanished(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::NotFound
        || why.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn parse_stat(line: &[u8]) -> Option<Stat> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&str> =
        std::str::from_utf8(&line[name_end + 1..]).ok()?.split_ascii_whitespace().collect();
    // The first of these is field 3 of proc(5).
    let field = |number: usize| fields.get(number - 3).copied();
    let threads: u32 = field(20)?.parse().ok()?;
    Some(Stat {
        session: field(6)?.parse().ok()?,
        start: field(22)?.parse().ok()?,
        // A leader that left its threads behind is shown as a zombie, and is not one.
        lives: !matches!(field(3)?, "Z" | "X") || threads > 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"77 (a) b (c)) S 1 70 60 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";

    #[test]
    fn a_name_full_of_brackets_shifts_no_field() {
        let stat = parse_stat(LINE).expect("a line of proc(5)");
        assert_eq!(stat, Stat { session: 60, start: 4242, lives: true });
    }

    #[test]
    fn a_zombie_is_dead_unless_it_has_threads_left() {
        let line = String::from_utf8(LINE.to_vec()).expect("ascii");
        let zombie = line.replace(" S ", " Z ");
        assert!(!parse_stat(zombie.as_bytes()).expect("a line").lives);
        let leader = zombie.replace(" 20 0 1 0 ", " 20 0 2 0 ");
        assert!(parse_stat(leader.as_bytes()).expect("a line").lives);
    }

    #[test]
    fn a_process_recognises_itself_and_no_other_start_time() {
        let own = Identity::own().expect("/proc");
        assert_eq!(Identity::parse(&own.to_string()), Some(own));
        assert_eq!(stat(own.pid).expect("/proc").expect("alive").start, own.start);
        assert_eq!(Identity::parse("0.5"), None);
        assert_eq!(Identity::parse("-7.5"), None);
    }
}

//! Where the output of the commands goes: files per job, never the terminal.
//!
//! In a folder, the attempts of job ID append to `ID.out` and `ID.err`, its undo to `ID.undo-out`
//! and `ID.undo-err`; the first attempt starts the files anew. Without a folder both streams go to
//! a nameless file that lives as long as the command. Either way the last lines of a command that
//! failed can be shown: [`Streams::tail`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much of the output of a failed command is shown, in bytes.
const TAIL_MAX: u64 = 2048;
/// The longest file name made from an id, in bytes: endings fit in what the system leaves.
const NAME_MAX: usize = 200;

/// Which of the two commands of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Run,
    Undo,
}

/// Where output goes.
#[derive(Debug)]
pub(crate) enum Outputs {
    Folder(PathBuf),
    Nameless,
}

/// The two streams of one command.
#[derive(Debug)]
pub(crate) struct Streams {
    out: File,
    err: File,
    /// Where the output of this attempt begins in each file.
    begin: [u64; 2],
}

impl Outputs {
    /// Output into `folder` (made if it is absent), or into nameless files.
    pub(crate) fn new(folder: Option<&Path>) -> io::Result<Outputs> {
        let Some(folder) = folder else { return Ok(Outputs::Nameless) };
        fs::create_dir_all(folder)?;
        // Absolute, and so the same for a command with a folder of its own.
        Ok(Outputs::Folder(fs::canonicalize(folder)?))
    }

    /// Opens the streams of the next attempt; `fresh`: what earlier ones wrote is dropped.
    pub(crate) fn open(&self, id: &str, phase: Phase, fresh: bool) -> io::Result<Streams> {
        let mut streams = self.look(id, phase)?;
        if fresh {
            streams.out.set_len(0)?;
            streams.err.set_len(0)?;
        }
        streams.begin = [streams.out.metadata()?.len(), streams.err.metadata()?.len()];
        Ok(streams)
    }

    /// Opens the streams as earlier attempts left them.
    pub(crate) fn look(&self, id: &str, phase: Phase) -> io::Result<Streams> {
        let (out, err) = match self {
            Outputs::Folder(folder) => {
                let open = |ending: &str| {
                    let path = folder.join(file_name(id) + ending);
                    OpenOptions::new().read(true).append(true).create(true).open(path)
                };
                match phase {
                    Phase::Run => (open(".out")?, open(".err")?),
                    Phase::Undo => (open(".undo-out")?, open(".undo-err")?),
                }
            }
            Outputs::Nameless => {
                let both = tempfile::tempfile()?;
                (both.try_clone()?, both)
            }
        };
        Ok(Streams { out, err, begin: [0, 0] })
    }
}

impl Streams {
    /// The two files, for a child process.
    pub(crate) fn files(&self) -> io::Result<(File, File)> {
        Ok((self.out.try_clone()?, self.err.try_clone()?))
    }

    /// The last bytes of this attempt: of its error stream, or of its output if that is empty.
    pub(crate) fn tail(&self) -> String {
        [(&self.err, self.begin[1]), (&self.out, self.begin[0])]
            .into_iter()
            .filter_map(|(file, begin)| tail(file, begin).ok())
            .find(|tail| !tail.is_empty())
            .unwrap_or_default()
    }
}

fn tail(file: &File, begin: u64) -> io::Result<String> {
    let end = file.metadata()?.len();
    let from = end.saturating_sub(TAIL_MAX).max(begin);
    let mut bytes = vec![0; end.saturating_sub(from) as usize];
    let taken = file.read_at(&mut bytes, from)?;
    bytes.truncate(taken);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A job id as a file name: letters, digits, `-`, `_` and inner dots stay, other bytes become `%XX`.
/// Different ids have different names; long ones end in their FNV-1a hash of 64 bits.
pub(crate) fn file_name(id: &str) -> String {
    let mut name = String::new();
    for (place, byte) in id.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if place > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > NAME_MAX {
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        name.truncate(NAME_MAX);
        // `%%` stands in no short name.
        name.push_str(&format!("%%{hash:016x}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_id_becomes_a_name_that_stays_in_its_folder() {
        assert_eq!(file_name("build-1.step_2"), "build-1.step_2");
        assert_eq!(file_name("../x"), "%2E.%2Fx");
        assert_eq!(file_name("a b%"), "a%20b%25");
        assert_eq!(file_name(&"x".repeat(900)).len(), NAME_MAX + 18);
        assert_ne!(file_name(&"x".repeat(900)), file_name(&"x".repeat(901)));
    }

    #[test]
    fn the_tail_is_the_end_of_this_attempt() {
        let folder = tempfile::tempdir().expect("a folder");
        let outputs = Outputs::new(Some(folder.path())).expect("a folder");
        let mut first = outputs.open("j", Phase::Run, true).expect("files");
        first.out.write_all(b"one").expect("written");
        assert_eq!(first.tail(), "one");
        let mut second = outputs.open("j", Phase::Run, false).expect("files");
        assert_eq!(second.tail(), "");
        second.err.write_all(&[b'x'; 5000]).expect("written");
        assert_eq!(second.tail().len() as u64, TAIL_MAX);
        assert_eq!(fs::read(folder.path().join("j.out")).expect("a file"), b"one");
        let third = outputs.open("j", Phase::Run, true).expect("files");
        assert_eq!(third.tail(), "");
    }
}

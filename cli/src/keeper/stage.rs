//! The stage: the process that becomes the command.
//!
//! Between fork and exec there is only what needs no care in this process: it *is* the program
//! again, so it may allocate, open and write, and no `unsafe` hook is needed. In this order:
//!
//! 1. ask for SIGKILL when the keeper dies,
//! 2. look whether the keeper is still the parent (it may have died before 1),
//! 3. write `running`,
//! 4. exec.
//!
//! Standard input is the lock, held until exec. A failure is written into the lock file, where the
//! keeper reads it: `refused ERRNO`. The spawner emptied that file.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::KeeperError;
use super::identity::{self, Identity};
use super::record::{self, Running};

/// What the stage writes into the lock file before the `errno`.
const REFUSED: &str = "refused ";

/// Becomes `argv`, or says why not. Returns only on failure.
pub(super) fn refuse_or_exec(
    dir: &Path,
    keeper: &str,
    argv: &[OsString],
) -> Result<(), KeeperError> {
    // A failed exec leaves `/dev/null` as standard input, so the lock is kept under another number;
    // close-on-exec, like that of everything else.
    let lock = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)
        .map_err(|why| KeeperError::Process(why.into()))?;
    let why = match prepare(dir, keeper) {
        Ok(()) => Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::null()).exec(),
        Err(why) => why,
    };
    let errno = why.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error());
    rustix::io::pwrite(&lock, format!("{REFUSED}{errno}\n").as_bytes(), 0)
        .map_err(|why| KeeperError::Process(why.into()))?;
    Err(KeeperError::Spawn(why))
}

fn prepare(dir: &Path, keeper: &str) -> io::Result<()> {
    let keeper = Identity::parse(keeper).ok_or(io::ErrorKind::InvalidInput)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(keeper.pid) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    let running = Running { boot: identity::boot_id()?, keeper, command: Identity::own()? };
    running.write(&record::open_dir(dir)?)
}

/// What the stage wrote into the lock file: the `errno`, if it did not become the command.
pub(super) fn refusal(lock_text: &str) -> Option<i32> {
    lock_text.strip_prefix(REFUSED)?.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_refusal_is_one() {
        assert_eq!(refusal("refused 2\n"), Some(2));
        assert_eq!(refusal("refused 2"), None);
        assert_eq!(refusal(""), None);
    }
}

//! The last commit, noted outside the file that holds it.
//!
//! A database that falls back to an older version of itself, or is cut, is consistent: nothing in it
//! shows that acknowledged commits are gone. So after every commit its revision and hash are written
//! to a small file beside it. At open the database must be at that commit or after it.
//!
//! The note is written after the commit is durable, and is never synced: a crash of the machine may
//! leave an older note, never a newer one than the database. Two slots are written in turn, each in
//! a sector of its own, so a torn note leaves the one before. A note that cannot be read proves
//! nothing and is ignored: it is a witness, not state.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::table::Mark;
use crate::task::Revision;

const SECTOR: u64 = 4096;
const LEN: usize = 8 + 32 + 16;

pub(super) struct Witness {
    file: File,
}

impl Witness {
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }

    /// The newest commit that was noted.
    pub(super) fn last(&self) -> Option<Mark> {
        [0, SECTOR].into_iter().filter_map(|slot| self.read(slot)).max_by_key(|mark| mark.revision)
    }

    fn read(&self, slot: u64) -> Option<Mark> {
        let mut bytes = [0; LEN];
        self.file.read_exact_at(&mut bytes, slot).ok()?;
        let (body, check) = bytes.split_at(LEN - 16);
        if blake3::hash(body).as_bytes().get(..16)? != check {
            return None;
        }
        let (revision, hash) = body.split_first_chunk()?;
        let revision = Revision(u64::from_le_bytes(*revision));
        Some(Mark { revision, hash: hash.try_into().ok()? })
    }

    /// Notes a commit that is durable.
    pub(super) fn note(&self, mark: Mark) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend(mark.revision.0.to_le_bytes());
        bytes.extend(mark.hash);
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..16]);
        self.file.write_all_at(&bytes, mark.revision.0 % 2 * SECTOR)
    }
}

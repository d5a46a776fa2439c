//! Everything that is stored, as lines of text: for a copy that outlives a file format.
//!
//! ```text
//!   laneway-tasks 1 REVISION LAST-ALLOCATION LAST-SEQUENCE
//!   KIND SEQUENCE HEX          one line for each entry; KIND: record, tombstone, node, settings
//!   end COUNT HASH             how many entries, and the hash of all lines before this one
//! ```
//!
//! Entries stay encoded: what only a newer version can read survives. The last line tells a whole
//! dump from one that was cut or changed.

use std::io::{self, BufRead, Write};

use super::{Entry, Kind, StoreError, Stored};
use crate::task::{AllocationId, Revision, Sequence};

const MAGIC: &str = "laneway-tasks";

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;

/// Writes everything as text. Blocks as `to` does.
///
/// ```
/// use laneway::store::{MemoryStore, Store, export, import};
///
/// let stored = MemoryStore::new().load()?;
/// let mut text = Vec::new();
/// export(&stored, &mut text).expect("memory does not fail");
/// assert!(text.starts_with(b"laneway-tasks 1 0 0 0\n"));
/// assert_eq!(import(&text[..])?, stored);
/// # Ok::<(), laneway::store::StoreError>(())
/// ```
///
/// # Errors
/// Those of `to`.
pub fn export(stored: &Stored, mut to: impl Write) -> io::Result<()> {
    let Stored { revision, last_allocation, last_sequence, entries } = stored;
    let mut hash = blake3::Hasher::new();
    let mut put = |line: String| {
        hash.update(line.as_bytes());
        to.write_all(line.as_bytes())
    };
    put(format!("{MAGIC} {FORMAT} {} {} {}\n", revision.0, last_allocation.0, last_sequence.0))?;
    for Entry { kind, sequence, value } in entries {
        let mut line = format!("{} {} ", word_of(*kind), sequence.0);
        for byte in value {
            for digit in [byte >> 4, byte & 15] {
                line.push(char::from_digit(digit.into(), 16).expect("half a byte is a digit"));
            }
        }
        line.push('\n');
        put(line)?;
    }
    let hash = hash.finalize().to_hex();
    to.write_all(format!("end {} {hash}\n", entries.len()).as_bytes())?;
    to.flush()
}

/// Reads what [`export`] wrote. Blocks as `from` does.
///
/// # Errors
/// [`StoreError::Damaged`] with the line, if it is not a whole dump; [`StoreError::TooNew`];
/// [`StoreError::Io`].
pub fn import(mut from: impl BufRead) -> Result<Stored, StoreError> {
    let mut stored = Stored::default();
    let mut hash = blake3::Hasher::new();
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let read = from.read_line(&mut line);
        read.map_err(|source| StoreError::Io { action: "read the dump", source })?;
        let damaged = |reason: &str| StoreError::Damaged {
            place: format!("line {number}"),
            reason: reason.into(),
        };
        let text = line.strip_suffix('\n').ok_or_else(|| damaged("it is cut off"))?;
        let words: Vec<&str> = text.split(' ').collect();
        match (number, &words[..]) {
            (1, [MAGIC, format, ..]) if format.parse().is_ok_and(|format: u32| format > FORMAT) => {
                let found = format.parse().expect("it was just parsed");
                return Err(StoreError::TooNew { found, supported: FORMAT });
            }
            (1, [MAGIC, _, revision, allocation, sequence]) => {
                let number = |text: &str| text.parse().map_err(|_| damaged("not a number"));
                stored.revision = Revision(number(revision)?);
                stored.last_allocation = AllocationId(number(allocation)?);
                stored.last_sequence = Sequence(number(sequence)?);
            }
            (1, _) => return Err(damaged("this is no dump of tasks")),
            (_, ["end", count, expected]) => {
                let is_whole = count.parse() == Ok(stored.entries.len())
                    && *expected == hash.finalize().to_hex().as_str();
                return if is_whole { Ok(stored) } else { Err(damaged("entries were changed")) };
            }
            (_, [kind, sequence, value]) => {
                let kind = kind_of(kind).ok_or_else(|| damaged("no kind of entry"))?;
                let places = u64::from(kind == Kind::Record)..1 << 62;
                let sequence = sequence.parse().ok().filter(|it| places.contains(it));
                stored.entries.push(Entry {
                    kind,
                    sequence: Sequence(sequence.ok_or_else(|| damaged("no place"))?),
                    value: unhex(value).ok_or_else(|| damaged("not hexadecimal"))?,
                });
            }
            _ => return Err(damaged("not an entry")),
        }
        hash.update(line.as_bytes());
    }
    unreachable!("the lines are counted without end")
}

fn word_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Record => "record",
        Kind::Tombstone => "tombstone",
        Kind::Node => "node",
        Kind::Settings => "settings",
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Record, Kind::Tombstone, Kind::Node, Kind::Settings]
        .into_iter()
        .find(|kind| word_of(*kind) == word)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

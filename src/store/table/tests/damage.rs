//! Damage to a history that was left whole: refused with its place, or harmless; never believed.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::*;
use crate::store::file::judge;

const COMMITS: u64 = 6;
const SECTOR: usize = 512;

/// A damaged view of an image that many views share; what is written to it is its own.
#[derive(Debug)]
struct View {
    image: Arc<Vec<u8>>,
    own: Mutex<Own>,
}

#[derive(Debug)]
struct Own {
    length: usize,
    sectors: HashMap<usize, [u8; SECTOR]>,
}

impl View {
    fn cut(image: &Arc<Vec<u8>>, length: usize) -> Self {
        Self { image: image.clone(), own: Mutex::new(Own { length, sectors: HashMap::new() }) }
    }

    fn flipped(image: &Arc<Vec<u8>>, at: usize, bit: usize) -> Self {
        let view = Self::cut(image, image.len());
        let byte = [image[at] ^ 1 << bit];
        view.write(at as u64, &byte).expect("it is in memory");
        view
    }

    /// The sector `index`, as it is now.
    fn sector(&self, own: &Own, index: usize) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        match own.sectors.get(&index) {
            Some(changed) => sector = *changed,
            None => {
                let shared = self.image.get(index * SECTOR..).unwrap_or_default();
                let there = shared.len().min(SECTOR);
                sector[..there].copy_from_slice(&shared[..there]);
            }
        }
        sector
    }
}

impl StorageBackend for View {
    fn len(&self) -> io::Result<u64> {
        Ok(self.own.lock().length as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (own, start) = (self.own.lock(), offset as usize);
        if start.checked_add(out.len()).is_none_or(|end| end > own.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, end) = (start, start + out.len());
        while at < end {
            let (index, within) = (at / SECTOR, at % SECTOR);
            let count = (SECTOR - within).min(end - at);
            let sector = self.sector(&own, index);
            out[at - start..][..count].copy_from_slice(&sector[within..][..count]);
            at += count;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.own.lock().length = len as usize;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut own, start) = (self.own.lock(), offset as usize);
        let (mut at, end) = (start, start + data.len());
        while at < end {
            let (index, within) = (at / SECTOR, at % SECTOR);
            let count = (SECTOR - within).min(end - at);
            let mut sector = self.sector(&own, index);
            sector[within..][..count].copy_from_slice(&data[at - start..][..count]);
            own.sectors.insert(index, sector);
            at += count;
        }
        Ok(())
    }
}

/// True if `image` is refused as damaged; panics if it is believed and wrong. The last commit is
/// known to the witness, so that falling back to the one before is not an answer.
#[track_caller]
fn refused(view: View, last: Mark, damage: impl Fn() -> String) -> bool {
    let opened = verified().create_with_backend(view).map_err(engine("open"));
    let opened = opened.and_then(Table::open).and_then(|table| {
        judge(&table, Some(last))?;
        table.load()
    });
    match opened {
        Ok(found) => {
            assert!(found == expected(COMMITS), "{}: believed", damage());
            false
        }
        Err(StoreError::Damaged { place, reason }) => {
            assert!(!place.is_empty(), "{}: no place", damage());
            assert!(!reason.is_empty(), "{}: no reason", damage());
            true
        }
        Err(StoreError::TooNew { .. } | StoreError::Engine { .. } | StoreError::Io { .. }) => true,
        Err(other) => panic!("{}: refused as {other}", damage()),
    }
}

/// The bytes that the last `count` commits wrote, page by page.
fn written(commits: &[Recorded], count: usize) -> Vec<Range<usize>> {
    let writes = commits.iter().rev().take(count).flat_map(|commit| &commit.ops);
    let mut ranges: Vec<(usize, usize)> = writes
        .filter_map(|op| match op {
            Op::Write { at, bytes } => Some((*at, at + bytes.len())),
            _ => None,
        })
        .collect();
    ranges.sort_unstable();
    ranges.dedup();
    ranges.into_iter().map(|(start, end)| start..end).collect()
}

#[test]
fn a_bit_flipped_anywhere_is_refused_or_harmless() {
    let (commits, disk) = history(COMMITS);
    let last = commits.last().expect("commits").mark;
    let image = Arc::new(disk.image());
    // Every byte that the last commit wrote, and of the older pages, most of which nothing refers
    // to any more, a part. The file has shrunk again meanwhile.
    let fresh = written(&commits, 1).into_iter().flatten();
    let older = written(&commits, commits.len()).into_iter().flatten().step_by(7);
    let places: BTreeSet<usize> = fresh.chain(older).filter(|at| *at < image.len()).collect();
    let (mut flips, mut hits) = (0, 0);
    for (round, at) in places.into_iter().enumerate() {
        let bit = round % 8;
        let view = View::flipped(&image, at, bit);
        flips += 1;
        hits += usize::from(refused(view, last, || format!("bit {bit} of byte {at}")));
    }
    println!("{hits} of {flips} flips refused");
    assert!(hits * 10 > flips, "only {hits} of {flips} flips hit something");
}

#[test]
fn a_file_cut_anywhere_in_the_last_commits_is_refused() {
    let (commits, disk) = history(COMMITS);
    let last = commits.last().expect("commits").mark;
    let image = Arc::new(disk.image());
    let places = written(&commits, 3).into_iter().flatten();
    let places: Vec<usize> = places.filter(|at| *at < image.len()).collect();
    let mut cuts = 0;
    for length in places {
        let view = View::cut(&image, length);
        assert!(refused(view, last, || format!("cut to {length}")), "cut to {length}: opened");
        cuts += 1;
    }
    println!("{cuts} cuts refused");
    assert!(cuts > 100, "only {cuts} cuts");
}

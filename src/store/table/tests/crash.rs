//! Every crash point of a short history.
//!
//! A crash image is what was synced, plus some of what was not: a prefix (`kill` at the n-th write),
//! a prefix whose last write is torn, or any subset, torn sectors included (a device may reorder
//! what no sync has ordered). Whatever is left must open as the last acknowledged commit, or as the
//! one under way.

use super::*;
use disk::Fault;

const COMMITS: u64 = 5;
const SECTOR: usize = 512;

/// Numbers that look random and are the same in every run.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// The revision that `image` opens at; panics unless it is a whole commit.
#[track_caller]
fn opened(image: Vec<u8>, crash: &str) -> u64 {
    let table = open(Disk::of(image)).unwrap_or_else(|e| panic!("{crash}: does not open: {e}"));
    let found = table.load().unwrap_or_else(|e| panic!("{crash}: does not load: {e}"));
    assert!(found == expected(found.revision.0), "{crash}: half a commit");
    found.revision.0
}

#[track_caller]
fn assert_whole(image: Vec<u8>, acknowledged: u64, crash: &str) {
    let revision = opened(image, crash);
    assert!(
        revision == acknowledged || revision == acknowledged + 1,
        "{crash}: opened at {revision}, acknowledged was {acknowledged}"
    );
}

#[test]
fn a_commit_cut_anywhere_is_all_there_or_not_at_all() {
    const STEP: usize = 97; // odd, so that cuts fall on no boundary, and on each of them too
    let (commits, _) = history(COMMITS);
    for (number, Recorded { before, ops, .. }) in commits.iter().enumerate() {
        let mut image = before.clone();
        for (index, op) in ops.iter().enumerate() {
            if let Op::Write { at, bytes } = op {
                for cut in (index % STEP..bytes.len()).step_by(STEP) {
                    let mut torn = image.clone();
                    Op::Write { at: *at, bytes: bytes[..cut].to_vec() }.apply(&mut torn);
                    let crash = format!("commit {number}, operation {index} cut at {cut}");
                    assert_whole(torn, number as u64, &crash);
                }
            }
            op.apply(&mut image);
            assert_whole(
                image.clone(),
                number as u64,
                &format!("commit {number} after operation {index}"),
            );
        }
        assert_eq!(opened(image, "the whole commit"), number as u64 + 1);
    }
}

/// What a power cut may leave of the writes since the last sync: bit `i` of `kept` says whether
/// write `i` arrived; of write `torn`, each sector arrived or not.
fn power_cut(
    before: &[u8],
    unsynced: &[&Op],
    kept: u64,
    mut torn: impl FnMut() -> bool,
) -> Vec<u8> {
    let mut image = before.to_vec();
    let mut write = 0;
    for op in unsynced {
        if let Op::Write { at, bytes } = op {
            if kept >> (write % 64) & 1 == 1 {
                for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                    if !torn() {
                        let at = at + index * SECTOR;
                        image[at..at + sector.len()].copy_from_slice(sector);
                    }
                }
            }
            write += 1;
        } else {
            op.apply(&mut image);
        }
    }
    image
}

#[test]
fn any_subset_of_what_was_not_synced_leaves_a_whole_commit() {
    const SUBSETS_MAX: u64 = 1 << 9;
    let (commits, _) = history(COMMITS);
    for (number, Recorded { before, ops, .. }) in commits.iter().enumerate() {
        let mut synced = before.clone();
        for epoch in ops.split_inclusive(|op| matches!(op, Op::Sync)) {
            let unsynced: Vec<&Op> = epoch.iter().collect();
            let writes = unsynced.iter().filter(|op| matches!(op, Op::Write { .. })).count() as u32;
            let all = 1_u64.checked_shl(writes).unwrap_or(u64::MAX);
            let mut next = random(number as u64 + 1);
            // All subsets where they can be counted, else as many random ones.
            for round in 0..all.min(SUBSETS_MAX) {
                let kept = if all <= SUBSETS_MAX { round } else { next() };
                let crash = format!("commit {number}, subset {kept:b} of {writes}");
                assert_whole(power_cut(&synced, &unsynced, kept, || false), number as u64, &crash);
            }
            for round in 0..64 {
                let kept = next() | next();
                let image = power_cut(&synced, &unsynced, kept, || next().is_multiple_of(4));
                let crash = format!("commit {number}, subset {kept:b} torn, round {round}");
                assert_whole(image, number as u64, &crash);
            }
            for op in unsynced {
                op.apply(&mut synced);
            }
        }
    }
}

#[test]
fn every_fault_at_every_operation_poisons_and_loses_nothing_acknowledged() {
    for fault in [Fault::Full, Fault::Short, Fault::Once] {
        let mut failures = 0;
        for after in 0.. {
            let disk = Disk::default();
            let mut table = new_table(&disk).expect("the disk works");
            disk.fail_after(after, fault);
            let failed = (0..COMMITS).find_map(|number| {
                let result = table.commit(&batch(number), Revision(number));
                result.err().map(|error| (number, error))
            });
            let Some((acknowledged, error)) = failed else { break };
            failures += 1;
            let crash = format!("{fault:?} after {after} operations");
            assert!(matches!(error, StoreError::Io { .. }), "{crash}: {error:?}");
            // Also on a disk that works again: nobody knows what is on it.
            let again = table.commit(&batch(acknowledged), Revision(acknowledged));
            assert!(matches!(again, Err(StoreError::Poisoned)), "{crash}: {again:?}");
            assert_whole(disk.image(), acknowledged, &format!("{crash}, killed"));
            assert_whole(disk.platter(), acknowledged, &format!("{crash}, power cut"));
            drop(table); // closing may write
            assert_whole(disk.image(), acknowledged, &format!("{crash}, closed"));
            assert_whole(disk.platter(), acknowledged, &format!("{crash}, closed, power cut"));
        }
        assert!(failures > COMMITS as usize, "{fault:?}: only {failures} operations to fail");
    }
}

//! Reading what somebody may replace: the way to it alone, and looking a task up.
//!
//! | group | beside the measured reader |
//! |---|---|
//! | `epoch/alone` | nobody |
//! | `epoch/two` | a second reader, flat out |
//! | `epoch/writer` | a writer that publishes flat out |
//! | `records/get` | nobody; 100 000 tasks, looked up by id |
//!
//! `laneway_job` is a reader that keeps a guard for a batch of reads, as work that looks something up
//! many times does, and repins it in between; `crossbeam` is crossbeam-epoch as it comes, where
//! readers free what writers replaced.
#![allow(missing_docs)] // criterion's macros make public items without any

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use crossbeam_epoch::{Atomic, Owned};
use imbl::OrdMap;
use laneway::snapshot::{EpochCell, pin};
use laneway::store::{Desk, MemoryStore};
use laneway::task::{Command, Limits, NewTask, Record, State, TaskId, Timestamp};

const TASKS: usize = 100_000;
/// Reads under one guard.
const BATCH: u32 = 64;

/// A version: a few words, so that freeing it costs something.
type Version = [u64; 8];

/// One word of the version, so that the reader has to look at it.
trait Cell: Sync {
    fn read(&self) -> u64;
    fn publish(&self, version: Version);
}

impl Cell for EpochCell<Version> {
    fn read(&self) -> u64 {
        EpochCell::read(self, |version| version[3])
    }

    fn publish(&self, version: Version) {
        EpochCell::publish(self, version);
    }
}

impl Cell for ArcSwap<Version> {
    fn read(&self) -> u64 {
        self.load()[3]
    }

    fn publish(&self, version: Version) {
        self.store(Arc::new(version));
    }
}

impl Cell for Atomic<Version> {
    fn read(&self) -> u64 {
        let guard = crossbeam_epoch::pin();
        let version = self.load(Ordering::Acquire, &guard);
        // SAFETY: never null, and not freed before the guard goes.
        unsafe { version.deref()[3] }
    }

    fn publish(&self, version: Version) {
        let guard = crossbeam_epoch::pin();
        let old = self.swap(Owned::new(version), Ordering::AcqRel, &guard);
        // SAFETY: replaced by this thread, so nobody loads it any more.
        unsafe { guard.defer_destroy(old) };
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nobody,
    Reader,
    Writer,
}

/// Measures `read` while `beside` works on the same cell in a thread of its own.
fn measure<C: Cell>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    cell: &C,
    beside: Beside,
    mut read: impl FnMut(&C) -> u64,
) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if beside != Beside::Nobody {
            scope.spawn(|| {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    match beside {
                        Beside::Writer => cell.publish([number; 8]),
                        _ => drop(black_box(cell.read())),
                    }
                }
            });
        }
        group.bench_function(name, |b| b.iter(|| read(cell)));
        over.store(true, Ordering::Relaxed);
    });
}

fn cells(criterion: &mut Criterion) {
    for (name, beside) in
        [("alone", Beside::Nobody), ("two", Beside::Reader), ("writer", Beside::Writer)]
    {
        let mut group = criterion.benchmark_group(format!("epoch/{name}"));
        group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
        let cell = EpochCell::new([0; 8]);
        measure(&mut group, "laneway", &cell, beside, Cell::read);
        let (mut guard, mut left) = (pin(), BATCH);
        measure(&mut group, "laneway_job", &cell, beside, |cell| {
            left -= 1;
            if left == 0 {
                guard.repin();
                left = BATCH;
            }
            cell.load(&guard)[3]
        });
        drop(guard);
        measure(&mut group, "arc_swap", &ArcSwap::from_pointee([0; 8]), beside, Cell::read);
        measure(&mut group, "crossbeam", &Atomic::new([0; 8]), beside, Cell::read);
        group.finish();
    }
}

fn state() -> State {
    let mut desk = Desk::open(MemoryStore::new(), Limits::default()).expect("empty");
    for number in 0..TASKS {
        let task = NewTask::new(id(number), "copy").params(*b"from here to there");
        desk.apply(Command::Start(task), Timestamp(0)).expect("memory").expect("a new id");
    }
    desk.state().clone()
}

fn id(number: usize) -> String {
    format!("task-{number:08}")
}

fn records(criterion: &mut Criterion) {
    let state = state();
    let pairs = || state.records().map(|record| (record.id.clone(), record.clone()));
    let map: OrdMap<TaskId, Arc<Record>> = pairs().collect();
    let hash: HashMap<TaskId, Arc<Record>> = pairs().collect();
    let cell = EpochCell::new(Arc::new(state.clone()));
    let swap = ArcSwap::from_pointee(map);
    let hashed = ArcSwap::from_pointee(hash);

    // In an order that no cache line helps with; made before, so that only looking up is measured.
    let ids: Vec<String> = (0..TASKS).map(|at| id(at * 48_271 % TASKS)).collect();
    let mut group = criterion.benchmark_group("records/get");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let mut next = ids.iter().cycle();
    let mut id = || next.next().expect("endless").as_str();
    group.bench_function("laneway", |b| {
        b.iter(|| cell.read(|state| state.get(id()).map(|record| record.created)))
    });
    group.bench_function("arc_swap", |b| {
        b.iter(|| swap.load().get(id()).map(|record| record.created))
    });
    group.bench_function("hash_map", |b| {
        b.iter(|| hashed.load().get(id()).map(|record| record.created))
    });
    group.finish();
}

criterion_group!(benches, cells, records);
criterion_main!(benches);

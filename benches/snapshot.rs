//! Snapshots of a map of 100 000 entries: one guarded look-up a read, one changed entry an update.
//!
//! Every contender holds the same structure-sharing map, so only the way to it differs.
#![allow(missing_docs)] // criterion's macros make public items without any

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use imbl::OrdMap;
use laneway::snapshot::EpochCell;
use parking_lot::RwLock;

const ENTRIES: u64 = 100_000;

/// Keys in an order that no cache line helps with.
fn keys() -> impl FnMut() -> u64 {
    let mut state = 1u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % ENTRIES
    }
}

fn snapshot(criterion: &mut Criterion) {
    let map: OrdMap<u64, u64> = (0..ENTRIES).map(|key| (key, key)).collect();
    let cell = EpochCell::new(map.clone());
    let swap = ArcSwap::from_pointee(map.clone());
    let lock = RwLock::new(map.clone());

    let mut group = criterion.benchmark_group("snapshot/read");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let mut key = keys();
    group.bench_function("no_guard", |b| b.iter(|| black_box(&map).get(&key()).copied()));
    let mut key = keys();
    group.bench_function("laneway", |b| b.iter(|| cell.read(|map| map.get(&key()).copied())));
    let mut key = keys();
    group.bench_function("arc_swap", |b| b.iter(|| swap.load().get(&key()).copied()));
    let mut key = keys();
    group.bench_function("rwlock", |b| b.iter(|| lock.read().get(&key()).copied()));
    group.finish();

    let mut group = criterion.benchmark_group("snapshot/update");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let mut key = keys();
    group.bench_function("laneway", |b| {
        b.iter(|| {
            let next = cell.read(|map| map.update(key(), key()));
            cell.publish(next);
        });
    });
    let mut key = keys();
    group.bench_function("arc_swap", |b| {
        b.iter(|| swap.store(Arc::new(swap.load().update(key(), key()))));
    });
    let mut key = keys();
    group.bench_function("rwlock", |b| b.iter(|| lock.write().insert(key(), key())));
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);

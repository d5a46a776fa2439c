//! Keyed jobs beside the hand-written forms: nanoseconds a job, one producer, two workers.
//!
//! One iteration submits a whole schedule and waits for its end. Order and exclusion are checked in
//! every job of every contender.
#![allow(missing_docs)] // criterion's macros make public items without any

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use laneway::{Pool, PoolConfig};
use laneway_benches::THREADS;
use laneway_benches::keyed::{
    DashMapRayon, KanalSharded, Keyed, LanewayLanes, Ledger, MutexMapRayon, QueuePerKey, run,
    schedule,
};

const KEYS: [usize; 4] = [1, 64, 10_000, 1_000_000];

fn keyed(criterion: &mut Criterion) {
    for keys in KEYS {
        let jobs = if keys == 1_000_000 { 1_000_000 } else { 100_000 };
        let mut group = criterion.benchmark_group(format!("keyed/{keys}"));
        group.throughput(Throughput::Elements(jobs as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(3));
        let plan = schedule(keys, jobs);
        let ledger = Ledger::new(keys);
        let mut bench = |name: &str, each: &mut dyn FnMut()| {
            group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(&mut *each));
        };
        fn each<'a, K: Keyed>(
            contender: &'a K,
            ledger: &'a std::sync::Arc<Ledger>,
            plan: &'a [(usize, u32)],
        ) -> impl FnMut() + 'a {
            move || run(contender, ledger, plan)
        }

        let pool = Pool::with_config(PoolConfig { workers: THREADS, ..PoolConfig::default() })
            .expect("threads can be started");
        bench("laneway", &mut each(&LanewayLanes::new(&pool), &ledger, &plan));
        bench("queue_per_key", &mut each(&QueuePerKey::new(pool), &ledger, &plan));
        bench("mutex_map_rayon", &mut each(&MutexMapRayon::new(THREADS), &ledger, &plan));
        bench("dashmap_rayon", &mut each(&DashMapRayon::new(THREADS), &ledger, &plan));
        bench("kanal_sharded", &mut each(&KanalSharded::new(THREADS), &ledger, &plan));
        group.finish();
    }
}

criterion_group!(benches, keyed);
criterion_main!(benches);

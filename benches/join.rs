//! Fork-join beside rayon and chili: `fib` without cutoff, and the sum of a small tree.
//!
//! `fib` starts on a worker of laneway's and rayon's pool. The tree is entered from outside, where
//! laneway and chili let the caller help: it then counts as one of their threads. All contenders
//! run the first closure first and the second when it returns, over the same tree in
//! the same memory.
#![allow(missing_docs)] // criterion's macros make public items without any

use std::hint::black_box;
use std::num::NonZero;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laneway::{Pool, PoolConfig};
use laneway_benches::THREADS;

const FIB: u32 = 32;
/// Joins in `fib(32)`: one per call with n >= 2.
const FIB_JOINS: u64 = 3_524_577;
const TREE_DEPTH: u32 = 10;

fn fib_sequential(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { fib_sequential(n - 1) + fib_sequential(n - 2) }
}

fn fib_laneway(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = pool.join(|| fib_laneway(pool, n - 1), || fib_laneway(pool, n - 2));
    a + b
}

fn fib_rayon(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = rayon::join(|| fib_rayon(n - 1), || fib_rayon(n - 2));
    a + b
}

fn fib_chili(scope: &mut chili::Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = scope.join(|s| fib_chili(s, n - 1), |s| fib_chili(s, n - 2));
    a + b
}

struct Node {
    value: u64,
    children: Option<(Box<Node>, Box<Node>)>,
}

impl Node {
    fn tree(depth: u32) -> Self {
        let children =
            (depth > 1).then(|| (Box::new(Self::tree(depth - 1)), Box::new(Self::tree(depth - 1))));
        Self { value: u64::from(depth), children }
    }

    fn sum_sequential(&self) -> u64 {
        let below = self.children.as_ref();
        self.value + below.map_or(0, |(a, b)| a.sum_sequential() + b.sum_sequential())
    }

    fn sum_laneway(&self, pool: &Pool) -> u64 {
        let Some((a, b)) = &self.children else { return self.value };
        let (a, b) = pool.join(|| a.sum_laneway(pool), || b.sum_laneway(pool));
        self.value + a + b
    }

    fn sum_rayon(&self) -> u64 {
        let Some((a, b)) = &self.children else { return self.value };
        let (a, b) = rayon::join(|| a.sum_rayon(), || b.sum_rayon());
        self.value + a + b
    }

    fn sum_chili(&self, scope: &mut chili::Scope<'_>) -> u64 {
        let Some((a, b)) = &self.children else { return self.value };
        let (a, b) = scope.join(|s| a.sum_chili(s), |s| b.sum_chili(s));
        self.value + a + b
    }
}

struct Contenders {
    laneway: Pool,
    rayon: rayon::ThreadPool,
    chili: chili::ThreadPool,
}

impl Contenders {
    fn new(threads: usize) -> Self {
        let config = PoolConfig { workers: threads, ..PoolConfig::default() };
        let chili =
            chili::Config { thread_count: NonZero::new(threads), ..chili::Config::default() };
        Self {
            laneway: Pool::with_config(config).expect("threads can be started"),
            rayon: rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads can be started"),
            chili: chili::ThreadPool::with_config(chili),
        }
    }
}

fn fib(criterion: &mut Criterion) {
    for threads in [1, THREADS] {
        let pools = Contenders::new(threads);
        let mut group = criterion.benchmark_group(format!("fib32/{threads}"));
        group.throughput(Throughput::Elements(FIB_JOINS)).sample_size(20);
        group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
        group.bench_function("sequential", |b| b.iter(|| fib_sequential(black_box(FIB))));
        group.bench_function("laneway", |b| {
            let pool = &pools.laneway;
            b.iter(|| {
                let inside = pool.clone();
                pool.submit(move || fib_laneway(&inside, black_box(FIB))).wait()
            });
        });
        group.bench_function("chili", |b| {
            b.iter(|| fib_chili(&mut pools.chili.scope(), black_box(FIB)));
        });
        group.bench_function("rayon", |b| {
            b.iter(|| pools.rayon.install(|| fib_rayon(black_box(FIB))));
        });
        group.finish();
    }
}

fn tree(criterion: &mut Criterion) {
    let pools = Contenders::new(THREADS);
    let tree = Node::tree(TREE_DEPTH);
    let mut group = criterion.benchmark_group("tree1023/2");
    group.throughput(Throughput::Elements((1 << TREE_DEPTH) - 1)).sample_size(20);
    group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    group.bench_function("sequential", |b| b.iter(|| black_box(&tree).sum_sequential()));
    group.bench_function("laneway", |b| {
        let helped = Contenders::new(THREADS - 1).laneway;
        b.iter(|| black_box(&tree).sum_laneway(&helped));
    });
    group.bench_function("chili", |b| {
        b.iter(|| black_box(&tree).sum_chili(&mut pools.chili.scope()));
    });
    group.bench_function("rayon", |b| {
        b.iter(|| pools.rayon.install(|| black_box(&tree).sum_rayon()));
    });
    group.finish();
}

criterion_group!(benches, fib, tree);
criterion_main!(benches);

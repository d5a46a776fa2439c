//! The bars of the pool: each workload beside its peers, in rounds that take turns.
//!
//! `cargo bench -p laneway-benches --bench bars [-- ROW]` prints one Markdown line a contender:
//! median and 99th percentile in ns per operation, then laneway's figure divided by the contender's,
//! wall with the upper end of its 95 % interval, and CPU time of the process. Lines of laneway with
//! two threads are followed by how busy each worker was and how much was stolen.
//!
//! Regions with two threads are entered from outside: the caller is one of the two, as it is with
//! chili. Where there is one thread, it is a worker.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use laneway::pool::Worker;
use laneway::{Pool, PoolConfig};
use laneway_benches::THREADS;
use laneway_benches::forkjoin::{
    Chili, Node, Plain, Rayon, Sequence, in_sequence, with_chili, with_pool, with_rayon,
    with_worker,
};
use laneway_benches::measure::{Contender, POOL_NAME, pause, row};

/// Every contender's pool.
struct Pools {
    laneway: Pool,
    rayon: Arc<rayon::ThreadPool>,
    chili: chili::ThreadPool,
}

impl Pools {
    /// `threads` for each contender, of which laneway starts so many as workers.
    fn new(threads: usize, workers: usize) -> Self {
        let name = POOL_NAME.to_owned();
        let config = PoolConfig { workers, name, ..PoolConfig::default() };
        let chili =
            chili::Config { thread_count: NonZero::new(threads), ..chili::Config::default() };
        let rayon = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Self {
            laneway: Pool::with_config(config).expect("threads can be started"),
            rayon: Arc::new(rayon.expect("threads can be started")),
            chili: chili::ThreadPool::with_config(chili),
        }
    }

    /// Runs `region` on a worker; the caller waits.
    fn inside<T: Send + 'static>(
        &self,
        region: impl for<'w> FnOnce(Worker<'w>, &Pool) -> T + Send + 'static,
    ) -> T {
        let pool = self.laneway.clone();
        let task = self.laneway.submit(move || pool.enter(|worker| region(worker, &pool)));
        task.wait().expect("the pool is alive")
    }
}

/// A workload on all contenders.
macro_rules! forkjoin {
    ($title:expr, $threads:expr, $rounds:expr, $repeats:expr, $operations:expr, |$place:ident| $call:ident($($argument:expr),*)) => {{
        // With more than one thread the caller is one of them, as it is with chili.
        let helps = $threads > 1;
        let pools = Pools::new($threads, $threads - usize::from(helps));
        let before = pools.laneway.counters();
        let operations = $repeats * $operations;
        let mut contenders = [
            Contender::timed("laneway", operations, || {
                for _ in 0..$repeats {
                    black_box(if helps {
                        pools.laneway.enter(|$place| with_worker::$call($place, $($argument),*))
                    } else {
                        pools.inside(move |$place, _| with_worker::$call($place, $($argument),*))
                    });
                }
            }),
            Contender::timed("laneway, looked up", operations, || {
                let region = move |pool: &Pool| {
                    let $place = Plain(pool);
                    with_pool::$call($place, $($argument),*)
                };
                for _ in 0..$repeats {
                    black_box(if helps {
                        pools.laneway.enter(|_| region(&pools.laneway))
                    } else {
                        pools.inside(move |_, pool| region(pool))
                    });
                }
            }),
            Contender::timed("chili", operations, || {
                let mut scope = pools.chili.scope();
                for _ in 0..$repeats {
                    let $place = Chili(&mut scope);
                    black_box(with_chili::$call($place, $($argument),*));
                }
            }),
            Contender::timed("rayon", operations, || {
                for _ in 0..$repeats {
                    let $place = Rayon;
                    black_box(pools.rayon.install(|| with_rayon::$call($place, $($argument),*)));
                }
            }),
            Contender::timed("no pool", operations, || {
                for _ in 0..$repeats {
                    let $place = Sequence;
                    black_box(in_sequence::$call($place, $($argument),*));
                }
            }),
        ];
        row($title, $rounds, &mut contenders);
        if $threads > 1 {
            let steals = pools.laneway.counters().steals - before.steals;
            let [worker, pool, ..] = &contenders;
            println!(
                "| {} | busy | {:.2?} | {:.2?} | steals a round {:.1} | |",
                $title,
                worker.busy_shares(),
                pool.busy_shares(),
                steals as f64 / (2 * $rounds) as f64,
            );
        }
    }};
}

const FIB_JOINS: u64 = 3_524_577;

fn fib() {
    forkjoin!("fib(32), 1 thread", 1, 21, 1, FIB_JOINS, |place| fib(black_box(32)));
    forkjoin!("fib(32), 2 threads", THREADS, 21, 1, FIB_JOINS, |place| fib(black_box(32)));
}

/// For the length of the program: work that is submitted cannot borrow.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn trees() {
    let small = kept(Node::tree(10));
    forkjoin!("tree of 1 023, 2 threads", THREADS, 31, 300, 1023, |place| sum(small));
    let large = kept(Node::tree(22));
    forkjoin!("tree of 2^22, 2 threads", THREADS, 11, 1, (1 << 22) - 1, |place| sum(large));
}

fn searches() {
    let all = (1 << 12) - 1;
    forkjoin!("12 queens, 2 threads", THREADS, 21, 1, 856_188, |place| queens(all, 0, 0, 0));
    let nodes = in_sequence::search(Sequence, 42, 80);
    println!("| unbalanced tree | {nodes} nodes | | | | |");
    forkjoin!("unbalanced tree, 2 threads", THREADS, 11, 1, nodes, |place| search(42, 80));
}

fn sorting() {
    const LEN: usize = 10_000_000;
    let pools = Pools::new(THREADS, THREADS - 1);
    let mut seed = 1_u64;
    let shuffled: Vec<u64> = (0..LEN)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 16
        })
        .collect();
    let timed = |sort: &mut dyn FnMut(&mut [u64], &mut [u64])| {
        let (mut values, mut spare) = (shuffled.clone(), vec![1; LEN]);
        let begin = Instant::now();
        sort(&mut values, &mut spare);
        let time = begin.elapsed().as_nanos() as f64 / LEN as f64;
        assert!(values.is_sorted());
        vec![time]
    };
    row(
        "mergesort of 10 M, from outside",
        5,
        &mut [
            Contender::sampled("laneway", || {
                timed(&mut |a, b| pools.laneway.enter(|worker| with_worker::sort(worker, a, b)))
            }),
            Contender::sampled("chili", || {
                timed(&mut |a, b| with_chili::sort(Chili(&mut pools.chili.scope()), a, b))
            }),
            Contender::sampled("rayon", || {
                timed(&mut |a, b| pools.rayon.install(|| with_rayon::sort(Rayon, a, b)))
            }),
            Contender::sampled("no pool", || timed(&mut |a, b| in_sequence::sort(Sequence, a, b))),
        ],
    );
}

/// A result that nobody wants, but that has to be worked out.
fn ignore<T>(value: T) {
    black_box(value);
}

/// How long after the begin of a region another thread than the caller runs a leaf.
fn first_help(run: impl FnOnce(&(dyn Fn() + Sync))) -> f64 {
    let (first, caller, begin) = (AtomicU64::new(u64::MAX), thread::current().id(), Instant::now());
    run(&|| {
        let leaf = Instant::now();
        if thread::current().id() != caller {
            let since = leaf.duration_since(begin).as_nanos() as u64;
            first.fetch_min(since, Ordering::Relaxed);
        }
        while leaf.elapsed() < Duration::from_nanos(500) {}
    });
    let first = first.into_inner();
    if first == u64::MAX { begin.elapsed().as_nanos() as f64 } else { first as f64 }
}

const GAP: Duration = Duration::from_millis(1);

/// So many operations with a gap before each.
fn spaced(count: usize, mut once: impl FnMut() -> f64) -> Vec<f64> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        pause(GAP);
        times.push(once());
    }
    times
}

fn regions() {
    let pools = Pools::new(THREADS, THREADS);
    let nanos = |run: &mut dyn FnMut()| {
        let begin = Instant::now();
        run();
        begin.elapsed().as_nanos() as f64
    };
    row(
        "region from outside, idle pool",
        7,
        &mut [
            Contender::sampled("laneway", || {
                spaced(200, || nanos(&mut || ignore(pools.laneway.join(|| 1, || 2))))
            }),
            Contender::sampled("chili", || {
                let mut scope = pools.chili.scope();
                spaced(200, || nanos(&mut || ignore(scope.join(|_| 1, |_| 2))))
            }),
            Contender::sampled("rayon", || {
                spaced(200, || nanos(&mut || ignore(pools.rayon.join(|| 1, || 2))))
            }),
        ],
    );
    row(
        "first help in a long region",
        7,
        &mut [
            Contender::sampled("laneway", || {
                spaced(100, || {
                    first_help(|leaf| {
                        pools.laneway.enter(|worker| with_worker::leaves(worker, 11, &|| leaf()));
                    })
                })
            }),
            Contender::sampled("chili", || {
                let mut scope = pools.chili.scope();
                spaced(100, || {
                    first_help(|leaf| with_chili::leaves(Chili(&mut scope), 11, &|| leaf()))
                })
            }),
            Contender::sampled("rayon", || {
                let inside = || first_help(|leaf| with_rayon::leaves(Rayon, 11, &|| leaf()));
                spaced(100, || pools.rayon.install(inside))
            }),
        ],
    );
}

const TASKS: usize = 1_000_000;

/// Waits until so many tasks have run.
fn settle(ran: &AtomicUsize) {
    while ran.load(Ordering::Acquire) < TASKS {
        thread::yield_now();
    }
    ran.store(0, Ordering::Relaxed);
}

fn tasks() {
    let pools = Pools::new(THREADS, THREADS);
    let ran: &'static AtomicUsize = kept(AtomicUsize::new(0));
    let task = move || {
        ran.fetch_add(1, Ordering::Release);
    };
    let (pool, rayon) = (&pools.laneway, &pools.rayon);
    let flood = |flood: &dyn Fn()| {
        flood();
        settle(ran);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).build();
    let runtime = runtime.expect("threads can be started");
    let (send, receive) = crossbeam_channel::unbounded::<Box<dyn FnOnce() + Send>>();
    for _ in 0..THREADS {
        let receive = receive.clone();
        thread::spawn(move || receive.into_iter().for_each(|task| task()));
    }
    let count = TASKS as u64;
    row(
        "1 M tasks from a worker",
        7,
        &mut [
            Contender::timed("laneway", count, || {
                flood(&|| {
                    let inside = pool.clone();
                    pool.spawn(move || (0..TASKS).for_each(|_| inside.spawn(task)));
                });
            }),
            Contender::timed("rayon", count, || {
                flood(&|| rayon.spawn(move || (0..TASKS).for_each(|_| rayon::spawn(task))));
            }),
        ],
    );
    row(
        "1 M tasks from a foreign thread",
        7,
        &mut [
            Contender::timed("laneway", count, || {
                flood(&|| (0..TASKS).for_each(|_| pool.spawn(task)));
            }),
            Contender::timed("rayon", count, || {
                flood(&|| (0..TASKS).for_each(|_| rayon.spawn(task)));
            }),
            Contender::timed("crossbeam-channel", count, || {
                flood(&|| {
                    (0..TASKS)
                        .for_each(|_| send.send(Box::new(task)).expect("receivers are there"));
                });
            }),
            Contender::timed("tokio", count, || {
                flood(&|| (0..TASKS).for_each(|_| drop(runtime.spawn(async move { task() }))));
            }),
        ],
    );
    wakes(pool, rayon, &runtime);
}

/// From the submit to the first instruction, with the pool asleep; the CPU ratio is that of a job a
/// millisecond.
fn wakes(pool: &Pool, rayon: &rayon::ThreadPool, runtime: &tokio::runtime::Runtime) {
    let started: &'static AtomicU64 = kept(AtomicU64::new(0));
    let origin: &'static Instant = kept(Instant::now());
    let now = || origin.elapsed().as_nanos() as u64;
    let note = move || started.store(origin.elapsed().as_nanos() as u64, Ordering::Release);
    let latency = |submit: &dyn Fn()| {
        let begin = now();
        submit();
        while started.load(Ordering::Acquire) == 0 {
            std::hint::spin_loop();
        }
        (started.swap(0, Ordering::Relaxed) - begin) as f64
    };
    let ready: &'static AtomicUsize = kept(AtomicUsize::new(0));
    let sleeper = thread::spawn(move || {
        loop {
            thread::park();
            if ready.swap(0, Ordering::Acquire) == 1 {
                note();
            }
        }
    });
    row(
        "submit to start, pool asleep",
        7,
        &mut [
            Contender::sampled("laneway", || spaced(150, || latency(&|| pool.spawn(note)))),
            Contender::sampled("park/unpark", || {
                spaced(150, || {
                    latency(&|| {
                        ready.store(1, Ordering::Release);
                        sleeper.thread().unpark();
                    })
                })
            }),
            Contender::sampled("rayon", || spaced(150, || latency(&|| rayon.spawn(note)))),
            Contender::sampled("tokio", || {
                spaced(150, || latency(&|| drop(runtime.spawn(async move { note() }))))
            }),
        ],
    );
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let rows: [(&str, fn()); 6] = [
        ("fib", fib),
        ("tree", trees),
        ("search", searches),
        ("sort", sorting),
        ("region", regions),
        ("task", tasks),
    ];
    println!("| workload | contender | ns | p99 | laneway / contender (95 %) | CPU ratio |");
    println!("|---|---|---|---|---|---|");
    for (name, run) in rows {
        if wanted.as_deref().is_none_or(|wanted| name.contains(wanted)) {
            run();
        }
    }
}

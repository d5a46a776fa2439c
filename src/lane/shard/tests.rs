//! Claims about a shard, with its inbox within reach: a producer that is stopped inside a push.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::*;
use crate::base::dice::Dice;
use crate::lane::key::{Hashed, Seed};
use crate::lane::tour::MESSAGES_MAX;
use crate::lane::{Abandon, Key, LaneRef, Next, Step};
use crate::pool::PoolConfig;

const LONG: Duration = Duration::from_secs(60);

/// A job that reports its number.
struct Numbered(u32, Sender<u32>);

impl Turn for Numbered {
    type Owner = ();
    fn step(&mut self, _: &LaneRef<Self>) -> Step {
        self.1.send(self.0).expect("the test listens");
        Step::Ended(Next::Continue)
    }
    fn abandon(self, (): &(), _: Abandon) {}
}

/// Lets the shards go: what they keep for later jobs refers to them.
fn retire(pool: &Pool, shards: [Arc<Shard<Numbered>>; 2]) {
    for shard in &shards {
        Shard::send(shard, Message::Retire);
    }
    assert!(pool.wait_quiescent(LONG).expect("not a worker"), "the shards are at rest");
    let alone = shards.map(|shard| Arc::into_inner(shard).is_some());
    assert_eq!(alone, [true, true], "nobody refers to a retired shard without jobs");
}

#[test]
fn a_stopped_producer_delays_only_what_comes_after_it_in_its_shard() {
    let config = PoolConfig { workers: 2, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("threads start");
    let [shard, other] = [(); 2].map(|()| Arc::new(Shard::new(pool.clone(), ())));
    let key = Hashed::new(Key::from("k"), &Seed::new(&Dice::system()));
    let (ran, runs) = channel();
    let message = |number| Message::Job(key.clone(), Numbered(number, ran.clone()));

    Shard::send(&shard, message(1));
    let stopped = shard.inbox.claim();
    Shard::send(&shard, message(3));
    Shard::send(&other, message(10));
    let mut first = [runs.recv_timeout(LONG), runs.recv_timeout(LONG)].map(|run| run.ok());
    first.sort();
    assert_eq!(first, [Some(1), Some(10)], "what was there before, and the other shard");
    assert!(runs.try_recv().is_err(), "what comes after it waits");

    if stopped.write(message(2)) == Pushed::Schedule {
        pool.post(Work::new(ShardVisit(shard.clone())));
    }
    assert_eq!(runs.recv_timeout(LONG), Ok(2));
    assert_eq!(runs.recv_timeout(LONG), Ok(3));
    retire(&pool, [shard, other]);
}

#[test]
fn a_shard_with_many_messages_goes_to_the_back_of_the_queue() {
    let config = PoolConfig { workers: 1, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("threads start");
    let (go, gate) = channel::<()>();
    pool.post(Work::once(move || {
        let _ = gate.recv_timeout(LONG);
    }));
    let [busy, other] = [(); 2].map(|()| Arc::new(Shard::new(pool.clone(), ())));
    let seed = Seed::new(&Dice::system());
    let (ran, runs) = channel();
    let total = 10 * MESSAGES_MAX as u64;
    for i in 0..total {
        let key = Hashed::new(Key::from(i), &seed);
        Shard::send(&busy, Message::Job(key, Numbered(0, ran.clone())));
    }
    let key = Hashed::new(Key::from("other"), &seed);
    Shard::send(&other, Message::Job(key, Numbered(1, ran.clone())));
    drop(go);
    let order: Vec<u32> = (0..=total).map(|_| runs.recv_timeout(LONG).expect("runs")).collect();
    let before = order.iter().position(|number| *number == 1).expect("it ran");
    assert!(
        before <= 3 * MESSAGES_MAX as usize,
        "{before} jobs of a busy shard before another's one"
    );
    retire(&pool, [busy, other]);
}

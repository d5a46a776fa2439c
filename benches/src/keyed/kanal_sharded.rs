//! Key to thread: a kanal channel per thread, chosen by the key's hash. Fast, and a hot or slow key
//! stops every key of its thread.

use std::hash::BuildHasher;
use std::thread::JoinHandle;

use super::{BoxedJob, Key, Keyed};

/// One unbounded channel per thread.
pub struct KanalSharded {
    senders: Vec<kanal::Sender<BoxedJob>>,
    threads: Vec<JoinHandle<()>>,
    hasher: foldhash::fast::FixedState,
}

impl KanalSharded {
    /// With `threads` threads, each with its channel.
    pub fn new(threads: usize) -> Self {
        let (senders, threads) = (0..threads)
            .map(|_| {
                let (sender, receiver) = kanal::unbounded::<BoxedJob>();
                let thread = std::thread::spawn(move || {
                    while let Ok(job) = receiver.recv() {
                        job();
                    }
                });
                (sender, thread)
            })
            .unzip();
        Self { senders, threads, hasher: foldhash::fast::FixedState::default() }
    }
}

impl Keyed for KanalSharded {
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) {
        let shard = self.hasher.hash_one(key) as usize % self.senders.len();
        self.senders[shard].send(Box::new(job)).expect("the thread lives");
    }
}

impl Drop for KanalSharded {
    fn drop(&mut self) {
        self.senders.clear();
        for thread in self.threads.drain(..) {
            thread.join().expect("no job panics");
        }
    }
}

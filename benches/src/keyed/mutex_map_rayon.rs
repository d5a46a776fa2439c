//! The usual hand-written form: one mutex around a map of queues, drained on rayon.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Key, Keyed, Queue};

type Map = Mutex<HashMap<Key, Queue, foldhash::fast::FixedState>>;

/// `Mutex<HashMap<key, VecDeque<job>>>`; a key in the map has a drain on rayon's pool.
pub struct MutexMapRayon {
    map: Arc<Map>,
    pool: rayon::ThreadPool,
}

impl MutexMapRayon {
    /// With a rayon pool of `threads`.
    pub fn new(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Self { map: Arc::default(), pool: pool.expect("threads can be started") }
    }
}

impl Keyed for MutexMapRayon {
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) {
        let mut map = self.map.lock();
        if let Some(queue) = map.get_mut(&key) {
            queue.push_back(Box::new(job));
            return;
        }
        map.insert(key, Queue::from([Box::new(job) as _]));
        drop(map);
        let map = Arc::clone(&self.map);
        self.pool.spawn(move || drain(&map, key));
    }
}

fn drain(map: &Map, key: Key) {
    loop {
        let batch = {
            let mut map = map.lock();
            let queue = map.get_mut(&key).expect("the key stays while it drains");
            if queue.is_empty() {
                map.remove(&key);
                return;
            }
            std::mem::take(queue)
        };
        for job in batch {
            job();
        }
    }
}

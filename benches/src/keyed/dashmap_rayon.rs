//! The usual form with a concurrent map: dashmap of queues, drained on rayon.
//!
//! The mutex around a queue only makes it `Sync`, which the map asks for: it is never locked.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;

use super::{Key, Keyed, Queue};

type Map = DashMap<Key, Mutex<Queue>, foldhash::fast::FixedState>;

/// `DashMap<key, VecDeque<job>>`; a key in the map has a drain on rayon's pool.
pub struct DashMapRayon {
    map: Arc<Map>,
    pool: rayon::ThreadPool,
}

impl DashMapRayon {
    /// With a rayon pool of `threads`.
    pub fn new(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Self { map: Arc::default(), pool: pool.expect("threads can be started") }
    }
}

impl Keyed for DashMapRayon {
    fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) {
        match self.map.entry(key) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().get_mut().push_back(Box::new(job));
                return;
            }
            Entry::Vacant(place) => {
                place.insert(Mutex::new(Queue::from([Box::new(job) as _])));
            }
        }
        let map = Arc::clone(&self.map);
        self.pool.spawn(move || drain(&map, key));
    }
}

fn drain(map: &Map, key: Key) {
    loop {
        let batch = match map.entry(key) {
            Entry::Occupied(mut queue) => match std::mem::take(queue.get_mut().get_mut()) {
                batch if batch.is_empty() => {
                    queue.remove();
                    return;
                }
                batch => batch,
            },
            Entry::Vacant(_) => unreachable!("the key stays while it drains"),
        };
        for job in batch {
            job();
        }
    }
}

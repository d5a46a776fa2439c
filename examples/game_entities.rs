//! Entities of a game as actors: each has its own lane, and a trade holds two of them.
//!
//! `cargo run --example game_entities`

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use laneway::{Coordinator, Job, JobError, Pool};

/// Gold per entity. Each is touched by jobs of its own key only, so its lock is never contended.
type World = Arc<Vec<Mutex<i64>>>;

fn gold(world: &World, entity: usize) -> i64 {
    *world[entity].lock().expect("no panic")
}

fn main() -> Result<(), Box<dyn Error>> {
    const ENTITIES: usize = 16;
    let coordinator = Coordinator::new(&Pool::new()?);
    let world: World = Arc::new((0..ENTITIES).map(|_| Mutex::new(100)).collect());

    for tick in 0..200 {
        let (from, to) = (tick % ENTITIES, (tick * 7 + 3) % ENTITIES);
        if from != to {
            // A trade is a job of both: nobody sees the gold gone and not yet arrived.
            let world = world.clone();
            let trade = Job::once(move |_| {
                if gold(&world, from) < 10 {
                    return Err(JobError::new("too poor"));
                }
                *world[from].lock().expect("no panic") -= 10;
                *world[to].lock().expect("no panic") += 10;
                Ok(())
            });
            drop(coordinator.submit_multi([from as u64, to as u64], trade)?);
        }
        let world = world.clone();
        let tick = Job::once(move |_| {
            assert!(gold(&world, from) >= 0);
            Ok(())
        });
        coordinator.submit_detached(from as u64, tick)?;
    }
    coordinator.drain(Duration::from_secs(60))?;

    let total: i64 = (0..ENTITIES).map(|entity| gold(&world, entity)).sum();
    println!("{} jobs; {total} gold, as at the start", coordinator.counters().created);
    assert_eq!(total, 100 * ENTITIES as i64);
    Ok(())
}

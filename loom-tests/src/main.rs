//! Model checks of laneway's lock-free protocols, and the mutations that the models must notice.
//!
//! The lock-free files are included by path and compiled against `sync/model.rs`, so what is
//! checked is the source that ships. They may import only `crate::sync` and each other; anything
//! else does not compile here.
//!
//! ```text
//! laneway-loom-tests suite                  every model, each a process; counts against executions.txt
//! laneway-loom-tests mutants [--sample N]   every mutation of the included files against the models
//! laneway-loom-tests model NAME             one model, here
//! laneway-loom-tests list                   the names
//! ```

// The models do not reach every method of the included files.
#![allow(dead_code)]
// The inbox is private to the lane layer, and has models of its own.
#![allow(clippy::duplicate_mod)]

mod check;
mod explained;
mod models;
mod mutants;
mod mutation;
mod source;
mod suite;

#[path = "../../src/sync/mod.rs"]
mod sync;

/// Layer base, its lock-free files.
#[path = "../../src/base"]
mod base {
    #[path = "../../loom-tests/src/stand_in/clock.rs"]
    pub(crate) mod clock;
    #[allow(dead_code)] // seeded dice
    pub(crate) mod dice;
    pub(crate) mod epoch_cell;
    pub(crate) mod promise;
    mod seat;
}

/// Layer pool, its lock-free files and fork-join, and stand-ins for the rest of it.
#[path = "../../src/pool"]
mod pool {
    pub(crate) mod crew;
    mod frame;
    mod gate;
    #[path = "../../loom-tests/src/models/gate.rs"]
    pub(crate) mod gate_models;
    #[path = "../../loom-tests/src/stand_in/guest.rs"]
    mod guest;
    pub(crate) mod injector;
    mod join;
    #[path = "../../loom-tests/src/models/join.rs"]
    pub(crate) mod join_models;
    pub(crate) mod latch;
    mod offer;
    #[path = "../../loom-tests/src/models/offer.rs"]
    pub(crate) mod offer_models;
    #[path = "../../loom-tests/src/stand_in/registry.rs"]
    mod registry;
    pub(crate) mod ring;
    mod scope;
    pub(crate) mod sleep;
    #[path = "../../loom-tests/src/stand_in/pool.rs"]
    mod stand_in;
    mod station;
    pub(crate) mod unwind;
    mod work;

    pub(crate) use stand_in::{Pool, Stand};
    pub(crate) use work::{Carrier, Runnable, Work};
}

/// Layer lane, whole.
#[allow(unused_imports)] // what only layers above use
#[path = "../../src/lane/mod.rs"]
mod lane;

/// The inbox by itself: in the lane it is private.
#[path = "../../src/lane"]
mod lane_parts {
    pub(crate) mod inbox;
}

/// Layer coordinator, its lock-free files.
#[path = "../../src/coordinator"]
mod coordinator {
    #[path = "../../loom-tests/src/stand_in/entry.rs"]
    pub(crate) mod entry;
    pub(crate) mod token_group;
    pub(crate) mod waker;
}

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            models::ALL.iter().for_each(|(name, _)| println!("{name}"));
            ExitCode::SUCCESS
        }
        ["model", name] => check::run(name),
        ["suite"] => suite::run(),
        ["mutants"] => mutants::run(None),
        ["mutants", "--sample", count] => match count.parse() {
            Ok(count) => mutants::run(Some(count)),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: laneway-loom-tests list | suite | mutants [--sample N] | model NAME");
    ExitCode::from(64)
}

//! Keyed jobs through the public API, on real pools: order, failure, tokens, handles, shutdown.
//!
//! Nothing here sleeps or measures time: threads meet at gates and channels, and a wait that would
//! never end fails after [`support::LONG`].

mod asynchronous;
mod bench;
mod chaos;
mod control;
mod counters;
mod deadlines;
mod failure;
mod handles;
mod model;
mod never_stuck;
mod observer;
mod order;
mod ownership;
mod programs;
mod several;
mod shutdown;
mod support;
mod timeouts;
mod timings;
mod tokens;

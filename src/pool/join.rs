//! `join`: two closures, perhaps in parallel.

use super::Pool;

impl Pool {
    /// Runs both closures, perhaps in parallel, and returns both results.
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(), b())
    }
}

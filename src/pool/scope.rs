//! Scopes: spawned work that may borrow from the stack below.

use std::marker::PhantomData;

use super::Pool;

/// Where work can be spawned that borrows for `'scope`.
pub struct Scope<'scope, 'env: 'scope> {
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl Pool {
    /// Calls `body` on this thread and returns when everything spawned in it has ended.
    pub fn scope<'env, R>(
        &self,
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    ) -> R {
        let _ = body;
        unimplemented!()
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Runs `f`, perhaps on another thread, before the scope ends.
    pub fn spawn<F: FnOnce() + Send + 'scope>(&'scope self, f: F) {
        let _ = f;
        unimplemented!()
    }
}

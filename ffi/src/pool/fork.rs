//! Fork-join: `join` and scopes. Callers outside the pool help as temporary workers.

use std::cell::OnceCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};

use laneway::pool::Scope;

use super::laneway_pool;
use crate::boundary::boundary;
use crate::callback::{UserData, laneway_drop_fn};
use crate::convert::required;
use crate::error::Report;
use crate::handle::{Handle, Opaque, borrow};
use crate::status::laneway_code::LANEWAY_OK;
use crate::status::laneway_status;

/// Work whose status somebody waits for.
pub type laneway_call_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void) -> laneway_status>;

/// The body of a scope, and what is spawned in it.
pub type laneway_scope_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        scope: *mut laneway_scope,
    ) -> laneway_status,
>;

/// Where work can be spawned that ends before the scope does. Borrowed: valid in the scope's body
/// and in the functions spawned in it.
pub struct laneway_scope {
    _p: [u8; 0],
    _opaque: Opaque,
}

impl Handle for laneway_scope {
    type Inner = Open;
}

/// An open scope, on the stack of the thread that opened it.
pub(crate) struct Open {
    scope: *const Scope<'static, 'static>,
    failed: AtomicI32,
}

impl Open {
    /// Keeps the first failure; the scope ends with it.
    fn note(&self, status: laneway_status) {
        if status < LANEWAY_OK.status() {
            // Relaxed: read after the scope has ended, which orders it.
            let _ = self.failed.compare_exchange(
                LANEWAY_OK.status(),
                status,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

/// A scope's pointer on its way to a spawned function.
struct Within(*const Open);

// SAFETY: `Open` is shared by design: its scope takes spawns from any thread, its word is atomic.
unsafe impl Send for Within {}

impl Within {
    /// Calls a spawned function with the scope it was spawned in.
    fn run(&self, function: Spawned, user_data: &UserData) {
        // SAFETY: the header requires functions that accept their `user_data` on any thread; the
        // scope stays open until everything spawned in it has ended, this call included.
        unsafe {
            let status = function(user_data.pointer(), self.0.cast_mut().cast());
            (*self.0).note(status);
        }
    }
}

type Spawned = unsafe extern "C-unwind" fn(*mut c_void, *mut laneway_scope) -> laneway_status;

/// Runs `a` and `b`, perhaps in parallel, and returns when both have ended.
///
/// @return the status of `a` if it is a failure, else that of `b`.
///
/// Threads: any; a caller off the pool helps as a temporary worker.
/// Blocks: until both have ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: both `user_data` are borrowed until the call returns.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; each function may be called once with its
/// `user_data`, on any thread, both at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_join(
    pool: *mut laneway_pool,
    a: laneway_call_fn,
    user_data_a: *mut c_void,
    b: laneway_call_fn,
    user_data_b: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let (a, b) = (required(a)?, required(b)?);
        let (for_a, for_b) = (UserData::borrowed(user_data_a), UserData::borrowed(user_data_b));
        let (said_a, said_b) = pool.join(
            // SAFETY: called once, by the caller's contract.
            || unsafe { a(for_a.pointer()) },
            // SAFETY: called once, by the caller's contract.
            || unsafe { b(for_b.pointer()) },
        );
        Ok(if said_a < LANEWAY_OK.status() { said_a } else { said_b })
    })
}

/// Calls `body` on this thread with a scope, and returns when everything spawned in it has ended.
///
/// @return the status of `body` if it is a failure, else the first failure of what was spawned,
///         else the status of `body`.
///
/// Threads: any; a caller off the pool helps as a temporary worker.
/// Blocks: until everything spawned in the scope has ended.
/// In callbacks: allowed; a worker runs its own subtree while it waits.
/// Ownership: `user_data` is borrowed until the call returns.
///
/// # Safety
///
/// `pool` is a pool that the caller has a reference to; `body` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_pool_scope(
    pool: *mut laneway_pool,
    body: laneway_scope_fn,
    user_data: *mut c_void,
) -> laneway_status {
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let pool = unsafe { borrow(pool) }?;
        let body = required(body)?;
        let place = OnceCell::new();
        let said = pool.scope(|scope| {
            let open: &Open = place.get_or_init(|| Open {
                scope: std::ptr::from_ref(scope).cast(),
                failed: AtomicI32::new(LANEWAY_OK.status()),
            });
            // SAFETY: called once, by the caller's contract.
            unsafe { body(user_data, std::ptr::from_ref(open).cast_mut().cast()) }
        });
        // Relaxed: the end of the scope orders every note before this.
        let spawned = place.get().map_or(said, |open| open.failed.load(Ordering::Relaxed));
        Ok(if said < 0 || spawned == LANEWAY_OK.status() { said } else { spawned })
    })
}

/// Runs `function`, perhaps on another thread, before `scope` ends.
///
/// Threads: those inside the scope.
/// Blocks: no.
/// In callbacks: allowed, inside the scope.
/// Ownership: consumes `user_data` on every path: `drop` runs once, before the scope ends.
///
/// # Safety
///
/// `scope` is open; `function` may be called once with `user_data`, then `drop`, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laneway_scope_spawn(
    scope: *mut laneway_scope,
    function: laneway_scope_fn,
    user_data: *mut c_void,
    drop: laneway_drop_fn,
) -> laneway_status {
    // SAFETY: the caller's contract.
    let user_data = unsafe { UserData::owned(user_data, drop) };
    boundary(Report::NONE, || {
        // SAFETY: the caller's contract.
        let open = unsafe { borrow(scope) }?;
        let function = required(function)?;
        let within = Within(open);
        // SAFETY: the scope outlives the body that opened it and everything spawned in it; its
        // caller is one of the two.
        let scope = unsafe { &*open.scope };
        scope.spawn(move || within.run(function, &user_data));
        Ok(LANEWAY_OK.status())
    })
}

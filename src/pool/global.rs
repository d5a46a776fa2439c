//! The default pool of the process: built when first asked for, or once by a configuration.
//!
//! The only global mutable state of the crate. It is never dropped; its workers sleep while there
//! is nothing to do, and a host that must not leave threads behind at exit shuts it down like any
//! other pool. Several copies of the library in one process have one each.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::{Pool, PoolConfig, PoolError};

static GLOBAL: OnceLock<Pool> = OnceLock::new();

/// One builder at a time; cold.
static BUILDING: Mutex<()> = Mutex::new(());

impl Pool {
    /// The default pool of the process, which the first call builds with the default configuration
    /// unless [`build_global`](Self::build_global) was called before.
    ///
    /// # Errors
    /// [`PoolError::Spawn`] if a thread cannot be started; a later call tries again.
    ///
    /// # Examples
    /// ```
    /// use laneway::pool::Pool;
    ///
    /// let (one, two) = Pool::global()?.join(|| 1, || 2);
    /// assert_eq!((one, two), (1, 2));
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn global() -> Result<&'static Self, PoolError> {
        if let Some(pool) = GLOBAL.get() {
            return Ok(pool);
        }
        let _one = BUILDING.lock();
        build(PoolConfig::default())
    }

    /// Builds the default pool of the process as `config` says, which is possible once.
    ///
    /// # Errors
    /// [`PoolError::GlobalExists`] if it was built before, by this or by
    /// [`global`](Self::global); otherwise as [`with_config`](Self::with_config).
    pub fn build_global(config: PoolConfig) -> Result<&'static Self, PoolError> {
        let _one = BUILDING.lock();
        if GLOBAL.get().is_some() {
            return Err(PoolError::GlobalExists);
        }
        build(config)
    }
}

/// The pool, built if nobody else did. The caller holds [`BUILDING`].
fn build(config: PoolConfig) -> Result<&'static Pool, PoolError> {
    if GLOBAL.get().is_none() {
        let pool = Pool::with_config(config)?;
        GLOBAL.set(pool).expect("one builder at a time, and there was none");
    }
    Ok(GLOBAL.get().expect("set above or before"))
}

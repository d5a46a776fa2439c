//! The default pool, in a process of its own: it can be built once.

use laneway::pool::{Pool, PoolConfig, PoolError};

#[test]
fn the_default_pool_is_configured_once_and_then_the_same_for_everybody() {
    let bad = PoolConfig { workers: 0, ..PoolConfig::default() };
    assert!(matches!(Pool::build_global(bad), Err(PoolError::Config { .. })));
    let config = PoolConfig { workers: 3, ..PoolConfig::default() };
    let built = Pool::build_global(config.clone()).expect("nobody built it before");
    assert_eq!(built.workers(), 3);
    assert!(matches!(Pool::build_global(config), Err(PoolError::GlobalExists)));
    let others: Vec<_> =
        (0..4).map(|_| std::thread::spawn(|| Pool::global().expect("it is there"))).collect();
    for other in others {
        assert!(std::ptr::eq(built, other.join().expect("no panic")));
    }
    assert_eq!(built.join(|| 1, || 2), (1, 2));
}

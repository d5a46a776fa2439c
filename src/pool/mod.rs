//! Layer: pool.

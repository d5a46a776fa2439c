//! Layer: store.

//! Layer: base.

//! Layer: service.

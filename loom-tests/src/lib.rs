//! Model checks of laneway's lock-free protocols.

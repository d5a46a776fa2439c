//! Which keys a control call concerns.

use crate::lane::Key;

/// Which keys [`pause`](super::Coordinator::pause), [`resume`](super::Coordinator::resume) and
/// [`cancel`](super::Coordinator::cancel) concern. Everything that is a [`Key`] names that one key.
///
/// ```
/// use laneway::coordinator::{Key, Keys};
///
/// assert_eq!(Keys::from("tenant-7/users"), Keys::One(Key::from("tenant-7/users")));
/// assert!(Keys::prefix("tenant-7/").cover(&Key::from("tenant-7/users")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keys {
    /// This key.
    One(Key),
    /// Every key whose bytes begin with these.
    Prefix(Key),
    /// Every key.
    All,
}

impl Keys {
    /// Every key whose bytes begin with `prefix`.
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        Self::Prefix(prefix.into())
    }

    /// True if `key` is one of them.
    pub fn cover(&self, key: &Key) -> bool {
        match self {
            Self::One(one) => one == key,
            Self::Prefix(prefix) => key.as_bytes().starts_with(prefix.as_bytes()),
            Self::All => true,
        }
    }
}

impl<K: Into<Key>> From<K> for Keys {
    fn from(key: K) -> Self {
        Self::One(key.into())
    }
}

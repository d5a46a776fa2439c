//! A key: the name of a lane, and the form in which it travels.
//!
//! Keys are bytes, compared by value. Up to [`INLINE`] bytes are stored in place, longer keys in
//! one allocation that their copies share: cloning a key never copies more than a few words.
//!
//! A [`Hashed`] key carries its hash, computed once at the door of one set of lanes. Names of lanes
//! come from outside (paths, tenants), and a hash that can be predicted would let a stranger send
//! all of his keys into one shard and one bucket. So each set of lanes draws a [`Seed`] from the
//! system's randomness, and no hash ever leaves the process. That allows for foldhash, which takes
//! a quarter of the instructions of SipHash and is no cipher: it is not made to keep its seed from
//! somebody who sees hashes, or measures single buckets.
//!
//! Not here: the limit on the length ([`KEY_MAX`]) is checked where jobs are accepted.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use crate::base::dice::Dice;

/// The longest key that a coordinator accepts, in bytes.
pub const KEY_MAX: usize = 64 * 1024;

/// The longest key without an allocation, in bytes.
const INLINE: usize = 24;

/// The name of a lane: jobs of equal keys run one at a time, in order.
///
/// Bytes, compared by value; text is its UTF-8, an integer its eight bytes, lowest first.
///
/// ```
/// use laneway::coordinator::Key;
///
/// assert_eq!(Key::from("tenant-7"), Key::from(b"tenant-7"));
/// assert_eq!(Key::from(7_u64).as_bytes(), [7, 0, 0, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone)]
pub struct Key(Bytes);

#[derive(Clone)]
enum Bytes {
    Inline { length: u8, bytes: [u8; INLINE] },
    Shared(Arc<[u8]>),
}

impl Key {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// Number of bytes; a coordinator accepts up to [`KEY_MAX`].
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// True for the key without bytes, which is a key like any other.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    fn copied(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        // At most INLINE, so the length fits.
        Some(Self(Bytes::Inline { length: from.len() as u8, bytes }))
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self::copied(bytes).unwrap_or_else(|| Self(Bytes::Shared(Arc::from(bytes))))
    }
}

impl<const N: usize> From<&[u8; N]> for Key {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self::copied(&bytes).unwrap_or_else(|| Self(Bytes::Shared(Arc::from(bytes))))
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Key {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Self::from(&number.to_le_bytes())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// The text, with what is not UTF-8 replaced.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// What the hashes of one set of lanes depend on.
pub(crate) struct Seed {
    own: u64,
    shared: SharedSeed,
}

impl Seed {
    /// A seed that nobody can guess, if the dice are the system's.
    pub(crate) fn new(dice: &Dice) -> Self {
        Self { own: dice.roll(), shared: SharedSeed::from_u64(dice.roll()) }
    }
}

/// A key with its hash, valid within the set of lanes whose [`Seed`] made it.
#[derive(Clone, Debug)]
pub(crate) struct Hashed {
    hash: u64,
    key: Key,
}

impl Hashed {
    pub(crate) fn new(key: Key, seed: &Seed) -> Self {
        let mut hasher = FoldHasher::with_seed(seed.own, &seed.shared);
        hasher.write(key.as_bytes());
        Self { hash: hasher.finish(), key }
    }

    /// Of no use to anybody.
    pub(super) fn nobody() -> Self {
        Self { hash: 0, key: Key(Bytes::Inline { length: 0, bytes: [0; INLINE] }) }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Which of `count` shards, a power of two. The map of a shard uses the lowest and the highest
    /// bits of the hash, so the shard is chosen by others.
    pub(crate) fn shard(&self, count: usize) -> usize {
        debug_assert!(count.is_power_of_two(), "shards are chosen by mask");
        (self.hash >> 32) as usize & (count - 1)
    }
}

impl Hashed {
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Which of 64 groups; not the bits that choose the shard or the map's bucket.
    pub(crate) fn group(&self) -> u32 {
        (self.hash >> 48) as u32 & 63
    }
}

impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.key == other.key
    }
}

impl Eq for Hashed {}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Builds the hasher of a map keyed by [`Hashed`], which hands the stored hash through.
pub(crate) type PassThrough = BuildHasherDefault<Through>;

/// The stored hash as it is.
#[derive(Default)]
pub(crate) struct Through(u64);

impl Hasher for Through {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a hashed key writes its hash and nothing else");
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_by_their_bytes_however_they_are_made() {
        let long = "a path that is longer than what fits in place";
        for text in ["", "a", "exactly-twenty-four-byte", "exactly-twenty-five-bytes", long] {
            let key = Key::from(text);
            assert_eq!(key, Key::from(text.to_string()));
            assert_eq!(key, Key::from(text.as_bytes().to_vec()));
            assert_eq!(key.as_bytes(), text.as_bytes());
            assert_eq!(key.to_string(), text);
            assert_eq!(key.is_empty(), text.is_empty());
        }
    }

    #[test]
    fn a_key_of_twenty_four_bytes_is_stored_in_place() {
        assert!(matches!(Key::from("exactly-twenty-four-byte").0, Bytes::Inline { .. }));
        assert!(matches!(Key::from("exactly-twenty-five-bytes").0, Bytes::Shared(_)));
        assert_eq!(size_of::<Key>(), 32);
        assert_eq!(size_of::<Hashed>(), 40);
    }

    #[test]
    fn copies_of_a_long_key_share_their_bytes() {
        let key = Key::from(vec![1; 1000]);
        assert_eq!(key.as_bytes().as_ptr(), key.clone().as_bytes().as_ptr());
    }

    #[test]
    fn equal_keys_of_one_set_of_lanes_hash_alike() {
        let seed = Seed::new(&Dice::system());
        let one = Hashed::new(Key::from("k"), &seed);
        let two = Hashed::new(Key::from(b"k"), &seed);
        assert_eq!(one, two);
        assert_eq!(one.shard(64), two.shard(64));
        assert_ne!(one, Hashed::new(Key::from("l"), &seed));
    }
}

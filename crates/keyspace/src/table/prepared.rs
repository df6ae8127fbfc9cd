//! An entry that is in no table yet: made on a thread that reads a file, put into the table by the one that builds it.
//! What the table needs to know of it stands beside it, so that putting it in does not touch memory that is still in the
//! other thread's cache.
//!
//! Invariant: a `Prepared` is the only one who knows its live entry, until `into_entry` hands it over.

use super::Value;
use super::entry::{Entry, NewValue};
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

/// Hashes keys as a table does.
#[derive(Clone)]
pub struct KeyHasher {
    seed: u64,
    shared_seed: SharedSeed,
}

impl KeyHasher {
    /// For tables with this seed.
    pub(super) fn new(seed: [u64; 2]) -> KeyHasher {
        KeyHasher { seed: seed[0], shared_seed: SharedSeed::from_u64(seed[1]) }
    }

    /// The hash of a key; never show it to a client.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared_seed);
        hasher.write(key);
        hasher.finish()
    }
}

/// A key with all that belongs to it, ready to be put into a table.
pub struct Prepared<V> {
    entry: Entry<V>,
    /// The key's hash, by the hasher of the table.
    hash: u64,
    pub(super) allocation: usize,
}

// SAFETY: the entry holds key bytes and a V, and nobody else knows it.
unsafe impl<V: Send> Send for Prepared<V> {}

impl<V: Value> Prepared<V> {
    /// Makes an entry. `hash` is that of the key in the table that it will be put into. Its deadlines are not in the
    /// indexes until [`Table::index_deadlines`](super::Table::index_deadlines) puts them there.
    pub fn new(hash: u64, key: &[u8], value: NewValue<'_, V>, expire_ms: Option<i64>, lru: u32) -> Prepared<V> {
        let entry = Entry::new(key, value, expire_ms, lru);
        // SAFETY: made just now.
        let allocation = unsafe { entry.allocation() };
        Prepared { entry, hash, allocation }
    }
}

impl<V> Prepared<V> {
    /// The key.
    pub fn key(&self) -> &[u8] {
        // SAFETY: the file's invariant.
        unsafe { self.entry.key() }
    }

    /// The key's hash.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Hands the entry over.
    pub(super) fn into_entry(self) -> Entry<V> {
        let entry = self.entry;
        std::mem::forget(self);
        entry
    }
}

impl<V> Drop for Prepared<V> {
    fn drop(&mut self) {
        // SAFETY: the file's invariant.
        unsafe { self.entry.free() }
    }
}

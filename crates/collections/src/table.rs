//! The large form of hashes and sets, and the member index of sorted sets: a map from bytes to bytes. An entry may carry
//! a deadline, which the table only keeps: who has one, and what it means, is the hash's business.
//!
//! ```text
//! Child::Inner   64 slots of 6 hash bits each; a bitmap says which slots begin a child,  (inner.rs)
//!   │            so a child may span several slots until it is split
//!   ├─ Child::Inner  where one slot holds more than a leaf can
//!   └─ Child::Leaf   up to 32 packed entries                                             (leaf.rs)
//! ```
//!
//! Hash bits are used from the most significant down, so a leaf is a contiguous range of hashes: that is what a SCAN
//! cursor counts in. Growth splits one leaf at a time; there is no rehash. Every child carries its number of entries, so
//! the n-th entry, and with it a uniformly random one, is found on one path. Entries that are all known at once are laid out in
//! that order (build.rs).

mod approach;
mod build;
mod inner;
mod leaf;
#[cfg(test)]
mod tests;

pub use approach::Approach;
pub(crate) use build::TableBuilder;
use inner::Child;
use leaf::{Entry, Leaf};
use smallvec::SmallVec;
use triomphe::Arc;

use crate::hashing::hash_bytes;
use base::prefetch;

/// A SCAN cursor is the leading 53 bits of a hash: exact in clients that keep numbers as doubles.
const CURSOR_SHIFT: u32 = 11;

/// Entries whose ways are gone together when many are removed.
const REMOVED_AT_ONCE: usize = 16;

/// Leaves looked at to estimate the memory of a table.
const MEMORY_SAMPLES: u64 = 8;

/// A map from bytes to bytes; see the top of this file.
#[derive(Clone)]
pub(crate) struct Table {
    root: Arc<Child>,
}

impl Table {
    /// Without entries.
    pub(crate) fn new() -> Table {
        Table { root: Arc::new(Child::empty()) }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.root.count()
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = hash_bytes(key);
        let leaf = self.root.leaf(hash);
        Some(leaf.entry(leaf.find(hash, key)?).1)
    }

    /// True if there is an entry under `key`.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let hash = hash_bytes(key);
        self.root.leaf(hash).find(hash, key).is_some()
    }

    /// The value under `key` and its deadline, in Unix milliseconds.
    pub(crate) fn get_timed(&self, key: &[u8]) -> Option<(&[u8], Option<i64>)> {
        let hash = hash_bytes(key);
        let leaf = self.root.leaf(hash);
        let (_, value, deadline) = leaf.timed_entry(leaf.find(hash, key)?);
        Some((value, deadline))
    }

    /// The entry with this deadline whose key has this hash.
    pub(crate) fn find_due(&self, hash: u64, deadline: i64) -> Option<&[u8]> {
        let leaf = self.root.leaf(hash);
        Some(leaf.entry(leaf.find_due(hash, deadline)?).0)
    }

    /// Sets or clears the deadline of an entry that exists.
    pub(crate) fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) {
        let hash = hash_bytes(key);
        let leaf = Arc::make_mut(&mut self.root).leaf_mut(hash);
        let place = leaf.find(hash, key).expect("the caller found the entry");
        leaf.set_deadline(place, deadline);
    }

    /// Adds, or replaces the value and keeps the deadline; true if `key` is new.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> bool {
        let hash = hash_bytes(key);
        let root = Arc::make_mut(&mut self.root);
        let leaf = root.leaf_mut(hash);
        if let Some(place) = leaf.find(hash, key) {
            leaf.replace(place, value);
            return false;
        }
        leaf.insert(hash, key, value, None);
        root.added(hash, 0);
        true
    }

    /// True if there was an entry under `key`. A missing key copies no shared node.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.remove_hashed(hash_bytes(key), key, |_| ()).is_some()
    }

    /// Shows the value under `key` to `f` and removes the entry. A missing key copies no shared node.
    pub(crate) fn remove_with<R>(&mut self, key: &[u8], f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.remove_hashed(hash_bytes(key), key, f)
    }

    fn remove_hashed<R>(&mut self, hash: u64, key: &[u8], f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let leaf = self.root.leaf(hash);
        let index = leaf.find(hash, key)?;
        let shown = f(leaf.entry(index).1);
        Arc::make_mut(&mut self.root).remove(hash, 0, index);
        Some(shown)
    }

    /// Removes the entries under all these keys, faster than one by one: their ways through memory overlap.
    pub(crate) fn remove_all<'k>(&mut self, mut keys: impl Iterator<Item = &'k [u8]>) {
        loop {
            let batch: SmallVec<[(u64, &[u8]); REMOVED_AT_ONCE]> =
                keys.by_ref().take(REMOVED_AT_ONCE).map(|key| (hash_bytes(key), key)).collect();
            if batch.is_empty() {
                return;
            }
            let set_out = |(hash, _): &(u64, _)| Approach::to(self, *hash, prefetch).for_removal();
            go_all(batch.iter().map(set_out).collect());
            for (hash, key) in batch {
                self.remove_hashed(hash, key, |_| ());
            }
        }
    }

    /// Keeps the entries for which `keep` holds; it is asked in the order of [`Table::iter`]. Takes one pass over all
    /// entries, and so less than removing many of them one by one.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        Arc::make_mut(&mut self.root).retain(&mut keep);
    }

    /// All entries, in hash order.
    pub(crate) fn iter(&self) -> TableIter<'_> {
        let (leaf, end) = self.root.leaf_and_end(0);
        let mut iter = TableIter { root: &self.root, leaf, index: 0, next: None };
        iter.look_behind(end);
        iter
    }

    /// All entries with their deadlines, in hash order.
    pub(crate) fn timed_iter(&self) -> TimedTableIter<'_> {
        TimedTableIter(self.iter())
    }

    /// The entry at a position of the iteration order, which any write may change.
    pub(crate) fn nth(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.nth_timed(index).map(|(key, value, _)| (key, value))
    }

    /// As `nth`, with the deadline.
    pub(crate) fn nth_timed(&self, index: usize) -> Option<Entry<'_>> {
        (index < self.len()).then(|| self.root.nth(index))
    }

    /// Emits whole leaves from `cursor` on until `count` entries went out; returns the next cursor, 0 at the end. An
    /// entry that is present all along is emitted at least once, whatever else changes.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(&[u8], &[u8])) -> u64 {
        self.scan_timed(cursor, count, |(key, value, _)| emit(key, value))
    }

    /// As `scan`, with the deadlines.
    pub(crate) fn scan_timed(&self, cursor: u64, count: usize, mut emit: impl FnMut(Entry<'_>)) -> u64 {
        if cursor > u64::MAX >> CURSOR_SHIFT {
            return 0;
        }
        let mut position = cursor << CURSOR_SHIFT;
        let mut emitted = 0;
        let leaves_max = count.saturating_mul(10);
        for visited in 1usize.. {
            let (leaf, end) = self.root.leaf_and_end(position);
            (0..leaf.len()).for_each(|place| emit(leaf.timed_entry(place)));
            emitted += leaf.len();
            let Some(end) = end else { return 0 };
            position = end;
            let is_cursor = position.trailing_zeros() >= CURSOR_SHIFT;
            if is_cursor && (emitted >= count || visited >= leaves_max) {
                break;
            }
        }
        position >> CURSOR_SHIFT
    }

    /// Estimate of the bytes allocated, from a few leaves.
    pub(crate) fn memory_bytes(&self) -> usize {
        if let Child::Leaf { leaf, .. } = &*self.root {
            return leaf.memory_bytes();
        }
        let (mut bytes, mut entries) = (0, 0);
        for sample in 0..MEMORY_SAMPLES {
            let leaf = self.root.leaf(sample * (u64::MAX / MEMORY_SAMPLES));
            bytes += leaf.memory_bytes() + size_of::<Child>();
            entries += leaf.len();
        }
        (bytes as u128 * self.len() as u128 / entries.max(1) as u128) as usize
    }

    /// Drops it, with a call of `between` behind every few thousand entries. What a clone shares stays with that.
    pub(crate) fn drop_in_pieces(self, between: &mut impl FnMut()) {
        if let Ok(root) = Arc::try_unwrap(self.root) {
            root.drop_in_pieces(between);
        }
    }

    /// True if one is a clone of the other and neither was written to since.
    pub(crate) fn is_clone_of(&self, other: &Table) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }
}

/// Goes several ways to their ends, in turns.
fn go_all(mut ways: SmallVec<[Approach<'_>; REMOVED_AT_ONCE]>) {
    while ways.iter_mut().fold(false, |goes_on, way| way.step() | goes_on) {}
}

/// Entries of a table in hash order; finds each leaf anew by its place, so it holds no stack.
pub(crate) struct TableIter<'a> {
    root: &'a Child,
    leaf: &'a Leaf,
    index: usize,
    /// The leaf behind that one, on its way to the processor, and the first hash behind it.
    next: Option<(&'a Leaf, Option<u64>)>,
}

impl<'a> TableIter<'a> {
    /// The leaf and the place in it of the next entry.
    #[inline]
    fn next_place(&mut self) -> Option<(&'a Leaf, usize)> {
        while self.index == self.leaf.len() {
            let end;
            (self.leaf, end) = self.next?;
            self.index = 0;
            self.look_behind(end);
        }
        self.index += 1;
        Some((self.leaf, self.index - 1))
    }

    /// Finds the leaf that begins with a hash and has it loaded.
    fn look_behind(&mut self, hash: Option<u64>) {
        self.next = hash.map(|hash| self.root.leaf_and_end(hash));
        if let Some((leaf, _)) = self.next {
            leaf.load();
        }
    }
}

impl<'a> Iterator for TableIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_place().map(|(leaf, place)| leaf.entry(place))
    }
}

/// The same with deadlines.
pub(crate) struct TimedTableIter<'a>(TableIter<'a>);

impl<'a> Iterator for TimedTableIter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.0.next_place().map(|(leaf, place)| leaf.timed_entry(place))
    }
}

//! Reading without a key: SCAN, random keys, and the keys that are due.

use super::block::address_of;
use super::entry::{Entry, EntryRef};
use super::{Table, Value, inner_deadline_ms};

/// Cursors are hash prefixes of this many bits (block borders are multiples of 1 << 16).
const CURSOR_BITS: u32 = 48;
/// Tries at a random key before fairness is given up.
const RANDOM_TRIES: usize = 64;
/// Blocks that a sample is taken from at most.
const SAMPLE_BLOCKS_MAX: usize = 16;

impl<V: Value> Table<V> {
    /// SCAN: visits whole blocks from `cursor` until `count` entries were seen; returns the next cursor, 0 at the end.
    /// Every element present from the first call (cursor 0) to the last is visited at least once, also if the table
    /// grows or shrinks between the calls: blocks come in hash order, and a cursor is the end of the last block.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_, V>)) -> u64 {
        let mut seen = 0;
        let mut hash = match cursor >> CURSOR_BITS {
            0 => cursor << (64 - CURSOR_BITS),
            _ => return 0,
        };
        loop {
            let (block, _, last) = self.tree.block_range(hash);
            // SAFETY: a block of this borrowed table and its entries.
            unsafe {
                for word in block.words() {
                    visit(EntryRef::new(Entry::from_address(address_of(word))));
                    seen += 1;
                }
            }
            let Some(next) = last.checked_add(1) else { return 0 };
            if seen >= count {
                return next >> (64 - CURSOR_BITS);
            }
            hash = next;
        }
    }

    /// A random entry, nearly uniform: a random prefix, its block accepted in proportion to its load.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        if self.len == 0 {
            return None;
        }
        let mut hash = 0;
        for _ in 0..RANDOM_TRIES {
            hash = rng.u64(..);
            let block = self.tree.block(hash);
            // SAFETY: a live block of this table.
            let (depth, count) = unsafe { (u32::from(block.depth()), block.count()) };
            // What the table would hold were it all as dense as this block.
            let density = (count as u128) << depth;
            if u128::from(rng.u64(..)) * 2 * (self.len as u128) < density << 64 {
                return self.random_in_block(hash, rng);
            }
        }
        // Hardly any block is loaded as the average: take the next that has an entry.
        self.next_loaded(hash, rng).or_else(|| self.next_loaded(0, rng))
    }

    fn next_loaded(&self, mut hash: u64, rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        loop {
            if let Some(entry) = self.random_in_block(hash, rng) {
                return Some(entry);
            }
            hash = self.tree.block_range(hash).2.checked_add(1)?;
        }
    }

    fn random_in_block(&self, hash: u64, rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        let block = self.tree.block(hash);
        // SAFETY: a live block of this borrowed table; slots below its count.
        unsafe {
            for _ in 0..8 {
                if let Some(word) = block.word_at(rng.usize(..block.slot_count())) {
                    return Some(EntryRef::new(Entry::from_address(address_of(word))));
                }
            }
            let count = block.count();
            let nth = if count == 0 { 0 } else { rng.usize(..count) };
            block.words().nth(nth).map(|word| EntryRef::new(Entry::from_address(address_of(word))))
        }
    }

    /// Visits about `count` random entries that stand together, so that it costs little more than one. Fewer if there are
    /// not so many near each other, none only in an empty table.
    pub fn sample(&self, count: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(EntryRef<'_, V>)) {
        if self.len == 0 {
            return;
        }
        let (mut seen, mut hash) = (0, rng.u64(..));
        for _ in 0..SAMPLE_BLOCKS_MAX {
            let (block, _, last) = self.tree.block_range(hash);
            let slots = block.slot_count();
            let first = rng.usize(..slots);
            // SAFETY: a live block of this borrowed table; slots below its count.
            unsafe {
                for at in 0..slots {
                    if seen == count {
                        return;
                    }
                    if let Some(word) = block.word_at((first + at) % slots) {
                        visit(EntryRef::new(Entry::from_address(address_of(word))));
                        seen += 1;
                    }
                }
            }
            hash = last.wrapping_add(1);
        }
        if seen == 0
            && let Some(entry) = self.random(rng)
        {
            visit(entry);
        }
    }

    /// Visits `count` random entries among those with a deadline, some perhaps twice.
    pub fn sample_volatile(&self, count: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(EntryRef<'_, V>)) {
        for _ in 0..count {
            match self.random_volatile(rng) {
                Some(entry) => visit(entry),
                None => return,
            }
        }
    }

    /// A random entry among those with a deadline.
    pub fn random_volatile(&self, rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        self.resolve(self.expires.random(rng)?)
    }

    /// The entry with the earliest deadline, if that is at or before `now_ms`.
    pub fn next_due(&self, now_ms: i64) -> Option<EntryRef<'_, V>> {
        let due = self.expires.first()?;
        if due.0 > now_ms { None } else { self.resolve(due) }
    }

    /// The earliest deadline in Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.expires.first().map(|due| due.0)
    }

    /// The mean of the deadlines in Unix milliseconds.
    pub fn mean_deadline_ms(&self) -> Option<i64> {
        self.expires.mean()
    }

    /// The key whose object has the earliest deadline inside that is due, if one is.
    pub fn next_inner_due(&self, now_ms: i64) -> Option<EntryRef<'_, V>> {
        let (deadline, hash) = self.inner_expires.first().filter(|due| due.0 <= now_ms)?;
        // SAFETY: the tree hands out live entries of this borrowed table.
        unsafe {
            let is_it = |entry: Entry<V>| {
                inner_deadline_ms(entry.payload()) == Some(deadline) && self.hash(entry.key()) == hash
            };
            self.tree.find(hash, is_it).map(|place| EntryRef::new(place.entry))
        }
    }

    /// The earliest deadline inside an object, in Unix milliseconds.
    #[inline]
    pub fn next_inner_deadline_ms(&self) -> Option<i64> {
        if self.inner_expires.len() == 0 { None } else { self.inner_expires.first().map(|due| due.0) }
    }

    /// The entry with this deadline and hash.
    fn resolve(&self, (deadline, hash): (i64, u64)) -> Option<EntryRef<'_, V>> {
        // SAFETY: the tree hands out live entries of this borrowed table.
        unsafe {
            let is_it = |entry: Entry<V>| entry.expire_ms() == Some(deadline) && self.hash(entry.key()) == hash;
            self.tree.find(hash, is_it).map(|place| EntryRef::new(place.entry))
        }
    }
}

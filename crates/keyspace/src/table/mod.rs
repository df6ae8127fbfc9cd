//! The hash table of one database: key → (value, optional expiry), with snapshots taken in microseconds.
//!
//! Owns the memory of keys, small values and expiry times, the walk of snapshots beside a writing executor, SCAN
//! order, and the index of deadlines. It knows no Redis types: a value is bytes, an integer, or an opaque `V`.
//!
//! Read `reclaim.rs` first: the rule there is what makes the rest sound. Then `tree.rs` (nodes and how they change
//! shape), `chunk.rs`, `block.rs`, `entry.rs` (their memory), `snapshot.rs` (the walker), `scan.rs`, `expires.rs`.

mod block;
mod chunk;
mod edit;
mod entry;
mod expires;
mod prepared;
mod reclaim;
mod scan;
mod shape;
mod snapshot;
mod sync;
#[cfg(test)]
mod tests;
mod tree;

pub use edit::{EntryMut, Found};
pub use entry::{EntryRef, NewValue, OwnedValue, Payload};
pub use prepared::{KeyHasher, Prepared};
pub use reclaim::{Costly, Garbage, Reclaim};
pub use snapshot::TableSnapshots;

use block::{fill_max, slot_word, tag_of};
use entry::Entry;
use expires::Expires;
use reclaim::Domain;
use sync::{Arc, Ordering};
use tree::{Place, Tree};

/// What an object must be: O(1) to clone or small (a write beside a snapshot clones it), droppable on any thread, aligned to 8.
pub trait Value: Clone + Send + Sync + 'static {
    /// The earliest deadline of what is inside, in Unix milliseconds: of the fields of a hash. O(1).
    fn inner_deadline_ms(&self) -> Option<i64> {
        None
    }

    /// Bytes that it points to. O(1), and the same as long as nobody changes it.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// Whether dropping the last reference takes so long that another thread should do it. O(1).
    fn is_costly(&self) -> bool {
        false
    }

    /// Drops it, with a call of `between` now and then if that takes long.
    fn drop_in_pieces(self, between: &mut impl FnMut()) {
        drop(self);
        between();
    }
}

/// An entry taken out of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<V> {
    /// What it held.
    pub value: OwnedValue<V>,
    /// Its deadline in Unix milliseconds.
    pub expire_ms: Option<i64>,
    /// Its LRU or LFU word.
    pub lru: u32,
}

/// Memory of one table in bytes, without what objects point to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableMemory {
    /// Root, chunks and blocks.
    pub nodes: usize,
    /// Entries: headers, keys, inline values.
    pub entries: usize,
    /// The indexes of deadlines.
    pub expires: usize,
}

/// A hash table of keys.
pub struct Table<V> {
    tree: Tree<V>,
    len: usize,
    entry_bytes: usize,
    expires: Expires,
    /// Deadlines inside objects: the earliest of each object that has one.
    inner_expires: Expires,
    id: u32,
    hasher: KeyHasher,
    domain: Arc<Domain<V>>,
}

impl<V: Value> Table<V> {
    /// An empty table. Every mutating call must be given this same `reclaim` (checked, panics otherwise).
    pub fn new(seed: [u64; 2], reclaim: &Reclaim<V>) -> Table<V> {
        let domain = Arc::clone(reclaim.domain());
        Table {
            tree: Tree::new(reclaim.current()),
            len: 0,
            entry_bytes: 0,
            expires: Expires::default(),
            inner_expires: Expires::default(),
            id: domain.table_id(),
            hasher: KeyHasher::new(seed),
            domain,
        }
    }

    /// Unique among all tables of one `Reclaim`.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Number of keys.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of keys with a deadline.
    pub fn expires_len(&self) -> usize {
        self.expires.len()
    }

    /// Number of keys whose object has a deadline inside.
    pub fn inner_expires_len(&self) -> usize {
        self.inner_expires.len()
    }

    /// Memory of the table.
    pub fn memory(&self) -> TableMemory {
        let expires = self.expires.memory_bytes() + self.inner_expires.memory_bytes();
        TableMemory { nodes: self.tree.node_bytes(), entries: self.entry_bytes, expires }
    }

    /// The hash of a key, wanted by most calls; never show it to a client.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// What makes the hashes of this table.
    pub fn hasher(&self) -> KeyHasher {
        self.hasher.clone()
    }

    /// Asks the processor to load the block line of this hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.tree.block(hash).prefetch(hash);
    }

    /// Asks the processor to load what inserting this hash will need.
    #[inline]
    pub fn prefetch_insert(&self, hash: u64) {
        let block = self.tree.block(hash);
        block.prefetch(hash);
        block.prefetch_header();
    }

    /// Asks the processor to load the entry of this hash: worth it some time after `prefetch`, before `find`.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        // The first entry with the tag is nearly always the one.
        let _ = self.tree.find(hash, |entry| {
            entry.prefetch();
            true
        });
    }

    /// Finds a key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_, V>> {
        let place = self.place(hash, key)?;
        // SAFETY: the entry lives in this table, which is borrowed.
        Some(unsafe { EntryRef::new(place.entry) })
    }

    #[inline]
    fn place(&self, hash: u64, key: &[u8]) -> Option<Place<V>> {
        // SAFETY: the tree hands out live entries.
        self.tree.find(hash, |entry| unsafe { entry.key() } == key)
    }

    /// Inserts or replaces; true if the key is new. `hash` is `self.hash(key)`, here and in all other calls.
    pub fn upsert(
        &mut self,
        reclaim: &mut Reclaim<V>,
        hash: u64,
        key: &[u8],
        value: NewValue<'_, V>,
        expire_ms: Option<i64>,
        lru: u32,
    ) -> bool {
        self.begin(reclaim);
        let inner = match &value {
            NewValue::Object(object) => object.inner_deadline_ms(),
            NewValue::Bytes(_) | NewValue::Int(_) => None,
        };
        let Some(place) = self.place(hash, key) else {
            let entry = Entry::new(key, value, expire_ms, lru);
            // SAFETY: made just now.
            let allocation = unsafe { entry.allocation() };
            self.insert(reclaim, hash, entry, allocation);
            self.index_deadline(hash, None, expire_ms);
            self.index_inner_deadline(hash, None, inner);
            return true;
        };
        let block = self.tree.writable(reclaim, self.id, hash);
        let entry = place.entry;
        // SAFETY: the slot is at the same index of the writable block. Rule 2 of `reclaim.rs` decides between writing the
        // entry in place and replacing it; a replaced one leaves its slot before it is disposed of.
        unsafe {
            let (before, inner_before) = (entry.expire_ms(), inner_deadline_ms(entry.payload()));
            self.entry_bytes -= entry.allocation();
            let new = if self.is_needed(reclaim, block, &place, hash) {
                let new = Entry::new(key, value, expire_ms, lru);
                block.replace(place.at, slot_word(tag_of(hash), new.address()));
                reclaim.dispose_value(entry, true, self.id, hash);
                new
            } else {
                reclaim.spare(entry);
                let new = entry.overwrite(key, value, expire_ms, lru);
                block.replace(place.at, slot_word(tag_of(hash), new.address()));
                new
            };
            self.entry_bytes += new.allocation();
            self.index_deadline(hash, before, expire_ms);
            self.index_inner_deadline(hash, inner_before, inner);
        }
        false
    }

    /// Puts in a key that must be new: it is handed back if it is there.
    pub fn insert_prepared(&mut self, reclaim: &mut Reclaim<V>, prepared: Prepared<V>) -> Result<(), Prepared<V>> {
        self.begin(reclaim);
        let hash = prepared.hash();
        // SAFETY: the tree hands out live entries. The prepared one is read only where a tag is the same.
        if self.tree.find(hash, |entry| unsafe { entry.key() } == prepared.key()).is_some() {
            return Err(prepared);
        }
        let allocation = prepared.allocation;
        self.insert(reclaim, hash, prepared.into_entry(), allocation);
        Ok(())
    }

    /// Puts the deadlines of prepared entries, and those inside their objects, into the indexes: pairs of a deadline in Unix
    /// milliseconds and the key's hash, best in order.
    pub fn index_deadlines(&mut self, deadlines: &[(i64, u64)], inner: &[(i64, u64)]) {
        deadlines.iter().for_each(|due| self.expires.insert(*due));
        inner.iter().for_each(|due| self.inner_expires.insert(*due));
    }

    /// Makes room for about so many keys in all, unless there are some already. It saves the work of growing, nothing else.
    pub fn reserve(&mut self, reclaim: &mut Reclaim<V>, keys: usize) {
        self.begin(reclaim);
        if self.len == 0 && reclaim.is_unwatched() {
            self.tree = Tree::with_room(keys, reclaim.current());
        }
    }

    /// Gives room back that was made for keys which did not come.
    pub fn settle(&mut self, reclaim: &mut Reclaim<V>) {
        self.begin(reclaim);
        self.tree.settle(reclaim, self.id, self.len);
    }

    /// Removes a key; false if it was not there.
    pub fn remove(&mut self, reclaim: &mut Reclaim<V>, hash: u64, key: &[u8]) -> bool {
        self.begin(reclaim);
        let Some(place) = self.place(hash, key) else { return false };
        // SAFETY: found just now.
        unsafe { self.remove_at(reclaim, hash, place) };
        true
    }

    /// # Safety
    /// `place` is where an entry of this hash stands.
    unsafe fn remove_at(&mut self, reclaim: &mut Reclaim<V>, hash: u64, place: Place<V>) {
        // SAFETY: the caller's promise; detached, so in no slot any more.
        unsafe {
            let (entry, needed) = self.detach(reclaim, hash, place);
            reclaim.dispose_value(entry, needed, self.id, hash);
        }
    }

    /// Removes a key and hands its value over.
    pub fn take(&mut self, reclaim: &mut Reclaim<V>, hash: u64, key: &[u8]) -> Option<Taken<V>> {
        self.begin(reclaim);
        let place = self.place(hash, key)?;
        // SAFETY: found just now; detached, so in no slot any more; if no snapshot needs it it is ours to take apart.
        unsafe {
            let (entry, needed) = self.detach(reclaim, hash, place);
            let (expire_ms, lru) = (entry.expire_ms(), entry.lru_cell().load(Ordering::Relaxed));
            let value = if needed {
                let value = entry.clone_value();
                reclaim.dispose_entry(entry, true, self.id, hash);
                value
            } else {
                entry.into_value()
            };
            Some(Taken { value, expire_ms, lru })
        }
    }

    /// Whether a snapshot needs the entry of a key as it is, so that a change is made to a copy.
    pub fn is_kept(&self, reclaim: &Reclaim<V>, hash: u64, key: &[u8]) -> bool {
        self.place(hash, key).is_some_and(|place| {
            let shared = place.shared || Tree::is_kept(reclaim, self.id, hash, place.block);
            shared && reclaim.newest_ahead(self.id, hash) != 0
        })
    }

    /// Makes an entry writable.
    pub fn edit(&mut self, reclaim: &mut Reclaim<V>, hash: u64, key: &[u8]) -> Option<EntryMut<'_, V>> {
        self.begin(reclaim);
        let mut place = self.place(hash, key)?;
        // SAFETY: found just now, and writable after that.
        unsafe {
            self.make_writable(reclaim, hash, &mut place);
            Some(EntryMut::new(self, place.block, place.at, hash, place.entry))
        }
    }

    /// Finds a key to read, change or remove it; the table itself if it is not there.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Result<Found<'_, V>, &mut Table<V>> {
        match self.place(hash, key) {
            // SAFETY: found just now.
            Some(place) => Ok(unsafe { Found::new(self, hash, place) }),
            None => Err(self),
        }
    }

    /// Makes the block and the entry of a place writable, by rules 1 and 2 of `reclaim.rs`; the place changes with them.
    ///
    /// # Safety
    /// `place` is where an entry of this hash stands.
    #[inline]
    unsafe fn make_writable(&mut self, reclaim: &mut Reclaim<V>, hash: u64, place: &mut Place<V>) {
        let block = self.tree.writable(reclaim, self.id, hash);
        // SAFETY: the slot is at the same index of the writable block; rule 2 of `reclaim.rs`.
        unsafe {
            // A block copied just now has all its slots shared.
            place.shared |= block != place.block;
            if self.is_needed(reclaim, block, place, hash) {
                let old = place.entry;
                place.entry = old.duplicate();
                place.shared = false;
                block.replace(place.at, slot_word(tag_of(hash), place.entry.address()));
                reclaim.dispose_entry(old, true, self.id, hash);
            }
            place.block = block;
        }
    }

    /// Hands the whole table over: freed in slices by `sweep`, or given out by `take_garbage`, when no snapshot needs it.
    pub fn retire(mut self, reclaim: &mut Reclaim<V>) {
        assert!(reclaim.is_domain_of(&self), "a table of another Reclaim");
        let bytes = self.tree.node_bytes() + self.entry_bytes;
        reclaim.retire_tree(std::mem::replace(&mut self.tree, Tree::freed()), self.id, bytes);
    }

    fn begin(&self, reclaim: &mut Reclaim<V>) {
        assert!(reclaim.is_domain_of(self), "a table of another Reclaim");
        reclaim.tick();
    }

    /// Whether a snapshot still ahead may see the entry, so that it must be replaced, not changed (rule 2).
    ///
    /// # Safety
    /// `block` is the writable block of the hash, live.
    #[inline]
    unsafe fn is_needed(&self, reclaim: &Reclaim<V>, block: block::Block, place: &Place<V>, hash: u64) -> bool {
        // A block copied just now has all its slots shared.
        (place.shared || block != place.block) && reclaim.newest_ahead(self.id, hash) != 0
    }

    fn insert(&mut self, reclaim: &mut Reclaim<V>, hash: u64, entry: Entry<V>, allocation: usize) {
        // SAFETY: the tree hands out live blocks; `writable` makes the block ours, `fill_max` leaves a free slot.
        unsafe {
            loop {
                let block = self.tree.block(hash);
                if block.count() < fill_max(block.lines()) {
                    break;
                }
                self.tree.grow(reclaim, self.id, hash, self.len, |key| self.hasher.hash(key));
            }
            let block = self.tree.writable(reclaim, self.id, hash);
            block.insert(slot_word(tag_of(hash), entry.address()));
            self.entry_bytes += allocation;
        }
        self.len += 1;
    }

    /// Takes an entry out of its slot; the second is true if a snapshot may still need it.
    ///
    /// # Safety
    /// `place` is where an entry of this hash stands.
    unsafe fn detach(&mut self, reclaim: &mut Reclaim<V>, hash: u64, place: Place<V>) -> (Entry<V>, bool) {
        let block = self.tree.writable(reclaim, self.id, hash);
        // SAFETY: the slot is at the same index of the writable block.
        let needed = unsafe {
            let needed = self.is_needed(reclaim, block, &place, hash);
            block.remove(place.at);
            self.entry_bytes -= place.entry.allocation();
            self.index_deadline(hash, place.entry.expire_ms(), None);
            self.index_inner_deadline(hash, inner_deadline_ms(place.entry.payload()), None);
            needed
        };
        self.len -= 1;
        self.tree.shrink(reclaim, self.id, hash);
        (place.entry, needed)
    }

    /// Keeps the index of deadlines true.
    fn index_deadline(&mut self, hash: u64, before: Option<i64>, after: Option<i64>) {
        self.expires.replace(hash, before, after);
    }

    /// Keeps the index of deadlines inside objects true: whoever changes an object through [`Table::edit`] calls this
    /// with the object's earliest deadline before and after.
    pub fn index_inner_deadline(&mut self, hash: u64, before: Option<i64>, after: Option<i64>) {
        self.inner_expires.replace(hash, before, after);
    }
}

/// The earliest deadline inside what an entry holds.
#[inline]
fn inner_deadline_ms<V: Value>(payload: Payload<'_, V>) -> Option<i64> {
    match payload {
        Payload::Object(object) => object.inner_deadline_ms(),
        Payload::Bytes(_) | Payload::Int(_) => None,
    }
}

impl<V> Table<V> {
    fn domain(&self) -> &Arc<Domain<V>> {
        &self.domain
    }

    fn tree(&self) -> &Tree<V> {
        &self.tree
    }
}

impl<V: Value> Table<V> {
    /// Drops it, with calls of `between` behind pieces of it, unless a snapshot still needs it.
    pub fn drop_in_pieces(mut self, between: &mut impl FnMut()) {
        // Acquire: what finished walkers read was read before. Nobody can take another snapshot of what is owned here.
        if self.domain.live.load(Ordering::Acquire) == 0 {
            Garbage::of_tree(std::mem::replace(&mut self.tree, Tree::freed())).drop_in_pieces(between);
        }
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        // Acquire: what finished walkers read was read before.
        if !self.tree.is_freed() && self.domain.live.load(Ordering::Acquire) > 0 {
            self.domain.adopt(std::mem::replace(&mut self.tree, Tree::freed()), self.id);
        }
    }
}

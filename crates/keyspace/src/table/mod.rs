//! The hash table of one database: key → (value, optional expiry), with snapshots taken in microseconds.
//!
//! Owns the memory of keys, small values and expiry times, the walk of snapshots beside a writing executor, SCAN
//! order, and the index of deadlines. It knows no Redis types: a value is bytes, an integer, or an opaque `V`.

use crate::table::skeleton::Opaque;
use std::marker::PhantomData;

mod skeleton {
    pub(super) type Opaque = ();
}

/// What an entry holds, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a, V> {
    /// A byte string stored inline.
    Bytes(&'a [u8]),
    /// An integer stored inline.
    Int(i64),
    /// Anything else.
    Object(&'a V),
}

/// What an entry shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue<'a, V> {
    /// A byte string below 4 GiB, copied into the entry.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// Anything else, moved in.
    Object(V),
}

/// A payload taken out of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedValue<V> {
    /// A byte string.
    Bytes(Vec<u8>),
    /// An integer.
    Int(i64),
    /// Anything else: moved out, or cloned if a snapshot still needs it.
    Object(V),
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

/// A key and its value, borrowed from a table or a snapshot.
pub struct EntryRef<'a, V> {
    _skeleton: PhantomData<&'a V>,
}

impl<'a, V> EntryRef<'a, V> {
    /// The key's bytes.
    pub fn key(&self) -> &'a [u8] {
        todo!()
    }
    /// The value.
    pub fn payload(&self) -> Payload<'a, V> {
        todo!()
    }
    /// The deadline in Unix milliseconds.
    pub fn expire_ms(&self) -> Option<i64> {
        todo!()
    }
    /// The LRU or LFU word.
    pub fn lru(&self) -> u32 {
        todo!()
    }
    /// Sets the LRU or LFU word: allowed on a shared entry too, snapshots may see either value.
    pub fn set_lru(&self, _lru: u32) {
        todo!()
    }
    /// Bytes of the entry's own allocation (without what an object points to).
    pub fn entry_bytes(&self) -> usize {
        todo!()
    }
}

/// An entry made writable: no snapshot sees what is done to it.
pub struct EntryMut<'a, V> {
    _skeleton: PhantomData<&'a mut V>,
}

impl<V: Clone + Send + Sync + 'static> EntryMut<'_, V> {
    /// For reading.
    pub fn as_ref(&self) -> EntryRef<'_, V> {
        todo!()
    }
    /// The object, if the entry holds one.
    pub fn object_mut(&mut self) -> Option<&mut V> {
        todo!()
    }
    /// The inline bytes, for a change that keeps their length.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        todo!()
    }
    /// Gives the inline bytes another length (new bytes are zero); `None` if the entry holds no bytes.
    pub fn resize_bytes(&mut self, _len: usize) -> Option<&mut [u8]> {
        todo!()
    }
    /// Replaces the value, keeping the deadline.
    pub fn set_value(&mut self, _value: NewValue<'_, V>) {
        todo!()
    }
    /// Sets or removes the deadline, in Unix milliseconds.
    pub fn set_expire(&mut self, _expire_ms: Option<i64>) {
        todo!()
    }
}

/// Counts snapshots and holds what they still need: one for all tables of a keyspace.
pub struct Reclaim<V> {
    _skeleton: PhantomData<V>,
}

impl<V: Clone + Send + Sync + 'static> Reclaim<V> {
    /// No snapshot, nothing retired.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Reclaim<V> {
        todo!()
    }
    /// Takes a snapshot of these tables. Panics if one was made with another `Reclaim`.
    pub fn snapshot(&mut self, _tables: &[&Table<V>]) -> TableSnapshots<V> {
        todo!()
    }
    /// Number of snapshots not yet finished.
    pub fn snapshots_live(&mut self) -> usize {
        todo!()
    }
    /// Frees up to `budget` retired items that no snapshot needs any more; true if more could be freed at once.
    pub fn sweep(&mut self, _budget: usize) -> bool {
        todo!()
    }
    /// A retired table (FLUSHALL) no snapshot needs: drop it on a free thread, or let `sweep` free it in slices.
    pub fn take_garbage(&mut self) -> Option<Garbage<V>> {
        todo!()
    }
    /// Bytes held only for snapshots.
    pub fn retired_bytes(&self) -> usize {
        todo!()
    }
}

/// A whole table nobody can reach any more; dropping it frees it.
pub struct Garbage<V> {
    _skeleton: PhantomData<V>,
}

/// Tables as they were at one moment, readable on another thread.
pub struct TableSnapshots<V> {
    _skeleton: PhantomData<V>,
}

impl<V: Clone + Send + Sync + 'static> TableSnapshots<V> {
    /// Number of tables.
    pub fn tables(&self) -> usize {
        todo!()
    }
    /// Keys of one table at that moment.
    pub fn len(&self, _table: usize) -> usize {
        todo!()
    }
    /// Keys with a deadline of one table at that moment.
    pub fn expires_len(&self, _table: usize) -> usize {
        todo!()
    }
    /// Visits the next block: false at the end, when the snapshot marks itself finished.
    /// The entries cannot outlive the call; everything of table 0 comes before table 1, and so on.
    pub fn next_block(&mut self, _visit: impl FnMut(usize, EntryRef<'_, V>)) -> bool {
        todo!()
    }
    /// Visits everything that is left.
    pub fn walk(&mut self, _visit: impl FnMut(usize, EntryRef<'_, V>)) {
        todo!()
    }
}

/// Memory of one table in bytes, without what objects point to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableMemory {
    /// Root, chunks and blocks.
    pub nodes: usize,
    /// Entries: headers, keys, inline values.
    pub entries: usize,
    /// The index of deadlines.
    pub expires: usize,
}

/// A hash table of keys.
pub struct Table<V> {
    _skeleton: PhantomData<V>,
    _opaque: Opaque,
}

impl<V: Clone + Send + Sync + 'static> Table<V> {
    /// An empty table. Every mutating call must be given this same `reclaim` (checked, panics otherwise).
    pub fn new(_seed: [u64; 2], _reclaim: &Reclaim<V>) -> Table<V> {
        todo!()
    }
    /// Unique among all tables of one `Reclaim`.
    pub fn id(&self) -> u32 {
        todo!()
    }
    /// Number of keys.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Number of keys with a deadline.
    pub fn expires_len(&self) -> usize {
        todo!()
    }
    /// Memory of the table.
    pub fn memory(&self) -> TableMemory {
        todo!()
    }
    /// The hash of a key, wanted by most calls; never show it to a client.
    pub fn hash(&self, _key: &[u8]) -> u64 {
        todo!()
    }
    /// Asks the processor to load the block line of this hash.
    pub fn prefetch(&self, _hash: u64) {
        todo!()
    }
    /// Finds a key.
    pub fn find(&self, _hash: u64, _key: &[u8]) -> Option<EntryRef<'_, V>> {
        todo!()
    }
    /// Inserts or replaces; true if the key is new.
    pub fn upsert(
        &mut self,
        _reclaim: &mut Reclaim<V>,
        _hash: u64,
        _key: &[u8],
        _value: NewValue<'_, V>,
        _expire_ms: Option<i64>,
        _lru: u32,
    ) -> bool {
        todo!()
    }
    /// Removes a key; false if it was not there.
    pub fn remove(&mut self, _reclaim: &mut Reclaim<V>, _hash: u64, _key: &[u8]) -> bool {
        todo!()
    }
    /// Removes a key and hands its value over.
    pub fn take(&mut self, _reclaim: &mut Reclaim<V>, _hash: u64, _key: &[u8]) -> Option<Taken<V>> {
        todo!()
    }
    /// Makes an entry writable.
    pub fn edit<'a>(&'a mut self, _reclaim: &'a mut Reclaim<V>, _hash: u64, _key: &[u8]) -> Option<EntryMut<'a, V>> {
        todo!()
    }
    /// SCAN: visits whole blocks from `cursor` until `count` entries were seen; returns the next cursor, 0 at the end.
    /// Every element present from the first call (cursor 0) to the last is visited at least once.
    pub fn scan(&self, _cursor: u64, _count: usize, _visit: impl FnMut(EntryRef<'_, V>)) -> u64 {
        todo!()
    }
    /// A random entry, nearly uniform.
    pub fn random(&self, _rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        todo!()
    }
    /// A random entry among those with a deadline.
    pub fn random_volatile(&self, _rng: &mut fastrand::Rng) -> Option<EntryRef<'_, V>> {
        todo!()
    }
    /// The entry with the earliest deadline, if that is at or before `now_ms`.
    pub fn next_due(&self, _now_ms: i64) -> Option<EntryRef<'_, V>> {
        todo!()
    }
    /// The earliest deadline in Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        todo!()
    }
    /// Hands the whole table over: freed in slices by `sweep`, or given out by `take_garbage`, when no snapshot needs it.
    pub fn retire(self, _reclaim: &mut Reclaim<V>) {
        todo!()
    }
}

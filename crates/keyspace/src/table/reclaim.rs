//! Which memory live snapshots still need, and when the rest is freed.
//!
//! # The rule that makes the table sound
//!
//! A snapshot has an epoch: taking it increments `current`. Nodes (chunks, blocks) are born with the epoch `current`
//! of their birth, and a snapshot `s` sees the nodes of its tables with epoch < `s`. A walker publishes how far it is in
//! (table, hash prefix) order *after* its last read there, with Release; the executor reads that with Acquire. A
//! snapshot is **ahead** of a hash while its walker has not passed it.
//!
//! 1. A node is written in place only if no snapshot that is ahead of its whole range sees it: epoch ≥ the newest such
//!    snapshot. Else it is copied, all slots of the copied block are marked SHARED, and the old node is retired.
//! 2. An entry in a writable block is written or freed only if its slot is not SHARED or no snapshot is ahead of it.
//!    Else it is replaced by a copy and retired. (Not SHARED means: put there after every snapshot still ahead was taken.)
//! 3. A retired item is freed when no snapshot taken before its retirement is ahead of it.
//! 4. Only the owner of `Reclaim` decides 1–3. Every mutating call has `&mut Reclaim`, and a table remembers its own.
//! 5. If tables or the `Reclaim` are dropped while a walker is alive, what they own goes to the `Domain`, which is freed
//!    by the last of tables, `Reclaim` and snapshots.

use super::block::Block;
use super::chunk::Chunk;
use super::entry::{Entry, Payload};
use super::snapshot::{TableSnapshots, TableView};
use super::sync::{Arc, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering};
use super::tree::Tree;
use super::{Table, Value};
use std::collections::BTreeMap;

/// Items freed on the side by one write while anything waits.
const FREED_PER_WRITE: usize = 4;
/// Retired items in one piece of a list: a longer list would be copied as it grows.
const PIECE_MAX: usize = 512;
/// Progress of a finished walker.
const FINISHED: u64 = u64::MAX;

/// What a walker and the executor share of one snapshot.
pub(super) struct Live {
    pub(super) epoch: u32,
    /// Table ids in walking order.
    pub(super) tables: Box<[u32]>,
    /// (position in `tables`) << 48 | (first hash not yet walked) >> 16. Block borders are multiples of 1 << 16.
    progress: AtomicU64,
}

impl Live {
    /// Publishes that all before this hash of this table was read for the last time.
    pub(super) fn publish(&self, position: usize, hash: u64) {
        self.progress.store((position as u64) << 48 | hash >> 16, Ordering::Release);
    }

    pub(super) fn finish(&self) {
        self.progress.store(FINISHED, Ordering::Release);
    }

    /// True if the snapshot has the table and its walker has not passed `last`.
    #[inline]
    fn is_ahead(&self, table: u32, last: u64) -> bool {
        let progress = self.progress.load(Ordering::Acquire);
        if progress == FINISHED {
            return false;
        }
        match self.tables.iter().position(|id| *id == table) {
            Some(position) => progress <= ((position as u64) << 48 | last >> 16),
            None => false,
        }
    }
}

/// What outlives the `Reclaim` if a walker does.
pub(super) struct Domain<V> {
    /// Snapshots not yet dropped.
    pub(super) live: AtomicUsize,
    table_next: AtomicU32,
    orphans: Mutex<Vec<Orphan<V>>>,
    orphaned: AtomicUsize,
}

/// Owned by nobody else any more, perhaps still read by a walker.
enum Orphan<V> {
    Table(Tree<V>, u32),
    #[expect(dead_code, reason = "held to be dropped")]
    Item(OwnedItem<V>),
}

/// Frees its item when dropped.
struct OwnedItem<V>(Retired, std::marker::PhantomData<V>);

impl<V> Drop for OwnedItem<V> {
    fn drop(&mut self) {
        // SAFETY: orphans are dropped with the domain, when no walker is left, and are in no other list.
        unsafe { self.0.free::<V>() };
    }
}

// SAFETY: the pointers inside are owned; entries hold V, which may be dropped on any thread (Send), and Mutex guards access.
unsafe impl<V: Send> Send for Domain<V> {}
// SAFETY: as above.
unsafe impl<V: Send> Sync for Domain<V> {}

impl<V> Domain<V> {
    /// Takes over a tree whose table was dropped beside a live walker.
    pub(super) fn adopt(&self, tree: Tree<V>, table: u32) {
        let mut orphans = self.orphans.lock().expect("never poisoned: nothing panics inside");
        orphans.push(Orphan::Table(tree, table));
        self.orphaned.store(orphans.len(), Ordering::Release);
    }

    pub(super) fn table_id(&self) -> u32 {
        let id = self.table_next.fetch_add(1, Ordering::Relaxed);
        assert!(id != u32::MAX, "four billion tables");
        id
    }
}

/// A retired node or entry: 24 bytes, for there may be millions.
#[derive(Clone, Copy)]
struct Retired {
    /// Entry address, block word or chunk address, with a `What` in the low bits.
    what: u64,
    last: u64,
    /// `current` at retirement: only snapshots up to this one may need it.
    epoch: u32,
    table: u32,
}

const ENTRY: u64 = 0;
const BLOCK: u64 = 1;
const CHUNK: u64 = 2;
/// An entry whose object is used by nobody but snapshots: it counts in full.
const VALUE: u64 = 3;
const WHAT: u64 = 3;

impl Retired {
    /// # Safety
    /// Nobody uses the item now or later; entries are of this `V`.
    unsafe fn free<V>(self) {
        let word = self.what & !WHAT;
        // SAFETY: the caller's promise, and `what` was made from such a pointer.
        unsafe {
            match self.what & WHAT {
                ENTRY | VALUE => Entry::<V>::from_address(word).free(),
                BLOCK => Block::from_word(word).free(),
                _ => Chunk::from_address(word).free(),
            }
        }
    }

    /// # Safety
    /// Live; entries are of this `V`.
    unsafe fn bytes<V: Value>(self) -> usize {
        let word = self.what & !WHAT;
        // SAFETY: the caller's promise.
        unsafe {
            match self.what & WHAT {
                ENTRY => Entry::<V>::from_address(word).allocation(),
                VALUE => {
                    let entry = Entry::<V>::from_address(word);
                    entry.allocation() + object_bytes(entry)
                }
                BLOCK => Block::from_word(word).allocation(),
                _ => Chunk::from_address(word).allocation(),
            }
        }
    }
}

/// What the object of an entry points to, in bytes.
///
/// # Safety
/// Live.
unsafe fn object_bytes<V: Value>(entry: Entry<V>) -> usize {
    // SAFETY: the caller's promise.
    match unsafe { entry.payload() } {
        Payload::Object(object) => object.memory_bytes(),
        Payload::Bytes(_) | Payload::Int(_) => 0,
    }
}

/// A live snapshot, and the retired items that wait for it, by where in its walk they stand.
struct Watched {
    live: Arc<Live>,
    /// Key: position of the table << 8 | the first 8 hash bits.
    waiting: BTreeMap<u32, Vec<Vec<Retired>>>,
}

struct DeadTable<V> {
    tree: Tree<V>,
    table: u32,
    epoch: u32,
    /// As long as nothing of it is freed. What objects point to is in it as far as they are counted.
    bytes: usize,
    /// The first hash whose objects are not counted yet; None: all are.
    uncounted_from: Option<u64>,
}

/// A whole table that no snapshot needs any more; dropping it frees it.
pub struct Garbage<V> {
    tree: Tree<V>,
    bytes: usize,
}

/// Entries that garbage is dropped by: some tens of microseconds.
const DROPPED_AT_ONCE: usize = 512;

impl<V> Garbage<V> {
    /// What it takes, in bytes: of what objects point to only what was counted.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

impl<V: Value> Garbage<V> {
    pub(super) fn of_tree(tree: Tree<V>) -> Garbage<V> {
        Garbage { tree, bytes: 0 }
    }

    /// Drops it, with calls of `between` behind every few hundred entries and behind pieces of large objects.
    pub fn drop_in_pieces(mut self, between: &mut impl FnMut()) {
        while !self.tree.is_freed() {
            self.tree.free_some_with(DROPPED_AT_ONCE, |object| {
                if object.is_costly() {
                    object.drop_in_pieces(between);
                }
            });
            between();
        }
    }
}

/// What takes long to drop, so that it is to be dropped where that disturbs nobody.
pub struct Costly<V> {
    /// References to objects whose entries are gone.
    pub objects: Vec<V>,
    /// References to objects that hold, among what may be in use, what is used nowhere else any more.
    pub parts: Vec<V>,
    /// How much memory all this holds that nothing else does, in bytes.
    pub bytes: usize,
}

impl<V> Costly<V> {
    fn none() -> Costly<V> {
        Costly { objects: Vec::new(), parts: Vec::new(), bytes: 0 }
    }

    /// Whether there is nothing to drop.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.parts.is_empty()
    }
}

impl<V: Value> Costly<V> {
    /// Drops it, with calls of `between` behind pieces of it.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        self.objects.into_iter().chain(self.parts).for_each(|object| object.drop_in_pieces(between));
    }
}

/// Counts snapshots and holds what they still need: one for all tables of a keyspace.
pub struct Reclaim<V> {
    domain: Arc<Domain<V>>,
    current: u32,
    /// In order of epoch.
    watched: Vec<Watched>,
    /// Passed by the snapshot they waited for; perhaps another is ahead of them.
    ready: Vec<Vec<Retired>>,
    dead: Vec<DeadTable<V>>,
    costly: Costly<V>,
    /// Anything of `watched`, `ready` and `dead`: `FREED_PER_WRITE` has work.
    busy: bool,
    retired_bytes: usize,
}

// SAFETY: retired pointers are owned by the Reclaim; what is behind them is Send (V) and read elsewhere only as &V (Sync).
unsafe impl<V: Send + Sync> Send for Reclaim<V> {}

impl<V: Value> Default for Reclaim<V> {
    fn default() -> Self {
        Reclaim::new()
    }
}

impl<V: Value> Reclaim<V> {
    /// No snapshot, nothing retired.
    pub fn new() -> Reclaim<V> {
        let domain = Domain {
            live: AtomicUsize::new(0),
            table_next: AtomicU32::new(0),
            orphans: Mutex::new(Vec::new()),
            orphaned: AtomicUsize::new(0),
        };
        Reclaim {
            domain: Arc::new(domain),
            current: 0,
            watched: Vec::new(),
            ready: Vec::new(),
            dead: Vec::new(),
            costly: Costly::none(),
            busy: false,
            retired_bytes: 0,
        }
    }

    /// Takes a snapshot of these tables. Panics if one was made with another `Reclaim`.
    pub fn snapshot(&mut self, tables: &[&Table<V>]) -> TableSnapshots<V> {
        assert!(tables.len() < 1 << 15, "more tables than a walker can number");
        assert!(tables.iter().all(|table| self.is_domain_of(table)), "a table of another Reclaim");
        self.current = self.current.checked_add(1).expect("four billion snapshots");
        let ids = tables.iter().map(|table| table.id()).collect();
        let live = Arc::new(Live { epoch: self.current, tables: ids, progress: AtomicU64::new(0) });
        self.domain.live.fetch_add(1, Ordering::Relaxed);
        self.watched.push(Watched { live: Arc::clone(&live), waiting: BTreeMap::new() });
        self.busy = true;
        TableSnapshots::new(live, Arc::clone(&self.domain), tables.iter().map(|table| TableView::of(table)).collect())
    }

    /// Number of snapshots not yet finished.
    pub fn snapshots_live(&mut self) -> usize {
        self.collect_passed();
        self.watched.len()
    }

    /// Frees up to `budget` retired items that no snapshot needs any more; true if more could be freed at once.
    pub fn sweep(&mut self, budget: usize) -> bool {
        self.absorb_orphans();
        let left = self.free_items(budget);
        let left = self.free_tables(left);
        self.busy = !(self.watched.is_empty() && self.ready.is_empty() && self.dead.is_empty());
        left == 0 && self.busy
    }

    /// A retired table (FLUSHALL) that no snapshot needs: drop it on a free thread, or let `sweep` free it in slices.
    pub fn take_garbage(&mut self) -> Option<Garbage<V>> {
        self.absorb_orphans();
        let at = self.dead.iter().position(|dead| !self.is_table_needed(dead))?;
        let dead = self.dead.swap_remove(at);
        Some(Garbage { tree: dead.tree, bytes: dead.bytes })
    }

    /// What took too long to be dropped since the last call.
    pub fn take_costly(&mut self) -> Costly<V> {
        std::mem::replace(&mut self.costly, Costly::none())
    }

    /// Bytes of replaced entries and nodes held only for snapshots (whole retired tables not counted).
    pub fn retired_bytes(&self) -> usize {
        self.retired_bytes
    }

    /// Whether a retired table that no snapshot needs waits to be taken.
    pub fn has_garbage(&self) -> bool {
        self.dead.iter().any(|dead| !self.is_table_needed(dead))
    }

    /// Counts what the objects of retired tables point to that snapshots need, of about `budget` entries: whether there is
    /// more to count. Not known when a table is retired: to add it up there would take as long as freeing it.
    pub fn count_dead(&mut self, budget: usize) -> bool {
        let mut left = budget;
        for at in 0..self.dead.len() {
            if !self.is_table_needed(&self.dead[at]) {
                continue; // Perhaps freed in part. It is about to go.
            }
            let dead = &mut self.dead[at];
            while let Some(hash) = dead.uncounted_from {
                if left == 0 {
                    return true;
                }
                let mut bytes = 0;
                // SAFETY: the tree's entries are live.
                let (count, next) = dead.tree.visit_block(hash, |entry| bytes += unsafe { object_bytes(entry) });
                dead.bytes += bytes;
                dead.uncounted_from = next;
                left = left.saturating_sub(count + 1);
            }
        }
        false
    }

    /// Bytes that are not freed yet although nobody but snapshots uses them. Of whole retired tables what `count_dead` has
    /// counted; objects that share count once each.
    pub fn dead_bytes(&self) -> usize {
        let tables: usize = self.dead.iter().map(|dead| dead.bytes).sum();
        self.retired_bytes + self.costly.bytes + tables
    }

    pub(super) fn domain(&self) -> &Arc<Domain<V>> {
        &self.domain
    }

    pub(super) fn is_domain_of(&self, table: &Table<V>) -> bool {
        Arc::ptr_eq(&self.domain, table.domain())
    }

    /// The epoch of nodes born now.
    #[inline]
    pub(super) fn current(&self) -> u32 {
        self.current
    }

    /// Called once by every write: frees a little. Whole tables are left alone: they may hold costly objects, and wait for
    /// `take_garbage`.
    #[inline]
    pub(super) fn tick(&mut self) {
        if self.busy {
            self.free_items(FREED_PER_WRITE);
        }
    }

    /// To be called before an entry is freed or overwritten: keeps its object from being dropped with it if that is costly.
    ///
    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn spare(&mut self, entry: Entry<V>) {
        // SAFETY: the caller's promise.
        if let Payload::Object(object) = unsafe { entry.payload() }
            && object.is_costly()
        {
            self.costly.bytes += object.memory_bytes();
            self.costly.objects.push(object.clone());
        }
    }

    /// Takes a reference to an object of which parts go: with its drop so many bytes are free.
    pub(crate) fn spare_parts(&mut self, object: V, bytes: usize) {
        self.costly.bytes += bytes;
        self.costly.parts.push(object);
    }

    /// Whether no snapshot is known to be unfinished.
    #[inline]
    pub(super) fn is_unwatched(&self) -> bool {
        self.watched.is_empty()
    }

    /// The newest snapshot that is ahead of some hash up to `last`; 0 if none is.
    #[inline]
    pub(super) fn newest_ahead(&self, table: u32, last: u64) -> u32 {
        if self.watched.is_empty() {
            return 0;
        }
        let ahead = self.watched.iter().rev().find(|watched| watched.live.is_ahead(table, last));
        ahead.map_or(0, |watched| watched.live.epoch)
    }

    /// Frees the entry, now or when no snapshot needs it.
    ///
    /// # Safety
    /// The executor will not use it again. If it was not SHARED, no snapshot ahead of its hash sees it.
    pub(super) unsafe fn dispose_entry(&mut self, entry: Entry<V>, shared: bool, table: u32, hash: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.dispose(entry, ENTRY, shared, table, hash) }
    }

    /// As `dispose_entry`, and its object is used nowhere else.
    ///
    /// # Safety
    /// As `dispose_entry`.
    pub(super) unsafe fn dispose_value(&mut self, entry: Entry<V>, shared: bool, table: u32, hash: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.dispose(entry, VALUE, shared, table, hash) }
    }

    /// # Safety
    /// As `dispose_entry`.
    unsafe fn dispose(&mut self, entry: Entry<V>, what: u64, shared: bool, table: u32, hash: u64) {
        if shared && self.newest_ahead(table, hash) != 0 {
            self.retire(entry.address() | what, table, hash);
        } else {
            // SAFETY: rule 2: nobody sees it.
            unsafe {
                self.spare(entry);
                entry.free();
            }
        }
    }

    /// Frees the block node, now or when no snapshot needs it.
    ///
    /// # Safety
    /// It is in no directory the executor will use again.
    pub(super) unsafe fn dispose_block(&mut self, block: Block, table: u32, last: u64) {
        // SAFETY: rule 1 for the free.
        unsafe {
            if self.newest_ahead(table, last) > block.epoch() {
                self.retire(block.word() | BLOCK, table, last);
            } else {
                block.free();
            }
        }
    }

    /// Frees the chunk node, now or when no snapshot needs it.
    ///
    /// # Safety
    /// As `dispose_block`.
    pub(super) unsafe fn dispose_chunk(&mut self, chunk: Chunk, table: u32, last: u64) {
        // SAFETY: rule 1 for the free.
        unsafe {
            if self.newest_ahead(table, last) > chunk.epoch() {
                self.retire(chunk.address() | CHUNK, table, last);
            } else {
                chunk.free();
            }
        }
    }

    fn retire(&mut self, what: u64, table: u32, last: u64) {
        let item = Retired { what, last, epoch: self.current, table };
        // SAFETY: just retired, so live.
        self.retired_bytes += unsafe { item.bytes::<V>() };
        if !self.wait(item) {
            // A walker passed meanwhile: it is freed with the next ready ones.
            self.ready.push(vec![item]);
        }
    }

    /// Lets the item wait for a snapshot that needs it; false if none does.
    fn wait(&mut self, item: Retired) -> bool {
        let needs =
            |watched: &&mut Watched| watched.live.epoch <= item.epoch && watched.live.is_ahead(item.table, item.last);
        let Some(watched) = self.watched.iter_mut().find(needs) else { return false };
        let position = watched.live.tables.iter().position(|id| *id == item.table).expect("it is ahead of the item");
        let key = (position as u32) << 8 | (item.last >> 56) as u32;
        let pieces = watched.waiting.entry(key).or_default();
        match pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_MAX => piece.push(item),
            _ => pieces.push(vec![item]),
        }
        true
    }

    /// Moves what finished or advanced walkers have passed to `ready`.
    fn collect_passed(&mut self) {
        let ready = &mut self.ready;
        self.watched.retain_mut(|watched| {
            let progress = watched.live.progress.load(Ordering::Acquire);
            while let Some(first) = watched.waiting.first_entry() {
                if progress >> 40 <= u64::from(*first.key()) {
                    break;
                }
                ready.append(&mut first.remove());
            }
            progress != FINISHED
        });
    }

    /// Frees ready items; returns what is left of the budget.
    fn free_items(&mut self, budget: usize) -> usize {
        let mut left = budget;
        if self.ready.is_empty() {
            self.collect_passed();
        }
        while left > 0 {
            let Some(items) = self.ready.last_mut() else { break };
            let Some(item) = items.pop() else {
                self.ready.pop();
                continue;
            };
            left -= 1;
            if !self.wait(item) {
                // SAFETY: rule 3, checked by `wait`; the item is in no list any more.
                unsafe {
                    if matches!(item.what & WHAT, ENTRY | VALUE) {
                        self.spare(Entry::from_address(item.what & !WHAT));
                    }
                    self.retired_bytes -= item.bytes::<V>();
                    item.free::<V>();
                }
            }
        }
        left
    }

    fn is_table_needed(&self, dead: &DeadTable<V>) -> bool {
        let needs = |watched: &Watched| watched.live.epoch <= dead.epoch && watched.live.is_ahead(dead.table, u64::MAX);
        self.watched.iter().any(needs)
    }

    /// Frees parts of dead tables; returns what is left of the budget.
    fn free_tables(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some(at) = self.dead.iter().position(|dead| !self.is_table_needed(dead)) else { break };
            left -= self.dead[at].tree.free_some(left);
            if self.dead[at].tree.is_freed() {
                self.dead.swap_remove(at);
            }
        }
        left
    }

    /// Takes over a whole table.
    pub(super) fn retire_tree(&mut self, tree: Tree<V>, table: u32, bytes: usize) {
        self.dead.push(DeadTable { tree, table, epoch: self.current, bytes, uncounted_from: Some(0) });
        self.busy = true;
    }

    fn absorb_orphans(&mut self) {
        if self.domain.orphaned.load(Ordering::Acquire) == 0 {
            return;
        }
        let domain = Arc::clone(&self.domain);
        let mut orphans = domain.orphans.lock().expect("never poisoned: nothing panics inside");
        for orphan in orphans.drain(..) {
            match orphan {
                Orphan::Table(tree, table) => {
                    let bytes = tree.node_bytes();
                    self.retire_tree(tree, table, bytes);
                }
                Orphan::Item(_) => unreachable!("items are orphaned by the end of the Reclaim only"),
            }
        }
        domain.orphaned.store(0, Ordering::Release);
    }
}

impl<V> Drop for Reclaim<V> {
    fn drop(&mut self) {
        let waiting = self.watched.iter_mut().flat_map(|watched| std::mem::take(&mut watched.waiting).into_values());
        let items = waiting.flatten().chain(self.ready.drain(..)).flatten().collect::<Vec<_>>();
        let mut orphans = self.domain.orphans.lock().expect("never poisoned: nothing panics inside");
        orphans.extend(items.into_iter().map(|item| Orphan::Item(OwnedItem(item, std::marker::PhantomData))));
        orphans.extend(self.dead.drain(..).map(|dead| Orphan::Table(dead.tree, dead.table)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walker_is_ahead_of_the_hash_it_stands_at_and_not_of_the_one_before() {
        let live = Live { epoch: 1, tables: Box::new([7, 9]), progress: AtomicU64::new(0) };
        let stop = 5 << 60;
        assert!(live.is_ahead(7, 0) && live.is_ahead(9, 0), "before it begins");
        live.publish(0, stop);
        assert!(live.is_ahead(7, stop) && live.is_ahead(7, stop | 0xffff) && live.is_ahead(9, 0));
        assert!(!live.is_ahead(7, stop - 1));
        live.publish(1, 0);
        assert!(!live.is_ahead(7, u64::MAX) && live.is_ahead(9, 0));
        assert!(!live.is_ahead(8, 0), "not in the snapshot");
        live.publish(2, 0);
        assert!(!live.is_ahead(9, u64::MAX));
        live.publish(0, 0);
        live.finish();
        assert!(!live.is_ahead(7, 0));
    }
}

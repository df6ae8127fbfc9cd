//! The reader's side of a snapshot: walks blocks in (table, hash prefix) order and publishes how far it is.
//!
//! Invariant: everything reachable from the cloned roots at or after the published progress stays allocated and
//! unchanged (but LRU words) while the snapshot is alive; see the rule in `reclaim.rs`. After publishing, nothing before
//! the new progress is touched again.

use super::block::address_of;
use super::chunk::{Chunk, bits_at};
use super::entry::{Entry, EntryRef};
use super::reclaim::{Domain, Live};
use super::sync::{Arc, Ordering};
use super::{Table, Value};

/// One table as it was.
pub(super) struct TableView {
    root: Vec<Chunk>,
    root_depth: u8,
    len: usize,
    expires_len: usize,
    inner_expires_len: usize,
}

impl TableView {
    pub(super) fn of<V: Value>(table: &Table<V>) -> TableView {
        let (root, root_depth) = table.tree().root();
        TableView {
            root: root.to_vec(),
            root_depth,
            len: table.len(),
            expires_len: table.expires_len(),
            inner_expires_len: table.inner_expires_len(),
        }
    }
}

/// Tables as they were at one moment, readable on another thread.
pub struct TableSnapshots<V> {
    live: Arc<Live>,
    domain: Arc<Domain<V>>,
    views: Vec<TableView>,
    /// Where the walk is: table and first hash not yet walked.
    table: usize,
    hash: u64,
}

// SAFETY: the chunks are only read, under the file's invariant; V is read as &V elsewhere (Sync), and the domain that
// may be freed here drops V (Send).
unsafe impl<V: Send + Sync> Send for TableSnapshots<V> {}

impl<V: Value> TableSnapshots<V> {
    pub(super) fn new(live: Arc<Live>, domain: Arc<Domain<V>>, views: Vec<TableView>) -> TableSnapshots<V> {
        TableSnapshots { live, domain, views, table: 0, hash: 0 }
    }

    /// Number of tables.
    pub fn tables(&self) -> usize {
        self.views.len()
    }

    /// Keys of one table at that moment. Panics if there is no such table, as `expires_len` does.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self, table: usize) -> usize {
        self.views[table].len
    }

    /// Keys with a deadline of one table at that moment.
    pub fn expires_len(&self, table: usize) -> usize {
        self.views[table].expires_len
    }

    /// Keys of one table whose objects had deadlines inside at that moment.
    pub fn inner_expires_len(&self, table: usize) -> usize {
        self.views[table].inner_expires_len
    }

    /// Visits the next block: false at the end, when the snapshot has marked itself finished.
    /// Everything of table 0 comes before table 1, and so on.
    pub fn next_block(&mut self, mut visit: impl FnMut(usize, EntryRef<'_, V>)) -> bool {
        let Some(view) = self.views.get(self.table) else {
            self.live.finish();
            return false;
        };
        let chunk = view.root[bits_at(self.hash, 0, view.root_depth)];
        // SAFETY: the file's invariant: not yet walked, so live and unchanging until published below.
        let depth = unsafe {
            let block = chunk.block(self.hash);
            for word in block.words() {
                base::prefetch(std::ptr::with_exposed_provenance(address_of(word) as usize));
            }
            for word in block.words() {
                visit(self.table, EntryRef::new(Entry::from_address(address_of(word))));
            }
            block.depth()
        };
        let span = 1u64.checked_shl(64 - u32::from(depth));
        match span.and_then(|span| self.hash.checked_add(span)) {
            Some(next) => self.hash = next,
            None => {
                self.table += 1;
                self.hash = 0;
            }
        }
        self.live.publish(self.table, self.hash);
        true
    }

    /// Visits everything that is left.
    pub fn walk(&mut self, mut visit: impl FnMut(usize, EntryRef<'_, V>)) {
        while self.next_block(&mut visit) {}
    }
}

impl<V> Drop for TableSnapshots<V> {
    fn drop(&mut self) {
        self.live.finish();
        self.domain.live.fetch_sub(1, Ordering::Release);
    }
}

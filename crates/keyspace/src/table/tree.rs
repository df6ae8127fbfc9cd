//! The nodes of one table and how they change shape: root → chunks → blocks, by leading hash bits.
//!
//! A block grows by lines, then splits; a chunk's directory doubles up to 512 words, then the chunk splits; the root
//! doubles. The other way round, small buddies merge, directories and the root halve. Each step touches one block, one
//! chunk or the root: there is no rehash.
//!
//! Invariant: for every hash, `root[first bits]` is a live chunk whose prefix it has, and that chunk's word is a live
//! block whose prefix it has. A chunk (block) of less depth than its directory decides stands in all words of its prefix
//! and in no others. The tree owns its chunks, blocks and the entries in their slots.

use super::Value;
use super::block::{Block, LINES_MAX, SHARED, address_of, fill_max, lines_for, tag_of};
use super::chunk::{BITS_MAX, Chunk, bits_at, first_of, last_of};
use super::entry::Entry;
use super::reclaim::Reclaim;
use std::marker::PhantomData;

/// Block borders are multiples of 1 << 16, see the walker's progress.
const DEPTH_MAX: u8 = 48;
/// Buddies merge when they have at most so many keys together.
const MERGE_MAX: usize = 48;
/// Keys for which a block is made at first. Twice the spread of random numbers lies between this and a block that splits.
const ROOMY_BLOCK_MAX: usize = 80;
/// Chunk buddies merge when both directories decide at most so many bits.
const MERGE_BITS_MAX: u8 = 6;

/// Root, chunks, blocks, and the entries in them.
pub(super) struct Tree<V> {
    /// Empty only when the tree was freed.
    root: Vec<Chunk>,
    root_depth: u8,
    chunk_and_block_bytes: usize,
    /// While being freed in slices: all before this hash is freed.
    freed_to: u64,
    _entries: PhantomData<V>,
}

// SAFETY: the tree owns its nodes and entries; entries hold V, of which walkers on other threads have &V only.
unsafe impl<V: Send + Sync> Send for Tree<V> {}

/// Where a key stands.
pub(super) struct Place<V> {
    pub(super) block: Block,
    pub(super) at: usize,
    pub(super) shared: bool,
    pub(super) entry: Entry<V>,
}

impl<V> Tree<V> {
    /// One chunk with one block.
    pub(super) fn new(epoch: u32) -> Tree<V> {
        let block = Block::new(1, 0, epoch);
        let chunk = Chunk::new(0, 0, epoch, |_| block);
        // SAFETY: fresh.
        let bytes = unsafe { chunk.allocation() } + block.allocation();
        Tree { root: vec![chunk], root_depth: 0, chunk_and_block_bytes: bytes, freed_to: 0, _entries: PhantomData }
    }

    /// An empty tree in which so many keys need no split.
    pub(super) fn with_room(keys: usize, epoch: u32) -> Tree<V> {
        let blocks = (keys / ROOMY_BLOCK_MAX + 1).next_power_of_two();
        let depth = (blocks.trailing_zeros() as u8).min(DEPTH_MAX);
        let bits = depth.min(BITS_MAX);
        // Most blocks get more than that, by a step or two: it saves the first steps.
        let lines = lines_for(keys / blocks * 3 / 4).min(LINES_MAX);
        let (root_depth, mut bytes) = (depth - bits, 0);
        let chunk = || {
            let chunk = Chunk::new(root_depth, bits, epoch, |_| Block::new(lines, depth, epoch));
            // SAFETY: fresh.
            bytes += unsafe { chunk.allocation() } + ((lines * 64) << bits);
            chunk
        };
        let root = std::iter::repeat_with(chunk).take(1 << root_depth).collect();
        Tree { root, root_depth, chunk_and_block_bytes: bytes, freed_to: 0, _entries: PhantomData }
    }

    /// A tree that was freed.
    pub(super) fn freed() -> Tree<V> {
        Tree { root: Vec::new(), root_depth: 0, chunk_and_block_bytes: 0, freed_to: 0, _entries: PhantomData }
    }

    /// The root directory and the hash bits it decides.
    pub(super) fn root(&self) -> (&[Chunk], u8) {
        (&self.root, self.root_depth)
    }

    /// Bytes of root, chunks and blocks.
    pub(super) fn node_bytes(&self) -> usize {
        self.chunk_and_block_bytes + self.root.capacity() * size_of::<Chunk>()
    }

    #[inline]
    fn chunk(&self, hash: u64) -> Chunk {
        self.root[bits_at(hash, 0, self.root_depth)]
    }

    /// The block of a hash.
    #[inline]
    pub(super) fn block(&self, hash: u64) -> Block {
        // SAFETY: the file's invariant.
        unsafe { self.chunk(hash).block(hash) }
    }

    /// The block of a hash, its first and its last hash.
    pub(super) fn block_range(&self, hash: u64) -> (Block, u64, u64) {
        let block = self.block(hash);
        // SAFETY: the file's invariant.
        let depth = unsafe { block.depth() };
        (block, first_of(hash, depth), last_of(hash, depth))
    }

    /// The place of the first entry with this hash's tag that `is_it` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(Entry<V>) -> bool) -> Option<Place<V>> {
        let block = self.block(hash);
        // SAFETY: the file's invariant: a live block, and its slots hold addresses of live entries.
        unsafe {
            let found = block.find(tag_of(hash), |word| is_it(Entry::from_address(address_of(word))));
            found.map(|(at, word)| {
                let entry = Entry::from_address(address_of(word));
                Place { block, at, shared: word & SHARED != 0, entry }
            })
        }
    }

    fn set_chunk(&mut self, hash: u64, depth: u8, chunk: Chunk) {
        let span = 1usize << (self.root_depth - depth);
        let first = bits_at(hash, 0, self.root_depth) & !(span - 1);
        self.root[first..first + span].fill(chunk);
    }

    /// Frees blocks with their entries from the front, about `budget` entries; returns how many of the budget it took.
    pub(super) fn free_some(&mut self, budget: usize) -> usize {
        self.free_some_with(budget, drop)
    }

    /// As `free_some`; `drop_object` drops each object.
    pub(super) fn free_some_with(&mut self, budget: usize, mut drop_object: impl FnMut(V)) -> usize {
        let mut freed = 0;
        while freed < budget && !self.root.is_empty() {
            let hash = self.freed_to;
            let chunk = self.chunk(hash);
            // SAFETY: not yet freed; the owner of the tree says that nobody else reads it any more.
            unsafe {
                let block = chunk.block(hash);
                for word in block.words() {
                    Entry::<V>::from_address(address_of(word)).free_with(&mut drop_object);
                    freed += 1;
                }
                freed += 1;
                let (block_last, chunk_last) = (last_of(hash, block.depth()), last_of(hash, chunk.depth()));
                block.free();
                if block_last == chunk_last {
                    chunk.free();
                }
                match block_last.checked_add(1) {
                    Some(next) => self.freed_to = next,
                    None => self.root = Vec::new(),
                }
            }
        }
        freed.min(budget)
    }

    /// Calls `each` with the entries of the block of a hash: their number, and the first hash behind the block, if there is one.
    /// Nothing of the tree was freed yet.
    pub(super) fn visit_block(&self, hash: u64, mut each: impl FnMut(Entry<V>)) -> (usize, Option<u64>) {
        assert!(self.freed_to == 0 && !self.is_freed(), "being freed");
        let (block, _, last) = self.block_range(hash);
        let mut count = 0;
        // SAFETY: the file's invariant: a live block, and its slots hold addresses of live entries.
        unsafe {
            for word in block.words() {
                each(Entry::from_address(address_of(word)));
                count += 1;
            }
        }
        (count, last.checked_add(1))
    }

    /// True when nothing is left.
    pub(super) fn is_freed(&self) -> bool {
        self.root.is_empty()
    }
}

impl<V> Drop for Tree<V> {
    fn drop(&mut self) {
        while !self.is_freed() {
            self.free_some(usize::MAX);
        }
    }
}

impl<V: Value> Tree<V> {
    /// Makes the block of a hash writable, keeping slot indexes, and returns it.
    #[inline]
    pub(super) fn writable(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64) -> Block {
        let block = self.block(hash);
        if !Tree::is_kept(reclaim, table, hash, block) {
            return block;
        }
        // SAFETY: the file's invariant; the old block leaves the tree before it is disposed of.
        unsafe {
            let last = last_of(hash, block.depth());
            let copy = block.copy_shared(reclaim.current());
            self.chunk_and_block_bytes += copy.allocation();
            self.put_block(reclaim, table, hash, copy);
            self.drop_block(reclaim, table, block, last);
            copy
        }
    }

    /// Whether a snapshot keeps the block of a hash as it is, so that a change is made to a copy.
    #[inline]
    pub(super) fn is_kept(reclaim: &Reclaim<V>, table: u32, hash: u64, block: Block) -> bool {
        // Without a snapshot not even the block's epoch is looked at, which stands in a line of its own.
        // SAFETY: the file's invariant: a live block.
        !reclaim.is_unwatched() && unsafe { reclaim.newest_ahead(table, last_of(hash, block.depth())) > block.epoch() }
    }

    /// Puts a block into the directory, which is copied first if a walker may still read these words.
    fn put_block(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64, block: Block) {
        let mut chunk = self.chunk(hash);
        // SAFETY: the file's invariant; rule 1 of `reclaim.rs` for the words that are written.
        unsafe {
            let depth = block.depth();
            if reclaim.newest_ahead(table, last_of(hash, depth)) > chunk.epoch() {
                let copy = Chunk::new(chunk.depth(), chunk.bits(), reclaim.current(), |at| chunk.block_at(at));
                self.replace_chunk(reclaim, table, hash, chunk, &[copy]);
                chunk = copy;
            }
            chunk.set_block(hash, depth, block);
        }
    }

    /// Puts one chunk, or the two halves of its prefix, in the place of `old`.
    fn replace_chunk(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64, old: Chunk, new: &[Chunk]) {
        // SAFETY: the file's invariant; `old` is in the root no more when it is disposed of.
        unsafe {
            let (first, last) = (first_of(hash, old.depth()), last_of(hash, old.depth()));
            for (chunk, prefix) in new.iter().zip([first, last]) {
                self.set_chunk(prefix, chunk.depth(), *chunk);
                self.chunk_and_block_bytes += chunk.allocation();
            }
            self.chunk_and_block_bytes -= old.allocation();
            reclaim.dispose_chunk(old, table, last);
        }
    }

    /// # Safety
    /// The block is in no directory any more, its entries stand in other blocks.
    unsafe fn drop_block(&mut self, reclaim: &mut Reclaim<V>, table: u32, block: Block, last: u64) {
        self.chunk_and_block_bytes -= block.allocation();
        // SAFETY: the caller's promise.
        unsafe { reclaim.dispose_block(block, table, last) }
    }

    /// Makes room for one more entry in the block of this hash: more lines, or a split. `len` is the table's.
    #[cold]
    pub(super) fn grow(
        &mut self,
        reclaim: &mut Reclaim<V>,
        table: u32,
        hash: u64,
        len: usize,
        hash_of: impl Fn(&[u8]) -> u64,
    ) {
        let block = self.block(hash);
        // SAFETY: the file's invariant.
        let (depth, count) = unsafe { (block.depth(), block.count()) };
        // Under hash flooding a block gets longer instead: depth far beyond what `len` explains would cost memory.
        let may_split = depth < DEPTH_MAX && u32::from(depth) < (len + 1).ilog2() + 4;
        if block.lines() < LINES_MAX || !may_split {
            self.rebuild(reclaim, table, hash, lines_for(count + 1));
        } else {
            self.split(reclaim, table, hash, hash_of);
        }
    }

    /// Replaces a block by one with so many lines.
    fn rebuild(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64, lines: usize) {
        let block = self.block(hash);
        // SAFETY: the file's invariant; all words go to the new block before the old one is disposed of.
        unsafe {
            let last = last_of(hash, block.depth());
            let mark = shared_mark(block, reclaim.newest_ahead(table, last));
            let new = Block::new(lines, block.depth(), reclaim.current());
            for word in block.words() {
                new.insert(word | mark);
            }
            self.chunk_and_block_bytes += new.allocation();
            self.put_block(reclaim, table, hash, new);
            self.drop_block(reclaim, table, block, last);
        }
    }

    fn split(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64, hash_of: impl Fn(&[u8]) -> u64) {
        let block = self.block(hash);
        // SAFETY: the file's invariant; all words go to the halves before the old block is disposed of.
        unsafe {
            let depth = block.depth();
            let last = last_of(hash, depth);
            let mark = shared_mark(block, reclaim.newest_ahead(table, last));
            for word in block.words() {
                base::prefetch(std::ptr::with_exposed_provenance(address_of(word) as usize));
            }
            let mut halves = [Vec::with_capacity(block.count()), Vec::with_capacity(block.count())];
            for word in block.words() {
                let key = Entry::<V>::from_address(address_of(word)).key();
                halves[bits_at(hash_of(key), depth, 1)].push(word | mark);
            }
            self.deepen(reclaim, table, hash, depth + 1);
            for (words, prefix) in halves.iter().zip([first_of(hash, depth), last]) {
                let half = Block::new(lines_for(words.len() + words.len() / 8), depth + 1, reclaim.current());
                for word in words {
                    half.insert(*word);
                }
                self.chunk_and_block_bytes += half.allocation();
                self.put_block(reclaim, table, prefix, half);
            }
            self.drop_block(reclaim, table, block, last);
        }
    }

    /// Makes the directories decide the first `depth` bits for this hash.
    fn deepen(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64, depth: u8) {
        loop {
            let chunk = self.chunk(hash);
            // SAFETY: the file's invariant.
            unsafe {
                let (chunk_depth, bits) = (chunk.depth(), chunk.bits());
                if chunk_depth + bits >= depth {
                    return;
                }
                if bits < BITS_MAX {
                    let wide = Chunk::new(chunk_depth, bits + 1, reclaim.current(), |at| chunk.block_at(at / 2));
                    self.replace_chunk(reclaim, table, hash, chunk, &[wide]);
                    continue;
                }
                if chunk_depth == self.root_depth {
                    self.root = self.root.iter().flat_map(|chunk| [*chunk, *chunk]).collect();
                    self.root_depth += 1;
                }
                // No block is as shallow as the chunk itself: the one to be split is a 512th of it.
                let half = |from: usize| {
                    let block = |at| chunk.block_at(from + at);
                    Chunk::new(chunk_depth + 1, bits - 1, reclaim.current(), block)
                };
                let halves = [half(0), half(1 << (bits - 1))];
                self.replace_chunk(reclaim, table, hash, chunk, &halves);
            }
        }
    }

    /// Merges what is nearly empty because room was made for many more than the `len` keys of the table.
    pub(super) fn settle(&mut self, reclaim: &mut Reclaim<V>, table: u32, len: usize) {
        // At least as many as there are.
        let blocks = self.root.len() << BITS_MAX;
        if len >= blocks * (MERGE_MAX / 2) {
            return;
        }
        let mut next = Some(0);
        while let Some(hash) = next {
            self.shrink_slow(reclaim, table, hash);
            let (_, _, last) = self.block_range(hash);
            next = last.checked_add(1);
        }
    }

    /// After a removal: merges small buddies, gives lines back. Cheap unless the block is small.
    #[inline]
    pub(super) fn shrink(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64) {
        // SAFETY: the file's invariant.
        let count = unsafe { self.block(hash).count() };
        // Every eighth removal looks; a block longer than usual (hash flooding) looks too.
        if count & 7 == 0 && (count <= MERGE_MAX / 2 || count > fill_max(LINES_MAX)) {
            self.shrink_slow(reclaim, table, hash);
        }
    }

    #[cold]
    fn shrink_slow(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64) {
        while self.merge_with_buddy(reclaim, table, hash) || self.merge_chunk_with_buddy(reclaim, table, hash) {}
        let block = self.block(hash);
        // SAFETY: the file's invariant.
        let count = unsafe { block.count() };
        let lines = lines_for(count + count / 8);
        if lines * 2 <= block.lines() {
            self.rebuild(reclaim, table, hash, lines);
        }
    }

    fn merge_with_buddy(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64) -> bool {
        let (chunk, block) = (self.chunk(hash), self.block(hash));
        // SAFETY: the file's invariant; all words go to the merged block before the two are disposed of.
        unsafe {
            let depth = block.depth();
            if depth == chunk.depth() {
                return false;
            }
            let buddy_hash = hash ^ 1 << (64 - depth);
            let buddy = chunk.block(buddy_hash);
            if buddy.depth() != depth || block.count() + buddy.count() > MERGE_MAX {
                return false;
            }
            let newest = reclaim.newest_ahead(table, last_of(hash, depth - 1));
            let count = block.count() + buddy.count();
            let merged = Block::new(lines_for(count + count / 8), depth - 1, reclaim.current());
            for part in [block, buddy] {
                let mark = shared_mark(part, newest);
                for word in part.words() {
                    merged.insert(word | mark);
                }
            }
            self.chunk_and_block_bytes += merged.allocation();
            self.put_block(reclaim, table, hash, merged);
            self.drop_block(reclaim, table, block, last_of(hash, depth));
            self.drop_block(reclaim, table, buddy, last_of(buddy_hash, depth));
            let chunk = self.chunk(hash);
            if depth == chunk.depth() + chunk.bits() && chunk.can_halve() {
                let half = Chunk::new(chunk.depth(), chunk.bits() - 1, reclaim.current(), |at| chunk.block_at(2 * at));
                self.replace_chunk(reclaim, table, hash, chunk, &[half]);
            }
            true
        }
    }

    /// Merges the chunk of a hash with its buddy if it is down to one block and the buddy is small as well.
    fn merge_chunk_with_buddy(&mut self, reclaim: &mut Reclaim<V>, table: u32, hash: u64) -> bool {
        let chunk = self.chunk(hash);
        // SAFETY: the file's invariant; both chunks leave the root before they are disposed of.
        unsafe {
            let depth = chunk.depth();
            if depth == 0 || chunk.bits() > 0 {
                return false;
            }
            let buddy_hash = hash ^ 1 << (64 - depth);
            let buddy = self.chunk(buddy_hash);
            if buddy.depth() != depth || buddy.bits() > MERGE_BITS_MAX {
                return false;
            }
            let bits = buddy.bits();
            let (first, second) = if hash < buddy_hash { (chunk, buddy) } else { (buddy, chunk) };
            let merged = Chunk::new(depth - 1, bits + 1, reclaim.current(), |at| {
                let part = if at >> bits == 0 { first } else { second };
                part.block_at((at & ((1 << bits) - 1)) >> (bits - part.bits()))
            });
            self.set_chunk(hash, depth - 1, merged);
            self.chunk_and_block_bytes += merged.allocation();
            for (part, prefix) in [(chunk, hash), (buddy, buddy_hash)] {
                self.chunk_and_block_bytes -= part.allocation();
                reclaim.dispose_chunk(part, table, last_of(prefix, depth));
            }
            while self.root_depth > 0 && self.root.chunks(2).all(|pair| pair[0] == pair[1]) {
                self.root = self.root.iter().step_by(2).copied().collect();
                self.root_depth -= 1;
            }
            true
        }
    }
}

/// SHARED if a snapshot still ahead sees the block: its entries must be marked wherever they go.
///
/// # Safety
/// Live.
unsafe fn shared_mark(block: Block, newest_ahead: u32) -> u64 {
    // SAFETY: live.
    if newest_ahead > unsafe { block.epoch() } { SHARED } else { 0 }
}

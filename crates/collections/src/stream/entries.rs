//! The entries of a stream: blocks in a counted tree, and what the stream remembers of entries that went.

use super::block::{BYTES_MAX, Block, StreamEntry, fields};
use super::group::ENTRIES_READ_UNKNOWN;
use super::id::StreamId;
use super::range::StreamRange;
use crate::tree::{NewLeaves, Slot, Tree, seek_rank};
use crate::{Corrupt, Limits, Listpack};

/// What an exact or approximate trim leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trim {
    /// At most so many entries.
    Length(usize),
    /// No entry below this id.
    From(StreamId),
}

/// The entries of a stream.
#[derive(Clone)]
pub struct Entries {
    pub(super) blocks: Tree<Block>,
    block_count: usize,
    /// The id of the last entry ever added.
    pub last_id: StreamId,
    /// The highest id of an entry that was deleted by name; `0-0` if none was.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
}

impl Entries {
    pub(super) fn new() -> Entries {
        Entries {
            blocks: Tree::new(Block::default()),
            block_count: 0,
            last_id: StreamId::MIN,
            max_deleted_id: StreamId::MIN,
            entries_added: 0,
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks hold them.
    pub fn block_count(&self) -> usize {
        self.block_count
    }

    /// How many nodes the index of blocks has, the blocks included; one for a stream without entries. Looks at few
    /// of them.
    pub fn node_count(&self) -> usize {
        1 + self.block_count + self.blocks.inner_count()
    }

    /// Whether names and values of so many bytes together are too many for one entry.
    pub fn is_too_large(bytes: usize) -> bool {
        bytes > BYTES_MAX
    }

    /// Appends an entry of names and values in turn. Its id must be above the last one, and it must not be too large.
    pub fn append<'a>(&mut self, id: StreamId, words: impl Iterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        assert!(id > self.last_id, "the caller compares with the last id");
        let bytes = words.clone().map(<[u8]>::len).sum();
        let fields = fields(words);
        let is_new = self.blocks.edit(
            |slots| slots.len() - 1,
            |last| {
                let mut new = NewLeaves::<Block>::new();
                if last.takes(bytes, limits) {
                    last.push(id, &fields);
                    return (false, new);
                }
                let block = Block::start(id, &fields);
                if last.live() == 0 {
                    *last = block;
                } else {
                    new.push((id, block));
                }
                (true, new)
            },
        );
        self.block_count += usize::from(is_new);
        self.last_id = id;
        self.entries_added = self.entries_added.wrapping_add(1);
    }

    /// Takes over a block from outside: its entries must be above those that are there. The ids and counters beside the
    /// entries are the caller's. Blocks whose entries are all deleted are left out.
    pub fn append_block(&mut self, id: StreamId, listpack: Listpack) -> Result<(), Corrupt> {
        if self.last().is_some_and(|last| id <= last.id) {
            return Err(Corrupt("stream blocks out of order"));
        }
        if let Some(block) = Block::from_outside(id, listpack)? {
            self.blocks.push_leaf(id, block);
            self.block_count += 1;
        }
        Ok(())
    }

    /// The blocks in order: the id and the listpack of each.
    pub fn blocks(&self) -> impl Iterator<Item = (StreamId, &Listpack)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (block, start) = (next < self.len()).then(|| self.blocks.leaf_at(next))?;
            next = start + block.live();
            Some((block.id(), block.listpack()))
        })
    }

    /// Entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        StreamRange::new(self, start, end, false)
    }

    /// Entries from `end` back to `start`, both included.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        StreamRange::new(self, start, end, true)
    }

    /// The entry of an id.
    pub fn get(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        self.range(id, id).next()
    }

    /// The first entry.
    pub fn first(&self) -> Option<StreamEntry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.range_back(StreamId::MIN, StreamId::MAX).next()
    }

    /// The id of the first entry; `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The id of the first block: that of its first entry, which may be deleted. No entry is below it, and all that were
    /// in blocks before it are.
    pub fn first_block_id(&self) -> Option<StreamId> {
        self.blocks().next().map(|(id, _)| id)
    }

    /// Deletes an entry: whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        // Looked for first, so that nothing is copied for an entry that is not there.
        if self.get(id).is_none() {
            return false;
        }
        let emptied = self.blocks.edit(seek_id(id), |block| {
            let mut walk = block.walk();
            let place = std::iter::from_fn(|| walk.next()).find(|place| place.is_live() && place.id == id);
            block.delete(&[place.expect("found above")]);
            (block.clear_if_dead(), NewLeaves::<Block>::new())
        });
        self.block_count -= usize::from(emptied);
        self.max_deleted_id = self.max_deleted_id.max(id);
        true
    }

    /// Removes entries from the front; returns how many went. If `approximate`, only whole blocks go; of all blocks that
    /// go, no more than `removed_max` entries, if it is not zero.
    pub fn trim(&mut self, trim: Trim, approximate: bool, removed_max: u64) -> usize {
        let mut removed = 0;
        while !self.is_empty() {
            let first = self.blocks.leaf_at(0).0;
            let live = first.live();
            if matches!(trim, Trim::Length(len) if self.len() <= len) {
                break;
            }
            if removed_max > 0 && (removed + live) as u64 > removed_max {
                break;
            }
            let goes = match trim {
                Trim::Length(len) => self.len() - live >= len,
                Trim::From(id) => first.last_live_id().is_some_and(|last| last < id),
            };
            if goes {
                self.remove_first_block();
                removed += live;
            } else {
                if !approximate {
                    removed += self.trim_first_block(trim);
                }
                break;
            }
        }
        removed
    }

    fn remove_first_block(&mut self) {
        self.blocks.edit(seek_rank::<Block>(0), |block| {
            *block = Block::default();
            ((), NewLeaves::<Block>::new())
        });
        self.block_count -= 1;
    }

    /// Deletes the entries at the front of the first block that must go; others stay.
    fn trim_first_block(&mut self, trim: Trim) -> usize {
        let len = self.len();
        let mut doomed = Vec::new();
        let mut walk = self.blocks.leaf_at(0).0.walk();
        while let Some(place) = walk.next() {
            // The ids of deleted entries say nothing of those behind them.
            if !place.is_live() {
                continue;
            }
            let stays = match trim {
                Trim::Length(max) => len - doomed.len() <= max,
                Trim::From(id) => place.id >= id,
            };
            if stays {
                break;
            }
            doomed.push(place);
        }
        if doomed.is_empty() {
            return 0;
        }
        let emptied = self.blocks.edit(seek_rank::<Block>(0), |block| {
            block.delete(&doomed);
            (block.clear_if_dead(), NewLeaves::<Block>::new())
        });
        self.block_count -= usize::from(emptied);
        doomed.len()
    }

    /// Whether an entry from `start` on may have been deleted by name, so that counting entries tells nothing.
    pub fn has_gap_from(&self, start: StreamId) -> bool {
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && self.first_id() <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// Which entry this id was, counted from the first one ever added, as far as that can be told.
    pub fn ordinal(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        match id.cmp(&self.last_id) {
            std::cmp::Ordering::Equal => return Some(self.entries_added),
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Less => {}
        }
        let first = self.first_id();
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= first {
            return None;
        }
        let before_first = self.entries_added.wrapping_sub(self.len() as u64);
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before_first),
            std::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has read that stands at this id; -1 if that cannot be told, or said by a command.
    pub fn entries_read_at(&self, id: StreamId) -> i64 {
        self.ordinal(id).and_then(|read| i64::try_from(read).ok()).unwrap_or(ENTRIES_READ_UNKNOWN)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.memory_bytes()
    }
}

/// The child that holds an id, or would.
pub(super) fn seek_id(id: StreamId) -> impl Fn(&[Slot<Block>]) -> usize {
    move |slots| slots[1..].partition_point(|slot| slot.bound <= id)
}

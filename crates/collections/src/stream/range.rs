//! Walking a range of a stream's entries, either way.

use super::block::{Block, StreamEntry, Walk};
use super::entries::{Entries, seek_id};
use super::id::StreamId;
use crate::tree::Tree;

/// Entries of a range of ids.
pub struct StreamRange<'a> {
    blocks: &'a Tree<Block>,
    start: StreamId,
    end: StreamId,
    backwards: bool,
    current: Option<(&'a Block, Walk<'a>)>,
    /// Rank of an entry of the block to enter next.
    next: Option<usize>,
}

impl<'a> StreamRange<'a> {
    pub(super) fn new(entries: &'a Entries, start: StreamId, end: StreamId, backwards: bool) -> StreamRange<'a> {
        let blocks = &entries.blocks;
        let mut range = StreamRange { blocks, start, end, backwards, current: None, next: None };
        if start <= end && blocks.len() > 0 {
            let (block, first) = blocks.locate(seek_id(if backwards { end } else { start }));
            range.enter(block, first);
        }
        range
    }

    fn enter(&mut self, block: &'a Block, first: usize) {
        let walk = block.walk();
        self.current = Some((block, if self.backwards { walk.at_end() } else { walk }));
        self.next = if self.backwards {
            first.checked_sub(1)
        } else {
            Some(first + block.live()).filter(|next| *next < self.blocks.len())
        };
    }

    fn finish(&mut self) {
        self.current = None;
        self.next = None;
    }
}

impl<'a> Iterator for StreamRange<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            let (block, walk) = self.current.as_mut()?;
            let place = if self.backwards { walk.previous() } else { walk.next() };
            let Some(place) = place else {
                self.current = None;
                let (block, first) = self.blocks.leaf_at(self.next?);
                self.enter(block, first);
                continue;
            };
            // The ids of deleted entries say nothing of those behind them.
            if !place.is_live() {
                continue;
            }
            if place.id < self.start || place.id > self.end {
                if (place.id > self.end) != self.backwards {
                    self.finish();
                    return None;
                }
                continue;
            }
            return Some(block.entry(walk, place));
        }
    }
}

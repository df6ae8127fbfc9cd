//! A stream: entries in the order of their ids, and groups of consumers that share the reading of them. `entries` holds
//! the entries in blocks (`block` is one, `range` walks them), `group` who has read what.

mod block;
mod check;
mod entries;
mod group;
mod id;
mod range;
#[cfg(test)]
mod tests;

use triomphe::Arc;

pub use block::StreamEntry;
pub use entries::{Entries, Trim};
pub use group::{Consumer, ENTRIES_READ_UNKNOWN, Group, GroupBuilder, Pending};
pub use id::StreamId;
pub use range::StreamRange;

use crate::sorted::SortedMap;
use group::Name;

/// A stream.
#[derive(Clone)]
pub struct Stream(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    entries: Entries,
    groups: SortedMap<Name, Group>,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream::new()
    }
}

impl Stream {
    /// Drops it, with a call of `between` behind every few thousand entries, and as many that are pending. What a clone shares
    /// stays with that.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        if let Ok(Parts { entries, groups }) = Arc::try_unwrap(self.0) {
            entries.blocks.drop_in_pieces(between);
            groups.drop_in_pieces(between, &mut Group::drop_in_pieces);
        }
    }

    /// Without entries and groups.
    pub fn new() -> Stream {
        Stream(Arc::new(Parts { entries: Entries::new(), groups: SortedMap::default() }))
    }

    /// The name of its encoding.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// Its entries.
    pub fn entries(&self) -> &Entries {
        &self.0.entries
    }

    /// Its entries, to be changed.
    pub fn entries_mut(&mut self) -> &mut Entries {
        &mut Arc::make_mut(&mut self.0).entries
    }

    /// How many groups it has.
    pub fn groups_len(&self) -> usize {
        self.0.groups.len()
    }

    /// Its groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (name.as_bytes(), group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    /// Adds a group: false if there is one of that name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let fresh = self.group(name).is_none();
        if fresh {
            Arc::make_mut(&mut self.0).groups.insert(Name::new(name), group);
        }
        fresh
    }

    /// Removes a group: whether it was there.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.group(name).is_some() && Arc::make_mut(&mut self.0).groups.remove(name).is_some()
    }

    /// Changes a group, with the stream's entries at hand; None if there is no such group.
    pub fn edit_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group, &Entries) -> R) -> Option<R> {
        self.group(name)?;
        let Parts { entries, groups } = Arc::make_mut(&mut self.0);
        groups.edit(name, |group| change(group, entries))
    }

    /// Whether it has more blocks, groups, or entries pending in one of its groups than this.
    pub fn is_larger_than(&self, count: usize) -> bool {
        self.entries().block_count() > count
            || self.groups_len() > count
            || self.groups().any(|(_, group)| group.pending_len() > count)
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        let groups: usize = self.groups().map(|(name, group)| name.len() + 32 + group.memory_bytes()).sum();
        size_of::<Parts>() + self.0.entries.memory_bytes() + self.0.groups.memory_bytes() + groups
    }
}

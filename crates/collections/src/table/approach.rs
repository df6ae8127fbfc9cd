//! The way to an entry in steps that wait for nothing: each reads what the one before asked for, and asks for what the next
//! one reads. Taken in turns for several entries, their ways through memory overlap.

use super::Table;
use super::inner::{Child, Inner, LEVEL_BITS};
use super::leaf::Leaf;
use crate::hashing::hash_bytes;
use base::prefetch;

/// The distance from a leaf's first line to that with its offsets, and from an entry's first line to the next.
const LINE: usize = 64;

/// The way to one element: memory that a search for it will read becomes known step by step.
pub struct Approach<'a> {
    hash: u64,
    removes: bool,
    at: At<'a>,
}

enum At<'a> {
    /// A directory node, and the hash without the bits that led there.
    Inner(&'a Inner, u64),
    Leaf(&'a Leaf),
    Entry,
}

impl<'a> Approach<'a> {
    /// Sets out for `key`.
    #[inline]
    pub(crate) fn new(table: &'a Table, key: &[u8]) -> Approach<'a> {
        Approach::to(table, hash_bytes(key), prefetch)
    }

    /// Sets out for the key with this hash. `fetch` is called with addresses of memory that will be read.
    #[inline]
    pub(super) fn to(table: &'a Table, hash: u64, mut fetch: impl FnMut(*const u8)) -> Approach<'a> {
        let at = match &*table.root {
            // The root is near if anything of the table is.
            Child::Inner { inner, .. } => At::before(inner.child(hash), hash << LEVEL_BITS, &mut fetch),
            only => At::before(only, hash, &mut fetch),
        };
        Approach { hash, removes: false, at }
    }

    /// The same, where the element will be removed: the entry that ends its leaf moves into its place if it is as long.
    #[inline]
    pub(crate) fn for_removal(self) -> Approach<'a> {
        Approach { removes: true, ..self }
    }

    /// Goes one step on: the processor is asked for what the next one, or the search itself, reads. True if that was not the
    /// last step.
    #[inline]
    pub fn step(&mut self) -> bool {
        self.step_with(prefetch)
    }

    /// As `step`; `fetch` is called with the addresses.
    #[inline]
    fn step_with(&mut self, mut fetch: impl FnMut(*const u8)) -> bool {
        self.at = match self.at {
            At::Inner(inner, rest) => At::before(inner.child(rest), rest << LEVEL_BITS, &mut fetch),
            At::Leaf(leaf) => {
                if let Some(address) = leaf.entry_address(self.hash) {
                    fetch(address);
                    fetch(address.wrapping_add(LINE));
                }
                if self.removes {
                    // The entry that ends the leaf: the first byte of most that are short, and the last one of all.
                    let end = leaf.end_address();
                    fetch(end.wrapping_sub(LINE / 2));
                    fetch(end.wrapping_sub(1));
                }
                At::Entry
            }
            At::Entry => return false,
        };
        true
    }
}

impl<'a> At<'a> {
    #[inline]
    fn before(child: &'a Child, rest: u64, fetch: &mut impl FnMut(*const u8)) -> At<'a> {
        match child {
            Child::Leaf { leaf, .. } => {
                fetch(leaf.address());
                fetch(leaf.address().wrapping_add(LINE));
                At::Leaf(leaf)
            }
            Child::Inner { inner, .. } => {
                fetch(inner.address());
                fetch(inner.likely_address(rest));
                At::Inner(inner, rest)
            }
            Child::Moved => At::Entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the way to a key asks for the line with the end of its leaf.
    fn fetched(table: &Table, key: &[u8], removes: bool) -> bool {
        let mut lines = Vec::new();
        let mut end = None;
        let mut way = Approach::to(table, hash_bytes(key), |address| lines.push(address.addr() / LINE));
        if removes {
            way = way.for_removal();
        }
        loop {
            if let At::Leaf(leaf) = way.at {
                end = Some((leaf.end_address().addr() - 1) / LINE);
            }
            if !way.step_with(|address| lines.push(address.addr() / LINE)) {
                break;
            }
        }
        lines.contains(&end.expect("a leaf stands before every entry"))
    }

    #[test]
    fn who_removes_asks_for_the_entry_that_ends_the_leaf_as_well() {
        let mut table = Table::new();
        let keys: Vec<Vec<u8>> = (0..2000).map(|number| format!("element {number:06}").into_bytes()).collect();
        for key in &keys {
            table.set(key, b"value");
        }
        let mut others = 0;
        for key in &keys {
            assert!(fetched(&table, key, true));
            others += usize::from(!fetched(&table, key, false));
        }
        assert!(others > 1000, "most entries are not near the end of their leaf: {others}");
    }
}

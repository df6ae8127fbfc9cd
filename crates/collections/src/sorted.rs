//! An ordered map of small keys and values in a tree of shared runs: what is pending in a consumer group, its
//! consumers, the groups of a stream. Clone is one reference; a write copies the path to one run if it is shared.

use std::borrow::Borrow;

use crate::tree::{self, NewLeaves, Slot, Tree, seek_rank};

/// Entries above which a run is split.
const RUN_MAX: usize = 64;
/// Runs are joined when they have no more entries than this together.
const JOIN_MAX: usize = 24;
/// Runs grow by this many places at a time.
const GROWTH: usize = 8;

/// A map in key order.
#[derive(Clone)]
pub(crate) struct SortedMap<K: Clone + Default, V: Clone> {
    /// None while there is no entry, so that an empty map takes no memory.
    tree: Option<Tree<Run<K, V>>>,
}

/// A leaf: entries in key order.
#[derive(Clone)]
struct Run<K, V>(Vec<(K, V)>);

impl<K, V> Default for Run<K, V> {
    fn default() -> Run<K, V> {
        Run(Vec::new())
    }
}

impl<K: Clone + Default, V: Clone> tree::Leaf for Run<K, V> {
    type Bound = K;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn can_absorb(&self, right: &Run<K, V>) -> bool {
        self.0.len() + right.0.len() <= JOIN_MAX
    }

    fn absorb(&mut self, right: &Run<K, V>) {
        self.0.extend_from_slice(&right.0);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Run<K, V>>() + self.0.capacity() * size_of::<(K, V)>()
    }
}

impl<K: Clone + Default, V: Clone> Default for SortedMap<K, V> {
    fn default() -> SortedMap<K, V> {
        SortedMap { tree: None }
    }
}

impl<K: Clone + Default + Ord, V: Clone> SortedMap<K, V> {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.tree.as_ref().map_or(0, Tree::len)
    }

    /// Drops it, with a call of `between` behind every few thousand entries; `drop_value` drops each value, with calls of its own.
    pub(crate) fn drop_in_pieces<F: FnMut()>(self, between: &mut F, drop_value: &mut impl FnMut(V, &mut F)) {
        let Some(tree) = self.tree else { return };
        tree.drop_leaves(between, &mut |run: Run<K, V>, between| {
            run.0.into_iter().for_each(|(_, value)| drop_value(value, between));
        });
    }

    /// The entry of a key.
    pub(crate) fn entry<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (run, _) = self.tree.as_ref()?.locate(seek_key(key));
        let at = run.0.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        let (key, value) = &run.0[at];
        Some((key, value))
    }

    /// The value of a key.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        Some(self.entry(key)?.1)
    }

    /// Sets the value of a key; returns the one it had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let tree = self.tree.get_or_insert_with(|| Tree::new(Run::default()));
        let mut is_last = true;
        let by_key = |slots: &[Slot<Run<K, V>>]| {
            let index = seek_key(&key)(slots);
            is_last &= index + 1 == slots.len();
            index
        };
        let at = tree.locate(by_key).0.0.binary_search_by(|(other, _)| other.cmp(&key));
        tree.edit(seek_key(&key), |run| {
            let mut new = NewLeaves::<Run<K, V>>::new();
            let at = match at {
                Ok(at) => return (Some(std::mem::replace(&mut run.0[at].1, value)), new),
                Err(at) => at,
            };
            if run.0.len() == run.0.capacity() {
                run.0.reserve_exact(GROWTH);
            }
            run.0.insert(at, (key.clone(), value));
            if run.0.len() > RUN_MAX {
                // Keys that come in ascending order leave full runs behind.
                let appended = is_last && at + 1 == run.0.len();
                let right = run.split_off(if appended { at } else { run.0.len() / 2 });
                new.push((right.0[0].0.clone(), right));
            }
            (None, new)
        })
    }

    /// Changes the value of a key, if it is there.
    pub(crate) fn edit<Q: Ord + ?Sized, R>(&mut self, key: &Q, change: impl FnOnce(&mut V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        // Looked up first, so that nothing is copied for a key that is not there.
        self.get(key)?;
        let tree = self.tree.as_mut().expect("it holds the key");
        Some(tree.edit(seek_key(key), |run| {
            let at = run.0.binary_search_by(|(other, _)| other.borrow().cmp(key)).expect("found above");
            (change(&mut run.0[at].1), NewLeaves::<Run<K, V>>::new())
        }))
    }

    /// Removes a key; returns its value.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let tree = self.tree.as_mut().expect("it holds the key");
        let removed = tree.edit(seek_key(key), |run| {
            let at = run.0.binary_search_by(|(other, _)| other.borrow().cmp(key)).expect("found above");
            let (_, value) = run.0.remove(at);
            run.0.shrink_to(run.0.len() + GROWTH);
            (value, NewLeaves::<Run<K, V>>::new())
        });
        if tree.len() == 0 {
            self.tree = None;
        }
        Some(removed)
    }

    /// Keeps the entries for which `keep` holds. Takes one pass over all entries, in which those that stay are copied.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let mut kept = self.iter().filter(|(key, value)| keep(key, value));
        let runs = std::iter::from_fn(|| {
            let mut run = Vec::new();
            for (key, value) in kept.by_ref().take(RUN_MAX) {
                if run.is_empty() {
                    run.reserve_exact(RUN_MAX);
                }
                run.push((key.clone(), value.clone()));
            }
            run.shrink_to_fit();
            run.first().map(|(key, _)| key.clone()).map(|first| (first, Run(run)))
        });
        let tree = Tree::from_leaves(runs);
        self.tree = (tree.len() > 0).then_some(tree);
    }

    /// Entries in order.
    pub(crate) fn iter(&self) -> SortedIter<'_, K, V> {
        SortedIter { tree: self.tree.as_ref(), run: [].iter(), next: 0 }
    }

    /// Entries in order from `key` on.
    pub(crate) fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> SortedIter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let Some(tree) = &self.tree else { return self.iter() };
        let (run, before) = tree.locate(seek_key(key));
        let at = run.0.partition_point(|(other, _)| other.borrow() < key);
        SortedIter { tree: Some(tree), run: run.0[at..].iter(), next: before + run.0.len() }
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        let (run, _) = self.tree.as_ref()?.leaf_at(self.len());
        run.0.last().map(|(key, value)| (key, value))
    }

    /// Estimate of the bytes allocated, without what keys and values own themselves.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.tree.as_ref().map_or(0, Tree::memory_bytes)
    }
}

impl<K: Clone, V: Clone> Run<K, V> {
    fn split_off(&mut self, at: usize) -> Run<K, V> {
        let mut right = Vec::new();
        right.reserve_exact(self.0.len() - at + GROWTH);
        right.extend(self.0.drain(at..));
        self.0.shrink_to_fit();
        Run(right)
    }
}

/// The child that holds a key, or would.
fn seek_key<Q: Ord + ?Sized, K: Clone + Default + Borrow<Q>, V: Clone>(
    key: &Q,
) -> impl FnMut(&[Slot<Run<K, V>>]) -> usize {
    move |slots| slots[1..].partition_point(|slot| slot.bound.borrow() <= key)
}

/// Entries of a map in order.
pub(crate) struct SortedIter<'a, K: Clone + Default, V: Clone> {
    tree: Option<&'a Tree<Run<K, V>>>,
    run: std::slice::Iter<'a, (K, V)>,
    /// Rank of the first entry behind `run`.
    next: usize,
}

impl<'a, K: Clone + Default, V: Clone> Iterator for SortedIter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        if let Some((key, value)) = self.run.next() {
            return Some((key, value));
        }
        let tree = self.tree.filter(|tree| self.next < tree.len())?;
        let (run, first) = tree.locate(seek_rank::<Run<K, V>>(self.next));
        self.next = first + run.0.len();
        self.run = run.0.iter();
        self.run.next().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn behaves_as_an_ordered_map_under_clones(
            steps in prop::collection::vec((0..8u8, 0..800u32), 0..2000), parts in 2..9u32, ascending in any::<bool>(),
        ) {
            let (mut map, mut model, mut kept) = (SortedMap::<u32, usize>::default(), BTreeMap::new(), Vec::new());
            for (number, (action, key)) in steps.into_iter().enumerate() {
                let key = if ascending && action < 5 { number as u32 } else { key };
                match action {
                    0..5 => prop_assert_eq!(map.insert(key, number), model.insert(key, number)),
                    5 => prop_assert_eq!(map.edit(&key, |value| *value += 1), model.get_mut(&key).map(|value| *value += 1)),
                    _ => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.get(&key), model.get(&key));
                if number % 100 == 0 {
                    kept.push((map.clone(), model.clone()));
                }
            }
            kept.push((map.clone(), model.clone()));
            for _ in 0..2 {
                map.retain(|key, _| !(key / 9).is_multiple_of(parts));
                model.retain(|key, _| !(key / 9).is_multiple_of(parts));
                kept.push((map.clone(), model.clone()));
                prop_assert_eq!(map.insert(900, 1), model.insert(900, 1));
            }
            kept.push((map.clone(), model));
            map.retain(|_, _| false);
            kept.push((map, BTreeMap::new()));
            for (map, model) in &kept {
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!(map.iter_from(&400).eq(model.range(400..)));
                prop_assert_eq!(map.last(), model.last_key_value());
            }
        }
    }
}

//! A hash: a listpack of alternating fields and values while small, a table when large.

use triomphe::Arc;

use crate::listpack::canonical;
use crate::table::{Table, TableIter};
use crate::{Corrupt, Element, Limits, Listpack, ListpackIter};

/// Fields with values. A clone is O(1) and keeps what it was cloned from.
#[derive(Clone)]
pub struct Hash(Repr);

#[derive(Clone)]
enum Repr {
    Packed(Arc<Listpack>),
    Table(Table),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Hash {
    /// Without fields.
    pub fn new() -> Hash {
        Hash(Repr::Packed(Arc::new(Listpack::new())))
    }

    /// Takes a listpack of fields and values, converting it if it exceeds the limits. Fails on an odd count or a
    /// repeated field.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Hash, Corrupt> {
        let fits = listpack.len() / 2 <= limits.hash_max_listpack_entries
            && listpack.iter().all(|element| element.len() <= limits.hash_max_listpack_value);
        if fits && listpack.len().is_multiple_of(2) && !listpack.may_repeat(2) {
            return Ok(Hash(Repr::Packed(Arc::new(listpack))));
        }
        let table = table_of(&listpack)?;
        Ok(Hash(if fits { Repr::Packed(Arc::new(listpack)) } else { Repr::Table(table) }))
    }

    /// The bytes of the small form.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Repr::Packed(listpack) => Some(listpack),
            Repr::Table(_) => None,
        }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.len() / 2,
            Repr::Table(table) => table.len(),
        }
    }

    /// True without fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name OBJECT ENCODING gives: `listpack` or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.0 {
            Repr::Packed(listpack) => {
                let (_, value_at) = listpack.read(listpack.find(field, 2)?);
                Some(listpack.read(value_at).0)
            }
            Repr::Table(table) => table.get(field).map(Element::Bytes),
        }
    }

    /// True if the field exists.
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Repr::Packed(listpack) => listpack.find(field, 2).is_some(),
            Repr::Table(table) => table.contains(field),
        }
    }

    /// A command is about to set `fields` pairs: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, fields: usize, limits: &Limits) {
        if fields > limits.hash_max_listpack_entries {
            self.convert();
        }
    }

    /// Adds or replaces; true if the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Repr::Packed(listpack) = &mut self.0 {
            let added = field.len() + value.len();
            let long = field.len().max(value.len()) > limits.hash_max_listpack_value;
            if !long && listpack.has_room_for(added) {
                let new = set_packed(listpack, field, value);
                if new && self.len() > limits.hash_max_listpack_entries {
                    self.convert();
                }
                return new;
            }
        }
        self.convert().set(field, value)
    }

    /// True if the field was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Packed(listpack) => {
                let Some(at) = listpack.find(field, 2) else { return false };
                let end = listpack.read(listpack.read(at).1).1;
                Arc::make_mut(listpack).remove_between(at..end, 2);
                true
            }
            Repr::Table(table) => table.remove(field),
        }
    }

    /// All fields with their values: insertion order while small, hash order when large.
    pub fn iter(&self) -> HashIter<'_> {
        HashIter(match &self.0 {
            Repr::Packed(listpack) => IterRepr::Packed(listpack.iter()),
            Repr::Table(table) => IterRepr::Table(table.iter()),
        })
    }

    /// The pair at a position of the iteration order, which any write may change: for drawing distinct samples.
    pub fn nth(&self, index: usize) -> Option<(Element<'_>, Element<'_>)> {
        match &self.0 {
            Repr::Packed(listpack) => {
                let (field, value_at) = listpack.read(listpack.offset_of(index.checked_mul(2)?)?);
                Some((field, listpack.read(value_at).0))
            }
            Repr::Table(table) => table.nth(index).map(as_elements),
        }
    }

    /// A pair, each with the same probability.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Element<'_>, Element<'_>)> {
        self.nth(rng.usize(..self.len().max(1)))
    }

    /// Emits about `count` pairs from `cursor` on (all of them while small) and returns the next cursor, 0 at the end.
    /// What is present throughout a scan is emitted at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(Element<'_>, Element<'_>)) -> u64 {
        match &self.0 {
            Repr::Packed(_) => {
                self.iter().for_each(|(field, value)| emit(field, value));
                0
            }
            Repr::Table(table) => {
                table.scan(cursor, count, |field, value| emit(Element::Bytes(field), Element::Bytes(value)))
            }
        }
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.memory_bytes() + size_of::<usize>(),
            Repr::Table(table) => table.memory_bytes(),
        }
    }

    /// True if a clone shares nodes with this, so that the next write copies some.
    pub fn is_shared(&self) -> bool {
        match &self.0 {
            Repr::Packed(listpack) => !listpack.is_unique(),
            Repr::Table(table) => table.is_shared(),
        }
    }

    fn convert(&mut self) -> &mut Table {
        if let Repr::Packed(listpack) = &self.0 {
            self.0 = Repr::Table(table_of(listpack).expect("our own listpack has pairs and no field twice"));
        }
        match &mut self.0 {
            Repr::Table(table) => table,
            Repr::Packed(_) => unreachable!("converted above"),
        }
    }
}

fn set_packed(listpack: &mut Arc<Listpack>, field: &[u8], value: &[u8]) -> bool {
    let found = listpack.find(field, 2);
    let listpack = Arc::make_mut(listpack);
    match found {
        Some(at) => {
            let value_at = listpack.read(at).1;
            listpack.replace_at(value_at, canonical(value));
        }
        None => {
            listpack.push_back(field);
            listpack.push_back(value);
        }
    }
    found.is_none()
}

fn table_of(listpack: &Listpack) -> Result<Table, Corrupt> {
    let mut table = Table::new();
    let mut elements = listpack.iter();
    while let Some(field) = elements.next() {
        let value = elements.next().ok_or(Corrupt("hash listpack has a field without a value"))?;
        if !field.with_bytes(|field| value.with_bytes(|value| table.set(field, value))) {
            return Err(Corrupt("hash listpack has a field twice"));
        }
    }
    Ok(table)
}

fn as_elements<'a>((field, value): (&'a [u8], &'a [u8])) -> (Element<'a>, Element<'a>) {
    (Element::Bytes(field), Element::Bytes(value))
}

/// Fields and values of a hash.
pub struct HashIter<'a>(IterRepr<'a>);

enum IterRepr<'a> {
    Packed(ListpackIter<'a>),
    Table(TableIter<'a>),
}

impl<'a> Iterator for HashIter<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Packed(elements) => Some((elements.next()?, elements.next()?)),
            IterRepr::Table(entries) => entries.next().map(as_elements),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    type Model = HashMap<Vec<u8>, Vec<u8>>;

    fn content(hash: &Hash) -> Model {
        hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => (-60..60i64).prop_map(|number| number.to_string().into_bytes()),
            1 => (0..3u8, 10..70usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_and_clones_stay_as_they_were(
            steps in prop::collection::vec((0..3u8, text(), text()), 0..300), entries in 0..80usize, value in 1..80usize,
        ) {
            let limits = Limits {
                hash_max_listpack_entries: entries, hash_max_listpack_value: value, ..Limits::default()
            };
            let (mut hash, mut model, mut kept) = (Hash::new(), Model::new(), Vec::new());
            for (number, (action, field, value)) in steps.into_iter().enumerate() {
                if action == 0 {
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                } else {
                    prop_assert_eq!(hash.set(&field, &value, &limits), model.insert(field.clone(), value).is_none());
                }
                prop_assert_eq!(hash.get(&field).map(|e| e.to_vec()), model.get(&field).cloned());
                prop_assert_eq!(hash.contains(&field), model.contains_key(&field));
                prop_assert_eq!(hash.len(), model.len());
                if number % 40 == 0 {
                    kept.push((hash.clone(), model.clone()));
                }
            }
            prop_assert!(hash.as_listpack().is_none() || hash.len() <= entries);
            prop_assert_eq!(content(&hash), model);
            for (hash, model) in kept {
                prop_assert_eq!(content(&hash), model);
            }
            let mut scanned = 0;
            let mut cursor = hash.scan(0, 5, |_, _| scanned += 1);
            while cursor != 0 {
                cursor = hash.scan(cursor, 5, |_, _| scanned += 1);
            }
            prop_assert_eq!(scanned, hash.len());
            prop_assert!((0..hash.len()).all(|index| hash.nth(index) == hash.iter().nth(index)));
        }
    }

    #[test]
    fn converts_where_a_peer_does() {
        // OBJECT ENCODING on valkey 8.0 at its default limits.
        let limits = Limits::default();
        let mut hash = Hash::new();
        for number in 0..512 {
            hash.set(number.to_string().as_bytes(), b"v", &limits);
        }
        assert_eq!(hash.encoding(), "listpack");
        hash.set(b"512", b"v", &limits);
        assert_eq!(hash.encoding(), "hashtable");
        let mut hash = Hash::new();
        hash.set(b"f", &[b'x'; 64], &limits);
        assert_eq!(hash.encoding(), "listpack");
        hash.set(b"f", &[b'x'; 65], &limits);
        assert_eq!(hash.encoding(), "hashtable");
        let mut hash = Hash::new();
        hash.prepare(600, &limits);
        assert_eq!(hash.encoding(), "hashtable");
    }

    #[test]
    fn a_listpack_from_outside_must_hold_distinct_fields_with_values() {
        let listpack = |texts: &[&str]| {
            let mut listpack = Listpack::new();
            texts.iter().for_each(|text| listpack.push_back(text.as_bytes()));
            Hash::from_listpack(listpack, &Limits::default())
        };
        assert!(listpack(&["a", "1", "b"]).is_err());
        assert!(listpack(&["a", "1", "a", "2"]).is_err());
        assert_eq!(listpack(&["a", "1", "b", "2"]).map(|hash| hash.len()), Ok(2));
    }

    #[test]
    fn a_random_pair_is_any_pair() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut hash = Hash::new();
        assert!(hash.random(&mut rng).is_none());
        for number in 0..1000 {
            hash.set(number.to_string().as_bytes(), b"v", &Limits::default());
        }
        let mut seen = HashMap::new();
        for _ in 0..20_000 {
            *seen.entry(hash.random(&mut rng).unwrap().0.to_vec()).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 1000);
        assert!(seen.values().all(|&times| (3..50).contains(&times)));
    }
}

//! A hash: a listpack while small, a table when large; each in a second form once a field has had a deadline, so that
//! hashes without deadlines pay nothing for them. Read `packed.rs` for the listpacks, `timed.rs` and `due.rs` for the
//! large form with deadlines, `live.rs` for what of a hash counts at a moment.

mod due;
mod live;
mod packed;
#[cfg(test)]
mod tests;
mod timed;

use base::UnixMs;
use triomphe::Arc;

pub use live::LiveHash;
use packed::{PAIR, TRIPLE};
use timed::Timed;

use crate::table::{Table, TableBuilder, TimedTableIter};
use crate::{Approach, Corrupt, Element, Limits, Listpack, ListpackIter};

/// Fields with values, some of them with a deadline. A clone keeps what it was cloned from; it is O(1), or a copy of a
/// small form. Nothing here looks at a clock: a field whose deadline has passed stays until it is removed.
#[derive(Clone)]
pub struct Hash(Repr);

#[derive(Clone)]
enum Repr {
    /// Fields and values.
    Packed(Listpack),
    /// Fields, values and deadlines.
    PackedTimed(Listpack),
    /// Without deadlines.
    Table(Table),
    /// With at least one deadline.
    TableTimed(Arc<Timed>),
}

/// A field with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashEntry<'a> {
    /// Its name.
    pub field: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// When it expires.
    pub deadline: Option<UnixMs>,
}

/// Builds a hash with the encoding of large ones, of fields that come one after the other: faster than setting each.
pub struct HashBuilder(TableBuilder);

impl HashBuilder {
    /// For a hash of so many fields. None if it may have another encoding.
    pub fn for_fields(fields: usize, limits: &Limits) -> Option<HashBuilder> {
        (fields > limits.hash_max_listpack_entries).then(|| HashBuilder(TableBuilder::new()))
    }

    /// Adds a field.
    pub fn push(&mut self, field: &[u8], value: &[u8]) {
        self.0.push(field, value);
    }

    /// The hash. None if a field came twice.
    pub fn finish(self) -> Option<Hash> {
        self.0.finish().map(|table| Hash(Repr::Table(table)))
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Hash {
    /// Without fields.
    pub fn new() -> Hash {
        Hash(Repr::Packed(Listpack::new()))
    }

    /// Takes a listpack of fields and values, converting it if it exceeds the limits. Fails on an odd count or a
    /// repeated field.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Hash, Corrupt> {
        let fits = fits(&listpack, PAIR, limits);
        if fits && listpack.len().is_multiple_of(PAIR) && !listpack.may_repeat(PAIR) {
            return Ok(Hash(Repr::Packed(listpack)));
        }
        let table = table_of(&listpack)?;
        Ok(Hash(if fits { Repr::Packed(listpack) } else { Repr::Table(table) }))
    }

    /// Takes a listpack of fields, values and deadlines (Unix milliseconds, 0 for none), as Redis 7.4 keeps it; without
    /// a deadline it becomes one of pairs. Fails if it holds no such triples, or a field twice.
    pub fn from_timed_listpack(listpack: Listpack, limits: &Limits) -> Result<Hash, Corrupt> {
        let in_order = packed::is_in_order(&listpack).ok_or(Corrupt("hash listpack of other than triples"))?;
        if packed::next_deadline(&listpack).is_none() && in_order {
            return Hash::from_listpack(packed::without_deadlines(&listpack), limits);
        }
        if in_order && fits(&listpack, TRIPLE, limits) && !listpack.may_repeat(TRIPLE) {
            return Ok(Hash(Repr::PackedTimed(listpack)));
        }
        let mut hash = Hash::new();
        hash.prepare(listpack.len() / TRIPLE, limits);
        let entries = HashEntries(IterRepr::PackedTimed(listpack.iter()));
        for entry in entries {
            let new = entry.field.with_bytes(|field| {
                let new = entry.value.with_bytes(|value| hash.set(field, value, limits));
                hash.set_deadline(field, entry.deadline);
                new
            });
            if !new {
                return Err(Corrupt("hash listpack has a field twice"));
            }
        }
        Ok(hash)
    }

    /// The bytes of the small form without deadlines.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Repr::Packed(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// The bytes of the small form with deadlines: triples as [`Hash::from_timed_listpack`] takes them.
    pub fn as_timed_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Repr::PackedTimed(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// The fields and values of either small form as a listpack of pairs.
    pub fn to_listpack_of_pairs(&self) -> Option<Listpack> {
        match &self.0 {
            Repr::Packed(listpack) => Some(listpack.clone()),
            Repr::PackedTimed(listpack) => Some(packed::without_deadlines(listpack)),
            Repr::Table(_) | Repr::TableTimed(_) => None,
        }
    }

    /// Number of fields, those past their deadline included.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.len() / PAIR,
            Repr::PackedTimed(listpack) => listpack.len() / TRIPLE,
            Repr::Table(table) => table.len(),
            Repr::TableTimed(timed) => timed.table.len(),
        }
    }

    /// True without fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name OBJECT ENCODING gives: `listpack`, `listpackex` or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::PackedTimed(_) => "listpackex",
            Repr::Table(_) | Repr::TableTimed(_) => "hashtable",
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.0 {
            Repr::Packed(listpack) => packed::get(listpack, field, PAIR),
            Repr::PackedTimed(listpack) => packed::get(listpack, field, TRIPLE),
            Repr::Table(table) => table.get(field).map(Element::Bytes),
            Repr::TableTimed(timed) => timed.table.get(field).map(Element::Bytes),
        }
    }

    /// True if the field exists.
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Repr::Packed(listpack) => listpack.find(field, PAIR).is_some(),
            Repr::PackedTimed(listpack) => listpack.find(field, TRIPLE).is_some(),
            Repr::Table(table) => table.contains(field),
            Repr::TableTimed(timed) => timed.table.contains(field),
        }
    }

    /// The deadline of a field; None outside if there is no such field.
    pub fn deadline(&self, field: &[u8]) -> Option<Option<UnixMs>> {
        let deadline = match &self.0 {
            Repr::Packed(_) | Repr::Table(_) => return self.contains(field).then_some(None),
            Repr::PackedTimed(listpack) => packed::deadline(listpack, field)?,
            Repr::TableTimed(timed) => timed.table.get_timed(field)?.1,
        };
        Some(deadline.map(UnixMs))
    }

    /// The earliest deadline of all fields. O(1).
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let deadline = match &self.0 {
            Repr::Packed(_) | Repr::Table(_) => None,
            Repr::PackedTimed(listpack) => packed::next_deadline(listpack),
            Repr::TableTimed(timed) => timed.due.first().map(|due| due.0),
        };
        deadline.map(UnixMs)
    }

    /// How many fields have a deadline that is not after `now`.
    pub fn due_count(&self, now: UnixMs) -> usize {
        match &self.0 {
            Repr::Packed(_) | Repr::Table(_) => 0,
            Repr::PackedTimed(listpack) => packed::count_until(listpack, now.0),
            Repr::TableTimed(timed) => timed.due.count_until(now.0),
        }
    }

    /// Names fields whose deadlines are not after `now`, the earliest first: at most `max`, at least one if there is one.
    pub fn due_fields(&self, now: UnixMs, max: usize) -> Vec<Vec<u8>> {
        match &self.0 {
            Repr::Packed(_) | Repr::Table(_) => Vec::new(),
            Repr::PackedTimed(listpack) => {
                let due = packed::count_until(listpack, now.0).min(max);
                listpack.iter().step_by(TRIPLE).take(due).map(|field| field.to_vec()).collect()
            }
            Repr::TableTimed(timed) => timed.due_fields(now.0, max),
        }
    }

    /// The hash as it is to be seen at a moment: without the fields whose deadlines are not after it.
    pub fn at(&self, now: UnixMs) -> LiveHash<'_> {
        LiveHash::new(self, now)
    }

    /// Sets out for a field, if the hash is large.
    pub fn approach(&self, field: &[u8]) -> Option<Approach<'_>> {
        let table = match &self.0 {
            Repr::Packed(_) | Repr::PackedTimed(_) => return None,
            Repr::Table(table) => table,
            Repr::TableTimed(timed) => &timed.table,
        };
        Some(Approach::new(table, field))
    }

    /// Drops it, with a call of `between` behind every few thousand fields. What a clone shares stays with that.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        match self.0 {
            Repr::Packed(_) | Repr::PackedTimed(_) => {}
            Repr::Table(table) => table.drop_in_pieces(between),
            Repr::TableTimed(timed) => {
                if let Ok(Timed { table, due }) = Arc::try_unwrap(timed) {
                    table.drop_in_pieces(between);
                    due.drop_in_pieces(between);
                }
            }
        }
    }

    /// A command is about to set `fields` pairs: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, fields: usize, limits: &Limits) {
        if fields > limits.hash_max_listpack_entries {
            self.convert();
        }
    }

    /// Adds or replaces; true if the field is new. Either way it has no deadline afterwards.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        let new = self.set_value(field, value, limits);
        if !new && self.next_deadline().is_some() && self.deadline(field).flatten().is_some() {
            self.set_deadline(field, None);
        }
        new
    }

    /// Adds or replaces; true if the field is new. An old one keeps its deadline.
    pub fn set_value(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Some((listpack, stride)) = self.packed_mut() {
            let added = field.len() + value.len();
            let long = field.len().max(value.len()) > limits.hash_max_listpack_value;
            if !long && listpack.has_room_for(added) {
                let new = packed::set(listpack, field, value, stride);
                if new && self.len() > limits.hash_max_listpack_entries {
                    self.convert();
                }
                return new;
            }
        }
        self.convert();
        match &mut self.0 {
            Repr::Table(table) => table.set(field, value),
            Repr::TableTimed(timed) => Arc::make_mut(timed).set(field, value),
            Repr::Packed(_) | Repr::PackedTimed(_) => unreachable!("converted above"),
        }
    }

    /// Sets or clears the deadline of a field: whether the field is there. A moment before the epoch's first millisecond
    /// counts as that one.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Option<UnixMs>) -> bool {
        let deadline = deadline.map(|at| at.0.max(1));
        if deadline.is_some() {
            self.make_timed();
        }
        match &mut self.0 {
            Repr::Packed(_) | Repr::Table(_) => self.contains(field),
            Repr::PackedTimed(listpack) => packed::set_deadline(listpack, field, deadline),
            Repr::TableTimed(timed) => {
                let found = Arc::make_mut(timed).set_deadline(field, deadline);
                self.drop_empty_index();
                found
            }
        }
    }

    /// True if the field was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Packed(listpack) => packed::remove(listpack, field, PAIR),
            Repr::PackedTimed(listpack) => packed::remove(listpack, field, TRIPLE),
            Repr::Table(table) => table.remove(field),
            Repr::TableTimed(timed) => {
                let found = timed.table.contains(field) && Arc::make_mut(timed).remove(field);
                self.drop_empty_index();
                found
            }
        }
    }

    /// All fields with their values: in the order of the listpack while small, hash order when large.
    pub fn iter(&self) -> HashIter<'_> {
        HashIter(self.entries())
    }

    /// As [`Hash::iter`], with the deadlines.
    pub fn entries(&self) -> HashEntries<'_> {
        HashEntries(match &self.0 {
            Repr::Packed(listpack) => IterRepr::Packed(listpack.iter()),
            Repr::PackedTimed(listpack) => IterRepr::PackedTimed(listpack.iter()),
            Repr::Table(table) => IterRepr::Table(table.timed_iter()),
            Repr::TableTimed(timed) => IterRepr::Table(timed.table.timed_iter()),
        })
    }

    /// The pair at a position of the iteration order, which any write may change: for drawing distinct samples.
    pub fn nth(&self, index: usize) -> Option<(Element<'_>, Element<'_>)> {
        self.nth_entry(index).map(|entry| (entry.field, entry.value))
    }

    /// As [`Hash::nth`], with the deadline.
    pub fn nth_entry(&self, index: usize) -> Option<HashEntry<'_>> {
        match &self.0 {
            Repr::Packed(listpack) => {
                HashEntries(IterRepr::Packed(listpack.iter_at(listpack.offset_of(index.checked_mul(PAIR)?)?))).next()
            }
            Repr::PackedTimed(listpack) => {
                let at = listpack.offset_of(index.checked_mul(TRIPLE)?)?;
                HashEntries(IterRepr::PackedTimed(listpack.iter_at(at))).next()
            }
            Repr::Table(table) => table.nth_timed(index).map(as_entry),
            Repr::TableTimed(timed) => timed.table.nth_timed(index).map(as_entry),
        }
    }

    /// A pair, each with the same probability.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Element<'_>, Element<'_>)> {
        self.nth(rng.usize(..self.len().max(1)))
    }

    /// Emits about `count` entries from `cursor` on (all of them while small) and returns the next cursor, 0 at the end.
    /// What is present throughout a scan is emitted at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(HashEntry<'_>)) -> u64 {
        let table = match &self.0 {
            Repr::Packed(_) | Repr::PackedTimed(_) => {
                self.entries().for_each(emit);
                return 0;
            }
            Repr::Table(table) => table,
            Repr::TableTimed(timed) => &timed.table,
        };
        table.scan_timed(cursor, count, |entry| emit(as_entry(entry)))
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) | Repr::PackedTimed(listpack) => listpack.memory_bytes(),
            Repr::Table(table) => table.memory_bytes(),
            Repr::TableTimed(timed) => timed.memory_bytes() + size_of::<usize>(),
        }
    }

    /// The listpack of a small form, and how many of its elements make a field.
    fn packed_mut(&mut self) -> Option<(&mut Listpack, usize)> {
        match &mut self.0 {
            Repr::Packed(listpack) => Some((listpack, PAIR)),
            Repr::PackedTimed(listpack) => Some((listpack, TRIPLE)),
            Repr::Table(_) | Repr::TableTimed(_) => None,
        }
    }

    /// Makes the large form of a small one.
    fn convert(&mut self) {
        const OURS: &str = "our own listpack is complete and has no field twice";
        self.0 = match &self.0 {
            Repr::Packed(listpack) => Repr::Table(table_of(listpack).expect(OURS)),
            Repr::PackedTimed(listpack) => {
                let table = table_of(&packed::without_deadlines(listpack)).expect(OURS);
                let mut timed = Timed::new(table);
                for entry in self.entries().take_while(|entry| entry.deadline.is_some()) {
                    entry.field.with_bytes(|field| timed.set_deadline(field, entry.deadline.map(|at| at.0)));
                }
                Repr::TableTimed(Arc::new(timed))
            }
            Repr::Table(_) | Repr::TableTimed(_) => return,
        };
        self.drop_empty_index();
    }

    /// Makes the form that can hold deadlines.
    fn make_timed(&mut self) {
        match &self.0 {
            // Triples may not fit where pairs did.
            Repr::Packed(listpack) if listpack.has_room_for(listpack.byte_len()) => {
                self.0 = Repr::PackedTimed(packed::with_deadlines(listpack));
            }
            Repr::Packed(_) => {
                self.convert();
                self.make_timed();
            }
            Repr::Table(table) => self.0 = Repr::TableTimed(Arc::new(Timed::new(table.clone()))),
            Repr::PackedTimed(_) | Repr::TableTimed(_) => {}
        }
    }

    /// A table whose last deadline went is a plain one again.
    fn drop_empty_index(&mut self) {
        if let Repr::TableTimed(timed) = &self.0
            && timed.due.len() == 0
        {
            self.0 = Repr::Table(timed.table.clone());
        }
    }
}

/// Whether a listpack of so many elements a field is within the limits of the small forms.
fn fits(listpack: &Listpack, stride: usize, limits: &Limits) -> bool {
    let texts = listpack.iter().enumerate().filter(|(index, _)| index % stride < PAIR);
    listpack.len() / stride <= limits.hash_max_listpack_entries
        && texts.into_iter().all(|(_, element)| element.len() <= limits.hash_max_listpack_value)
}

fn table_of(listpack: &Listpack) -> Result<Table, Corrupt> {
    let mut table = TableBuilder::new();
    let mut elements = listpack.iter();
    while let Some(field) = elements.next() {
        let value = elements.next().ok_or(Corrupt("hash listpack has a field without a value"))?;
        field.with_bytes(|field| value.with_bytes(|value| table.push(field, value)));
    }
    table.finish().ok_or(Corrupt("hash listpack has a field twice"))
}

fn as_entry<'a>((field, value, deadline): (&'a [u8], &'a [u8], Option<i64>)) -> HashEntry<'a> {
    HashEntry { field: Element::Bytes(field), value: Element::Bytes(value), deadline: deadline.map(UnixMs) }
}

/// Fields, values and deadlines of a hash.
pub struct HashEntries<'a>(IterRepr<'a>);

enum IterRepr<'a> {
    Packed(ListpackIter<'a>),
    PackedTimed(ListpackIter<'a>),
    Table(TimedTableIter<'a>),
}

impl<'a> Iterator for HashEntries<'a> {
    type Item = HashEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Packed(elements) => {
                Some(HashEntry { field: elements.next()?, value: elements.next()?, deadline: None })
            }
            IterRepr::PackedTimed(elements) => Some(HashEntry {
                field: elements.next()?,
                value: elements.next()?,
                deadline: packed::as_deadline(elements.next()?).map(UnixMs),
            }),
            IterRepr::Table(entries) => entries.next().map(as_entry),
        }
    }
}

/// Fields and values of a hash.
pub struct HashIter<'a>(HashEntries<'a>);

impl<'a> Iterator for HashIter<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|entry| (entry.field, entry.value))
    }
}

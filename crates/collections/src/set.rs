//! A set: an intset while all members are integers, a listpack while small, a table when large.

use crate::listpack::canonical;
use crate::table::{Table, TableBuilder, TableIter};
use crate::{Approach, Corrupt, Element, Intset, Limits, Listpack, ListpackIter};

/// The peers keep no intset above this, whatever the setting.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

/// Distinct members. A clone keeps what it was cloned from; it is O(1), or a copy of a small form.
#[derive(Clone)]
pub struct Set(Repr);

/// Two words wide, because it stands in the entries of the keyspace: the form that sets of a few members mostly have is
/// there, the others behind a pointer.
#[derive(Clone)]
enum Repr {
    Packed(Listpack),
    Other(Box<Other>),
}

#[derive(Clone)]
enum Other {
    Intset(Intset),
    Table(Table),
}

/// The form of a set, for reading.
enum Form<'a> {
    Intset(&'a Intset),
    Packed(&'a Listpack),
    Table(&'a Table),
}

/// The form of a set, for writing.
enum FormMut<'a> {
    Intset(&'a mut Intset),
    Packed(&'a mut Listpack),
    Table(&'a mut Table),
}

impl Repr {
    fn intset(intset: Intset) -> Repr {
        Repr::Other(Box::new(Other::Intset(intset)))
    }

    fn table(table: Table) -> Repr {
        Repr::Other(Box::new(Other::Table(table)))
    }

    #[inline]
    fn form(&self) -> Form<'_> {
        match self {
            Repr::Packed(listpack) => Form::Packed(listpack),
            Repr::Other(other) => match &**other {
                Other::Intset(intset) => Form::Intset(intset),
                Other::Table(table) => Form::Table(table),
            },
        }
    }

    #[inline]
    fn form_mut(&mut self) -> FormMut<'_> {
        match self {
            Repr::Packed(listpack) => FormMut::Packed(listpack),
            Repr::Other(other) => match &mut **other {
                Other::Intset(intset) => FormMut::Intset(intset),
                Other::Table(table) => FormMut::Table(table),
            },
        }
    }
}

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

/// Pops of at least this part of all members take one pass over them.
const MANY: usize = 8;

/// What [`Set::pop_many`] removed.
pub struct PoppedMembers(Popped);

enum Popped {
    Few(Vec<Vec<u8>>),
    /// The set as it was, and a flag for each of its members.
    Many {
        before: Set,
        chosen: Vec<bool>,
    },
}

impl PoppedMembers {
    /// The members.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        let (few, many) = match &self.0 {
            Popped::Few(members) => (Some(members.iter().map(|member| Element::Bytes(member))), None),
            Popped::Many { before, chosen } => (None, Some(before.iter().zip(chosen))),
        };
        let many = many.into_iter().flatten().filter(|(_, chosen)| **chosen).map(|(member, _)| member);
        few.into_iter().flatten().chain(many)
    }
}

/// Flags for `len` places, `count` of them set, every choice with the same probability.
fn draw(len: usize, count: usize, rng: &mut fastrand::Rng) -> Vec<bool> {
    let mut chosen = vec![false; len];
    // The smaller part is drawn, by Floyd's method: a place drawn twice gives way to the last one in reach.
    let few = count.min(len - count);
    for reach in len - few..len {
        let place = rng.usize(..=reach);
        let place = if chosen[place] { reach } else { place };
        chosen[place] = true;
    }
    if few < count {
        chosen.iter_mut().for_each(|chosen| *chosen = !*chosen);
    }
    chosen
}

impl Set {
    /// Without members.
    pub fn new() -> Set {
        Set(Repr::intset(Intset::new()))
    }

    /// Takes an intset, converting it if it exceeds the limits.
    pub fn from_intset(intset: Intset, limits: &Limits) -> Set {
        let mut set = Set(Repr::intset(intset));
        if set.len() > intset_entries_max(limits) {
            set.convert();
        }
        set
    }

    /// Takes a listpack of members, converting it if it exceeds the limits. Fails on a repeated member.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Set, Corrupt> {
        let fits = listpack.len() <= limits.set_max_listpack_entries
            && listpack.iter().all(|member| member.len() <= limits.set_max_listpack_value);
        if fits && !listpack.may_repeat(1) {
            return Ok(Set(Repr::Packed(listpack)));
        }
        let mut table = Table::new();
        for member in listpack.iter() {
            if !member.with_bytes(|member| table.set(member, b"")) {
                return Err(Corrupt("set listpack has a member twice"));
            }
        }
        Ok(Set(if fits { Repr::Packed(listpack) } else { Repr::table(table) }))
    }

    /// The bytes of the form for integers.
    pub fn as_intset(&self) -> Option<&Intset> {
        match self.0.form() {
            Form::Intset(intset) => Some(intset),
            _ => None,
        }
    }

    /// The bytes of the small form.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match self.0.form() {
            Form::Packed(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match self.0.form() {
            Form::Intset(intset) => intset.len(),
            Form::Packed(listpack) => listpack.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name OBJECT ENCODING gives: `intset`, `listpack` or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match self.0.form() {
            Form::Intset(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// True if `member` is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self.0.form() {
            Form::Intset(intset) => base::numbers::parse_i64(member).is_some_and(|value| intset.contains(value)),
            Form::Packed(listpack) => listpack.find(member, 1).is_some(),
            Form::Table(table) => table.contains(member),
        }
    }

    /// Sets out for a member, if the set is large.
    pub fn approach(&self, member: &[u8]) -> Option<Approach<'_>> {
        match self.0.form() {
            Form::Intset(_) | Form::Packed(_) => None,
            Form::Table(table) => Some(Approach::new(table, member)),
        }
    }

    /// Drops it, with a call of `between` behind every few thousand members. What a clone shares stays with that.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        if let Repr::Other(other) = self.0
            && let Other::Table(table) = *other
        {
            table.drop_in_pieces(between);
        }
    }

    /// A command is about to add `members`, of which `first` is the first: chooses the form of an empty set, and
    /// converts one that could not hold that many, whether or not they turn out to be new. As the peers do.
    pub fn prepare(&mut self, first: &[u8], members: usize, limits: &Limits) {
        if self.is_empty() {
            let fits_listpack = members <= limits.set_max_listpack_entries;
            if base::numbers::parse_i64(first).is_some() && members <= limits.set_max_intset_entries {
                self.0 = Repr::intset(Intset::new());
            } else if fits_listpack {
                self.0 = Repr::Packed(Listpack::new());
            } else {
                self.0 = Repr::table(Table::new());
            }
            return;
        }
        let members_max = match self.0.form() {
            Form::Intset(_) => limits.set_max_intset_entries,
            Form::Packed(_) => limits.set_max_listpack_entries,
            Form::Table(_) => return,
        };
        if members > members_max {
            self.convert();
        }
    }

    /// True if the member is new.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self.0.form_mut() {
            FormMut::Intset(intset) => match base::numbers::parse_i64(member) {
                Some(value) => {
                    if intset.contains(value) {
                        return false;
                    }
                    intset.insert(value);
                    if self.len() > intset_entries_max(limits) {
                        self.convert();
                    }
                    true
                }
                None => self.leave_intset(member, limits),
            },
            FormMut::Packed(listpack) => {
                if listpack.find(member, 1).is_some() {
                    return false;
                }
                let fits = listpack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                    && listpack.has_room_for(member.len());
                if !fits {
                    return self.convert().set(member, b"");
                }
                listpack.push_back(member);
                true
            }
            FormMut::Table(table) => table.set(member, b""),
        }
    }

    /// True if the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self.0.form_mut() {
            FormMut::Intset(intset) => {
                let Some(value) = base::numbers::parse_i64(member) else { return false };
                intset.contains(value) && intset.remove(value)
            }
            FormMut::Packed(listpack) => {
                let Some(at) = listpack.find(member, 1) else { return false };
                let end = listpack.read(at).1;
                listpack.remove_between(at..end, 1);
                true
            }
            FormMut::Table(table) => table.remove(member),
        }
    }

    /// All members: ascending in an intset, in insertion order in a listpack, in hash order in a table.
    pub fn iter(&self) -> SetIter<'_> {
        SetIter(match self.0.form() {
            Form::Intset(intset) => IterRepr::Intset(intset, 0),
            Form::Packed(listpack) => IterRepr::Packed(listpack.iter()),
            Form::Table(table) => IterRepr::Table(table.iter()),
        })
    }

    /// The member at a position of the iteration order, which any write may change: for drawing distinct samples.
    pub fn nth(&self, index: usize) -> Option<Element<'_>> {
        match self.0.form() {
            Form::Intset(intset) => intset.get(index).map(Element::Int),
            Form::Packed(listpack) => listpack.get(index),
            Form::Table(table) => table.nth(index).map(|(member, _)| Element::Bytes(member)),
        }
    }

    /// A member, each with the same probability.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Element<'_>> {
        self.nth(rng.usize(..self.len().max(1)))
    }

    /// Removes and returns a member, each with the same probability.
    pub fn pop_random(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let member = self.random(rng)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Removes `count` members (or all if there are fewer), every choice with the same probability: what was removed. Many
    /// of them take one pass instead of a search for each.
    pub fn pop_many(&mut self, count: usize, rng: &mut fastrand::Rng) -> PoppedMembers {
        let len = self.len();
        let count = count.min(len);
        if count < len / MANY {
            return PoppedMembers(Popped::Few((0..count).filter_map(|_| self.pop_random(rng)).collect()));
        }
        let chosen = draw(len, count, rng);
        let before = self.clone();
        match self.0.form_mut() {
            FormMut::Table(table) => {
                let mut stays = chosen.iter().map(|chosen| !chosen);
                table.retain(|_, _| stays.next().expect("a place for each member"));
            }
            _ => {
                for (member, _) in before.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
                    member.with_bytes(|member| self.remove(member));
                }
            }
        }
        PoppedMembers(Popped::Many { before, chosen })
    }

    /// Emits about `count` members from `cursor` on (all of them while small) and returns the next cursor, 0 at the end.
    /// What is present throughout a scan is emitted at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(Element<'_>)) -> u64 {
        match self.0.form() {
            Form::Table(table) => table.scan(cursor, count, |member, _| emit(Element::Bytes(member))),
            _ => {
                self.iter().for_each(emit);
                0
            }
        }
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match self.0.form() {
            Form::Intset(intset) => intset.memory_bytes(),
            Form::Packed(listpack) => listpack.memory_bytes(),
            Form::Table(table) => table.memory_bytes(),
        }
    }

    /// True if both have the same members for certain, because one is a clone of the other and neither was written to since;
    /// known of tables only.
    pub fn is_clone_of(&self, other: &Set) -> bool {
        match (self.0.form(), other.0.form()) {
            (Form::Table(table), Form::Table(other)) => table.is_clone_of(other),
            _ => false,
        }
    }

    /// Adds a member that is no integer to an intset.
    fn leave_intset(&mut self, member: &[u8], limits: &Limits) -> bool {
        let Form::Intset(intset) = self.0.form() else { unreachable!("called for intsets only") };
        // The first and last are the longest, apart from the sign.
        let ends = [intset.get(0), intset.len().checked_sub(1).and_then(|last| intset.get(last))];
        let longest = ends.into_iter().flatten().map(|value| Element::Int(value).len()).max().unwrap_or(0);
        let fits = intset.len() < limits.set_max_listpack_entries
            && member.len().max(longest) <= limits.set_max_listpack_value;
        if !fits {
            return self.convert().set(member, b"");
        }
        let mut listpack = Listpack::new();
        for value in intset.iter() {
            listpack.insert_at(listpack.end(), Element::Int(value));
        }
        listpack.insert_at(listpack.end(), canonical(member));
        self.0 = Repr::Packed(listpack);
        true
    }

    fn convert(&mut self) -> &mut Table {
        let table = match self.0.form() {
            Form::Intset(intset) => Some(table_of(intset.iter().map(Element::Int))),
            Form::Packed(listpack) => Some(table_of(listpack.iter())),
            Form::Table(_) => None,
        };
        if let Some(table) = table {
            self.0 = Repr::table(table);
        }
        match self.0.form_mut() {
            FormMut::Table(table) => table,
            _ => unreachable!("converted above"),
        }
    }
}

/// A table of members that all differ.
fn table_of<'a>(members: impl Iterator<Item = Element<'a>>) -> Table {
    let mut table = TableBuilder::new();
    members.for_each(|member| member.with_bytes(|member| table.push(member, b"")));
    table.finish().expect("a set holds no member twice")
}

/// Builds a set with the encoding of large ones, of members that come one after the other: faster than adding each.
pub struct SetBuilder(TableBuilder);

impl SetBuilder {
    /// For a set that a plain list of so many members is read into. With the peers it has this encoding, whatever they are, if
    /// an intset could not hold that many; None if it may have another.
    pub fn for_plain_list(members: usize, limits: &Limits) -> Option<SetBuilder> {
        (members > intset_entries_max(limits)).then(|| SetBuilder(TableBuilder::new()))
    }

    /// Adds a member.
    pub fn push(&mut self, member: &[u8]) {
        self.0.push(member, b"");
    }

    /// The set. None if a member came twice.
    pub fn finish(self) -> Option<Set> {
        self.0.finish().map(|table| Set(Repr::table(table)))
    }
}

fn intset_entries_max(limits: &Limits) -> usize {
    limits.set_max_intset_entries.min(INTSET_ENTRIES_MAX)
}

/// Members of a set.
pub struct SetIter<'a>(IterRepr<'a>);

enum IterRepr<'a> {
    Intset(&'a Intset, usize),
    Packed(ListpackIter<'a>),
    Table(TableIter<'a>),
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            IterRepr::Intset(intset, index) => {
                *index += 1;
                intset.get(*index - 1).map(Element::Int)
            }
            IterRepr::Packed(elements) => elements.next(),
            IterRepr::Table(entries) => entries.next().map(|(member, _)| Element::Bytes(member)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeSet<Vec<u8>>;

    fn content(set: &Set) -> Model {
        set.iter().map(|member| member.to_vec()).collect()
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            30 => (-60..60i64).prop_map(|number| number.to_string().into_bytes()),
            1 => (0..3u8, 1..70usize).prop_map(|(byte, len)| vec![byte; len]),
            1 => (0..3u8, 900..5_000usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_and_clones_stay_as_they_were(
            steps in prop::collection::vec((0..8u8, member()), 0..300),
            entries in 0..80usize, intset in 0..80usize, value in 1..80usize,
        ) {
            let limits = Limits {
                set_max_listpack_entries: entries, set_max_intset_entries: intset, set_max_listpack_value: value,
                ..Limits::default()
            };
            let mut rng = fastrand::Rng::with_seed(3);
            let (mut set, mut model, mut kept) = (Set::new(), Model::new(), Vec::new());
            for (number, (action, member)) in steps.into_iter().enumerate() {
                match action {
                    0 => {
                        let popped = set.pop_random(&mut rng);
                        prop_assert_eq!(popped.is_none(), model.is_empty());
                        prop_assert!(popped.is_none_or(|popped| model.remove(&popped)));
                    }
                    1 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                    2 => set.prepare(&member, number % 90, &limits),
                    _ => prop_assert_eq!(set.add(&member, &limits), model.insert(member.clone())),
                }
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                prop_assert_eq!(set.len(), model.len());
                if number % 40 == 0 {
                    kept.push((set.clone(), model.clone()));
                }
            }
            prop_assert_eq!(content(&set), model);
            for (set, model) in kept {
                prop_assert_eq!(content(&set), model);
            }
            let mut scanned = 0;
            let mut cursor = set.scan(0, 5, |_| scanned += 1);
            while cursor != 0 {
                cursor = set.scan(cursor, 5, |_| scanned += 1);
            }
            prop_assert_eq!(scanned, set.len());
            prop_assert!((0..set.len()).all(|index| set.nth(index) == set.iter().nth(index)));
        }
    }

    /// The encoding after SADD of these, given in one command.
    fn encoding_after(set: &mut Set, members: &[String], limits: &Limits) -> &'static str {
        set.prepare(members[0].as_bytes(), members.len(), limits);
        members.iter().for_each(|member| {
            set.add(member.as_bytes(), limits);
        });
        set.encoding()
    }

    fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    fn repeated(text: &str, times: usize) -> Vec<String> {
        vec![text.to_string(); times]
    }

    #[test]
    fn converts_where_a_peer_does() {
        // Each line was tried on valkey 8.0 with OBJECT ENCODING.
        let limits = Limits::default();
        let wide = Limits { set_max_listpack_entries: 1000, ..Limits::default() };
        assert_eq!(encoding_after(&mut Set::new(), &numbers(1..=513), &limits), "hashtable");
        let mut set = Set::new();
        assert_eq!(encoding_after(&mut set, &numbers(1..=512), &limits), "intset");
        assert_eq!(encoding_after(&mut set, &numbers(513..=513), &limits), "hashtable");
        let mut set = Set::new();
        encoding_after(&mut set, &numbers(1..=512), &wide);
        assert_eq!(encoding_after(&mut set, &numbers(600..=600), &wide), "hashtable");
        assert_eq!(encoding_after(&mut Set::new(), &numbers(1..=600), &wide), "listpack");
        assert_eq!(encoding_after(&mut Set::new(), &repeated("2", 603), &limits), "hashtable");
        assert_eq!(encoding_after(&mut Set::new(), &repeated("b", 201), &limits), "hashtable");
        let mut set = Set::new();
        encoding_after(&mut set, &numbers(1..=2), &limits);
        let mut twos = repeated("2", 200);
        twos.push("a".to_string());
        assert_eq!(encoding_after(&mut set.clone(), &twos, &limits), "listpack");
        assert_eq!(encoding_after(&mut set.clone(), &repeated("2", 600), &limits), "hashtable");
        assert_eq!(encoding_after(&mut set, &numbers(1000..=1200), &limits), "intset");
        assert_eq!(encoding_after(&mut set, &repeated("a", 1), &limits), "hashtable");
    }

    #[test]
    fn a_set_is_known_as_a_clone_until_one_of_both_changes() {
        let limits = Limits::default();
        let mut set = Set::new();
        encoding_after(&mut set, &numbers(1..=1000), &limits);
        let (mut smaller, mut larger) = (set.clone(), set.clone());
        assert!(set.is_clone_of(&set) && set.is_clone_of(&smaller) && smaller.is_clone_of(&larger));
        assert!(smaller.remove(b"7") && larger.add(b"x", &limits));
        assert!(!set.is_clone_of(&smaller) && !larger.is_clone_of(&set));
        assert!(larger.remove(b"x") && !larger.is_clone_of(&set));
    }

    #[test]
    fn a_listpack_from_outside_must_hold_distinct_members() {
        let mut listpack = Listpack::new();
        listpack.push_back(b"a");
        assert!(Set::from_listpack(listpack.clone(), &Limits::default()).is_ok());
        listpack.push_back(b"a");
        assert!(Set::from_listpack(listpack, &Limits::default()).is_err());
    }
}

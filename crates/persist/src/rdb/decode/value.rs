//! The values: every type and encoding that is read, into our own encodings.

use std::io::Read;

use base::UnixMs;
use collections::ziplist::{Ziplist, Zipmap};
use collections::{Element, Hash, HashBuilder, Intset, Limits, List, Listpack, Set, SetBuilder, ZSet, ZSetBuilder};
use keyspace::{Object, Value};

use super::source::Source;
use super::stream::stream;
use crate::rdb::error::Fault;
use crate::rdb::target::Family;
use crate::rdb::types;

/// Reads a value of a type that `types::is_readable`; None for a collection without elements, which no key can hold.
pub(in crate::rdb) fn read_value<R: Read>(
    source: &mut Source<R>,
    type_number: u8,
    family: Family,
    limits: &Limits,
) -> Result<Option<Value>, Fault> {
    if type_number == types::STRING {
        return Ok(Some(Value::from_string(source.string()?)));
    }
    Ok(read_object(source, type_number, family, limits)?.map(Value::Object))
}

/// As [`read_value`], for all types but the string.
pub(in crate::rdb) fn read_object<R: Read>(
    source: &mut Source<R>,
    type_number: u8,
    family: Family,
    limits: &Limits,
) -> Result<Option<Object>, Fault> {
    Ok(match type_number {
        types::LIST => list(source, limits)?.map(Object::List),
        types::LIST_ZIPLIST => list_of_ziplists(source, 1, limits)?.map(Object::List),
        types::LIST_QUICKLIST => {
            let nodes = source.length()?;
            list_of_ziplists(source, nodes, limits)?.map(Object::List)
        }
        types::LIST_QUICKLIST_2 => list_of_nodes(source, limits)?.map(Object::List),
        types::SET => set(source, limits)?.map(Object::Set),
        types::SET_INTSET => set_of_intset(source, limits)?.map(Object::Set),
        types::SET_LISTPACK => packed(source, |listpack| Ok(Set::from_listpack(listpack, limits)?))?.map(Object::Set),
        types::ZSET => zset(source, limits, text_score)?.map(Object::ZSet),
        types::ZSET_2 => zset(source, limits, binary_score)?.map(Object::ZSet),
        types::ZSET_ZIPLIST => zset_of_ziplist(source, limits)?.map(Object::ZSet),
        types::ZSET_LISTPACK => {
            packed(source, |listpack| Ok(ZSet::from_listpack(listpack, limits)?))?.map(Object::ZSet)
        }
        types::HASH => hash(source, limits)?.map(Object::Hash),
        types::HASH_ZIPMAP => hash_of_zipmap(source, limits)?.map(Object::Hash),
        types::HASH_ZIPLIST => hash_of_ziplist(source, limits)?.map(Object::Hash),
        types::HASH_LISTPACK => {
            packed(source, |listpack| Ok(Hash::from_listpack(listpack, limits)?))?.map(Object::Hash)
        }
        types::HASH_TIMED_VALKEY if family == Family::Valkey => {
            timed_hash(source, limits, valkey_field)?.map(Object::Hash)
        }
        types::HASH_TIMED_EARLY => timed_hash(source, limits, early_field)?.map(Object::Hash),
        types::HASH_TIMED => {
            let earliest = i64::from_le_bytes(source.array()?);
            timed_hash(source, limits, |source, field| redis_field(source, field, earliest))?.map(Object::Hash)
        }
        types::HASH_TIMED_LISTPACK_EARLY => timed_listpack(source, limits)?.map(Object::Hash),
        types::HASH_TIMED_LISTPACK => {
            // The earliest deadline once more.
            source.array::<8>()?;
            timed_listpack(source, limits)?.map(Object::Hash)
        }
        types::STREAM | types::STREAM_2 | types::STREAM_3 => Some(Object::Stream(stream(source, type_number)?)),
        _ => return Err(Fault::UnknownType(type_number)),
    })
}

const TWICE: Fault = Fault::Corrupt("an element stands twice in a set, hash or sorted set");
const ODD: Fault = Fault::Corrupt("an element without its pair");
const NOT_A_NUMBER: Fault = Fault::Corrupt("a score is not a number");

/// A stated count as a hint for the encoding: it never allocates.
fn hint(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

// ---- lists ----

fn list<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<List>, Fault> {
    let (mut list, mut element) = (List::new(), Vec::new());
    for _ in 0..source.length()? {
        source.string_into(&mut element)?;
        list.push_back(&element, limits);
    }
    Ok((!list.is_empty()).then_some(list))
}

fn list_of_ziplists<R: Read>(source: &mut Source<R>, nodes: u64, limits: &Limits) -> Result<Option<List>, Fault> {
    let (mut list, mut blob) = (List::new(), Vec::new());
    for _ in 0..nodes {
        source.string_into(&mut blob)?;
        for element in Ziplist::parse(&blob)?.iter() {
            element.with_bytes(|bytes| list.push_back(bytes, limits));
        }
    }
    Ok((!list.is_empty()).then_some(list))
}

fn list_of_nodes<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<List>, Fault> {
    let mut list = List::new();
    for _ in 0..source.length()? {
        match source.length()? {
            types::NODE_PLAIN => list.push_plain_node(source.string()?),
            types::NODE_PACKED => {
                let node = Listpack::from_bytes(source.string()?)?;
                if !node.is_empty() {
                    list.push_packed_node(node);
                }
            }
            _ => return Err(Fault::Corrupt("unknown form of a list node")),
        }
    }
    if list.is_empty() {
        return Ok(None);
    }
    list.settle(limits);
    Ok(Some(list))
}

// ---- what is one listpack ----

fn packed<R: Read, T>(
    source: &mut Source<R>,
    build: impl FnOnce(Listpack) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let listpack = Listpack::from_bytes(source.string()?)?;
    if listpack.is_empty() { Ok(None) } else { build(listpack).map(Some) }
}

// ---- sets ----

fn set<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Set>, Fault> {
    let count = source.length()?;
    let mut member = Vec::new();
    if let Some(mut set) = SetBuilder::for_plain_list(hint(count), limits) {
        for _ in 0..count {
            source.string_into(&mut member)?;
            set.push(&member);
        }
        return set.finish().map(Some).ok_or(TWICE);
    }
    let mut set = Set::new();
    for _ in 0..count {
        source.string_into(&mut member)?;
        if !set.add(&member, limits) {
            return Err(TWICE);
        }
    }
    Ok((count > 0).then_some(set))
}

fn set_of_intset<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Set>, Fault> {
    let intset = Intset::from_bytes(source.string()?)?;
    Ok((!intset.is_empty()).then(|| Set::from_intset(intset, limits)))
}

// ---- hashes ----

fn hash<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Hash>, Fault> {
    let count = source.length()?;
    let (mut field, mut value) = (Vec::new(), Vec::new());
    if let Some(mut hash) = HashBuilder::for_fields(hint(count), limits) {
        for _ in 0..count {
            source.string_into(&mut field)?;
            source.string_into(&mut value)?;
            hash.push(&field, &value);
        }
        return hash.finish().map(Some).ok_or(TWICE);
    }
    let mut hash = Hash::new();
    for _ in 0..count {
        source.string_into(&mut field)?;
        source.string_into(&mut value)?;
        if !hash.set(&field, &value, limits) {
            return Err(TWICE);
        }
    }
    Ok((count > 0).then_some(hash))
}

fn hash_of_zipmap<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Hash>, Fault> {
    let blob = source.string()?;
    let mut hash = Hash::new();
    for (field, value) in Zipmap::parse(&blob)?.iter() {
        if !hash.set(field, value, limits) {
            return Err(TWICE);
        }
    }
    Ok((!hash.is_empty()).then_some(hash))
}

fn hash_of_ziplist<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Hash>, Fault> {
    let blob = source.string()?;
    let mut elements = Ziplist::parse(&blob)?.iter();
    let mut hash = Hash::new();
    while let Some(field) = elements.next() {
        let value = elements.next().ok_or(ODD)?;
        if !field.with_bytes(|field| value.with_bytes(|value| hash.set(field, value, limits))) {
            return Err(TWICE);
        }
    }
    Ok((!hash.is_empty()).then_some(hash))
}

/// A field as it is read: its name, its value and its deadline.
#[derive(Default)]
struct TimedField {
    name: Vec<u8>,
    value: Vec<u8>,
    deadline: Option<UnixMs>,
}

fn timed_hash<R: Read>(
    source: &mut Source<R>,
    limits: &Limits,
    read: impl Fn(&mut Source<R>, &mut TimedField) -> Result<(), Fault>,
) -> Result<Option<Hash>, Fault> {
    let count = source.length()?;
    let (mut hash, mut field) = (Hash::new(), TimedField::default());
    hash.prepare(hint(count), limits);
    for _ in 0..count {
        read(source, &mut field)?;
        if !hash.set(&field.name, &field.value, limits) {
            return Err(TWICE);
        }
        if field.deadline.is_some() {
            hash.set_deadline(&field.name, field.deadline);
        }
    }
    Ok((count > 0).then_some(hash))
}

/// Redis: milliseconds after the earliest deadline of the hash, plus one; 0 for none.
fn redis_field<R: Read>(source: &mut Source<R>, field: &mut TimedField, earliest: i64) -> Result<(), Fault> {
    early_field(source, field)?;
    if let Some(UnixMs(after)) = field.deadline {
        let deadline =
            (after - 1).checked_add(earliest).ok_or(Fault::Corrupt("the deadline of a field is too late"))?;
        field.deadline = Some(UnixMs(deadline));
    }
    Ok(())
}

/// Candidates of Redis 7.4: the deadline itself, 0 for none.
fn early_field<R: Read>(source: &mut Source<R>, field: &mut TimedField) -> Result<(), Fault> {
    let deadline = source.length()?;
    let deadline = i64::try_from(deadline).map_err(|_| Fault::Corrupt("the deadline of a field is too late"))?;
    field.deadline = (deadline != 0).then_some(UnixMs(deadline));
    source.string_into(&mut field.name)?;
    source.string_into(&mut field.value)
}

/// Valkey: the deadline behind the value, -1 for none.
fn valkey_field<R: Read>(source: &mut Source<R>, field: &mut TimedField) -> Result<(), Fault> {
    source.string_into(&mut field.name)?;
    source.string_into(&mut field.value)?;
    let deadline = i64::from_le_bytes(source.array()?);
    field.deadline = (deadline != -1).then_some(UnixMs(deadline));
    Ok(())
}

fn timed_listpack<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<Hash>, Fault> {
    packed(source, |listpack| Ok(Hash::from_timed_listpack(listpack, limits)?))
}

// ---- sorted sets ----

fn zset<R: Read>(
    source: &mut Source<R>,
    limits: &Limits,
    score: impl Fn(&mut Source<R>) -> Result<f64, Fault>,
) -> Result<Option<ZSet>, Fault> {
    let count = source.length()?;
    let mut member = Vec::new();
    if let Some(mut zset) = ZSetBuilder::for_members(hint(count), limits) {
        for _ in 0..count {
            source.string_into(&mut member)?;
            zset.push(&member, number(score(source)?)?);
        }
        return zset.finish().map(Some).ok_or(TWICE);
    }
    let mut zset = ZSet::new();
    for _ in 0..count {
        source.string_into(&mut member)?;
        insert(&mut zset, &member, score(source)?, limits)?;
    }
    Ok((count > 0).then_some(zset))
}

fn zset_of_ziplist<R: Read>(source: &mut Source<R>, limits: &Limits) -> Result<Option<ZSet>, Fault> {
    let blob = source.string()?;
    let mut elements = Ziplist::parse(&blob)?.iter();
    let mut zset = ZSet::new();
    while let Some(member) = elements.next() {
        let score = match elements.next().ok_or(ODD)? {
            Element::Int(number) => number as f64,
            Element::Bytes(text) => base::numbers::parse_f64(text).ok_or(NOT_A_NUMBER)?,
        };
        member.with_bytes(|member| insert(&mut zset, member, score, limits))?;
    }
    Ok((!zset.is_empty()).then_some(zset))
}

fn insert(zset: &mut ZSet, member: &[u8], score: f64, limits: &Limits) -> Result<(), Fault> {
    if zset.insert(member, number(score)?, limits).is_some() {
        return Err(TWICE);
    }
    Ok(())
}

fn number(score: f64) -> Result<f64, Fault> {
    if score.is_nan() { Err(NOT_A_NUMBER) } else { Ok(score) }
}

fn binary_score<R: Read>(source: &mut Source<R>) -> Result<f64, Fault> {
    Ok(f64::from_le_bytes(source.array()?))
}

/// One byte of length and the decimal form; the three highest lengths stand for the values without one.
fn text_score<R: Read>(source: &mut Source<R>) -> Result<f64, Fault> {
    let length = match source.byte()? {
        255 => return Ok(f64::NEG_INFINITY),
        254 => return Ok(f64::INFINITY),
        253 => return Err(NOT_A_NUMBER),
        length => usize::from(length),
    };
    let mut text = [0; 252];
    for place in &mut text[..length] {
        *place = source.byte()?;
    }
    base::numbers::parse_f64(&text[..length]).ok_or(NOT_A_NUMBER)
}

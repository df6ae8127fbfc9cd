//! What one value looks like in each version, and one string.

use base::UnixMs;
use collections::{Element, Hash, List, ListNode, Set, ZSet};
use keyspace::{Str, ValueRef};

use crate::rdb::length::{FORM_LZF, LengthBytes, MARK_FORM, SHORT_LEN_END, int_form};
use crate::rdb::sink::{Output, Sink};
use crate::rdb::target::{Family, Target};
use crate::rdb::types;

use super::stream::put_stream;

/// Strings of at most this length are never compressed.
const COMPRESSION_BYTES_MIN: usize = 20;
/// What does not fit into this compressed is written as it is, so that a value of hundreds of megabytes is never held
/// twice.
const COMPRESSED_BYTES_MAX: usize = 16 << 20;
/// Longer strings are not tried as numbers: those of 32 bits have at most 11 characters.
const INT_FORM_LEN_MAX: usize = 11;

/// The type byte of a value in this version.
pub(in crate::rdb) fn type_of(value: ValueRef<'_>, target: Target) -> u8 {
    match value {
        ValueRef::String(_) => types::STRING,
        ValueRef::List(_) if target.has_listpacks() => types::LIST_QUICKLIST_2,
        ValueRef::List(_) => types::LIST,
        ValueRef::Set(set) if set.as_intset().is_some() => types::SET_INTSET,
        ValueRef::Set(set) if target.has_set_listpacks() && set.as_listpack().is_some() => types::SET_LISTPACK,
        ValueRef::Set(_) => types::SET,
        ValueRef::Hash(hash) if hash.next_deadline().is_some() => match target.family() {
            Family::Redis if hash.as_timed_listpack().is_some() => types::HASH_TIMED_LISTPACK,
            Family::Redis => types::HASH_TIMED,
            Family::Valkey => types::HASH_TIMED_VALKEY,
        },
        ValueRef::Hash(hash) if target.has_listpacks() && hash.encoding() != "hashtable" => types::HASH_LISTPACK,
        ValueRef::Hash(_) => types::HASH,
        ValueRef::ZSet(zset) if target.has_listpacks() && zset.as_listpack().is_some() => types::ZSET_LISTPACK,
        ValueRef::ZSet(_) => types::ZSET_2,
        ValueRef::Stream(_) => target.stream_type(),
    }
}

/// Whether it is a hash of which a field has a deadline: not every version has a form for that.
pub(in crate::rdb) fn has_field_deadlines(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Hash(hash) if hash.next_deadline().is_some())
}

/// Writes a value in the form that `type_of` says.
pub(in crate::rdb) fn put_value<S: Sink>(
    output: &mut Output<S>,
    value: ValueRef<'_>,
    target: Target,
    compression: bool,
) -> Result<(), S::Error> {
    match value {
        ValueRef::String(Str::Int(number)) => put_int(output, number),
        ValueRef::String(Str::Bytes(bytes)) => put_string(output, bytes, compression),
        ValueRef::String(Str::Shared(shared)) => put_string(output, shared.as_slice(), compression),
        ValueRef::List(list) if target.has_listpacks() => put_list_nodes(output, list, compression),
        ValueRef::List(list) => put_list(output, list, compression),
        ValueRef::Set(set) => put_set(output, set, target, compression),
        ValueRef::Hash(hash) => put_hash(output, hash, target, compression),
        ValueRef::ZSet(zset) => put_zset(output, zset, target, compression),
        ValueRef::Stream(stream) => put_stream(output, stream, target, compression),
    }
}

fn put_list<S: Sink>(output: &mut Output<S>, list: &List, compression: bool) -> Result<(), S::Error> {
    put_length(output, list.len())?;
    list.iter().try_for_each(|element| put_element(output, element, compression))
}

fn put_list_nodes<S: Sink>(output: &mut Output<S>, list: &List, compression: bool) -> Result<(), S::Error> {
    put_length(output, list.nodes().count())?;
    list.nodes().try_for_each(|node| {
        let (form, bytes) = match node {
            ListNode::Packed(listpack) => (types::NODE_PACKED, listpack),
            ListNode::Plain(element) => (types::NODE_PLAIN, element),
        };
        output.put(LengthBytes::of(form).as_slice())?;
        put_blob(output, bytes, compression)
    })
}

fn put_set<S: Sink>(output: &mut Output<S>, set: &Set, target: Target, compression: bool) -> Result<(), S::Error> {
    if let Some(intset) = set.as_intset() {
        return put_blob(output, intset.as_bytes(), compression);
    }
    match set.as_listpack() {
        Some(listpack) if target.has_set_listpacks() => put_blob(output, listpack.as_bytes(), compression),
        _ => {
            put_length(output, set.len())?;
            set.iter().try_for_each(|member| put_element(output, member, compression))
        }
    }
}

fn put_hash<S: Sink>(output: &mut Output<S>, hash: &Hash, target: Target, compression: bool) -> Result<(), S::Error> {
    if let Some(earliest) = hash.next_deadline() {
        return put_timed_hash(output, hash, earliest, target, compression);
    }
    if target.has_listpacks() {
        if let Some(listpack) = hash.as_listpack() {
            return put_blob(output, listpack.as_bytes(), compression);
        }
        // One whose fields had deadlines before.
        if let Some(listpack) = hash.to_listpack_of_pairs() {
            return put_blob(output, listpack.as_bytes(), compression);
        }
    }
    put_length(output, hash.len())?;
    hash.iter().try_for_each(|(field, value)| {
        put_element(output, field, compression)?;
        put_element(output, value, compression)
    })
}

fn put_timed_hash<S: Sink>(
    output: &mut Output<S>,
    hash: &Hash,
    earliest: UnixMs,
    target: Target,
    compression: bool,
) -> Result<(), S::Error> {
    if target.family() == Family::Valkey {
        put_length(output, hash.len())?;
        return hash.entries().try_for_each(|entry| {
            put_element(output, entry.field, compression)?;
            put_element(output, entry.value, compression)?;
            output.put(&entry.deadline.map_or(-1, |at| at.0).to_le_bytes())
        });
    }
    output.put(&earliest.0.to_le_bytes())?;
    if let Some(listpack) = hash.as_timed_listpack() {
        return put_blob(output, listpack.as_bytes(), compression);
    }
    put_length(output, hash.len())?;
    hash.entries().try_for_each(|entry| {
        let after = entry.deadline.map_or(0, |at| at.0.abs_diff(earliest.0).saturating_add(1));
        output.put(LengthBytes::of(after).as_slice())?;
        put_element(output, entry.field, compression)?;
        put_element(output, entry.value, compression)
    })
}

/// The large form goes from the highest score down: that is the order in which the peers insert fastest at loading.
fn put_zset<S: Sink>(output: &mut Output<S>, zset: &ZSet, target: Target, compression: bool) -> Result<(), S::Error> {
    match zset.as_listpack() {
        Some(listpack) if target.has_listpacks() => put_blob(output, listpack.as_bytes(), compression),
        _ => {
            put_length(output, zset.len())?;
            zset.iter_back_from(zset.len().saturating_sub(1)).try_for_each(|(member, score)| {
                put_element(output, member, compression)?;
                output.put(&score.to_le_bytes())
            })
        }
    }
}

fn put_element<S: Sink>(output: &mut Output<S>, element: Element<'_>, compression: bool) -> Result<(), S::Error> {
    match element {
        Element::Int(number) => put_int(output, number),
        Element::Bytes(bytes) => put_string(output, bytes, compression),
    }
}

/// Writes a string: as a number, compressed, or as it is.
pub(in crate::rdb) fn put_string<S: Sink>(
    output: &mut Output<S>,
    bytes: &[u8],
    compression: bool,
) -> Result<(), S::Error> {
    if bytes.len() <= INT_FORM_LEN_MAX
        && let Some(laid) = base::numbers::parse_i64(bytes).and_then(int_form)
    {
        return output.put(laid.as_slice());
    }
    put_blob(output, bytes, compression)
}

fn put_int<S: Sink>(output: &mut Output<S>, number: i64) -> Result<(), S::Error> {
    match int_form(number) {
        Some(laid) => output.put(laid.as_slice()),
        None => put_raw(output, itoa::Buffer::new().format(number).as_bytes()),
    }
}

pub(in crate::rdb) fn put_blob<S: Sink>(
    output: &mut Output<S>,
    bytes: &[u8],
    compression: bool,
) -> Result<(), S::Error> {
    if compression && bytes.len() > COMPRESSION_BYTES_MIN {
        let mut scratch = std::mem::take(&mut output.scratch);
        scratch.clear();
        let compressor = output.compressor.get_or_insert_default();
        let smaller = compressor.compress(bytes, &mut scratch, (bytes.len() - 4).min(COMPRESSED_BYTES_MAX));
        let result = if smaller { put_compressed(output, &scratch, bytes.len()) } else { put_raw(output, bytes) };
        scratch.shrink_to(SCRATCH_KEPT_MAX);
        output.scratch = scratch;
        return result;
    }
    put_raw(output, bytes)
}

/// The compression buffer is not kept above this size.
const SCRATCH_KEPT_MAX: usize = 256 * 1024;

fn put_compressed<S: Sink>(output: &mut Output<S>, compressed: &[u8], len: usize) -> Result<(), S::Error> {
    output.put_byte(MARK_FORM | FORM_LZF)?;
    put_length(output, compressed.len())?;
    put_length(output, len)?;
    output.put(compressed)
}

#[inline]
fn put_raw<S: Sink>(output: &mut Output<S>, bytes: &[u8]) -> Result<(), S::Error> {
    if bytes.len() < SHORT_LEN_END {
        // Most are: the length is one byte.
        return output.put_behind(bytes.len() as u8, bytes);
    }
    put_length(output, bytes.len())?;
    output.put(bytes)
}

pub(in crate::rdb) fn put_length<S: Sink>(output: &mut Output<S>, length: usize) -> Result<(), S::Error> {
    output.put(LengthBytes::of(length as u64).as_slice())
}

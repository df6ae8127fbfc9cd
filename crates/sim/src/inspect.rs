//! Looks at a whole data set: a digest that does not depend on the order of keys or members nor on encodings, and the
//! two halves of each transaction that writers keep equal.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

use collections::{Stream, StreamId};
use foldhash::fast::FixedState;
use keyspace::{Keyspace, ValueRef};

/// What a data set holds, summed up.
#[derive(Default)]
pub(crate) struct Inspection {
    /// Equal data sets have equal digests, deadlines included.
    pub digest: u64,
    /// Keys in all databases.
    pub keys: usize,
    /// The two halves of each transaction group.
    pub halves: BTreeMap<Vec<u8>, [Option<Vec<u8>>; 2]>,
}

/// The start of the keys that one transaction writes: `tx:<group>:a` and `tx:<group>:b`.
pub(crate) const TRANSACTION_PREFIX: &[u8] = b"tx:";

/// Looks at everything.
pub(crate) fn inspect(keyspace: &Keyspace) -> Inspection {
    let mut found = Inspection::default();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |key, value, deadline| {
            let at = deadline.map_or(-1, |at| at.0);
            let hash = hash(&[&(db as u64).to_le_bytes(), key, &at.to_le_bytes(), &of_value(value).to_le_bytes()]);
            found.digest = found.digest.wrapping_add(hash);
            found.keys += 1;
            if let (Some(rest), ValueRef::String(text)) = (key.strip_prefix(TRANSACTION_PREFIX), value)
                && let [group @ .., b':', half] = rest
            {
                let halves = found.halves.entry(group.to_vec()).or_default();
                halves[usize::from(*half == b'b')] = Some(text.as_bytes().into_owned());
            }
        });
    }
    found
}

/// What can be seen of a data set, for the report of two that differ: one line per key.
pub(crate) fn listing(keyspace: &Keyspace) -> Vec<String> {
    let mut lines = Vec::new();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |key, value, deadline| {
            let at = deadline.map(|at| at.0);
            let kind = value.kind().name();
            lines.push(format!("db{db} {} {kind} {:016x} until {at:?}", key.escape_ascii(), of_value(value)));
        });
    }
    lines.sort();
    lines
}

fn of_value(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::String(text) => text.with_bytes(|bytes| hash(&[b"string", bytes])),
        // Order counts in a list only.
        ValueRef::List(list) => list
            .iter()
            .fold(1, |sum: u64, element| element.with_bytes(|bytes| hash(&[b"list", &sum.to_le_bytes(), bytes]))),
        ValueRef::Set(set) => sum(2, set.iter().map(|member| member.with_bytes(|bytes| hash(&[b"set", bytes])))),
        ValueRef::Hash(fields) => sum(
            3,
            fields.entries().map(|entry| {
                let until = entry.deadline.map_or(0, |at| at.0).to_le_bytes();
                entry.field.with_bytes(|field| entry.value.with_bytes(|value| hash(&[b"hash", field, value, &until])))
            }),
        ),
        ValueRef::ZSet(zset) => sum(
            4,
            zset.iter().map(|(member, score)| {
                member.with_bytes(|member| hash(&[b"zset", member, &score.to_bits().to_le_bytes()]))
            }),
        ),
        ValueRef::Stream(stream) => of_stream(stream),
    }
}

/// Entries in order, and of the groups what the stream of effects carries: a delivery that is only repeated to its
/// consumer is not told, as the peers have it, nor are a consumer that got nothing and when one was seen.
fn of_stream(stream: &Stream) -> u64 {
    let entries = stream.entries();
    let past = [entries.last_id.to_be_bytes(), entries.max_deleted_id.to_be_bytes()].concat();
    let mut sum = hash(&[b"stream", &past, &entries.entries_added.to_le_bytes()]);
    for entry in entries.range(StreamId::MIN, StreamId::MAX) {
        sum = hash(&[&sum.to_le_bytes(), &entry.id.to_be_bytes()]);
        for (name, value) in entry.fields() {
            sum = name.with_bytes(|name| value.with_bytes(|value| hash(&[&sum.to_le_bytes(), name, value])));
        }
    }
    for (name, group) in stream.groups() {
        sum = hash(&[&sum.to_le_bytes(), name, &group.last_id.to_be_bytes(), &group.entries_read.to_le_bytes()]);
        for (id, pending) in group.pending_from(StreamId::MIN) {
            sum = hash(&[&sum.to_le_bytes(), &id.to_be_bytes(), pending.consumer()]);
        }
    }
    sum
}

fn sum(start: u64, parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(start, u64::wrapping_add)
}

/// The hash of a sequence of texts; where one ends counts.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = FixedState::with_seed(7).build_hasher();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

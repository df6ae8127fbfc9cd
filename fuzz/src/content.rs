//! What a value or a keyspace holds, in a form that can be compared: without order where the type has none, without
//! encodings.

use collections::{Stream, StreamId};
use keyspace::{Keyspace, ValueRef};

/// The elements of a value. Scores and pairs stand behind one another.
pub fn of_value(value: ValueRef<'_>) -> Vec<Vec<u8>> {
    let pair = |first: collections::Element<'_>, second: &[u8]| {
        let first = first.to_vec();
        [&first.len().to_le_bytes()[..], &first, second].concat()
    };
    let mut elements = match value {
        ValueRef::String(string) => return vec![string.as_bytes().into_owned()],
        ValueRef::List(list) => return list.iter().map(|element| element.to_vec()).collect(),
        ValueRef::Set(set) => set.iter().map(|member| member.to_vec()).collect(),
        ValueRef::Hash(hash) => {
            let deadline = |at: Option<base::UnixMs>| at.map_or(0, |at| at.0).to_le_bytes();
            let entry = |entry: collections::HashEntry<'_>| {
                pair(entry.field, &[&deadline(entry.deadline)[..], &entry.value.to_vec()].concat())
            };
            hash.entries().map(entry).collect::<Vec<_>>()
        }
        ValueRef::ZSet(zset) => {
            zset.iter().map(|(member, score)| pair(member, &score.to_le_bytes())).collect::<Vec<_>>()
        }
        ValueRef::Stream(stream) => return of_stream(stream),
    };
    elements.sort();
    elements
}

/// Everything that the newest type carries.
fn of_stream(stream: &Stream) -> Vec<Vec<u8>> {
    let entries = stream.entries();
    let past = (entries.last_id, entries.max_deleted_id, entries.entries_added);
    let mut elements = vec![format!("{past:?}").into_bytes()];
    for entry in entries.range(StreamId::MIN, StreamId::MAX) {
        elements.push(format!("{} of {}", entry.id, entry.len()).into_bytes());
        elements.extend(entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]));
    }
    for (name, group) in stream.groups() {
        elements.push(name.to_vec());
        elements.push(format!("{} {}", group.last_id, group.entries_read).into_bytes());
        for (id, pending) in group.pending_from(StreamId::MIN) {
            elements.push(pending.consumer().to_vec());
            elements.push(format!("{id} {} {}", pending.delivered_ms, pending.deliveries).into_bytes());
        }
        for (name, consumer) in group.consumers() {
            elements.push(name.to_vec());
            elements.push(format!("{} {}", consumer.seen_ms, consumer.active_ms).into_bytes());
        }
    }
    elements
}

/// One key: its database, name, type, deadline and elements.
pub type KeyContent = (usize, Vec<u8>, &'static str, Option<i64>, Vec<Vec<u8>>);

/// All keys, sorted.
pub fn of_keyspace(keyspace: &Keyspace) -> Vec<KeyContent> {
    let mut keys = Vec::new();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |key, value, expire| {
            keys.push((db, key.to_vec(), value.kind().name(), expire.map(|at| at.0), of_value(value)));
        });
    }
    keys.sort();
    keys
}

//! What a value or a keyspace holds, in a form that can be compared: without order where the type has none, without
//! encodings.

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
    };
    elements.sort();
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

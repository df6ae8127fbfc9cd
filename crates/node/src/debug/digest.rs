//! DEBUG DIGEST and DIGEST-VALUE: digests that are equal on any two servers that hold the same keys, ours or the peers',
//! whatever the order in which they keep them. (Redis before 7.2 writes scores differently here.)
//!
//! Two steps build them from SHA-1, each with a 20-byte state that starts at zero:
//! *add* xors the hash of some bytes into the state: the order of what is added does not matter.
//! *mix* adds them and then replaces the state by its own hash: the order matters.
//!
//! | what | digest |
//! |---|---|
//! | a value | mix the type (0 string, 1 list, 2 set, 3 sorted set, 4 hash, 6 stream; 32 bits, big-endian), then the content |
//! | a string, a list | mix the bytes; mix each element |
//! | a set | add each member |
//! | a sorted set | per element a state of its own: mix member, mix score as replied; add that state |
//! | a hash | likewise: mix field, mix value; if the field has a deadline, add the text `!!hexpire!!`; add that state |
//! | a stream | per entry mix the id, a dot between its numbers, then each name and value; groups do not count |
//! | a deadline | add the text `!!expire!!`, whenever it is |
//! | a key | mix its name, then what a value does, in one state |
//! | a database that has keys | mix its number (32 bits, big-endian), then add each key's state |

use collections::StreamId;
use commands::Outcome;
use keyspace::{Kind, ValueRef};
use resp::Args;
use sha1::{Digest as _, Sha1};

use crate::client::ConnId;
use crate::node::Node;

/// A digest being built.
#[derive(Default)]
struct Digest([u8; 20]);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(state, byte)| *state ^= byte);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn value(&mut self, value: ValueRef<'_>, expires: bool) {
        self.mix(&type_number(value.kind()).to_be_bytes());
        match value {
            ValueRef::String(string) => string.with_bytes(|bytes| self.mix(bytes)),
            ValueRef::List(list) => list.iter().for_each(|element| element.with_bytes(|bytes| self.mix(bytes))),
            ValueRef::Set(set) => set.iter().for_each(|member| member.with_bytes(|bytes| self.add(bytes))),
            ValueRef::Hash(hash) => hash.entries().for_each(|entry| {
                let mut pair = Digest::default();
                entry.field.with_bytes(|bytes| pair.mix(bytes));
                entry.value.with_bytes(|bytes| pair.mix(bytes));
                if entry.deadline.is_some() {
                    pair.add(b"!!hexpire!!");
                }
                self.add(&pair.0);
            }),
            ValueRef::ZSet(zset) => zset.iter().for_each(|(member, score)| {
                let mut pair = Digest::default();
                member.with_bytes(|bytes| pair.mix(bytes));
                pair.mix(base::numbers::F64Text::new(score).as_bytes());
                self.add(&pair.0);
            }),
            ValueRef::Stream(stream) => stream.entries().range(StreamId::MIN, StreamId::MAX).for_each(|entry| {
                self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (name, value) in entry.fields() {
                    name.with_bytes(|bytes| self.mix(bytes));
                    value.with_bytes(|bytes| self.mix(bytes));
                }
            }),
        }
        if expires {
            self.add(b"!!expire!!");
        }
    }
}

fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::ZSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

pub(super) fn digest(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let mut whole = Digest::default();
    for db in 0..node.keyspace.count() {
        if node.keyspace.len(db) == 0 {
            continue;
        }
        whole.mix(&(db as u32).to_be_bytes());
        node.keyspace.for_each(db, |key, value, deadline| {
            let mut one = Digest::default();
            one.mix(key);
            one.value(value, deadline.is_some());
            whole.add(&one.0);
        });
    }
    node.reply(conn).simple(&whole.hex());
    Ok(())
}

pub(super) fn digest_value(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let keys = args.tail(2);
    let mut digests = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        let digest = node.with_db(conn, |db| {
            let mut digest = Digest::default();
            let expires = db.expire_at(key).flatten().is_some();
            if let Some(value) = db.peek(key) {
                digest.value(value, expires);
            }
            digest
        });
        digests.push(digest.hex());
    }
    let mut reply = node.reply(conn);
    reply.array(digests.len());
    digests.iter().for_each(|digest| reply.simple(digest));
    Ok(())
}

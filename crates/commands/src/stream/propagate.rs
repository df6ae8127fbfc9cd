//! How what a consumer group did is journalled: a replica must not choose entries or read clocks itself, so it is told
//! what came of it, as XCLAIM with everything spelled out and as XGROUP.

use collections::{Pending, StreamId};
use keyspace::Db;

use super::id::IdText;

/// A group by name.
#[derive(Clone, Copy)]
pub(super) struct GroupName<'a> {
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
}

/// What one consumer has of one entry.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    /// The id as it is to be written.
    pub(super) id: &'a [u8],
    pub(super) consumer: &'a [u8],
    pub(super) delivered_ms: i64,
    pub(super) deliveries: u64,
    /// Up to where the group has read.
    pub(super) last_id: StreamId,
}

impl<'a> Claim<'a> {
    /// Of what is pending.
    pub(super) fn of(id: &'a [u8], pending: &'a Pending, last_id: StreamId) -> Claim<'a> {
        let Pending { delivered_ms, deliveries, .. } = *pending;
        Claim { id, consumer: pending.consumer(), delivered_ms, deliveries, last_id }
    }
}

/// Journals that an entry is pending for a consumer; or, if the stream does not have the entry, that it no longer is.
pub(super) fn claim(db: &mut Db<'_>, name: GroupName<'_>, claim: Claim<'_>) {
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let last_id = IdText::new(claim.last_id);
    let words: [&[u8]; 14] = [
        b"XCLAIM",
        name.key,
        name.group,
        claim.consumer,
        b"0",
        claim.id,
        b"TIME",
        time.format(claim.delivered_ms).as_bytes(),
        b"RETRYCOUNT",
        count.format(claim.deliveries).as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.as_bytes(),
    ];
    db.effects.push(db.index(), words.into_iter());
}

/// Journals up to where a group has read.
pub(super) fn position(db: &mut Db<'_>, name: GroupName<'_>, last_id: StreamId, entries_read: i64) {
    let mut read = itoa::Buffer::new();
    let id = IdText::new(last_id);
    let words: [&[u8]; 7] = [
        b"XGROUP",
        b"SETID",
        name.key,
        name.group,
        id.as_bytes(),
        b"ENTRIESREAD",
        read.format(entries_read).as_bytes(),
    ];
    db.effects.push(db.index(), words.into_iter());
}

/// Journals that a consumer came to be.
pub(super) fn new_consumer(db: &mut Db<'_>, name: GroupName<'_>, consumer: &[u8]) {
    let words: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", name.key, name.group, consumer];
    db.effects.push(db.index(), words.into_iter());
}

//! A consumer group: how far it has read, what was delivered and not acknowledged yet, and to whom.

use std::borrow::Borrow;

use triomphe::Arc;

use super::id::StreamId;
use crate::Corrupt;
use crate::sorted::SortedMap;

/// The name of a group or consumer: one pointer, shared by all that is pending for a consumer.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Arc<Box<[u8]>>);

impl Name {
    pub(super) fn new(text: &[u8]) -> Name {
        Name(Arc::new(text.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn is(&self, other: &Name) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// An entry that was delivered and not acknowledged yet.
#[derive(Clone)]
pub struct Pending {
    consumer: Name,
    /// When it was delivered last, Unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered, up to 2^63-1.
    pub deliveries: u64,
}

impl Pending {
    /// Who has it.
    pub fn consumer(&self) -> &[u8] {
        self.consumer.as_bytes()
    }
}

/// More deliveries than this are not counted: replicas are told by XCLAIM, whose counts are signed.
const DELIVERIES_MAX: u64 = i64::MAX as u64;

/// A consumer of a group.
#[derive(Clone)]
pub struct Consumer {
    /// When it last asked for entries, Unix milliseconds.
    pub seen_ms: i64,
    /// When it last got one; -1 for never.
    pub active_ms: i64,
    pending: SortedMap<StreamId, ()>,
}

impl Consumer {
    /// How many entries it has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The ids of these entries, from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.iter_from(&start).map(|(id, ())| *id)
    }
}

/// A consumer group.
#[derive(Clone, Default)]
pub struct Group {
    /// The last entry that was delivered to anyone.
    pub last_id: StreamId,
    /// How many entries of the stream's whole life were read up to there; -1 if that is not known.
    pub entries_read: i64,
    /// Each names a consumer of the group that has the id too.
    pending: SortedMap<StreamId, Pending>,
    consumers: SortedMap<Name, Consumer>,
}

impl Group {
    /// Drops it, with a call of `between` behind every few thousand entries that are pending.
    pub(super) fn drop_in_pieces<F: FnMut()>(self, between: &mut F) {
        self.pending.drop_in_pieces(between, &mut |_, _| {});
        self.consumers.drop_in_pieces(between, &mut |consumer, between| {
            consumer.pending.drop_in_pieces(between, &mut |(), _| {});
        });
    }
}

/// A consumer that has at least this part of all that is pending is removed in one pass over it.
const MANY: usize = 8;

/// The count of entries read that is not known.
pub const ENTRIES_READ_UNKNOWN: i64 = -1;

impl Group {
    /// That has read up to an id, and nobody in it.
    pub fn new(last_id: StreamId, entries_read: i64) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    // ---- consumers ----

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = (&[u8], &Consumer)> {
        self.consumers.iter().map(|(name, consumer)| (name.as_bytes(), consumer))
    }

    /// A consumer.
    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name)
    }

    /// Makes a consumer, seen at that moment: false if there is one of that name.
    pub fn add_consumer(&mut self, name: &[u8], seen_ms: i64) -> bool {
        let fresh = self.consumers.get(name).is_none();
        if fresh {
            let consumer = Consumer { seen_ms, active_ms: -1, pending: SortedMap::default() };
            self.consumers.insert(Name::new(name), consumer);
        }
        fresh
    }

    /// Removes a consumer and what is pending for it: how much that was, None if there is no such consumer.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let own = self.consumers.entry(name)?.0.clone();
        let consumer = self.consumers.remove(name)?;
        let len = consumer.pending.len();
        if len == self.pending.len() {
            self.pending = SortedMap::default();
        } else if len >= self.pending.len() / MANY {
            self.pending.retain(|_, pending| !pending.consumer.is(&own));
        } else {
            consumer.pending.iter().for_each(|(id, ())| drop(self.pending.remove(id)));
        }
        Some(len)
    }

    /// Notes that a consumer asked for entries.
    pub fn saw(&mut self, name: &[u8], now_ms: i64) {
        if self.consumers.get(name).is_some_and(|consumer| consumer.seen_ms != now_ms) {
            self.consumers.edit(name, |consumer| consumer.seen_ms = now_ms);
        }
    }

    /// Notes that a consumer got an entry.
    pub fn served(&mut self, name: &[u8], now_ms: i64) {
        if self.consumers.get(name).is_some_and(|consumer| consumer.active_ms != now_ms) {
            self.consumers.edit(name, |consumer| consumer.active_ms = now_ms);
        }
    }

    // ---- what is pending ----

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending under an id.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// What is pending, by id, from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &Pending)> {
        self.pending.iter_from(&start).map(|(id, pending)| (*id, pending))
    }

    /// The last id that is pending.
    pub fn last_pending(&self) -> Option<StreamId> {
        self.pending.last().map(|(id, _)| *id)
    }

    /// Gives an entry to a consumer of the group, from whoever has it.
    pub fn assign(&mut self, id: StreamId, consumer: &[u8], delivered_ms: i64, deliveries: u64) {
        let deliveries = deliveries.min(DELIVERIES_MAX);
        let (name, _) = self.consumers.entry(consumer).expect("the caller made the consumer");
        let name = name.clone();
        let old = self.pending.insert(id, Pending { consumer: name.clone(), delivered_ms, deliveries });
        if old.as_ref().is_some_and(|old| old.consumer.is(&name)) {
            return;
        }
        if let Some(old) = old {
            self.consumers.edit(old.consumer.as_bytes(), |consumer| consumer.pending.remove(&id));
        }
        self.consumers.edit(consumer, |consumer| consumer.pending.insert(id, ()));
    }

    /// Notes one more delivery of a pending entry.
    pub fn delivered_again(&mut self, id: StreamId, now_ms: i64) {
        self.pending.edit(&id, |pending| {
            pending.delivered_ms = now_ms;
            pending.deliveries = (pending.deliveries + 1).min(DELIVERIES_MAX);
        });
    }

    /// Takes an entry off what is pending: what stood there.
    pub fn acknowledge(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.consumers.edit(pending.consumer(), |consumer| consumer.pending.remove(&id));
        Some(pending)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let names: usize =
            self.consumers().map(|(name, consumer)| name.len() + 32 + consumer.pending.memory_bytes()).sum();
        self.pending.memory_bytes() + self.consumers.memory_bytes() + names
    }
}

/// Builds a group from a file: first what is pending, then who has it.
pub struct GroupBuilder {
    group: Group,
    /// Stands for the consumer that is not known yet.
    nobody: Name,
    owned: usize,
}

impl GroupBuilder {
    /// Begins a group.
    pub fn new(last_id: StreamId, entries_read: i64) -> GroupBuilder {
        GroupBuilder { group: Group::new(last_id, entries_read), nobody: Name::default(), owned: 0 }
    }

    /// Adds an entry that is pending.
    pub fn pending(&mut self, id: StreamId, delivered_ms: i64, deliveries: u64) -> Result<(), Corrupt> {
        let deliveries = deliveries.min(DELIVERIES_MAX);
        let pending = Pending { consumer: self.nobody.clone(), delivered_ms, deliveries };
        match self.group.pending.insert(id, pending) {
            None => Ok(()),
            Some(_) => Err(Corrupt("an entry pending twice in a group")),
        }
    }

    /// Adds a consumer with the ids that are pending for it.
    pub fn consumer<E: From<Corrupt>>(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: i64,
        ids: impl Iterator<Item = Result<StreamId, E>>,
    ) -> Result<(), E> {
        let own = Name::new(name);
        let mut pending = SortedMap::default();
        for id in ids {
            let id = id?;
            let taken = self.group.pending.edit(&id, |pending| {
                let free = pending.consumer.is(&self.nobody);
                pending.consumer = own.clone();
                free
            });
            if taken != Some(true) {
                return Err(Corrupt("an entry is pending for a consumer but not for its group, or for two").into());
            }
            pending.insert(id, ());
            self.owned += 1;
        }
        match self.group.consumers.insert(own, Consumer { seen_ms, active_ms, pending }) {
            None => Ok(()),
            Some(_) => Err(Corrupt("a consumer stands twice in a group").into()),
        }
    }

    /// The group, if everything pending has its consumer.
    pub fn finish(self) -> Result<Group, Corrupt> {
        if self.owned == self.group.pending.len() {
            Ok(self.group)
        } else {
            Err(Corrupt("an entry is pending for no consumer"))
        }
    }
}

//! The guard through which a collection is changed. Whoever opens one must say at the end what changed, or
//! that nothing did; an empty collection takes its key with it, and a new one comes to be only with an element.

use base::UnixMs;

use crate::db::Db;
use crate::notify::{Class, Event};
use crate::table::{NewValue, Payload};
use crate::value::Collection;

/// A collection being changed. Ends with [`Edit::changed`] or [`Edit::unchanged`].
#[must_use = "say what changed"]
pub struct Edit<'e, 'a, T: Collection> {
    db: &'e mut Db<'a>,
    key: &'e [u8],
    hash: u64,
    /// The earliest deadline of an element when the edit began.
    deadline_before: Option<UnixMs>,
    /// The collection, if the key does not exist yet.
    fresh: Option<T>,
    ended: bool,
}

impl<'e, 'a, T: Collection> Edit<'e, 'a, T> {
    pub(crate) fn existing(
        db: &'e mut Db<'a>,
        key: &'e [u8],
        hash: u64,
        deadline_before: Option<UnixMs>,
    ) -> Edit<'e, 'a, T> {
        Edit { db, key, hash, deadline_before, fresh: None, ended: false }
    }

    pub(crate) fn new(db: &'e mut Db<'a>, key: &'e [u8]) -> Edit<'e, 'a, T> {
        let hash = db.keyspace.table(db.index).hash(key);
        Edit { db, key, hash, deadline_before: None, fresh: Some(T::empty()), ended: false }
    }

    /// Whether the key did not exist when the edit began.
    pub fn is_new(&self) -> bool {
        self.fresh.is_some()
    }

    /// The collection as it is now.
    pub fn get(&self) -> &T {
        if let Some(fresh) = &self.fresh {
            return fresh;
        }
        let entry = self.db.keyspace.table(self.db.index).find(self.hash, self.key).expect("an edit holds its key");
        match entry.payload() {
            Payload::Object(object) => T::peel(object).expect("the edit was opened for this type"),
            _ => unreachable!("the edit was opened for a collection"),
        }
    }

    /// The collection to change, with the thresholds for its encoding.
    pub fn get_mut(&mut self) -> (&mut T, &collections::Limits) {
        let Edit { db, fresh, key, hash, .. } = self;
        match fresh {
            Some(fresh) => (fresh, &db.keyspace.settings.limits),
            None => db.keyspace.collection_mut(db.index, *hash, key),
        }
    }

    /// Ends the edit: the collection changed by `count` elements, to be notified as `event`.
    pub fn changed(mut self, event: Event, count: u64) {
        self.ended = true;
        match self.fresh.take() {
            Some(fresh) if fresh.has_none() => return,
            Some(fresh) => {
                let object = NewValue::Object(fresh.into_object());
                self.db.keyspace.upsert(self.db.index, self.hash, self.key, object, None);
                self.db.effects.note(self.db.index, self.key, Some(Event::new(Class::NEW, "new")));
                self.db.effects.touch(self.db.index, self.key, event, count);
                return;
            }
            None => {}
        }
        self.db.effects.touch(self.db.index, self.key, event, count);
        self.settle();
    }

    /// Ends the edit: elements went because their time had come. Notified as `event`, and no change of anybody's.
    pub(crate) fn expired(mut self, event: Event) {
        self.ended = true;
        self.db.effects.note(self.db.index, self.key, Some(event));
        self.settle();
    }

    /// Keeps the index of deadlines true, and removes the key of an empty collection.
    fn settle(&mut self) {
        let (collection, before) = (self.get(), self.deadline_before);
        let (is_empty, after) = (collection.has_none(), collection.next_deadline());
        if before != after {
            self.db.keyspace.index_inner_deadline(self.db.index, self.hash, before, after);
        }
        if is_empty {
            self.db.keyspace.remove(self.db.index, self.hash, self.key);
            self.db.effects.note(self.db.index, self.key, Some(Event::new(Class::GENERIC, "del")));
        }
    }

    /// Ends the edit of a collection that was there: something changed that WATCH does not count as a change of the key,
    /// as the peers have it for consumer groups. `event` is notified if there is one.
    pub fn changed_unwatched(mut self, event: Option<Event>, count: u64) {
        assert!(self.fresh.is_none(), "a new key is a change");
        self.ended = true;
        match event {
            Some(event) => self.db.effects.touch_unwatched(self.db.index, self.key, event, false, count),
            None => self.db.effects.dirty += count,
        }
    }

    /// As [`Edit::changed_unwatched`], and who waits for the key must look again: what it waits in may be gone.
    pub fn changed_for_waiters(mut self, event: Event, count: u64) {
        self.ended = true;
        self.db.effects.touch_unwatched(self.db.index, self.key, event, true, count);
    }

    /// Ends the edit: nothing changed.
    pub fn unchanged(mut self) {
        self.ended = true;
    }
}

impl<T: Collection> Drop for Edit<'_, '_, T> {
    fn drop(&mut self) {
        debug_assert!(self.ended || std::thread::panicking(), "an edit ended without saying what changed");
    }
}

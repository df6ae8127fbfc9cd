//! The guard through which a collection is changed. Whoever opens one must say at the end what changed, or
//! that nothing did; an empty collection takes its key with it, and a new one comes to be only with an element.
//!
//! The key is looked for once, when the edit is opened: from then on the guard holds its place in the table.

use base::UnixMs;
use collections::{Limits, List};

use crate::db::{Db, WrongType};
use crate::effects::Effects;
use crate::keyspace::Keyspace;
use crate::notify::{Class, Event};
use crate::table::{Found, NewValue, Payload, Reclaim, Table};
use crate::value::{CHEAP_ELEMENTS_MAX, Collection, Object};

/// A collection being changed. Ends with [`Edit::changed`] or [`Edit::unchanged`].
#[must_use = "say what changed"]
pub struct Edit<'e, T: Collection> {
    at: At<'e, T>,
    key: &'e [u8],
    hash: u64,
    db: usize,
    effects: &'e mut Effects,
    reclaim: &'e mut Reclaim<Object>,
    limits: &'e Limits,
    had_streams: &'e mut bool,
    /// The usage word of the key if it comes to be.
    new_word: u32,
    end: End,
}

/// Where the collection is.
enum At<'e, T> {
    /// Under its key, with the earliest deadline of an element when the edit began.
    Key(Found<'e, Object>, Option<UnixMs>),
    /// Not in the table: the key does not exist yet.
    Fresh(&'e mut Table<Object>, T),
}

/// Whether the edit said what changed.
struct End {
    said: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        debug_assert!(self.said || std::thread::panicking(), "an edit ended without saying what changed");
    }
}

impl<'e, T: Collection> Edit<'e, T> {
    /// Opens the collection of a key: a fresh one if there is none.
    #[inline]
    pub(crate) fn open(db: &'e mut Db<'_>, key: &'e [u8], hash: u64) -> Result<Edit<'e, T>, WrongType> {
        let Db { keyspace, index, effects, touch_on_read, .. } = db;
        let Keyspace { tables, reclaim, settings, clock, rng, had_streams, .. } = &mut **keyspace;
        let table = &mut tables[*index];
        let new_word = clock.new_word();
        let at = match table.find_mut(hash, key) {
            Err(table) => At::Fresh(table, T::empty()),
            Ok(found) => {
                let entry = found.as_ref();
                if *touch_on_read {
                    entry.set_lru(clock.after_use(&entry, rng));
                }
                let Payload::Object(object) = entry.payload() else { return Err(WrongType) };
                let deadline = T::peel(object).ok_or(WrongType)?.next_deadline();
                At::Key(found, deadline)
            }
        };
        let (limits, end) = (&settings.limits, End { said: false });
        Ok(Edit { at, key, hash, db: *index, effects, reclaim, limits, had_streams, new_word, end })
    }

    /// The edit, unless the key did not exist.
    #[inline]
    pub(crate) fn filter_existing(mut self) -> Option<Edit<'e, T>> {
        if self.is_new() {
            self.end.said = true;
            return None;
        }
        Some(self)
    }

    /// Whether the key did not exist when the edit began.
    #[inline]
    pub fn is_new(&self) -> bool {
        matches!(self.at, At::Fresh(..))
    }

    /// The collection as it is now.
    #[inline]
    pub fn get(&self) -> &T {
        match &self.at {
            At::Key(found, _) => peeled(found),
            At::Fresh(_, collection) => collection,
        }
    }

    /// The collection to change, with the thresholds for its encoding.
    #[inline]
    pub fn get_mut(&mut self) -> (&mut T, &Limits) {
        let collection = match &mut self.at {
            At::Key(found, _) => {
                let object = found.object_mut(self.reclaim).expect(OPENED);
                T::peel_mut(object).expect(OPENED)
            }
            At::Fresh(_, collection) => collection,
        };
        (collection, self.limits)
    }

    /// Ends the edit: the collection changed by `count` elements, to be notified as `event`.
    pub fn changed(mut self, event: Event, count: u64) {
        self.end.said = true;
        match self.at {
            At::Fresh(_, collection) if collection.has_none() => {}
            At::Fresh(table, collection) => {
                let object = collection.into_object();
                *self.had_streams |= matches!(object, Object::Stream(_));
                table.upsert(self.reclaim, self.hash, self.key, NewValue::Object(object), None, self.new_word);
                self.effects.note(self.db, self.key, Some(Event::new(Class::NEW, "new")));
                self.effects.touch(self.db, self.key, event, count);
            }
            At::Key(found, deadline_before) => {
                self.effects.touch(self.db, self.key, event, count);
                settle::<T>(found, deadline_before, self.reclaim, self.effects, (self.db, self.key));
            }
        }
    }

    /// Ends the edit: elements went because their time had come. Notified as `event`, and no change of anybody's.
    pub(crate) fn expired(mut self, event: Event) {
        self.end.said = true;
        self.effects.note(self.db, self.key, Some(event));
        if let At::Key(found, deadline_before) = self.at {
            settle::<T>(found, deadline_before, self.reclaim, self.effects, (self.db, self.key));
        }
    }

    /// Ends the edit of a collection that was there: something changed that WATCH does not count as a change of the key,
    /// as the peers have it for consumer groups. `event` is notified if there is one.
    pub fn changed_unwatched(mut self, event: Option<Event>, count: u64) {
        assert!(!self.is_new(), "a new key is a change");
        self.end.said = true;
        match event {
            Some(event) => self.effects.touch_unwatched(self.db, self.key, event, false, count),
            None => self.effects.dirty += count,
        }
    }

    /// As [`Edit::changed_unwatched`], and who waits for the key must look again: what it waits in may be gone.
    pub fn changed_for_waiters(mut self, event: Event, count: u64) {
        self.end.said = true;
        self.effects.touch_unwatched(self.db, self.key, event, true, count);
    }

    /// Ends the edit: nothing changed.
    #[inline]
    pub fn unchanged(mut self) {
        self.end.said = true;
    }
}

const OPENED: &str = "the edit was opened for a collection of this type";

/// Elements of a list that take no more bytes than this together are freed at once: they are in a few nodes.
const CHEAP_BYTES_MAX: usize = 512 << 10;

impl Edit<'_, List> {
    /// To be called before `count` elements are removed: if they take much memory, the list as it is now is held until it is
    /// dropped on the side, and with it the nodes that are not in the list any more.
    pub fn will_remove(&mut self, count: usize) {
        let At::Key(found, _) = &self.at else { return };
        if count > CHEAP_ELEMENTS_MAX {
            let list = peeled::<List>(found);
            let bytes = (list.memory_bytes() as u128 * count as u128 / list.len() as u128) as usize;
            if bytes > CHEAP_BYTES_MAX {
                self.reclaim.spare_parts(Object::List(list.clone()), bytes);
            }
        }
    }
}

#[inline]
fn peeled<'f, T: Collection>(found: &'f Found<'_, Object>) -> &'f T {
    match found.as_ref().payload() {
        Payload::Object(object) => T::peel(object).expect(OPENED),
        Payload::Bytes(_) | Payload::Int(_) => unreachable!("{OPENED}"),
    }
}

/// Keeps the index of deadlines true, and removes the key of an empty collection.
#[inline]
fn settle<T: Collection>(
    mut found: Found<'_, Object>,
    before: Option<UnixMs>,
    reclaim: &mut Reclaim<Object>,
    effects: &mut Effects,
    (db, key): (usize, &[u8]),
) {
    let collection: &T = peeled(&found);
    let (is_empty, after) = (collection.has_none(), collection.next_deadline());
    if before != after {
        found.index_inner_deadline(before.map(|at| at.0), after.map(|at| at.0));
    }
    if is_empty {
        found.remove(reclaim);
        effects.note(db, key, Some(Event::new(Class::GENERIC, "del")));
    }
}

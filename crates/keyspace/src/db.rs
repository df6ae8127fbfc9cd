//! One database as a command sees it: the only way to read and change keys. Every change goes through here
//! and is recorded in [`Effects`], so that no command can forget WATCH, notifications or the journal.

use base::UnixMs;
use collections::Limits;

use crate::edit::Edit;
use crate::effects::Effects;
use crate::keyspace::{Keyspace, Settings};
use crate::notify::{Class, Event};
use crate::table::{EntryRef, NewValue};
use crate::usage::UsageClock;
use crate::value::{Collection, Kind, Object, SharedString, Str, Value, ValueRef};

/// What a command meets when a key is past its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpiryMode {
    /// The key is deleted and a DEL is journalled: a master.
    Delete,
    /// The key is as if it were not there, but reads leave it to the master to delete it: a client of a replica, or of a
    /// master while writes are paused. Writes of such a client are those of a writable replica. They delete it, and a key
    /// that they give a deadline is remembered: it is this server's to delete when the time has come.
    Hide,
    /// Nothing counts as expired: commands from the master, and replay.
    Ignore,
}

/// What happens to the time to live when a value is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    /// The key lives for ever.
    Clear,
    /// The key keeps what it has.
    Keep,
    /// The key expires at this moment.
    At(UnixMs),
}

/// The key holds another type than the command works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

/// One database, seen at one frozen moment by one command.
pub struct Db<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) index: usize,
    /// What this execution unit leaves behind.
    pub effects: &'a mut Effects,
    /// The moment at which the unit runs.
    pub now: UnixMs,
    /// What happens to keys past their time.
    pub expiry: ExpiryMode,
    /// Whether reads and changes renew the idle time (CLIENT NO-TOUCH turns it off).
    pub touch_on_read: bool,
}

impl<'a> Db<'a> {
    /// Opens database `index`, which must exist.
    pub fn new(
        keyspace: &'a mut Keyspace,
        index: usize,
        effects: &'a mut Effects,
        now: UnixMs,
        expiry: ExpiryMode,
    ) -> Db<'a> {
        assert!(index < keyspace.count(), "the caller checks database numbers");
        Db { keyspace, index, effects, now, expiry, touch_on_read: true }
    }

    /// The number of this database.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many databases there are.
    pub fn count(&self) -> usize {
        self.keyspace.count()
    }

    /// Another database at the same moment, for COPY and MOVE.
    pub fn at(&mut self, index: usize) -> Db<'_> {
        assert!(index < self.keyspace.count(), "the caller checks database numbers");
        Db {
            keyspace: self.keyspace,
            index,
            effects: self.effects,
            now: self.now,
            expiry: self.expiry,
            touch_on_read: self.touch_on_read,
        }
    }

    /// The thresholds between compact and large encodings.
    pub fn limits(&self) -> &Limits {
        &self.keyspace.settings.limits
    }

    /// The settings that data commands obey.
    pub fn settings(&self) -> &Settings {
        &self.keyspace.settings
    }

    // ---- reading ----

    /// Reads a key: counts a hit or a miss and renews its idle time.
    pub fn get(&mut self, key: &[u8]) -> Option<ValueRef<'_>> {
        let entry = self.lookup(key, true)?;
        Some(ValueRef::of(entry.payload()))
    }

    /// Reads a key without a trace: no hit, no miss, no idle time. An expired key is still handled.
    pub fn peek(&mut self, key: &[u8]) -> Option<ValueRef<'_>> {
        let entry = self.lookup(key, false)?;
        Some(ValueRef::of(entry.payload()))
    }

    /// The table's entry of a key, without a trace: idle time, frequency, expiry.
    pub fn entry(&mut self, key: &[u8]) -> Option<EntryRef<'_, Object>> {
        self.lookup(key, false)
    }

    /// Reads and makes the words of entries about their use.
    pub fn usage_clock(&self) -> UsageClock {
        self.keyspace.clock
    }

    /// Reads a string.
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Str<'_>>, WrongType> {
        match self.get(key) {
            None => Ok(None),
            Some(ValueRef::String(string)) => Ok(Some(string)),
            Some(_) => Err(WrongType),
        }
    }

    /// Reads a collection of the type asked for.
    pub fn collection<T: Collection>(&mut self, key: &[u8]) -> Result<Option<&T>, WrongType> {
        match self.lookup(key, true) {
            None => Ok(None),
            Some(entry) => match entry.payload() {
                crate::table::Payload::Object(object) => T::peel(object).map(Some).ok_or(WrongType),
                _ => Err(WrongType),
            },
        }
    }

    /// Whether the key exists, without a trace.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.lookup(key, false).is_some()
    }

    /// Whether the key exists, for a command that may change it: renews its idle time, but counts nothing.
    pub fn exists_for_change(&mut self, key: &[u8]) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        !self.expired_for_change(hash, key) && self.find_and_renew(hash, key).is_some()
    }

    /// The type of a key, without a trace.
    pub fn kind(&mut self, key: &[u8]) -> Option<Kind> {
        self.peek(key).map(|value| value.kind())
    }

    /// When the key expires: outer None if there is no such key.
    pub fn expire_at(&mut self, key: &[u8]) -> Option<Option<UnixMs>> {
        Some(self.lookup(key, false)?.expire_ms().map(UnixMs))
    }

    /// As [`Db::expire_at`], for a command that may change it: renews its idle time.
    pub fn expire_at_for_change(&mut self, key: &[u8]) -> Option<Option<UnixMs>> {
        let hash = self.keyspace.table(self.index).hash(key);
        if self.expired_for_change(hash, key) {
            return None;
        }
        Some(self.find_and_renew(hash, key)?.expire_ms().map(UnixMs))
    }

    /// How many keys there are, expired ones that nobody met yet included.
    pub fn len(&self) -> usize {
        self.keyspace.table(self.index).len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A random key that is not past its time. Gives up finding a live one after some tries where expired
    /// keys may not be deleted (a replica whose keys all have expired), and returns what it has.
    pub fn random_key(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        const TRIES_MAX: usize = 100;
        let mut last = None;
        for _ in 0..TRIES_MAX {
            let key = self.keyspace.table(self.index).random(rng)?.key().to_vec();
            if self.exists(&key) {
                return Some(key);
            }
            last = Some(key);
        }
        last
    }

    /// Walks a part of the database from `cursor`: calls `each` with keys and values, expired ones included
    /// (use [`Db::is_expired`]), and returns the next cursor, 0 at the end. Every key that is there throughout a whole
    /// walk is met at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&[u8], ValueRef<'_>, Option<UnixMs>)) -> u64 {
        self.keyspace.table(self.index).scan(cursor, count, |entry| {
            each(entry.key(), ValueRef::of(entry.payload()), entry.expire_ms().map(UnixMs));
        })
    }

    /// Whether commands are to be carried out whatever the limits of this server: they were within those of the master,
    /// or of the server that wrote the file.
    pub fn obeys(&self) -> bool {
        self.expiry == ExpiryMode::Ignore
    }

    /// Whether a deadline has passed, as this command sees it.
    pub fn is_expired(&self, deadline: Option<UnixMs>) -> bool {
        self.expiry != ExpiryMode::Ignore && deadline.is_some_and(|at| at <= self.now)
    }

    /// Counts a lookup that was done without a trace.
    pub fn count_lookup(&mut self, found: bool) {
        let stats = &mut self.keyspace.stats;
        *(if found { &mut stats.hits } else { &mut stats.misses }) += 1;
    }

    fn lookup(&mut self, key: &[u8], trace: bool) -> Option<EntryRef<'_, Object>> {
        let hash = self.keyspace.table(self.index).hash(key);
        if self.expired_now(hash, key) {
            if trace {
                self.keyspace.stats.misses += 1;
                self.effects.note_miss(self.index, key);
            }
            return None;
        }
        let Keyspace { tables, stats, clock, rng, .. } = &mut *self.keyspace;
        let found = tables[self.index].find(hash, key);
        if trace {
            match &found {
                Some(entry) => {
                    stats.hits += 1;
                    if self.touch_on_read {
                        entry.set_lru(clock.after_use(entry, rng));
                    }
                }
                None => {
                    stats.misses += 1;
                    self.effects.note_miss(self.index, key);
                }
            }
        }
        found
    }

    /// Whether the key is past its time for this command; deletes it where that is ours to do.
    fn expired_now(&mut self, hash: u64, key: &[u8]) -> bool {
        let table = self.keyspace.table(self.index);
        if self.expiry == ExpiryMode::Ignore || table.expires_len() == 0 {
            return false;
        }
        let due = table.find(hash, key).and_then(|entry| entry.expire_ms()).is_some_and(|at| at <= self.now.0);
        if due && self.expiry == ExpiryMode::Delete {
            self.delete_expired(hash, key);
        }
        due
    }

    /// The same for a command that may change the key. Where clients of a replica may, what they meet is theirs to delete.
    fn expired_for_change(&mut self, hash: u64, key: &[u8]) -> bool {
        let expired = self.expired_now(hash, key);
        if expired && self.expiry == ExpiryMode::Hide {
            self.delete_expired(hash, key);
        }
        expired
    }

    /// A key was given a deadline.
    fn note_deadline(&mut self, key: &[u8], deadline: Option<UnixMs>) {
        if self.expiry == ExpiryMode::Hide
            && let Some(at) = deadline
        {
            self.keyspace.own_deadlines.note(self.index, key, at);
        }
    }

    fn delete_expired(&mut self, hash: u64, key: &[u8]) {
        self.keyspace.remove(self.index, hash, key);
        self.keyspace.stats.expired += 1;
        let word: &[u8] = if self.keyspace.settings.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.effects.push(self.index, [word, key].into_iter());
        self.effects.note(self.index, key, Some(Event::new(Class::EXPIRED, "expired")));
    }

    /// Evicts a key: whether it was there.
    pub fn evict(&mut self, key: &[u8]) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        if !self.keyspace.remove(self.index, hash, key) {
            return false;
        }
        self.keyspace.stats.evicted += 1;
        let word: &[u8] = if self.keyspace.settings.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
        self.effects.push(self.index, [word, key].into_iter());
        self.effects.note(self.index, key, Some(Event::new(Class::EVICTED, "evicted")));
        true
    }

    // ---- changing ----

    /// Deletes a key that active expiry found due. Returns false if it is not there or not due any more.
    pub fn expire_due(&mut self, key: &[u8]) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        self.expired_now(hash, key)
    }

    /// Sets a key to a string, whatever it held before. `event` is what is notified.
    pub fn set_string(&mut self, key: &[u8], value: &[u8], ttl: Ttl, event: Event) {
        match base::numbers::parse_i64(value) {
            Some(number) => self.put(key, NewValue::Int(number), ttl, event),
            None if value.len() >= crate::value::SHARED_STRING_MIN => {
                let shared = SharedString::new(value.to_vec());
                self.put(key, NewValue::Object(Object::String(shared)), ttl, event);
            }
            None => self.put(key, NewValue::Bytes(value), ttl, event),
        }
    }

    /// As [`Db::set_string`], of a long string that is shared instead of copied.
    pub fn set_shared(&mut self, key: &[u8], value: SharedString, ttl: Ttl, event: Event) {
        self.put(key, NewValue::Object(Object::String(value)), ttl, event);
    }

    /// Sets a key to an integer.
    pub fn set_int(&mut self, key: &[u8], value: i64, ttl: Ttl, event: Event) {
        self.put(key, NewValue::Int(value), ttl, event);
    }

    /// Sets a key to the integer that `change` makes of what it holds; the deadline stays. The key is looked for once.
    pub fn update_int<E>(
        &mut self,
        key: &[u8],
        event: Event,
        change: impl FnOnce(Option<ValueRef<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        let hash = self.keyspace.table(self.index).hash(key);
        self.expired_for_change(hash, key);
        let Keyspace { tables, reclaim, clock, rng, .. } = &mut *self.keyspace;
        let number = match tables[self.index].find_mut(hash, key) {
            Ok(found) => {
                let entry = found.as_ref();
                let number = change(Some(ValueRef::of(entry.payload())))?;
                entry.set_lru(clock.after_use(&entry, rng));
                found.set_int(reclaim, number);
                number
            }
            Err(_) => {
                let number = change(None)?;
                self.keyspace.upsert(self.index, hash, key, NewValue::Int(number), None);
                self.effects.note(self.index, key, Some(Event::new(Class::NEW, "new")));
                number
            }
        };
        self.effects.touch(self.index, key, event, 1);
        Ok(number)
    }

    /// Sets a key to a value, whatever it held before.
    pub fn set_value(&mut self, key: &[u8], value: Value, ttl: Ttl, event: Event) {
        match value {
            Value::Int(number) => self.put(key, NewValue::Int(number), ttl, event),
            Value::Bytes(bytes) => self.put(key, NewValue::Bytes(&bytes), ttl, event),
            Value::Object(object) => self.put(key, NewValue::Object(object), ttl, event),
        }
    }

    fn put(&mut self, key: &[u8], value: NewValue<'_, Object>, ttl: Ttl, event: Event) {
        let hash = self.keyspace.table(self.index).hash(key);
        // A key past its time must not hand its deadline on, and whoever listens sees it go first, as with the peers.
        // If nobody does, an overwrite says all there is to say.
        let heard = self.effects.touched_wanted || self.effects.journal_wanted || ttl == Ttl::Keep;
        let expired = heard && self.expired_for_change(hash, key);
        let table = self.keyspace.table(self.index);
        let expire = match ttl {
            Ttl::Clear => None,
            Ttl::At(at) => Some(at.0),
            Ttl::Keep if expired => None,
            Ttl::Keep => table.find(hash, key).and_then(|entry| entry.expire_ms()),
        };
        let is_new = self.effects.touched_wanted && table.find(hash, key).is_none();
        self.keyspace.upsert(self.index, hash, key, value, expire);
        if let Ttl::At(at) = ttl {
            self.note_deadline(key, Some(at));
        }
        if is_new {
            self.effects.note(self.index, key, Some(Event::new(Class::NEW, "new")));
        }
        self.effects.touch(self.index, key, event, 1);
    }

    /// Deletes a key: whether it was there. `event` is `del`, or what else made it go.
    pub fn remove(&mut self, key: &[u8], event: Event) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        // A client of a replica deletes what its master has yet to delete.
        let expired = self.expiry == ExpiryMode::Delete && self.expired_now(hash, key);
        if expired || !self.keyspace.remove(self.index, hash, key) {
            return false;
        }
        self.effects.touch(self.index, key, event, 1);
        true
    }

    /// Deletes a key whether or not its time has come, for a destination that nothing is stored in: whether it was there.
    pub fn discard(&mut self, key: &[u8], event: Event) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        let removed = self.keyspace.remove(self.index, hash, key);
        if removed {
            self.effects.touch(self.index, key, event, 1);
        }
        removed
    }

    /// Sets or clears the deadline of a key: whether the key is there. Records nothing: the caller knows
    /// the event (`expire`, `persist`) and calls [`Effects::touch`].
    pub fn set_expire_at(&mut self, key: &[u8], deadline: Option<UnixMs>) -> bool {
        let hash = self.keyspace.table(self.index).hash(key);
        if self.expired_for_change(hash, key) {
            return false;
        }
        self.note_deadline(key, deadline);
        self.keyspace.set_expire(self.index, hash, key, deadline.map(|at| at.0))
    }

    /// Opens a collection of the type asked for to change it; None if there is no such key.
    pub fn edit<'e, T: Collection>(&'e mut self, key: &'e [u8]) -> Result<Option<Edit<'e, T>>, WrongType> {
        Ok(self.open(key)?.filter_existing())
    }

    /// Opens a collection to change it, an empty new one if there is no such key: it comes to be when an
    /// element is in it at the end.
    pub fn edit_or_new<'e, T: Collection>(&'e mut self, key: &'e [u8]) -> Result<Edit<'e, T>, WrongType> {
        self.open(key)
    }

    /// Looks for the key, once for the whole edit, and renews its idle time.
    fn open<'e, T: Collection>(&'e mut self, key: &'e [u8]) -> Result<Edit<'e, T>, WrongType> {
        let hash = self.keyspace.table(self.index).hash(key);
        self.expired_for_change(hash, key);
        Edit::open(self, key, hash)
    }

    /// Finds a key that is to be changed, and renews its idle time.
    fn find_and_renew(&mut self, hash: u64, key: &[u8]) -> Option<EntryRef<'_, Object>> {
        let Keyspace { tables, clock, rng, .. } = &mut *self.keyspace;
        let entry = tables[self.index].find(hash, key)?;
        if self.touch_on_read {
            entry.set_lru(clock.after_use(&entry, rng));
        }
        Some(entry)
    }

    /// Changes a string in place: `change` gets the bytes (empty for a new key) and the key keeps its
    /// deadline. The value becomes a growable string, as after APPEND and SETRANGE.
    pub fn edit_string<R>(
        &mut self,
        key: &[u8],
        event: Event,
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, WrongType> {
        self.edit_string_if(key, event, |bytes| (change(bytes), true))
    }

    /// As [`Db::edit_string`], but `change` also says whether it changed the bytes. If not, nothing is recorded, and a
    /// key that was not there does not come to be.
    pub fn edit_string_if<R>(
        &mut self,
        key: &[u8],
        event: Event,
        change: impl FnOnce(&mut Vec<u8>) -> (R, bool),
    ) -> Result<R, WrongType> {
        let hash = self.keyspace.table(self.index).hash(key);
        let existed = !self.expired_for_change(hash, key) && self.find_and_renew(hash, key).is_some();
        if existed {
            let (result, changed) = self.keyspace.edit_string(self.index, hash, key, change)?;
            if changed {
                self.effects.touch(self.index, key, event, 1);
            }
            return Ok(result);
        }
        let mut bytes = Vec::new();
        let (result, changed) = change(&mut bytes);
        if changed {
            let object = Object::String(SharedString::new(bytes));
            self.keyspace.upsert(self.index, hash, key, NewValue::Object(object), None);
            self.effects.note(self.index, key, Some(Event::new(Class::NEW, "new")));
            self.effects.touch(self.index, key, event, 1);
        }
        Ok(result)
    }

    /// Takes a key out with its value and deadline, for RENAME and MOVE. Records nothing: the caller knows
    /// the events.
    pub fn take(&mut self, key: &[u8]) -> Option<(Value, Option<UnixMs>)> {
        let hash = self.keyspace.table(self.index).hash(key);
        if self.expired_for_change(hash, key) {
            return None;
        }
        self.keyspace.take(self.index, hash, key)
    }

    /// Puts a value back under a key that [`Db::take`] gave or a command made, replacing what is there. Records nothing.
    pub fn put_quietly(&mut self, key: &[u8], value: Value, deadline: Option<UnixMs>) {
        let hash = self.keyspace.table(self.index).hash(key);
        let expire = deadline.map(|at| at.0);
        self.note_deadline(key, deadline);
        match value {
            Value::Int(number) => self.keyspace.upsert(self.index, hash, key, NewValue::Int(number), expire),
            Value::Bytes(bytes) => self.keyspace.upsert(self.index, hash, key, NewValue::Bytes(&bytes), expire),
            Value::Object(object) => self.keyspace.upsert(self.index, hash, key, NewValue::Object(object), expire),
        }
    }

    /// Empties this database: how many keys went.
    pub fn flush(&mut self) -> u64 {
        let removed = self.len() as u64;
        self.keyspace.flush(self.index);
        self.effects.touch_database(self.index);
        removed
    }

    /// Swaps two databases. One with itself is a change that touches nothing.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            self.keyspace.swap(a, b);
            self.effects.touch_swapped(a, b);
        }
        self.effects.dirty += 1;
    }
}

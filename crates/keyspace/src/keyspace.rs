//! The whole keyspace: all databases, what snapshots still need, settings and counters.

use base::UnixMs;
use collections::Limits;

use crate::db::WrongType;
use crate::own_deadlines::OwnDeadlines;
use crate::snapshot::Snapshot;
use crate::table::{Costly, Garbage, KeyHasher, NewValue, OwnedValue, Reclaim, Table, TableMemory};
use crate::usage::UsageClock;
use crate::value::{Kind, Object, SharedString, Str, Value, ValueRef};

/// The settings that the data commands obey.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The thresholds between compact and large encodings.
    pub limits: Limits,
    /// The longest string in bytes that a command may build (`proto-max-bulk-len`).
    pub string_bytes_max: u64,
    /// `rdbcompression`: DUMP compresses long strings.
    pub compress_dumps: bool,
    /// `lazyfree-lazy-expire`: expired keys are journalled as UNLINK.
    pub lazyfree_lazy_expire: bool,
    /// `lazyfree-lazy-server-del`: what a command deletes on the way (RENAME) goes to the free thread.
    pub lazyfree_lazy_server_del: bool,
    /// `lazyfree-lazy-user-del`: DEL behaves as UNLINK.
    pub lazyfree_lazy_user_del: bool,
    /// `lazyfree-lazy-user-flush`: FLUSHALL and FLUSHDB without a word are asynchronous.
    pub lazyfree_lazy_user_flush: bool,
    /// `lazyfree-lazy-eviction`: evicted keys are journalled as UNLINK.
    pub lazyfree_lazy_eviction: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limits: Limits::default(),
            string_bytes_max: 512 * 1024 * 1024,
            compress_dumps: true,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_server_del: false,
            lazyfree_lazy_user_del: false,
            lazyfree_lazy_user_flush: false,
            lazyfree_lazy_eviction: false,
        }
    }
}

/// What the keyspace counts since the start or CONFIG RESETSTAT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time had come.
    pub expired: u64,
    /// Fields of hashes deleted because their time had come.
    pub expired_fields: u64,
    /// Keys deleted because memory was short.
    pub evicted: u64,
}

/// All databases. Send, so that a new one can be built beside the executor and swapped in.
pub struct Keyspace {
    pub(crate) tables: Vec<Table<Object>>,
    pub(crate) reclaim: Reclaim<Object>,
    seed: [u64; 2],
    /// Whether a stream was ever put in: files are then written in a version that carries all of it.
    pub(crate) had_streams: bool,
    pub(crate) own_deadlines: OwnDeadlines,
    /// The settings of the data commands.
    pub settings: Settings,
    /// Counters.
    pub stats: Stats,
    /// Makes and reads the words of entries about their use. Set by the node once per loop turn.
    pub clock: UsageClock,
    /// Decides which uses are counted. Seeded by the node; chance that a simulation can repeat.
    pub rng: fastrand::Rng,
}

impl Keyspace {
    /// `count` empty databases. The seed makes hashes unpredictable; it is never shown to clients.
    pub fn new(count: usize, seed: [u64; 2], settings: Settings) -> Keyspace {
        let reclaim = Reclaim::new();
        let (clock, rng) = (UsageClock::default(), fastrand::Rng::with_seed(0));
        let tables = (0..count).map(|_| Table::new(seed, &reclaim)).collect();
        let (stats, own_deadlines) = (Stats::default(), OwnDeadlines::default());
        Keyspace { tables, reclaim, seed, had_streams: false, own_deadlines, settings, stats, clock, rng }
    }

    /// How many databases there are.
    pub fn count(&self) -> usize {
        self.tables.len()
    }

    /// Keys in a database, expired ones that nobody met yet included.
    pub fn len(&self, db: usize) -> usize {
        self.tables[db].len()
    }

    /// Keys with a deadline in a database.
    pub fn expires_len(&self, db: usize) -> usize {
        self.tables[db].expires_len()
    }

    /// Hashes in a database in which a field has a deadline.
    pub fn hashes_with_deadlines(&self, db: usize) -> usize {
        self.tables[db].inner_expires_len()
    }

    /// Whether no database has a key.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.len() == 0)
    }

    /// Whether a key is in the table, past its time or not.
    pub fn contains(&self, db: usize, key: &[u8]) -> bool {
        let table = &self.tables[db];
        table.find(table.hash(key), key).is_some()
    }

    /// Whether a key is not there, or is past its time.
    pub fn is_gone(&self, db: usize, key: &[u8], now: UnixMs) -> bool {
        let table = &self.tables[db];
        table.find(table.hash(key), key).is_none_or(|entry| entry.expire_ms().is_some_and(|at| at <= now.0))
    }

    /// The type of a key, past its time or not.
    pub fn kind(&self, db: usize, key: &[u8]) -> Option<Kind> {
        let table = &self.tables[db];
        Some(ValueRef::of(table.find(table.hash(key), key)?.payload()).kind())
    }

    /// Whether there may be a stream among the values.
    pub fn may_hold_streams(&self) -> bool {
        self.had_streams
    }

    /// Takes a snapshot of all databases: microseconds, whatever they hold.
    pub fn snapshot(&mut self) -> Snapshot {
        let tables: Vec<&Table<Object>> = self.tables.iter().collect();
        Snapshot::new(self.reclaim.snapshot(&tables), self.had_streams)
    }

    /// Takes over the databases of another keyspace, as a finished synchronisation built it: settings and counters
    /// stay. The old databases are returned, to be dropped where that disturbs nobody.
    pub fn replace_data(&mut self, mut fresh: Keyspace) -> Keyspace {
        std::mem::swap(&mut self.tables, &mut fresh.tables);
        std::mem::swap(&mut self.reclaim, &mut fresh.reclaim);
        std::mem::swap(&mut self.seed, &mut fresh.seed);
        std::mem::swap(&mut self.had_streams, &mut fresh.had_streams);
        std::mem::swap(&mut self.own_deadlines, &mut fresh.own_deadlines);
        fresh
    }

    /// The hash seed: never to be shown to clients.
    pub fn seed(&self) -> [u64; 2] {
        self.seed
    }

    /// An empty keyspace with the same settings and number of databases, to load a data set into.
    pub fn fresh(&self, seed: [u64; 2]) -> Keyspace {
        let mut fresh = Keyspace::new(self.count(), seed, self.settings.clone());
        fresh.clock = self.clock;
        fresh
    }

    /// Frees up to `budget` items that snapshots no longer need: whether there is more to do.
    pub fn sweep(&mut self, budget: usize) -> bool {
        self.reclaim.sweep(budget)
    }

    /// Drops it, with calls of `between` behind pieces of it.
    pub fn drop_in_pieces(mut self, between: &mut impl FnMut()) {
        std::mem::take(&mut self.tables).into_iter().for_each(|table| table.drop_in_pieces(between));
    }

    /// A flushed table that nobody can reach any more, to be dropped on the free thread.
    pub fn take_garbage(&mut self) -> Option<Garbage<Object>> {
        self.reclaim.take_garbage()
    }

    /// Large values that were deleted or overwritten, and large parts of others, to be dropped on the free thread. Whoever
    /// changes a keyspace calls this now and then.
    pub fn take_costly(&mut self) -> Costly<Object> {
        self.reclaim.take_costly()
    }

    /// How many snapshots are not finished.
    pub fn snapshots_live(&mut self) -> usize {
        self.reclaim.snapshots_live()
    }

    /// Bytes that are only kept for snapshots.
    pub fn retired_bytes(&self) -> usize {
        self.reclaim.retired_bytes()
    }

    /// Bytes that are not freed yet although nobody but snapshots uses them: they are no part of the data set, and go without
    /// anybody's doing.
    pub fn dead_bytes(&self) -> usize {
        self.reclaim.dead_bytes()
    }

    /// Counts what the collections of about so many flushed keys take that a snapshot still needs, for
    /// [`Keyspace::dead_bytes`]: whether there are more.
    pub fn count_dead(&mut self, budget: usize) -> bool {
        self.reclaim.count_dead(budget)
    }

    /// Whether a whole table that no snapshot needs waits to be freed.
    pub fn has_garbage(&self) -> bool {
        self.reclaim.has_garbage()
    }

    /// The memory of all tables in bytes, without what objects point to.
    pub fn memory_bytes(&self) -> usize {
        let tables = self.tables.iter().map(Table::memory);
        tables.map(|memory| memory.nodes + memory.entries + memory.expires).sum()
    }

    /// The table memory of a database.
    pub fn memory(&self, db: usize) -> TableMemory {
        self.tables[db].memory()
    }

    /// The next key of a database that is due, for active expiry.
    pub fn next_due(&self, db: usize, now: UnixMs) -> Option<Vec<u8>> {
        self.tables[db].next_due(now.0).map(|entry| entry.key().to_vec())
    }

    /// The earliest deadline in a database.
    pub fn next_deadline(&self, db: usize) -> Option<UnixMs> {
        self.tables[db].next_deadline_ms().map(UnixMs)
    }

    /// The mean of the deadlines in a database, those that have passed included.
    pub fn mean_deadline(&self, db: usize) -> Option<UnixMs> {
        self.tables[db].mean_deadline_ms().map(UnixMs)
    }

    /// The hash of a database with the field that is due longest, for active expiry.
    pub fn next_due_hash(&self, db: usize, now: UnixMs) -> Option<Vec<u8>> {
        self.tables[db].next_inner_due(now.0).map(|entry| entry.key().to_vec())
    }

    /// Asks the processor to fetch what a lookup of this key in a database needs first, and returns what
    /// [`Keyspace::prefetch_entry`] wants to know for the rest.
    #[inline]
    pub fn prefetch(&self, db: usize, key: &[u8]) -> u64 {
        let table = &self.tables[db];
        let hash = table.hash(key);
        table.prefetch(hash);
        hash
    }

    /// What makes the hashes of keys, in all databases.
    pub fn hasher(&self) -> KeyHasher {
        self.tables.first().expect("there is a database").hasher()
    }

    /// The hash of a key in a database; never to be shown to clients.
    pub fn hash(&self, db: usize, key: &[u8]) -> u64 {
        self.tables[db].hash(key)
    }

    /// Asks the processor to fetch the entry itself: some time after [`Keyspace::prefetch`], so that this need not wait.
    #[inline]
    pub fn prefetch_entry(&self, db: usize, hash: u64) {
        self.tables[db].prefetch_entry(hash);
    }

    /// What a key holds, past its time or not; without a trace.
    pub fn value(&self, db: usize, hash: u64, key: &[u8]) -> Option<ValueRef<'_>> {
        Some(ValueRef::of(self.tables[db].find(hash, key)?.payload()))
    }

    /// Adds a key while loading: replaces what is there and records nothing.
    pub fn load(&mut self, db: usize, key: &[u8], value: Value, expire: Option<UnixMs>, lru: u32) -> bool {
        self.had_streams |= matches!(value, Value::Object(Object::Stream(_)));
        let table = &mut self.tables[db];
        let hash = table.hash(key);
        let expire = expire.map(|at| at.0);
        match value {
            Value::Int(number) => table.upsert(&mut self.reclaim, hash, key, NewValue::Int(number), expire, lru),
            Value::Bytes(bytes) => table.upsert(&mut self.reclaim, hash, key, NewValue::Bytes(&bytes), expire, lru),
            Value::Object(object) => table.upsert(&mut self.reclaim, hash, key, NewValue::Object(object), expire, lru),
        }
    }

    /// Calls `each` with every key of a database: for digests and tests, not for commands.
    pub fn for_each(&self, db: usize, mut each: impl FnMut(&[u8], ValueRef<'_>, Option<UnixMs>)) {
        let mut cursor = 0;
        loop {
            cursor = self.tables[db].scan(cursor, usize::MAX, |entry| {
                each(entry.key(), ValueRef::of(entry.payload()), entry.expire_ms().map(UnixMs));
            });
            if cursor == 0 {
                return;
            }
        }
    }

    pub(crate) fn table(&self, db: usize) -> &Table<Object> {
        &self.tables[db]
    }

    pub(crate) fn upsert(
        &mut self,
        db: usize,
        hash: u64,
        key: &[u8],
        value: NewValue<'_, Object>,
        expire: Option<i64>,
    ) {
        self.had_streams |= matches!(value, NewValue::Object(Object::Stream(_)));
        let mut word = self.clock.new_word();
        if self.clock.counts_uses()
            && let Some(entry) = self.tables[db].find(hash, key)
        {
            // The name stays in use, whatever it holds.
            word = self.clock.after_use(&entry, &mut self.rng);
        }
        self.tables[db].upsert(&mut self.reclaim, hash, key, value, expire, word);
    }

    pub(crate) fn remove(&mut self, db: usize, hash: u64, key: &[u8]) -> bool {
        self.tables[db].remove(&mut self.reclaim, hash, key)
    }

    pub(crate) fn take(&mut self, db: usize, hash: u64, key: &[u8]) -> Option<(Value, Option<UnixMs>)> {
        let taken = self.tables[db].take(&mut self.reclaim, hash, key)?;
        let value = match taken.value {
            OwnedValue::Int(number) => Value::Int(number),
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Object(object) => Value::Object(object),
        };
        Some((value, taken.expire_ms.map(UnixMs)))
    }

    pub(crate) fn set_expire(&mut self, db: usize, hash: u64, key: &[u8], expire: Option<i64>) -> bool {
        let Some(mut entry) = self.tables[db].edit(&mut self.reclaim, hash, key) else { return false };
        entry.set_expire(expire);
        true
    }

    /// The string under a key, if it has more bytes than `min` and a snapshot, a reply, the journal or another key needs it as
    /// it is: its next change begins with a copy of all of it.
    pub fn string_copied_by_change(&self, db: usize, key: &[u8], min: usize) -> Option<SharedString> {
        let hash = self.hash(db, key);
        let ValueRef::String(Str::Shared(string)) = self.value(db, hash, key)? else { return None };
        if string.as_slice().len() <= min {
            return None;
        }
        let is_needed = string.is_held_elsewhere() || self.tables[db].is_kept(&self.reclaim, hash, key);
        is_needed.then(|| string.clone())
    }

    /// Puts a copy in the place of the string that it was made of, if that is still there: no change that anybody hears of.
    /// Returns what is not needed here any more.
    pub fn put_copy(&mut self, db: usize, key: &[u8], of: SharedString, copy: SharedString) -> SharedString {
        let hash = self.hash(db, key);
        let is_there = matches!(
            self.value(db, hash, key), Some(ValueRef::String(Str::Shared(string))) if string.is(&of)
        );
        if !is_there {
            return copy;
        }
        let entry = self.tables[db].edit(&mut self.reclaim, hash, key).expect("looked at above");
        match entry.into_object_mut() {
            Some(Object::String(string)) => *string = copy,
            _ => unreachable!("a string outside the entry, as above"),
        }
        of
    }

    pub(crate) fn edit_string<R>(
        &mut self,
        db: usize,
        hash: u64,
        key: &[u8],
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, WrongType> {
        let Some(found) = self.tables[db].find(hash, key) else {
            let mut bytes = Vec::new();
            let result = change(&mut bytes);
            let object = Object::String(SharedString::new(bytes));
            self.upsert(db, hash, key, NewValue::Object(object), None);
            return Ok(result);
        };
        match ValueRef::of(found.payload()) {
            ValueRef::String(Str::Shared(_)) => {
                let entry = self.tables[db].edit(&mut self.reclaim, hash, key).expect("found above");
                match entry.into_object_mut() {
                    Some(Object::String(shared)) => Ok(change(shared.make_mut())),
                    _ => unreachable!("found a string outside the entry above"),
                }
            }
            ValueRef::String(string) => {
                let mut bytes = string.as_bytes().into_owned();
                let expire = found.expire_ms();
                let result = change(&mut bytes);
                let object = Object::String(SharedString::new(bytes));
                self.upsert(db, hash, key, NewValue::Object(object), expire);
                Ok(result)
            }
            _ => Err(WrongType),
        }
    }

    pub(crate) fn flush(&mut self, db: usize) {
        let empty = Table::new(self.seed, &self.reclaim);
        std::mem::replace(&mut self.tables[db], empty).retire(&mut self.reclaim);
        self.own_deadlines.flush(db);
    }

    pub(crate) fn swap(&mut self, a: usize, b: usize) {
        self.tables.swap(a, b);
        self.own_deadlines.swap(a, b);
    }
}

//! How a data set is built: keys are laid out in batches, on any thread, and put in by a [`Builder`].
//!
//! In the order of a file each key goes to another place of the table, and most of a load would be waiting for memory. So
//! the builder holds keys back, sorted roughly by their hash, and puts many into the same part of the table at once.
//! Deadlines stand in an index that is ordered by time: they wait until all are known.

use base::UnixMs;

use crate::keyspace::Keyspace;
use crate::table::{KeyHasher, NewValue, Prepared};
use crate::value::{Object, SHARED_STRING_MIN, SharedString};

/// Leading bits of the hash that decide in which bucket a key waits.
const BUCKET_BITS: u32 = 10;
/// Keys held back at most: 32 MiB. Of a data set of 10 million each block of the table gets about eight of them.
const WAITING_MAX: usize = 1 << 20;
/// How many keys ahead the places are fetched that they go to.
const AHEAD: usize = 12;

/// A key that is not in the keyspace yet.
struct LoadKey {
    /// Where in the file it was found, for the report of an error.
    position: u64,
    prepared: Prepared<Object>,
}

/// Keys of one database, laid out as the table keeps them.
pub struct LoadBatch {
    db: usize,
    keys: Vec<LoadKey>,
    /// Deadlines with the hashes of their keys: of keys, and of fields.
    deadlines: Vec<(i64, u64)>,
    inner_deadlines: Vec<(i64, u64)>,
    has_stream: bool,
}

impl LoadBatch {
    /// An empty one with room for so many keys.
    pub fn new(db: usize, keys_max: usize) -> LoadBatch {
        let keys = Vec::with_capacity(keys_max);
        LoadBatch { db, keys, deadlines: Vec::new(), inner_deadlines: Vec::new(), has_stream: false }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True without keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Lays out a key that was found at this position, for a keyspace with this hasher.
    pub fn push(
        &mut self,
        hasher: &KeyHasher,
        position: u64,
        key: &[u8],
        value: NewValue<'_, Object>,
        expire: Option<UnixMs>,
        lru: u32,
    ) {
        let hash = hasher.hash(key);
        if let NewValue::Object(object) = &value {
            self.has_stream |= matches!(object, Object::Stream(_));
            self.inner_deadlines.extend(crate::table::Value::inner_deadline_ms(object).map(|at| (at, hash)));
        }
        self.deadlines.extend(expire.map(|at| (at.0, hash)));
        let prepared = Prepared::new(hash, key, value, expire.map(|at| at.0), lru);
        self.keys.push(LoadKey { position, prepared });
    }
}

/// The best form for a string: a number, inside the entry, or outside it.
pub fn new_string(bytes: &[u8]) -> NewValue<'_, Object> {
    match base::numbers::parse_i64(bytes) {
        Some(value) => NewValue::Int(value),
        None if bytes.len() >= SHARED_STRING_MIN => NewValue::Object(Object::String(SharedString::new(bytes.to_vec()))),
        None => NewValue::Bytes(bytes),
    }
}

/// A key that came twice.
#[derive(Debug)]
pub struct Twice {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: Vec<u8>,
    /// The position of the one that was to be put in last.
    pub position: u64,
}

/// Fills a keyspace in which nothing is changed meanwhile. It holds everything only after [`Builder::finish`].
pub struct Builder<'a> {
    keyspace: &'a mut Keyspace,
    /// The database whose keys wait, and how many.
    db: usize,
    waiting: usize,
    buckets: Vec<Vec<LoadKey>>,
    /// Of each database.
    deadlines: Vec<Deadlines>,
}

/// Deadlines that are in no index yet.
#[derive(Clone, Default)]
struct Deadlines {
    keys: Vec<(i64, u64)>,
    inner: Vec<(i64, u64)>,
}

impl Builder<'_> {
    /// For this keyspace, which should be empty.
    pub fn new(keyspace: &mut Keyspace) -> Builder<'_> {
        let buckets = (0..1 << BUCKET_BITS).map(|_| Vec::new()).collect();
        let deadlines = vec![Deadlines::default(); keyspace.count()];
        Builder { keyspace, db: 0, waiting: 0, buckets, deadlines }
    }

    /// Prepares a database for about so many keys, if it has none yet.
    pub fn reserve(&mut self, db: usize, keys: u64) {
        let keyspace = &mut *self.keyspace;
        let keys = usize::try_from(keys).unwrap_or(usize::MAX);
        keyspace.tables[db].reserve(&mut keyspace.reclaim, keys);
    }

    /// Takes keys, all of which must be new.
    pub fn add(&mut self, batch: LoadBatch) -> Result<(), Twice> {
        if batch.db != self.db {
            self.put_in()?;
            self.db = batch.db;
        }
        self.keyspace.had_streams |= batch.has_stream;
        let deadlines = &mut self.deadlines[batch.db];
        deadlines.keys.extend_from_slice(&batch.deadlines);
        deadlines.inner.extend_from_slice(&batch.inner_deadlines);
        self.waiting += batch.keys.len();
        for key in batch.keys {
            self.buckets[(key.prepared.hash() >> (64 - BUCKET_BITS)) as usize].push(key);
        }
        if self.waiting >= WAITING_MAX { self.put_in() } else { Ok(()) }
    }

    /// Puts in what is held back, and makes the indexes.
    pub fn finish(mut self) -> Result<(), Twice> {
        self.put_in()?;
        let keyspace = &mut *self.keyspace;
        for (table, mut deadlines) in keyspace.tables.iter_mut().zip(self.deadlines) {
            deadlines.keys.sort_unstable();
            deadlines.inner.sort_unstable();
            table.index_deadlines(&deadlines.keys, &deadlines.inner);
            table.settle(&mut keyspace.reclaim);
        }
        Ok(())
    }

    fn put_in(&mut self) -> Result<(), Twice> {
        self.waiting = 0;
        let keyspace = &mut *self.keyspace;
        let table = &mut keyspace.tables[self.db];
        for bucket in &mut self.buckets {
            bucket.sort_unstable_by_key(|key| key.prepared.hash());
            let mut coming = bucket.iter().map(|key| key.prepared.hash()).collect::<Vec<u64>>().into_iter();
            coming.by_ref().take(AHEAD).for_each(|hash| table.prefetch_insert(hash));
            for LoadKey { position, prepared } in bucket.drain(..) {
                if let Some(hash) = coming.next() {
                    table.prefetch_insert(hash);
                }
                if let Err(prepared) = table.insert_prepared(&mut keyspace.reclaim, prepared) {
                    return Err(Twice { db: self.db, key: prepared.key().to_vec(), position });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Value};

    const DEADLINES: i64 = 1000;

    fn keyspace() -> Keyspace {
        Keyspace::new(2, [3, 4], Settings::default())
    }

    fn name_and_deadline(number: u32) -> (Vec<u8>, Option<UnixMs>) {
        let deadline = number.is_multiple_of(3).then_some(UnixMs(i64::from(number) % DEADLINES));
        (format!("key:{number}").into_bytes(), deadline)
    }

    fn batch(keyspace: &Keyspace, db: usize, numbers: impl Iterator<Item = u32>) -> LoadBatch {
        let (hasher, mut batch) = (keyspace.hasher(), LoadBatch::new(db, 0));
        for number in numbers {
            let (name, deadline) = name_and_deadline(number);
            batch.push(&hasher, u64::from(number), &name, new_string(&name), deadline, 0);
        }
        batch
    }

    fn content(keyspace: &Keyspace, db: usize) -> Vec<(Vec<u8>, &'static str, Option<UnixMs>)> {
        let mut all = Vec::new();
        keyspace.for_each(db, |key, value, expire| all.push((key.to_vec(), value.encoding(), expire)));
        all.sort();
        all
    }

    #[test]
    fn a_built_keyspace_is_the_same_whatever_room_was_made() {
        let mut one_by_one = keyspace();
        for number in 0..30_000 {
            let (name, deadline) = name_and_deadline(number);
            one_by_one.load(number as usize % 2, &name, Value::from_string(name.clone()), deadline, 0);
        }
        for room in [0, 100, 15_000, 10_000_000] {
            let mut built = keyspace();
            // The databases in turn, though no file has them so.
            let batches: Vec<LoadBatch> = (0..30)
                .map(|at| batch(&built, at % 2, (at as u32 % 2..2000).step_by(2).map(|n| n + 2000 * (at as u32 / 2))))
                .collect();
            let mut builder = Builder::new(&mut built);
            (0..2).for_each(|db| builder.reserve(db, room));
            batches.into_iter().for_each(|batch| builder.add(batch).unwrap());
            builder.finish().unwrap();
            for db in 0..2 {
                assert_eq!(content(&built, db), content(&one_by_one, db));
                assert_eq!(built.expires_len(db), one_by_one.expires_len(db));
                assert_eq!(built.mean_deadline(db), one_by_one.mean_deadline(db));
                let (memory, expected) = (built.memory(db), one_by_one.memory(db));
                assert_eq!(memory.entries, expected.entries);
                assert!(memory.nodes < expected.nodes * 5 / 4, "room for {room}: {memory:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn room_made_for_keys_that_never_came_is_given_back() {
        let mut built = keyspace();
        let mut builder = Builder::new(&mut built);
        builder.reserve(0, 1_000_000);
        builder.finish().unwrap();
        assert!(built.memory_bytes() < 10_000, "{}", built.memory_bytes());
    }

    #[test]
    fn a_key_that_comes_twice_is_named() {
        let mut built = keyspace();
        let keys = batch(&built, 1, (0..500).chain(77..78));
        let mut builder = Builder::new(&mut built);
        builder.add(keys).unwrap();
        let found = builder.finish().unwrap_err();
        assert_eq!((found.db, found.key, found.position), (1, b"key:77".to_vec(), 77));
    }
}

//! How a data set is built: keys are prepared, on any thread, and then put in, many at a time.

use std::collections::VecDeque;

use base::UnixMs;

use crate::keyspace::Keyspace;
use crate::table::{KeyHasher, NewValue, Prepared};
use crate::value::{Object, SHARED_STRING_MIN, SharedString};

/// How many keys ahead the places are fetched that they go to: enough to hide the way to memory. Without that, most of a
/// load is waiting for memory.
const AHEAD: usize = 16;

/// A key that is not in the keyspace yet.
pub struct LoadKey {
    /// Its database.
    pub db: usize,
    /// Where in the file it was found, for the report of an error.
    pub position: u64,
    is_stream: bool,
    prepared: Prepared<Object>,
}

impl LoadKey {
    /// A key that holds this value, for a keyspace with this hasher.
    pub fn new(
        hasher: &KeyHasher,
        db: usize,
        key: &[u8],
        value: NewValue<'_, Object>,
        expire: Option<UnixMs>,
        lru: u32,
    ) -> LoadKey {
        let is_stream = matches!(value, NewValue::Object(Object::Stream(_)));
        let prepared = Prepared::new(hasher.hash(key), key, value, expire.map(|at| at.0), lru);
        LoadKey { db, position: 0, is_stream, prepared }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.prepared.key()
    }
}

/// The best form for a string that is not to be kept otherwise: a number, inside the entry, or outside it.
pub fn new_string(bytes: &[u8]) -> NewValue<'_, Object> {
    match base::numbers::parse_i64(bytes) {
        Some(value) => NewValue::Int(value),
        None if bytes.len() >= SHARED_STRING_MIN => NewValue::Object(Object::String(SharedString::new(bytes.to_vec()))),
        None => NewValue::Bytes(bytes),
    }
}

impl Keyspace {
    /// What makes the hashes of keys.
    pub fn hasher(&self) -> KeyHasher {
        self.tables.first().expect("there is a database").hasher()
    }

    /// Puts keys in and records nothing. All must be new: otherwise the first that is not is handed back, and those behind
    /// it are dropped.
    pub fn load_all(&mut self, keys: Vec<LoadKey>) -> Result<(), LoadKey> {
        let mut coming = VecDeque::with_capacity(AHEAD);
        let mut keys = keys.into_iter();
        loop {
            while coming.len() < AHEAD
                && let Some(key) = keys.next()
            {
                self.tables[key.db].prefetch_insert(key.prepared.hash());
                coming.push_back(key);
            }
            let Some(LoadKey { db, position, is_stream, prepared }) = coming.pop_front() else { return Ok(()) };
            self.had_streams |= is_stream;
            if let Err(prepared) = self.tables[db].insert_prepared(&mut self.reclaim, prepared) {
                return Err(LoadKey { db, position, is_stream, prepared });
            }
        }
    }
}

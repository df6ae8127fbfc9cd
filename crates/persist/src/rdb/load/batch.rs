//! Keys on their way from the file into the keyspace: held back for a moment, so that the processor has time to fetch
//! the places that they go to. Without that, most of a load is waiting for memory.

use base::UnixMs;
use keyspace::{Keyspace, Value};

use crate::rdb::decode::KeyEvent;
use crate::rdb::error::{DecodeError, Fault};

/// Keys held back at most: enough to hide the way to memory, few enough to stay in the nearest cache.
const KEYS_MAX: usize = 24;
/// Bytes of names above which nothing more is held back.
const NAME_BYTES_MAX: usize = 64 * 1024;

/// The keys held back.
#[derive(Default)]
pub(super) struct Batch {
    names: Vec<u8>,
    keys: Vec<Held>,
}

/// One key that is not in the keyspace yet; its name is the piece of `Batch::names` before `name_end`.
struct Held {
    db: usize,
    name_end: usize,
    value: Value,
    expire_at: Option<UnixMs>,
    lru: u32,
    /// Where in the file it was found.
    position: u64,
}

impl Batch {
    /// Takes a key, and passes on those held back if they are enough.
    pub(super) fn push(
        &mut self,
        keyspace: &mut Keyspace,
        found: KeyEvent<'_>,
        lru: u32,
        position: u64,
    ) -> Result<(), DecodeError> {
        let KeyEvent { db, key, value, expire_at, .. } = found;
        keyspace.prefetch_load(db, key);
        self.names.extend_from_slice(key);
        self.keys.push(Held { db, name_end: self.names.len(), value, expire_at, lru, position });
        if self.keys.len() == KEYS_MAX || self.names.len() > NAME_BYTES_MAX {
            self.flush(keyspace)?;
        }
        Ok(())
    }

    /// Passes on all that is held back.
    pub(super) fn flush(&mut self, keyspace: &mut Keyspace) -> Result<(), DecodeError> {
        let mut start = 0;
        for held in self.keys.drain(..) {
            let Held { db, name_end, value, expire_at, lru, position } = held;
            let key = &self.names[start..name_end];
            start = name_end;
            if !keyspace.load(db, key, value, expire_at, lru) {
                let fault = Fault::Corrupt("the key stands twice in the file");
                return Err(DecodeError { position, db: Some(db), key: Some(key.to_vec()), fault });
            }
        }
        self.names.clear();
        self.names.shrink_to(NAME_BYTES_MAX);
        Ok(())
    }
}

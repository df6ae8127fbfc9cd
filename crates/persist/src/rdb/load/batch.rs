//! Keys on their way from the file into the keyspace: read, hashed and laid out as the table keeps them.

use keyspace::{Keyspace, LoadKey};

use crate::rdb::error::{DecodeError, Fault};

/// Keys in a batch at most: enough that handing it to another thread costs little for each, few enough that the batch itself
/// stays in the second cache.
const KEYS_MAX: usize = 256;
/// Bytes of the file after which a batch ends.
const BYTES_MAX: u64 = 256 * 1024;

/// Keys that are not in the keyspace yet.
#[derive(Default)]
pub struct Batch {
    keys: Vec<LoadKey>,
}

impl Batch {
    /// Puts the keys in.
    pub fn insert(self, keyspace: &mut Keyspace) -> Result<(), DecodeError> {
        keyspace.load_all(self.keys).map_err(|twice| DecodeError {
            position: twice.position,
            db: Some(twice.db),
            key: Some(twice.name().to_vec()),
            fault: Fault::Corrupt("the key stands twice in the file"),
        })
    }

    /// Takes a key that was found at this place of the file.
    pub(super) fn push(&mut self, mut key: LoadKey, position: u64) {
        if self.keys.is_empty() {
            self.keys.reserve_exact(KEYS_MAX);
        }
        key.position = position;
        self.keys.push(key);
    }

    /// Whether the batch, for which so many bytes were read, is to go.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        self.keys.len() == KEYS_MAX || bytes >= BYTES_MAX
    }
}

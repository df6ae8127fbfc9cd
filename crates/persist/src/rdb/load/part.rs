//! Keys on their way from the file into the keyspace: read, hashed and laid out as the table keeps them.

use keyspace::{Builder, Keyspace, LoadBatch, Twice};

use crate::rdb::error::{DecodeError, Fault};

/// Keys in a part at most: enough that handing it to another thread costs little for each, few enough that it stays in the
/// second cache.
const KEYS_MAX: usize = 512;
/// Bytes of the file after which a part ends.
const BYTES_MAX: u64 = 256 * 1024;

/// Keys of one database that are not in the keyspace yet.
pub struct Part {
    db: usize,
    pub(super) keys: LoadBatch,
    /// How many keys of this database the file says that there are, if it says so here.
    pub(super) expected: Option<u64>,
}

impl Part {
    pub(super) fn new(db: usize) -> Part {
        Part { db, keys: LoadBatch::new(db, KEYS_MAX), expected: None }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.expected.is_none()
    }

    /// Whether the part, for which so many bytes were read, is to go.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        self.keys.len() == KEYS_MAX || bytes >= BYTES_MAX
    }
}

/// A keyspace that is being filled. It holds everything only after [`Building::finish`].
pub struct Building<'a>(Builder<'a>);

impl Building<'_> {
    /// Begins to fill a keyspace, which should be empty.
    pub fn new(keyspace: &mut Keyspace) -> Building<'_> {
        Building(Builder::new(keyspace))
    }

    /// Puts the keys of a part in.
    pub fn add(&mut self, part: Part) -> Result<(), DecodeError> {
        if let Some(keys) = part.expected {
            self.0.reserve(part.db, keys);
        }
        self.0.add(part.keys).map_err(twice)
    }

    /// Puts in what is still held back.
    pub fn finish(self) -> Result<(), DecodeError> {
        self.0.finish().map_err(twice)
    }
}

fn twice(found: Twice) -> DecodeError {
    let fault = Fault::Corrupt("the key stands twice in the file");
    DecodeError { position: found.position, db: Some(found.db), key: Some(found.key), fault }
}

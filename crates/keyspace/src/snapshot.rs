//! The whole keyspace as it was at one moment, to be walked on another thread while writes go on.

use base::UnixMs;

use crate::table::TableSnapshots;
use crate::value::{Object, ValueRef};

/// All databases at one moment. Dropping it tells the keyspace that it is finished.
pub struct Snapshot {
    tables: TableSnapshots<Object>,
    /// Whether there may be a stream among the values.
    pub may_hold_streams: bool,
}

/// One key of a snapshot.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: &'a [u8],
    /// What it holds.
    pub value: ValueRef<'a>,
    /// When it expires.
    pub expire_at: Option<UnixMs>,
    /// Its word about its use, for a [`crate::UsageClock`].
    pub lru: u32,
}

impl Snapshot {
    pub(crate) fn new(tables: TableSnapshots<Object>, may_hold_streams: bool) -> Snapshot {
        Snapshot { tables, may_hold_streams }
    }

    /// The databases that hold keys: number, keys, keys with a deadline.
    pub fn databases(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.tables.tables())
            .map(|db| (db, self.tables.len(db), self.tables.expires_len(db)))
            .filter(|(_, keys, _)| *keys > 0)
    }

    /// How many keys there are in all databases.
    pub fn keys(&self) -> usize {
        (0..self.tables.tables()).map(|db| self.tables.len(db)).sum()
    }

    /// How many hashes there are in which a field has a deadline.
    pub fn hashes_with_deadlines(&self) -> usize {
        (0..self.tables.tables()).map(|db| self.tables.inner_expires_len(db)).sum()
    }

    /// Visits the next few keys: false at the end. Database 0 comes first, each whole before the next.
    pub fn next_block(&mut self, mut visit: impl FnMut(Item<'_>)) -> bool {
        self.tables.next_block(|db, entry| {
            visit(Item {
                db,
                key: entry.key(),
                value: ValueRef::of(entry.payload()),
                expire_at: entry.expire_ms().map(UnixMs),
                lru: entry.lru(),
            });
        })
    }
}

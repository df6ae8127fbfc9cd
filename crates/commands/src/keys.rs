//! Commands for keys of any type, by theme: `existence.rs`, `expire.rs`, `rename.rs` (RENAME, COPY, MOVE), `walk.rs` (KEYS,
//! SCAN, RANDOMKEY), `flush.rs` (whole databases), `dump.rs`, `object.rs`, `sort.rs`.
//!
//! WAIT and MIGRATE need connections: `node` has them.

mod dump;
mod existence;
mod expire;
mod flush;
mod object;
mod rename;
mod sort;
mod walk;

use keyspace::{Db, Kind};

pub use dump::{read_payload, reads_payload};

use crate::context::DataRow;
use crate::error::Error;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    existence::DEL,
    existence::UNLINK,
    existence::EXISTS,
    existence::TOUCH,
    existence::TYPE,
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    expire::TTL,
    expire::PTTL,
    expire::EXPIRETIME,
    expire::PEXPIRETIME,
    expire::PERSIST,
    rename::RENAME,
    rename::RENAMENX,
    rename::COPY,
    rename::MOVE,
    walk::KEYS,
    walk::SCAN,
    walk::RANDOMKEY,
    walk::DBSIZE,
    flush::FLUSHDB,
    flush::FLUSHALL,
    flush::SWAPDB,
    dump::DUMP,
    dump::RESTORE,
    dump::RESTORE_ASKING,
    object::OBJECT,
    sort::SORT,
    sort::SORT_RO,
];

/// The type of a key, read as EXISTS, TYPE and TTL do: a hit or a miss is counted, but the idle time goes on.
fn kind_without_touch(db: &mut Db<'_>, key: &[u8]) -> Option<Kind> {
    let touches = std::mem::replace(&mut db.touch_on_read, false);
    let kind = db.get(key).map(|value| value.kind());
    db.touch_on_read = touches;
    kind
}

/// The database of that number.
fn database(db: &Db<'_>, number: i32) -> Result<usize, Error> {
    usize::try_from(number).ok().filter(|index| *index < db.count()).ok_or(Error::DbIndex)
}

//! The string commands, by theme: `read.rs` (GET and the reads beside it), `set.rs` (SET and its shorthands), `getex.rs`
//! (reads that also write), `change.rs` (in place, and several keys at once), `number.rs`, `lcs.rs`.
//!
//! Deadlines in arguments are read in `deadline.rs`, for the `keys` group too.

mod change;
pub(crate) mod deadline;
pub(crate) mod getex;
mod lcs;
mod number;
pub(crate) mod read;
mod set;

use std::sync::Arc;

use keyspace::notify::{Class, Event};
use keyspace::{Db, SharedString, Str, Ttl};
use resp::Args;

use crate::context::DataRow;
use crate::error::Error;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    read::GET,
    read::MGET,
    read::STRLEN,
    read::GETRANGE,
    read::SUBSTR,
    set::SET,
    set::SETNX,
    set::SETEX,
    set::PSETEX,
    set::GETSET,
    getex::GETEX,
    getex::GETDEL,
    change::APPEND,
    change::SETRANGE,
    change::MSET,
    change::MSETNX,
    number::INCR,
    number::DECR,
    number::INCRBY,
    number::DECRBY,
    number::INCRBYFLOAT,
    lcs::LCS,
];

/// What SET and its relatives notify.
pub(crate) const SET_EVENT: Event = Event::new(Class::STRING, "set");
/// What a deadline that was set notifies.
pub(crate) const EXPIRE_EVENT: Event = Event::new(Class::GENERIC, "expire");
/// What a deletion notifies.
pub(crate) const DEL_EVENT: Event = Event::new(Class::GENERIC, "del");

/// Sets a key to argument `at`: a long one is shared with the request instead of copied.
pub(crate) fn set_argument(db: &mut Db<'_>, key: &[u8], args: &Args<'_>, at: usize, ttl: Ttl, event: Event) {
    match args.large(at) {
        Some(large) => db.set_shared(key, SharedString::of_counted(Arc::clone(large)), ttl, event),
        None => db.set_string(key, &args[at], ttl, event),
    }
}

/// Replies a string as a bulk: a long one is shared with the outbox instead of copied.
pub(crate) fn reply_string(reply: &mut resp::Reply<'_>, value: Str<'_>) {
    match value {
        Str::Int(number) => reply.bulk_int(number),
        Str::Bytes(bytes) => reply.bulk(bytes),
        Str::Shared(shared) if shared.as_slice().len() >= keyspace::SHARED_STRING_MIN => {
            reply.bulk_shared(&shared.to_bytes());
        }
        Str::Shared(shared) => reply.bulk(shared.as_slice()),
    }
}

/// Refuses a string that would grow to `end` bytes past `proto-max-bulk-len`; the master's limit is what counts on a replica.
pub(crate) fn check_length(db: &keyspace::Db<'_>, end: u64) -> Result<(), Error> {
    if end > db.settings().string_bytes_max && !db.obeys() { Err(Error::StringTooLong) } else { Ok(()) }
}

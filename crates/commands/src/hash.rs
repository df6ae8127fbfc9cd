//! The hash commands, by theme: `write.rs`, `increment.rs`, `read.rs`, `sample.rs` (HRANDFIELD, HSCAN); those with
//! deadlines of fields: `expire.rs`, `ttl.rs`, `get_ex.rs` (HGETEX, HGETDEL), `set_ex.rs`; what the latter share: `fields.rs`.

mod expire;
mod fields;
mod get_ex;
mod increment;
mod read;
mod sample;
mod set_ex;
mod ttl;
mod write;

use keyspace::notify::{Class, Event};

use crate::context::DataRow;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    write::HSET,
    write::HMSET,
    write::HSETNX,
    write::HDEL,
    set_ex::HSETEX,
    get_ex::HGETEX,
    get_ex::HGETDEL,
    expire::HEXPIRE,
    expire::HPEXPIRE,
    expire::HEXPIREAT,
    expire::HPEXPIREAT,
    ttl::HTTL,
    ttl::HPTTL,
    ttl::HEXPIRETIME,
    ttl::HPEXPIRETIME,
    ttl::HPERSIST,
    increment::HINCRBY,
    increment::HINCRBYFLOAT,
    read::HGET,
    read::HMGET,
    read::HGETALL,
    read::HKEYS,
    read::HVALS,
    read::HLEN,
    read::HSTRLEN,
    read::HEXISTS,
    sample::HRANDFIELD,
    sample::HSCAN,
];

/// An event of this group.
const fn event(name: &'static str) -> Event {
    Event::new(Class::HASH, name)
}

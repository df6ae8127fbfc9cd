//! The hash commands, by theme: `write.rs`, `increment.rs`, `read.rs`, `sample.rs` (HRANDFIELD, HSCAN).

mod increment;
mod read;
mod sample;
mod set_ex;
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

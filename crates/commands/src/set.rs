//! The set commands, by theme: `members.rs` (one set, and SMOVE), `sample.rs` (SPOP, SRANDMEMBER, SSCAN), `algebra.rs`
//! (intersection, union and difference).

mod algebra;
mod members;
mod sample;

use keyspace::notify::{Class, Event};

use crate::context::DataRow;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    members::SADD,
    members::SREM,
    members::SMOVE,
    members::SCARD,
    members::SISMEMBER,
    members::SMISMEMBER,
    members::SMEMBERS,
    sample::SPOP,
    sample::SRANDMEMBER,
    sample::SSCAN,
    algebra::SINTER,
    algebra::SINTERSTORE,
    algebra::SINTERCARD,
    algebra::SUNION,
    algebra::SUNIONSTORE,
    algebra::SDIFF,
    algebra::SDIFFSTORE,
];

/// An event of this group.
const fn event(name: &'static str) -> Event {
    Event::new(Class::SET, name)
}

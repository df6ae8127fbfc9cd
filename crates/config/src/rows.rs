//! Every directive of Redis 7.0 to 8.8 and Valkey 7.2 to 9.1, by section.

mod data;
mod general;
mod hidden;
mod later;
mod network;
mod replication;
mod storage;
mod unbuilt;

use crate::directive::Directive;

/// All directives, by section.
pub(crate) const ALL: &[&[Directive]] = &[
    network::ROWS,
    general::ROWS,
    storage::ROWS,
    replication::ROWS,
    data::ROWS,
    unbuilt::ROWS,
    later::ROWS,
    hidden::ROWS,
];

/// The largest value of a number of that width.
const I32: i64 = i32::MAX as i64;
const U32: i64 = u32::MAX as i64;
const I64: i64 = i64::MAX;

//! The command rows and every data command, a file per group. Start at `row.rs` (what a command is) and
//! `context.rs` (what its function gets), then any group: each command is one const directly above its function.
//!
//! A data command sees one database, a reply and random numbers; clients, configuration and replication
//! belong to `node`, whose own commands use the same row with another function type.

mod blocking;
mod context;
mod error;
mod flags;
mod keyspec;
mod row;
pub mod usage;

mod bitmap;
mod collection;
mod geo;
mod hash;
mod hyperloglog;
mod keys;
mod list;
mod set;
mod stream;
mod string;
mod zset;

pub use blocking::{Awaited, Blocking, LARGE_PAYLOAD_MIN, RestoredValue, Wait};
pub use context::{Context, DataFn, DataRow, clip_range, count, float, int, int_in, int32, is};
pub use error::{Error, Outcome, quotable};
pub use flags::{Categories, Flags};
pub use keys::{read_payload, reads_payload};
pub use keyspec::{Begin, Find, KeyAccess, KeySpec};
pub use row::{Meta, Reach, Row};

/// Every data command, by group.
pub const GROUPS: &[&[DataRow]] = &[
    string::ROWS,
    bitmap::ROWS,
    keys::ROWS,
    list::ROWS,
    hash::ROWS,
    set::ROWS,
    zset::ROWS,
    hyperloglog::ROWS,
    geo::ROWS,
    stream::ROWS,
];

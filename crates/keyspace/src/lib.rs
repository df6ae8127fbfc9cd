//! The keyspace: databases of keys, what they hold, when they expire, and the one door through which they
//! change. Read `keyspace.rs` for the whole, `db.rs` for what a command may do, `edit.rs` for the guard,
//! `effects.rs` for what a change leaves behind, `own_deadlines.rs` for what only a writable replica deletes, `load.rs` for how
//! a whole data set is built, `table/` for the table below and its snapshots.
//!
//! Nothing here knows of clients, sockets, replication or files.

mod approach;
mod db;
mod edit;
mod effects;
mod eviction;
mod fields;
mod keyspace;
mod load;
pub mod notify;
mod own_deadlines;
mod snapshot;
pub mod table;
mod usage;
mod value;

pub use approach::Approach;
pub use collections::set_hash_seed;
pub use db::{Db, ExpiryMode, Ttl, WrongType};
pub use edit::Edit;
pub use effects::{Effects, Touched, encode_command};
pub use eviction::{Evictor, Order, Rule};
pub use fields::Access;
pub use keyspace::{Keyspace, Settings, Stats};
pub use load::{Builder, LoadBatch, Twice, new_string};
pub use snapshot::{Item, Snapshot};
pub use usage::{Tracking, UsageClock};
pub use value::{
    COSTLY_STRING_MIN, Collection, Kind, Object, SHARED_STRING_MIN, SharedString, Str, Value, ValueRef,
    fill_with_zeros, reserve,
};

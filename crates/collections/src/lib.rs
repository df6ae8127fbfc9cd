//! Collections as Redis knows them: list, hash, set, sorted set and stream, each with a compact byte encoding while small
//! and a tree of shared nodes when large; and HyperLogLog, which is a string. Owns encodings and their conversion rules; knows nothing of keys, expiry
//! or commands.
//!
//! Every collection is a compact block of bytes while small, which a `clone` copies, and else a handle on reference-counted
//! nodes, whose `clone` is O(1): a write to a shared collection copies only the path to the node it touches. Start reading
//! at [`Element`] and [`Limits`], then the collection you need; [`Listpack`] and [`Intset`] are the compact encodings, byte
//! for byte those of Redis.

mod corrupt;
mod element;
mod growth;
mod hash;
mod hashing;
pub mod hyperloglog;
mod intset;
mod limits;
mod list;
mod listpack;
mod set;
mod sorted;
mod stream;
mod table;
mod tree;
pub mod ziplist;
mod zset;

pub use corrupt::Corrupt;
pub use element::Element;
pub use hash::{Hash, HashBuilder, HashEntries, HashEntry, HashIter, LiveHash};
pub use hashing::set_hash_seed;
pub use intset::Intset;
pub use limits::Limits;
pub use list::{List, ListIter, ListNode, ListNodes};
pub use listpack::{Listpack, ListpackIter};
pub use set::{PoppedMembers, Set, SetBuilder, SetIter};
pub use stream::{
    Consumer, ENTRIES_READ_UNKNOWN, Entries, Group, GroupBuilder, Pending, Stream, StreamEntry, StreamId, StreamRange,
    Trim,
};
pub use table::Approach;
pub use zset::{LexBound, ZSet, ZSetBuilder, ZSetIter};

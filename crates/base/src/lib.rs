//! Small, std-like helpers that every other crate may use: time and id newtypes, number formats,
//! glob matching, CRC16. Nothing here knows of keys, sockets or replication.

mod crc16;
mod event_class;
mod glob;
pub mod numbers;
mod prefetch;
mod replid;
mod room;
mod time;

pub use crc16::{SLOTS, crc16, key_slot};
pub use event_class::EventClass;
pub use glob::glob_match;
pub use prefetch::prefetch;
pub use replid::ReplId;
pub use room::{room_to_grow, size_class};
pub use time::{Time, UnixMs};

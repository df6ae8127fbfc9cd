//! The replication stream in memory: every byte a replica receives, addressed by its [`Offset`], kept once
//! however many readers there are. No files, no threads, no protocol: `persist` and `server` bring it to
//! disk, `replication` decides who may read from where ([`History`] holds the rule).

mod archive;
mod marks;
mod offset;
mod stream;

pub use archive::{Archive, Extent, Keep, Part, Place};
pub use marks::Marks;
pub use offset::Offset;
pub use stream::{BACKLOG_BYTES_MIN, Chunks, Journal};

//! The append-only file: a base (an RDB file, or commands) and incremental files behind it, named by a manifest. An
//! incremental file of ours is a short [`Header`] and then exactly the bytes of the replication stream, so that a place
//! in the file is an offset of the stream. Real servers load all of it: the header is a comment to them.
//!
//! `manifest.rs` is the list of files, `reader.rs` finds commands and damage in one, `ids.rs` the file of older
//! replication ids beside them. No file is opened here.

mod header;
mod ids;
mod manifest;
mod reader;

pub use header::Header;
pub use ids::{END_BYTES_MAX, FileEnd, Ids};
pub use manifest::{FileInfo, FileType, Manifest, ManifestError, parse_file_name};
pub use reader::{Damage, Found, ReadError, Reader};

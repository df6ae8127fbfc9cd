//! The RDB format of Redis and Valkey: snapshots as files or full synchronisations, and DUMP payloads. The byte
//! tables stand in docs/rdb.md.
//!
//! Reading order: [`Target`] chooses what the receiver can read, [`encode_snapshot`] and [`Encoder`] write,
//! [`load_into`] and [`Decoder`] read, [`dump`] and [`restore`] carry one value. The framing of a transfer on the
//! wire belongs to `replication`.

mod activity;
mod decode;
mod dump;
mod encode;
mod error;
mod length;
mod load;
pub mod lzf;
mod options;
mod sink;
mod target;
mod types;

mod checksum;

pub use checksum::{Crc64, crc64};
pub use decode::{Checksum, Decoder, DecoderOptions, Event, KeyEvent};
pub use dump::{DUMP_VERSION, RestoreError, dump, dump_in_pieces, dumped_len, restore, restore_in_pieces};
pub use encode::{EncodeError, Encoder, Unsupported, Written, encode_snapshot, encode_snapshot_many};
pub use error::{DecodeError, Fault};
pub use load::{Building, FileInfo, LoadOptions, LoadReport, LoadWatch, Loader, Part, load_into};
pub use options::{EncoderOptions, Header, ReplicationInfo};
pub use sink::{PIECE_BYTES_MAX, Sink};
pub use target::{Announced, Contents, Family, Target, Unreadable, required};

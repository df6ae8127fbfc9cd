//! What the writer of a snapshot is told: format, header fields, and how keys show their age.

use base::ReplId;
use keyspace::UsageClock;
use std::fmt;

use super::target::Target;

/// How a snapshot is written.
#[derive(Clone, Copy, Debug)]
pub struct EncoderOptions {
    /// The version of the format.
    pub target: Target,
    /// `rdbcompression`: strings above 20 bytes are compressed where that makes them smaller.
    pub compression: bool,
    /// `rdbchecksum`: whether the file ends in a checksum; a zero stands there otherwise.
    pub checksum: bool,
    /// Reads what keys carry of their use, idle time or frequency; None: they carry nothing.
    pub usage: Option<UsageClock>,
}

impl Default for EncoderOptions {
    fn default() -> EncoderOptions {
        EncoderOptions { target: Target::LOWEST, compression: true, checksum: true, usage: None }
    }
}

/// The facts that a file carries about itself.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// `redis-ver`: the version that the server reports.
    pub server_version: String,
    /// `ctime`: Unix seconds at which the snapshot was taken.
    pub created_s: i64,
    /// `used-mem`: bytes of memory in use.
    pub used_memory: u64,
    /// Where in the replication history the snapshot stands.
    pub replication: Option<ReplicationInfo>,
    /// `aof-base`: whether the file is the base of an append-only file.
    pub aof_base: bool,
    /// The code of each function library, which stands before the first database.
    pub functions: Vec<Vec<u8>>,
}

/// The place of a snapshot in a history of writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplicationInfo {
    /// `repl-stream-db`: the database that the stream has selected, -1 for none.
    pub stream_db: i64,
    /// `repl-id`.
    pub id: ReplId,
    /// `repl-offset`: the stream's last byte that the snapshot includes.
    pub offset: u64,
}

impl fmt::Debug for ReplicationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} db {}", self.id, self.offset, self.stream_db)
    }
}

//! One whole server without I/O: clients, commands about the server, the way of a request, both roles of
//! replication. `server` and `sim` drive it. Start at `node.rs`.

mod ahead;
mod aof;
mod blocking;
mod client;
mod client_command;
mod clients;
mod cluster_command;
mod command_command;
mod command_keys;
mod commit;
mod config_command;
mod connection;
mod debug;
mod execute;
mod gate;
mod help;
mod host;
mod info;
mod input;
mod latency;
mod latency_command;
mod memory_command;
mod monitor;
mod node;
mod observe;
mod output;
mod output_limit;
mod pause;
mod persistence;
mod pubsub;
mod redact;
mod replay;
mod replication;
mod server_commands;
mod settings;
mod shutdown;
mod slowlog;
mod stats;
mod table;
mod time_command;
mod timers;
mod timing;
mod transaction;
mod watch;

pub use aof::{FoundPart, LoadedFiles, SPARE_ENDING};
pub use client::{ConnId, PeerInfo};
pub use connection::REDIS_VERSION;
pub use host::{CpuFigures, Host, LogLevel, MemoryFigures, ProcessFacts, SaveJob, SnapshotFacts, StreamPosition};
pub use node::{Node, Setup};
pub use observe::StreamFacts;
pub use output::{
    Discarded, DiscardedValues, DroppedFiles, JournalFile, JournalRead, KeptFile, Output, PublishedFiles, SyncTarget,
};
pub use persistence::Loaded;
pub use replay::{FileReplayed, Replay, ReplayError};
pub use shutdown::{ShutdownOptions, ShutdownSignal};
pub use table::check_renames;

//! Settings: every directive of Redis and Valkey in one table, the grammar of redis.conf, and CONFIG GET, SET and
//! REWRITE as functions over bytes. Pure: files are read and written by the caller.
//!
//! `config.rs` holds the settings that have an effect, `rows/` declares every directive, `grammar.rs` splits lines,
//! `arguments.rs` makes lines of the command line, `load.rs` reads all of them, `default_user.rs` reads the one `user`
//! line there may be, `change.rs` serves CONFIG SET, `rewrite.rs` CONFIG REWRITE.

mod arguments;
mod change;
mod checks;
mod choices;
mod config;
mod default_user;
mod directive;
mod field;
mod grammar;
mod load;
mod number;
mod rewrite;
mod rows;
mod shutdown_flags;

pub use arguments::CommandLine;
pub use change::SetError;
pub use choices::{
    Appendfsync, DisklessLoad, LogLevel, MaxmemoryPolicy, PropagationError, ProtectedAction, Supervised, SyslogFacility,
};
pub use config::{BufferLimit, BytesOrShare, ClientBufferLimits, Config, SavePoint};
pub use directive::{Directive, Effect, Shown, directives};
pub use grammar::{Unbalanced, split_line};
pub use load::{LoadError, Sources, Surroundings, Warning};
pub use number::percentile_text;
pub use shutdown_flags::ShutdownFlags;

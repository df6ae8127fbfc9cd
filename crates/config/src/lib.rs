//! Settings: every directive of Redis and Valkey in one table, the grammar of redis.conf, and CONFIG GET, SET and
//! REWRITE as functions over text. Pure: files are read and written by the caller.
//!
//! `config.rs` holds the settings that have an effect, `rows/` declares every directive, `grammar.rs` splits lines,
//! `load.rs` reads files and the command line, `change.rs` serves CONFIG SET, `rewrite.rs` CONFIG REWRITE.

mod change;
mod choices;
mod config;
mod directive;
mod field;
mod grammar;
mod load;
mod rewrite;
mod rows;

pub use change::SetError;
pub use choices::{
    Appendfsync, DisklessLoad, LogLevel, MaxmemoryPolicy, PropagationError, ProtectedAction, Supervised,
};
pub use config::{BufferLimit, ClientBufferLimits, Config, SavePoint};
pub use directive::{Directive, Effect, directives};
pub use grammar::{Unbalanced, split_line};
pub use load::{LoadError, Sources, Warning};

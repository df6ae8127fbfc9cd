//! Replication as pure state machines: no sockets, files, clocks or keys.
//!
//! Reading order: [`History`] says which ids name our bytes and which PSYNC may go on; [`Link`] is a replica's
//! side of one link to its master; [`Peers`] is all that a master knows of its replicas; [`framing`] holds
//! the few bytes that wrap a snapshot on the wire. docs/replication.md lists messages, states, timers and
//! rules. The stream itself (blocks, cursors, retention) lives in `journal`; `node` wires all of them.
//!
//! Offsets count the stream's bytes that stand before a position. PSYNC names the next byte wanted, so the
//! number on the wire is the offset plus one; only [`History`] and the parsers know that.

pub mod framing;
mod history;
mod log;
pub mod master;
pub mod replica;

pub use history::{History, Refusal, Retained};
pub use log::Level;
pub use master::Peers;
pub use replica::Link;

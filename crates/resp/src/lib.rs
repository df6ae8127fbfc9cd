//! RESP2 and RESP3 as bytes: requests parsed in place, replies appended, replies read back. No sockets, no
//! clock, no knowledge of commands.
//!
//! Reading order: [`RequestParser`] turns a connection's input into [`Args`]; [`Reply`] appends to an
//! [`Outbox`]; [`ReplyParser`] reads what another server answered, as [`Value`]s; [`read_line`] serves the
//! replication handshake. What a request means is decided in `node` and `commands`.

mod args;
pub mod encode;
mod inline;
mod large;
mod line;
mod outbox;
mod reply;
mod reply_parser;
mod request;
mod value;

pub use args::{ArgRange, Args, ArgsBuf, OwnedArgs};
pub use inline::{UnbalancedQuotes, split_inline};
pub use large::{LARGE_ARG_MIN, LargeArg};
pub use line::read_line;
pub use outbox::{Outbox, SHARED_SEGMENT_MIN};
pub use reply::{BYTES_MAX_DEFAULT, Deferred, Mark, Protocol, Reply};
pub use reply_parser::{ReplyError, ReplyLimits, ReplyParser};
pub use request::{ParseLimits, Parsed, ProtocolError, RequestParser};
pub use value::Value;

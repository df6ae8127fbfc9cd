//! The list commands, by theme: `push.rs`, `pop.rs`, `transfer.rs` (from one list to another), `blocking.rs` (those
//! that wait for an element), `change.rs` (inside a list), `read.rs`.

mod blocking;
mod change;
mod pop;
mod push;
mod read;
mod transfer;

use keyspace::notify::{Class, Event};

use crate::context::{DataRow, is};
use crate::error::Error;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    push::LPUSH,
    push::RPUSH,
    push::LPUSHX,
    push::RPUSHX,
    pop::LPOP,
    pop::RPOP,
    pop::LMPOP,
    transfer::LMOVE,
    transfer::RPOPLPUSH,
    blocking::BLPOP,
    blocking::BRPOP,
    blocking::BLMPOP,
    blocking::BLMOVE,
    blocking::BRPOPLPUSH,
    change::LSET,
    change::LINSERT,
    change::LREM,
    change::LTRIM,
    read::LLEN,
    read::LINDEX,
    read::LRANGE,
    read::LPOS,
];

/// One end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The first element.
    Left,
    /// The last element.
    Right,
}

impl End {
    /// Reads LEFT or RIGHT.
    pub(crate) fn parse(arg: &[u8]) -> Result<End, Error> {
        if is(arg, "LEFT") {
            Ok(End::Left)
        } else if is(arg, "RIGHT") {
            Ok(End::Right)
        } else {
            Err(Error::Syntax)
        }
    }

    /// What a push at this end notifies.
    pub(crate) const fn push_event(self) -> Event {
        Event::new(Class::LIST, if matches!(self, End::Left) { "lpush" } else { "rpush" })
    }

    /// What a removal at this end notifies.
    pub(crate) const fn pop_event(self) -> Event {
        Event::new(Class::LIST, if matches!(self, End::Left) { "lpop" } else { "rpop" })
    }

    /// The command that removes at this end.
    pub(crate) const fn pop_word(self) -> &'static [u8] {
        if matches!(self, End::Left) { b"LPOP" } else { b"RPOP" }
    }
}

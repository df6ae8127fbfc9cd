//! The stream commands, by theme: `add.rs` (XADD, XTRIM, XSETID) with `trim.rs`, `range.rs` (XRANGE, XREVRANGE, XLEN,
//! XDEL), `read.rs` (XREAD) and `read_group.rs` (XREADGROUP), `group.rs` (XGROUP), `pending.rs` (XACK, XPENDING),
//! `claim.rs` (XCLAIM, XAUTOCLAIM), `info.rs` (XINFO). `id.rs` reads and writes ids, `propagate.rs` says how what groups
//! do is journalled.

mod add;
mod claim;
mod group;
mod id;
mod info;
mod pending;
mod propagate;
mod range;
mod read;
mod read_group;
mod trim;

use collections::StreamEntry;
use keyspace::notify::{Class, Event};
use resp::{Args, Reply};

use crate::collection::reply_element;
use crate::context::DataRow;
use crate::error::{Error, quotable};

use id::IdText;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    add::XADD,
    add::XTRIM,
    add::XSETID,
    range::XRANGE,
    range::XREVRANGE,
    range::XLEN,
    range::XDEL,
    read::XREAD,
    read_group::XREADGROUP,
    group::XGROUP,
    pending::XACK,
    pending::XPENDING,
    claim::XCLAIM,
    claim::XAUTOCLAIM,
    info::XINFO,
];

/// An event of this group.
const fn event(name: &'static str) -> Event {
    Event::new(Class::STREAM, name)
}

/// The event of a consumer that came to be, by command or by asking for entries.
const CREATE_CONSUMER: Event = event("xgroup-createconsumer");

/// Replies an entry: its id, then names and values in turn.
fn reply_entry(reply: &mut Reply<'_>, entry: &StreamEntry<'_>) {
    reply.array(2);
    reply.bulk(IdText::new(entry.id).as_bytes());
    reply.array(2 * entry.len());
    for (name, value) in entry.fields() {
        reply_element(reply, name);
        reply_element(reply, value);
    }
}

/// Replies entries, as many as there are.
fn reply_entries<'a>(reply: &mut Reply<'_>, entries: impl Iterator<Item = StreamEntry<'a>>) {
    let mark = reply.deferred();
    let count = entries.inspect(|entry| reply_entry(reply, entry)).count();
    reply.finish_array(mark, count);
}

/// The refusal for a key or group that is not there.
fn no_group(key: &[u8], group: &[u8], suffix: &[u8]) -> Error {
    let (key, group) = (quotable(key), quotable(group));
    Error::Bytes([b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", suffix].concat())
}

/// The refusal for a group that is not there in a stream that is.
fn no_group_of(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (quotable(key), quotable(group));
    Error::Bytes([b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"].concat())
}

/// How much of a subcommand's name a refusal quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 128;

/// The refusal of a subcommand that does not take these arguments, as far as its arity does not say so.
fn wrong_arguments(args: &Args<'_>) -> Error {
    let name = quotable(&args[1][..args[1].len().min(QUOTED_BYTES_MAX)]);
    let command = args[0].to_ascii_uppercase();
    let before = b"ERR unknown subcommand or wrong number of arguments for '";
    Error::Bytes([&before[..], name, b"'. Try ", &command, b" HELP."].concat())
}

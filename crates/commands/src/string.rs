//! Strings: GET and SET to begin with; the rest of the group stands in the files below.

use keyspace::notify::{Class, Event};
use keyspace::{Str, Ttl};

use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use resp::Args;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[GET];

/// Replies the string of a key.
const GET: DataRow = Row {
    name: "get",
    meta: Meta::new("string", "1.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the string that a key holds.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0"),
    run: get as DataFn,
    subcommands: &[],
};

fn get(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match ctx.db.string(&args[1])? {
        Some(value) => reply_string(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Replies a string as a bulk: a long one is shared with the outbox instead of copied.
pub(crate) fn reply_string(reply: &mut resp::Reply<'_>, value: Str<'_>) {
    match value {
        Str::Int(number) => reply.bulk_int(number),
        Str::Bytes(bytes) => reply.bulk(bytes),
        Str::Shared(shared) if shared.as_slice().len() >= keyspace::SHARED_STRING_MIN => {
            reply.bulk_shared(&shared.to_bytes());
        }
        Str::Shared(shared) => reply.bulk(shared.as_slice()),
    }
}

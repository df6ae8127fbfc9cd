//! Commands that read strings: GET, MGET, STRLEN, GETRANGE and its old name SUBSTR.

use keyspace::{Str, ValueRef};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, clip_range, int};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::reply_string;

/// Returns the string that a key holds.
pub(super) const GET: DataRow = Row {
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

/// Returns the strings of several keys, null for those without one.
pub(super) const MGET: DataRow = Row {
    name: "mget",
    meta: Meta::new("string", "1.0.0", -2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the strings of several keys, null for those without one.", "O(N) with N keys")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["request_policy:multi_shard"]),
    run: mget as DataFn,
    subcommands: &[],
};

fn mget(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    ctx.reply.array(args.len() - 1);
    for key in args.tail(1).iter() {
        match ctx.db.get(key) {
            Some(ValueRef::String(value)) => reply_string(&mut ctx.reply, value),
            _ => ctx.reply.null(),
        }
    }
    Ok(())
}

/// Returns the length of a string in bytes.
pub(super) const STRLEN: DataRow = Row {
    name: "strlen",
    meta: Meta::new("string", "2.2.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the length of a string in bytes.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: strlen as DataFn,
    subcommands: &[],
};

fn strlen(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let length = ctx.db.string(&args[1])?.map_or(0, |value| value.len());
    ctx.reply.int(length as i64);
    Ok(())
}

/// Returns a part of a string.
pub(super) const GETRANGE: DataRow = Row {
    name: "getrange",
    meta: Meta::new("string", "2.4.0", 4, Flags::READONLY)
        .about("Returns a part of a string.", "O(N) with N bytes returned")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:integer end:integer"),
    run: getrange as DataFn,
    subcommands: &[],
};

fn getrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (int(&args[2])?, int(&args[3])?);
    let Some(value) = ctx.db.string(&args[1])? else {
        ctx.reply.bulk(b"");
        return Ok(());
    };
    match byte_range(start, end, value.len()) {
        None => ctx.reply.bulk(b""),
        Some((from, count)) => match value {
            Str::Shared(shared) if count >= keyspace::SHARED_STRING_MIN => {
                ctx.reply.bulk_shared(&shared.to_bytes().slice(from..from + count));
            }
            _ => value.with_bytes(|bytes| ctx.reply.bulk(&bytes[from..from + count])),
        },
    }
    Ok(())
}

/// The rule of GETRANGE, BITCOUNT and BITPOS: as that of LRANGE, but two negative indexes in the wrong order are nothing even where clipping
/// would bring them together.
pub(crate) fn byte_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    // An end before the string counts as its first byte.
    let end = if end < 0 { end.max(-(len as i64)) } else { end };
    clip_range(start, end, len)
}

/// Returns a part of a string, under the old name of GETRANGE.
pub(super) const SUBSTR: DataRow = Row {
    name: "substr",
    meta: Meta::new("string", "1.0.0", 4, Flags::READONLY)
        .about("Returns a part of a string, under the old name of GETRANGE.", "O(N) with N bytes returned")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:integer end:integer")
        .deprecated("2.0.0", "`GETRANGE`"),
    run: getrange as DataFn,
    subcommands: &[],
};

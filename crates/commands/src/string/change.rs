//! Strings changed in place, APPEND and SETRANGE, and several keys set at once, MSET and MSETNX.

use keyspace::notify::{Class, Event};
use keyspace::{Ttl, ValueRef, WrongType};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::{SET_EVENT, check_length, set_argument};

/// Appends bytes to a string; a missing key counts as an empty one.
pub(super) const APPEND: DataRow = Row {
    name: "append",
    meta: Meta::new("string", "2.0.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Appends bytes to a string; a missing key counts as an empty one.", "O(1) amortized")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 value:string")
        .edits_string(),
    run: append as DataFn,
    subcommands: &[],
};

fn append(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    const EVENT: Event = Event::new(Class::STRING, "append");
    let (key, tail) = (&args[1], &args[2]);
    let length = match length_of(ctx, key)? {
        // A new key gets the form that SET would give it: a number stays one.
        None => {
            set_argument(&mut ctx.db, key, args, 2, Ttl::Clear, EVENT);
            tail.len()
        }
        Some(length) => {
            check_length(&ctx.db, (length + tail.len()) as u64)?;
            ctx.db.edit_string(key, EVENT, |bytes| {
                keyspace::reserve(bytes, bytes.len() + tail.len());
                bytes.extend_from_slice(tail);
                bytes.len()
            })?
        }
    };
    ctx.reply.int(length as i64);
    Ok(())
}

/// The length of the string a key holds, without a trace; None if there is no such key.
fn length_of(ctx: &mut Context<'_>, key: &[u8]) -> Result<Option<usize>, WrongType> {
    match ctx.db.peek(key) {
        None => Ok(None),
        Some(ValueRef::String(value)) => Ok(Some(value.len())),
        Some(_) => Err(WrongType),
    }
}

/// Overwrites a part of a string; zero bytes fill the gap before it.
pub(super) const SETRANGE: DataRow = Row {
    name: "setrange",
    meta: Meta::new("string", "2.2.0", 4, Flags::DENYOOM.with(Flags::WRITE))
        .about(
            "Overwrites a part of a string; zero bytes fill the gap before it.",
            "O(1) amortized, O(N) with N new bytes",
        )
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 offset:integer value:string")
        .edits_string(),
    run: setrange as DataFn,
    subcommands: &[],
};

fn setrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    const EVENT: Event = Event::new(Class::STRING, "setrange");
    let (key, part) = (&args[1], &args[3]);
    let offset = u64::try_from(int(&args[2])?).map_err(|_| Error::text("ERR offset is out of range"))?;
    let length = length_of(ctx, key)?.unwrap_or(0);
    if part.is_empty() {
        ctx.reply.int(length as i64);
        return Ok(());
    }
    let end = offset + part.len() as u64;
    check_length(&ctx.db, end)?;
    let (offset, end) = (offset as usize, end as usize);
    let length = ctx.db.edit_string(key, EVENT, |bytes| {
        if bytes.len() < offset {
            keyspace::fill_with_zeros(bytes, offset);
        }
        keyspace::reserve(bytes, end);
        let over = part.len().min(bytes.len() - offset);
        bytes[offset..offset + over].copy_from_slice(&part[..over]);
        bytes.extend_from_slice(&part[over..]);
        bytes.len()
    })?;
    ctx.reply.int(length as i64);
    Ok(())
}

/// Stores several strings at once.
pub(super) const MSET: DataRow = Row {
    name: "mset",
    meta: Meta::new("string", "1.0.1", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores several strings at once.", "O(N) with N keys")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, -1, 2)])
        .usage("data{key:key#0 value:string}...")
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    run: mset as DataFn,
    subcommands: &[],
};

fn mset(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_pairs(args, "mset")?;
    set_pairs(ctx, args);
    ctx.reply.simple("OK");
    Ok(())
}

/// Stores several strings at once, but only if none of the keys exists.
pub(super) const MSETNX: DataRow = Row {
    name: "msetnx",
    meta: Meta::new("string", "1.0.1", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores several strings at once, but only if none of the keys exists.", "O(N) with N keys")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::INSERT), 1, -1, 2)])
        .usage("data{key:key#0 value:string}..."),
    run: msetnx as DataFn,
    subcommands: &[],
};

fn msetnx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_pairs(args, "msetnx")?;
    let free = args.tail(1).iter().step_by(2).all(|key| !ctx.db.exists_for_change(key));
    if free {
        set_pairs(ctx, args);
    }
    ctx.reply.int(i64::from(free));
    Ok(())
}

fn check_pairs(args: &Args<'_>, command: &str) -> Outcome {
    if args.len() % 2 == 1 {
        return Ok(());
    }
    Err(Error::owned(format!("ERR wrong number of arguments for '{command}' command")))
}

fn set_pairs(ctx: &mut Context<'_>, args: &Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        set_argument(&mut ctx.db, &args[at], args, at + 1, Ttl::Clear, SET_EVENT);
    }
}

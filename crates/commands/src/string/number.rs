//! Strings as numbers: INCR and its relatives on 64-bit integers, INCRBYFLOAT on long doubles.

use base::numbers::LongDouble;
use keyspace::notify::{Class, Event};
use keyspace::{Ttl, Value, ValueRef};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Adds one to the integer that a key holds; a missing key counts as 0.
pub(super) const INCR: DataRow = Row {
    name: "incr",
    meta: Meta::new("string", "1.0.0", 2, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds one to the integer that a key holds; a missing key counts as 0.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0"),
    run: incr as DataFn,
    subcommands: &[],
};

fn incr(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(ctx, &args[1], 1)
}

/// Takes one off the integer that a key holds; a missing key counts as 0.
pub(super) const DECR: DataRow = Row {
    name: "decr",
    meta: Meta::new("string", "1.0.0", 2, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Takes one off the integer that a key holds; a missing key counts as 0.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0"),
    run: decr as DataFn,
    subcommands: &[],
};

fn decr(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(ctx, &args[1], -1)
}

/// Adds a number to the integer that a key holds; a missing key counts as 0.
pub(super) const INCRBY: DataRow = Row {
    name: "incrby",
    meta: Meta::new("string", "1.0.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds a number to the integer that a key holds; a missing key counts as 0.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 increment:integer"),
    run: incrby as DataFn,
    subcommands: &[],
};

fn incrby(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let amount = int(&args[2])?;
    add(ctx, &args[1], amount)
}

/// Takes a number off the integer that a key holds; a missing key counts as 0.
pub(super) const DECRBY: DataRow = Row {
    name: "decrby",
    meta: Meta::new("string", "1.0.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Takes a number off the integer that a key holds; a missing key counts as 0.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 decrement:integer"),
    run: decrby as DataFn,
    subcommands: &[],
};

fn decrby(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let amount = int(&args[2])?.checked_neg().ok_or(Error::text("ERR decrement would overflow"))?;
    add(ctx, &args[1], amount)
}

fn add(ctx: &mut Context<'_>, key: &[u8], amount: i64) -> Outcome {
    const EVENT: Event = Event::new(Class::STRING, "incrby");
    let sum = ctx.db.update_int(key, EVENT, |old| {
        let old = match old {
            None => 0,
            Some(ValueRef::String(value)) => value.as_int().ok_or(Error::NotInteger)?,
            Some(_) => return Err(Error::WrongType),
        };
        old.checked_add(amount).ok_or(Error::text("ERR increment or decrement would overflow"))
    })?;
    ctx.reply.int(sum);
    Ok(())
}

/// Adds a number to the number that a key holds, with a fraction if need be; a missing key counts as 0.
pub(super) const INCRBYFLOAT: DataRow = Row {
    name: "incrbyfloat",
    meta: Meta::new("string", "2.6.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about(
            "Adds a number to the number that a key holds, with a fraction if need be; a missing key counts as 0.",
            "O(1)",
        )
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 increment:double"),
    run: incrbyfloat as DataFn,
    subcommands: &[],
};

fn incrbyfloat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    const EVENT: Event = Event::new(Class::STRING, "incrbyfloat");
    let key = &args[1];
    let old = match ctx.db.peek(key) {
        None => None,
        Some(ValueRef::String(value)) => Some(value.with_bytes(LongDouble::parse).ok_or(Error::NotFloat)?),
        Some(_) => return Err(Error::WrongType),
    };
    let amount = LongDouble::parse(&args[2]).ok_or(Error::NotFloat)?;
    let sum = old.map_or(amount, |old| old.add(amount));
    if !sum.is_finite() {
        return Err(Error::text("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::new();
    sum.write(&mut text);
    ctx.reply.bulk(&text);
    // What is computed may differ in the last digit elsewhere, so replicas and files get the result.
    ctx.db.effects.replicate_instead(ctx.db.index(), &[b"SET", key, &text, b"KEEPTTL"]);
    ctx.db.set_value(key, Value::Bytes(text), Ttl::Keep, EVENT);
    Ok(())
}

//! HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS. Those that name fields delete the expired ones they met,
//! after the reply, to which they were hidden anyway.

use keyspace::Access;
use resp::Args;

use crate::collection::reply_element;
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Returns the value of a field of a hash.
pub(super) const HGET: DataRow = Row {
    name: "hget",
    meta: Meta::new("hash", "2.0.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the value of a field of a hash.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 field:string"),
    run: hget as DataFn,
    subcommands: &[],
};
fn hget(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match ctx.db.hash(&args[1])?.and_then(|hash| hash.get(&args[2])) {
        Some(value) => reply_element(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    ctx.db.expire_fields(&args[1], [&args[2]], Access::Read);
    Ok(())
}

/// Returns the values of fields of a hash.
pub(super) const HMGET: DataRow = Row {
    name: "hmget",
    meta: Meta::new("hash", "2.0.0", -3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the values of fields of a hash.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 field:string..."),
    run: hmget as DataFn,
    subcommands: &[],
};
fn hmget(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let hash = ctx.db.hash(&args[1])?;
    ctx.reply.array(args.len() - 2);
    for field in args.tail(2).iter() {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => reply_element(&mut ctx.reply, value),
            None => ctx.reply.null(),
        }
    }
    ctx.db.expire_fields(&args[1], args.tail(2).iter(), Access::Read);
    Ok(())
}

/// Returns all fields of a hash with their values.
pub(super) const HGETALL: DataRow = Row {
    name: "hgetall",
    meta: Meta::new("hash", "2.0.0", 2, Flags::READONLY)
        .about("Returns all fields of a hash with their values.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output_order"]),
    run: hgetall as DataFn,
    subcommands: &[],
};
fn hgetall(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(hash) = ctx.db.hash(&args[1])? else {
        ctx.reply.map(0);
        return Ok(());
    };
    ctx.reply.map(hash.len());
    for entry in hash.entries() {
        reply_element(&mut ctx.reply, entry.field);
        reply_element(&mut ctx.reply, entry.value);
    }
    Ok(())
}

/// Returns all fields of a hash.
pub(super) const HKEYS: DataRow = Row {
    name: "hkeys",
    meta: Meta::new("hash", "2.0.0", 2, Flags::READONLY)
        .about("Returns all fields of a hash.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output_order"]),
    run: hkeys as DataFn,
    subcommands: &[],
};
fn hkeys(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(hash) = ctx.db.hash(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    ctx.reply.array(hash.len());
    hash.entries().for_each(|entry| reply_element(&mut ctx.reply, entry.field));
    Ok(())
}

/// Returns all values of a hash.
pub(super) const HVALS: DataRow = Row {
    name: "hvals",
    meta: Meta::new("hash", "2.0.0", 2, Flags::READONLY)
        .about("Returns all values of a hash.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output_order"]),
    run: hvals as DataFn,
    subcommands: &[],
};
fn hvals(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(hash) = ctx.db.hash(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    ctx.reply.array(hash.len());
    hash.entries().for_each(|entry| reply_element(&mut ctx.reply, entry.value));
    Ok(())
}

/// Returns how many fields a hash has.
pub(super) const HLEN: DataRow = Row {
    name: "hlen",
    meta: Meta::new("hash", "2.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many fields a hash has.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: hlen as DataFn,
    subcommands: &[],
};
fn hlen(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    // As with Redis 8, a field past its deadline counts until it is deleted.
    let len = ctx.db.hash(&args[1])?.map_or(0, |hash| hash.stored().len());
    ctx.reply.int(len as i64);
    Ok(())
}

/// Returns the length in bytes of the value of a field.
pub(super) const HSTRLEN: DataRow = Row {
    name: "hstrlen",
    meta: Meta::new("hash", "3.2.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the length in bytes of the value of a field.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0 field:string"),
    run: hstrlen as DataFn,
    subcommands: &[],
};
fn hstrlen(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let value = ctx.db.hash(&args[1])?.and_then(|hash| hash.get(&args[2]));
    ctx.reply.int(value.map_or(0, |value| value.len()) as i64);
    ctx.db.expire_fields(&args[1], [&args[2]], Access::Read);
    Ok(())
}

/// Tells whether a hash has a field.
pub(super) const HEXISTS: DataRow = Row {
    name: "hexists",
    meta: Meta::new("hash", "2.0.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Tells whether a hash has a field.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0 field:string"),
    run: hexists as DataFn,
    subcommands: &[],
};
fn hexists(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let exists = ctx.db.hash(&args[1])?.is_some_and(|hash| hash.contains(&args[2]));
    ctx.reply.int(i64::from(exists));
    ctx.db.expire_fields(&args[1], [&args[2]], Access::Read);
    Ok(())
}

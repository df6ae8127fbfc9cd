//! HSET and its older forms HMSET and HSETNX, and HDEL.

use collections::Hash;
use keyspace::Access;
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;

/// Sets fields of a hash and returns how many are new. They lose their deadlines.
pub(super) const HSET: DataRow = Row {
    name: "hset",
    meta: Meta::new("hash", "2.0.0", -4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Sets fields of a hash and returns how many are new.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 data{field:string value:string}..."),
    run: hset as DataFn,
    subcommands: &[],
};
fn hset(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let added = set_fields(ctx, args, "ERR wrong number of arguments for 'hset' command")?;
    ctx.reply.int(added as i64);
    Ok(())
}

/// Sets fields of a hash.
pub(super) const HMSET: DataRow = Row {
    name: "hmset",
    meta: Meta::new("hash", "2.0.0", -4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Sets fields of a hash.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 data{field:string value:string}...")
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    run: hmset as DataFn,
    subcommands: &[],
};
fn hmset(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_fields(ctx, args, "ERR wrong number of arguments for 'hmset' command")?;
    ctx.reply.simple("OK");
    Ok(())
}

/// Sets all pairs of the arguments: how many fields are new. `odd` refuses a field without a value.
fn set_fields(ctx: &mut Context<'_>, args: &Args<'_>, odd: &'static str) -> Result<usize, Error> {
    if args.len() % 2 == 1 {
        return Err(Error::text(odd));
    }
    let fields = (args.len() - 2) / 2;
    ctx.db.expire_fields(&args[1], args.tail(2).iter().step_by(2), Access::Write);
    let mut edit = ctx.db.edit_or_new::<Hash>(&args[1])?;
    let (hash, limits) = edit.get_mut();
    hash.prepare(fields, limits);
    let mut pairs = args.tail(2).iter();
    let mut added = 0;
    while let (Some(field), Some(value)) = (pairs.next(), pairs.next()) {
        added += usize::from(hash.set(field, value, limits));
    }
    edit.changed(event("hset"), fields as u64);
    Ok(added)
}

/// Sets a field of a hash if it does not exist.
pub(super) const HSETNX: DataRow = Row {
    name: "hsetnx",
    meta: Meta::new("hash", "2.0.0", 4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Sets a field of a hash if it does not exist.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 field:string value:string"),
    run: hsetnx as DataFn,
    subcommands: &[],
};
fn hsetnx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    ctx.db.expire_fields(&args[1], [&args[2]], Access::Write);
    let mut edit = ctx.db.edit_or_new::<Hash>(&args[1])?;
    let is_new = !edit.get().contains(&args[2]);
    if is_new {
        let (hash, limits) = edit.get_mut();
        hash.set(&args[2], &args[3], limits);
        edit.changed(event("hset"), 1);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(i64::from(is_new));
    Ok(())
}

/// Removes fields from a hash and returns how many were there.
pub(super) const HDEL: DataRow = Row {
    name: "hdel",
    meta: Meta::new("hash", "2.0.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Removes fields from a hash and returns how many were there.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 field:string..."),
    run: hdel as DataFn,
    subcommands: &[],
};
fn hdel(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    ctx.db.expire_fields(&args[1], args.tail(2).iter(), Access::Write);
    let Some(mut edit) = ctx.db.edit::<Hash>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let (hash, _) = edit.get_mut();
    let removed = args.tail(2).iter().filter(|field| hash.remove(field)).count();
    if removed > 0 {
        edit.changed(event("hdel"), removed as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

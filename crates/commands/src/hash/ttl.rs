//! HTTL, HPTTL, HEXPIRETIME and HPEXPIRETIME read deadlines of fields, HPERSIST clears them.

use base::UnixMs;
use collections::Hash;
use keyspace::{Access, Kind};
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;
use super::fields::{BAD_COUNT, fields};

/// What is replied for a field that is not there, and for one without a deadline.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;

/// Returns how many seconds fields of a hash have left to live.
pub(super) const HTTL: DataRow = Row {
    name: "httl",
    meta: Meta::new("hash", "7.4.0", -5, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many seconds fields of a hash have left to live.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}")
        .tips(&["nondeterministic_output"]),
    run: httl as DataFn,
    subcommands: &[],
};

fn httl(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadlines(ctx, args, |deadline, now| seconds_up(deadline - now))
}

/// Returns how many milliseconds fields of a hash have left to live.
pub(super) const HPTTL: DataRow = Row {
    name: "hpttl",
    meta: Meta::new("hash", "7.4.0", -5, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many milliseconds fields of a hash have left to live.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}")
        .tips(&["nondeterministic_output"]),
    run: hpttl as DataFn,
    subcommands: &[],
};

fn hpttl(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadlines(ctx, args, |deadline, now| deadline - now)
}

/// Returns the Unix times in seconds at which fields of a hash expire.
pub(super) const HEXPIRETIME: DataRow = Row {
    name: "hexpiretime",
    meta: Meta::new("hash", "7.4.0", -5, Flags::FAST.with(Flags::READONLY))
        .about("Returns the Unix times in seconds at which fields of a hash expire.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}"),
    run: hexpiretime as DataFn,
    subcommands: &[],
};

fn hexpiretime(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadlines(ctx, args, |deadline, _| seconds_up(deadline.0))
}

/// Returns the Unix times in milliseconds at which fields of a hash expire.
pub(super) const HPEXPIRETIME: DataRow = Row {
    name: "hpexpiretime",
    meta: Meta::new("hash", "7.4.0", -5, Flags::FAST.with(Flags::READONLY))
        .about("Returns the Unix times in milliseconds at which fields of a hash expire.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}"),
    run: hpexpiretime as DataFn,
    subcommands: &[],
};

fn hpexpiretime(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadlines(ctx, args, |deadline, _| deadline.0)
}

/// Replies for each field what `shown` makes of its deadline.
fn reply_deadlines(ctx: &mut Context<'_>, args: &Args<'_>, shown: impl Fn(UnixMs, UnixMs) -> i64) -> Outcome {
    let now = ctx.db.now;
    let hash = ctx.db.hash(&args[1])?;
    let names = fields(args, 2, BAD_COUNT)?;
    ctx.reply.array(names.len());
    for field in names.iter() {
        ctx.reply.int(match hash.and_then(|hash| hash.deadline(field)) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => shown(deadline, now),
        });
    }
    Ok(())
}

/// Seconds, a started one counting whole: unlike those of keys, which are rounded.
fn seconds_up(millis: i64) -> i64 {
    millis.saturating_add(999) / 1000
}

/// Makes fields of a hash live for ever.
pub(super) const HPERSIST: DataRow = Row {
    name: "hpersist",
    meta: Meta::new("hash", "7.4.0", -5, Flags::FAST.with(Flags::WRITE))
        .about("Makes fields of a hash live for ever.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}"),
    run: hpersist as DataFn,
    subcommands: &[],
};

fn hpersist(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    if ctx.db.kind(key).is_some_and(|kind| kind != Kind::Hash) {
        return Err(Error::WrongType);
    }
    let names = fields(args, 2, BAD_COUNT)?;
    ctx.db.expire_fields(key, names.iter(), Access::Write);
    ctx.reply.array(names.len());
    let Some(mut edit) = ctx.db.edit::<Hash>(key)? else {
        names.iter().for_each(|_| ctx.reply.int(NO_FIELD));
        return Ok(());
    };
    let mut cleared = 0;
    for field in names.iter() {
        ctx.reply.int(match edit.get().deadline(field) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                edit.get_mut().0.set_deadline(field, None);
                cleared += 1;
                1
            }
        });
    }
    if cleared > 0 {
        edit.changed(event("hpersist"), cleared);
    } else {
        edit.unchanged();
    }
    Ok(())
}

//! HEXPIRE and its relatives set deadlines of fields. To replicas and files they travel as moments in milliseconds,
//! HPEXPIREAT, for the fields that they concerned; a field whose new deadline has passed travels as HDEL.

use base::UnixMs;
use collections::Hash;
use keyspace::{Access, Kind};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::deadline::{self, Clock};

use super::event;
use super::fields::{fields, moment, replicate_deletions, replicate_fields};

/// Sets how many seconds fields of a hash have left to live.
pub(super) const HEXPIRE: DataRow = Row {
    name: "hexpire",
    meta: Meta::new("hash", "7.4.0", -6, Flags::FAST.with(Flags::WRITE))
        .about("Sets how many seconds fields of a hash have left to live.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 seconds:integer [condition<NX | XX | GT | LT>] \
             FIELDS=fields{numfields:integer field:string...}",
        ),
    run: hexpire as DataFn,
    subcommands: &[],
};

fn hexpire(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadlines(ctx, args, Clock::SECONDS, "hexpire")
}

/// Sets how many milliseconds fields of a hash have left to live.
pub(super) const HPEXPIRE: DataRow = Row {
    name: "hpexpire",
    meta: Meta::new("hash", "7.4.0", -6, Flags::FAST.with(Flags::WRITE))
        .about("Sets how many milliseconds fields of a hash have left to live.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 milliseconds:integer [condition<NX | XX | GT | LT>] \
             FIELDS=fields{numfields:integer field:string...}",
        ),
    run: hpexpire as DataFn,
    subcommands: &[],
};

fn hpexpire(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadlines(ctx, args, Clock::MILLIS, "hpexpire")
}

/// Sets the Unix time in seconds at which fields of a hash expire.
pub(super) const HEXPIREAT: DataRow = Row {
    name: "hexpireat",
    meta: Meta::new("hash", "7.4.0", -6, Flags::FAST.with(Flags::WRITE))
        .about("Sets the Unix time in seconds at which fields of a hash expire.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 unix-time-seconds:unix-time [condition<NX | XX | GT | LT>] \
             FIELDS=fields{numfields:integer field:string...}",
        ),
    run: hexpireat as DataFn,
    subcommands: &[],
};

fn hexpireat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadlines(ctx, args, Clock::AT_SECONDS, "hexpireat")
}

/// Sets the Unix time in milliseconds at which fields of a hash expire.
pub(super) const HPEXPIREAT: DataRow = Row {
    name: "hpexpireat",
    meta: Meta::new("hash", "7.4.0", -6, Flags::FAST.with(Flags::WRITE))
        .about("Sets the Unix time in milliseconds at which fields of a hash expire.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 unix-time-milliseconds:unix-time [condition<NX | XX | GT | LT>] \
             FIELDS=fields{numfields:integer field:string...}",
        ),
    run: hpexpireat as DataFn,
    subcommands: &[],
};

fn hpexpireat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadlines(ctx, args, Clock::AT_MILLIS, "hpexpireat")
}

/// When a deadline may be set.
#[derive(Clone, Copy)]
enum Condition {
    /// Only where there is none.
    Untimed,
    /// Only where there is one.
    Timed,
    /// Only later than the one there is; no deadline is the latest.
    Later,
    /// Only earlier.
    Earlier,
}

impl Condition {
    fn of_word(word: &[u8]) -> Option<Condition> {
        match word {
            _ if is(word, "NX") => Some(Condition::Untimed),
            _ if is(word, "XX") => Some(Condition::Timed),
            _ if is(word, "GT") => Some(Condition::Later),
            _ if is(word, "LT") => Some(Condition::Earlier),
            _ => None,
        }
    }

    fn allows(self, current: Option<UnixMs>, new: UnixMs) -> bool {
        match self {
            Condition::Untimed => current.is_none(),
            Condition::Timed => current.is_some(),
            Condition::Later => current.is_some_and(|current| new > current),
            Condition::Earlier => current.is_none_or(|current| new < current),
        }
    }
}

/// What became of a field, as it is replied.
const NO_FIELD: i64 = -2;
const NOT_ALLOWED: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

fn set_deadlines(ctx: &mut Context<'_>, args: &Args<'_>, clock: Clock, command: &str) -> Outcome {
    let key = &args[1];
    if ctx.db.kind(key).is_some_and(|kind| kind != Kind::Hash) {
        return Err(Error::WrongType);
    }
    let deadline = moment(&ctx.db, clock, &args[2], command)?;
    let condition = Condition::of_word(&args[3]);
    let fields_at = if condition.is_some() { 4 } else { 3 };
    let names = fields(args, fields_at, Error::text("ERR Parameter `numFields` should be greater than 0"))?;
    ctx.db.expire_fields(key, names.iter(), Access::Write);
    let is_past = deadline::is_past(&ctx.db, deadline);
    ctx.reply.array(names.len());
    let Some(mut edit) = ctx.db.edit::<Hash>(key)? else {
        names.iter().for_each(|_| ctx.reply.int(NO_FIELD));
        return Ok(());
    };
    let mut concerned: Vec<&[u8]> = Vec::new();
    for field in names.iter() {
        let outcome = match edit.get().deadline(field) {
            None => NO_FIELD,
            Some(current) if condition.is_some_and(|condition| !condition.allows(current, deadline)) => NOT_ALLOWED,
            Some(_) if is_past => DELETED,
            Some(_) => SET,
        };
        match outcome {
            DELETED => drop(edit.get_mut().0.remove(field)),
            SET => drop(edit.get_mut().0.set_deadline(field, Some(deadline))),
            _ => {}
        }
        if outcome > 0 {
            concerned.push(field);
        }
        ctx.reply.int(outcome);
    }
    if concerned.is_empty() {
        edit.unchanged();
        return Ok(());
    }
    edit.changed(event(if is_past { "hdel" } else { "hexpire" }), concerned.len() as u64);
    if is_past {
        ctx.db.count_expired_fields(concerned.len());
        replicate_deletions(&mut ctx.db, key, &concerned);
        return Ok(());
    }
    let mut digits = itoa::Buffer::new();
    let mut head: Vec<&[u8]> = vec![b"HPEXPIREAT", key, digits.format(deadline.0).as_bytes()];
    head.extend(condition.map(|_| args.at(3)));
    replicate_fields(&mut ctx.db, &head, concerned, 1);
    Ok(())
}

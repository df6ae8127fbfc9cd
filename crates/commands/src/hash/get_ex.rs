//! Reads that also change: HGETEX sets or clears deadlines of fields, HGETDEL deletes the fields.

use base::UnixMs;
use collections::Hash;
use keyspace::{Access, Kind};
use resp::Args;

use crate::collection::reply_element;
use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::deadline::{self, Clock};

use super::event;
use super::fields::{BAD_COUNT, fields, moment, replicate_deletions, replicate_fields, wrong_arity};

/// Returns fields of a hash and sets, changes or clears their deadlines.
pub(super) const HGETEX: DataRow = Row {
    name: "hgetex",
    meta: Meta::new("hash", "8.0.0", -5, Flags::FAST.with(Flags::WRITE))
        .about("Returns fields of a hash and sets, changes or clears their deadlines.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)
            .notes("It may change deadlines.")])
        .usage(
            "key:key#0 [expiration<EX=seconds:integer | PX=milliseconds:integer | \
             EXAT=unix-time-seconds:unix-time | PXAT=unix-time-milliseconds:unix-time | PERSIST>] \
             FIELDS=fields{numfields:integer field:string...}",
        ),
    run: hgetex as DataFn,
    subcommands: &[],
};

/// What HGETEX does to the deadlines.
#[derive(Clone, Copy)]
enum Change {
    Keep,
    Set(UnixMs),
    Clear,
}

fn hgetex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    refuse_other_types(ctx, key)?;
    let (change, fields_at) = match Clock::of_option(&args[2]) {
        Some(clock) => {
            let deadline = moment(&ctx.db, clock, &args[3], "hgetex")?;
            if args.len() <= 5 {
                return Err(wrong_arity(args));
            }
            (Change::Set(deadline), 4)
        }
        None if is(&args[2], "PERSIST") => (Change::Clear, 3),
        None => (Change::Keep, 2),
    };
    let names = fields(args, fields_at, BAD_COUNT)?;
    ctx.db.expire_fields(key, names.iter(), Access::Write);
    let is_past = matches!(change, Change::Set(deadline) if deadline::is_past(&ctx.db, deadline));
    ctx.reply.array(names.len());
    let Some(mut edit) = ctx.db.edit::<Hash>(key)? else {
        names.iter().for_each(|_| ctx.reply.null());
        return Ok(());
    };
    let mut concerned: Vec<&[u8]> = Vec::new();
    for field in names.iter() {
        let Some(value) = edit.get().get(field) else {
            ctx.reply.null();
            continue;
        };
        reply_element(&mut ctx.reply, value);
        let changed = match change {
            Change::Keep => false,
            Change::Set(_) if is_past => edit.get_mut().0.remove(field),
            Change::Set(deadline) => edit.get_mut().0.set_deadline(field, Some(deadline)),
            Change::Clear => {
                let had_one = edit.get().deadline(field).flatten().is_some();
                had_one && edit.get_mut().0.set_deadline(field, None)
            }
        };
        if changed {
            concerned.push(field);
        }
    }
    if concerned.is_empty() {
        edit.unchanged();
        return Ok(());
    }
    let name = match change {
        Change::Set(_) if is_past => "hdel",
        Change::Set(_) => "hexpire",
        Change::Keep | Change::Clear => "hpersist",
    };
    edit.changed(event(name), concerned.len() as u64);
    match change {
        Change::Set(_) if is_past => {
            ctx.db.count_expired_fields(concerned.len());
            replicate_deletions(&mut ctx.db, key, &concerned);
        }
        Change::Set(deadline) => {
            let mut digits = itoa::Buffer::new();
            let head: [&[u8]; 3] = [b"HPEXPIREAT", key, digits.format(deadline.0).as_bytes()];
            replicate_fields(&mut ctx.db, &head, names.iter(), 1);
        }
        Change::Keep | Change::Clear => replicate_fields(&mut ctx.db, &[b"HPERSIST", key], names.iter(), 1),
    }
    Ok(())
}

/// Returns fields of a hash and deletes them.
pub(super) const HGETDEL: DataRow = Row {
    name: "hgetdel",
    meta: Meta::new("hash", "8.0.0", -5, Flags::FAST.with(Flags::WRITE))
        .about("Returns fields of a hash and deletes them.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 FIELDS=fields{numfields:integer field:string...}"),
    run: hgetdel as DataFn,
    subcommands: &[],
};

fn hgetdel(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    refuse_other_types(ctx, key)?;
    let names = fields(args, 2, BAD_COUNT)?;
    ctx.db.expire_fields(key, names.iter(), Access::Write);
    ctx.reply.array(names.len());
    let Some(mut edit) = ctx.db.edit::<Hash>(key)? else {
        names.iter().for_each(|_| ctx.reply.null());
        return Ok(());
    };
    let mut removed = 0;
    for field in names.iter() {
        match edit.get().get(field) {
            Some(value) => {
                reply_element(&mut ctx.reply, value);
                edit.get_mut().0.remove(field);
                removed += 1;
            }
            None => ctx.reply.null(),
        }
    }
    if removed == 0 {
        edit.unchanged();
        return Ok(());
    }
    edit.changed(event("hdel"), removed);
    let index = ctx.db.index();
    let words: Vec<&[u8]> = [&b"HDEL"[..], key].into_iter().chain(names.iter()).collect();
    ctx.db.effects.replicate_instead(index, &words);
    Ok(())
}

fn refuse_other_types(ctx: &mut Context<'_>, key: &[u8]) -> Outcome {
    match ctx.db.kind(key) {
        None | Some(Kind::Hash) => Ok(()),
        Some(_) => Err(Error::WrongType),
    }
}

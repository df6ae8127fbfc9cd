//! Keys under another name or in another database: RENAME, RENAMENX, COPY, MOVE. A copy of a collection
//! shares its nodes until one of the two changes them; only a string is copied at once.

use keyspace::notify::{Class, Event};
use keyspace::{COSTLY_STRING_MIN, Object, Value};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int32, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::database;

const SAME_OBJECT: Error = Error::text("ERR source and destination objects are the same");

/// What a key that comes to be notifies, here also where it replaces another.
pub(super) const NEW_EVENT: Event = Event::new(Class::NEW, "new");

/// Gives a key another name; a key of that name is replaced.
pub(super) const RENAME: DataRow = Row {
    name: "rename",
    meta: Meta::new("generic", "1.0.0", 3, Flags::WRITE)
        .about("Gives a key another name; a key of that name is replaced.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1),
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 2, 0, 1),
        ])
        .usage("key:key#0 newkey:key#1"),
    run: rename as DataFn,
    subcommands: &[],
};

fn rename(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (&args[1], &args[2]);
    if !ctx.db.exists_for_change(from) {
        return Err(Error::NoSuchKey);
    }
    if from != to {
        rename_existing(ctx, from, to);
    }
    ctx.reply.ok();
    Ok(())
}

/// Gives a key another name if that is free.
pub(super) const RENAMENX: DataRow = Row {
    name: "renamenx",
    meta: Meta::new("generic", "1.0.0", 3, Flags::FAST.with(Flags::WRITE))
        .about("Gives a key another name if that is free.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1),
            KeySpec::range(KeyAccess::OW.with(KeyAccess::INSERT), 2, 0, 1),
        ])
        .usage("key:key#0 newkey:key#1"),
    run: renamenx as DataFn,
    subcommands: &[],
};

fn renamenx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (&args[1], &args[2]);
    if !ctx.db.exists_for_change(from) {
        return Err(Error::NoSuchKey);
    }
    let free = !ctx.db.exists_for_change(to);
    if free {
        rename_existing(ctx, from, to);
    }
    ctx.reply.int(i64::from(free));
    Ok(())
}

fn rename_existing(ctx: &mut Context<'_>, from: &[u8], to: &[u8]) {
    // A target past its time goes first, and is seen to go.
    ctx.db.exists_for_change(to);
    let (value, deadline) = ctx.db.take(from).expect("the caller found the key");
    ctx.db.put_quietly(to, value, deadline);
    let index = ctx.db.index();
    ctx.db.effects.note(index, to, Some(NEW_EVENT));
    ctx.db.effects.touch(index, from, Event::new(Class::GENERIC, "rename_from"), 1);
    ctx.db.effects.note(index, to, Some(Event::new(Class::GENERIC, "rename_to")));
}

/// Copies a key, to another database if asked for.
pub(super) const COPY: DataRow = Row {
    name: "copy",
    meta: Meta::new("generic", "6.2.0", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about(
            "Copies a key, to another database if asked for.",
            "O(1): the copy shares the value; O(N) with N bytes for strings of up to 1 MiB",
        )
        .acl(Categories::KEYSPACE)
        .keys(&[
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1),
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 2, 0, 1),
        ])
        .usage("source:key#0 destination:key#1 [DB=destination-db:integer] [REPLACE]"),
    run: copy as DataFn,
    subcommands: &[],
};

fn copy(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (&args[1], &args[2]);
    let (target, replace) = parse_copy(ctx, args)?;
    if target == ctx.db.index() && from == to {
        return Err(SAME_OBJECT);
    }
    let Some(value) = ctx.db.get(from).map(|value| value.to_value()) else {
        ctx.reply.int(0);
        return Ok(());
    };
    let deadline = ctx.db.expire_at(from).flatten();
    let mut db = ctx.db.at(target);
    let allowed = !db.exists(to) || replace;
    if allowed {
        db.put_quietly(to, with_own_string(value), deadline);
        db.effects.note(target, to, Some(NEW_EVENT));
        db.effects.touch(target, to, Event::new(Class::GENERIC, "copy_to"), 1);
    }
    ctx.reply.int(i64::from(allowed));
    Ok(())
}

/// A string is one piece of memory, which the first change of either copy would copy: better now, when it is expected. Of a
/// large one that change waits for a copy made on the side.
fn with_own_string(value: Value) -> Value {
    match value {
        Value::Object(Object::String(shared)) if shared.as_slice().len() <= COSTLY_STRING_MIN => {
            Value::Object(Object::String(shared.copied()))
        }
        value => value,
    }
}

/// The target database, and whether a key there may be replaced.
fn parse_copy(ctx: &Context<'_>, args: &Args<'_>) -> Result<(usize, bool), Error> {
    let mut target = ctx.db.index();
    let mut replace = false;
    let mut at = 3;
    while at < args.len() {
        if is(&args[at], "REPLACE") {
            replace = true;
        } else if is(&args[at], "DB") && at + 1 < args.len() {
            at += 1;
            target = database(&ctx.db, int32(&args[at])?)?;
        } else {
            return Err(Error::Syntax);
        }
        at += 1;
    }
    Ok((target, replace))
}

/// Moves a key to another database, unless there is one of that name.
pub(super) const MOVE: DataRow = Row {
    name: "move",
    meta: Meta::new("generic", "1.0.0", 3, Flags::FAST.with(Flags::WRITE))
        .about("Moves a key to another database, unless there is one of that name.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 db:integer"),
    run: move_ as DataFn,
    subcommands: &[],
};

fn move_(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    let source = ctx.db.index();
    let target = database(&ctx.db, int32(&args[2])?)?;
    if source == target {
        return Err(SAME_OBJECT);
    }
    let allowed = ctx.db.exists_for_change(key) && !ctx.db.at(target).exists_for_change(key);
    if allowed {
        let (value, deadline) = ctx.db.take(key).expect("found above");
        ctx.db.at(target).put_quietly(key, value, deadline);
        let effects = &mut *ctx.db.effects;
        effects.note(target, key, Some(NEW_EVENT));
        effects.touch(source, key, Event::new(Class::GENERIC, "move_from"), 1);
        effects.note(target, key, Some(Event::new(Class::GENERIC, "move_to")));
    }
    ctx.reply.int(i64::from(allowed));
    Ok(())
}

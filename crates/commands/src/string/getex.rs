//! Reads that also change the key: GETEX sets or clears its deadline, GETDEL deletes it.

use keyspace::notify::{Class, Event};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::deadline::{self, Clock};
use super::{DEL_EVENT, EXPIRE_EVENT, reply_string};

/// What the loss of a deadline notifies.
pub(crate) const PERSIST_EVENT: Event = Event::new(Class::GENERIC, "persist");

/// Returns a string and sets, changes or clears the deadline of its key.
pub(super) const GETEX: DataRow = Row {
    name: "getex",
    meta: Meta::new("string", "6.2.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Returns a string and sets, changes or clears the deadline of its key.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1).notes("It may change the deadline.")])
        .usage("key:key#0 [expiration<EX=seconds:integer | PX=milliseconds:integer | EXAT=unix-time-seconds:unix-time | PXAT=unix-time-milliseconds:unix-time | PERSIST>]"),
    run: getex as DataFn,
    subcommands: &[],
};

fn getex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let change = parse(args)?;
    let key = &args[1];
    if ctx.db.string(key)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let deadline = match change {
        Some(Change::Expire(clock, at)) => Some(clock.positive_moment(&args[at], ctx.db.now, "getex")?),
        Some(Change::Persist) | None => None,
    };
    let value = match ctx.db.peek(key) {
        Some(keyspace::ValueRef::String(value)) => value,
        _ => unreachable!("the string was found above"),
    };
    reply_string(&mut ctx.reply, value);
    let index = ctx.db.index();
    if let Some(deadline) = deadline {
        if deadline::is_past(&ctx.db, deadline) {
            ctx.db.remove(key, DEL_EVENT);
            deadline::replicate_deletion(&mut ctx.db, key);
        } else {
            ctx.db.set_expire_at(key, Some(deadline));
            ctx.db.effects.touch(index, key, EXPIRE_EVENT, 1);
            let mut digits = itoa::Buffer::new();
            ctx.db.effects.replicate_instead(index, &[b"PEXPIREAT", key, digits.format(deadline.0).as_bytes()]);
        }
    } else if change.is_some() && ctx.db.expire_at(key).flatten().is_some() {
        ctx.db.set_expire_at(key, None);
        ctx.db.effects.touch(index, key, PERSIST_EVENT, 1);
        ctx.db.effects.replicate_instead(index, &[b"PERSIST", key]);
    }
    Ok(())
}

/// What GETEX does to the deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Sets it: how to read it, and the argument it stands in.
    Expire(Clock, usize),
    /// Clears it.
    Persist,
}

fn parse(args: &Args<'_>) -> Result<Option<Change>, Error> {
    let mut change = None;
    let mut at = 2;
    while at < args.len() {
        if is(&args[at], "PERSIST") {
            if !matches!(change, None | Some(Change::Persist)) {
                return Err(Error::Syntax);
            }
            change = Some(Change::Persist);
        } else {
            let clock = Clock::of_option(&args[at]).ok_or(Error::Syntax)?;
            let fits = change.is_none_or(|other| matches!(other, Change::Expire(before, _) if before == clock));
            if !fits || at + 1 == args.len() {
                return Err(Error::Syntax);
            }
            at += 1;
            change = Some(Change::Expire(clock, at));
        }
        at += 1;
    }
    Ok(change)
}

/// Returns a string and deletes its key.
pub(super) const GETDEL: DataRow = Row {
    name: "getdel",
    meta: Meta::new("string", "6.2.0", 2, Flags::FAST.with(Flags::WRITE))
        .about("Returns a string and deletes its key.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0"),
    run: getdel as DataFn,
    subcommands: &[],
};

fn getdel(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    match ctx.db.string(key)? {
        None => {
            ctx.reply.null();
            return Ok(());
        }
        Some(value) => reply_string(&mut ctx.reply, value),
    }
    ctx.db.remove(key, DEL_EVENT);
    ctx.db.effects.replicate_instead(ctx.db.index(), &[b"DEL", key]);
    Ok(())
}

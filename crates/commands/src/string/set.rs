//! SET with its options, and the older commands that it replaced: SETNX, SETEX, PSETEX, GETSET.
//!
//! A deadline travels to replicas and files as a moment, never as a span: `SET k v PXAT ms`.

use base::UnixMs;
use keyspace::Ttl;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::deadline::{self, Clock};
use super::{DEL_EVENT, EXPIRE_EVENT, SET_EVENT, reply_string, set_argument};

/// Stores a string under a key, whatever it held; on conditions and with a time to live if asked for.
pub(super) const SET: DataRow = Row {
    name: "set",
    meta: Meta::new("string", "1.0.0", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores a string under a key, whatever it held; on conditions and with a time to live if asked for.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE).with(KeyAccess::VARIABLE_FLAGS), 1, 0, 1).notes("It reads the old value if `GET` is given.")])
        .usage("key:key#0 value:string [condition<NX | XX>^2.6.12] [GET^6.2.0] [expiration<EX=seconds:integer^2.6.12 | PX=milliseconds:integer^2.6.12 | EXAT=unix-time-seconds:unix-time^6.2.0 | PXAT=unix-time-milliseconds:unix-time^6.2.0 | KEEPTTL^6.0.0>]"),
    run: set as DataFn,
    subcommands: &[],
};

fn set(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() == 3 {
        set_argument(&mut ctx.db, &args[1], args, 2, Ttl::Clear, SET_EVENT);
        ctx.reply.simple("OK");
        return Ok(());
    }
    let options = Options::parse(args)?;
    let deadline = match options.expire {
        Some((clock, at)) => Some(clock.positive_moment(&args[at], ctx.db.now, "set")?),
        None => None,
    };
    let key = &args[1];
    let exists =
        if options.get { reply_old(ctx, key)? } else { options.condition.is_some() && ctx.db.exists_for_change(key) };
    if options.condition.is_some_and(|condition| (condition == Condition::Absent) == exists) {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    match deadline {
        Some(deadline) => {
            let as_sent = matches!(options.expire, Some((Clock::AT_MILLIS, _)));
            set_until(ctx, args, 2, deadline, as_sent);
        }
        None => {
            let ttl = if options.keep_ttl { Ttl::Keep } else { Ttl::Clear };
            set_argument(&mut ctx.db, key, args, 2, ttl, SET_EVENT);
            if options.get {
                replicate_without_get(ctx, args);
            }
        }
    }
    if !options.get {
        ctx.reply.simple("OK");
    }
    Ok(())
}

/// When SET acts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
}

#[derive(Default)]
struct Options {
    condition: Option<Condition>,
    get: bool,
    keep_ttl: bool,
    /// How to read the deadline, and the argument it stands in.
    expire: Option<(Clock, usize)>,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let word = &args[at];
            if is(word, "NX") && options.condition != Some(Condition::Present) {
                options.condition = Some(Condition::Absent);
            } else if is(word, "XX") && options.condition != Some(Condition::Absent) {
                options.condition = Some(Condition::Present);
            } else if is(word, "GET") {
                options.get = true;
            } else if is(word, "KEEPTTL") && options.expire.is_none() {
                options.keep_ttl = true;
            } else {
                let clock = Clock::of_option(word).ok_or(Error::Syntax)?;
                let again = options.expire.is_some_and(|(other, _)| other != clock);
                if again || options.keep_ttl || at + 1 == args.len() {
                    return Err(Error::Syntax);
                }
                at += 1;
                options.expire = Some((clock, at));
            }
            at += 1;
        }
        Ok(options)
    }
}

/// Replies what the key holds: whether it is there.
fn reply_old(ctx: &mut Context<'_>, key: &[u8]) -> Result<bool, Error> {
    let old = ctx.db.string(key)?;
    match old {
        Some(value) => reply_string(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    Ok(old.is_some())
}

/// Sets the key of a command to its argument `at`, until a moment. If its time is over already, the key is deleted
/// instead. `as_sent`: the command names the moment in milliseconds itself and is journalled as it is.
fn set_until(ctx: &mut Context<'_>, args: &Args<'_>, at: usize, deadline: UnixMs, as_sent: bool) {
    let key = &args[1];
    if deadline::is_past(&ctx.db, deadline) {
        if ctx.db.remove(key, DEL_EVENT) {
            deadline::replicate_deletion(&mut ctx.db, key);
        }
        return;
    }
    set_argument(&mut ctx.db, key, args, at, Ttl::At(deadline), SET_EVENT);
    let index = ctx.db.index();
    ctx.db.effects.note(index, key, Some(EXPIRE_EVENT));
    if ctx.db.effects.journal_wanted && !as_sent {
        let mut digits = itoa::Buffer::new();
        ctx.db
            .effects
            .replicate_instead(index, &[b"SET", key, &args[at], b"PXAT", digits.format(deadline.0).as_bytes()]);
    }
}

/// Journals the command without its GET, which a replica has no use for.
fn replicate_without_get(ctx: &mut Context<'_>, args: &Args<'_>) {
    if ctx.db.effects.journal_wanted {
        let kept = |(at, word): &(usize, &[u8])| *at < 3 || !is(word, "GET");
        let words: Vec<&[u8]> = args.iter().enumerate().filter(kept).map(|(_, word)| word).collect();
        ctx.db.effects.replicate_instead(ctx.db.index(), &words);
    }
}

/// Stores a string under a key that does not exist yet.
pub(super) const SETNX: DataRow = Row {
    name: "setnx",
    meta: Meta::new("string", "1.0.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Stores a string under a key that does not exist yet.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 value:string")
        .deprecated("2.6.12", "`SET` with the `NX` argument"),
    run: setnx as DataFn,
    subcommands: &[],
};

fn setnx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let absent = !ctx.db.exists_for_change(&args[1]);
    if absent {
        set_argument(&mut ctx.db, &args[1], args, 2, Ttl::Clear, SET_EVENT);
    }
    ctx.reply.int(i64::from(absent));
    Ok(())
}

/// Stores a string that expires after some seconds.
pub(super) const SETEX: DataRow = Row {
    name: "setex",
    meta: Meta::new("string", "2.0.0", 4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores a string that expires after some seconds.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 seconds:integer value:string")
        .deprecated("2.6.12", "`SET` with the `EX` argument"),
    run: setex as DataFn,
    subcommands: &[],
};

fn setex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_with_span(ctx, args, Clock::SECONDS, "setex")
}

/// Stores a string that expires after some milliseconds.
pub(super) const PSETEX: DataRow = Row {
    name: "psetex",
    meta: Meta::new("string", "2.6.0", 4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores a string that expires after some milliseconds.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 milliseconds:integer value:string")
        .deprecated("2.6.12", "`SET` with the `PX` argument"),
    run: psetex as DataFn,
    subcommands: &[],
};

fn psetex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_with_span(ctx, args, Clock::MILLIS, "psetex")
}

fn set_with_span(ctx: &mut Context<'_>, args: &Args<'_>, clock: Clock, command: &str) -> Outcome {
    let deadline = clock.positive_moment(&args[2], ctx.db.now, command)?;
    set_until(ctx, args, 3, deadline, false);
    ctx.reply.simple("OK");
    Ok(())
}

/// Stores a string and returns the one it replaces.
pub(super) const GETSET: DataRow = Row {
    name: "getset",
    meta: Meta::new("string", "1.0.0", 3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Stores a string and returns the one it replaces.", "O(1)")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 value:string")
        .deprecated("6.2.0", "`SET` with the `!GET` argument"),
    run: getset as DataFn,
    subcommands: &[],
};

fn getset(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, value) = (&args[1], &args[2]);
    reply_old(ctx, key)?;
    set_argument(&mut ctx.db, key, args, 2, Ttl::Clear, SET_EVENT);
    ctx.db.effects.replicate_instead(ctx.db.index(), &[b"SET", key, value]);
    Ok(())
}

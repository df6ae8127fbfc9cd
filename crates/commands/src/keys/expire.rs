//! Deadlines: EXPIRE and its relatives, the commands that read them, and PERSIST. To replicas and files they travel as
//! moments in milliseconds: PEXPIREAT.

use base::UnixMs;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome, quotable};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::deadline::{self, Clock};
use crate::string::getex::PERSIST_EVENT;
use crate::string::{DEL_EVENT, EXPIRE_EVENT};

use super::kind_without_touch;

/// Sets how many seconds a key has left to live.
pub(super) const EXPIRE: DataRow = Row {
    name: "expire",
    meta: Meta::new("generic", "1.0.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Sets how many seconds a key has left to live.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 seconds:integer [condition<NX | XX | GT | LT>^7.0.0]"),
    run: expire as DataFn,
    subcommands: &[],
};

fn expire(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(ctx, args, Clock::SECONDS, "expire")
}

/// Sets how many milliseconds a key has left to live.
pub(super) const PEXPIRE: DataRow = Row {
    name: "pexpire",
    meta: Meta::new("generic", "2.6.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Sets how many milliseconds a key has left to live.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 milliseconds:integer [condition<NX | XX | GT | LT>^7.0.0]"),
    run: pexpire as DataFn,
    subcommands: &[],
};

fn pexpire(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(ctx, args, Clock::MILLIS, "pexpire")
}

/// Sets the Unix time in seconds at which a key expires.
pub(super) const EXPIREAT: DataRow = Row {
    name: "expireat",
    meta: Meta::new("generic", "1.2.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Sets the Unix time in seconds at which a key expires.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 unix-time-seconds:unix-time [condition<NX | XX | GT | LT>^7.0.0]"),
    run: expireat as DataFn,
    subcommands: &[],
};

fn expireat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(ctx, args, Clock::AT_SECONDS, "expireat")
}

/// Sets the Unix time in milliseconds at which a key expires.
pub(super) const PEXPIREAT: DataRow = Row {
    name: "pexpireat",
    meta: Meta::new("generic", "2.6.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Sets the Unix time in milliseconds at which a key expires.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 unix-time-milliseconds:unix-time [condition<NX | XX | GT | LT>^7.0.0]"),
    run: pexpireat as DataFn,
    subcommands: &[],
};

fn pexpireat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(ctx, args, Clock::AT_MILLIS, "pexpireat")
}

fn set_deadline(ctx: &mut Context<'_>, args: &Args<'_>, clock: Clock, command: &str) -> Outcome {
    let conditions = Conditions::parse(args)?;
    let deadline = clock.moment(int(&args[2])?, ctx.db.now).ok_or_else(|| deadline::invalid(command))?;
    let key = &args[1];
    let allowed = ctx.db.expire_at_for_change(key).is_some_and(|current| conditions.allow(current, deadline));
    ctx.reply.int(i64::from(allowed));
    if !allowed {
        return Ok(());
    }
    if deadline::is_past(&ctx.db, deadline) {
        ctx.db.remove(key, DEL_EVENT);
        deadline::replicate_deletion(&mut ctx.db, key);
        return Ok(());
    }
    ctx.db.set_expire_at(key, Some(deadline));
    let index = ctx.db.index();
    ctx.db.effects.touch(index, key, EXPIRE_EVENT, 1);
    if clock != Clock::AT_MILLIS && ctx.db.effects.journal_wanted {
        let mut digits = itoa::Buffer::new();
        let mut words: Vec<&[u8]> = vec![b"PEXPIREAT", key, digits.format(deadline.0).as_bytes()];
        words.extend(args.tail(3).iter());
        ctx.db.effects.replicate_instead(index, &words);
    }
    Ok(())
}

/// The words after the time: when it may be set.
#[derive(Default)]
struct Conditions {
    /// NX: only without a deadline.
    if_none: bool,
    /// XX: only with one.
    if_some: bool,
    /// GT: only later than the one there is.
    if_later: bool,
    /// LT: only earlier.
    if_earlier: bool,
}

impl Conditions {
    fn parse(args: &Args<'_>) -> Result<Conditions, Error> {
        let mut conditions = Conditions::default();
        for word in args.tail(3).iter() {
            let flag = match word {
                _ if is(word, "NX") => &mut conditions.if_none,
                _ if is(word, "XX") => &mut conditions.if_some,
                _ if is(word, "GT") => &mut conditions.if_later,
                _ if is(word, "LT") => &mut conditions.if_earlier,
                _ => return Err(Error::Bytes([b"ERR Unsupported option ", quotable(word)].concat())),
            };
            *flag = true;
        }
        if conditions.if_none && (conditions.if_some || conditions.if_later || conditions.if_earlier) {
            return Err(Error::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if conditions.if_later && conditions.if_earlier {
            return Err(Error::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// A key without a deadline counts as living for ever.
    fn allow(&self, current: Option<UnixMs>, new: UnixMs) -> bool {
        !(self.if_none && current.is_some()
            || self.if_some && current.is_none()
            || self.if_later && current.is_none_or(|current| new <= current)
            || self.if_earlier && current.is_some_and(|current| new >= current))
    }
}

/// Returns how many seconds a key has left to live.
pub(super) const TTL: DataRow = Row {
    name: "ttl",
    meta: Meta::new("generic", "1.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many seconds a key has left to live.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: ttl as DataFn,
    subcommands: &[],
};

fn ttl(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadline(ctx, &args[1], |deadline, now| rounded_seconds((deadline - now).max(0)))
}

/// Returns how many milliseconds a key has left to live.
pub(super) const PTTL: DataRow = Row {
    name: "pttl",
    meta: Meta::new("generic", "2.6.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many milliseconds a key has left to live.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: pttl as DataFn,
    subcommands: &[],
};

fn pttl(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadline(ctx, &args[1], |deadline, now| (deadline - now).max(0))
}

/// Returns the Unix time in seconds at which a key expires.
pub(super) const EXPIRETIME: DataRow = Row {
    name: "expiretime",
    meta: Meta::new("generic", "7.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the Unix time in seconds at which a key expires.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0"),
    run: expiretime as DataFn,
    subcommands: &[],
};

fn expiretime(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadline(ctx, &args[1], |deadline, _| rounded_seconds(deadline.0))
}

/// Returns the Unix time in milliseconds at which a key expires.
pub(super) const PEXPIRETIME: DataRow = Row {
    name: "pexpiretime",
    meta: Meta::new("generic", "7.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns the Unix time in milliseconds at which a key expires.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0"),
    run: pexpiretime as DataFn,
    subcommands: &[],
};

fn pexpiretime(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply_deadline(ctx, &args[1], |deadline, _| deadline.0)
}

/// Replies what `shown` makes of the deadline; -1 if the key has none, -2 if there is no key.
fn reply_deadline(ctx: &mut Context<'_>, key: &[u8], shown: impl FnOnce(UnixMs, UnixMs) -> i64) -> Outcome {
    let now = ctx.db.now;
    let number = match kind_without_touch(&mut ctx.db, key).is_some() {
        false => -2,
        true => ctx.db.expire_at(key).flatten().map_or(-1, |deadline| shown(deadline, now)),
    };
    ctx.reply.int(number);
    Ok(())
}

fn rounded_seconds(millis: i64) -> i64 {
    millis.saturating_add(500) / 1000
}

/// Makes a key live for ever.
pub(super) const PERSIST: DataRow = Row {
    name: "persist",
    meta: Meta::new("generic", "2.2.0", 2, Flags::FAST.with(Flags::WRITE))
        .about("Makes a key live for ever.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0"),
    run: persist as DataFn,
    subcommands: &[],
};

fn persist(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = &args[1];
    let had_one = ctx.db.expire_at_for_change(key).flatten().is_some();
    if had_one {
        ctx.db.set_expire_at(key, None);
        let index = ctx.db.index();
        ctx.db.effects.touch(index, key, PERSIST_EVENT, 1);
    }
    ctx.reply.int(i64::from(had_one));
    Ok(())
}

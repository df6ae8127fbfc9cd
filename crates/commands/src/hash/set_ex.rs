//! HSETEX: HSET with a condition and a deadline. Without a deadline it travels as HSET, which older replicas know too.

use base::UnixMs;
use collections::Hash;
use keyspace::Access;
use keyspace::notify::{Class, Event};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome, quotable};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::deadline::{self, Clock};

use super::event;
use super::fields::{moment, replicate_deletions, replicate_fields, wrong_arity};

/// Sets fields of a hash, with a deadline, on condition that all of them exist or none does.
pub(super) const HSETEX: DataRow = Row {
    name: "hsetex",
    meta: Meta::new("hash", "8.0.0", -6, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about(
            "Sets fields of a hash, with a deadline, on condition that all of them exist or none does.",
            "O(N) with N fields",
        )
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 [condition<FNX | FXX>] [expiration<EX=seconds:integer | PX=milliseconds:integer | \
             EXAT=unix-time-seconds:unix-time | PXAT=unix-time-milliseconds:unix-time | KEEPTTL>] \
             FIELDS=fields{numfields:integer data{field:string value:string}...}",
        ),
    run: hsetex as DataFn,
    subcommands: &[],
};

/// The options.
struct Request {
    condition: Condition,
    expiration: Expiration,
    /// Where the pairs begin.
    pairs_at: usize,
}

/// Which fields must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    AllExist,
    NoneExists,
}

/// What becomes of the deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiration {
    Clear,
    Keep,
    At(UnixMs),
}

fn hsetex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = parse(ctx, args)?;
    let key = &args[1];
    let pairs = args.tail(request.pairs_at);
    let fields = || pairs.iter().step_by(2);
    ctx.db.expire_fields(key, fields(), Access::Write);
    let is_past = matches!(request.expiration, Expiration::At(at) if deadline::is_past(&ctx.db, at));
    let mut edit = ctx.db.edit_or_new::<Hash>(key)?;
    let fits = match request.condition {
        Condition::None => true,
        Condition::AllExist => fields().all(|field| edit.get().contains(field)),
        Condition::NoneExists => !fields().any(|field| edit.get().contains(field)),
    };
    ctx.reply.int(i64::from(fits));
    if !fits {
        edit.unchanged();
        return Ok(());
    }
    if is_past {
        edit.unchanged();
        return set_and_expire(ctx, key, &fields().collect::<Vec<_>>());
    }
    let (hash, limits) = edit.get_mut();
    hash.prepare(pairs.len() / 2, limits);
    for (field, value) in fields().zip(pairs.iter().skip(1).step_by(2)) {
        match request.expiration {
            Expiration::Keep => drop(hash.set_value(field, value, limits)),
            Expiration::Clear => drop(hash.set(field, value, limits)),
            Expiration::At(deadline) => {
                hash.set_value(field, value, limits);
                hash.set_deadline(field, Some(deadline));
            }
        }
    }
    let has_deadlines = hash.next_deadline().is_some();
    edit.changed(event("hset"), (pairs.len() / 2) as u64);
    let db = &mut ctx.db;
    match request.expiration {
        Expiration::At(deadline) => {
            let index = db.index();
            db.effects.note(index, key, Some(event("hexpire")));
            let mut digits = itoa::Buffer::new();
            let head: [&[u8]; 4] = [b"HSETEX", key, b"PXAT", digits.format(deadline.0).as_bytes()];
            replicate_fields(db, &head, pairs.iter(), 2);
        }
        Expiration::Keep if has_deadlines => {
            replicate_fields(db, &[b"HSETEX", key, b"KEEPTTL"], pairs.iter(), 2);
        }
        Expiration::Keep | Expiration::Clear => {
            let command: Vec<&[u8]> = [&b"HSET"[..], key].into_iter().chain(pairs.iter()).collect();
            let index = db.index();
            db.effects.replicate_instead(index, &command);
        }
    }
    Ok(())
}

/// The deadline has passed: fields that exist go, others do not come to be.
fn set_and_expire(ctx: &mut Context<'_>, key: &[u8], fields: &[&[u8]]) -> Outcome {
    let (db, count) = (&mut ctx.db, fields.len() as u64);
    let index = db.index();
    db.effects.touch(index, key, event("hset"), count);
    if db.exists(key) {
        let mut edit = db.edit_or_new::<Hash>(key)?;
        let (hash, _) = edit.get_mut();
        for field in fields {
            hash.remove(field);
        }
        edit.changed(event("hdel"), count);
    } else {
        db.effects.note(index, key, Some(event("hdel")));
        db.effects.note(index, key, Some(Event::new(Class::GENERIC, "del")));
    }
    db.count_expired_fields(fields.len());
    replicate_deletions(db, key, fields);
    Ok(())
}

fn parse(ctx: &Context<'_>, args: &Args<'_>) -> Result<Request, Error> {
    let mut condition = Condition::None;
    let mut expiration = None;
    let mut at = 2;
    loop {
        let word = args.get(at).ok_or_else(|| wrong_arity(args))?;
        if is(word, "FIELDS") {
            break;
        }
        let clock = Clock::of_option(word);
        if is(word, "FNX") || is(word, "FXX") {
            if condition != Condition::None {
                return Err(Error::text("ERR Only one of FXX or FNX arguments can be specified"));
            }
            condition = if is(word, "FXX") { Condition::AllExist } else { Condition::NoneExists };
        } else if is(word, "KEEPTTL") || clock.is_some() {
            if expiration.is_some() {
                return Err(Error::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"));
            }
            expiration = Some(match clock {
                None => Expiration::Keep,
                Some(clock) => {
                    at += 1;
                    let amount = args.get(at).ok_or_else(|| wrong_arity(args))?;
                    Expiration::At(moment(&ctx.db, clock, amount, "hsetex")?)
                }
            });
        } else {
            return Err(Error::Bytes([b"ERR unknown argument: ", quotable(word)].concat()));
        }
        at += 1;
    }
    let count = args.get(at + 1).ok_or_else(|| wrong_arity(args))?;
    let count = base::numbers::parse_i64(count).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or(Error::text("ERR invalid number of fields"))?;
    let pairs_at = at + 2;
    if (args.len() - pairs_at) as i64 != count * 2 {
        return Err(wrong_arity(args));
    }
    Ok(Request { condition, expiration: expiration.unwrap_or(Expiration::Clear), pairs_at })
}

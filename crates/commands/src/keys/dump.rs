//! DUMP and RESTORE: a value as bytes, in the layout of an RDB file with a version and a checksum behind it.

use base::UnixMs;
use collections::Limits;
use keyspace::notify::{Class, Event};
use persist::rdb;
use resp::Args;

use crate::blocking::{Awaited, Blocking, LARGE_PAYLOAD_MIN, RestoredValue};
use crate::context::{Context, DataFn, DataRow, int_in, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::DEL_EVENT;
use crate::string::deadline;

use super::rename::NEW_EVENT;

/// Returns the value of a key as bytes that RESTORE reads.
pub(super) const DUMP: DataRow = Row {
    name: "dump",
    meta: Meta::new("generic", "2.6.0", 2, Flags::READONLY)
        .about("Returns the value of a key as bytes that RESTORE reads.", "O(N) with N bytes of value")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: dump as DataFn,
    subcommands: &[],
};

fn dump(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let compress = ctx.db.settings().compress_dumps;
    let Some(value) = ctx.db.get(&args[1]) else {
        ctx.reply.null();
        return Ok(());
    };
    match (&ctx.blocking, value.to_large_object(LARGE_PAYLOAD_MIN)) {
        (Blocking::Allowed, Some(object)) => ctx.blocking = Blocking::Asked(Awaited::Dump(object)),
        _ => ctx.reply.bulk_shared(&rdb::dump(value, compress).into()),
    }
    Ok(())
}

/// Makes a key of the bytes that DUMP returned.
pub(super) const RESTORE: DataRow = Row {
    name: "restore",
    meta: Meta::new("generic", "2.6.0", -4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Makes a key of the bytes that DUMP returned.", "O(N) with N bytes of value")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .payload_at(PAYLOAD_AT)
        .usage("key:key#0 ttl:integer serialized-value:string [REPLACE^3.0.0] [ABSTTL^5.0.0] [IDLETIME=seconds:integer^5.0.0] [FREQ=frequency:integer^5.0.0]"),
    run: restore as DataFn,
    subcommands: &[],
};

/// The argument of RESTORE that DUMP replied.
const PAYLOAD_AT: u8 = 3;

/// Reads the payload of a RESTORE; `between` is called behind pieces of it.
pub fn read_payload(payload: &[u8], limits: &Limits, between: impl FnMut()) -> RestoredValue {
    rdb::restore_in_pieces(payload, limits, between).map_err(|error| Error::owned(format!("ERR {error}")))
}

/// Whether a RESTORE will come to read its payload, as far as can be said without a change of anything; `exists` says whether
/// a key does.
pub fn reads_payload(args: &Args<'_>, exists: impl FnOnce(&[u8]) -> bool) -> bool {
    ttl(args).is_ok() && Options::parse(args).is_ok_and(|options| options.replace || !exists(&args[1]))
}

fn ttl(args: &Args<'_>) -> Result<i64, Error> {
    int_in(&args[2], 0..=i64::MAX, Error::text("ERR Invalid TTL value, must be >= 0"))
}

fn restore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = Options::parse(args)?;
    let key = &args[1];
    if !options.replace && ctx.db.exists_for_change(key) {
        return Err(Error::text("BUSYKEY Target key name already exists."));
    }
    let ttl = ttl(args)?;
    let value = match std::mem::take(&mut ctx.blocking) {
        Blocking::Restored(value) => *value,
        _ => read_payload(args.at(PAYLOAD_AT.into()), ctx.db.limits(), || {}),
    }?;
    ctx.reply.ok();
    let relative = ttl > 0 && !options.absolute;
    let deadline = (ttl > 0).then(|| UnixMs(if relative { ttl.saturating_add(ctx.db.now.0) } else { ttl }));
    let index = ctx.db.index();
    if deadline.is_some_and(|at| deadline::is_past(&ctx.db, at)) {
        if ctx.db.remove(key, DEL_EVENT) {
            let word: &[u8] = if ctx.db.settings().lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
            ctx.db.effects.replicate_instead(index, &[word, key]);
        }
        // Who runs it knows where to drop what may be large.
        ctx.blocking = Blocking::Restored(Box::new(Ok(value)));
        return Ok(());
    }
    ctx.db.put_quietly(key, value, deadline);
    let clock = ctx.db.usage_clock();
    // What the policy does not look at is left alone.
    let is_told = if clock.counts_uses() { options.frequency.is_some() } else { options.idle_seconds.is_some() };
    if is_told && let Some(entry) = ctx.db.entry(key) {
        entry.set_lru(clock.word_of(options.idle_seconds, options.frequency));
    }
    ctx.db.effects.note(index, key, Some(NEW_EVENT));
    ctx.db.effects.touch(index, key, Event::new(Class::GENERIC, "restore"), 1);
    if let Some(UnixMs(at)) = deadline.filter(|_| relative && ctx.db.effects.journal_wanted) {
        let mut digits = itoa::Buffer::new();
        let mut words: Vec<&[u8]> = args.iter().collect();
        words[2] = digits.format(at).as_bytes();
        words.push(b"ABSTTL");
        ctx.db.effects.replicate_instead(index, &words);
    }
    Ok(())
}

/// RESTORE into a slot that is being imported.
pub(super) const RESTORE_ASKING: DataRow = Row {
    name: "restore-asking",
    meta: Meta::new("server", "3.0.0", -4, Flags::ASKING.with(Flags::DENYOOM).with(Flags::WRITE))
        .about("RESTORE into a slot that is being imported.", "O(N) with N bytes of value")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .payload_at(PAYLOAD_AT)
        .usage("key:key#0 ttl:integer serialized-value:string [REPLACE^3.0.0] [ABSTTL^5.0.0] [IDLETIME=seconds:integer^5.0.0] [FREQ=frequency:integer^5.0.0]"),
    run: restore as DataFn,
    subcommands: &[],
};

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut at = 4;
        while at < args.len() {
            let (word, next) = (&args[at], args.get(at + 1));
            if is(word, "REPLACE") {
                options.replace = true;
            } else if is(word, "ABSTTL") {
                options.absolute = true;
            } else if let Some(next) = next.filter(|_| is(word, "IDLETIME") && options.frequency.is_none()) {
                let refusal = Error::text("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_seconds = Some(int_in(next, 0..=i64::MAX, refusal)? as u64);
                at += 1;
            } else if let Some(next) = next.filter(|_| is(word, "FREQ") && options.idle_seconds.is_none()) {
                let refusal = Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.frequency = Some(int_in(next, 0..=255, refusal)? as u8);
                at += 1;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

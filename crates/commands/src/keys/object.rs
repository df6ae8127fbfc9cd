//! OBJECT: how a value is stored and when it was last used.

use keyspace::{Str, ValueRef};
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Tells how values are stored.
pub(super) const OBJECT: DataRow = Row {
    name: "object",
    meta: Meta::new("generic", "2.2.3", -2, Flags::NONE)
        .about("Tells how values are stored.", "that of the subcommand"),
    run: object as DataFn,
    subcommands: &[FREQ, IDLETIME, REFCOUNT, ENCODING, HELP],
};

/// Only reached without a subcommand, which the arity forbids.
fn object(_: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    Err(Error::Syntax)
}

/// A look from outside: it counts as one in INFO, but not as use of the key.
fn count_lookup(ctx: &mut Context<'_>, key: &[u8]) {
    let found = ctx.db.peek(key).is_some();
    ctx.db.count_lookup(found);
}

/// Returns how often a key is used, on the logarithmic scale of LFU eviction.
const FREQ: DataRow = Row {
    name: "freq",
    meta: Meta::new("generic", "4.0.0", 3, Flags::READONLY)
        .about("Returns how often a key is used, on the logarithmic scale of LFU eviction.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 2, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: freq as DataFn,
    subcommands: &[],
};

fn freq(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count_lookup(ctx, &args[2]);
    let clock = ctx.db.usage_clock();
    let Some(word) = ctx.db.entry(&args[2]).map(|entry| entry.lru()) else {
        ctx.reply.null();
        return Ok(());
    };
    if !clock.counts_uses() {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.int(i64::from(clock.frequency(word)));
    Ok(())
}

/// Returns how many seconds ago a key was last used.
const IDLETIME: DataRow = Row {
    name: "idletime",
    meta: Meta::new("generic", "2.2.3", 3, Flags::READONLY)
        .about("Returns how many seconds ago a key was last used.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 2, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: idletime as DataFn,
    subcommands: &[],
};

fn idletime(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count_lookup(ctx, &args[2]);
    let clock = ctx.db.usage_clock();
    let Some(word) = ctx.db.entry(&args[2]).map(|entry| entry.lru()) else {
        ctx.reply.null();
        return Ok(());
    };
    if clock.counts_uses() {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.int(i64::from(clock.idle_seconds(word)));
    Ok(())
}

/// Returns how many references a value has, as far as clients may care.
const REFCOUNT: DataRow = Row {
    name: "refcount",
    meta: Meta::new("generic", "2.2.3", 3, Flags::READONLY)
        .about("Returns how many references a value has, as far as clients may care.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 2, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: refcount as DataFn,
    subcommands: &[],
};

fn refcount(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count_lookup(ctx, &args[2]);
    match ctx.db.peek(&args[2]) {
        // The peers keep these numbers once for all keys and show their count as the largest 32-bit number.
        Some(ValueRef::String(Str::Int(0..10_000))) => ctx.reply.int(i64::from(i32::MAX)),
        Some(_) => ctx.reply.int(1),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Returns the name of the encoding of a value.
const ENCODING: DataRow = Row {
    name: "encoding",
    meta: Meta::new("generic", "2.2.3", 3, Flags::READONLY)
        .about("Returns the name of the encoding of a value.", "O(1)")
        .acl(Categories::KEYSPACE)
        .keys(&[KeySpec::range(KeyAccess::RO, 2, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output"]),
    run: encoding as DataFn,
    subcommands: &[],
};

fn encoding(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count_lookup(ctx, &args[2]);
    match ctx.db.peek(&args[2]).map(|value| value.encoding()) {
        Some(name) => ctx.reply.bulk(name.as_bytes()),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Lists the subcommands of OBJECT.
const HELP: DataRow = Row {
    name: "help",
    meta: Meta::new("generic", "6.2.0", 2, Flags::LOADING.with(Flags::STALE))
        .about("Lists the subcommands of OBJECT.", "O(1)")
        .acl(Categories::KEYSPACE),
    run: help as DataFn,
    subcommands: &[],
};

fn help(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let lines = [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Show in which encoding the value of <key> is stored.",
        "FREQ <key>",
        "    Show how often <key> is used, as the LFU policies count it.",
        "IDLETIME <key>",
        "    Show the seconds since <key> was last used.",
        "REFCOUNT <key>",
        "    Show the references to the value of <key>.",
        "HELP",
        "    Print this help.",
    ];
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.simple(line));
    Ok(())
}

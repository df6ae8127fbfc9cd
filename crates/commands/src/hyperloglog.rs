//! Counting different elements: PFADD, PFCOUNT and PFMERGE here, PFDEBUG and PFSELFTEST in `debug.rs`. The values are
//! strings; how they are written is `collections::hyperloglog`'s.

mod debug;

use collections::Corrupt;
use collections::hyperloglog::{Form, HyperLogLog, HyperLogLogMut, Registers};
use keyspace::notify::{Class, Event};
use keyspace::{ExpiryMode, ValueRef};
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// The commands of this group.
pub const ROWS: &[DataRow] = &[PFADD, PFCOUNT, PFMERGE, debug::PFDEBUG, debug::PFSELFTEST];

/// What a change notifies, PFMERGE's too.
const PFADD_EVENT: Event = Event::new(Class::STRING, "pfadd");

const NOT_HYPERLOGLOG: Error = Error::text("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: Error = Error::text("INVALIDOBJ Corrupted HLL object detected");

fn corrupt(_: Corrupt) -> Error {
    CORRUPT
}

/// Looks at what a key holds as a HyperLogLog.
fn look<R>(value: ValueRef<'_>, look: impl FnOnce(HyperLogLog<'_>) -> R) -> Result<R, Error> {
    let ValueRef::String(string) = value else { return Err(Error::WrongType) };
    string.with_bytes(|bytes| HyperLogLog::open(bytes).map(look)).ok_or(NOT_HYPERLOGLOG)
}

/// Changes the bytes of a key that was found to be a HyperLogLog without an event.
fn change_quietly(ctx: &mut Context<'_>, key: &[u8], change: impl FnOnce(HyperLogLogMut<'_>)) {
    let edited = ctx.db.edit_string_if(key, PFADD_EVENT, |bytes| {
        change(HyperLogLogMut::open(bytes).expect("the caller looked at it"));
        ((), false)
    });
    edited.expect("the caller found a string");
    let index = ctx.db.index();
    ctx.db.effects.note(index, key, None);
    ctx.db.effects.dirty += 1;
}

/// Adds elements to a HyperLogLog; returns whether its estimate may have changed.
pub(super) const PFADD: DataRow = Row {
    name: "pfadd",
    meta: Meta::new("hyperloglog", "2.8.9", -2, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds elements to a HyperLogLog; returns whether its estimate may have changed.", "O(1) per element")
        .acl(Categories::HYPERLOGLOG)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 [element:string...]"),
    run: pfadd as DataFn,
    subcommands: &[],
};

fn pfadd(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, elements) = (&args[1], args.tail(2));
    let existing = ctx.db.peek(key);
    let is_new = existing.is_none();
    // Most additions to a large one change nothing, and then nothing needs to be copied for a snapshot.
    if let Some(value) = existing
        && look(value, |hll| hll.surely_has(elements.iter()))?
    {
        ctx.reply.int(0);
        return Ok(());
    }
    let bytes_max = ctx.db.limits().hll_sparse_max_bytes;
    let changes = ctx.db.edit_string_if(key, PFADD_EVENT, |bytes| {
        let mut hll = if is_new {
            HyperLogLogMut::create(bytes)
        } else {
            HyperLogLogMut::open(bytes).expect("it was looked at above")
        };
        match hll.add_all(elements.iter(), bytes_max) {
            Ok(added) if is_new || added > 0 => {
                hll.forget_count();
                (Ok(added + u64::from(is_new)), true)
            }
            Ok(_) => (Ok(0), false),
            Err(error) => (Err(corrupt(error)), false),
        }
    })??;
    // Each register that rose counts, and the key if it is new; one change is counted already.
    ctx.db.effects.dirty += changes.saturating_sub(1);
    ctx.reply.int(i64::from(changes > 0));
    Ok(())
}

/// Estimates how many different elements were added to one or several HyperLogLogs.
pub(super) const PFCOUNT: DataRow = Row {
    name: "pfcount",
    meta: Meta::new("hyperloglog", "2.8.9", -2, Flags::READONLY.with(Flags::MAY_REPLICATE))
        .about(
            "Estimates how many different elements were added to one or several HyperLogLogs.",
            "O(1) for one key, with a small constant if its count is kept; O(N) for N keys, with a large one",
        )
        .acl(Categories::HYPERLOGLOG)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS), 1, -1, 1)
            .notes("RW since the count of a single key is kept in its value, on replicas too.")])
        .usage("key:key#0..."),
    run: pfcount as DataFn,
    subcommands: &[],
};

fn pfcount(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() == 2 {
        return count_one(ctx, &args[1]);
    }
    let mut registers = Registers::new();
    for key in args.tail(1).iter() {
        if let Some(value) = ctx.db.get(key) {
            look(value, |hll| registers.merge(&hll))?.map_err(corrupt)?;
        }
    }
    ctx.reply.int(registers.count() as i64);
    Ok(())
}

/// Counts one key and keeps the count in its value, which is a change, and replicated as one.
fn count_one(ctx: &mut Context<'_>, key: &[u8]) -> Outcome {
    let Some(value) = ctx.db.get(key) else {
        ctx.reply.int(0);
        return Ok(());
    };
    let (kept, counted) = look(value, |hll| match hll.kept_count() {
        Some(kept) => (true, Ok(kept)),
        None => (false, hll.count()),
    })?;
    let count = counted.map_err(corrupt)?;
    // What a client asks of a replica must not change its data: they would no longer be its master's.
    if !kept && ctx.db.expiry != ExpiryMode::Hide {
        change_quietly(ctx, key, |mut hll| hll.keep_count(count));
    }
    ctx.reply.int(count as i64);
    Ok(())
}

/// Merges HyperLogLogs into one, which counts what was added to any of them.
pub(super) const PFMERGE: DataRow = Row {
    name: "pfmerge",
    meta: Meta::new("hyperloglog", "2.8.9", -2, Flags::DENYOOM.with(Flags::WRITE))
        .about(
            "Merges HyperLogLogs into one, which counts what was added to any of them.",
            "O(N) for N keys, with a large constant",
        )
        .acl(Categories::HYPERLOGLOG)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::INSERT), 1, 0, 1),
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, -1, 1),
        ])
        .usage("destkey:key#0 [sourcekey:key#1...]"),
    run: pfmerge as DataFn,
    subcommands: &[],
};

fn pfmerge(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut registers = Registers::new();
    let mut any_dense = false;
    // What the destination holds counts too.
    for key in args.tail(1).iter() {
        if let Some(value) = ctx.db.get(key) {
            look(value, |hll| {
                any_dense |= hll.form() == Form::Dense;
                registers.merge(&hll)
            })?
            .map_err(corrupt)?;
        }
    }
    let bytes_max = ctx.db.limits().hll_sparse_max_bytes;
    let is_new = !ctx.db.exists(&args[1]);
    ctx.db.edit_string(&args[1], PFADD_EVENT, |bytes| {
        let mut hll = if is_new {
            HyperLogLogMut::create(bytes)
        } else {
            HyperLogLogMut::open(bytes).expect("it was looked at above")
        };
        if any_dense {
            hll.make_dense().expect("its runs were read above");
        }
        hll.raise_to(&registers, bytes_max).expect("its runs were read above");
        hll.forget_count();
    })?;
    ctx.reply.ok();
    Ok(())
}

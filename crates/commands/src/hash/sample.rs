//! HRANDFIELD and HSCAN.

use collections::Hash;
use resp::Args;

use crate::collection::{ElementScan, Sample, reply_element, reply_empty_scan, reply_pair, scan_cursor};
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Returns random fields of a hash, with their values if asked for.
pub(super) const HRANDFIELD: DataRow = Row {
    name: "hrandfield",
    meta: Meta::new("hash", "6.2.0", -2, Flags::READONLY)
        .about("Returns random fields of a hash, with their values if asked for.", "O(N) with N fields returned")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [options{count:integer [WITHVALUES]}]")
        .tips(&["nondeterministic_output"]),
    run: hrandfield as DataFn,
    subcommands: &[],
};
fn hrandfield(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() == 2 {
        match ctx.db.collection::<Hash>(&args[1])?.and_then(|hash| hash.random(ctx.rng)) {
            Some((field, _)) => reply_element(&mut ctx.reply, field),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let (sample, with_values) = Sample::parse(args, "WITHVALUES")?;
    let Some(hash) = ctx.db.collection::<Hash>(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let shape = (hash.len(), with_values);
    sample.reply(
        &mut ctx.reply,
        ctx.rng,
        shape,
        hash.iter(),
        |at| hash.nth(at),
        |reply, (field, value)| {
            if with_values {
                reply_pair(reply);
            }
            reply_element(reply, field);
            if with_values {
                reply_element(reply, value);
            }
        },
    )
}

/// Walks over the fields of a hash, some per call.
pub(super) const HSCAN: DataRow = Row {
    name: "hscan",
    meta: Meta::new("hash", "2.8.0", -3, Flags::READONLY)
        .about(
            "Walks over the fields of a hash, some per call.",
            "O(1) per call, O(N) for the whole walk over N fields",
        )
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [NOVALUES]")
        .tips(&["nondeterministic_output"]),
    run: hscan as DataFn,
    subcommands: &[],
};
fn hscan(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan_cursor(&args[2])?;
    let Some(hash) = ctx.db.collection::<Hash>(&args[1])? else { return reply_empty_scan(ctx) };
    let mut scan = ElementScan::parse(args, "HSCAN")?;
    let next = hash.scan(cursor, scan.count, |field, value| {
        if scan.take(field) {
            value.with_bytes(|value| scan.push(value));
        }
    });
    scan.reply(&mut ctx.reply, next);
    Ok(())
}

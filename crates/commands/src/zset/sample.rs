//! ZRANDMEMBER and ZSCAN.

use collections::ZSet;
use resp::Args;

use crate::collection::{ElementScan, Sample, reply_element, reply_empty_scan, reply_pair, scan_cursor};
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Returns random members of a sorted set, with their scores if asked for.
pub(super) const ZRANDMEMBER: DataRow = Row {
    name: "zrandmember",
    meta: Meta::new("sorted-set", "6.2.0", -2, Flags::READONLY)
        .about(
            "Returns random members of a sorted set, with their scores if asked for.",
            "O(N) with N members returned",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [options{count:integer [WITHSCORES]}]")
        .tips(&["nondeterministic_output"]),
    run: zrandmember as DataFn,
    subcommands: &[],
};
fn zrandmember(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() == 2 {
        match ctx.db.collection::<ZSet>(&args[1])?.and_then(|zset| zset.random(ctx.rng)) {
            Some((member, _)) => reply_element(&mut ctx.reply, member),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let (sample, with_scores) = Sample::parse(args, "WITHSCORES")?;
    let Some(zset) = ctx.db.collection::<ZSet>(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let len = zset.len();
    sample.reply(
        &mut ctx.reply,
        ctx.rng,
        (len, with_scores),
        // All of them come from the highest score down, as with the peers.
        zset.iter_back_from(len - 1),
        |at| zset.get(at),
        |reply, (member, score)| {
            if with_scores {
                reply_pair(reply);
            }
            reply_element(reply, member);
            if with_scores {
                reply.double(score);
            }
        },
    )
}

/// Walks over the members of a sorted set and their scores, some per call.
pub(super) const ZSCAN: DataRow = Row {
    name: "zscan",
    meta: Meta::new("sorted-set", "2.8.0", -3, Flags::READONLY)
        .about(
            "Walks over the members of a sorted set and their scores, some per call.",
            "O(1) per call, O(N) for the whole walk over N members",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [NOSCORES]")
        .tips(&["nondeterministic_output"]),
    run: zscan as DataFn,
    subcommands: &[],
};
fn zscan(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan_cursor(&args[2])?;
    let Some(zset) = ctx.db.collection::<ZSet>(&args[1])? else { return reply_empty_scan(ctx) };
    let mut scan = ElementScan::parse(args, "ZSCAN")?;
    let mut text = Vec::with_capacity(32);
    // Walking over a table the peers write scores as they always did, elsewhere as short as they can be.
    let short = zset.as_listpack().is_some();
    let next = zset.scan(cursor, scan.count, |member, score| {
        if scan.take(member) {
            text.clear();
            if short {
                base::numbers::write_f64(&mut text, score);
            } else {
                base::numbers::write_f64_exact(&mut text, score);
            }
            scan.push(&text);
        }
    });
    scan.reply(&mut ctx.reply, next);
    Ok(())
}

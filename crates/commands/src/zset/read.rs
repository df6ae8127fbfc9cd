//! Questions after scores, ranks and counts: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT.

use collections::ZSet;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::bounds::{Bounds, By};

/// Returns how many members a sorted set has.
pub(super) const ZCARD: DataRow = Row {
    name: "zcard",
    meta: Meta::new("sorted-set", "1.2.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many members a sorted set has.", "O(1)")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: zcard as DataFn,
    subcommands: &[],
};
fn zcard(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = ctx.db.collection::<ZSet>(&args[1])?.map_or(0, ZSet::len);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Returns the score of a member of a sorted set.
pub(super) const ZSCORE: DataRow = Row {
    name: "zscore",
    meta: Meta::new("sorted-set", "1.2.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the score of a member of a sorted set.", "O(1)")
        .member(2)
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member:string"),
    run: zscore as DataFn,
    subcommands: &[],
};
fn zscore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match ctx.db.collection::<ZSet>(&args[1])?.and_then(|zset| zset.score(&args[2])) {
        Some(score) => ctx.reply.double(score),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Returns the scores of members of a sorted set.
pub(super) const ZMSCORE: DataRow = Row {
    name: "zmscore",
    meta: Meta::new("sorted-set", "6.2.0", -3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the scores of members of a sorted set.", "O(N) with N members asked for")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member:string..."),
    run: zmscore as DataFn,
    subcommands: &[],
};
fn zmscore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let zset = ctx.db.collection::<ZSet>(&args[1])?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2).iter() {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => ctx.reply.double(score),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// Returns the place of a member by ascending score, from 0.
pub(super) const ZRANK: DataRow = Row {
    name: "zrank",
    meta: Meta::new("sorted-set", "2.0.0", -3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the place of a member by ascending score, from 0.", "O(log(N)) with N members")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member:string [WITHSCORE]"),
    run: zrank as DataFn,
    subcommands: &[],
};
fn zrank(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() > 4 {
        return Err(Error::text("ERR wrong number of arguments for 'zrank' command"));
    }
    rank(ctx, args, |rank, _| rank)
}

/// Returns the place of a member by descending score, from 0.
pub(super) const ZREVRANK: DataRow = Row {
    name: "zrevrank",
    meta: Meta::new("sorted-set", "2.0.0", -3, Flags::FAST.with(Flags::READONLY))
        .about("Returns the place of a member by descending score, from 0.", "O(log(N)) with N members")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member:string [WITHSCORE]"),
    run: zrevrank as DataFn,
    subcommands: &[],
};
fn zrevrank(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() > 4 {
        return Err(Error::text("ERR wrong number of arguments for 'zrevrank' command"));
    }
    rank(ctx, args, |rank, len| len - 1 - rank)
}

fn rank(ctx: &mut Context<'_>, args: &Args<'_>, place: fn(usize, usize) -> usize) -> Outcome {
    let with_score = match args.get(3) {
        None => false,
        Some(word) if is(word, "WITHSCORE") => true,
        Some(_) => return Err(Error::Syntax),
    };
    let (zset, member) = (ctx.db.collection::<ZSet>(&args[1])?, &args[2]);
    let found = zset.and_then(|zset| Some((zset, place(zset.rank(member)?, zset.len()))));
    match found {
        Some((zset, rank)) if with_score => {
            ctx.reply.array(2);
            ctx.reply.int(rank as i64);
            ctx.reply.double(zset.score(member).expect("what has a rank has a score"));
        }
        Some((_, rank)) => ctx.reply.int(rank as i64),
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Returns how many members have a score within a range.
pub(super) const ZCOUNT: DataRow = Row {
    name: "zcount",
    meta: Meta::new("sorted-set", "2.0.0", 4, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many members have a score within a range.", "O(log(N)) with N members")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 min:double max:double"),
    run: zcount as DataFn,
    subcommands: &[],
};
fn zcount(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count(ctx, args, By::Score)
}

/// Returns how many members are within a range of the alphabet, where all scores are equal.
pub(super) const ZLEXCOUNT: DataRow = Row {
    name: "zlexcount",
    meta: Meta::new("sorted-set", "2.8.9", 4, Flags::FAST.with(Flags::READONLY))
        .about(
            "Returns how many members are within a range of the alphabet, where all scores are equal.",
            "O(log(N)) with N members",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 min:string max:string"),
    run: zlexcount as DataFn,
    subcommands: &[],
};
fn zlexcount(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count(ctx, args, By::Lex)
}

fn count(ctx: &mut Context<'_>, args: &Args<'_>, by: By) -> Outcome {
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    let count = ctx.db.collection::<ZSet>(&args[1])?.map_or(0, |zset| bounds.ranks(zset).len());
    ctx.reply.int(count as i64);
    Ok(())
}

//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use collections::ZSet;
use resp::Args;

use crate::collection::journal_outcome;
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::bounds::{Bounds, By};
use super::{event, has_one_score};

/// Removes members from a sorted set and returns how many were in it.
pub(super) const ZREM: DataRow = Row {
    name: "zrem",
    meta: Meta::new("sorted-set", "1.2.0", -3, Flags::FAST.with(Flags::WRITE))
        .about(
            "Removes members from a sorted set and returns how many were in it.",
            "O(M*log(N)) with M members removed from N",
        )
        .member(2)
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 member:string..."),
    run: zrem as DataFn,
    subcommands: &[],
};
fn zrem(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<ZSet>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let (zset, _) = edit.get_mut();
    let removed = args.tail(2).iter().filter(|member| zset.remove(member).is_some()).count();
    if removed > 0 {
        edit.changed(event("zrem"), removed as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Removes the members within a range of ranks.
pub(super) const ZREMRANGEBYRANK: DataRow = Row {
    name: "zremrangebyrank",
    meta: Meta::new("sorted-set", "2.0.0", 4, Flags::WRITE)
        .about("Removes the members within a range of ranks.", "O(log(N)+M) with M members removed from N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 start:integer stop:integer"),
    run: zremrangebyrank as DataFn,
    subcommands: &[],
};
fn zremrangebyrank(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove_range(ctx, args, By::Rank, "zremrangebyrank")
}

/// Removes the members within a range of scores.
pub(super) const ZREMRANGEBYSCORE: DataRow = Row {
    name: "zremrangebyscore",
    meta: Meta::new("sorted-set", "1.2.0", 4, Flags::WRITE)
        .about("Removes the members within a range of scores.", "O(log(N)+M) with M members removed from N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 min:double max:double"),
    run: zremrangebyscore as DataFn,
    subcommands: &[],
};
fn zremrangebyscore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove_range(ctx, args, By::Score, "zremrangebyscore")
}

/// Removes the members within a range of the alphabet, where all scores are equal.
pub(super) const ZREMRANGEBYLEX: DataRow = Row {
    name: "zremrangebylex",
    meta: Meta::new("sorted-set", "2.8.9", 4, Flags::WRITE)
        .about(
            "Removes the members within a range of the alphabet, where all scores are equal.",
            "O(log(N)+M) with M members removed from N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 min:string max:string"),
    run: zremrangebylex as DataFn,
    subcommands: &[],
};
fn zremrangebylex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove_range(ctx, args, By::Lex, "zremrangebylex")
}

fn remove_range(ctx: &mut Context<'_>, args: &Args<'_>, by: By, name: &'static str) -> Outcome {
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    let Some(mut edit) = ctx.db.edit::<ZSet>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let range = bounds.ranks(edit.get());
    let removed = range.len();
    let gone = (by == By::Lex && !has_one_score(edit.get())).then(|| members(edit.get(), range.clone()));
    if removed > 0 {
        edit.get_mut().0.remove_rank_range(range.start, removed);
        edit.changed(event(name), removed as u64);
    } else {
        edit.unchanged();
    }
    if let Some(gone) = gone {
        // Where scores differ, what a range of the alphabet finds depends on how it is looked for.
        journal_outcome(&mut ctx.db, b"ZREM", &args[1], &gone);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn members(zset: &ZSet, ranks: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    zset.iter_from(ranks.start).take(ranks.len()).map(|(member, _)| member.to_vec()).collect()
}

//! BZPOPMIN, BZPOPMAX and BZMPOP: they wait until there is a member. Replicas get the command that does not wait.

use std::time::Duration;

use keyspace::Kind;
use resp::{Args, Reply};

use crate::blocking::{Wait, timeout_seconds};
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::pop::{End, ManyPop, pop_one_with};

const TAKEN: KeyAccess = KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE);

/// Removes and returns the member with the lowest score of the first sorted set that is there, or waits for one.
pub(super) const BZPOPMIN: DataRow = Row {
    name: "bzpopmin",
    meta: Meta::new("sorted-set", "5.0.0", -3, Flags::BLOCKING.with(Flags::FAST).with(Flags::WRITE))
        .about(
            "Removes and returns the member with the lowest score of the first sorted set that is there, or waits for one.",
            "O(log(N)) with N members",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(TAKEN, 1, -2, 1)])
        .usage("key:key#0... timeout:double"),
    run: bzpopmin as DataFn,
    subcommands: &[],
};
fn bzpopmin(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Min)
}

/// Removes and returns the member with the highest score of the first sorted set that is there, or waits for one.
pub(super) const BZPOPMAX: DataRow = Row {
    name: "bzpopmax",
    meta: Meta::new("sorted-set", "5.0.0", -3, Flags::BLOCKING.with(Flags::FAST).with(Flags::WRITE))
        .about(
            "Removes and returns the member with the highest score of the first sorted set that is there, or waits for one.",
            "O(log(N)) with N members",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(TAKEN, 1, -2, 1)])
        .usage("key:key#0... timeout:double"),
    run: bzpopmax as DataFn,
    subcommands: &[],
};
fn bzpopmax(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Max)
}

fn pop(ctx: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let timeout = timeout_seconds(&args[args.len() - 1], ctx.db.now)?;
    let keys = || args.iter().take(args.len() - 1).skip(1);
    for key in keys() {
        let triple = |reply: &mut Reply<'_>| {
            reply.array(3);
            reply.bulk(key);
        };
        if pop_one_with(ctx, key, end, triple)? {
            ctx.db.effects.replicate_instead(ctx.db.index(), &[end.word(), key]);
            return Ok(());
        }
    }
    ctx.wait_or(wait(timeout, keys()), |reply| reply.null_array())
}

/// Removes and returns members of the first of several sorted sets that is there, or waits for one.
pub(super) const BZMPOP: DataRow = Row {
    name: "bzmpop",
    meta: Meta::new("sorted-set", "7.0.0", -5, Flags::BLOCKING.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about(
            "Removes and returns members of the first of several sorted sets that is there, or waits for one.",
            "O(K)+O(M*log(N)) with K keys and M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(TAKEN, 2)])
        .usage("timeout:double numkeys:integer key:key#0... where<MIN | MAX> [COUNT=count:integer]"),
    run: bzmpop as DataFn,
    subcommands: &[],
};
fn bzmpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = ManyPop::parse(args, 2)?;
    let timeout = timeout_seconds(&args[1], ctx.db.now)?;
    if request.run(ctx)? {
        return Ok(());
    }
    ctx.wait_or(wait(timeout, request.keys()), |reply| reply.null_array())
}

fn wait<'a>(timeout: Option<Duration>, keys: impl Iterator<Item = &'a [u8]>) -> Wait {
    Wait { timeout, keys: keys.map(<[u8]>::to_vec).collect(), kind: Kind::ZSet, wants_loss: false, again: None }
}
